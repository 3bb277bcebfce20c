"""From what a request says to what a record holds, and from there to what v2 answers.

Every value is checked before any is written. A person's name is split, an activity's person is its primary participant,
a deal's pipeline follows its stage, texts with markup lose what is dangerous, as the vendor does it.
"""

from typing import Any

from tests.twins.pipedrive import fields, sanitising
from tests.twins.pipedrive.company import Author, Company, Record, time2
from tests.twins.pipedrive.errors import ApiError, invalid

CONTACT_SYNC = ("job_title", "notes", "im", "birthday", "postal_address")
NAMED = {"persons": "name", "organizations": "name", "deals": "title", "activities": "subject"}
ACTIVITY_TYPES = ("call", "meeting", "task", "deadline", "email", "lunch")
LINKS = {"person_id": "persons", "org_id": "organizations", "deal_id": "deals"}
COMMON: dict[str, Any] = {"visible_to": 3, "label_ids": []}
EMPTY: dict[str, dict[str, Any]] = {
    "persons": {**COMMON, "org_id": None, "emails": [], "phones": [], "picture_id": None},
    "organizations": {**COMMON, "address": None},
    "deals": {
        **COMMON, "value": 0, "person_id": None, "org_id": None, "status": "open", "is_archived": False,
        "archive_time": None, "stage_change_time": None, "probability": None, "lost_reason": None, "close_time": None,
        "won_time": None, "lost_time": None, "local_won_date": None, "local_lost_date": None, "local_close_date": None,
        "expected_close_date": None, "origin_id": None, "channel": None, "channel_id": None, "acv": None, "arr": None,
        "mrr": None,
    },
    "activities": {
        "type": "call", "deal_id": None, "lead_id": None, "person_id": None, "org_id": None, "project_id": None,
        "due_date": None, "due_time": None, "duration": None, "busy": False, "done": False,
        "marked_as_done_time": None, "location": None, "participants": [], "attendees": [],
        "public_description": None, "priority": None, "note": None,
    },
}  # fmt: skip
CLEARABLE = frozenset({
    "org_id", "person_id", "deal_id", "lead_id", "address", "expected_close_date", "probability", "lost_reason",
    "due_date", "due_time", "duration", "location", "public_description", "priority", "note", "close_time",
    "archive_time", "project_id", "value",
})  # fmt: skip
Split = tuple[dict[str, Any], dict[str, Any]]


def created(company: Company, kind: str, body: dict[str, Any], by: Author) -> Split:
    """Return the native and the custom values of a new record, or raise the refusal."""
    held, custom = _checked(company, kind, body)
    name = NAMED[kind]
    if kind == "activities":
        held.setdefault(name, held.get("type", "call").capitalize())
    if not held.get(name):
        raise invalid(f"{name}: Required")
    whole = {**EMPTY[kind], "owner_id": by.user_id, **held}
    if kind in ("deals", "activities"):
        whole["creator_user_id"] = by.user_id
    if kind == "deals":
        whole |= {"origin": "API" if by.source == "api" else "ManuallyCreated"}
        whole.setdefault("currency", company.switches.currency)
        whole |= _deal(company, whole, None)
    if kind == "activities":
        whole |= _activity(company, held, whole)
    if kind == "persons":
        whole |= _names(whole["name"])
    return whole, custom


def changed(company: Company, record: Record, body: dict[str, Any], by: Author) -> Split:
    """Return the native and the custom values to write into a record, or raise the refusal."""
    held, custom = _checked(company, record.kind, body)
    if record.kind == "persons" and "name" in held:
        held |= _names(held["name"])
    if record.kind == "deals":
        held |= _deal(company, held, record.values)
    if record.kind == "activities":
        held |= _activity(company, held, {**record.values, **held})
    return held, custom


def wire(record: Record, keys: list[str] | None = None) -> dict[str, Any]:
    """Return a record as v2 tells it, with these custom fields or all that are set."""
    body = {"id": record.id, **record.values, "is_deleted": record.deleted_at is not None}
    body |= {"add_time": time2(record.added_at), "update_time": time2(record.updated_at)}
    if record.kind == "deals" and record.deleted_at:
        body["status"] = "deleted"
    if record.kind != "activities":
        body["custom_fields"] = {code: value for code, value in record.custom.items() if keys is None or code in keys}
    return body


def _checked(company: Company, kind: str, body: dict[str, Any]) -> Split:
    held = {name: value for name, value in body.items() if name != "custom_fields"}
    for name, value in held.items():
        if value is None and name not in CLEARABLE:
            raise invalid(f"{name}: must not be null")
    _check_allowed(company, kind, held)
    _check_links(company, held)
    for name in ("emails", "phones"):
        if name in held:
            held[name] = _contactables(held[name])
    custom = body.get("custom_fields") or {}
    fields.check_custom(company.definitions.get(kind, {}), custom, lambda type, id: _exists(company, type, id))
    return held, custom


