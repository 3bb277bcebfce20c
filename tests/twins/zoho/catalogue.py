"""Fields as the API tells and takes them.

A created field is answered by its id alone: what it is called has to be read. The free edition refuses some types.
Source: zoho/crm-oas v8.0 fields, read 2026-11-22; five a call and the refusals of the free edition from live reports.
"""

import re
from typing import Any

from tests.twins.zoho import schema_settings
from tests.twins.zoho.calls import Answer, Call, outcome, rows_of
from tests.twins.zoho.errors import ApiError, RowError, missing, missing_param, wrong_path, wrong_value
from tests.twins.zoho.fields import JSON_TYPES, LENGTHS, MODULES, NOTHING_CHOSEN, TEXTAREAS, Field, api_name, option
from tests.twins.zoho.org import STAGES, Org

PER_CALL, OPTIONS, LABEL = 5, 200, 25
FREE_REFUSES = frozenset({"multiselectpicklist", "bigint", "website"})
UNIQUE_TYPES = ("text", "email", "phone", "integer", "bigint")
PATCHED = frozenset({"id", "field_label", "pick_list_values", "length", "unique", "tooltip", "external"})


def module_of(call: Call) -> str:
    """Return the module that the query names, or raise the 400."""
    name = call.text("module")
    if not name:
        raise missing_param("module")
    if name not in MODULES:
        raise ApiError(400, "INVALID_MODULE", "the module name given seems to be invalid")
    return name


def list_fields(call: Call) -> Answer:
    """Read a module's fields."""
    fields = [wire(call.org, field) for field in call.org.fields[module_of(call)].values()]
    return Answer(200, {"fields": fields}, schema_settings.Fields)


def get_field(call: Call) -> Answer:
    """Read one field."""
    found = _by_id(call.org, module_of(call), call.parts["id"])
    return Answer(200, {"fields": [wire(call.org, found)]}, schema_settings.Fields) if found else Answer(204)


def create_fields(call: Call) -> Answer:
    """Make up to five fields."""
    module = module_of(call)
    if module == "Notes":
        raise ApiError(400, "INVALID_MODULE", "the module name given seems to be invalid")
    results: list[dict[str, Any] | RowError] = []
    for place, row in enumerate(rows_of(call, "fields", PER_CALL)):
        try:
            field = made(call.org, module, row, f"$.fields[{place}]")
            results.append(_done(field, "field created"))
        except RowError as error:
            results.append(error)
    status, body = outcome(call, "fields", results, 201)
    return Answer(status, body, schema_settings.MadeFields)


def change_fields(call: Call) -> Answer:
    """Change several fields, each named by its id."""
    return _changed(call, [row.get("id") if isinstance(row, dict) else None for row in rows_of(call, "fields", 25)])


def change_field(call: Call) -> Answer:
    """Change the field in the path."""
    rows_of(call, "fields", 1)
    return _changed(call, [call.parts["id"]])


def delete_field(call: Call) -> Answer:
    """Delete a custom field, and its values with it."""
    module = module_of(call)
    field = _by_id(call.org, module, call.parts["id"])
    if field is None or not field.is_custom:
        raise wrong_path(2, "the id given seems to be invalid")
    del call.org.fields[module][field.api_name]
    for record in call.org.records[module].values():
        record.values = {name: value for name, value in record.values.items() if name != field.api_name}
    return Answer(200, {"fields": [_done(field, "field deleted")]}, schema_settings.MadeFields)


def made(org: Org, module: str, row: Any, path: str) -> Field:
    """Make a field of what a row says, or raise what is wrong with it."""
    if not isinstance(row, dict):
        raise wrong_value("fields", path, expected_data_type="jsonobject")
    for name in ("field_label", "data_type"):
        if not isinstance(row.get(name), str) or not row[name]:
            raise missing(name, f"{path}.{name}")
    label, kind = row["field_label"], row["data_type"]
    _allowed(org, module, kind, path)
    if len(label) > LABEL or re.search(r"[<>\"]", label):
        raise wrong_value("field_label", f"{path}.field_label", maximum_length=LABEL)
    if any(each.label.casefold() == label.casefold() for each in org.fields[module].values()):
        raise RowError("DUPLICATE_DATA", "duplicate data", {"api_name": "field_label",
                       "json_path": f"{path}.field_label"})  # fmt: skip
    field = Field(
        api_name(label, org.fields[module]), label, kind, _length(row, kind, path), org.next_id(), is_custom=True,
        options=_options(org, _nothing(org, kind), row, kind, path),
        external=(row.get("external") or {}).get("type", ""),
        textarea=(row.get("textarea") or {}).get("type", "small") if kind == "textarea" else "",
    )  # fmt: skip
    field.case_sensitive = _unique(row, kind, path)
    org.fields[module][field.api_name] = field
    return field


def wire(org: Org, field: Field) -> dict[str, Any]:
    """Return a field as the API tells it."""
    can = not field.read_only
    unique = {} if field.case_sensitive is None else {"case_sensitive": field.case_sensitive}
    external = {"type": field.external, "show": True} if field.external else None
    looked_up = {"module": {"api_name": field.lookup, "id": org.module_ids.get(field.lookup)}} if field.lookup else {}
    return {
        "id": field.id, "api_name": field.api_name, "field_label": field.label, "display_label": field.label,
        "data_type": field.data_type, "json_type": JSON_TYPES.get(field.data_type, "string"), "length": field.length,
        "custom_field": field.is_custom, "system_mandatory": field.required, "read_only": field.read_only,
        "field_read_only": field.read_only, "visible": True, "type": "used", "unique": unique, "external": external,
        "lookup": looked_up, "pick_list_values": _told(org, field), "searchable": field.data_type != "jsonarray",
        "filterable": True, "sortable": True, "webhook": True, "mass_update": can, "history_tracking_enabled": False,
        "operation_type": {"web_update": can, "api_create": can, "web_create": can, "api_update": can},
        "view_type": {"view": True, "edit": can, "quick_create": False, "create": can}, "tooltip": None,
        "textarea": {"type": field.textarea} if field.textarea else None, "decimal_place": None, "default_value": None,
        "created_time": None, "modified_time": None, "currency": {}, "formula": {}, "auto_number": {}, "ui_type": 1,
    }  # fmt: skip


