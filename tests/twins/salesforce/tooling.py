"""Custom fields by the Tooling API: made, read, changed and deleted by their metadata, and invisible once made.

A new field may be seen by nobody until a permission grants it. Fields of tasks and events are made on Activity.
Source: what integrations send, and a report of what it answers to a type that it doesn't know (read 2026-11); which
keys each type needs is known of the Metadata API, and not published with its refusals.
"""

import re
from collections.abc import Mapping
from typing import Any

from tests.twins.salesforce.calls import Answer, Call
from tests.twins.salesforce.errors import ApiError, not_found, unreadable
from tests.twins.salesforce.history import MOST_FIELDS
from tests.twins.salesforce.org import Org, Record
from tests.twins.salesforce.schema import Field, described

NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*__c")
ACTIVITIES = ("Task", "Event")
CUSTOMISED = frozenset({"Account", "Contact", "Lead", "Opportunity", "Activity", "OpportunityContactRole", "User"})
LONGEST_NAME, LONGEST_LABEL, MOST_EXTERNAL = 43, 40, 25
TYPES: dict[str, tuple[str, int]] = {
    "Text": ("string", 255), "TextArea": ("textarea", 255), "LongTextArea": ("textarea", 131_072),
    "Number": ("double", 0), "Currency": ("currency", 0), "Percent": ("percent", 0), "Checkbox": ("boolean", 0),
    "Date": ("date", 0), "DateTime": ("datetime", 0), "Picklist": ("picklist", 255), "Email": ("email", 80),
    "MultiselectPicklist": ("multipicklist", 4099), "Phone": ("phone", 40), "Url": ("url", 255),
}  # fmt: skip
NEEDS = {"Text": ("length",), "LongTextArea": ("length", "visibleLines"), "Number": ("precision", "scale"),
         "Currency": ("precision", "scale"), "Percent": ("precision", "scale"), "Checkbox": ("defaultValue",),
         "Picklist": ("valueSet",), "MultiselectPicklist": ("valueSet", "visibleLines")}  # fmt: skip
KEYS = frozenset({
    "label", "type", "length", "visibleLines", "precision", "scale", "defaultValue", "valueSet", "required", "unique",
    "externalId", "caseSensitive", "description", "inlineHelpText", "trackHistory",
})  # fmt: skip


def create(call: Call) -> Answer:
    """Make a custom field."""
    call.access.check_write(call.org.sobjects["CustomField"])
    name, metadata = _given(call.body, {"FullName", "Metadata"})
    record = make(call.org, name, metadata, call.access.user)
    return Answer(201, {"id": record.id, "success": True, "errors": [], "warnings": [], "infos": []})


def get(call: Call) -> Answer:
    """Read a custom field with its metadata."""
    record = _field(call)
    url = f"/services/data/v{call.version}/tooling/sobjects/CustomField/{record.id}"
    return Answer(200, {
        "attributes": {"type": "CustomField", "url": url},
        **record.values, "Metadata": call.org.custom_fields[record.id],
    })  # fmt: skip


def change(call: Call) -> Answer:
    """Replace a custom field's metadata: labels, lengths, more choices; its type stays."""
    record = _field(call)
    _, metadata = _given({"FullName": record.values["FullName"], **call.body}, {"FullName", "Metadata"})
    if metadata["type"] != call.org.custom_fields[record.id]["type"]:
        raise ApiError("FIELD_INTEGRITY_EXCEPTION", "The type of a field can't be changed here", ["Metadata"])
    _enter(call.org, record.values["FullName"], metadata)
    call.org.custom_fields[record.id] = dict(metadata)
    return Answer(204)


def delete(call: Call) -> Answer:
    """Delete a custom field, with what it held and who might see it."""
    record, org = _field(call), call.org
    sobject, _, name = record.values["FullName"].partition(".")
    for of in _tables(sobject):
        org.sobjects[of].fields.pop(name, None)
        org.history.tracked.get(of, set()).discard(name)
        org.empty(of, name)
        for each in org.every("FieldPermissions"):
            if each.values["Field"] == f"{of}.{name}":
                org.remove(each, call.access.user)
    del org.records["CustomField"][record.id]
    del org.custom_fields[record.id]
    org.schema_at = org.now()
    return Answer(204)


def make(org: Org, full_name: str, metadata: Mapping[str, Any], by: str) -> Record:
    """Make a custom field as a user, or raise what refuses it."""
    sobject, _, name = full_name.partition(".")
    if sobject not in CUSTOMISED:
        words = f"Entity Enumeration Or ID: bad value for restricted picklist field: {sobject}"
        raise ApiError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", words, ["TableEnumOrId"])
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise ApiError(
            "FIELD_INTEGRITY_EXCEPTION",
            f"Field name: {name} must begin with a letter and end in __c",
            ["DeveloperName"],
        )
    if any(name.lower() == known.lower() for of in _tables(sobject) for known in org.sobjects[of].fields):
        stem = name.removesuffix("__c")
        raise ApiError(
            "DUPLICATE_DEVELOPER_NAME", f"There is already a field named {stem} on {sobject}.", ["DeveloperName"]
        )
    _enter(org, full_name, metadata)
    values = {"DeveloperName": name.removesuffix("__c"), "TableEnumOrId": sobject, "FullName": full_name}
    record = org.insert("CustomField", values, by)
    org.custom_fields[record.id] = dict(metadata)
    return record


def grant(org: Org, full_name: str, read: bool = True, edit: bool = True) -> None:
    """Let an admin grant a field to the profile of every user."""
    sobject, _, name = full_name.partition(".")
    for of in _tables(sobject):
        org.insert("FieldPermissions", {
            "ParentId": org.profile_set, "SobjectType": of, "Field": f"{of}.{name}", "PermissionsRead": read,
            "PermissionsEdit": edit,
        }, org.integration_user)  # fmt: skip