def _check_allowed(company: Company, kind: str, held: dict[str, Any]) -> None:
    """Raise for what may not be written, and drop an activity's person where that is how it is refused."""
    if kind == "persons" and any(name in held for name in CONTACT_SYNC) and not company.switches.contact_sync:
        raise ApiError(403, "Contact sync is not enabled for this company", "ERR_FORBIDDEN")
    for name in ("add_time", "update_time", "is_deleted", "marketing_status"):
        if name in held:
            raise invalid(f"{name}: the twin has no part in this")
    if kind == "activities" and "person_id" in held:
        if company.switches.activity_person_id == "refused":
            raise invalid("person_id: is read-only, use participants")
        del held["person_id"]


def _check_links(company: Company, held: dict[str, Any]) -> None:
    if "owner_id" in held:
        company.user(held["owner_id"])
    for name, of in LINKS.items():
        if held.get(name) is not None and company.live(of, held[name]) is None:
            raise invalid(f"{name}: {held[name]} does not exist")
    if held.get("lead_id") is not None and held["lead_id"] not in company.leads:
        raise invalid("lead_id: does not exist")


def _exists(company: Company, type: str, id: int) -> bool:
    if type == "user":
        return any(user["id"] == id for user in company.users)
    return company.live({"org": "organizations", "people": "persons"}[type], id) is not None


def _contactables(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return addresses or numbers with exactly one primary: the first that claims to be, else the first."""
    chosen = next((place for place, row in enumerate(rows) if row.get("primary")), 0)
    return [
        {"value": row["value"], "primary": place == chosen, "label": row.get("label") or "work"}
        for place, row in enumerate(rows)
    ]


def _names(name: str) -> dict[str, Any]:
    first, _, last = name.strip().partition(" ")
    return {"first_name": first, "last_name": last.strip() or None}


def _deal(company: Company, held: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """Return what follows from a deal's new values: stage and pipeline, times of closing, of archiving."""
    more = _stage(company, held, before)
    was = before or {"status": "open", "is_archived": False, "stage_id": None}
    status, now = held.get("status", was["status"]), time2(company.now())
    if held.get("lost_reason") and status != "lost":
        raise invalid("lost_reason: can only be set if deal status is lost")
    if held.get("value", 0) is None:
        more["value"] = 0
    if status != was["status"]:
        day = None if status == "open" else company.now().date().isoformat()
        closed = None if status == "open" else now
        more |= {"close_time": closed, "local_close_date": day}
        for name in ("won", "lost"):
            more |= {f"{name}_time": closed if name == status else None,
                     f"local_{name}_date": day if name == status else None}  # fmt: skip
    if held.get("is_archived", was["is_archived"]) != was["is_archived"]:
        more["archive_time"] = now if held["is_archived"] else None
    if before is not None and more.get("stage_id", before["stage_id"]) != before["stage_id"]:
        more["stage_change_time"] = now
    return more


def _stage(company: Company, held: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    stage_id, pipeline_id = held.get("stage_id"), held.get("pipeline_id")
    if stage_id is None and pipeline_id is None:
        if before is not None:
            return {}
        pipeline_id = company.pipelines[0]["id"]
    if stage_id is not None:
        stage = next((each for each in company.stages if each["id"] == stage_id and not each["is_deleted"]), None)
        if stage is None or pipeline_id not in (None, stage["pipeline_id"]):
            raise invalid(f"stage_id: {stage_id} is no stage of pipeline {pipeline_id}")
        return {"stage_id": stage_id, "pipeline_id": stage["pipeline_id"]}
    first = next((each for each in company.stages if each["pipeline_id"] == pipeline_id), None)
    if first is None:
        raise invalid(f"pipeline_id: {pipeline_id} does not exist")
    return {"stage_id": first["id"], "pipeline_id": pipeline_id}


def _activity(company: Company, held: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """Return what follows from an activity's new values: who takes part, when it was done, what the note may say."""
    if whole["type"] not in ACTIVITY_TYPES:
        raise invalid(f"type: {whole['type']} is no activity type")
    more: dict[str, Any] = {}
    if "participants" in held:
        people = [each["person_id"] for each in held["participants"]]
        if unknown := [id for id in people if company.live("persons", id) is None]:
            raise invalid(f"participants: {unknown} do not exist")
        primary = next((each["person_id"] for each in held["participants"] if each.get("primary")), None)
        chosen = primary or (people[0] if people else None)
        more = {"participants": [{"person_id": id, "primary": id == chosen} for id in people], "person_id": chosen}
    for name in ("due_time", "duration"):
        if held.get(name) and len(held[name]) == len("HH:MM"):
            more[name] = f"{held[name]}:00"
    if held.get("note"):
        more["note"] = sanitising.clean(held["note"])
    if "done" in held:
        was_done_at = whole.get("marked_as_done_time")
        more["marked_as_done_time"] = (was_done_at or time2(company.now())) if held["done"] else None
    return more
