"""What the UI API tells and takes: list views, and the choices of a picklist by record type.

Source: Salesforce User Interface API guide, "Create a List View for an Object" (from version 61) and "List Info", read
2026-11. Which operators it knows beside its example's, and how it refuses, isn't told there; here a wrong one is a 400.
"""

import re
from collections.abc import Mapping
from typing import Any

from tests.twins.salesforce.calls import Answer, Call
from tests.twins.salesforce.errors import ApiError, not_found

SINCE = 61
KEYS = frozenset({"listViewApiName", "label", "displayColumns", "filteredByInfo", "filterLogicString", "scope",
                  "visibility", "listShares"})  # fmt: skip
FILTER_KEYS = {"fieldApiName", "operandLabels", "operator"}
OPERATORS = frozenset({
    "Contains", "Equals", "Excludes", "GreaterOrEqual", "GreaterThan", "Includes", "LessOrEqual", "LessThan",
    "NotContain", "NotEqual", "StartsWith", "Within",
})  # fmt: skip
NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*")
LONGEST_LABEL, MOST_COLUMNS, MOST_FILTERS = 40, 15, 10


def create(call: Call) -> Answer:
    """Make a list view of an object."""
    if not call.org.switches.list_views or float(call.version) < SINCE:
        raise not_found()
    call.access.check_write(call.of)
    body = call.body
    if unknown := sorted(body.keys() - KEYS):
        raise ApiError("JSON_PARSER_ERROR", f'Unrecognized field "{unknown[0]}"')
    name, label = body.get("listViewApiName"), body.get("label")
    if not isinstance(name, str) or not NAME.fullmatch(name) or not label or len(label) > LONGEST_LABEL:
        raise ApiError("INVALID_INPUT", "listViewApiName and a label of at most forty characters are required")
    if _key(call, name) in call.org.list_views:
        raise ApiError("DUPLICATE_DEVELOPER_NAME", f"There is already a list view named {name}")
    info = _checked(call, body)
    record = call.org.insert("ListView", {
        "Name": label, "DeveloperName": name, "SobjectType": call.of.name, "IsSoqlCompatible": True,
    }, call.access.user)  # fmt: skip
    call.org.list_views[_key(call, name)] = {**info, "id": record.id}
    return Answer(201, call.org.list_views[_key(call, name)])


def get(call: Call) -> Answer:
    """Read a list view."""
    return Answer(200, _found(call))


def delete(call: Call) -> Answer:
    """Delete a list view."""
    id = _found(call)["id"]
    del call.org.list_views[_key(call, call.parts["name"])]
    del call.org.records["ListView"][id]
    return Answer(204)


def every(call: Call) -> Answer:
    """Return the list views of an object."""
    found = [info for key, info in call.org.list_views.items() if key.startswith(f"{call.of.name}/")]
    lists = [
        {"apiName": each["listReference"]["listViewApiName"], "id": each["id"], "label": each["label"]}
        for each in found
    ]
    return Answer(200, {"count": len(lists), "lists": lists})


def choices(call: Call) -> Answer:
    """Return the values of a picklist that a record type allows."""
    field = call.access.field(call.of, call.parts["field"])
    if field.type != "picklist":
        raise ApiError("INVALID_TYPE", f"{field.name} is not a picklist")
    allowed = call.org.record_type_stages.get(call.parts["record_type"]) if field.name == "StageName" else None
    values = field.choices if allowed is None else allowed
    if field.name == "StageName" and allowed is None:
        values = [each.values["ApiName"] for each in call.org.every("OpportunityStage") if each.values["IsActive"]]
    shown: list[dict[str, Any]] = [
        {"attributes": None, "label": value, "validFor": [], "value": value} for value in values
    ]
    return Answer(200, {"controllerValues": {}, "defaultValue": None, "values": shown})


def _checked(call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
    columns, filters = body.get("displayColumns", ["Name"]), body.get("filteredByInfo", [])
    if (
        not isinstance(columns, list)
        or len(columns) > MOST_COLUMNS
        or not isinstance(filters, list)
        or len(filters) > MOST_FILTERS
    ):
        raise ApiError("INVALID_INPUT", "too many columns or filters")
    for each in filters:
        if not isinstance(each, dict) or each.keys() - FILTER_KEYS or each.get("operator") not in OPERATORS:
            raise ApiError("JSON_PARSER_ERROR", f"not a filter: {each}")
    for name in [*columns, *(each["fieldApiName"] for each in filters)]:
        if "." not in name:
            call.access.field(call.of, name)
    if body.get("visibility", "Private") not in ("Private", "Public", "Shared"):
        raise ApiError("INVALID_INPUT", "visibility must be Private, Public or Shared")
    shown = [{"fieldApiName": name, "label": name, "sortable": True} for name in columns]
    reference = {"listViewApiName": body["listViewApiName"], "objectApiName": call.of.name, "type": "listView"}
    return {
        "cloneable": True, "createable": True, "deletable": True, "displayColumns": shown, "label": body["label"],
        "filterLogicString": body.get("filterLogicString"), "listViewApiName": body["listViewApiName"],
        "filteredByInfo": [{"label": each["fieldApiName"], **each} for each in filters], "listReference": reference,
        "orderedByInfo": [], "updateable": True, "userPreferences": {"columnWidths": {}, "columnWrap": {}},
        "visibility": body.get("visibility", "Private"), "visibilityEditable": True,
    }  # fmt: skip


def _found(call: Call) -> dict[str, Any]:
    found = call.org.list_views.get(_key(call, call.parts["name"]))
    if found is None:
        raise not_found()
    return found


def _key(call: Call, name: str) -> str:
    return f"{call.of.name}/{name}"
