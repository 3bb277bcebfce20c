"""From a name like `Account.Owner.Name` to a value: along references, up to five of them, as its user may see them.

A reference to several objects (who, what, an owner that may be a queue) leads to what all of them have in common.
"""

from dataclasses import dataclass
from typing import Any

from tests.twins.salesforce import soql
from tests.twins.salesforce.access import Access
from tests.twins.salesforce.org import Org, Record
from tests.twins.salesforce.schema import Field, SObject, described

DEEPEST = 5
COMMON = {name: Field(described({"name": name, "label": name, "type": "string", "length": 255}))
          for name in ("Name", "Type", "FirstName", "LastName", "Email", "Phone", "Title", "Username")} | {
              "Id": Field(described({"name": "Id", "label": "Id", "type": "id", "length": 18}))}  # fmt: skip


@dataclass(frozen=True)
class Path:
    """The references to go along, and the field at the end."""

    text: str
    steps: tuple[Field, ...]
    field: Field
    is_polymorphic: bool = False


def walked(access: Access, of: SObject, name: soql.Name, text: str) -> Path:
    """Return the way to a field, or raise INVALID_FIELD with its place in the query."""
    if "." in name.path and (whole := access.find(of, name.path)):
        return Path(name.path, (), whole)
    parts = name.path.split(".")
    if parts[0].lower() == of.name.lower() and len(parts) > 1 and of.relation(parts[0]) is None:
        parts = parts[1:]
    steps: list[Field] = []
    for part in parts[:-1]:
        step = of.relation(part)
        if step is None or len(steps) >= DEEPEST:
            words = f"Didn't understand relationship '{part}' in field path. If you are attempting to use a custom " \
                    "relationship, be sure to append the '__r' after the custom relationship name."  # fmt: skip
            raise soql.located(text, name.at, words, "INVALID_FIELD")
        steps.append(step)
        if len(step.referenceTo) > 1:
            return _common(name, text, tuple(steps), parts)
        parent = access.sobject(step.referenceTo[0])
        if parent is None:
            raise _no_column(name, text, part, of.name)
        of = parent
    field = access.find(of, parts[-1])
    if field is None:
        raise _no_column(name, text, parts[-1], of.name)
    return Path(name.path, tuple(steps), field)


def value_of(org: Org, record: Record, path: Path) -> Any:
    """Return what a record holds at the end of a path, None where a reference is empty."""
    at = record
    for step in path.steps:
        id = at.values.get(step.name)
        of = org.of_id(id) if id else None
        parent = org.records[of.name].get(id) if of and id else None
        if parent is None:
            return None
        at = parent
    if path.is_polymorphic and path.field.name == "Type":
        return at.sobject
    return at.values.get(path.field.name)


def _common(name: soql.Name, text: str, steps: tuple[Field, ...], parts: list[str]) -> Path:
    wanted = next((each for each in COMMON if each.lower() == parts[-1].lower()), None)
    if wanted is None or len(steps) != len(parts) - 1:
        raise _no_column(name, text, parts[len(steps)], "Name")
    return Path(name.path, steps, COMMON[wanted], True)


def _no_column(name: soql.Name, text: str, part: str, entity: str) -> Exception:
    words = f"No such column '{part}' on entity '{entity}'. If you are attempting to use a custom field, be sure to " \
            "append the '__c' after the custom field name. Please reference your WSDL or the describe call for the " \
            "appropriate names."  # fmt: skip
    return soql.located(text, name.at, words, "INVALID_FIELD")
