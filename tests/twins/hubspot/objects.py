"""Single records: create, get, list, change, archive, merge."""

from typing import Any

from tests.twins.hubspot import associations, merging, writing
from tests.twins.hubspot.calls import Answer, Call, module, object_type, page
from tests.twins.hubspot.errors import invalid, not_found
from tests.twins.hubspot.portal import Record

PAGE, HISTORY_PAGE = 100, 50


def create(call: Call) -> Answer:
    """Make one record, with its associations or not at all."""
    with call.portal.whole():
        record = create_one(call, call.body)
    return Answer(201, record.wire(list(call.body["properties"])), _model(call))


def create_one(call: Call, row: dict[str, Any]) -> Record:
    """Make a record from one input, its associations checked first."""
    if call.dated and "associations" not in row:
        raise invalid("associations is required, and may be empty")
    kind = call.type()
    wanted = [associations.inline(call.portal, kind, each) for each in row.get("associations", [])]
    record = writing.create(call.portal, kind, row["properties"], call.source, ruled=call.dated)
    for to_type, to_id, type_id in (each for several in wanted for each in several):
        associations.link(call.portal, (kind, record.id), (to_type, to_id), type_id)
    return record


def get(call: Call) -> Answer:
    """Read one record; an archived one only when asked for."""
    record = _found(call)
    return Answer(200, _told(call, record), (module(call.type()), "SimplePublicObjectWithAssociations"))


def list_all(call: Call) -> Answer:
    """Read a page of records by id; archived ones only when asked for, and then no others."""
    history = call.names("propertiesWithHistory")
    limit = call.number("limit", 10, HISTORY_PAGE if history else PAGE)
    archived = call.flag("archived")
    rows = [each for each in call.portal.records[call.type()].values() if call.portal.shown(each, archived)]
    shown, paging = page(rows, call, limit)
    body = {"results": [_told(call, each) for each in shown], **paging}
    return Answer(200, body, (module(call.type()), "CollectionResponseSimplePublicObjectWithAssociationsForwardPaging"))


def change(call: Call) -> Answer:
    """Write some properties of one record."""
    record = _found(call)
    writing.update(call.portal, record, call.body["properties"], call.source, ruled=call.dated)
    return Answer(200, record.wire(list(call.body["properties"])), _model(call))


def archive(call: Call) -> Answer:
    """Put one record into the recycle bin; one that isn't there is no error."""
    if record := call.portal.live(call.type(), call.parts["id"]):
        call.portal.archive(record)
    return Answer(204)


def merge(call: Call) -> Answer:
    """Merge one record into another; the answer has the survivor's id, which is a new one."""
    kind = call.type()
    record = merging.merge(call.portal, kind, call.body["primaryObjectId"], call.body["objectIdToMerge"], call.source)
    return Answer(200, record.wire([]), _model(call))


def _found(call: Call) -> Record:
    kind, id = call.type(), call.parts["id"]
    if name := call.text("idProperty"):
        if not call.portal.is_unique(kind, name):
            raise invalid(f"Unable to find by non-unique property {name} in portal ID {call.portal.switches.portal_id}")
        record = call.portal.by_property(kind, name, id)
    else:
        record = call.portal.records[kind].get(id)
    if record is None or not call.portal.shown(record, call.flag("archived")):
        raise not_found("Object not found.  objectId are usually numeric.")
    return record


def _told(call: Call, record: Record) -> dict[str, Any]:
    body = record.wire(call.names("properties"), call.names("propertiesWithHistory"))
    if wanted := [object_type(name) for name in call.names("associations")]:
        body["associations"] = associations.of_record(call.portal, record, wanted)
    return body


def _model(call: Call) -> tuple[str, str]:
    return module(call.type()), "SimplePublicObject"
