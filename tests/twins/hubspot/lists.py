"""Lists of records (segments): made with filters, found by name, and their members by the filters.

The SDK's models of a filter are one class for all kinds of branches, which asks for the fields of each at once; so each
branch, filter and operation is judged alone, by the class of its own kind. Only what the reference gives for properties
is understood: AND branches below one OR branch, with filters on numbers, choices and texts.
Source: developers.hubspot.com, lists and list filters, 2026.
"""

from collections.abc import Mapping
from typing import Any

from tests.twins.hubspot import schema
from tests.twins.hubspot.calls import Answer, Call, object_type
from tests.twins.hubspot.definitions import OBJECTS
from tests.twins.hubspot.errors import ApiError, invalid, invalid_body, not_found
from tests.twins.hubspot.portal import Portal, Record
from tests.twins.hubspot.values import iso

MODULE = "hubspot.crm.lists"
_OPERATIONS = {
    "NUMBER": ("PublicNumberPropertyOperation", {"IS_GREATER_THAN_OR_EQUAL_TO", "IS_EQUAL_TO", "IS_LESS_THAN"}),
    "ENUMERATION": ("PublicEnumerationPropertyOperation", {"IS_ANY_OF", "IS_NONE_OF"}),
    "MULTISTRING": ("PublicMultiStringPropertyOperation", {"IS_EQUAL_TO", "CONTAINS"}),
}
_FITS = {"number": "NUMBER", "enumeration": "ENUMERATION", "string": "MULTISTRING"}


def without_filters(body: Any) -> Any:
    """Return what of a body the SDK's model judges; the filters are judged one by one."""
    return {key: value for key, value in body.items() if key != "filterBranch"} if isinstance(body, dict) else body


def create(call: Call) -> Answer:
    """Make a list."""
    kind, body = object_type(call.body["objectTypeId"]), call.body
    if body["processingType"] not in ("MANUAL", "DYNAMIC", "SNAPSHOT"):
        raise invalid(f"processingType can't be {body['processingType']}")
    if (body["processingType"] == "MANUAL") is not (body.get("filterBranch") is None):
        raise invalid("filterBranch is for lists that are not manual, and needed there")
    if wrong := list(_problems(call.portal, kind, body.get("filterBranch"))):
        raise invalid_body(wrong, "filterBranch")
    if _named(call.portal, kind, body["name"]):
        raise ApiError(400, "VALIDATION_ERROR", f"List name {body['name']} is already in use")
    now = iso(call.portal.stamp())
    made = {
        "listId": call.portal.new_id(), "listVersion": 1, "name": body["name"], "objectTypeId": OBJECTS[kind][0],
        "processingType": body["processingType"], "processingStatus": "COMPLETE", "createdAt": now, "updatedAt": now,
        "filtersUpdatedAt": now,
    }  # fmt: skip
    call.portal.lists[made["listId"]] = {**made, "filterBranch": body.get("filterBranch")}
    return Answer(200, {"list": made}, (MODULE, "ListCreateResponse"))


def by_name(call: Call) -> Answer:
    """Find a list by its name."""
    held = _named(call.portal, object_type(call.parts["type"]), call.parts["name"])
    if held is None:
        raise not_found("List does not exist")
    return Answer(200, {"list": {k: v for k, v in held.items() if k != "filterBranch"}}, (MODULE, "ListFetchResponse"))


def delete(call: Call) -> Answer:
    """Delete a list; its members stay what they are."""
    if call.portal.lists.pop(call.parts["id"], None) is None:
        raise not_found("List does not exist")
    return Answer(204)


def members(portal: Portal, kind: str, name: str) -> list[str]:
    """Return the ids of the records that are in a list now."""
    held = _named(portal, kind, name)
    assert held is not None, f"there is no list {name}"
    live = (record for record in portal.records[kind].values() if not record.archived_at)
    return [record.id for record in live if _passes(held["filterBranch"], record)]


def _named(portal: Portal, kind: str, name: str) -> dict[str, Any] | None:
    type_id = OBJECTS[kind][0]
    held = (each for each in portal.lists.values() if each["objectTypeId"] == type_id)
    return next((each for each in held if each["name"].casefold() == name.casefold()), None)


def _problems(portal: Portal, kind: str, branch: Any, wanted: str = "OR") -> Any:
    if branch is None:
        return
    model = f"Public{wanted.capitalize()}FilterBranch"
    alone = {**branch, "filterBranches": [], "filters": []} if isinstance(branch, dict) else branch
    if wrong := schema.problems(MODULE, model, alone, nulls=False):
        yield from wrong
        return
    branches, filters = branch["filterBranches"], branch["filters"]
    if wanted == "OR" and (filters or not branches):
        yield "the root OR branch holds AND branches, and no filters"
    if wanted == "AND" and branches:
        yield "this twin knows no branches below AND"
    for each in branches if wanted == "OR" else ():
        yield from _problems(portal, kind, each, "AND")
    for each in filters if wanted == "AND" else ():
        yield from _filter_problems(portal, kind, each)


def _filter_problems(portal: Portal, kind: str, given: Any) -> Any:
    operation = given.get("operation") if isinstance(given, dict) else None
    if not isinstance(operation, dict) or operation.get("operationType") not in _OPERATIONS:
        yield "a filter needs an operation of a known type"
        return
    model, operators = _OPERATIONS[operation["operationType"]]
    yield from schema.problems(MODULE, model, operation, nulls=False)
    if operation.get("operator") not in operators:
        yield f"{operation.get('operator')} is no operator of {operation['operationType']}"
    if given.get("filterType") != "PROPERTY" or set(given) != {"filterType", "property", "operation"}:
        yield "only filters on a property are known"
        return
    definition = portal.definition(kind, given["property"])
    if definition is None:
        yield f"there is no property {given['property']}"
    elif _FITS.get(definition.type) != operation["operationType"]:
        yield f"{given['property']} is {definition.type}, which {operation['operationType']} is not for"
    elif definition.type == "enumeration" and (strange := set(operation["values"]) - definition.option_values()):
        yield f"{given['property']} has no options {sorted(strange)}"


def _passes(branch: Mapping[str, Any], record: Record) -> bool:
    """Tell whether one of the AND branches takes a record: all of its filters do."""
    return any(all(_takes(each, record) for each in found["filters"]) for found in branch["filterBranches"])


def _takes(given: Mapping[str, Any], record: Record) -> bool:
    operation, value = given["operation"], record.values.get(given["property"]) or ""
    if not value:
        return bool(operation["includeObjectsWithNoValueSet"])
    if operation["operationType"] == "NUMBER":
        number, than = float(value), float(operation["value"])
        return {
            "IS_GREATER_THAN_OR_EQUAL_TO": number >= than, "IS_EQUAL_TO": number == than, "IS_LESS_THAN": number < than,
        }[operation["operator"]]  # fmt: skip
    if operation["operator"] == "CONTAINS":
        return any(each in value for each in operation["values"])
    return (value in operation["values"]) is (operation["operator"] != "IS_NONE_OF")
