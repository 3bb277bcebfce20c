"""Reads how the sidecar fares: what is due, since when, how often something happened lately, how large the book is.

These are asked on every scrape, every look at readiness and before every write to a CRM, so each is bounded: it walks
an index that holds only what is open, or the newest rows of one kind, and stops at a number that its caller names.
Times of recording rise with a fact's place in the book, which is what lets the newest be found without an index of
times.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sidecar.journal import tables as t
from sidecar.journal.database import Database
from sidecar.model import WorkKey, WorkKind

MAX_COUNTED = 100_000
_US = 1_000_000
_FREE = sa.or_(t.work.c.lease_owner.is_(None), t.work.c.lease_until <= sa.bindparam("now", type_=sa.BigInteger))


class GaugeReader:
    """The reading half of the journal that knows how things go."""

    _database: Database

    def nth_newest(self, kind: str, nth: int) -> datetime | None:
        """Return when the n-th newest fact of a kind was written down; None when there are fewer."""
        newest = sa.select(t.fact.c.recorded_at).where(t.fact.c.kind == kind).order_by(t.fact.c.seq.desc())
        with self._database.read() as connection:
            at: int | None = connection.execute(newest.offset(nth - 1).limit(1)).scalar()
        return None if at is None else t.from_us(at)

    def recorded_since(self, kind: str, since: datetime, most: int) -> int:
        """Count the facts of a kind that were written down since a time, to so many at most."""
        newest = sa.select(t.fact.c.recorded_at).where(t.fact.c.kind == kind).order_by(t.fact.c.seq.desc())
        page = newest.limit(most).subquery()
        counted = sa.select(sa.func.count()).select_from(page).where(page.c.recorded_at >= t.to_us(since))
        with self._database.read() as connection:
            return int(connection.execute(counted).scalar_one())

    def updated_since(self, since: datetime, after: str, limit: int) -> list[str]:
        """Return parties whose standing changed since a time, in the order of their ids, after an id."""
        table = t.standing
        found = sa.select(table.c.party).where(table.c.party > after, table.c.updated_at >= t.to_us(since))
        with self._database.read() as connection:
            return list(connection.execute(found.order_by(table.c.party).limit(limit)).scalars())

    def open_work(self) -> dict[tuple[WorkKind, str], int]:
        """Count what is not done by kind and state (due, waiting, running, parked); each state to a bound."""
        with self._database.read() as connection:
            now = self._database.now_us(connection)
            return {
                (WorkKind(kind), state): int(number)
                for counting in _TALLIES
                for kind, state, number in connection.execute(counting, {"now": now})
            }

    def due_since(self, without: Collection[WorkKind] = (), keys: Sequence[WorkKey] = ()) -> datetime | None:
        """Return since when the oldest due work waits for somebody to do it, some kinds and keys left out."""
        oldest = sa.select(t.work.c.ready_at).where(sa.text(t.DIRTY), _FREE)
        if without:
            oldest = oldest.where(t.work.c.kind.not_in(sorted(without)))
        for key in keys:
            oldest = oldest.where(sa.not_(sa.and_(t.work.c.kind == key.kind, t.work.c.key == key.key)))
        with self._database.read() as connection:
            now = self._database.now_us(connection)
            at = connection.execute(oldest.order_by(t.work.c.ready_at).limit(1), {"now": now}).scalar()
        return t.from_us(at) if at is not None and at <= now else None

    def abandoned(self, overdue_s: float, without: Collection[WorkKind] = ()) -> int:
        """Count work whose lease ran out that long ago, and that nobody has taken over."""
        held = t.work.c.lease_owner.is_not(None), t.work.c.touched > t.work.c.done, t.work.c.parked_reason.is_(None)
        found = sa.select(t.work.c.key).where(*held)
        if without:
            found = found.where(t.work.c.kind.not_in(sorted(without)))
        with self._database.read() as connection:
            until = self._database.now_us(connection) - int(overdue_s * _US)
            late = found.where(t.work.c.lease_until <= until).limit(MAX_COUNTED).subquery()
            return int(connection.execute(sa.select(sa.func.count()).select_from(late)).scalar_one())

    def deliveries(self) -> dict[str, int]:
        """Return how many deliveries each channel has handed us."""
        seen = sa.select(t.channel_seen.c.channel, sa.func.sum(t.channel_seen.c.deliveries).label("n"))
        with self._database.read() as connection:
            rows = connection.execute(seen.group_by(t.channel_seen.c.channel)).all()
        return {row.channel: int(row.n) for row in rows}

    def size_bytes(self) -> int:
        """Return how much room the book takes, its write-ahead log included."""
        if self._database.path is None:
            with self._database.read() as connection:
                return int(connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())
        size = 0
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                size += Path(f"{self._database.path}{suffix}").stat().st_size
        return size

    @property
    def folder(self) -> Path | None:
        """The folder that the book lies in; None when it is a server's business."""
        return None if self._database.path is None else self._database.path.parent


def _tally(state: Any, *where: Any) -> Any:
    held = sa.select(t.work.c.kind, state.label("state")).where(*where).limit(MAX_COUNTED).subquery()
    return sa.select(held.c.kind, held.c.state, sa.func.count()).group_by(held.c.kind, held.c.state)


_TALLIES = (
    _tally(
        sa.case((t.work.c.ready_at <= sa.bindparam("now", type_=sa.BigInteger), "due"), else_="waiting"),
        sa.text(t.DIRTY),
        _FREE,
    ),
    _tally(sa.literal("running"), t.work.c.lease_owner.is_not(None), sa.not_(_FREE)),
    _tally(sa.literal("parked"), t.work.c.parked_reason.is_not(None)),
)
"""A count for each part of the open work, each along an index that holds only that part."""
