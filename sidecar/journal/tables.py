"""The tables of the book: facts that stay, payloads that erasure may remove, projections that can be rebuilt.

Three sorts, and they must not be mixed up. The *book* (fact, payload, because, text) is insert-only, and triggers in
the schema refuse anything else; only a payload whose fact is marked in `erased` may go. *Projections* follow from the
facts, are written in the same transaction and can be thrown away (`projections.rebuild`). *State* (work, cursor,
owner, pause, meta) is of this installation and no fact. Times are integers, microseconds since 1970 in UTC: both
databases count alike, sums need no dialect, and nothing is lost to a time zone. Money is in nano-dollars, so that
sums are exact.

The schema is made by the migrations, never from here; a test keeps the two equal.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.schema import SchemaItem

from sidecar.errors import PermanentError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_KEY_BYTES = 1024
"""The longest text that may be a key: PostgreSQL refuses index rows above about 2,700 bytes."""
MAX_TEXT_CHARS = 2000

DIRTY = "touched > done AND parked_reason IS NULL"
PENDING = "pending"
QUESTION = "outcome IN ('ambiguous', 'unknown')"
REVIEW = "review"
"""Conditions of partial indexes: a query must say them in these very words, or SQLite doesn't see the index."""

metadata = sa.MetaData()


def _text(name: str, *rest: SchemaItem, null: bool = False, pk: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, *rest, primary_key=pk, nullable=null)


