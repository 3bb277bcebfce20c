"""Records of any module: read, list, create, update, upsert, delete, and the list of what is gone.

Each row of a request fares for itself, and the answer tells of each in the order of the request.
Source: zoho/crm-oas v8.0 record and notes, read 2026-11-22. Where several records have the value that an upsert looks
for, the documents are silent: the one changed last is updated.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from tests.twins.zoho import criteria, schema, values
from tests.twins.zoho.calls import Answer, Call, outcome, paged, rows_of
from tests.twins.zoho.errors import ApiError, RowError, missing, missing_param, wrong_param, wrong_path, wrong_value
from tests.twins.zoho.fields import DUPLICATE_CHECK
from tests.twins.zoho.org import Org, Record, whole
from tests.twins.zoho.values import ID

FIELDS, BATCH = 50, 100
TRIGGERS = ("workflow", "approval", "blueprint", "pathfinder", "orchestration")
SORTS: dict[str, Callable[[Record], Any]] = {
    "id": lambda record: int(record.id),
    "Created_Time": lambda record: (record.created_at, int(record.id)),
    "Modified_Time": lambda record: (record.modified_at, int(record.id)),
}
Row = dict[str, Any]


def list_all(call: Call) -> Answer:
    """Read a page of records, or those of a hundred ids; what isn't there is left out, and nothing at all is a 204."""
    names = wanted(call)
    rows = call.org.all(call.module)
    if ids := call.ids():
        rows = [row for id in dict.fromkeys(ids) if (row := call.org.live(call.module, id))]
    since = call.since("if-modified-since")
    if since is not None:
        rows = [row for row in rows if row.modified_at > since]
        if not rows:
            return Answer(304)
    rows = _converted(call, _viewed(call, rows))
    return page_of(call, rows, names)


def page_of(call: Call, rows: list[Record], names: list[str] | None) -> Answer:
    """Answer a page of records, sorted as asked for."""
    by, order = call.text("sort_by", "id"), call.text("sort_order", "desc")
    if by not in SORTS:
        raise ApiError(400, "INVALID_DATA", "invalid data", {"param_name": "sort_by", "supported_values": [*SORTS]})
    if order not in ("asc", "desc"):
        raise wrong_param("sort_order")
    page = paged(call, sorted(rows, key=SORTS[by], reverse=order == "desc"), by, order)
    if not page.rows:
        return Answer(204)
    data = [values.wire(call.org, row, names) for row in page.rows]
    return Answer(200, {"data": data, "info": page.info}, schema.RecordsPage)


def wanted(call: Call) -> list[str]:
    """Return the fields that a list is asked for, which it must be."""
    names = call.names("fields")
    if not names:
        raise missing_param("fields")
    if len(names) > FIELDS:
        raise ApiError(400, "LIMIT_EXCEEDED", "limit exceeded", {"limit": FIELDS, "param_name": "fields"})
    return names


def get(call: Call) -> Answer:
    """Read one record; what isn't there is a 204."""
    record = _named(call)
    if record is None:
        return Answer(204)
    since = call.since("if-modified-since")
    if since is not None and record.modified_at <= since:
        return Answer(304)
    return Answer(200, {"data": [values.wire(call.org, record, call.names("fields") or None)]}, schema.Records)


def create(call: Call) -> Answer:
    """Make up to a hundred records."""
    return _each(call, lambda row, place: _insert(call, row, place), 201)


def update(call: Call) -> Answer:
    """Write into up to a hundred records."""
    if call.org.switches.stale_refuses_all and isinstance(call.body, dict):
        _all_unmodified(call)
    return _each(call, lambda row, place: _update(call, row, place, _row_id(call, row, place)), 200)


def update_one(call: Call) -> Answer:
    """Write into the record in the path."""
    record = _named(call)
    if record is None:
        raise wrong_path(1, "the id given seems to be invalid")
    return _each(call, lambda row, place: _update(call, row, place, record.id), 200, most=1)


def upsert(call: Call) -> Answer:
    """Write into the record with the same value of a duplicate check field, or make one."""
    module = call.module
    if module not in DUPLICATE_CHECK:
        raise _no_module()
    unique = [name for name, field in call.org.fields[module].items() if field.case_sensitive is not None]
    allowed = list(dict.fromkeys([DUPLICATE_CHECK[module], *unique]))
    asked = call.body.get("duplicate_check_fields", allowed) if isinstance(call.body, dict) else allowed
    if not isinstance(asked, list) or not asked or (unknown := [name for name in asked if name not in allowed]):
        name = unknown[0] if isinstance(asked, list) and asked else "duplicate_check_fields"
        raise ApiError(400, "INVALID_DATA", f"{name} is no duplicate check field", {
            "api_name": "duplicate_check_fields", "json_path": "$.duplicate_check_fields",
            "supported_values": allowed,
        })  # fmt: skip
    return _each(call, lambda row, place: _upsert(call, row, place, asked), 200)


