"""Writes entries into the book: rows for facts, their causes and payloads, the projections, and what is due.

Entries are turned into rows in the caller's thread (`Page.of`, where a malformed fact is refused), and many pages are
written by the one writer in one transaction (`write`). Rows and not closures, because that is what makes a group
cheap. Whatever is wrong with one page fails the whole group; the writer then tries each page by itself, so the blame
needs no book-keeping here.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sidecar.errors import PermanentError
from sidecar.journal import tables as t
from sidecar.journal import work
from sidecar.journal.codec import BODY, digest, encode, encode_value
from sidecar.journal.entry import Entry, Overtaken, Receipt, Touch
from sidecar.journal.projections import Projections
from sidecar.journal.traffic import unread_rows
from sidecar.journal.upserts import add, insert, keep, replace
from sidecar.model import Delivery, Fact, WorkKey

CHUNK = 400
HMAC_KEY, INSTALLED_AT = "hmac_key", "installed_at"
RESERVED = frozenset({HMAC_KEY, INSTALLED_AT})

_HELD = sa.select(t.fact.c.id).where(t.fact.c.id.in_(sa.bindparam("ids", expanding=True)))
_LAST = sa.select(sa.func.coalesce(sa.func.max(t.fact.c.seq), 0))


@dataclass(frozen=True, slots=True)
class Row:
    """One fact, ready to be inserted."""

    fact: Fact
    parts: dict[str, bytes]
    sha256: str


@dataclass(frozen=True, slots=True)
class Page:
    """One entry as rows, and the future that its caller waits for."""

    entry: Entry
    rows: tuple[Row, ...]
    size_bytes: int
    future: Future[Receipt] = field(default_factory=Future)

    @staticmethod
    def of(entry: Entry) -> "Page":
        """Prepare an entry; `PermanentError` names what is wrong with a fact."""
        if held := RESERVED & entry.meta.keys():
            raise PermanentError(f"{', '.join(sorted(held))} are given once, when a book begins")
        rows = tuple(_row(fact) for fact in entry.facts)
        size_bytes = sum(len(part) for row in rows for part in row.parts.values())
        return Page(entry, rows, size_bytes + sum(map(len, entry.texts.values())))


def write(connection: Connection, pages: Sequence[Page], now: int) -> list[Receipt]:
    """Write pages in their order, in the transaction that the connection is in, and return their receipts."""
    for page in pages:
        if page.entry.fence is not None:
            work.guard(connection, page.entry.fence)
        _check_settings(connection, page.entry)
        if page.entry.finish is not None:
            work.finish(connection, page.entry.finish, now)
    new = _new(connection, pages)
    _check_causes(connection, pages)
    seqs = _insert(connection, [row for rows in new for row in rows], now)
    projections = Projections(connection)
    for rows in new:
        for row in rows:
            projections.fold(row.fact, now)
    projections.save()
    _settle(connection, pages, new, projections, now)
    return [
        Receipt(frozenset(row.fact.id for row in rows), max((seqs[row.fact.id] for row in rows), default=0))
        for rows in new
    ]


def _check_settings(connection: Connection, entry: Entry) -> None:
    """Let a transaction go on only while the settings that an entry relies on are so."""
    for key, value in entry.only_while.items():
        held = connection.execute(sa.select(t.meta.c.value).where(t.meta.c.key == key)).scalar()
        if held and held != value:
            raise Overtaken(f"{key!r} is another by now")


def _row(fact: Fact) -> Row:
    if not fact.id:
        raise PermanentError(f"a {fact.KIND} without an id can't be journaled: mint it first")
    if not fact.because and not isinstance(fact, Delivery):
        raise PermanentError(f"a {fact.KIND} must say which facts it follows from")
    t.as_key(fact.id)
    parts = encode(fact)
    return Row(fact, parts, digest(parts[BODY]))


def _new(connection: Connection, pages: Sequence[Page]) -> list[list[Row]]:
    """Return per page the facts that the book doesn't hold yet; of equal ones the first in the group counts."""
    seen = _held(connection, (row.fact.id for page in pages for row in page.rows))
    found = []
    for page in pages:
        rows = []
        for row in page.rows:
            if row.fact.id not in seen:
                seen.add(row.fact.id)
                rows.append(row)
        found.append(rows)
    return found