def _given(body: Mapping[str, Any], keys: set[str]) -> tuple[str, Mapping[str, Any]]:
    if unknown := sorted(body.keys() - keys):
        raise ApiError("INVALID_FIELD", f"No such column '{unknown[0]}' on sobject of type CustomField")
    name, metadata = body.get("FullName"), body.get("Metadata")
    if not isinstance(name, str) or not isinstance(metadata, dict):
        raise ApiError(
            "REQUIRED_FIELD_MISSING", "Required fields are missing: [FullName, Metadata]", ["FullName", "Metadata"]
        )
    if unknown := sorted(metadata.keys() - KEYS):
        raise ApiError("JSON_PARSER_ERROR", f"No such column '{unknown[0]}' on sobject of type Metadata")
    kind = metadata.get("type")
    if kind not in TYPES:
        raise unreadable("complexvalue", "VALUE_STRING", kind)
    if not metadata.get("label") or len(metadata["label"]) > LONGEST_LABEL:
        raise ApiError(
            "FIELD_INTEGRITY_EXCEPTION", f"Label: at most {LONGEST_LABEL} characters, and never empty", ["MasterLabel"]
        )
    for key in NEEDS.get(kind, ()):
        if metadata.get(key) is None:
            raise ApiError("FIELD_INTEGRITY_EXCEPTION", f"Must specify '{key}' for a CustomField of type {kind}", [key])
    return name, metadata


def _field(call: Call) -> Record:
    found = call.org.records["CustomField"].get(call.parts["id"])
    if found is None:
        raise not_found()
    return found


def _tables(sobject: str) -> tuple[str, ...]:
    return ACTIVITIES if sobject == "Activity" else (sobject,)


def _enter(org: Org, full_name: str, metadata: Mapping[str, Any]) -> None:
    """Put a field, as its metadata says, into the objects that have it."""
    sobject, _, name = full_name.partition(".")
    raw = _described(name, metadata)
    if raw["externalId"]:
        if metadata["type"] not in ("Text", "Number", "Email") or (
            sobject == "Activity" and not org.switches.activity_external_ids
        ):
            raise ApiError("FIELD_INTEGRITY_EXCEPTION", "This field can't be an external ID", ["IsExternalId"])
        for of in _tables(sobject):
            others = [each for each in org.sobjects[of].fields.values() if each.externalId and each.name != name]
            if len(others) >= MOST_EXTERNAL:
                raise ApiError("NUMBER_OUTSIDE_VALID_RANGE", "too many external IDs", [])
    if metadata.get("trackHistory"):
        if sobject not in org.history.tracked:
            words = f"The entity: {sobject} does not have history tracking enabled"
            raise ApiError("FIELD_INTEGRITY_EXCEPTION", words, ["trackHistory"])
        if len(org.history.tracked[sobject] | {name}) > MOST_FIELDS:
            words = "exceeded the allowed number of fields to track on a given entity"
            raise ApiError("FIELD_INTEGRITY_EXCEPTION", words, ["trackHistory"])
        org.history.tracked[sobject].add(name)
    for of in _tables(sobject):
        org.sobjects[of].fields[name] = Field(raw)
    org.schema_at = org.now()


def _described(name: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    kind = metadata["type"]
    type, longest = TYPES[kind]
    length = metadata.get("length", longest)
    low = 256 if kind == "LongTextArea" else 1
    if "length" in NEEDS.get(kind, ()) and (not isinstance(length, int) or not low <= length <= longest):
        raise ApiError("FIELD_INTEGRITY_EXCEPTION", f"Length: must be from {low} to {longest}", ["Length"])
    filterable = kind != "LongTextArea"
    return described({
        "name": name, "label": metadata["label"], "type": type, "length": length, "custom": True,
        "permissionable": True,
        "nillable": not metadata.get("required") and type != "boolean", "createable": True, "updateable": True,
        "defaultedOnCreate": type == "boolean", "defaultValue": _default(metadata), "filterable": filterable,
        "sortable": filterable and type != "multipicklist", "groupable": filterable,
        "precision": metadata.get("precision", 0), "scale": metadata.get("scale", 0),
        "unique": bool(metadata.get("unique")), "idLookup": bool(metadata.get("externalId")),
        "externalId": bool(metadata.get("externalId")), "caseSensitive": bool(metadata.get("caseSensitive")),
        "inlineHelpText": metadata.get("inlineHelpText"), **_choices(metadata),
    })  # fmt: skip


def _default(metadata: Mapping[str, Any]) -> Any:
    """Return a checkbox's default, which metadata may write as a text."""
    value = metadata.get("defaultValue")
    return str(value).lower() == "true" if metadata["type"] == "Checkbox" else None


def _choices(metadata: Mapping[str, Any]) -> dict[str, Any]:
    values = metadata.get("valueSet")
    if values is None:
        return {}
    defined = values.get("valueSetDefinition") if isinstance(values, dict) else None
    rows = defined.get("value") if isinstance(defined, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("fullName") for row in rows):
        raise ApiError("JSON_PARSER_ERROR", "valueSet must hold a valueSetDefinition with values that have a fullName")
    told = [{"label": row.get("label", row["fullName"]), "value": row["fullName"], "active": row.get("isActive", True),
             "defaultValue": bool(row.get("default"))} for row in rows]  # fmt: skip
    return {"picklistValues": told, "restrictedPicklist": bool(values.get("restricted"))}
