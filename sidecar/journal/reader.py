"""Reads the book itself: facts, their causes and effects, raw bytes, long texts.

Each call is one snapshot on a pooled connection and blocks no writer. What is read is checked against the hash that was
taken when it was written, so damage is named, never used. A fact whose payload was erased is not there any more, which
is what erasure means; its skeleton (id, kind, causes) stays for the chain.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sidecar.errors import PermanentError
from sidecar.journal import tables as t
from sidecar.journal.codec import BODY, RAW, decode, digest
from sidecar.journal.database import Database
from sidecar.journal.entry import Written
from sidecar.model import Delivery, Fact

CHUNK = 400
PAGE = 500


def _bodies() -> Any:
    body = sa.and_(t.payload.c.fact_id == t.fact.c.id, t.payload.c.part == BODY)
    return sa.select(t.fact, t.payload.c.body).join(t.payload, body)


# What each run asks is built once: building a statement takes longer than running it.
_NAMED = _bodies().where(t.fact.c.id.in_(sa.bindparam("ids", expanding=True)))
_RAW = sa.select(t.payload.c.body).where(t.payload.c.fact_id == sa.bindparam("id"), t.payload.c.part == RAW)
_IS_CAUSE = t.because.c.cause == sa.bindparam("fact_id")
_CAUSES, _EFFECTS, _EFFECTS_OF_A_KIND = (
    _bodies().where(t.fact.c.id.in_(ids)).order_by(t.fact.c.seq)
    for ids in (
        sa.select(t.because.c.cause).where(t.because.c.effect == sa.bindparam("fact_id")),
        sa.select(t.because.c.effect).where(_IS_CAUSE),
        sa.select(t.because.c.effect).where(_IS_CAUSE, t.because.c.effect_kind == sa.bindparam("kind")),
    )
)


class BookReader:
    """The reading half of the journal that knows facts."""

    _database: Database

    def get(self, fact_id: str) -> Fact | None:
        """Return a fact, a Delivery with its raw bytes; None when the book doesn't hold it, or no more."""
        with self._database.read() as connection:
            found = facts_of(connection, [fact_id]).get(fact_id)
            if not isinstance(found, Delivery):
                return found
            raw = _raw(connection, fact_id)
        if raw is None or digest(raw) != found.sha256:
            raise PermanentError(f"the raw bytes of {fact_id} are damaged or missing")
        return replace(found, raw=raw)

    def get_many(self, fact_ids: Iterable[str]) -> dict[str, Fact]:
        """Return those of the facts that the book holds, by id; deliveries without their raw bytes."""
        with self._database.read() as connection:
            return facts_of(connection, fact_ids)

    def raw(self, delivery_id: str) -> bytes:
        """Return the bytes of a delivery exactly as they came; `PermanentError` when they are gone or damaged."""
        found = self.get(delivery_id)
        if not isinstance(found, Delivery):
            raise PermanentError(f"the bytes of {delivery_id} are not in the book")
        return found.raw

    def text(self, sha256: str) -> str | None:
        """Return a long constant text by its hash."""
        with self._database.read() as connection:
            body = connection.execute(sa.select(t.text.c.body).where(t.text.c.sha256 == sha256)).scalar()
        return None if body is None else body.decode()

    def causes(self, fact_id: str) -> list[Fact]:
        """Return the facts that a fact follows from, in the order of the book."""
        return self._related(_CAUSES, {"fact_id": fact_id})

    def effects(self, fact_id: str, kind: str | None = None) -> list[Fact]:
        """Return the facts (of a kind) that follow from a fact, in the order of the book."""
        if kind is None:
            return self._related(_EFFECTS, {"fact_id": fact_id})
        return self._related(_EFFECTS_OF_A_KIND, {"fact_id": fact_id, "kind": kind})

    def facts(
        self, kinds: Sequence[str] | None = None, party: str | None = None, after: int = 0, limit: int | None = None
    ) -> Iterator[Fact]:
        """Yield facts in the order of the book: of some kinds, of a party (those merged into it included)."""
        return (written.fact for written in self.written(kinds, party, after, limit))

    def written(
        self, kinds: Sequence[str] | None = None, party: str | None = None, after: int = 0, limit: int | None = None
    ) -> Iterator[Written]:
        """Yield facts as `facts` does, each with its place; `after` is the last place seen. Snapshots last a page."""
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            with self._database.read() as connection:
                rows = connection.execute(_page(kinds, party, after, size)).all()
            yield from (Written(row.seq, t.from_us(row.recorded_at), fact_of(row)) for row in rows)
            if len(rows) < size:
                return
            after = rows[-1].seq
            left = None if left is None else left - size

    def lately(self, party: str, kinds: Sequence[str], limit: int, among: int) -> tuple[list[Written], bool]:
        """Return a party's facts of some kinds, newest first, and whether there are no others.

        Only so many of its newest facts of any kind are looked through: `among`.
        """
        newest = sa.select(t.fact.c.id, t.fact.c.kind).where(t.fact.c.party == party).order_by(t.fact.c.seq.desc())
        looked = newest.limit(among).subquery()
        page = _bodies().join(looked, looked.c.id == t.fact.c.id).where(looked.c.kind.in_(list(kinds)))
        with self._database.read() as connection:
            rows = connection.execute(page.order_by(t.fact.c.seq.desc()).limit(limit + 1)).all()
            is_older = connection.execute(newest.offset(among).limit(1)).first() is not None
        found = [Written(row.seq, t.from_us(row.recorded_at), fact_of(row)) for row in rows[:limit]]
        return found, len(rows) <= limit and not is_older

    def erased_causes(self, fact_id: str) -> list[tuple[str, str]]:
        """Return id and kind of the causes whose bodies are not in the book any more, in the order of the book."""
        body = sa.and_(t.payload.c.fact_id == t.fact.c.id, t.payload.c.part == BODY)
        gone = sa.select(t.fact.c.id, t.fact.c.kind).join(t.because, t.because.c.cause == t.fact.c.id)
        gone = gone.outerjoin(t.payload, body).where(t.because.c.effect == fact_id, t.payload.c.fact_id.is_(None))
        with self._database.read() as connection:
            return [(row.id, row.kind) for row in connection.execute(gone.order_by(t.fact.c.seq))]

    def sound(self, kinds: Sequence[str]) -> Iterator[Fact]:
        """Yield facts of some kinds, leaving out those whose bytes are damaged (`faults` names them)."""
        after, size = 0, PAGE
        while size == PAGE:
            with self._database.read() as connection:
                rows = connection.execute(_page(kinds, None, after, PAGE)).all()
            size = len(rows)
            for row in rows:
                after = row.seq
                try:
                    fact = fact_of(row)
                except PermanentError:
                    continue
                yield fact

    def ids(self, prefix: str, limit: int) -> list[str]:
        """Return the ids of facts, or of parties, that begin with a text such as `activity-3fa`."""
        kind = prefix.partition("-")[0]
        column = t.party.c.id if kind == "party" else t.fact.c.id
        named = sa.select(column).where(column.startswith(prefix, autoescape=True))
        if kind != "party":
            named = named.where(t.fact.c.kind == kind)
        with self._database.read() as connection:
            return list(connection.execute(named.order_by(column).limit(limit)).scalars())

    def tally(self, after: int = 0) -> dict[str, int]:
        """Count the facts after a place in the book, by kind."""
        counted = sa.select(t.fact.c.kind, sa.func.count()).where(t.fact.c.seq > after).group_by(t.fact.c.kind)
        with self._database.read() as connection:
            return {kind: int(number) for kind, number in connection.execute(counted.order_by(t.fact.c.kind))}

    def _related(self, facts: Any, given: dict[str, str]) -> list[Fact]:
        with self._database.read() as connection:
            rows = connection.execute(facts, given).all()
        return [fact_of(row) for row in rows]


