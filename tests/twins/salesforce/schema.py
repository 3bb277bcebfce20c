"""What objects there are and what fields they have: as recorded from an org, and a few that no recording has.

Recorded describes are the truth for Account, Contact, Lead, Opportunity, OpportunityContactRole and Event. The others
(Task, User, what lists stages, permissions and histories) are composed in `catalogue` from the object reference.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

RECORDED = ("Account", "Contact", "Event", "Lead", "Opportunity", "OpportunityContactRole")
FIXTURES = Path(__file__).parents[2] / "fixtures" / "salesforce"
TEXTS = frozenset({
    "string", "textarea", "picklist", "combobox", "phone", "url", "email", "id", "reference", "multipicklist",
})  # fmt: skip
NUMBERS = frozenset({"double", "currency", "percent", "int"})
SOAP = {
    "id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "datetime": "xsd:dateTime", "date": "xsd:date",
    "double": "xsd:double", "currency": "xsd:double", "percent": "xsd:double", "int": "xsd:int",
    "anyType": "xsd:anyType",
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One field, as a describe tells it (`raw`); `required` is what a create must bring."""

    raw: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.raw[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def required(self) -> bool:
        """Tell whether a new record must bring a value."""
        raw = self.raw
        return bool(
            raw["createable"] and not raw["nillable"] and not raw["defaultedOnCreate"] and raw["type"] != "boolean"
        )

    @property
    def choices(self) -> list[str]:
        """Return the active values of a picklist."""
        return [row["value"] for row in self.raw["picklistValues"] if row["active"]]

    @property
    def is_restricted(self) -> bool:
        """Tell whether values outside the list are refused."""
        return bool(self.raw["restrictedPicklist"])

    @property
    def default(self) -> Any:
        """Return what a new record holds where nothing is said."""
        if self.raw["type"] == "boolean":
            return bool(self.raw["defaultValue"])
        chosen = [row["value"] for row in self.raw["picklistValues"] if row["defaultValue"]]
        return chosen[0] if chosen else None


@dataclass
class SObject:
    """One object: how it is called, what may be done with it, and its fields by name, in the order of the describe.

    `is_setup` objects may not be written together with others, `is_tooling` ones are known to the Tooling API alone;
    `parent` is the field that a history hangs on.
    """

    raw: dict[str, Any]
    fields: dict[str, Field] = field(default_factory=dict)
    is_setup: bool = False
    is_tooling: bool = False
    parent: str = ""

    @property
    def name(self) -> str:
        """Return the API name."""
        return str(self.raw["name"])

    @property
    def prefix(self) -> str:
        """Return the first three characters of its ids."""
        return str(self.raw["keyPrefix"] or "")

    def find(self, name: str) -> Field | None:
        """Return a field by its name, whatever its case: the API doesn't mind it."""
        known = self.fields.get(name)
        if known is None:
            lowered = name.lower()
            known = next((each for each in self.fields.values() if each.name.lower() == lowered), None)
        return known

    def relation(self, name: str) -> Field | None:
        """Return the reference that a relationship's name goes along."""
        lowered = name.lower()
        return next((each for each in self.fields.values() if (each.relationshipName or "").lower() == lowered), None)


@cache
def recorded() -> Mapping[str, tuple[Mapping[str, Any], tuple[Field, ...]]]:
    """Return the recorded objects, each with its fields."""
    read = {name: json.loads((FIXTURES / f"{name}.json").read_text()) for name in RECORDED}
    return {
        name: (given["sobject"], tuple(Field(described(row)) for row in given["fields"]))
        for name, given in read.items()
    }


@cache
def defaults() -> Mapping[str, Any]:
    """Return what a describe says of a field where nothing else is said."""
    return json.loads((FIXTURES / "describe_defaults.json").read_text())


def described(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that a describe says of a field, from what differs from the usual."""
    whole = {**defaults(), "soapType": SOAP.get(given["type"], "xsd:string"), **given}
    whole["picklistValues"] = [choice(row) for row in given.get("picklistValues", [])]
    return whole


def choice(row: Any) -> dict[str, Any]:
    """Return one value of a picklist as a describe tells it."""
    named = {"label": row, "value": row} if isinstance(row, str) else dict(row)
    return {"active": True, "defaultValue": False, "validFor": None, **named}


def sobject(name: str, label: str, prefix: str, fields: Iterable[Field], **more: Any) -> SObject:
    """Return an object of our own making; what nothing is said of may be done with it."""
    flags = ("createable", "deletable", "queryable", "replicateable", "retrieveable", "searchable", "updateable",
             "layoutable", "triggerable", "undeletable")  # fmt: skip
    raw: dict[str, Any] = dict.fromkeys(flags, True) | {"custom": False, "feedEnabled": False, "mergeable": False}
    special = {key: more.pop(key) for key in ("is_setup", "is_tooling", "parent") if key in more}
    raw |= {"name": name, "label": label, "labelPlural": f"{label}s", "keyPrefix": prefix, **more}
    return SObject(raw, {each.name: each for each in fields}, **special)
