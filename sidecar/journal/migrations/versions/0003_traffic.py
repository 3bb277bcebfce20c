"""What each channel brought, by quarter of an hour, and how late: by which a channel that stopped is seen.

Filled from the deliveries and activities in the book, a page at a time, once. What brought no activity was not noted
before. Plain DDL and plain JSON, frozen here.
"""

import json
from bisect import bisect_left
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SLOT_US = 15 * 60 * 1_000_000
AT_MOST_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400, 604_800)
NEVER_S = 31_536_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PAGE = 500
DDL = """
CREATE TABLE traffic (
    channel TEXT NOT NULL,
    slot BIGINT NOT NULL,
    deliveries BIGINT NOT NULL,
    activities BIGINT NOT NULL,
    PRIMARY KEY (channel, slot)
);
CREATE TABLE lag (
    channel TEXT NOT NULL,
    slot BIGINT NOT NULL,
    at_most_s BIGINT NOT NULL,
    activities BIGINT NOT NULL,
    PRIMARY KEY (channel, slot, at_most_s)
);
CREATE TABLE unread (
    channel TEXT NOT NULL,
    slot BIGINT NOT NULL,
    deliveries BIGINT NOT NULL,
    PRIMARY KEY (channel, slot)
)"""


def upgrade() -> None:
    """Make the tables and fill them from the book."""
    for statement in DDL.split(";"):
        op.execute(statement.strip())
    connection = op.get_bind()
    held = connection.execute(sa.text("SELECT value FROM meta WHERE key = 'installed_at'")).scalar()
    installed = _us(held) if held else 0
    after = 0
    while page := connection.execute(_READ, {"after": after, "most": PAGE}).all():
        for row in page:
            said = json.loads(bytes(row.body))
            if row.kind == "delivery":
                came = {"channel": said["channel"], "slot": _slot(_us(said["received_at"]))}
                connection.execute(_ADD, came | {"deliveries": 1, "activities": 0})
                continue
            at = _us(said["at"])
            told = {"channel": said["channel"], "slot": _slot(min(at, row.recorded_at))}
            connection.execute(_ADD, told | {"deliveries": 0, "activities": 1})
            if at >= installed:
                late = {"slot": _slot(row.recorded_at), "at_most_s": _at_most_s(row.recorded_at - at)}
                connection.execute(_LATE, told | late)
        after = page[-1].seq


_READ = sa.text(
    "SELECT fact.seq, fact.kind, fact.recorded_at, payload.body FROM fact "
    "JOIN payload ON payload.fact_id = fact.id AND payload.part = 'body' "
    "WHERE fact.kind IN ('delivery', 'activity') AND fact.seq > :after ORDER BY fact.seq LIMIT :most"
)
_ADD = sa.text("""
INSERT INTO traffic (channel, slot, deliveries, activities) VALUES (:channel, :slot, :deliveries, :activities)
ON CONFLICT (channel, slot) DO UPDATE SET
    deliveries = traffic.deliveries + excluded.deliveries,
    activities = traffic.activities + excluded.activities""")
_LATE = sa.text("""
INSERT INTO lag (channel, slot, at_most_s, activities) VALUES (:channel, :slot, :at_most_s, 1)
ON CONFLICT (channel, slot, at_most_s) DO UPDATE SET activities = lag.activities + 1""")


def _us(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def _slot(us: int) -> int:
    return us - us % SLOT_US


def _at_most_s(lag_us: int) -> int:
    place = bisect_left(AT_MOST_S, lag_us / 1_000_000)
    return AT_MOST_S[place] if place < len(AT_MOST_S) else NEVER_S
