"""Who wrote what, and when: Pipedrive's changelog, told as edits of our properties, oldest first.

It is asked one call a record, and costs 20 tokens, so the core asks only about what isn't ours. A token acts as its
user: who stands behind a change is read from the way it came (`vendor.author_kind`). Notes and activities have no
changelog, so of them nobody can tell; their history is empty. What a record was made with is in no changelog: it is
told from what stood there before the first change, as ours where the record bears our key. Else a deal's own origin
tells how it was made; who made a person or an organization, nothing does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any

from adapters.crms.pipedrive.account import MAX_PAGES, Company, Property
from adapters.crms.pipedrive.records import Records
from adapters.crms.pipedrive.vendor import CHANGELOGS, ORIGINS, author_kind, held, moment, v1_stamp
from sidecar.model import Author, AuthorKind, Edit

AGENT = "crm-sidecar"
Row = Mapping[str, Any]
UNTOLD = Author(AuthorKind.UNKNOWN)
_KEYS: Mapping[str, str] = {"email": "emails", "phone": "phones", "user_id": "owner_id"}
"""What v1's changelog calls v2's fields."""


class Histories:
    """Reads changelogs."""

    def __init__(self, company: Company, records: Records) -> None:
        self._company, self._records = company, records

    def edits(self, kind: str, refs: Sequence[str], names: Sequence[str]) -> dict[str, list[Edit]]:
        """Return the edits of these properties of each live record; a value written again is no edit."""
        properties = [self._company.property(kind, name) for name in dict.fromkeys(names)]
        rows = self._records.fetch(kind, refs)
        return {ref: self.told(kind, row, properties) for ref, row in rows.items()}

    def told(self, kind: str, row: Row, properties: Sequence[Property]) -> list[Edit]:
        """Return the edits of these properties of one record as read; none where there is no changelog."""
        if kind not in CHANGELOGS:
            return []
        path = f"{CHANGELOGS[kind]}/{held(row, 'id')}/changelog"
        entries = list(self._company.wire.rows("changelog", path, {}, MAX_PAGES))[::-1]  # it is told newest first
        entries.sort(key=lambda entry: moment(held(entry, "time")))
        maker = self._maker(kind, row, entries)
        told = (edit for each in properties for edit in _edits(each, row, entries, maker))
        named = (replace(edit, author=self._named(edit.author)) for edit in told)
        return sorted(named, key=lambda edit: edit.at)

    def _named(self, author: Author) -> Author:
        """Call a person by their address, which tells reps more than the way that they came."""
        if author.kind is not AuthorKind.PERSON:
            return author
        return replace(author, name=self._company.owners().get(author.ref, author.name))

    def _maker(self, kind: str, row: Row, entries: Sequence[Row]) -> Author:
        """Say who made a record: we, if it has borne our key ever since; a merge may have brought the key later."""
        key = self._company.catalogue(kind).key
        is_ours = bool(key and (row.get("custom_fields") or {}).get(key))
        was_moved = any(_code(entry) == key and entry.get("old_value") is None for entry in entries)
        came_later = was_moved and all(held(e, "time") != v1_stamp(_born(row)) for e in entries if _code(e) == key)
        if is_ours and not came_later:
            return Author(AuthorKind.US, "", "Sidecar")
        way = ORIGINS.get(held(row, "origin"), "")
        return Author(author_kind(way, "", AGENT), held(row, "creator_user_id"), way) if way else UNTOLD


def _edits(held_by: Property, now: Row, entries: Sequence[Row], maker: Author) -> list[Edit]:
    """Tell the edits of one property, what it was made with first: the changelog begins after that."""
    mine = [entry for entry in entries if _code(entry) in held_by.codes]
    row: dict[str, Any] = {}
    for code in held_by.codes:
        first = next((entry for entry in mine if _code(entry) == code), None)
        standing = (now.get("custom_fields") or {}).get(code) if held_by.custom else now.get(code)
        _put(row, held_by, code, first.get("old_value") if first else standing)
    last = held_by.from_vendor(row)
    edits = [Edit(held_by.spec.name, last, _born(now), maker)] if last is not None else []
    for at, group in groupby(mine, key=lambda entry: moment(held(entry, "time"))):
        for writes in _in_turn(list(group)):
            for entry in writes:
                _put(row, held_by, _code(entry), entry.get("new_value"))
            value = held_by.from_vendor(row)
            if value != last:
                edits.append(Edit(held_by.spec.name, value, at, _author(writes[-1])))
            last = value
    return edits


def _born(row: Row) -> datetime:
    return moment(held(row, "add_time"))


def _code(entry: Row) -> str:
    return _KEYS.get(held(entry, "field_key"), held(entry, "field_key"))


def _put(row: dict[str, Any], held_by: Property, code: str, value: Any) -> None:
    """Put a changelog's value to where a record holds it; addresses come as a text, or as they stand."""
    if held_by.custom:
        row["custom_fields"] = {code: value}
    elif code in ("emails", "phones") and not isinstance(value, list):
        row[code] = [{"value": str(value).split(",")[0].strip(), "primary": True}] if value else []
    else:
        row[code] = value


def _author(entry: Row) -> Author:
    user = held(entry, "actor_user_id")
    kind = author_kind(held(entry, "change_source"), held(entry, "change_source_user_agent"), AGENT)
    return Author(kind, user, held(entry, "change_source"))


def _in_turn(entries: Sequence[Row]) -> list[list[Row]]:
    """Part entries of one second into writes: a field that occurs again begins another one."""
    writes: list[list[Row]] = [[]]
    for entry in entries:
        if any(_code(entry) == _code(other) for other in writes[-1]):
            writes.append([])
        writes[-1].append(entry)
    return writes
