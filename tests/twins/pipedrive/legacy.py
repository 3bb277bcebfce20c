"""What still is v1: notes, leads, changelogs, flow, merges.

Source: Pipedrive's v1 reference, 2026: times without T and Z, pages by `start` and `limit`, PUT for changes of notes,
changelogs newest first by cursor. A merge keeps the record that `merge_with_id` names, and no list tells who is gone.
"""

import uuid
from typing import Any

from tests.twins.pipedrive import sanitising, schema, values
from tests.twins.pipedrive.calls import RFC3339_SECONDS, Answer, Call, one, page
from tests.twins.pipedrive.company import Edit, Record, time1
from tests.twins.pipedrive.errors import ApiError, invalid, not_found

NOTE_LINKS = {"deal_id": "deals", "person_id": "persons", "org_id": "organizations"}
PINS = ("deal", "person", "organization", "lead", "project")
V1_PAGE = 500
KEY_OF = {"persons": "person_id", "organizations": "org_id", "deals": "deal_id"}


def list_notes(call: Call) -> Answer:
    """Read a page of notes, of one record or of all."""
    rows = [note for note in call.company.notes.values() if note["active_flag"]]
    for key in (*NOTE_LINKS, "user_id"):
        if (wanted := call.number(key)) is not None:
            rows = [note for note in rows if note[key] == wanted]
    if call.text("lead_id"):
        rows = [note for note in rows if note["lead_id"] == call.text("lead_id")]
    return _page_v1(call, _since(call, rows), lambda note: _note(call, note), schema.Note)


def get_note(call: Call) -> Answer:
    """Read one note."""
    return one(_note(call, _held_note(call)), schema.Note)


def create_note(call: Call) -> Answer:
    """Make a note on whatever it names, on several things at once if it does."""
    body, company = call.body, call.company
    if not body.get("content"):
        raise invalid("content: Required")
    if not any(body.get(key) for key in (*NOTE_LINKS, "lead_id", "project_id")):
        raise ApiError(400, "One of deal_id, person_id, org_id, lead_id and project_id is required")
    _check_note(call)
    now = time1(company.now())
    note: dict[str, Any] = {
        "id": company.next_id("notes"), "user_id": body.get("user_id") or call.by.user_id,
        "lead_id": body.get("lead_id"), "project_id": None, "content": sanitising.clean(body["content"]),
        "add_time": body.get("add_time") or now,
        "update_time": now, "active_flag": True, "last_update_user_id": None,
    }  # fmt: skip
    note |= {key: body.get(key) for key in NOTE_LINKS}
    note |= {f"pinned_to_{name}_flag": bool(body.get(f"pinned_to_{name}_flag")) for name in PINS}
    company.notes[note["id"]] = note
    return one(_note(call, note), schema.Note, 201)


def change_note(call: Call) -> Answer:
    """Write into a note."""
    note, body = _held_note(call), call.body
    _check_note(call)
    if body.get("content"):
        note["content"] = sanitising.clean(body["content"])
    note |= {key: body[key] for key in (*NOTE_LINKS, "lead_id", "user_id", "add_time") if key in body}
    note |= {key: bool(value) for key, value in body.items() if key.startswith("pinned_to_")}
    note |= {"update_time": time1(call.company.now()), "last_update_user_id": call.by.user_id}
    return one(_note(call, note), schema.Note)


def delete_note(call: Call) -> Answer:
    """Delete a note."""
    note = _held_note(call)
    note |= {"active_flag": False, "update_time": time1(call.company.now())}
    return Answer(200, {"success": True, "data": True})


def list_leads(call: Call) -> Answer:
    """Read a page of leads that aren't archived."""
    rows = [lead for lead in call.company.leads.values() if not lead["is_archived"]]
    for key in ("person_id", "organization_id", "owner_id"):
        if (wanted := call.number(key)) is not None:
            rows = [lead for lead in rows if lead[key] == wanted]
    return _page_v1(call, _since(call, rows), dict, schema.Lead)