def _told(org: Org, field: Field) -> list[dict[str, Any]]:
    """Return the choices of a field; those of a deal's stage may have their probability beside them."""
    if field is not org.fields["Deals"]["Stage"] or not org.switches.tells_probabilities:
        return field.options
    chances = {label: chance for label, _, chance in STAGES}
    return [{**option, "probability": chances.get(option["actual_value"], 0)} for option in field.options]


def _allowed(org: Org, module: str, kind: str, path: str) -> None:
    where = {"api_name": "data_type", "json_path": f"{path}.data_type"}
    if kind not in LENGTHS:
        raise RowError("INVALID_DATA", "invalid data", {**where, "supported_values": [*LENGTHS]})
    if org.switches.edition == "free" and kind in FREE_REFUSES:
        raise RowError("LIMIT_EXCEEDED", "the edition does not allow more fields of this type", where)
    cap, customs = org.switches.custom_field_cap, [each for each in org.fields[module].values() if each.is_custom]
    if cap is not None and len(customs) >= cap:
        raise RowError("FIELD_LIMIT_EXCEEDED", "custom field limit exceeded", {**where, "limit": cap})


def _length(row: dict[str, Any], kind: str, path: str) -> int:
    most = TEXTAREAS.get((row.get("textarea") or {}).get("type", "small"), 0) if kind == "textarea" else LENGTHS[kind]
    length = row.get("length", most)
    if not isinstance(length, int) or not 1 <= length <= most:
        raise wrong_value("length", f"{path}.length", range={"from": 1, "to": most})
    return length


def _options(org: Org, held: list[dict[str, Any]], row: dict[str, Any], kind: str, path: str) -> list[dict[str, Any]]:
    """Return the choices after those of a row are added to those held; one with `_delete` goes."""
    if kind not in ("picklist", "multiselectpicklist"):
        return []
    given = row.get("pick_list_values")
    if given is None and len(held) > 1:
        return held
    if not isinstance(given, list) or not given:
        raise missing("pick_list_values", f"{path}.pick_list_values")
    options = [dict(each) for each in held]
    for place, each in enumerate(given):
        label, id = each.get("actual_value") or each.get("display_value"), each.get("id")
        if "_delete" in each:
            options = [choice for choice in options if choice["id"] != id]
        elif id is None and label in [choice["actual_value"] for choice in options]:
            raise RowError("DUPLICATE_DATA", "duplicate data", {"api_name": "display_value",
                           "json_path": f"{path}.pick_list_values[{place}].display_value"})  # fmt: skip
        elif id is None and isinstance(label, str):
            options.append(option(label, len(options) + 1, org.next_id()))
    if len(options) > OPTIONS:
        raise RowError("LIMIT_EXCEEDED", "limit exceeded", {"api_name": "pick_list_values", "json_path": path})
    return options


def _nothing(org: Org, kind: str) -> list[dict[str, Any]]:
    """Return the choice of none, which every picklist begins with."""
    return [option(NOTHING_CHOSEN, 1, org.next_id())] if kind == "picklist" else []


def _unique(row: dict[str, Any], kind: str, path: str) -> bool | None:
    unique = row.get("unique")
    if not unique:
        return None
    if kind not in UNIQUE_TYPES:
        raise RowError("NOT_SUPPORTED", "unique is not supported", {"api_name": "unique",
                       "json_path": f"{path}.unique"})  # fmt: skip
    return bool(unique.get("case_sensitive", False))


def _changed(call: Call, ids: list[Any]) -> Answer:
    org, module = call.org, module_of(call)
    results: list[dict[str, Any] | RowError] = []
    for place, (id, row) in enumerate(zip(ids, call.body["fields"], strict=True)):
        try:
            results.append(_done(_change(org, module, id, row, f"$.fields[{place}]"), "field updated"))
        except RowError as error:
            results.append(error)
    status, body = outcome(call, "fields", results, 200)
    return Answer(status, body, schema_settings.MadeFields)


def _change(org: Org, module: str, id: Any, row: dict[str, Any], path: str) -> Field:
    field = _by_id(org, module, id)
    if field is None:
        raise wrong_value("id", f"{path}.id")
    if unknown := sorted(set(row) - PATCHED):
        raise wrong_value(unknown[0], f"{path}.{unknown[0]}")
    field.options = _options(org, field.options, row, field.data_type, path)
    field.label = row.get("field_label", field.label)
    if "length" in row:
        field.length = _length({**row, "textarea": {"type": field.textarea}}, field.data_type, path)
    if "unique" in row:
        field.case_sensitive = _unique(row, field.data_type, path)
    return field


def _by_id(org: Org, module: str, id: Any) -> Field | None:
    return next((field for field in org.fields[module].values() if field.id == id), None)


def _done(field: Field, message: str) -> dict[str, Any]:
    return {"code": "SUCCESS", "details": {"id": field.id}, "message": message, "status": "success"}