def delete(call: Call) -> Answer:
    """Delete up to a hundred records."""
    if call.is_composite:
        raise ApiError(400, "NOT_SUPPORTED", "bulk delete is not supported in a composite request")
    if not call.text("ids"):
        raise missing_param("ids")
    return _results(call, [_tried(partial(_delete, call, id)) for id in call.ids(BATCH)], 200)


def delete_one(call: Call) -> Answer:
    """Delete the record in the path."""
    record = _named(call)
    return _results(call, [_tried(partial(_delete, call, record.id if record else call.parts["id"]))], 200)


def deleted(call: Call) -> Answer:
    """Read a page of what was deleted, the latest first; what a merge swallowed is there without a name."""
    kind, since = call.text("type", "all"), call.since("if-modified-since")
    if kind not in ("all", "recycle", "permanent"):
        raise ApiError(400, "PATTERN_NOT_MATCHED", "Please check whether the input values are correct",
                       {"param_name": "type"}, "data")  # fmt: skip
    if call.module == "Notes" and not call.org.switches.lists_deleted_notes:
        raise _no_module()
    rows = [
        (record.deletion, record) for record in call.org.records[call.module].values()
        if record.deletion and (since is None or record.deletion.at > since)
    ]  # fmt: skip
    rows = [(gone, record) for gone, record in rows if kind in ("all", "recycle" if gone.by else "permanent")]
    rows.sort(key=lambda each: (each[0].at, int(each[1].id)), reverse=True)
    size, number = call.number("per_page", 200, 200), call.number("page", 1)
    page = rows[(number - 1) * size : number * size]
    if not page:
        return Answer(204)
    info = {"per_page": size, "count": len(page), "page": number, "more_records": number * size < len(rows)}
    data = [_gone(call.org, record, gone.at, gone.by) for gone, record in page]
    return Answer(200, {"data": data, "info": info}, schema.DeletedPage)


def count(call: Call) -> Answer:
    """Count the records of a module, all or those that fit."""
    rows = call.org.all(call.module)
    if text := call.text("criteria"):
        fits = criteria.parsed(call.org, call.module, text)
        rows = [row for row in rows if fits(whole(row))]
    return Answer(200, {"count": len(rows)})


def _no_module() -> ApiError:
    """Return the refusal of a module that has no such thing, in the place of the rows."""
    details = {"resource_path_index": 0}
    return ApiError(400, "INVALID_MODULE", "the module name given seems to be invalid", details, "data")


def _viewed(call: Call, rows: list[Record]) -> list[Record]:
    id = call.text("cvid")
    if not id:
        return rows
    view = call.org.views.get(id)
    if view is None or view["module"] != call.module:
        raise wrong_param("cvid")
    fits = criteria.of_view(view.get("criteria"))
    return [row for row in rows if fits(whole(row))]


def _converted(call: Call, rows: list[Record]) -> list[Record]:
    which = call.text("converted", "false")
    if which not in ("true", "false", "both"):
        raise wrong_param("converted")
    return [row for row in rows if which == "both" or (row.converted is not None) == (which == "true")]


def _named(call: Call) -> Record | None:
    """Return the record in the path, which an external field's value may stand for."""
    id, header = call.parts["id"], call.headers.get("x-external")
    if header is None:
        if not ID.fullmatch(id):
            raise wrong_path(1, "the id given seems to be invalid")
        return call.org.live(call.module, id)
    name = external(call, header)
    return next((row for row in call.org.all(call.module) if row.values.get(name) == id), None)


def external(call: Call, header: str) -> str:
    """Return the field that a header says ids are values of, or raise the 400."""
    module, _, name = header.strip().partition(".")
    field = call.org.fields[call.module].get(name)
    if module != call.module or field is None or not field.external:
        raise ApiError(400, "INVALID_DATA", "invalid external field", {"header_name": "X-EXTERNAL"})
    return name


def _each(call: Call, work: Callable[[Row, int], Row], status: int, most: int = BATCH) -> Answer:
    rows = rows_of(call, most=1 if call.is_composite else most)
    if not all(isinstance(row, dict) for row in rows):
        raise ApiError(400, "INVALID_DATA", "invalid data", {"expected_data_type": "jsonobject", "api_name": "data",
                       "json_path": "$.data"}, "data")  # fmt: skip
    fires = call.body.get("trigger", [*TRIGGERS])
    if not isinstance(fires, list) or [each for each in fires if each not in TRIGGERS]:
        raise ApiError(400, "INVALID_DATA", "invalid data", {"api_name": "trigger", "json_path": "$.trigger",
                       "supported_values": [*TRIGGERS]}, "data")  # fmt: skip
    return _results(call, [_tried(partial(work, row, place)) for place, row in enumerate(rows)], status)


def _tried(work: Callable[[], Row]) -> Row | RowError:
    try:
        return work()
    except RowError as error:
        return error


def _results(call: Call, results: list[Row | RowError], status: int) -> Answer:
    status, body = outcome(call, "data", results, status)
    return Answer(status, body, schema.Rows)


