"""sObject collections: up to two hundred records in one call, each row with its own fate, read up to two thousand.

The answer is 200 whatever became of the rows. Ten runs of one object at most; setup objects not beside others.
Source: Salesforce REST API guide, "sObject Collections", read 2026-11. Whether an unknown field in one row refuses all
of the request isn't documented; here it does, unless `collection_field` says "row".
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from tests.twins.salesforce import ids, writing
from tests.twins.salesforce.calls import Answer, Call
from tests.twins.salesforce.errors import ApiError
from tests.twins.salesforce.org import Record
from tests.twins.salesforce.rows import saved, whole
from tests.twins.salesforce.schema import SObject

MOST, MOST_READ, MOST_RUNS = 200, 2000, 10
REQUEST_CODES = frozenset({"INVALID_FIELD", "JSON_PARSER_ERROR", "INVALID_FIELD_FOR_INSERT_UPDATE"})
UNDONE = ApiError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header", [],
)  # fmt: skip
Row = Callable[[], dict[str, Any]]


def create(call: Call) -> Answer:
    """Make records, of several objects if need be."""
    rows = _rows(call)
    typed = [(_type(call, row), row) for row in rows]
    _check_runs(typed)

    def one(of: SObject, row: Mapping[str, Any]) -> dict[str, Any]:
        return saved(writing.create(call.saving, of, row))

    _check_fields(call, typed, new=True)
    return _answer(call, [lambda of=of, row=row: one(of, row) for of, row in typed])  # type: ignore[misc]


def change(call: Call) -> Answer:
    """Write into records, each named by its id."""
    rows = _rows(call)
    typed = [(_type(call, row), row) for row in rows]
    _check_runs(typed)
    bodies = [(of, {name: value for name, value in row.items() if name.lower() != "id"}) for of, row in typed]
    _check_fields(call, bodies, new=False)

    named = [next((value for name, value in row.items() if name.lower() == "id"), None) for row in rows]
    twice = {ids.parsed(str(id)) for id in named if named.count(id) > 1} - {None}

    def one(of: SObject, id: Any, body: Mapping[str, Any]) -> dict[str, Any]:
        if id is None:
            raise ApiError("MISSING_ARGUMENT", "Id not specified in an update call", ["Id"])
        record = writing.target(call.org, of.name, id)
        if record.id in twice:
            raise ApiError("DUPLICATE_VALUE", f"Duplicate id specified: {id}", ["Id"])
        return saved(writing.change(call.saving, record, body))

    zipped = zip(bodies, named, strict=True)
    return _answer(call, [lambda of=of, id=id, body=body: one(of, id, body) for (of, body), id in zipped])  # type: ignore[misc]


def upsert(call: Call) -> Answer:
    """Make or change records of one object by an external id, in order; the same id twice refuses both rows."""
    of, key = call.of, writing.external_id(call.access, call.of, call.parts["key"])
    rows = _rows(call)
    for row in rows:
        if _type(call, row).name != of.name:
            raise ApiError("INVALID_TYPE", f"attributes.type must be {of.name}")
    _check_fields(call, [(of, row) for row in rows], new=True)
    keys = [next((value for name, value in row.items() if name.lower() == key.name.lower()), None) for row in rows]

    def one(row: Mapping[str, Any], value: Any) -> dict[str, Any]:
        if value in (None, ""):
            raise ApiError("MISSING_ARGUMENT", f"{key.name} not specified", [])
        if sum(each == value for each in keys) > 1:
            words = f"Duplicate external id specified: {value}"
            raise ApiError("DUPLICATE_VALUE", words, [key.name])
        record, is_new = writing.upsert(call.saving, of, key, value, row)
        return saved(record) | {"created": is_new}

    return _answer(call, [lambda row=row, value=value: one(row, value)  # type: ignore[misc]
                          for row, value in zip(rows, keys, strict=True)])  # fmt: skip


def delete(call: Call) -> Answer:
    """Delete records by their ids."""
    wanted = call.names("ids")
    _check_number(wanted, MOST)

    def one(id: str) -> dict[str, Any]:
        record = writing.target(call.org, None, id)
        writing.remove(call.saving, record)
        return saved(record)

    forced = call.text("allOrNone").lower() == "true"
    return _answer(call, [lambda id=id: one(id) for id in wanted], forced)  # type: ignore[misc]


def read(call: Call) -> Answer:
    """Read records of one object by their ids; null for each that isn't there."""
    of = call.of
    if call.body is None:
        wanted, fields = call.names("ids"), call.names("fields")
    else:
        wanted, fields = call.body.get("ids"), call.body.get("fields")
        if not isinstance(wanted, list) or not isinstance(fields, list):
            raise ApiError("JSON_PARSER_ERROR", "ids and fields must be lists")
    _check_number(wanted, MOST_READ)
    if not fields:
        raise ApiError("MISSING_ARGUMENT", "fields must be specified")
    for name in fields:
        call.access.field(of, name)
    found = [call.org.live(of.name, ids.parsed(id) or "") for id in wanted]
    return Answer(200, [_read(call, record, fields) if record else None for record in found])


