"""Whether what the twin tells of a record fits the describe of its object, recorded where there is a recording."""

from typing import Any

from tests.twins.salesforce.org import Org
from tests.twins.salesforce.schema import NUMBERS, SObject
from tests.twins.salesforce.values import moment

APART = frozenset({"attributes", "fields", "Metadata"})
"""What bears names of its own, not of fields."""


def problems(org: Org, body: Any) -> list[str]:
    """Return what of an answer no describe has, or has otherwise."""
    if isinstance(body, list):
        return [line for each in body for line in problems(org, each)]
    if not isinstance(body, dict):
        return []
    marks = body.get("attributes")
    of = org.sobjects.get(marks.get("type", "")) if isinstance(marks, dict) else None
    if of is None or of.is_tooling:
        return [line for name, each in body.items() if name not in APART for line in problems(org, each)]
    return [line for name, each in body.items() if name != "attributes" for line in _of_record(org, of, name, each)]


def _of_record(org: Org, of: SObject, name: str, value: Any) -> list[str]:
    field = of.fields.get(name)
    if field is None:
        return problems(org, value) if of.relation(name) else [f"{of.name} has no {name}"]
    return [] if _fits(field.type, value) else [f"{of.name}.{name} is no {field.type}: {value!r}"]


def _fits(kind: str, value: Any) -> bool:
    if value is None or kind == "anyType":
        return kind != "boolean"
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in NUMBERS:
        return isinstance(value, int if kind == "int" else float) and not isinstance(value, bool)
    if kind == "address":
        return isinstance(value, dict)
    if not isinstance(value, str):
        return False
    if kind == "datetime":
        return value.endswith(".000+0000") and moment(value) is not None
    return len(value) == (18 if kind in ("id", "reference") else 10) if kind in ("id", "reference", "date") else True
