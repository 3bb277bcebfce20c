"""The local CRM's SQL: what happens to rows inside one transaction that the caller holds.

Every change of a record takes the next sequence number. That number is the change feed's cursor: it is taken under the
write lock, so numbers become visible in their order and a reader that saw one has seen all below it. Only the newest
number of a record is kept, so the feed never grows beyond the records.

It may not judge values (`fields` has) nor open transactions (`ledger` does). Records never leave their table: a deleted
or merged one keeps its idempotency key, so that what a person deleted is not made again under the same key.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.crms.local.fields import IDENTIFYING, dump, search_value
from sidecar.errors import PermanentError, RecordGone
from sidecar.model import Author, AuthorKind, Edit, Gone, Link, Record, Source, Trail, Value
from sidecar.ports import FieldSpec

_FINER = frozenset((Source.FORM, Source.IMPORT, Source.INTEGRATION, Source.DEFAULT))
COLUMNS = "ref, kind, fields, version, seq, created_at, updated_at, state, moved_to"


@dataclass(frozen=True, slots=True)
class Row:
    """A record's row, alive or not."""

    ref: str
    kind: str
    fields: Mapping[str, Value]
    version: int
    seq: int
    created_at: datetime
    updated_at: datetime
    state: str
    moved_to: str | None


@dataclass(frozen=True, slots=True)
class Hand:
    """Who writes, when, and the region in which they type phone numbers without a country code."""

    author: Author
    at: datetime
    region: str


def by_ref(db: sqlite3.Connection, kind: str, refs: Iterable[str]) -> dict[str, Row]:
    """Return the rows of a kind by ref, dead ones too."""
    return {row.ref: row for row in _rows(db, "kind = ? AND ref IN (SELECT value FROM json_each(?))", kind, [*refs])}


def by_key(db: sqlite3.Connection, kind: str, keys: Iterable[str]) -> dict[str, Row]:
    """Return the rows of a kind by idempotency key, dead ones too."""
    where = "kind = ? AND key IN (SELECT value FROM json_each(?))"
    keyed = db.execute(f"SELECT key, ref FROM record WHERE {where}", (kind, json.dumps([*keys])))  # noqa: S608 constant
    refs: dict[str, str] = dict(keyed.fetchall())
    found = by_ref(db, kind, refs.values())
    return {key: found[ref] for key, ref in refs.items()}


def by_identifier(db: sqlite3.Connection, kind: str, wanted: Sequence[tuple[str, str]]) -> list[Row]:
    """Return all live rows of a kind that bear one of the (kind, search value) pairs, each once, oldest first."""
    where = """ref IN (SELECT i.ref FROM json_each(?2) AS w JOIN identifier AS i
        ON i.what = json_extract(w.value, '$[0]') AND i.value = json_extract(w.value, '$[1]') AND i.kind = ?1)"""
    return _rows(db, where, kind, [list(pair) for pair in wanted])


def live(db: sqlite3.Connection, kind: str | None, ref: str | None, limit: int) -> list[Row]:
    """Return live rows, of one kind and with one ref where these are given, oldest first."""
    sql = f"""SELECT {COLUMNS} FROM record WHERE state = 'live' AND (?1 IS NULL OR kind = ?1)
        AND (?2 IS NULL OR ref = ?2) ORDER BY rowid LIMIT ?3"""  # noqa: S608 constant
    return [_row(values) for values in db.execute(sql, (kind, ref, limit))]


def after(db: sqlite3.Connection, kind: str, ref: str, limit: int) -> list[Row]:
    """Return live rows of a kind that were made after a record, dead or alive; oldest first. No ref: from the first."""
    sql = f"""SELECT {COLUMNS} FROM record WHERE state = 'live' AND kind = ?1
        AND rowid > coalesce((SELECT rowid FROM record WHERE ref = ?2), 0) ORDER BY rowid LIMIT ?3"""  # noqa: S608 constant
    return [_row(values) for values in db.execute(sql, (kind, ref, limit))]


def count(db: sqlite3.Connection, kind: str) -> int:
    """Return how many live records of a kind there are."""
    (found,) = db.execute("SELECT count(*) FROM record WHERE state = 'live' AND kind = ?", (kind,)).fetchone()
    return int(found)


