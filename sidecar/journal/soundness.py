"""Is a book sound: does every fact have its payload and its causes, and do the bytes match the hashes?

Corruption is not always what a database notices (of sixty flipped bits SQLite's own check missed four), so every body
is hashed again. Used on the book that runs, and on every backup before it is called one. A fault names ids, never
words.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sidecar.errors import PermanentError
from sidecar.journal import tables as t
from sidecar.journal.codec import BODY, RAW, decode, digest
from sidecar.model import Delivery

PAGE = 200


def faults(connection: Connection) -> Iterator[str]:
    """Yield what is wrong with the book, one line each; nothing when it is sound."""
    if connection.dialect.name == "sqlite":
        for row in connection.exec_driver_sql("PRAGMA integrity_check(10)"):
            if row[0] != "ok":
                yield f"the file: {row[0]}"
    for row in _without(connection, t.payload.c.fact_id, t.payload.c.part == BODY):
        if not connection.execute(sa.select(t.erased.c.at).where(t.erased.c.fact_id == row.id)).first():
            yield f"{row.id}: its payload is missing and was not erased"
    for row in _without(connection, t.because.c.effect, sa.true()):
        if row.kind != Delivery.KIND:
            yield f"{row.id}: it follows from nothing"
    yield from _damaged(connection)


def fingerprint(connection: Connection) -> str:
    """Return one hash over all facts in their order: equal on any database that holds the same book."""
    book = sha256()
    for row in connection.execute(sa.select(t.fact).order_by(t.fact.c.seq).execution_options(yield_per=1000)):
        book.update(f"{row.seq} {row.id} {row.kind} {row.party} {row.recorded_at} {row.sha256}\n".encode())
    return book.hexdigest()


def _without(connection: Connection, column: Any, condition: sa.ColumnElement[bool]) -> list[Any]:
    join = sa.and_(column == t.fact.c.id, condition)
    lacking = sa.select(t.fact.c.id, t.fact.c.kind).outerjoin(column.table, join).where(column.is_(None))
    return list(connection.execute(lacking.order_by(t.fact.c.seq).limit(PAGE)))


def _damaged(connection: Connection) -> Iterator[str]:
    after = 0
    bodies = sa.select(t.fact, t.payload.c.body).join(t.payload, t.payload.c.fact_id == t.fact.c.id)
    bodies = bodies.where(t.payload.c.part == BODY).order_by(t.fact.c.seq).limit(PAGE)
    while rows := connection.execute(bodies.where(t.fact.c.seq > after)).all():
        for row in rows:
            if problem := _problem(connection, row):
                yield f"{row.id}: {problem}"
        after = rows[-1].seq


def _problem(connection: Connection, row: Any) -> str:
    if digest(row.body) != row.sha256:
        return "its bytes don't match the hash that was taken when it was written"
    try:
        fact = decode(row.kind, row.body)
    except PermanentError as error:
        return str(error)
    if fact.id != row.id:
        return "it says that it is another fact"
    if isinstance(fact, Delivery):
        raw = t.payload.c.fact_id == row.id, t.payload.c.part == RAW
        held = connection.execute(sa.select(t.payload.c.body).where(*raw)).scalar()
        if held is None or digest(held) != fact.sha256:
            return "its raw bytes don't match their hash"
    return ""
