"""Batches of up to a hundred rows: create, read, change, upsert, archive.

Partial failure is something to be asked for: only when every input bears a trace id of its own do the good rows stand
beside the bad ones; else one bad row fails them all. In v3 a partly failed batch is a 207, in dated versions it is a
plain 200 or 201 whose body holds the errors. Results come in no order.
Source: HubSpot's error handling page and its OpenAPI documents, 2026-08-21.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tests.twins.hubspot import writing
from tests.twins.hubspot.calls import Answer, Call, module
from tests.twins.hubspot.errors import ApiError, invalid, not_found
from tests.twins.hubspot.objects import create_one
from tests.twins.hubspot.portal import Record
from tests.twins.hubspot.values import iso

INPUTS, HISTORY_INPUTS = 100, 50
Work = Callable[[dict[str, Any]], dict[str, Any]]


def create(call: Call) -> Answer:
    """Make records, each with its associations."""

    def work(row: dict[str, Any]) -> dict[str, Any]:
        return create_one(call, row).wire(list(row["properties"]))

    return _run(call, work, 201, "SimplePublicObject")


def change(call: Call) -> Answer:
    """Write properties of records, found by id or by a unique property."""
    _check_no_repeats([(row.get("idProperty", ""), row["id"]) for row in call.body["inputs"]])

    def work(row: dict[str, Any]) -> dict[str, Any]:
        record = _find(call, row)
        if record is None:
            raise not_found(f"Could not get some {call.type()} objects, they may be deleted or not exist: {row['id']}")
        writing.update(call.portal, record, row["properties"], call.source, ruled=call.dated)
        return record.wire(list(row["properties"]))

    return _run(call, work, 200, "SimplePublicObject")


def upsert(call: Call) -> Answer:
    """Write properties of the records that bear a unique value, or make them; associations can't be given."""
    properties = {row.get("idProperty", "") for row in call.body["inputs"]}
    if len(properties) != 1 or "" in properties:
        raise invalid("idProperty is required, and must be the same in every input")
    _check_no_repeats([("", row["id"].lower()) for row in call.body["inputs"]])

    def work(row: dict[str, Any]) -> dict[str, Any]:
        record = _find(call, row)
        values = {**row["properties"], row["idProperty"]: row["id"]}
        if row["idProperty"] == "email" and record:
            _refuse_partial(call, record, values)
        if made := record is None:
            record = writing.create(call.portal, call.type(), values, call.source, ruled=call.dated)
        else:
            writing.update(call.portal, record, values, call.source, ruled=call.dated)
        return record.wire(list(values)) | {"new": made}

    return _run(call, work, 200, "SimplePublicUpsertObject")


def archive(call: Call) -> Answer:
    """Put records into the recycle bin; those that aren't there are no error."""
    _check_count(call.body["inputs"], INPUTS)
    for row in call.body["inputs"]:
        if record := call.portal.live(call.type(), row["id"]):
            call.portal.archive(record)
    return Answer(204)


def read(call: Call) -> Answer:
    """Read records by id or unique property; which ones are missing stands in one error."""
    body = call.body
    if body["propertiesWithHistory"] and len(body["inputs"]) > HISTORY_INPUTS:
        raise invalid(
            f"The maximum number of inputs supported in a batch request for property histories is {HISTORY_INPUTS}, "
            f"{len(body['inputs'])} were given"
        )
    _check_count(body["inputs"], INPUTS)
    wanted = dict.fromkeys(row["id"] for row in body["inputs"])
    found = {id: _read_one(call, id) for id in wanted}
    records = {record.id: record for record in found.values() if record}
    results = [each.wire(body["properties"], body["propertiesWithHistory"]) for each in records.values()]
    missing = [id for id, record in found.items() if record is None]
    error = not_found(
        f"Could not get some {call.type()} objects, they may be deleted or not exist. Check that ids are valid."
    )
    if missing and not results and call.portal.switches.all_missing_is_404:
        raise error
    return _answer(call, 200, results, [error.row({"ids": missing})] if missing else [], "SimplePublicObject")


def _run(call: Call, work: Work, status: int, model: str) -> Answer:
    inputs = call.body["inputs"]
    _check_count(inputs, INPUTS)
    traces = [row.get("objectWriteTraceId") for row in inputs]
    given = [trace for trace in traces if trace]
    if len(set(given)) != len(given):
        raise invalid("objectWriteTraceId must be unique within a batch")
    if len(given) < len(inputs):
        with call.portal.whole():
            results = [_traced(work(row), row) for row in inputs]
        return _answer(call, status, results, [], model)
    results, errors = [], []
    for row in inputs:
        try:
            with call.portal.whole():
                results.append(_traced(work(row), row))
        except ApiError as error:
            errors.append(error.row({"objectWriteTraceId": [row["objectWriteTraceId"]]}))
    return _answer(call, status, results, errors, model)


def _answer(call: Call, status: int, results: list[Any], errors: list[Any], model: str) -> Answer:
    call.portal.random.shuffle(results)
    at = iso(call.portal.clock())
    body: dict[str, Any] = {
        "status": "COMPLETE", "results": results, "requestedAt": at, "startedAt": at, "completedAt": at,
    }  # fmt: skip
    name = f"BatchResponse{model}"
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
        name, status = f"{name}WithErrors", status if call.dated else 207
    return Answer(status, body, (module(call.type()), name))


def _traced(result: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    return result | ({"objectWriteTraceId": row["objectWriteTraceId"]} if row.get("objectWriteTraceId") else {})


def _find(call: Call, row: dict[str, Any]) -> Record | None:
    kind, name = call.type(), row.get("idProperty")
    if not name:
        return call.portal.live(kind, row["id"])
    if not call.portal.is_unique(kind, name):
        raise invalid(
            f"Unable to perform update/upsert by non-unique {kind} property {name} in portal ID "
            f"{call.portal.switches.portal_id}"
        )
    return call.portal.by_property(kind, name, row["id"])


def _read_one(call: Call, id: str) -> Record | None:
    kind, name = call.type(), call.body.get("idProperty")
    if name and name != "hs_object_id":
        if not call.portal.is_unique(kind, name):
            raise invalid(f"Unable to read by non-unique {kind} property {name}")
        return None if call.flag("archived") else call.portal.by_property(kind, name, id)
    if call.portal.switches.merged_ids_resolve:
        id = call.portal.merged[kind].get(id, id)
    record = call.portal.records[kind].get(id)
    return record if record and call.portal.shown(record, call.flag("archived")) else None


def _refuse_partial(call: Call, record: Record, values: dict[str, str]) -> None:
    """Refuse a sparse upsert by e-mail address: what it leaves out would not be left alone.

    Source: HubSpot's contacts guide 2026-09, which says no more than that partial upserts are not supported by email.
    """
    held = {name for name in record.values if not call.portal.definitions[call.type()][name].read_only}
    if left_out := sorted(held - values.keys()):
        raise invalid(f"Partial upserts are not supported when idProperty is email; left out: {left_out}")


def _check_count(inputs: Sequence[Any], most: int) -> None:
    if not inputs:
        raise invalid("inputs must not be empty")
    if len(inputs) > most:
        raise invalid(f"The maximum number of inputs supported in a batch request is {most}")


def _check_no_repeats(keys: list[tuple[str, str]]) -> None:
    if len(set(keys)) != len(keys):
        repeated = sorted({key for key in keys if keys.count(key) > 1})
        raise invalid(f"Duplicate IDs found in batch input: {[id for _, id in repeated]}. IDs must be unique")