def trails(db: sqlite3.Connection, rows: Sequence[Row], names: Sequence[str]) -> tuple[Trail, ...]:
    """Return whose records these are, which of the fields they hold, and who wrote them."""
    written: dict[str, list[tuple[Edit, Source]]] = {row.ref: [] for row in rows}
    for ref, edit in edits(db, written, names):
        written[ref].append((edit, _source(edit.author)))
    return tuple(
        Trail(
            row.ref,
            str(row.fields.get("owner") or ""),
            frozenset(name for name in names if name in row.fields),
            tuple(written[row.ref]),
        )
        for row in rows
    )


def _source(author: Author) -> Source:
    """Tell a source by the author's ref, where it begins with one (`import:contacts.csv`), else by his kind."""
    told = author.ref.partition(":")[0]
    is_finer = author.kind in (AuthorKind.AUTOMATION, AuthorKind.UNKNOWN) and told in _FINER
    return Source(told) if is_finer else Source(author.kind.value)


def linked_to(db: sqlite3.Connection, kind: str, to: Link) -> list[Row]:
    """Return the live rows of a kind that are associated with a record, oldest first."""
    refs = db.execute("SELECT to_ref FROM link WHERE ref = ? AND to_kind = ?", (to.ref, kind))
    where = "kind = ? AND state = 'live' AND ref IN (SELECT value FROM json_each(?))"
    return _rows(db, where, kind, [ref for (ref,) in refs])


def alive(db: sqlite3.Connection, kind: str, ref: str) -> Row:
    """Return a live row, else raise `RecordGone`, which names the record that it was merged into."""
    row = by_ref(db, kind, [ref]).get(ref)
    if row is None:
        raise RecordGone(f"there is no {kind} {ref!r}")
    if row.state != "live":
        raise RecordGone(f"{kind} {ref!r} was {row.state}", moved_to=row.moved_to)
    return row


def records(db: sqlite3.Connection, rows: Iterable[Row]) -> list[Record]:
    """Return live rows as the port's records, with their associations."""
    rows = list(rows)
    sql = """SELECT l.ref, l.to_kind, l.to_ref FROM link AS l JOIN record AS r ON r.ref = l.to_ref AND r.state = 'live'
        WHERE l.ref IN (SELECT value FROM json_each(?)) ORDER BY l.rowid"""
    links: dict[str, list[Link]] = {}
    for ref, to_kind, to_ref in db.execute(sql, (json.dumps([row.ref for row in rows]),)):
        links.setdefault(ref, []).append(Link(to_kind, to_ref))
    return [
        Record(row.kind, row.ref, row.fields, str(row.version), tuple(links.get(row.ref, ())), row.updated_at)
        for row in rows
    ]


def record_or_gone(db: sqlite3.Connection, kind: str, refs: Sequence[str]) -> dict[str, Record | Gone]:
    """Return each ref's record, or `Gone` for one that was merged, deleted or never there."""
    rows = by_ref(db, kind, refs)
    found = {r.ref: r for r in records(db, [row for row in rows.values() if row.state == "live"])}
    return {ref: found.get(ref) or Gone(kind, ref, rows[ref].moved_to if ref in rows else None) for ref in refs}


def edits(db: sqlite3.Connection, refs: Iterable[str], names: Iterable[str]) -> list[tuple[str, Edit]]:
    """Return (ref, edit) of these fields, oldest first."""
    sql = """SELECT ref, field, value, at, author_kind, author_ref, author_name FROM edit
        WHERE ref IN (SELECT value FROM json_each(?)) AND field IN (SELECT value FROM json_each(?)) ORDER BY seq"""
    return [
        (ref, Edit(name, json.loads(value), datetime.fromisoformat(at), Author(AuthorKind(by), by_ref_, by_name)))
        for ref, name, value, at, by, by_ref_, by_name in db.execute(sql, (json.dumps([*refs]), json.dumps([*names])))
    ]


def newest_seq(db: sqlite3.Connection) -> int:
    """Return the sequence number of the newest change of all."""
    (seq,) = db.execute("SELECT coalesce(max(seq), 0) FROM record").fetchone()
    return int(seq)


