"""Whether what the twin tells of a record fits the describe of its object, recorded where there is a recording."""

from typing import Any

from tests.twins.salesforce.org import Org
from tests.twins.salesforce.schema import NUMBERS
from tests.twins.salesforce.values import moment


def problems(org: Org, body: Any) -> list[str]:
    """Return what of an answer no describe has, or has otherwise."""
    found: list[str] = []
    if isinstance(body, list):
        for each in body:
            found += problems(org, each)
    elif isinstance(body, dict):
        marks = body.get("attributes")
        of = org.sobjects.get(marks.get("type", "")) if isinstance(marks, dict) else None
        for name, value in body.items() if of is None or of.is_tooling else ():
            found += problems(org, value) if name not in ("attributes", "fields", "Metadata") else []
        for name, value in body.items() if of is not None and not of.is_tooling else ():
            if name == "attributes" or (of and of.relation(name)):
                found += problems(org, value) if name != "attributes" else []
            elif of and name not in of.fields:
                found.append(f"{of.name} has no {name}")
            elif of and not _fits(of.fields[name].type, value):
                found.append(f"{of.name}.{name} is no {of.fields[name].type}: {value!r}")
    return found


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
