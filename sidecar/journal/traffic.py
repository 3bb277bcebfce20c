"""What each channel brought, when it was said, how late it came: the figures by which one that stopped is seen.

Two sums for each channel and quarter of an hour, which is the finest that a day of any time zone needs, kept in the
transaction of the facts. Activities are counted at the time at which they were said, so that history which is read
today doesn't look like today's traffic, and fills the weeks by which today is judged; deliveries when they came. How
late something came is counted in classes (`AT_MOST_S`), for a median over a day needs no more; what was said before
the channel was ours was never late. Deliveries that brought no activity are counted beside them by who read them: no
fact says it, so that count begins with the version that keeps it and isn't rebuilt.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sidecar.journal import tables as t
from sidecar.journal.codec import BODY, decode
from sidecar.journal.database import Database
from sidecar.journal.upserts import add
from sidecar.model import Activity, Delivery, WorkKey, WorkKind

SLOT_S = 15 * 60
AT_MOST_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400, 604_800)
NEVER_S = 31_536_000
"""The class of what came later than all of them."""
MAX_PARKED = 1_000
_SLOT_US = SLOT_S * 1_000_000
BEGUN = "begun:"
"""Under this and a channel's name stands since when the channel is ours: live is what was said from there on."""
_BEGAN = sa.select(t.meta.c.key, t.meta.c.value).where(t.meta.c.key.in_(sa.bindparam("keys", expanding=True)))


class Said(NamedTuple):
    """One activity as the index has it."""

    account: str
    activity: str
    external_id: str
    kind: str
    relates_to: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Volume:
    """How much came in a time."""

    deliveries: int = 0
    activities: int = 0


class Traffic:
    """The sums within one transaction, written once by `save`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._deliveries: Counter[tuple[str, int]] = Counter()
        self._activities: Counter[tuple[str, int]] = Counter()
        self._lags: Counter[tuple[str, int, int]] = Counter()
        self._begun_us: dict[str, int] = {}

    def came(self, delivery: Delivery) -> None:
        """Count a delivery."""
        self._deliveries[t.as_key(delivery.channel), slot_of(t.to_us(delivery.received_at))] += 1

    def said(self, activity: Activity, recorded_at: int) -> None:
        """Count an activity; one of the future, as a calendar may have it, is counted now."""
        channel, at = t.as_key(activity.channel), t.to_us(activity.at)
        self._activities[channel, slot_of(min(at, recorded_at))] += 1
        if at >= self._begun(channel):
            self._lags[channel, slot_of(recorded_at), at_most_s(recorded_at - at)] += 1

    def save(self) -> None:
        """Write what was gathered."""
        keys = sorted(self._deliveries.keys() | self._activities.keys())
        add(self._connection, t.traffic, [
            {
                "channel": channel,
                "slot": slot,
                "deliveries": self._deliveries[channel, slot],
                "activities": self._activities[channel, slot],
            }
            for channel, slot in keys
        ])  # fmt: skip
        add(self._connection, t.lag, [
            {"channel": channel, "slot": slot, "at_most_s": seconds, "activities": number}
            for (channel, slot, seconds), number in sorted(self._lags.items())
        ])  # fmt: skip
        self._deliveries.clear()
        self._activities.clear()
        self._lags.clear()

    def _begun(self, channel: str) -> int:
        if channel not in self._begun_us:
            keys = {"keys": [BEGUN + channel, "installed_at"]}
            told = {row.key: row.value for row in self._connection.execute(_BEGAN, keys)}
            held = told.get(BEGUN + channel) or told.get("installed_at")
            self._begun_us[channel] = t.to_us(datetime.fromisoformat(held)) if held else 0
        return self._begun_us[channel]


def slot_of(us: int) -> int:
    """Return the quarter of an hour of a time, as its beginning."""
    return us - us % _SLOT_US


def at_most_s(lag_us: int) -> int:
    """Return the class of a lag: the least of the bounds that it doesn't exceed."""
    place = bisect_left(AT_MOST_S, lag_us / 1_000_000)
    return AT_MOST_S[place] if place < len(AT_MOST_S) else NEVER_S


