"""Reads records: by ref, by our key, by what they belong to; all fields that can be written, since the core compares.

A record is made under a key. Where a module takes fields of ours the key stands in one, and a query finds it at once,
since queries read the database. Notes take no fields and can't be queried: their last line carries the key, and what
this process doesn't know of them is looked for among those of the last days, which a list of what changed shows.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from adapters.crms.zoho import coql
from adapters.crms.zoho.options import ZohoOptions
from adapters.crms.zoho.org import MAX_PAGES, Org
from adapters.crms.zoho.vendor import (
    BATCH,
    MODULES,
    OF,
    PAGE,
    PARENT,
    READ_FIELDS,
    TIES,
    WHAT,
    chunks,
    held,
    is_ref,
    moment,
    ref_in,
    stamp,
)
from adapters.crms.zoho.wire import rows_in
from adapters.formats.rich_text import mark_of, token
from sidecar.errors import TemporaryError
from sidecar.model import Gone, Link, Record
from sidecar.ports import Clock

SLACK, WORTH = timedelta(minutes=5), timedelta(minutes=4)
"""How far back a note is looked for that wasn't there lately, and how long such a look is worth something."""
MAX_REMEMBERED = 20_000
NOTE_PAGES = 500
"""As many as Zoho pages through: a hundred thousand."""
Row = dict[str, Any]