def _fires(call: Call) -> bool:
    """Tell whether a write sets workflows off: it does unless it says that it doesn't."""
    return "workflow" in call.body.get("trigger", TRIGGERS)


def _insert(call: Call, row: Row, place: int) -> Row:
    written = values.checked(call.org, call.module, row, place, None, None)
    record = call.org.add(call.module, written, call.by, _fires(call))
    return _done(call.org, record, "record added")


def _row_id(call: Call, row: Row, place: int) -> str:
    path = f"$.data[{place}].id"
    header = call.headers.get("x-external")
    if header:
        name = external(call, header)
        found = [each for each in call.org.all(call.module) if each.values.get(name) == row.get(name)]
        if not found:
            raise wrong_value(name, f"$.data[{place}].{name}")
        return found[0].id
    if "id" not in row:
        raise missing("id", path)
    return str(row["id"])


def _update(call: Call, row: Row, place: int, id: str) -> Row:
    path = f"$.data[{place}].id"
    record = call.org.live(call.module, id)
    if record is None:
        raise RowError("INVALID_DATA", "the id given seems to be invalid", {"api_name": "id", "json_path": path})
    _held_back(record, row, path)
    _unmodified(call, record)
    written = values.checked(call.org, call.module, row, place, record.values, record.id)
    call.org.commit(record, written, call.by, _fires(call))
    return _done(call.org, record, "record updated")


def _held_back(record: Record, row: Mapping[str, Any], path: str) -> None:
    """Raise what forbids writing into a record at all."""
    if record.is_locked:
        details = {"api_name": "id", "json_path": path, "action": "record_locking"}
        message = "Sorry, you cannot perform this operation as the record is locked."
        raise RowError("RECORD_LOCKED", message, details)
    if record.is_waiting:
        raise RowError("NOT_APPROVED", "Cannot update record that is not approved yet", {"resource_path_index": 1})
    if record.in_blueprint and "Stage" in row:
        raise RowError("RECORD_IN_BLUEPRINT", "The record is in blueprint", {"api_name": "Stage", "json_path":
                       path.replace(".id", ".Stage")})  # fmt: skip


def _unmodified(call: Call, record: Record) -> None:
    """Raise if a record was changed after the time that the request says it was read."""
    since = call.since("if-unmodified-since")
    if since is not None and record.modified_at > since:
        message = "record updated time has already passed if-unmodified-since time"
        raise RowError("ALREADY_MODIFIED", message, _details(call.org, record))


def _all_unmodified(call: Call) -> None:
    """Raise if any record of a request was changed meanwhile, before any is written."""
    ids = [str(row.get("id")) for row in call.body.get("data") or [] if isinstance(row, dict)]
    try:
        for record in filter(None, (call.org.live(call.module, id) for id in ids)):
            _unmodified(call, record)
    except RowError as error:
        raise ApiError(412, error.code, error.message, error.details, "data") from None


def _upsert(call: Call, row: Row, place: int, checks: list[str]) -> Row:
    org, module = call.org, call.module
    if "id" in row:
        return {**_update(call, row, place, str(row["id"])), "action": "update", "duplicate_field": None}
    for name in checks:
        value = row.get(name)
        same = values.holders(org, module, org.fields[module][name], value) if value else []
        if same:
            last = max(same, key=lambda each: (each.modified_at, int(each.id)))
            return {**_update(call, row, place, last.id), "action": "update", "duplicate_field": name}
    return {**_insert(call, row, place), "action": "insert", "duplicate_field": None}


def _delete(call: Call, id: str) -> Row:
    record = call.org.live(call.module, id)
    if record is None:
        raise RowError("INVALID_DATA", "record not deleted", {"id": id})
    if record.is_locked:
        details = {"action": "record_locking", "id": id}
        raise RowError("RECORD_LOCKED", "You cannot perform this operation as the record is locked.", details)
    call.org.delete(record, call.by.user_id)
    return {"code": "SUCCESS", "details": {"id": id}, "message": "record deleted", "status": "success"}


def _done(org: Org, record: Record, message: str) -> Row:
    details = _details(org, record)
    if record.module != "Notes":
        details["$approval_state"] = "approved"
    return {"code": "SUCCESS", "details": details, "message": message, "status": "success"}


def _details(org: Org, record: Record) -> Row:
    return {
        "Modified_Time": org.told(record.modified_at), "Modified_By": values.user(org, record.modified_by),
        "Created_Time": org.told(record.created_at), "id": record.id,
        "Created_By": values.user(org, record.created_by),
    }  # fmt: skip


def _gone(org: Org, record: Record, at: datetime, by: str | None) -> Row:
    return {
        "deleted_by": values.user(org, by), "id": record.id, "display_name": record.name if by else None,
        "type": "recycle" if by else "permanent", "created_by": values.user(org, record.created_by) if by else None,
        "deleted_time": org.told(at),
    }  # fmt: skip