def changed_since(db: sqlite3.Connection, seq: int, limit: int) -> list[tuple[int, str, str]]:
    """Return (seq, kind, ref) of records changed after a number, oldest change first."""
    sql = "SELECT seq, kind, ref FROM record WHERE seq > ? ORDER BY seq LIMIT ?"
    return db.execute(sql, (seq, limit)).fetchall()


def insert(db: sqlite3.Connection, kind: str, key: str | None, links: Sequence[Link], hand: Hand) -> Row:
    """Make an empty record with its associations; `RecordGone` when one of them leads nowhere."""
    seq = newest_seq(db) + 1
    ref, at = f"{kind}-{seq}", hand.at.isoformat()
    for link in links:
        alive(db, link.kind, link.ref)
    sql = "INSERT INTO record (ref, kind, key, fields, version, seq, created_at, updated_at, state) VALUES"
    db.execute(sql + " (?, ?, ?, '{}', 0, ?, ?, ?, 'live')", (ref, kind, key, seq, at, at))
    for link in links:
        _link(db, Link(kind, ref), link)
    return alive(db, kind, ref)


def tie(db: sqlite3.Connection, row: Row, links: Sequence[Link]) -> Row:
    """Associate a record with what it is tied to none of yet; `RecordGone` when one of them leads nowhere."""
    for link in links:
        alive(db, link.kind, link.ref)
        (held,) = records(db, [row])
        if all(other.kind != link.kind for other in held.links):
            _link(db, Link(row.kind, row.ref), link)
    return row


def update(db: sqlite3.Connection, row: Row, fields: Mapping[str, Value], hand: Hand) -> Row:
    """Set the named fields (None clears), note what changed in the history, and give the record its next version."""
    held = {**row.fields, **fields}
    _identify(db, row, fields, hand.region)
    for name, value in fields.items():
        if row.fields.get(name) != value:
            _note(db, row.ref, name, value, hand)
    kept = {name: value for name, value in held.items() if value is not None}
    db.execute("UPDATE record SET fields = ? WHERE ref = ?", (dump(kept), row.ref))
    _touch(db, row.ref, hand.at)
    return alive(db, row.kind, row.ref)


def bury(db: sqlite3.Connection, row: Row, hand: Hand, moved_to: str | None = None) -> None:
    """Take a record out of sight: into the recycle bin, or as merged into another."""
    state = "deleted" if moved_to is None else "merged"
    db.execute("UPDATE record SET state = ?, moved_to = ? WHERE ref = ?", (state, moved_to, row.ref))
    db.execute("DELETE FROM identifier WHERE ref = ?", (row.ref,))
    _touch(db, row.ref, hand.at)


def merge(db: sqlite3.Connection, winner: Row, loser: Row, fills: Mapping[str, Value], hand: Hand) -> Row:
    """Merge two records: the winner takes over `fills`, the loser's associations, and what the loser was found by."""
    db.execute("UPDATE OR IGNORE identifier SET ref = ?, alias = 1 WHERE ref = ?", (winner.ref, loser.ref))
    for to_kind, to_ref in db.execute("SELECT to_kind, to_ref FROM link WHERE ref = ?", (loser.ref,)).fetchall():
        if to_ref != winner.ref:
            _link(db, Link(winner.kind, winner.ref), Link(to_kind, to_ref))
    db.execute("DELETE FROM link WHERE ref = ?1 OR to_ref = ?1", (loser.ref,))
    # Whoever was merged into the loser before now leads to the winner, so one step always suffices.
    db.execute("UPDATE record SET moved_to = ? WHERE moved_to = ?", (winner.ref, loser.ref))
    bury(db, loser, hand, moved_to=winner.ref)
    return update(db, winner, fills, hand)


def properties(db: sqlite3.Connection, kind: str) -> dict[str, FieldSpec]:
    """Return the AI-owned properties of a kind."""
    sql = "SELECT name, type, label, options, max_chars FROM property WHERE kind = ? ORDER BY rowid"
    return {
        name: FieldSpec(name, type_, label, tuple(json.loads(options)), max_chars, ours=True)
        for name, type_, label, options, max_chars in db.execute(sql, (kind,))
    }