def facts_of(connection: Connection, ids: Iterable[str]) -> dict[str, Fact]:
    """Return facts by their ids, deliveries without raw bytes."""
    wanted = sorted(set(ids))
    found: dict[str, Fact] = {}
    for i in range(0, len(wanted), CHUNK):
        for row in connection.execute(_NAMED, {"ids": wanted[i : i + CHUNK]}):
            found[row.id] = fact_of(row)
    return found


def fact_of(row: Any) -> Fact:
    """Return the fact of a row with kind, id, sha256 and body; `PermanentError` when its bytes were damaged."""
    if digest(row.body) != row.sha256:
        raise PermanentError(f"{row.id} is damaged: its bytes don't match the hash that was taken when it was written")
    return decode(row.kind, row.body)


def _raw(connection: Connection, fact_id: str) -> bytes | None:
    found: bytes | None = connection.execute(_RAW, {"id": fact_id}).scalar()
    return found


def _page(kinds: Sequence[str] | None, party: str | None, after: int, size: int) -> Any:
    page = _bodies().where(t.fact.c.seq > after).order_by(t.fact.c.seq).limit(size)
    if kinds is not None:
        page = page.where(t.fact.c.kind.in_(list(kinds)))
    if party is not None:
        merged = sa.select(t.party.c.id).where(t.party.c.merged_into == party)
        page = page.where(sa.or_(t.fact.c.party == party, t.fact.c.party.in_(merged)))
    return page
