"""From what a row says to what a record holds, and from there to what the API answers.

All that is wrong with a row is told at once. What the vendor loses is lost here too: signs outside the basic plane
become "?", a field that isn't there is dropped, times come back with the offset of the org.
Source: live reports and zoho/crm-oas v8.0, read 2026-11-22.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from tests.twins.zoho.errors import RowError, all_of, missing, wrong_value
from tests.twins.zoho.fields import Field
from tests.twins.zoho.org import PIPELINES, Org, Record, derived

EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]{2,}")
PHONE = re.compile(r"\+?[0-9A-Za-z .()#;,/-]{1,50}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")
ID = re.compile(r"\d{1,19}")
TEXTS = ("text", "email", "phone", "website", "textarea", "picklist")
KEPT = frozenset({"id", "Layout", "Parent_Id", "$se_module", "$append_values"})
EXPECTED = {"lookup": "jsonobject", "ownerlookup": "jsonobject", "multiselectpicklist": "jsonarray", "double": "double"}


def checked(
    org: Org, module: str, row: Mapping[str, Any], place: int, held: Mapping[str, Any] | None, itself: str | None
) -> dict[str, Any]:
    """Return what a row writes, or raise all that is wrong with it; `held` is what the record holds, None if new."""
    path = f"$.data[{place}]"
    written, wrong = dict[str, Any](), list[RowError]()
    for name, value in row.items():
        try:
            written |= _one(org, module, name, value, f"{path}.{name}", itself)
        except RowError as error:
            wrong.append(error)
    wrong += _mandatory(org, module, row, written, held, path)
    try:
        written |= _special(org, module, row, {**(held or {}), **written}, path)
    except RowError as error:
        wrong.append(error)
    if wrong:
        raise all_of(wrong)
    return written


def wire(org: Org, record: Record, names: list[str] | None = None) -> dict[str, Any]:
    """Return a record as the API tells it: these fields, or all and what isn't a field besides."""
    held = derived(record.module, record.values)
    known = org.fields[record.module]
    body: dict[str, Any] = {}
    for name in known if names is None else [name for name in names if name in known]:
        body[name] = told(org, record, known[name], held.get(name))
    body |= {"id": record.id}
    if record.module != "Notes" and (names is None or "Layout" in names):
        body["Layout"] = {"name": "Standard", "display_label": "Standard", "id": org.layout_ids[record.module]}
    if body.get("What_Id"):
        body["$se_module"] = record.values.get("$se_module")
    if names is None:
        body |= {"$approval_state": "approval_process_pending" if record.is_waiting else "approved"}
        body |= {"$locked_for_me": record.is_locked, "$in_merge": False, "$editable": not record.is_locked}
        if record.module == "Leads":
            body |= {"$converted": record.converted is not None, "$converted_detail": record.converted or {}}
    return body


def told(org: Org, record: Record, field: Field, value: Any) -> Any:
    """Return one value as the API tells it."""
    system: dict[str, Any] = {
        "Created_Time": record.created_at, "Modified_Time": record.modified_at, "Created_By": record.created_by,
        "Modified_By": record.modified_by,
    }  # fmt: skip
    value = system.get(field.api_name, value)
    if field.data_type == "ownerlookup":
        return user(org, value, with_email=True)
    if field.data_type == "lookup" and value is not None:
        return _linked(org, field, value)
    if isinstance(value, datetime):
        return org.told(value)
    if value is None and field.data_type in ("boolean", "jsonarray"):
        return False if field.data_type == "boolean" else []
    return value


def user(org: Org, id: str | None, with_email: bool = False) -> dict[str, Any] | None:
    """Return a user as records and answers name one."""
    found = org.user(id) if id else None
    if found is None:
        return None
    named = {"name": found["full_name"], "id": found["id"]}
    return {**named, "email": found["email"]} if with_email else named


def moment(text: Any) -> datetime | None:
    """Return a time as the vendor writes it, None where it isn't one."""
    if not isinstance(text, str) or not MOMENT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None


def bare_id(value: Any) -> str | None:
    """Return the id of a lookup, which may be an object or the id alone."""
    id = value.get("id") if isinstance(value, dict) else value
    text = str(id) if isinstance(id, int) and not isinstance(id, bool) else id
    return text if isinstance(text, str) and ID.fullmatch(text) else None


