"""Definitions of properties and their groups: what an integration may make, once, and take away again.

Source: HubSpot's properties guide, 2026: the group comes first, a name that is taken is a 409, uniqueness is given at
creation only and to ten properties of an object type at most, deleting a property takes its values from every record.
"""

import re
from collections.abc import Mapping
from typing import Any

from tests.twins.hubspot.calls import Answer, Call
from tests.twins.hubspot.definitions import ACTIVITIES, OBJECTS, Definition
from tests.twins.hubspot.errors import ApiError, invalid, not_found
from tests.twins.hubspot.portal import group
from tests.twins.hubspot.values import iso

MODULE = "hubspot.crm.properties"
NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
UNIQUE_LIMIT, INPUTS = 10, 100
FIELD_TYPES: Mapping[str, frozenset[str]] = {
    "string": frozenset({"text", "textarea", "html", "phonenumber", "file", "calculation_equation"}),
    "phone_number": frozenset({"phonenumber"}),
    "number": frozenset({"number", "calculation_equation"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"date"}),
    "enumeration": frozenset({"select", "radio", "checkbox", "booleancheckbox"}),
    "bool": frozenset({"booleancheckbox", "calculation_equation"}),
}
NEWER = {"type": ("phone_number", "string"), "fieldType": ("phonenumber", "text")}


def as_in_the_sdk(body: Any) -> Any:
    """Return a definition for the SDK's judge, whose lists of types are older than the dated API's."""
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("inputs"), list):
        return {**body, "inputs": [as_in_the_sdk(each) for each in body["inputs"]]}
    older = {key: old for key, (new, old) in NEWER.items() if body.get(key) == new}
    return {**body, **older, **({"fieldType": "textarea"} if body.get("fieldType") == "html" else {})}


def list_all(call: Call) -> Answer:
    """Read all definitions of an object type, deleted ones only when asked for."""
    archived = call.flag("archived")
    held = call.portal.definitions[call.type()].values()
    rows = [each.wire() for each in held if bool(each.archived_at) == archived]
    return Answer(200, {"results": rows}, (MODULE, "CollectionResponsePropertyNoPaging"))


def get(call: Call) -> Answer:
    """Read one definition."""
    found = call.portal.definitions[call.type()].get(call.parts["name"])
    if found is None or bool(found.archived_at) != call.flag("archived"):
        raise not_found(f"No property exists with name {call.parts['name']}")
    return Answer(200, found.wire(), (MODULE, "ModelProperty"))


def create(call: Call) -> Answer:
    """Make one definition."""
    return Answer(201, _create(call, call.body).wire(), (MODULE, "ModelProperty"))


def change(call: Call) -> Answer:
    """Change a definition of our own: its words, its group, its options; never its uniqueness."""
    found = _custom(call, call.parts["name"])
    body = {"type": found.type, "fieldType": found.field_type, "groupName": found.group, **call.body}
    if body["type"] != found.type and {body["type"], found.type} != {"string", "enumeration"}:
        raise invalid(f"Property type can't be changed from {found.type} to {body['type']}")
    body.setdefault("options", found.options or [])
    _check(call, {"name": found.name, "label": found.label, **body})
    found.type, found.field_type, found.group, found.options = (
        body["type"], body["fieldType"], body["groupName"], _options(body["options"]),
    )  # fmt: skip
    found.label, found.description = body.get("label", found.label), body.get("description", found.description)
    found.hidden, found.form_field = body.get("hidden", found.hidden), body.get("formField", found.form_field)
    found.display_order = body.get("displayOrder", found.display_order)
    found.updated_at = iso(call.portal.clock())
    return Answer(200, found.wire(), (MODULE, "ModelProperty"))


def delete(call: Call) -> Answer:
    """Delete one definition of our own, and its values."""
    _delete(call, _custom(call, call.parts["name"]))
    return Answer(204)


def batch_create(call: Call) -> Answer:
    """Make definitions; one that can't be made is an error row."""
    made, errors = [], []
    for row in _inputs(call):
        try:
            made.append(_create(call, row).wire())
        except ApiError as error:
            errors.append(error.row({"name": [row["name"]]}))
    return _batch(call, 201, made, errors)


def batch_read(call: Call) -> Answer:
    """Read definitions by name; those that aren't there are error rows."""
    rows, errors = [], []
    for row in _inputs(call):
        found = call.portal.definitions[call.type()].get(row["name"])
        if found and bool(found.archived_at) == call.body["archived"]:
            rows.append(found.wire())
        else:
            missing = not_found(f"No property exists with name {row['name']}")
            errors.append(missing.row({"name": [row["name"]]}))
    return _batch(call, 200, rows, errors)


def batch_archive(call: Call) -> Answer:
    """Delete definitions of our own; those that aren't there are no error."""
    for row in _inputs(call):
        if call.portal.definition(call.type(), row["name"]):
            _delete(call, _custom(call, row["name"]))
    return Answer(204)


def list_groups(call: Call) -> Answer:
    """Read the groups of an object type."""
    rows = list(call.portal.groups[call.type()].values())
    return Answer(200, {"results": rows}, (MODULE, "CollectionResponsePropertyGroupNoPaging"))


def get_group(call: Call) -> Answer:
    """Read one group."""
    return Answer(200, _group(call), (MODULE, "PropertyGroup"))


def create_group(call: Call) -> Answer:
    """Make a group."""
    body, held = call.body, call.portal.groups[call.type()]
    if not NAME.fullmatch(body["name"]):
        raise invalid(f"Property group name {body['name']} is not valid")
    if body["name"] in held:
        raise ApiError(409, "OBJECT_ALREADY_EXISTS", f"A property group named '{body['name']}' already exists.")
    held[body["name"]] = group(body["name"], body["label"], body.get("displayOrder", -1))
    return Answer(201, held[body["name"]], (MODULE, "PropertyGroup"))


