"""Who wrote what, and when: Zoho's timeline of a record, told as edits of our properties, oldest first.

It is asked one call a record, so the core asks only about what isn't ours. A rule's entry bears the name of whoever set
it off: its source tells (`vendor.source`). What a record was made with is in no entry: it is told from what stood there
before the first change, by the author of the entry that says that it was added. A timeline shows 255 characters of a
text, so what stands now is told whole, and what stood before it is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.crms.zoho.org import Org, Property
from adapters.crms.zoho.records import Records, Row
from adapters.crms.zoho.vendor import MODULES, author_kind, held, moment, ref_in, source
from adapters.crms.zoho.wire import info_in, rows_in
from sidecar.model import Author, AuthorKind, Edit, Source
from sidecar.ports import FieldSpec

PAGES = 25
SHOWN = 255
_MADE = frozenset(("added", "created", "imported", "converted", "cloned"))
_OTHERS = frozenset((*MODULES.values(), "Leads", "Calls", "Emails", "Attachments", "Campaigns", "Products"))
Told = tuple[Edit, Source]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of a timeline: when, by whom, from where, and what it changed, as (old, new) by field."""

    at: datetime
    author: Author
    source: Source
    is_making: bool
    changes: Mapping[str, tuple[Any, Any]]


class Histories:
    """Reads timelines."""

    def __init__(self, org: Org, records: Records) -> None:
        self._org, self._records = org, records

    def edits(self, kind: str, refs: Sequence[str], names: Sequence[str]) -> dict[str, list[Edit]]:
        """Return the edits of these properties of each live record; a value written again is no edit."""
        properties = [self._org.property(kind, name) for name in dict.fromkeys(names)]
        rows = self._records.fetch(kind, refs, self._org.catalogue(kind).reading(properties))
        return {ref: [edit for edit, _ in self.sourced(kind, row, properties)] for ref, row in rows.items()}

    def sourced(self, kind: str, row: Row, properties: Sequence[Property]) -> list[Told]:
        """Return the edits of one record, each with where it came from."""
        entries = self._entries(kind, held(row, "id"))
        told = [each for one in properties for each in self._of(one, row, entries)]
        return sorted(told, key=lambda each: each[0].at)

    def _entries(self, kind: str, ref: str) -> list[_Entry]:
        """Read a timeline, oldest first; it is told newest first."""
        us, path, found = self._org.me(), f"/{MODULES[kind]}/{ref}/__timeline", list[_Entry]()
        query = {"per_page": "200"}
        for _ in range(PAGES):
            body = self._org.wire.get("timeline", path, query)
            found += [_entry(row, us) for row in rows_in(body, "__timeline") if is_about(row, MODULES[kind], ref)]
            onward = info_in(body).get("next_page_token")
            if not onward or not info_in(body).get("more_records"):
                break
            query = {"page_token": str(onward)}
        found.reverse()  # and the order within a second is kept
        return sorted(found, key=lambda entry: entry.at)

    def _of(self, one: Property, row: Row, entries: Sequence[_Entry]) -> list[Told]:
        names = one.names
        mine = [entry for entry in entries if any(name in entry.changes for name in names)]
        state: Row = {}
        for name in names:
            first = next((entry for entry in mine if name in entry.changes), None)
            state[name] = self._value(one, name, first.changes[name][0]) if first else row.get(name)
        last, name = one.from_vendor(state), one.spec.name
        made = next((entry for entry in entries if entry.is_making), None)
        by, way = (made.author, made.source) if made else (Author(AuthorKind.UNKNOWN), Source.UNKNOWN)
        born = moment(held(row, "Created_Time")) if row.get("Created_Time") else (made.at if made else None)
        told: list[Told] = [(Edit(name, last, born, by), way)] if last is not None and born is not None else []
        for entry in mine:
            state |= {n: self._value(one, n, entry.changes[n][1]) for n in names if n in entry.changes}
            value = one.from_vendor(state)
            if value != last:
                told.append((Edit(name, value, entry.at, entry.author), entry.source))
            last = value
        return _whole(told, one.spec, one.from_vendor(row))

    def _value(self, one: Property, name: str, told: Any) -> Any:
        """Return a timeline's text as a record would hold it: a user is named there, and a record's id is not."""
        if name == "Owner" and told is not None:
            return {"id": self._org.people().get(str(told), str(told))}
        if one.spec.type == "bool" and str(told) in ("true", "false"):
            return told == "true"
        return told


def is_about(row: Row, module: str, ref: str) -> bool:
    """Say whether an entry is about the record itself: a contact's timeline also tells of its notes and tasks."""
    about = row.get("record")
    of = about.get("module") if isinstance(about, Mapping) else None
    name = held(of, "api_name") if isinstance(of, Mapping) else ""
    is_other = name in _OTHERS and (name, ref_in(about)) != (module, ref)
    return bool(row.get("audited_time")) and not is_other


def _entry(row: Row, us: str) -> _Entry:
    who = row.get("done_by")
    name = held(who, "name") if isinstance(who, Mapping) else ""
    changes: dict[str, tuple[Any, Any]] = {}
    told = row.get("field_history")
    for each in told if isinstance(told, list) else ():
        value = each.get("_value") if isinstance(each, dict) else None
        if isinstance(value, dict):
            changes[held(each, "api_name")] = (value.get("old"), value.get("new"))
    author = Author(author_kind(row, us), ref_in(who), name or held(row, "source"))
    at, action = moment(held(row, "audited_time")), held(row, "action").casefold()
    return _Entry(at, author, source(row, us), action in _MADE, changes)


def _whole(told: list[Told], spec: FieldSpec, now: Any) -> list[Told]:
    """Tell the last text whole where the timeline cut it."""
    if told and spec.type in ("text", "long_text") and isinstance(now, str):
        edit, way = told[-1]
        if isinstance(edit.value, str) and len(now) > len(edit.value) and now.startswith(edit.value.rstrip("⟦")[:200]):
            told[-1] = (Edit(edit.field, now, edit.at, edit.author), way)
    return told