def get_lead(call: Call) -> Answer:
    """Read one lead."""
    return one(_lead(call), schema.Lead)


def create_lead(call: Call) -> Answer:
    """Make a lead of a person or an organization."""
    body, company = call.body, call.company
    if not body.get("title"):
        raise invalid("title: Required")
    if not (body.get("person_id") or body.get("organization_id")):
        raise ApiError(400, "A lead must be linked to a person or an organization")
    _check_lead(call)
    now = company.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")
    id = str(uuid.UUID(int=company.next_id("leads"), version=4))
    company.leads[id] = {
        "id": id, "title": body["title"], "owner_id": body.get("owner_id") or call.by.user_id,
        "creator_id": call.by.user_id, "label_ids": body.get("label_ids") or [], "value": body.get("value"),
        "expected_close_date": body.get("expected_close_date"), "person_id": body.get("person_id"),
        "organization_id": body.get("organization_id"), "is_archived": bool(body.get("is_archived")),
        "source_name": "API", "was_seen": True, "add_time": now, "update_time": now,
    }  # fmt: skip
    return one(company.leads[id], schema.Lead, 201)


def change_lead(call: Call) -> Answer:
    """Write into a lead."""
    lead = _lead(call)
    _check_lead(call)
    lead |= call.body | {"update_time": call.company.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    return one(lead, schema.Lead)


def delete_lead(call: Call) -> Answer:
    """Delete a lead for good."""
    lead = _lead(call)
    del call.company.leads[lead["id"]]
    return Answer(200, {"success": True, "data": {"id": lead["id"]}})


def changelog(call: Call) -> Answer:
    """Read a page of what was changed in a record, newest first."""
    record = call.company.there(call.parts["kind"], call.id())
    return page(record.edits[::-1], call, _line, schema.ChangeOut)


def flow(call: Call) -> Answer:
    """Read a page of what happened to a record, newest first; only changes are in it here."""
    record = call.company.there(call.parts["kind"], call.id())
    name = f"{record.kind.removesuffix('s')}Change"
    return _page_v1(call, record.edits[::-1], lambda edit: _event(record, name, edit), None)


def merge(call: Call) -> Answer:
    """Merge the record in the path into the one that the body names, whose values win."""
    kind, into = call.parts["kind"], call.body["merge_with_id"]
    if call.id() == into:
        raise invalid("merge_with_id: is the record itself")
    winner = merged(call, kind, into, call.id())
    return Answer(200, {"success": True, "data": {"id": winner.id}})


def merged(call: Call, kind: str, winner_id: int, loser_id: int) -> Record:
    """Merge two records: what the winner lacks comes from the loser, links move, the loser is silently deleted."""
    company = call.company
    winner, loser = company.need(kind, winner_id), company.need(kind, loser_id)
    empty: tuple[Any, ...] = (None, [], "")
    held = {name: value for name, value in loser.values.items() if winner.values.get(name) in empty}
    for name in ("emails", "phones"):
        if kind == "persons":
            theirs = [row for row in loser.values[name] if row["value"] not in _values(winner, name)]
            held[name] = [*winner.values[name], *({**row, "primary": not winner.values[name]} for row in theirs)]
    custom = {code: value for code, value in loser.custom.items() if code not in winner.custom}
    key = KEY_OF[kind]
    for of in ("persons", "deals", "activities"):
        for record in company.records[of].values():
            if record.values.get(key) == loser_id and record is not loser:
                company.commit(record, {key: winner_id} | _taking_part(record, key, loser_id, winner_id), {}, call.by)
    for note in company.notes.values():
        if note[key] == loser_id:
            note[key] = winner_id
    company.commit(winner, held, custom, call.by)
    company.delete(loser, call.by)
    return winner


def _taking_part(record: Record, key: str, old: int, new: int) -> dict[str, Any]:
    if key != "person_id" or "participants" not in record.values:
        return {}
    rows = record.values["participants"]
    return {
        "participants": [{**row, "person_id": new if row["person_id"] == old else row["person_id"]} for row in rows]
    }


def _values(record: Record, name: str) -> set[str]:
    return {row["value"] for row in record.values[name]}


def _line(edit: Edit) -> dict[str, Any]:
    return {
        "field_key": edit.key, "old_value": edit.old, "new_value": edit.new, "actor_user_id": edit.by.user_id,
        "time": time1(edit.at), "change_source": edit.by.source, "change_source_user_agent": edit.by.user_agent,
        "is_bulk_update_flag": False,
    }  # fmt: skip


def _event(record: Record, name: str, edit: Edit) -> dict[str, Any]:
    line = _line(edit)
    data = {key: line[key] for key in ("field_key", "old_value", "new_value", "change_source", "is_bulk_update_flag")}
    data |= {"id": edit.id, "item_id": record.id, "user_id": edit.by.user_id, "log_time": line["time"]}
    return {"object": name, "timestamp": line["time"], "data": data}


def _page_v1(call: Call, rows: list[Any], wire: Any, model: Any) -> Answer:
    start, limit = call.number("start") or 0, call.number("limit") or 100
    if limit > V1_PAGE:
        raise invalid(f"limit: must be at most {V1_PAGE}")
    more = start + limit < len(rows)
    paging: dict[str, Any] = {"start": start, "limit": limit, "more_items_in_collection": more}
    if more:
        paging["next_start"] = start + limit
    # Nothing is null, not an empty list.
    data = [wire(row) for row in rows[start : start + limit]] or None
    return Answer(200, {"success": True, "data": data, "additional_data": {"pagination": paging}}, model)


def _since(call: Call, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    text = call.text("updated_since")
    if text and not RFC3339_SECONDS.fullmatch(text):
        raise invalid("updated_since: must be in RFC3339 format")
    key = text.replace("T", " ").removesuffix("Z")
    return [row for row in rows if row["update_time"].replace("T", " ")[: len(key)] >= key]


def _held_note(call: Call) -> dict[str, Any]:
    note = call.company.notes.get(call.id())
    if note is None or not note["active_flag"]:
        raise not_found("Note")
    return note


def _check_note(call: Call) -> None:
    for key, kind in NOTE_LINKS.items():
        if (id := call.body.get(key)) is not None and call.company.live(kind, id) is None:
            raise ApiError(400, f"{key} {id} does not exist")
    if call.body.get("lead_id") and call.body["lead_id"] not in call.company.leads:
        raise ApiError(400, "lead_id does not exist")
    if "user_id" in call.body:
        call.company.user(call.body["user_id"])


def _note(call: Call, note: dict[str, Any]) -> dict[str, Any]:
    company = call.company
    told = dict(note)
    for key, name, title in (("deal_id", "deal", "title"), ("person_id", "person", "name"),
                             ("org_id", "organization", "name")):  # fmt: skip
        found = company.records[NOTE_LINKS[key]].get(note[key]) if note[key] else None
        told[name] = {title: found.values[values.NAMED[found.kind]]} if found else None
    user = company.user(note["user_id"])
    told["lead"] = {"title": company.leads[note["lead_id"]]["title"]} if note["lead_id"] in company.leads else None
    is_you = user["id"] == call.by.user_id
    told["user"] = {"email": user["email"], "name": user["name"], "icon_url": None, "is_you": is_you}
    return told | {"project": None}


def _lead(call: Call) -> dict[str, Any]:
    if found := call.company.leads.get(call.parts["id"]):
        return found
    raise not_found("Lead")


def _check_lead(call: Call) -> None:
    for key, kind in (("person_id", "persons"), ("organization_id", "organizations")):
        if (id := call.body.get(key)) is not None and call.company.live(kind, id) is None:
            raise ApiError(400, f"{key} {id} does not exist")
    if call.body.get("owner_id"):
        call.company.user(call.body["owner_id"])