class Records:
    """Reads records of one org."""

    def __init__(self, org: Org, options: ZohoOptions, clock: Clock) -> None:
        self._org, self._options, self._clock = org, options, clock
        self._lock = threading.Lock()
        self._looked: OrderedDict[str, datetime] = OrderedDict()

    def read(self, kind: str, refs: Sequence[str]) -> dict[str, Record | Gone]:
        """Return a record or `Gone` for each ref."""
        found = self.fetch(kind, refs)
        return {ref: self.record(kind, found[ref]) if ref in found else Gone(kind, ref) for ref in dict.fromkeys(refs)}

    def fetch(self, kind: str, refs: Iterable[str], names: Sequence[str] | None = None) -> dict[str, Row]:
        """Return the live records by ref, with all that is read of them or with some fields only."""
        asked = [ref for ref in dict.fromkeys(refs) if is_ref(ref)]
        fields = names or self._org.catalogue(kind).read
        found: dict[str, Row] = {}
        for part in chunks(asked, BATCH):
            whole = set(part)  # one that came or went between two calls was read in half, and is none
            for some in chunks(fields, READ_FIELDS - 1):
                query = {"ids": ",".join(part), "fields": ",".join(dict.fromkeys(("id", *some)))}
                rows = rows_in(self._org.wire.get("read", f"/{MODULES[kind]}", query), "data")
                for row in rows:
                    found.setdefault(held(row, "id"), {}).update(row)
                whole &= {held(row, "id") for row in rows}
            found = {ref: row for ref, row in found.items() if ref in whole or ref not in part}
        return {ref: row for ref, row in found.items() if ref in asked}

    def by_key(self, kind: str, keys: Sequence[str]) -> dict[str, Row]:
        """Return the live records that were made under these keys; of several under one, the oldest."""
        asked = [key for key in dict.fromkeys(keys) if key]
        if kind == "note":
            return self._by_mark(asked) if asked else {}
        if not asked:
            return {}
        name = self._org.key(kind)
        refs: dict[str, str] = {}
        for part in chunks([key for key in asked if coql.can_ask(key)], coql.VALUES):
            query = coql.select(MODULES[kind], ("id", name), coql.one_of(name, part))
            for row in self._org.wire.ask("query", query, MAX_PAGES):
                refs.setdefault(held(row, name), held(row, "id"))
        rows = self.fetch(kind, refs.values())
        return {key: rows[ref] for key in asked if (ref := refs.get(key)) in rows}

    def ids(self, module: str, where: str) -> list[str]:
        """Return the ids of the records that meet a condition, by a query, which doesn't lag."""
        query = coql.select(module, ("id",), where)
        return [held(row, "id") for row in self._org.wire.ask("query", query, MAX_PAGES)]

    def linked(self, kind: str, to: Sequence[Link]) -> dict[Link, list[Record]]:
        """Return the live records of a kind that belong to each live record, or that it belongs to."""
        found: dict[Link, list[Record]] = {}
        for other in dict.fromkeys(link.kind for link in to):
            links = [link for link in dict.fromkeys(to) if link.kind == other]
            there = self.fetch(other, [link.ref for link in links])
            refs = self._of(kind, other, {link.ref: there[link.ref] for link in links if link.ref in there})
            rows = self.fetch(kind, [ref for each in refs.values() for ref in each])
            for link in links:
                if link.ref in there:
                    found[link] = [self.record(kind, rows[ref]) for ref in refs.get(link.ref, ()) if ref in rows]
        return found

    def record(self, kind: str, row: Row) -> Record:
        """Return a record as the port tells it; empty fields are left out."""
        properties = self._org.catalogue(kind).properties
        told = {name: each.from_vendor(row) for name, each in properties.items()}
        fields = {name: value for name, value in told.items() if value is not None}
        at = moment(held(row, "Modified_Time")) if row.get("Modified_Time") else None
        return Record(kind, held(row, "id"), fields, stamp(at) if at else None, tuple(ties(kind, row)), at)

    def notes_since(self, since: datetime) -> Iterator[Row]:
        """Yield the live notes that changed since a time, the oldest change first, as the database has them.

        Behind a page the list begins anew at its last row's time, since what is changed meanwhile leaves its place and
        a page by number would skip another one for it. So what shares that time is told again.
        """
        query = {"fields": f"id,Note_Content,{PARENT},Modified_Time", "sort_by": "Modified_Time", "sort_order": "asc"}
        for _ in range(NOTE_PAGES):
            rows = self._org.wire.rows("notes", "/Notes", query, NOTE_PAGES, stamp(since - timedelta(seconds=1)))
            for count, row in enumerate(rows, 1):
                yield row
                at = moment(held(row, "Modified_Time"))
                if count % PAGE == 0 and at > since:
                    since = at
                    break
            else:
                return
        raise TemporaryError("Zoho lists more notes than can be looked through")

    def _by_mark(self, keys: Sequence[str]) -> dict[str, Row]:
        now, words = self._clock(), {token(key): key for key in keys}
        with self._lock:
            lately = [self._looked.get(key) for key in keys]
        is_new = all(at is not None and now - at < WORTH for at in lately)
        since = now - (SLACK if is_new else timedelta(days=self._options.notes_back_days))
        refs: dict[str, str] = {}
        for row in sorted(self.notes_since(since), key=lambda row: int(held(row, "id"))):
            word = mark_of(held(row, "Note_Content"))
            if word in words:
                refs.setdefault(words[word], held(row, "id"))
        with self._lock:
            for key in [key for key in keys if key not in refs and not is_new]:
                self._looked[key] = now
            while len(self._looked) > MAX_REMEMBERED:
                self._looked.popitem(last=False)
        rows = self.fetch("note", refs.values())
        return {key: rows[ref] for key, ref in refs.items() if ref in rows}

    def _of(self, kind: str, other: str, there: Mapping[str, Row]) -> dict[str, list[str]]:
        """Return the refs of a kind that belong to rows of another, or that they belong to."""
        up, down = TIES[other].get(kind), TIES[kind].get(other)
        if up:
            return {ref: [t.ref for t in ties(other, row) if t.kind == kind] for ref, row in there.items()}
        if down is None:
            return {}
        if kind == "note":
            return {ref: self._notes_of(other, ref) for ref in there}
        refs: dict[str, list[str]] = {}
        for part in chunks(list(there), coql.VALUES):
            query = coql.select(MODULES[kind], ("id", down), coql.one_of(down, part))
            for row in self._org.wire.ask("query", query, MAX_PAGES):
                refs.setdefault(ref_in(row.get(down)), []).append(held(row, "id"))
        return refs

    def _notes_of(self, other: str, ref: str) -> list[str]:
        path = f"/{MODULES[other]}/{ref}/Notes"
        return [held(row, "id") for row in self._org.wire.rows("notes", path, {"fields": "id"}, MAX_PAGES)]


def ties(kind: str, row: Mapping[str, Any]) -> Iterator[Link]:
    """Yield what a row belongs to; a field that takes several kinds tells which module its record is of."""
    for other, name in TIES[kind].items():
        ref = ref_in(row.get(name))
        if ref and (name not in (PARENT, WHAT) or _module(row, name) == MODULES[other]):
            yield Link(other, ref)


def _module(row: Mapping[str, Any], name: str) -> str:
    if name == WHAT:
        return held(row, OF)
    parent = row.get(name)
    of = parent.get("module") if isinstance(parent, Mapping) else None
    return held(of, "api_name") if isinstance(of, Mapping) else str(of or "")
