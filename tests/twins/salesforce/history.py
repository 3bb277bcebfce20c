"""Field history: a row for each tracked field that changed, from the day on which it is tracked.

Source: Salesforce help, "Field History Tracking", 2026-11: opt-in per field, twenty fields an object, kept for
eighteen months (two years by API), long texts say only that they changed, and a reference makes two rows, one with
ids and one with names. Rows tell who, by `CreatedById`, and never by which program.
"""

from typing import TYPE_CHECKING, Any

from tests.twins.salesforce.catalogue import HISTORIES
from tests.twins.salesforce.schema import Field

if TYPE_CHECKING:
    from tests.twins.salesforce.org import Org, Record

MOST_FIELDS, LONGEST = 20, 255
KINDS = {"string": "Text", "textarea": "TextArea", "picklist": "DynamicEnum", "reference": "EntityId", "email": "Email",
         "phone": "PhoneNumber", "boolean": "Boolean", "date": "DateOnly", "datetime": "DateTime", "double": "Double",
         "currency": "Currency", "percent": "Percent", "int": "Integer", "url": "Url"}  # fmt: skip
NAMES = ("FirstName", "LastName", "Salutation")


class History:
    """What is tracked, and the rows that come of it."""

    def __init__(self, org: "Org") -> None:
        self.org = org
        self.tracked: dict[str, set[str]] = {}

    def track(self, sobject: str, *fields: str) -> None:
        """Turn tracking on for an object, and for these fields of it; raise beyond the twentieth."""
        assert sobject in HISTORIES, f"{sobject} has no history"
        known = self.org.sobjects[sobject].fields
        assert not (unknown := [name for name in fields if name not in known]), unknown
        of = self.tracked.setdefault(sobject, set())
        assert len(of | set(fields)) <= MOST_FIELDS, "at most twenty fields of an object are tracked"
        of.update(fields)

    def created(self, record: "Record", by: str) -> None:
        """Write that a record was made."""
        if record.sobject in self.tracked:
            self._row(record, "created", None, None, "Text", by)

    def changed(self, old: "Record", new: "Record", by: str) -> None:
        """Write what changed of what is tracked."""
        of = self.tracked.get(new.sobject, set())
        names = [name for name in of if name != "Name"] + [part for part in NAMES if "Name" in of]
        known = self.org.sobjects[new.sobject].fields
        for name in sorted({name for name in names if name in known}):
            before, after = old.values.get(name), new.values.get(name)
            if before != after:
                self._changed(new, known[name], before, after, by)

    def said(self, record: "Record", what: str, by: str) -> None:
        """Write an event that is no field's: a merge, a conversion."""
        if record.sobject in self.tracked:
            self._row(record, what, None, None, "Text", by)

    def _changed(self, record: "Record", field: Field, before: Any, after: Any, by: str) -> None:
        kind = KINDS.get(field.type, "Text")
        if field.type == "reference":
            name = str(field.relationshipName or field.name)
            self._row(record, name, before, after, "EntityId", by)
            self._row(record, name, self._named(before), self._named(after), "Text", by)
        elif field.length > LONGEST:
            self._row(record, field.name, None, None, kind, by)
        else:
            self._row(record, field.name, before, after, kind, by)

    def _named(self, id: str | None) -> Any:
        of = self.org.of_id(id) if id else None
        found = self.org.records[of.name].get(id) if of and id else None
        return found.values.get("Name") if found else id

    def _row(self, record: "Record", field: str, old: Any, new: Any, kind: str, by: str) -> None:
        history, parent = HISTORIES[record.sobject]
        self.org.insert(history, {
            parent: record.id, "Field": field, "OldValue": old, "NewValue": new, "DataType": kind, "CreatedById": by,
        }, by)  # fmt: skip