def put_property(db: sqlite3.Connection, kind: str, spec: FieldSpec) -> None:
    """Make an AI-owned property, or widen the one that is there."""
    sql = """INSERT INTO property (kind, name, type, label, options, max_chars) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (kind, name) DO UPDATE SET options = excluded.options, max_chars = excluded.max_chars"""
    db.execute(sql, (kind, spec.name, spec.type, spec.label, json.dumps(spec.options), spec.max_chars))


def drop_property(db: sqlite3.Connection, kind: str, name: str) -> None:
    """Take an AI-owned property away, with its values and their history; versions stay, since no record was edited."""
    db.execute("DELETE FROM property WHERE kind = ? AND name = ?", (kind, name))
    of_kind = "ref IN (SELECT ref FROM record WHERE kind = ?)"
    db.execute(f"DELETE FROM edit WHERE field = ? AND {of_kind}", (name, kind))  # noqa: S608 constant
    path = f'$."{name}"'
    sql = "UPDATE record SET fields = json_remove(fields, ?1) WHERE kind = ?2 AND json_type(fields, ?1) IS NOT NULL"
    db.execute(sql, (path, kind))


def _rows(db: sqlite3.Connection, where: str, kind: str, items: Sequence[object]) -> list[Row]:
    sql = f"SELECT {COLUMNS} FROM record WHERE {where} ORDER BY rowid"  # noqa: S608 constants of this module
    return [_row(values) for values in db.execute(sql, (kind, json.dumps(items)))]


def _row(values: tuple[str, str, str, int, int, str, str, str, str | None]) -> Row:
    ref, kind, fields, version, seq, created_at, updated_at, state, moved_to = values
    created, updated = datetime.fromisoformat(created_at), datetime.fromisoformat(updated_at)
    return Row(ref, kind, json.loads(fields), version, seq, created, updated, state, moved_to)


def _touch(db: sqlite3.Connection, ref: str, at: datetime) -> None:
    sql = "UPDATE record SET version = version + 1, seq = ?, updated_at = ? WHERE ref = ?"
    db.execute(sql, (newest_seq(db) + 1, at.isoformat(), ref))


def _note(db: sqlite3.Connection, ref: str, name: str, value: Value, hand: Hand) -> None:
    author = hand.author
    sql = "INSERT INTO edit (ref, field, value, at, author_kind, author_ref, author_name) VALUES (?, ?, ?, ?, ?, ?, ?)"
    values = (ref, name, json.dumps(value), hand.at.isoformat(), author.kind.value, author.ref, author.name)
    db.execute(sql, values)


def _link(db: sqlite3.Connection, one: Link, other: Link) -> None:
    ends = [(one.ref, other.kind, other.ref), (other.ref, one.kind, one.ref)]
    db.executemany("INSERT OR IGNORE INTO link (ref, to_kind, to_ref) VALUES (?, ?, ?)", ends)


def _identify(db: sqlite3.Connection, row: Row, fields: Mapping[str, Value], region: str) -> None:
    for what, name in IDENTIFYING.get(row.kind, {}).items():
        if name not in fields:
            continue
        db.execute("DELETE FROM identifier WHERE ref = ? AND what = ? AND alias = 0", (row.ref, what))
        typed = fields[name]
        if not isinstance(typed, str):
            continue
        value = search_value(what, typed, region)
        if row.kind == "contact" and what == "email":
            _refuse_taken(db, row.ref, value)
        sql = "INSERT OR REPLACE INTO identifier (what, value, ref, kind, alias) VALUES (?, ?, ?, ?, 0)"
        db.execute(sql, (what, value, row.ref, row.kind))


def _refuse_taken(db: sqlite3.Connection, ref: str, email: str) -> None:
    sql = "SELECT ref FROM identifier WHERE kind = 'contact' AND what = 'email' AND value = ? AND ref != ?"
    taken = db.execute(sql, (email, ref)).fetchone()
    if taken:
        raise PermanentError(f"contact.email: {taken[0]} already has this address")