def without_emoji(text: str) -> str:
    """Return a text as it will be stored: a sign of four bytes is lost."""
    return re.sub(r"[\U00010000-\U0010ffff]", "?", text)


def holders(org: Org, module: str, field: Field, value: Any) -> list[Record]:
    """Return the live records that hold a value, as the check of duplicates compares."""
    if isinstance(value, str) and not field.case_sensitive:
        folded, name = value.casefold(), field.api_name
        return [row for row in org.all(module) if str(row.values.get(name, "")).casefold() == folded]
    return [row for row in org.all(module) if row.values.get(field.api_name) == value]


def _one(org: Org, module: str, name: str, value: Any, path: str, itself: str | None) -> dict[str, Any]:
    field = org.fields[module].get(name)
    if name == "Layout" and bare_id(value) != org.layout_ids[module]:
        raise wrong_value("id", f"{path}.id")
    if field is None:
        if org.switches.refuses_unknown_fields and name not in KEPT:
            raise RowError("INVALID_DATA", "the field api name given seems to be invalid", {"api_name": name,
                           "json_path": path})  # fmt: skip
        return {}
    if field.read_only or name == "Parent_Id" or (name == "What_Id" and value is not None):
        return {}
    stored = None if value is None or value == "" else _converted(org, field, value, path)
    if field.case_sensitive is not None and stored is not None:
        _unique(org, module, field, stored, path, itself)
    return {name: stored}


def _converted(org: Org, field: Field, value: Any, path: str) -> Any:
    kind = field.data_type
    if kind in TEXTS:
        return _text(org, field, value, path)
    if kind == "ownerlookup":
        if (id := bare_id(value)) and org.user(id):
            return id
    elif kind == "lookup" and (id := bare_id(value)):
        if org.live(field.lookup, id):
            return id
        raise wrong_value(field.api_name, path)
    elif kind == "multiselectpicklist":
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return _known(org, field, [without_emoji(each) for each in value], path)
    elif kind == "jsonarray" and isinstance(value, list):
        return value
    elif kind not in ("lookup", "jsonarray"):
        return _plain(field, value, path)
    raise wrong_value(field.api_name, path, expected_data_type=EXPECTED.get(kind, kind))


def _text(org: Org, field: Field, value: Any, path: str) -> str:
    kind = field.data_type
    if not isinstance(value, str):
        raise wrong_value(field.api_name, path, expected_data_type="text")
    text = without_emoji(value)
    if len(text) > field.length:
        raise wrong_value(field.api_name, path, maximum_length=field.length)
    if (kind == "email" and not EMAIL.fullmatch(text)) or (kind == "phone" and not PHONE.fullmatch(text)):
        raise wrong_value(field.api_name, path, expected_data_type=kind)
    if kind == "picklist":
        _known(org, field, [text], path)
    return text


def _known(org: Org, field: Field, labels: list[str], path: str) -> list[str]:
    strict = field.api_name in ("Stage", "Pipeline") or not org.switches.takes_unknown_options
    if strict and (unknown := [label for label in labels if label not in field.labels]):
        raise RowError("INVALID_DATA", f"invalid data {unknown[0]}", {"api_name": field.api_name, "json_path": path})
    return labels


def _plain(field: Field, value: Any, path: str) -> Any:
    kind, is_number = field.data_type, isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind in ("integer", "bigint") and is_number and isinstance(value, int):
        if len(str(abs(value))) > field.length:
            raise wrong_value(field.api_name, path, maximum_length=field.length)
        return str(value) if kind == "bigint" else value
    if kind in ("double", "currency") and is_number:
        if len(str(abs(int(value)))) > field.length:
            raise wrong_value(field.api_name, path, maximum_length=field.length)
        return value
    if kind == "datetime" and (at := moment(value)):
        return at
    if kind == "date" and isinstance(value, str) and _is_date(value):
        return value
    raise wrong_value(field.api_name, path, expected_data_type=kind)


