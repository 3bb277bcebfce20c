"""Reads records: by ref, by our key, by what they belong to; all fields that can be written, since the core compares.

A record is made under a key that nothing in Pipedrive keeps unique. It is found again in two ways that complete each
other: lists of what changed lately come from the database and don't lag, and search knows what is older than its lag.
Notes and activities have no fields of ours, so their last line carries the key; what isn't known of them in this
process is looked for among those of the last days.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from adapters.crms.pipedrive.account import MAX_PAGES, Company
from adapters.crms.pipedrive.faults import Refusal
from adapters.crms.pipedrive.memory import Memory
from adapters.crms.pipedrive.options import PipedriveOptions
from adapters.crms.pipedrive.vendor import (
    ACTIVITIES,
    BATCH,
    BODIES,
    ENTITIES,
    MEETING,
    PATHS,
    SEARCH,
    TIES,
    chunks,
    held,
    moment,
    stamp,
)
from adapters.crms.pipedrive.wire import row_in, rows_in
from adapters.formats.rich_text import from_html, mark_of, token
from sidecar.errors import ConfigError
from sidecar.model import Gone, Link, Record
from sidecar.ports import Clock

SINGLY = 4
"""Up to so many records it costs fewer tokens to read each by itself than a list."""
SLACK = timedelta(minutes=5)
"""How much further back than search lags the lists are read: clocks differ."""
SEEN = frozenset(("contact", "company", "task", "meeting"))
"""Kinds of which Pipedrive lists no deleted ones, and that can be read many at a time."""
Row = dict[str, Any]


class Records:
    """Reads records of one company."""

    def __init__(self, company: Company, memory: Memory, options: PipedriveOptions, clock: Clock) -> None:
        self._company, self._memory = company, memory
        self._options, self._clock = options, clock

    def read(self, kind: str, refs: Sequence[str]) -> dict[str, Record | Gone]:
        """Return a record or `Gone` for each ref."""
        found = self.fetch(kind, refs)
        return {ref: self.record(kind, found[ref]) if ref in found else Gone(kind, ref) for ref in dict.fromkeys(refs)}

    def fetch(self, kind: str, refs: Sequence[str]) -> dict[str, Row]:
        """Return the live records by ref."""
        asked = [ref for ref in dict.fromkeys(refs) if ref.isascii() and ref.isdigit() and len(ref) <= 18]
        if kind == "note" or len(asked) <= SINGLY:
            rows = [row for ref in asked if (row := self._one(kind, ref))]
        else:
            rows = []
            for part in chunks(asked, BATCH):
                query = {"ids": ",".join(part), "limit": str(BATCH)}
                rows += rows_in(self._company.wire.get("list", PATHS[kind], query))
        return {held(row, "id"): row for row in rows if held(row, "id") in asked and is_live(kind, row)}

    def by_key(self, kind: str, keys: Sequence[str], lately: Sequence[Row] | None = None) -> dict[str, Row]:
        """Return the live records that were made under these keys; of several under one, the oldest.

        `lately` is what `recent` yields, where it was asked for already.
        """
        asked = [key for key in dict.fromkeys(keys) if key]
        refs = {key: ref for key in asked if (ref := self._memory.made(kind, key))}
        there = self.fetch(kind, list(refs.values())) if refs else {}
        found = {key: there[ref] for key, ref in refs.items() if ref in there}
        unknown = [key for key in asked if key not in refs]
        if unknown:
            found |= self._by_mark(kind, unknown) if kind in BODIES else self._by_field(kind, unknown, lately)
        return found

    def key_code(self, kind: str) -> str:
        """Return the code of the field that holds our key; `ConfigError` before there is one."""
        code = self._company.catalogue(kind).key
        if code is None:
            self._company.forget()
            code = self._company.catalogue(kind).key
        if code is None:
            raise ConfigError(f"{kind}.ai_sidecar_key is not there yet: run `sidecar provision`")
        return code

    def recent(self, kind: str) -> Iterator[Row]:
        """Yield the live records that changed so lately that search may not know them."""
        since = self._clock() - timedelta(seconds=self._options.search_lag_s) - SLACK
        return self._since(kind, stamp(since))

    def search(self, entity: str, code: str, term: str) -> list[str]:
        """Return the refs of records that hold exactly this text in a field, as far as search knows."""
        query = {"entity_type": entity, "field": code, "match": "exact", "term": term, "limit": str(BATCH)}
        found = rows_in(self._company.wire.get("search", SEARCH, query))
        return [ref for row in found if (ref := held(row.get("item") or row, "id"))]

    def linked(self, kind: str, to: Sequence[Link]) -> dict[Link, list[Record]]:
        """Return the live records of a kind that belong to each live record, or that it belongs to."""
        found: dict[Link, list[Record]] = {}
        for other in dict.fromkeys(link.kind for link in to):
            links = [link for link in dict.fromkeys(to) if link.kind == other]
            there = self.fetch(other, [link.ref for link in links])
            for link in links:
                if link.ref in there:
                    found[link] = [self.record(kind, row) for row in self._of(kind, other, there[link.ref])]
        return found

    def record(self, kind: str, row: Row) -> Record:
        """Return a record as the port tells it; empty fields are left out."""
        properties = self._company.catalogue(kind).properties
        known = {name: each for name, each in properties.items() if each.native or each.spec.writable}
        values = {name: each.from_vendor(row) for name, each in known.items()}
        fields = {name: value for name, value in values.items() if value is not None}
        at = moment(held(row, "update_time")) if row.get("update_time") else None
        if kind in SEEN:
            self._memory.saw(kind, held(row, "id"))
        return Record(kind, held(row, "id"), fields, stamp(at) if at else None, tuple(_ties(kind, row)), at)

    def _one(self, kind: str, ref: str) -> Row | None:
        try:
            operation = "note" if kind == "note" else "get"
            return row_in(self._company.wire.get(operation, f"{PATHS[kind]}/{ref}"))
        except Refusal as refusal:
            if refusal.is_missing:
                return None
            raise

    def _of(self, kind: str, other: str, row: Row) -> list[Row]:
        """Return the records of a kind that belong to a row of another, or that it belongs to."""
        up = TIES[other].get(kind)
        if up:
            ref = reference(row, up)
            return list(self.fetch(kind, [ref]).values()) if ref else []
        down = TIES[kind].get(other)
        if down is None:
            return []
        operation = "notes" if kind == "note" else "list"
        rows = self._company.wire.rows(operation, PATHS[kind], {down: held(row, "id")}, MAX_PAGES)
        return [each for each in rows if is_live(kind, each) and reference(each, down) == held(row, "id")]

    def _since(self, kind: str, since: str) -> Iterator[Row]:
        operation = "notes" if kind == "note" else "list"
        rows = self._company.wire.rows(operation, PATHS[kind], {"updated_since": since}, MAX_PAGES)
        return (row for row in rows if is_live(kind, row))

    def _by_field(self, kind: str, keys: Sequence[str], recent: Sequence[Row] | None) -> dict[str, Row]:
        code = self.key_code(kind)
        rows = {held(row, "id"): row for row in (self.recent(kind) if recent is None else recent)}
        lately = {held(row.get("custom_fields") or {}, code) for row in rows.values()}
        refs = [
            ref
            for key in keys
            if key not in lately and not self._memory.absent(kind, key)
            for ref in self.search(ENTITIES[kind], code, key)
        ]
        rows |= self.fetch(kind, [ref for ref in refs if ref not in rows]) if refs else {}
        found = _oldest({ref: held(row.get("custom_fields") or {}, code) for ref, row in rows.items()}, keys)
        self._memory.looked(kind, [key for key in keys if key not in found])
        return {key: rows[ref] for key, ref in found.items()}

    def _by_mark(self, kind: str, keys: Sequence[str]) -> dict[str, Row]:
        since = self._clock() - timedelta(days=self._options.notes_back_days)
        if all(self._memory.absent(kind, key) for key in keys):
            since = self._clock() - SLACK
        rows = {held(row, "id"): row for row in self._since(kind, stamp(since))}
        words = {token(key): key for key in keys}
        marks = {ref: words.get(mark_in(kind, row) or "", "") for ref, row in rows.items()}
        found = _oldest(marks, keys)
        self._memory.looked(kind, [key for key in keys if key not in found])
        return {key: rows[ref] for key, ref in found.items()}


def is_live(kind: str, row: Row) -> bool:
    """Say whether a row is there, and of this kind."""
    if row.get("is_deleted") or row.get("active_flag") is False or row.get("status") == "deleted":
        return False
    return kind not in ACTIVITIES or (held(row, "type") == MEETING) == (kind == MEETING)


def mark_in(kind: str, row: Row) -> str | None:
    """Return the word of a key that a body carries."""
    return mark_of(from_html(held(row, BODIES[kind])))


def reference(row: Row, name: str) -> str:
    """Return the ref that a field names: v1 gives some of them as objects, and an activity's person among others."""
    value = row.get(name)
    if isinstance(value, dict):
        return held(value, "value") or held(value, "id")
    if value is None and name == "person_id":
        people = [p for p in row.get("participants") or () if isinstance(p, dict)]
        return next((held(p, "person_id") for p in sorted(people, key=lambda p: not p.get("primary"))), "")
    return held(row, name)


def _ties(kind: str, row: Row) -> Iterator[Link]:
    for other, name in TIES[kind].items():
        ref = reference(row, name)
        if ref:
            yield Link(other, ref)


def _oldest(held_keys: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    """Return the ref of the oldest record under each key."""
    found: dict[str, str] = {}
    for ref, key in sorted(held_keys.items(), key=lambda pair: int(pair[0])):
        if key in keys and key not in found:
            found[key] = ref
    return found