def unread_rows(channels: Iterable[str], now: int) -> list[dict[str, Any]]:
    """Return the rows to add for deliveries that brought no activity."""
    slot = slot_of(now)
    return [
        {"channel": t.as_key(channel), "slot": slot, "deliveries": number}
        for channel, number in sorted(Counter(channels).items())
    ]


class TrafficReader:
    """The reading half of the journal that knows how channels fare; each answer walks an index."""

    _database: Database

    def volume(self, channel: str, since: datetime, until: datetime) -> Volume:
        """Return how much a channel brought from a time (inclusive) until another, to the quarter of an hour."""
        sums = (sa.func.coalesce(sa.func.sum(t.traffic.c[name]), 0) for name in ("deliveries", "activities"))
        named = t.traffic.c.channel == channel, *_between(t.traffic, since, until)
        with self._database.read() as connection:
            deliveries, activities = connection.execute(sa.select(*sums).where(*named)).one()
        return Volume(int(deliveries), int(activities))

    def said_between(self, channel: str) -> tuple[datetime, datetime] | None:
        """Return the quarters of an hour, as their beginnings, of the first and the last that a channel brought."""
        said = sa.select(t.traffic.c.slot).where(t.traffic.c.channel == channel, t.traffic.c.activities > 0).limit(1)
        with self._database.read() as connection:
            first = connection.execute(said.order_by(t.traffic.c.slot)).scalar()
            last = connection.execute(said.order_by(t.traffic.c.slot.desc())).scalar()
        return None if first is None or last is None else (t.from_us(first), t.from_us(last))

    def lags(self, channel: str, since: datetime) -> Mapping[int, int]:
        """Count what a channel brought since a time, by how many seconds late it was at most."""
        number = sa.func.sum(t.lag.c.activities).label("n")
        counted = sa.select(t.lag.c.at_most_s, number).where(
            t.lag.c.channel == channel, t.lag.c.slot >= slot_of(t.to_us(since))
        )
        with self._database.read() as connection:
            rows = connection.execute(counted.group_by(t.lag.c.at_most_s).order_by(t.lag.c.at_most_s))
            return {int(row.at_most_s): int(row.n) for row in rows}

    def unread(self, channel: str, since: datetime) -> int:
        """Count the deliveries that were read since a time and brought no activity: hints, and kinds unknown to us."""
        counted = sa.select(sa.func.coalesce(sa.func.sum(t.unread.c.deliveries), 0)).where(
            t.unread.c.channel == channel, t.unread.c.slot >= slot_of(t.to_us(since))
        )
        with self._database.read() as connection:
            return int(connection.execute(counted).scalar_one())

    def unreadable(self, since: datetime) -> Mapping[str, int]:
        """Count the deliveries since a time that are parked, by channel; at most `MAX_PARKED` parked ones are seen."""
        parked = sa.select(t.work.c.key).where(
            t.work.c.parked_reason.is_not(None), t.work.c.kind.in_(("parse", "resolve"))
        )
        keys = parked.order_by(t.work.c.kind, t.work.c.key).limit(MAX_PARKED).subquery()
        bodies = sa.select(t.fact.c.kind, t.payload.c.body).join(
            t.payload, sa.and_(t.payload.c.fact_id == t.fact.c.id, t.payload.c.part == BODY)
        )
        found: Counter[str] = Counter()
        with self._database.read() as connection:
            for row in connection.execute(bodies.where(t.fact.c.id.in_(sa.select(keys.c.key)))):
                delivery = decode(row.kind, row.body)
                if isinstance(delivery, Delivery) and delivery.received_at >= since:
                    found[delivery.channel] += 1
        return dict(found)

    def moved_at(self, channel: str, name: str) -> datetime | None:
        """Return when the place up to which a channel has been read was last set, under a name."""
        named = t.cursor.c.channel == channel, t.cursor.c.name == name
        with self._database.read() as connection:
            at: int | None = connection.execute(sa.select(t.cursor.c.updated_at).where(*named)).scalar()
        return None if at is None else t.from_us(at)

    def polling(self, channel: str) -> tuple[bool, str]:
        """Say whether a channel is being polled just now, and why its last poll has to be repeated, where it has."""
        work = t.work.c
        named = work.kind == WorkKind.POLL.value, work.key == channel
        with self._database.read() as connection:
            row = connection.execute(sa.select(t.work).where(*named)).first()
            now = self._database.now_us(connection)
        if row is None:
            return False, ""
        is_running = row.lease_owner is not None and row.lease_until > now
        failed = row.attempts > 0 and row.touched > row.done
        return is_running, (row.parked_reason or row.waits_for or "") if failed or row.parked_reason else ""

    def known_ids(self, ids: Collection[str]) -> set[str]:
        """Return those of some ids whose facts the book holds, or held until their bodies were erased."""
        wanted = sorted(set(ids))
        found: set[str] = set()
        with self._database.read() as connection:
            for i in range(0, len(wanted), 400):
                found.update(connection.execute(_KNOWN, {"ids": wanted[i : i + 400]}).scalars())
        return found

    def effect_ids(self, ids: Collection[str], kind: str) -> set[str]:
        """Return the ids of the facts of a kind that follow from some facts, also of those whose bodies were erased."""
        wanted = sorted(set(ids))
        found: set[str] = set()
        with self._database.read() as connection:
            for i in range(0, len(wanted), 400):
                given = {"ids": wanted[i : i + 400], "kind": kind}
                found.update(connection.execute(_FOLLOWING, given).scalars())
        return found

    def undone(self, keys: Sequence[WorkKey]) -> set[str]:
        """Return the keys of those works that are due, waiting, running or parked."""
        work, found = t.work.c, set[str]()
        is_open = sa.or_(work.touched > work.done, work.parked_reason.is_not(None))
        with self._database.read() as connection:
            for kind in sorted({key.kind for key in keys}):
                wanted = sorted({key.key for key in keys if key.kind is kind})
                for i in range(0, len(wanted), 400):
                    named = work.kind == kind.value, work.key.in_(wanted[i : i + 400]), is_open
                    found.update(connection.execute(sa.select(work.key).where(*named)).scalars())
        return found

    def is_in_hand(self, key: WorkKey) -> bool:
        """Say whether a piece of work is to be done, waits for a person, or was dismissed and not touched since."""
        work = t.work.c
        named = work.kind == key.kind.value, work.key == key.key
        with self._database.read() as connection:
            found = sa.select(work.key).where(*named, sa.or_(work.touched > work.done, work.waits_for.is_not(None)))
            return connection.execute(found).first() is not None

    def said_on(self, channel: str, since: datetime, after: tuple[str, str], limit: int) -> list[Said]:
        """Return a channel's activities since a time.

        They come in the order of accounts and activities, those after one of them: to walk through all. Everything of
        the channel is looked at, so this is for commands and never for a run.
        """
        index = t.activity_index.c
        behind = sa.tuple_(index.account, index.activity_id) > sa.tuple_(sa.literal(after[0]), sa.literal(after[1]))
        columns = index.account, index.activity_id, index.external_id, index.kind, index.relates_to, index.at
        page = sa.select(*columns).where(index.channel == channel, index.at >= t.to_us(since), behind)
        with self._database.read() as connection:
            rows = connection.execute(page.order_by(index.account, index.activity_id).limit(limit)).all()
        return [Said(row[0], row[1], row[2], row[3], row[4] or "", t.from_us(row[5])) for row in rows]


_FOLLOWING = sa.select(t.because.c.effect).where(
    t.because.c.cause.in_(sa.bindparam("ids", expanding=True)), t.because.c.effect_kind == sa.bindparam("kind")
)
_KNOWN = sa.select(t.fact.c.id).where(t.fact.c.id.in_(sa.bindparam("ids", expanding=True)))


def _between(table: Any, since: datetime, until: datetime) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return table.c.slot >= slot_of(t.to_us(since)), table.c.slot < slot_of(t.to_us(until))
