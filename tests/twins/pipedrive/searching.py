"""Search: behind the writes, and each of its doors with its own idea of case.

Source: Pipedrive's itemSearch reference, v2, 2026: `itemSearch` and `persons/search` don't mind case, exact or not;
`itemSearch/field` does. Only some types of custom fields are searched. Terms have two characters at least, or one where
the match is exact. The shape of a found field is not told clearly: `Switches.field_search`.
"""

from collections.abc import Iterator
from typing import Any

from tests.twins.pipedrive import schema
from tests.twins.pipedrive.calls import Answer, Call, page
from tests.twins.pipedrive.company import Record, time2
from tests.twins.pipedrive.errors import invalid
from tests.twins.pipedrive.fields import SEARCHABLE, as_text

SINGULAR = {"person": "persons", "organization": "organizations", "deal": "deals"}
PARTS = {
    "persons": ("custom_fields", "email", "name", "notes", "phone"),
    "organizations": ("address", "custom_fields", "name", "notes"),
    "deals": ("custom_fields", "notes", "title"),
}
OTHERS = frozenset({"product", "lead", "file", "mail_attachment", "project"})
KEYS = {"email": "emails", "phone": "phones"}
Known = tuple[Record, dict[str, Any]]


def items(call: Call) -> Answer:
    """Find items of several types by their texts."""
    types = call.names("item_types") or list(SINGULAR)
    if unknown := [type for type in types if type not in SINGULAR and type not in OTHERS]:
        raise invalid(f"item_types: {unknown}")
    found = [row for type in types if type in SINGULAR for row in _found(call, SINGULAR[type])]
    return _answer(call, found)


def of_kind(call: Call) -> Answer:
    """Find persons, organizations or deals by their texts."""
    found = _found(call, call.parts["kind"])
    wanted = {key: call.number(name) for name, key in (("person_id", "person_id"), ("organization_id", "org_id"))}
    if call.text("status"):
        found = [row for row in found if row[1].get("status") == call.text("status")]
    found = [row for row in found if all(value in (None, row[1].get(key)) for key, value in wanted.items())]
    return _answer(call, found)


def by_field(call: Call) -> Answer:
    """Find the ids of items by the value of one field; the case of the term matters."""
    kind = SINGULAR.get(call.text("entity_type"))
    if kind is None:
        raise invalid(f"entity_type: {call.text('entity_type')}")
    match = call.text("match", "exact")
    if match not in ("exact", "beginning", "middle"):
        raise invalid(f"match: {match}")
    code = KEYS.get(call.text("field"), call.text("field"))
    definition = call.company.definitions[kind].get(code)
    if definition is None or definition.type not in SEARCHABLE:
        raise invalid(f"field: {call.text('field')} can't be searched")
    term = _term(call, is_exact=match == "exact")
    rows = []
    for record, known in _known(call, kind):
        held = known["custom"].get(code) if definition.is_custom else known.get(code)
        hit = next((text for text in _texts(held) if _fits(text, term, match)), None)
        if hit is not None:
            rows.append((record, known, hit))
    if call.company.switches.field_search == "items":
        return page(
            rows, call, lambda row: {"result_score": 1.0, "item": _item(call, row[0], row[1])}, schema.FoundItem
        )
    return page(rows, call, lambda row: {"id": row[0].id, call.text("field"): row[2]}, schema.FieldHit)


def _answer(call: Call, found: list[Known]) -> Answer:
    paged = page(found, call, lambda row: {"result_score": 1.0, "item": _item(call, *row)}, schema.FoundItem)
    body = {**paged.body, "data": {"items": paged.body["data"]}}
    return Answer(200, body, schema.FoundItems)


def _found(call: Call, kind: str) -> list[Known]:
    parts = call.names("fields") or list(PARTS[kind])
    if unknown := [part for part in parts if not any(part in known for known in PARTS.values())]:
        raise invalid(f"fields: {unknown}")
    is_exact = call.flag("exact_match")
    term, match = _term(call, is_exact=is_exact).lower(), "exact" if is_exact else "middle"
    return [
        (record, known)
        for record, known in _known(call, kind)
        if any(_fits(text.lower(), term, match) for part in parts for text in _part(call, record, known, part))
    ]


def _term(call: Call, *, is_exact: bool) -> str:
    term = call.text("term").strip()
    if len(term) < (1 if is_exact else 2):
        raise invalid("term: must have at least 2 characters (or 1 if exact)")
    return term


def _known(call: Call, kind: str) -> Iterator[Known]:
    for record in call.company.records[kind].values():
        if (known := call.company.indexed(record)) is not None:
            yield record, known


def _part(call: Call, record: Record, known: dict[str, Any], part: str) -> list[str]:
    if part == "custom_fields":
        held = call.company.definitions[record.kind]
        return [
            text for code, value in known["custom"].items() if held[code].type in SEARCHABLE for text in _texts(value)
        ]
    if part == "notes":
        return [note["content"] for note in _notes(call, record)]
    return _texts(known.get(KEYS.get(part, part)))


def _texts(value: Any) -> list[str]:
    if value in (None, "", []):
        return []
    if isinstance(value, list):
        return [row["value"] for row in value if isinstance(row, dict)]
    return [str(as_text(value))]


def _fits(text: str, term: str, match: str) -> bool:
    if match == "exact":
        return text == term
    return text.startswith(term) if match == "beginning" else term in text


def _notes(call: Call, record: Record) -> list[dict[str, Any]]:
    key = {"persons": "person_id", "organizations": "org_id", "deals": "deal_id"}[record.kind]
    return [note for note in call.company.notes.values() if note["active_flag"] and note[key] == record.id]


def _item(call: Call, record: Record, known: dict[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": record.id, "visible_to": known["visible_to"], "owner": {"id": known["owner_id"]},
        "custom_fields": _part(call, record, known, "custom_fields"), "notes": _part(call, record, known, "notes"),
    }  # fmt: skip
    if record.kind == "persons":
        emails, phones = _texts(known["emails"]), _texts(known["phones"])
        return item | {
            "type": "person", "name": known["name"], "emails": emails, "phones": phones,
            "primary_email": next((row["value"] for row in known["emails"] if row["primary"]), None),
            "organization": _ref(call, "organizations", known["org_id"]), "update_time": time2(record.updated_at),
        }  # fmt: skip
    if record.kind == "organizations":
        address = known["address"]["value"] if known["address"] else None
        return item | {"type": "organization", "name": known["name"], "address": address}
    stage = next(each for each in call.company.stages if each["id"] == known["stage_id"])
    return item | {
        "type": "deal", "title": known["title"], "value": known["value"], "currency": known["currency"],
        "status": known["status"], "is_archived": known["is_archived"],
        "stage": {"id": stage["id"], "name": stage["name"]}, "person": _ref(call, "persons", known["person_id"]),
        "organization": _ref(call, "organizations", known["org_id"]),
    }  # fmt: skip


def _ref(call: Call, kind: str, id: int | None) -> dict[str, Any] | None:
    found = call.company.records[kind].get(id) if id else None
    return {"id": found.id, "name": found.values["name"]} if found else None
