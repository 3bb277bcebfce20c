"""Associations: always both ways, each with the types that it bears; a labelled one is an unlabelled one too.

Type ids are checked against the SDK's own table and against both ends. The v4 answers are those of the dated paths.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from tests.twins.hubspot.calls import Answer, Call, page
from tests.twins.hubspot.definitions import OBJECTS, association_id, association_kinds
from tests.twins.hubspot.errors import ApiError, invalid, not_found
from tests.twins.hubspot.portal import Portal, Record
from tests.twins.hubspot.values import iso

MODULE = "hubspot.crm.associations.v4"
READS, WRITES, PAGE = 1_000, 2_000, 500
End = tuple[str, str]


def inline(portal: Portal, from_type: str, wanted: dict[str, Any]) -> list[tuple[str, str, int]]:
    """Check an association given with a new record; return (type, id, association type) for each of its types."""
    if not wanted["types"]:
        raise invalid("association types must not be empty")
    made = []
    for spec in wanted["types"]:
        kind = _kind(spec)
        if kind.from_type != from_type:
            raise invalid(f"association type {kind.id} is not one of {from_type}")
        if portal.live(kind.to_type, wanted["to"]["id"]) is None:
            raise invalid(f"No {kind.to_type} with ID {wanted['to']['id']} exists to associate with")
        made.append((kind.to_type, wanted["to"]["id"], kind.id))
    return made


def link(portal: Portal, one: End, other: End, type_id: int) -> None:
    """Associate two records, both ways."""
    kind = association_kinds()[type_id]
    back = association_id(kind.to_type, kind.from_type, kind.primary)
    plain, plain_back = association_id(one[0], other[0]), association_id(other[0], one[0])
    for start, end, ids in ((one, other, (type_id, plain)), (other, one, (back, plain_back))):
        held = portal.links.setdefault(start, {}).setdefault(end[0], {}).setdefault(end[1], set())
        fresh = {id for id in ids if id is not None} - held
        held |= fresh
        portal.note(partial(held.difference_update, fresh))


def unlink(portal: Portal, one: End, other: End) -> None:
    """Take every association between two records away."""
    for start, end in ((one, other), (other, one)):
        portal.links.get(start, {}).get(end[0], {}).pop(end[1], None)


def move(portal: Portal, object_type: str, old: str, new: str) -> None:
    """Let a record's associations be another's of its type."""
    for to_type, ends in portal.links.pop((object_type, old), {}).items():
        for to_id, types in ends.items():
            held = portal.links.setdefault((object_type, new), {}).setdefault(to_type, {}).setdefault(to_id, set())
            held |= types
            back = portal.links.get((to_type, to_id), {}).get(object_type, {})
            back.setdefault(new, set()).update(back.pop(old, set()))


def linked(portal: Portal, one: End, to_type: str) -> Iterator[tuple[str, set[int]]]:
    """Yield the live records of a type that are associated with a live one, with their types."""
    if portal.live(*one) is None:
        return
    for id, types in portal.links.get(one, {}).get(to_type, {}).items():
        if types and portal.live(to_type, id):
            yield id, types


def of_record(portal: Portal, record: Record, wanted: Sequence[str]) -> dict[str, Any]:
    """Return a record's associations as the objects API answers them."""
    told = {}
    for to_type in wanted:
        name = f"{OBJECTS[record.type][1]}_to_{OBJECTS[to_type][1]}".lower()
        rows = [{"id": id, "type": name} for id, _ in linked(portal, (record.type, record.id), to_type)]
        if rows:
            told[to_type] = {"results": rows}
    return told


def list_of_one(call: Call) -> Answer:
    """Read the associations of one record with records of a type."""
    one = (call.type("from"), call.parts["id"])
    call.portal.need(*one)
    rows = [_told(id, types) for id, types in linked(call.portal, one, call.type("to"))]
    shown, paging = page(rows, call, call.number("limit", PAGE, PAGE))
    return _plain(200, {"results": shown, **paging}, "CollectionResponseMultiAssociatedObjectWithLabelForwardPaging")


def put_default(call: Call) -> Answer:
    """Associate two records without a label."""
    row = {"from": {"id": call.parts["id"]}, "to": {"id": call.parts["to_id"]}}
    return _batch(call, 200, [_default(call, row)], [], "PublicDefaultAssociation")


def archive_one(call: Call) -> Answer:
    """Take the associations of two records away."""
    unlink(call.portal, (call.type("from"), call.parts["id"]), (call.type("to"), call.parts["to_id"]))
    return Answer(204)