def change_group(call: Call) -> Answer:
    """Change a group's words."""
    found = _group(call)
    found |= call.body
    return Answer(200, found, (MODULE, "PropertyGroup"))


def delete_group(call: Call) -> Answer:
    """Delete a group that has no properties any more."""
    found = _group(call)
    held = [each for each in call.portal.definitions[call.type()].values() if not each.archived_at]
    if any(each.group == found["name"] for each in held):
        raise invalid(f"Property group {found['name']} still has properties")
    del call.portal.groups[call.type()][found["name"]]
    return Answer(204)


def _create(call: Call, row: dict[str, Any]) -> Definition:
    _check(call, row)
    kind, name = call.type(), row["name"]
    if call.portal.definition(kind, name):
        raise ApiError(409, "OBJECT_ALREADY_EXISTS", f"A property named '{name}' already exists.")
    _check_limits(call, row)
    at = iso(call.portal.clock())
    made = Definition(
        name, row["type"], row["fieldType"], row["label"], row["groupName"], row.get("description", ""),
        _options(row.get("options", [])), unique=row.get("hasUniqueValue", False), custom=True,
        display_order=row.get("displayOrder", -1), hidden=row.get("hidden", False),
        form_field=row.get("formField", False), created_at=at, updated_at=at,
    )  # fmt: skip
    call.portal.definitions[kind][name] = made
    return made


def _check(call: Call, row: dict[str, Any]) -> None:
    options = [option["value"] for option in row.get("options", [])]
    checks = {
        f"Property name {row['name']} is not valid": NAME.fullmatch(row["name"]) and not row["name"].startswith("hs_"),
        "label must not be empty": row["label"].strip(),
        f"Property type {row['type']} is not known": row["type"] in FIELD_TYPES and (call.dated or _is_old(row)),
        f"Property group {row['groupName']} does not exist": row["groupName"] in call.portal.groups[call.type()],
        f"fieldType {row['fieldType']} is invalid for type {row['type']}": row["fieldType"]
        in FIELD_TYPES.get(row["type"], ()),
        "option values must be unique and not empty": all(options) and len(set(options)) == len(options),
        "enumeration properties need options": row["type"] != "enumeration" or options,
        "boolean properties must have exactly two options, true and false": row["type"] != "bool"
        or sorted(options) == ["false", "true"],
        f"type {row['type']} takes no options": row["type"] in ("enumeration", "bool") or not options,
        "only string and number properties can be unique": not row.get("hasUniqueValue")
        or (row["type"] in ("string", "number") and row["fieldType"] in ("text", "number")),
    }
    for words, holds in checks.items():
        if not holds:
            raise invalid(words)


def _is_old(row: dict[str, Any]) -> bool:
    return bool(row["type"] != NEWER["type"][0])


def _check_limits(call: Call, row: dict[str, Any]) -> None:
    kind, switches = call.type(), call.portal.switches
    custom = [each for each in call.portal.definitions[kind].values() if each.custom and not each.archived_at]
    if kind in ACTIVITIES and switches.activity_properties == "none":
        raise invalid(f"Custom properties are not supported for {OBJECTS[kind][1]}")
    if len(custom) >= switches.custom_property_limit:
        raise ApiError(400, "PROPERTY_LIMIT_EXCEEDED", f"The limit of {len(custom)} custom properties is reached")
    if row.get("hasUniqueValue"):
        if kind in ACTIVITIES and switches.activity_properties != "unique":
            raise invalid(f"Unique properties are not supported for {OBJECTS[kind][1]}")
        if sum(each.unique for each in custom) >= UNIQUE_LIMIT:
            raise invalid(f"At most {UNIQUE_LIMIT} unique properties are allowed for an object type")


def _options(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"displayOrder": at, **row} for at, row in enumerate(rows)]


def _custom(call: Call, name: str) -> Definition:
    found = call.portal.definition(call.type(), name)
    if found is None:
        raise not_found(f"No property exists with name {name}")
    if not found.custom:
        raise invalid(f"Property {name} is defined by HubSpot and can't be changed or archived")
    return found


def _delete(call: Call, found: Definition) -> None:
    kind = call.type()
    found.archived_at = iso(call.portal.clock())
    call.portal.unique.pop((kind, found.name), None)
    for record in call.portal.records[kind].values():
        record.history.pop(found.name, None)
        if found.name in record.values:
            record.values = {name: value for name, value in record.values.items() if name != found.name}
            call.portal.snapshot(record)


def _group(call: Call) -> dict[str, Any]:
    found = call.portal.groups[call.type()].get(call.parts["name"])
    if found is None:
        raise not_found(f"No property group exists with name {call.parts['name']}")
    return found


def _inputs(call: Call) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = call.body["inputs"]
    if not 0 < len(rows) <= INPUTS:
        raise invalid(f"inputs must be between 1 and {INPUTS}")
    return rows


def _batch(call: Call, status: int, rows: list[Any], errors: list[Any]) -> Answer:
    at = iso(call.portal.clock())
    body: dict[str, Any] = {"status": "COMPLETE", "results": rows, "startedAt": at, "completedAt": at}
    if not errors:
        return Answer(status, body, (MODULE, "BatchResponseProperty"))
    body |= {"numErrors": len(errors), "errors": errors}
    return Answer(status if call.dated else 207, body, (MODULE, "BatchResponsePropertyWithErrors"))
