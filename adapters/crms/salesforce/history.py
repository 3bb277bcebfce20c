"""Who wrote what, and when: Salesforce's field history, told as edits of our properties, oldest first.

History is kept of the fields that an admin chose, at most twenty of an object, from then on, and not of activities. It
names the user, and nothing else; who that is, is read from `org`. What a record was made with stands in no row: it is
told from what was there before the first change, as its maker's where the object's history goes back so far. Of long
texts a row says only that they changed: the last edit has its value, and our own before it have none. Of a field whose
history isn't kept there is one edit, of unknown author, unless whoever changed the record last was a person, or nobody
has changed it since it was made.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby

from adapters.crms.salesforce.org import Org, Property
from adapters.crms.salesforce.records import Records
from adapters.crms.salesforce.soql import among, select
from adapters.crms.salesforce.vendor import (
    BATCH,
    BY,
    CREATED,
    CREATED_BY,
    HISTORIES,
    Row,
    chunks,
    held,
    moment,
)
from sidecar.model import Author, AuthorKind, Edit, Value

OPAQUE_CHARS = 255
"""Longer texts leave no values in the history."""
UNKEPT = "(not kept)"
"""Stands for a long text of the past."""
MADE = "created"
_CALLED: Mapping[str, str] = {"OwnerId": "Owner", "RecordTypeId": "RecordType"}
"""What the history calls a reference: by its relation; one row has ids, another one names."""
_IDS = ("005", "00G", "012")
NOBODY = Author(AuthorKind.UNKNOWN)


class Histories:
    """Reads field histories."""

    def __init__(self, org: Org, records: Records) -> None:
        self._org, self._records = org, records

    def edits(self, kind: str, refs: Sequence[str], names: Sequence[str]) -> dict[str, list[Edit]]:
        """Return the edits of these properties of each live record; a value written again is no edit."""
        for name in names:
            self._org.property(kind, name)
        return self.of(kind, self._records.fetch(kind, refs), names)

    def of(
        self, kind: str, rows: Mapping[str, Row], names: Sequence[str], *, guess: bool = True
    ) -> dict[str, list[Edit]]:
        """Return the edits of records that were read; without `guess` only what is certain has an author."""
        found: dict[str, list[Edit]] = {}
        for sobject, refs in self._records.by_object(kind, list(rows)).items():
            known = self._org.catalogue(kind, refs[0]).properties
            properties = [known[name] for name in dict.fromkeys(names) if name in known]
            entries = self._entries(sobject, refs, properties)
            for ref in refs:
                mine = entries.get(ref, [])
                told = [edit for each in properties for edit in self._of(each, sobject, rows[ref], mine, guess)]
                found[ref] = sorted(told, key=lambda edit: edit.at)
        return {ref: found[ref] for ref in rows if ref in found}

    def _entries(self, sobject: str, refs: Sequence[str], properties: Sequence[Property]) -> dict[str, list[Row]]:
        """Return the history rows of each record, oldest first."""
        tracked = [c for each in properties for c in each.columns if self._is_tracked(sobject, c)]
        if not tracked:
            return {}
        history, parent = HISTORIES[sobject]
        columns = ("Id", parent, "Field", "OldValue", "NewValue", CREATED_BY, CREATED)
        fields = among("Field", [MADE, *dict.fromkeys(_CALLED.get(column, column) for column in tracked)])
        found: dict[str, list[Row]] = {}
        for part in chunks(refs, BATCH):
            soql = select(columns, history, among(parent, part), fields, order=f"{CREATED}, Id")
            for row in self._org.wire.query(soql):
                found.setdefault(held(row, parent), []).append(row)
        self._org.authors([held(row, CREATED_BY) for rows in found.values() for row in rows])
        return found

    def _is_tracked(self, sobject: str, column: str) -> bool:
        return sobject in HISTORIES and column in self._org.tracked(sobject)

    def _of(self, held_by: Property, sobject: str, row: Row, entries: Sequence[Row], guess: bool) -> list[Edit]:
        if not all(self._is_tracked(sobject, column) for column in held_by.columns):
            return self._untracked(held_by, row, guess)
        mine = [entry for entry in entries if _is_about(entry, held_by)]
        maker = self._author(held(row, CREATED_BY)) if any(held(e, "Field") == MADE for e in entries) else NOBODY
        if any(column.length > OPAQUE_CHARS for column in held_by.columns.values()):
            return self._last(held_by, row, mine, maker, guess)
        now = dict(row)
        for column in held_by.columns:
            first = next((entry for entry in mine if _column(entry) == column), None)
            if first is not None:
                now[column] = first.get("OldValue")
        last = held_by.from_vendor(now)
        edits = [Edit(held_by.spec.name, last, _at(row), maker)] if last is not None else []
        for at, group in groupby(mine, key=_at):
            for writes in _in_turn(list(group)):
                now |= {_column(entry): entry.get("NewValue") for entry in writes}
                value = held_by.from_vendor(now)
                if value != last:
                    edits.append(Edit(held_by.spec.name, value, at, self._author(held(writes[-1], CREATED_BY))))
                last = value
        return edits

    def _last(self, held_by: Property, row: Row, mine: Sequence[Row], maker: Author, guess: bool) -> list[Edit]:
        """Tell who wrote the value that stands, and that we wrote before; who only counts is told of every write."""
        value, name = held_by.from_vendor(row), held_by.spec.name
        if not mine:
            return [Edit(name, value, _at(row), maker)] if value is not None else []
        written = [(_at(row), maker), *((_at(entry), self._author(held(entry, CREATED_BY))) for entry in mine)]
        before = [each for each in written[:-1] if each[1].kind is AuthorKind.US or not guess]
        at, author = written[-1]
        return [*(Edit(name, UNKEPT, then, who) for then, who in before), Edit(name, value, at, author)]

    def _untracked(self, held_by: Property, row: Row, guess: bool) -> list[Edit]:
        """Tell who made a record that nobody has changed since; of another one a guess, which leans to people."""
        value: Value = held_by.from_vendor(row)
        if value is None:
            return []
        at, author = moment(held(row, "LastModifiedDate")), self._author(held(row, BY))
        is_untouched = at == _at(row) and held(row, BY) == held(row, CREATED_BY)
        if not is_untouched and not (guess and author.kind is AuthorKind.PERSON):
            author = NOBODY
        return [Edit(held_by.spec.name, value, at, author, guessed=not is_untouched)]

    def _author(self, ref: str) -> Author:
        return self._org.authors([ref])[ref]


def _at(row: Row) -> datetime:
    return moment(held(row, CREATED))


def _column(entry: Row) -> str:
    field = held(entry, "Field")
    return next((column for column, called in _CALLED.items() if called == field), field)


def _is_about(entry: Row, held_by: Property) -> bool:
    """Say whether a row is about a property; of a reference's two rows the one that holds ids."""
    column = _column(entry)
    if column not in held_by.columns:
        return False
    values = [entry.get(name) for name in ("OldValue", "NewValue") if entry.get(name)]
    return column not in _CALLED or all(
        str(value)[:3] in ("005", "00G", "012") and len(str(value)) == 18 for value in values
    )


def _in_turn(entries: Sequence[Row]) -> list[list[Row]]:
    """Part rows of one second into writes: a field that occurs again begins another one."""
    writes: list[list[Row]] = [[]]
    for entry in entries:
        if any(_column(entry) == _column(other) for other in writes[-1]):
            writes.append([])
        writes[-1].append(entry)
    return writes