def _read(call: Call, record: Record, fields: list[str]) -> dict[str, object]:
    return whole(call, record, fields)


def _answer(call: Call, rows: list[Row], forced: bool = False) -> Answer:
    """Run each row; with allOrNone the first failure undoes the others."""
    everything = forced or call.all_or_none or (isinstance(call.body, dict) and call.flag(call.body, "allOrNone"))
    before = call.org.checkpoint() if everything else None
    out: list[dict[str, Any]] = []
    for row in rows:
        try:
            out.append(row())
        except ApiError as error:
            out.append({"success": False, "errors": [error.row()]})
    if before is not None and not all(each["success"] for each in out):
        call.org.roll_back(before)
        out = [{"success": False, "errors": [UNDONE.row()]} if each["success"] else each for each in out]
    return Answer(200, out)


def _rows(call: Call) -> list[Mapping[str, Any]]:
    rows = call.body.get("records")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ApiError("JSON_PARSER_ERROR", "records must be a list of objects")
    if unknown := sorted(call.body.keys() - {"records", "allOrNone"}):
        raise ApiError("JSON_PARSER_ERROR", f'Unrecognized field "{unknown[0]}"')
    _check_number(rows, MOST)
    return rows


def _check_number(rows: list[Any], most: int) -> None:
    if not rows:
        raise ApiError("MISSING_ARGUMENT", "at least one record must be specified")
    if len(rows) > most:
        words = f"record limit reached. cannot submit more than {most} records in this operation"
        raise ApiError("EXCEEDED_ID_LIMIT", words)


def _type(call: Call, row: Mapping[str, Any]) -> SObject:
    marks = row.get("attributes")
    name = marks.get("type") if isinstance(marks, dict) else None
    if not isinstance(name, str):
        raise ApiError("INVALID_TYPE", "each record must have attributes with a type")
    found = call.access.sobject(name)
    if found is None:
        raise ApiError("INVALID_TYPE", f"sObject type '{name}' is not supported.")
    return found


def _check_runs(typed: list[tuple[SObject, Mapping[str, Any]]]) -> None:
    runs = [of for of, _ in groupby(of.name for of, _ in typed)]
    if len(runs) > MOST_RUNS:
        words = f"Cannot have more than {MOST_RUNS} chunks in a single operation. Please rearrange the data"
        raise ApiError("LIMIT_EXCEEDED", words)
    if len(set(runs)) > 1 and any(of.is_setup for of, _ in typed):
        raise ApiError("MIXED_DML_OPERATION", "DML operation on setup object is not permitted beside others")


def _check_fields(call: Call, typed: Sequence[tuple[SObject, Mapping[str, Any]]], *, new: bool) -> None:
    """Raise for the whole request what is wrong with the JSON of one row."""
    if call.org.switches.collection_field == "row":
        return
    for of, row in typed:
        try:
            writing.parsed(
                call.saving, of, {name: value for name, value in row.items() if name != "attributes"}, new=new
            )
        except ApiError as error:
            if error.code in REQUEST_CODES and not error.message.startswith("Foreign key"):
                raise