def _check_causes(connection: Connection, pages: Sequence[Page]) -> None:
    """Refuse a fact whose cause is neither in the book nor in an entry up to its own."""
    written: set[str] = set()
    asked: dict[str, str] = {}
    for page in pages:
        written.update(row.fact.id for row in page.rows)
        for row in page.rows:
            asked |= {cause: row.fact.KIND for cause in row.fact.because if cause not in written}
    unknown = asked.keys() - _held(connection, asked)
    if unknown:
        kinds = ", ".join(sorted({asked[cause] for cause in unknown}))
        raise PermanentError(f"a {kinds} follows from {sorted(unknown)[0]!r}, which is not in the book")


def _held(connection: Connection, ids: Iterable[str]) -> set[str]:
    wanted = sorted(set(ids))
    found: set[str] = set()
    for i in range(0, len(wanted), CHUNK):
        found.update(connection.execute(_HELD, {"ids": wanted[i : i + CHUNK]}).scalars())
    return found


def _insert(connection: Connection, rows: Sequence[Row], now: int) -> dict[str, int]:
    """Insert new facts and return their places in the book; holding the pen, we may count on from the last one."""
    if not rows:
        return {}
    last = connection.execute(_LAST).scalar_one()
    seqs = {row.fact.id: seq for seq, row in enumerate(rows, last + 1)}
    facts = [
        {
            "seq": seqs[row.fact.id],
            "id": row.fact.id,
            "kind": row.fact.KIND,
            "party": row.fact.party,
            "recorded_at": now,
            "sha256": row.sha256,
        }
        for row in rows
    ]
    causes = [
        {"effect": row.fact.id, "cause": cause, "effect_kind": row.fact.KIND}
        for row in rows
        for cause in dict.fromkeys(row.fact.because)
    ]
    payloads = [
        {"fact_id": row.fact.id, "part": part, "body": body} for row in rows for part, body in row.parts.items()
    ]
    insert(connection, t.fact, facts)
    insert(connection, t.payload, payloads)
    insert(connection, t.because, causes)
    return seqs


def _settle(
    connection: Connection, pages: Sequence[Page], new: Sequence[Sequence[Row]], projections: Projections, now: int
) -> None:
    """Write what an entry says beside its facts, in the order of the entries."""
    touches: list[Touch] = []
    parks: list[tuple[WorkKey, str]] = []
    cursors: dict[tuple[str, str], dict[str, Any]] = {}
    texts: dict[str, bytes] = {}
    meta: dict[str, str] = {}
    unread: list[str] = []
    for page, rows in zip(pages, new, strict=True):
        entry = page.entry
        touches += [touch for touch in entry.touches if rows or not touch.if_new]
        parks += entry.parks
        texts |= {sha256: text.encode() for sha256, text in entry.texts.items()}
        meta |= entry.meta
        unread += entry.unread
        for held in entry.cursors:
            row = {"channel": held.channel, "name": held.name, "value": encode_value(held.value), "updated_at": now}
            cursors[held.channel, held.name] = row
        for party, at in entry.watch_at.items():
            named = t.standing.c.party == projections.live(party)
            connection.execute(sa.update(t.standing).where(named).values(watch_at=None if at is None else t.to_us(at)))
    work.touch(connection, touches, now)
    work.park(connection, parks, now)
    replace(connection, t.cursor, list(cursors.values()))
    replace(connection, t.meta, [{"key": key, "value": value} for key, value in meta.items()])
    add(connection, t.unread, unread_rows(unread, now))
    keep(connection, t.text, [{"sha256": sha256, "body": body} for sha256, body in texts.items()])