def _int(name: str, *, null: bool = False, pk: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=pk, nullable=null, autoincrement=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _partial(name: str, *columns: str, where: str) -> sa.Index:
    return sa.Index(name, *columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


# The book -------------------------------------------------------------------------------------------------------------

fact = sa.Table(
    "fact",
    metadata,
    # Given by the writer, who holds the only pen: no gaps, in order of commit. An integer is SQLite's own row number.
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    _text("id"),
    _text("kind"),
    _text("party", null=True),
    _int("recorded_at"),
    _text("sha256"),
    sa.UniqueConstraint("id"),
    sa.Index("ix_fact_party_seq", "party", "seq"),
    sa.Index("ix_fact_kind_seq", "kind", "seq"),
)

payload = sa.Table(
    "payload",
    metadata,
    _text("fact_id", sa.ForeignKey("fact.id"), pk=True),
    _text("part", pk=True),  # body: the fact as JSON; raw: the bytes of a delivery
    sa.Column("body", sa.LargeBinary, nullable=False),
)

because = sa.Table(
    "because",
    metadata,
    _text("effect", sa.ForeignKey("fact.id"), pk=True),
    _text("cause", sa.ForeignKey("fact.id"), pk=True),
    _text("effect_kind"),
    sa.Index("ix_because_cause_effect_kind", "cause", "effect_kind"),
)

text = sa.Table("text", metadata, _text("sha256", pk=True), sa.Column("body", sa.LargeBinary, nullable=False))

erased = sa.Table(
    "erased",
    metadata,
    _text("fact_id", sa.ForeignKey("fact.id"), pk=True),
    _int("at"),
    _text("reason"),
)

# Projections ----------------------------------------------------------------------------------------------------------

party = sa.Table(
    "party",
    metadata,
    _text("id", pk=True),
    _text("merged_into", null=True),
    sa.Index("ix_party_merged_into", "merged_into"),
)

identifier = sa.Table(
    "identifier",
    metadata,
    _text("kind", pk=True),
    _text("value", pk=True),
    _text("party"),
    sa.Index("ix_identifier_party", "party"),
)

activity_index = sa.Table(
    "activity_index",
    metadata,
    _text("activity_id", pk=True),
    _text("channel"),
    _text("account"),
    _text("external_id"),
    _text("kind"),
    _text("version"),
    _int("at"),
    _text("thread"),
    _text("relates_to", null=True),
    sa.Index("ix_activity_index_external_id", "channel", "account", "external_id"),
    sa.Index("ix_activity_index_relates_to", "channel", "account", "relates_to"),
    sa.Index("ix_activity_index_thread", "channel", "account", "thread"),
)

match_index = sa.Table(  # the matches that count: an activity of a group belongs to several parties
    "match_index",
    metadata,
    _text("match_id", pk=True),
    _text("activity_id"),
    _int("at"),
    _text("outcome"),
    _text("after"),
    _text("party", null=True),
    _flag("pending"),
    sa.Index("ix_match_index_activity_id", "activity_id"),
    sa.Index("ix_match_index_party_at", "party", "at", "activity_id"),
    _partial("ix_match_index_pending", "party", "at", "activity_id", where=PENDING),
    _partial("ix_match_index_question", "at", "activity_id", where=QUESTION),
)

waiting = sa.Table(
    "waiting",
    metadata,
    _text("kind", pk=True),
    _text("value", pk=True),
    _text("activity_id", pk=True),
    sa.Index("ix_waiting_activity_id", "activity_id"),
)

standing = sa.Table(
    "standing",
    metadata,
    _text("party", pk=True),
    _text("doc"),
    _text("name_folded"),
    _text("stage"),
    _flag("review"),
    _text("urgency"),
    sa.Column("score", sa.Float, nullable=True),
    _int("last_activity_at", null=True),
    _int("watch_at", null=True),
    _int("updated_at"),
    sa.Index("ix_standing_last_activity_at", "last_activity_at"),
    _partial("ix_standing_watch_at", "watch_at", where="watch_at IS NOT NULL"),
    _partial("ix_standing_review", "last_activity_at", where=REVIEW),
)

record_link = sa.Table(
    "record_link",
    metadata,
    _text("ledger", pk=True),
    _text("kind", pk=True),
    _text("ref", pk=True),
    _text("party"),
    sa.Index("ix_record_link_party", "party"),
)

spent = sa.Table(
    "spent",
    metadata,
    _text("dimension", pk=True),
    _text("name", pk=True),
    _int("quarter", pk=True),
    _int("calls"),
    _int("escalations"),
    _int("nano_usd"),
    _int("input_tokens"),
    _int("output_tokens"),
    _int("cache_read_tokens"),
    _int("cache_write_tokens"),
    sa.Index("ix_spent_quarter", "dimension", "quarter"),
)

alert_open = sa.Table(
    "alert_open",
    metadata,
    _text("id", pk=True),
    _text("rule"),
    _text("subject"),
    _text("about"),
    _text("party", null=True),
    sa.Column("rank", sa.Float, nullable=False),
    _int("at"),
    sa.Index("ix_alert_open_rule", "rule", "subject", "about"),
    sa.Index("ix_alert_open_party", "party"),
)

channel_seen = sa.Table(
    "channel_seen",
    metadata,
    _text("channel", pk=True),
    _text("account", pk=True),
    _int("deliveries"),
    _int("last_at"),
)

traffic = sa.Table(
    "traffic",
    metadata,
    _text("channel", pk=True),
    _int("slot", pk=True),  # a quarter of an hour: when it was said, and of deliveries when they came
    _int("deliveries"),
    _int("activities"),
)

lag = sa.Table(
    "lag",
    metadata,
    _text("channel", pk=True),
    _int("slot", pk=True),  # the quarter of an hour in which they were written down
    _int("at_most_s", pk=True),
    _int("activities"),
)

heard = sa.Table(
    "heard",
    metadata,
    _text("model", pk=True),
    _int("quarter", pk=True),  # of an hour, in which the words were written down
    _int("files"),
    _int("audio_ms"),
    _int("nano_usd"),
)

BOOK = (fact, payload, because, text, erased)
PROJECTIONS = (
    party, identifier, activity_index, match_index, waiting, standing, record_link, spent, alert_open, channel_seen,
    traffic, lag, heard,
)  # fmt: skip

# State ----------------------------------------------------------------------------------------------------------------

cursor = sa.Table(
    "cursor",
    metadata,
    _text("channel", pk=True),
    _text("name", pk=True),
    _text("value"),
    _int("updated_at"),
)

work = sa.Table(
    "work",
    metadata,
    _text("kind", pk=True),
    _text("key", pk=True),
    _int("touched"),
    _int("done"),
    _int("first_at", null=True),  # the first touch since the row was clean or claimed
    _int("due_at", null=True),  # when the quiet period ends
    _int("not_before", null=True),  # backoff or Retry-After, which no touch overrides, or the end of a wait
    _int("ready_at"),  # the later of the two, kept so that finding due work is a walk along an index
    _text("lease_owner", null=True),
    _int("lease_until", null=True),
    sa.Column("lease_s", sa.Float, nullable=True),
    _int("fence"),
    _int("attempts"),
    _int("crashes"),  # claims in a row whose owner died, or hung, before it finished
    _text("parked_reason", null=True),
    _text("waits_for", null=True),  # what the last run said when it put itself off
    _partial("ix_work_ready_at", "ready_at", where=DIRTY),
    _partial("ix_work_lease_owner", "lease_owner", where="lease_owner IS NOT NULL"),
    _partial("ix_work_parked", "kind", "key", where="parked_reason IS NOT NULL"),
)

owner = sa.Table("owner", metadata, _text("id", pk=True), _int("since"))
pause = sa.Table("pause", metadata, _text("scope", pk=True), _text("reason"), _int("since"))
meta = sa.Table("meta", metadata, _text("key", pk=True), _text("value"))

unread = sa.Table(  # deliveries that were read and brought no activity, by when that was
    "unread", metadata, _text("channel", pk=True), _int("slot", pk=True), _int("deliveries")
)

STATE = (cursor, work, owner, pause, meta, unread)


def to_us(at: datetime) -> int:
    """Return an aware time as microseconds since 1970; a naive one is refused, because it means nothing."""
    if at.tzinfo is None:
        raise PermanentError("a time without a time zone can't be journaled")
    return (at - EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """Return the aware UTC time of so many microseconds since 1970."""
    return EPOCH + timedelta(microseconds=us)


def as_key(value: str) -> str:
    """Return a text that may stand in an index; `PermanentError` for what one of the databases would refuse."""
    try:
        size_bytes = len(value.encode())
    except UnicodeEncodeError:
        raise PermanentError("a name or id holds broken Unicode") from None
    if "\x00" in value or size_bytes > MAX_KEY_BYTES:
        raise PermanentError(f"a name or id holds a NUL or more than {MAX_KEY_BYTES} bytes")
    return value


def as_text(value: str) -> str:
    """Return a text for people that every database takes: reasons and names, cut short, without what can't be kept."""
    return value.replace("\x00", "").encode("utf-8", "replace").decode()[:MAX_TEXT_CHARS]
