"""The book as JSON Lines, so that nobody is locked in: one fact a line, in the order of the book, raw bytes included.

`docs/export.md` describes the format. An export of one party holds what is known of that party and nothing that belongs
to others alone: its facts, the activities that are its own by the matches that count, and their deliveries. The raw
bytes of a delivery that also carried others' activities are withheld, and the line says so.
"""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sidecar.journal import tables as t
from sidecar.journal.book import Journal
from sidecar.journal.codec import BODY, RAW
from sidecar.model import Delivery

PAGE = 200


def export(journal: Journal, party: str | None = None) -> Iterator[bytes]:
    """Yield the lines of an export, each with its line feed: of the whole book, or of one party."""
    live = None if party is None else journal.live_party(party)
    after = 0
    while True:
        with journal.snapshot() as connection:
            lines, after = _page(connection, live, after)
        yield from lines
        if not lines:
            break
    if party is None:
        yield from _texts(journal)


def _page(connection: Connection, party: str | None, after: int) -> tuple[list[bytes], int]:
    body = sa.and_(t.payload.c.fact_id == t.fact.c.id, t.payload.c.part == BODY)
    page = sa.select(t.fact, t.payload.c.body, t.erased.c.reason).outerjoin(t.payload, body)
    page = page.outerjoin(t.erased, t.erased.c.fact_id == t.fact.c.id).where(t.fact.c.seq > after)
    if party is not None:
        page = page.where(_of_party(party))
    rows = connection.execute(page.order_by(t.fact.c.seq).limit(PAGE)).all()
    causes: dict[str, list[str]] = {row.id: [] for row in rows}
    for row in connection.execute(sa.select(t.because).where(t.because.c.effect.in_(sorted(causes)))):
        causes[row.effect].append(row.cause)
    lines = [_line(connection, row, causes[row.id], party) for row in rows]
    return lines, rows[-1].seq if rows else after


def _of_party(party: str) -> sa.ColumnElement[bool]:
    """The condition for a party's facts: matches count only while the activity is its own."""
    merged = sa.select(t.party.c.id).where(t.party.c.merged_into == party)
    belongs = sa.select(t.match_index.c.match_id).where(t.match_index.c.party == party)
    activities = sa.select(t.match_index.c.activity_id).where(t.match_index.c.party == party)
    deliveries = sa.select(t.because.c.cause).where(t.because.c.effect.in_(activities))
    own = sa.or_(t.fact.c.party == party, t.fact.c.party.in_(merged))
    return sa.or_(
        sa.and_(own, sa.or_(t.fact.c.kind != "match", t.fact.c.id.in_(belongs))),
        t.fact.c.id.in_(activities),
        t.fact.c.id.in_(deliveries),
    )


def _line(connection: Connection, row: Any, causes: list[str], party: str | None) -> bytes:
    line: dict[str, Any] = {
        "seq": row.seq,
        "id": row.id,
        "kind": row.kind,
        "party": row.party,
        "recorded_at": t.from_us(row.recorded_at).isoformat(),
        "because": sorted(causes),
        "sha256": row.sha256,
        "body": None if row.body is None else orjson.Fragment(row.body),
    }
    if row.body is None:
        line["erased"] = row.reason
    elif row.kind == Delivery.KIND:
        shared = party is not None and _is_shared(connection, row.id, party)
        line |= {"raw": None, "raw_withheld": "others wrote in it too"} if shared else {"raw": _raw(connection, row.id)}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _is_shared(connection: Connection, delivery: str, party: str) -> bool:
    """Say whether a delivery carried an activity that is not the party's."""
    activities = sa.select(t.because.c.effect).where(
        t.because.c.cause == delivery, t.because.c.effect_kind == "activity"
    )
    own = sa.select(t.match_index.c.activity_id).where(t.match_index.c.party == party)
    return connection.execute(activities.where(t.because.c.effect.not_in(own)).limit(1)).first() is not None


def _raw(connection: Connection, delivery: str) -> str | None:
    part = t.payload.c.fact_id == delivery, t.payload.c.part == RAW
    held = connection.execute(sa.select(t.payload.c.body).where(*part)).scalar()
    return None if held is None else b64encode(held).decode()


def _texts(journal: Journal) -> Iterator[bytes]:
    with journal.snapshot() as connection:
        for row in connection.execute(sa.select(t.text).order_by(t.text.c.sha256)):
            line = {"kind": "text", "sha256": row.sha256, "body": row.body.decode()}
            yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