def batch_read(call: Call) -> Answer:
    """Read the associations of many records; those without any are an error row, as HubSpot has it."""
    _check_count(call.body["inputs"], READS)
    results, errors = [], []
    for row in call.body["inputs"]:
        rows = [_told(id, types) for id, types in linked(call.portal, (call.type("from"), row["id"]), call.type("to"))]
        if rows:
            shown, paging = page(rows, Call(call.portal, call.version, {}, {"after": [row.get("after", "0")]}), PAGE)
            results.append({"from": {"id": row["id"]}, "to": shown, **paging})
        else:
            words = f"No {call.type('to')} is associated with {call.type('from')} {row['id']}."
            none = ApiError(404, "OBJECT_NOT_FOUND", words, sub_category="crm.associations.NO_ASSOCIATIONS_FOUND")
            errors.append(none.row({"fromObjectId": [row["id"]]}))
    return _batch(call, 200, results, errors, "PublicAssociationMultiWithLabel")


def batch_create(call: Call) -> Answer:
    """Associate pairs of records by types; a pair that can't be is an error row."""
    _check_count(call.body["inputs"], WRITES)
    results, errors = [], []
    for row in call.body["inputs"]:
        try:
            results.append(_labelled(call, row))
        except ApiError as error:
            errors.append(error.row({"fromObjectId": [row["from"]["id"]], "toObjectId": [row["to"]["id"]]}))
    return _batch(call, 201, results, errors, "LabelsBetweenObjectPair")


def batch_default(call: Call) -> Answer:
    """Associate pairs of records without labels; each pair is answered in both directions."""
    _check_count(call.body["inputs"], WRITES)
    results, errors = [], []
    for row in call.body["inputs"]:
        try:
            results.append(_default(call, row))
        except ApiError as error:
            errors.append(error.row({"fromObjectId": [row["from"]["id"]], "toObjectId": [row["to"]["id"]]}))
    return _batch(call, 200, results, errors, "PublicDefaultAssociation")


def batch_archive(call: Call) -> Answer:
    """Take the associations of pairs of records away; pairs that have none are no error."""
    _check_count(call.body["inputs"], WRITES)
    for row in call.body["inputs"]:
        for other in row["to"]:
            unlink(call.portal, (call.type("from"), row["from"]["id"]), (call.type("to"), other["id"]))
    return Answer(204)


def _labelled(call: Call, row: dict[str, Any]) -> dict[str, Any]:
    one, other = _ends(call, row)
    if not row["types"]:
        raise invalid("association types must not be empty")
    kinds = [_kind(spec) for spec in row["types"]]
    for kind in kinds:
        if (kind.from_type, kind.to_type) != (one[0], other[0]):
            raise invalid(f"association type {kind.id} is not one from {one[0]} to {other[0]}")
    for kind in kinds:
        link(call.portal, one, other, kind.id)
    return {
        "fromObjectTypeId": OBJECTS[one[0]][0], "fromObjectId": one[1],
        "toObjectTypeId": OBJECTS[other[0]][0], "toObjectId": other[1],
        "labels": [kind.label for kind in kinds if kind.label],
    }  # fmt: skip


def _default(call: Call, row: dict[str, Any]) -> dict[str, Any]:
    one, other = _ends(call, row)
    type_id = association_id(one[0], other[0])
    if type_id is None:
        raise invalid(f"{one[0]} and {other[0]} can't be associated")
    link(call.portal, one, other, type_id)
    return {
        "from": {"id": one[1]}, "to": {"id": other[1]},
        "associationSpec": {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id},
    }  # fmt: skip


def _ends(call: Call, row: dict[str, Any]) -> tuple[End, End]:
    one, other = (call.type("from"), row["from"]["id"]), (call.type("to"), row["to"]["id"])
    for object_type, id in (one, other):
        if call.portal.live(object_type, id) is None:
            raise not_found(f"No {object_type} with ID {id} exists")
    return one, other


def _kind(spec: dict[str, Any]) -> Any:
    kind = association_kinds().get(spec["associationTypeId"])
    if kind is None or spec["associationCategory"] != "HUBSPOT_DEFINED":
        raise invalid(f"association type {spec['associationTypeId']} does not exist")
    return kind


def _told(id: str, types: set[int]) -> dict[str, Any]:
    kinds = [association_kinds()[type_id] for type_id in sorted(types)]
    labels = [{"category": "HUBSPOT_DEFINED", "typeId": kind.id, "label": kind.label} for kind in kinds]
    return {"toObjectId": id, "associationTypes": labels}


def _batch(call: Call, status: int, results: list[Any], errors: list[Any], model: str) -> Answer:
    call.portal.random.shuffle(results)
    at = iso(call.portal.clock())
    body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at}
    name = f"BatchResponse{model}"
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
        if model != "PublicDefaultAssociation":
            name, status = f"{name}WithErrors", status if call.dated else 207
    return _plain(status, body, name)


def _plain(status: int, body: dict[str, Any], model: str) -> Answer:
    return Answer(status, body, (MODULE, model))


def _check_count(inputs: Sequence[Any], most: int) -> None:
    if not inputs or len(inputs) > most:
        raise invalid(f"inputs must be between 1 and {most}")