def _is_date(text: str) -> bool:
    try:
        return re.fullmatch(r"\d{4}-\d\d-\d\d", text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _unique(org: Org, module: str, field: Field, value: Any, path: str, itself: str | None) -> None:
    others = [each for each in holders(org, module, field, value) if each.id != itself]
    if others:
        first = others[0]
        duplicate = {
            "Owner": user(org, first.values.get("Owner")), "id": first.id,
            "module": {"api_name": module, "id": org.module_ids[module]},
        }  # fmt: skip
        raise RowError("DUPLICATE_DATA", "duplicate data", {
            "api_name": field.api_name, "duplicate_record": duplicate, "json_path": path, "id": first.id,
            "more_records": len(others) > 1,
        })  # fmt: skip


def _mandatory(
    org: Org, module: str, row: Mapping[str, Any], written: Mapping[str, Any], held: Mapping[str, Any] | None, path: str
) -> list[RowError]:
    """Return what is lacking: on a new record what isn't given, on an old one what would be cleared."""
    names = [name for name, field in org.fields[module].items() if field.required and name != "Parent_Id"]
    if held is None:
        lacking = [name for name in names if row.get(name) in (None, "")]
    else:
        lacking = [name for name in names if name in written and written[name] is None]
    return [missing(name, f"{path}.{name}") for name in lacking]


def _special(org: Org, module: str, row: Mapping[str, Any], whole: Mapping[str, Any], path: str) -> dict[str, Any]:
    if module == "Notes":
        return _note(org, row, whole, path)
    if module == "Deals" and {"Stage", "Pipeline"} & row.keys():
        return _stage(whole, path)
    if module in ("Tasks", "Events"):
        closed = {"Closed_Time": org.now() if whole.get("Status") == "Completed" else None}
        return _what(org, row, path) | (closed if module == "Tasks" and "Status" in row else {})
    return {}


def _stage(whole: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return a deal's pipeline and probability, which go with its stage."""
    pipeline = whole.get("Pipeline") or next(iter(PIPELINES))
    chances = {stage[0]: stage[2] for stage in PIPELINES.get(pipeline, ())}
    if whole.get("Stage") and whole["Stage"] not in chances:
        dependee = {"api_name": "Pipeline", "json_path": f"{path}.Pipeline"}
        raise RowError("DEPENDENT_MISMATCH", f"the stage {whole['Stage']} is not mapped to the pipeline", {
            "dependee": dependee, "api_name": "Stage", "json_path": f"{path}.Stage",
        })  # fmt: skip
    return {"Pipeline": pipeline, "Probability": chances.get(whole.get("Stage", ""))}


def _what(org: Org, row: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return what an activity is about, which is an id and a module of its own."""
    if row.get("What_Id") is None:
        return {}
    if "$se_module" not in row:
        dependee = {"api_name": "What_Id", "json_path": f"{path}.What_Id"}
        raise RowError("DEPENDENT_FIELD_MISSING", "$se_module is required with What_Id", {
            "dependee": dependee, "api_name": "$se_module", "json_path": f"{path}.$se_module",
        })  # fmt: skip
    id, module = bare_id(row["What_Id"]), row["$se_module"]
    if module not in org.records or not id or not org.live(module, id):
        raise wrong_value("What_Id", f"{path}.What_Id")
    return {"What_Id": id, "$se_module": module}


def _note(org: Org, row: Mapping[str, Any], whole: Mapping[str, Any], path: str) -> dict[str, Any]:
    if not whole.get("Note_Title") and not whole.get("Note_Content"):
        names = ("Note_Content", "Note_Title")
        expected = [{"api_name": name, "json_path": f"{path}.{name}"} for name in names]
        raise RowError("EXPECTED_FIELD_MISSING", "should contain either content or title",
                       {"expected_fields": expected})  # fmt: skip
    if "Parent_Id" not in row:
        if "Parent_Id" in whole:
            return {}
        raise missing("Parent_Id", f"{path}.Parent_Id")
    parent, id = row["Parent_Id"], bare_id(row["Parent_Id"])
    of = parent.get("module") if isinstance(parent, dict) else None
    module = of.get("api_name") if isinstance(of, dict) else of
    if not isinstance(module, str):
        raise missing("module", f"{path}.Parent_Id.module")
    if module not in org.records or not id or not org.live(module, id):
        raise wrong_value("id", f"{path}.Parent_Id.id")
    return {"Parent_Id": id, "$parent_module": module}


def _linked(org: Org, field: Field, id: str) -> dict[str, Any] | None:
    """Return what a lookup shows; what it points at may be gone, and the lookup with it."""
    found = org.anywhere(id)
    if found is None:
        return None
    linked: dict[str, Any] = {"name": found.name, "id": id}
    if field.api_name == "Parent_Id":
        linked = {"module": {"api_name": found.module, "id": org.module_ids[found.module]}, **linked}
    return linked
