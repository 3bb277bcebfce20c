"""Persons, organizations, deals and activities of v2: create, get, list, change, delete.

Source: Pipedrive's v2 reference and migration guide, 2026: `ids` of up to 100 leave out what isn't there, `filter_id`
overrides every other parameter, archived deals have a list of their own, `status=deleted` lists deals of thirty days.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from tests.twins.pipedrive import schema, values
from tests.twins.pipedrive.calls import Answer, Call, one, page
from tests.twins.pipedrive.company import PURGED_AFTER, Record
from tests.twins.pipedrive.errors import invalid, not_found

IDS, CUSTOM_KEYS = 100, 15
MODELS: dict[str, type[BaseModel]] = {
    "persons": schema.Person, "organizations": schema.Organization, "deals": schema.Deal, "activities": schema.Activity,
}  # fmt: skip
SORTS: dict[str, Callable[[Record], Any]] = {
    "id": lambda record: record.id,
    "update_time": lambda record: record.updated_at,
    "add_time": lambda record: record.added_at,
    "due_date": lambda record: record.values.get("due_date") or "",
}
EXACT = ("owner_id", "person_id", "org_id", "pipeline_id", "stage_id", "deal_id")


def create(call: Call) -> Answer:
    """Make one record."""
    kind = call.parts["kind"]
    held, custom = values.created(call.company, kind, call.body, call.by)
    return one(values.wire(call.company.add(kind, held, custom, call.by)), MODELS[kind], 201)


def get(call: Call) -> Answer:
    """Read one record; a deleted one says so, unless this company answers 404."""
    kind = call.parts["kind"]
    record = call.company.there(kind, call.id())
    if record.deleted_at and call.company.switches.deleted_is_404:
        raise not_found(kind)
    return one(values.wire(record, _custom_keys(call)), MODELS[kind])


def list_all(call: Call) -> Answer:
    """Read a page of records that are neither deleted nor archived."""
    return _page(call, lambda record: not record.values.get("is_archived"))


def list_archived(call: Call) -> Answer:
    """Read a page of archived deals."""
    return _page(call, lambda record: bool(record.values.get("is_archived")))


def change(call: Call) -> Answer:
    """Write some values of one record."""
    kind = call.parts["kind"]
    record = call.company.need(kind, call.id())
    held, custom = values.changed(call.company, record, call.body, call.by)
    call.company.commit(record, held, custom, call.by)
    return one(values.wire(record), MODELS[kind])


def delete(call: Call) -> Answer:
    """Delete one record; what was deleted before is a 404."""
    record = call.company.need(call.parts["kind"], call.id())
    call.company.delete(record, call.by)
    return one({"id": record.id}, schema.Deleted)


def _page(call: Call, shown: Callable[[Record], bool]) -> Answer:
    kind = call.parts["kind"]
    keys = _custom_keys(call)
    if filter_id := call.number("filter_id"):
        of, fits = call.company.filters.get(filter_id, ("", lambda record: False))
        if of != kind:
            raise not_found("Filter")
        rows = [each for each in call.company.records[kind].values() if not each.deleted_at and fits(each)]
    else:
        rows = _asked(call, kind, shown)
    return page(_sorted(call, rows), call, lambda record: values.wire(record, keys), MODELS[kind])


def _asked(call: Call, kind: str, shown: Callable[[Record], bool]) -> list[Record]:
    statuses = set(call.names("status"))
    if statuses - {"open", "won", "lost", "deleted"}:
        raise invalid(f"status: {call.text('status')} is none of open, won, lost, deleted")
    now = call.company.now()
    rows = []
    for record in call.company.records[kind].values():
        if record.deleted_at:
            if "deleted" in statuses and now - record.deleted_at <= PURGED_AFTER:
                rows.append(record)
        elif shown(record) and (not statuses or record.values["status"] in statuses):
            rows.append(record)
    tests = [test for test in (_ids(call), _times(call), _exact(call)) if test]
    return [record for record in rows if all(test(record) for test in tests)]


def _ids(call: Call) -> Callable[[Record], bool] | None:
    names = call.names("ids")
    if not names and "ids" not in call.query:
        return None
    if len(names) > IDS or not all(name.isdigit() for name in names):
        raise invalid(f"ids: up to {IDS} ids, parted by commas")
    wanted = {int(name) for name in names}
    return lambda record: record.id in wanted


def _times(call: Call) -> Callable[[Record], bool]:
    since, until = call.moment("updated_since"), call.moment("updated_until")
    return lambda record: (since is None or record.updated_at >= since) and (until is None or record.updated_at < until)


def _exact(call: Call) -> Callable[[Record], bool]:
    wanted: Mapping[str, Any] = {key: call.number(key) for key in EXACT if key in call.query}
    done = call.flag("done") if "done" in call.query else None

    def test(record: Record) -> bool:
        if done is not None and record.values["done"] is not done:
            return False
        return all(record.values.get(key) == value for key, value in wanted.items())

    return test


def _sorted(call: Call, rows: list[Record]) -> list[Record]:
    name, direction = call.text("sort_by", "id"), call.text("sort_direction", "asc")
    if name not in SORTS or direction not in ("asc", "desc"):
        raise invalid(f"sort_by: {name} {direction} is not supported")
    return sorted(rows, key=lambda record: (SORTS[name](record), record.id), reverse=direction == "desc")


def _custom_keys(call: Call) -> list[str] | None:
    keys = call.names("custom_fields")
    if len(keys) > CUSTOM_KEYS:
        raise invalid(f"custom_fields: a maximum of {CUSTOM_KEYS} keys is allowed")
    return keys or None
