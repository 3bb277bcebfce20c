"""The timeline of one record: who did what to it and when, the latest first.

A workflow's edit bears the name of the person or program that set it off; only `source` and `automation_details` tell.
A record that swallowed another says so here, and nowhere else does anything lead from the one to the other.
Source: zoho/crm-oas v8.0 timelines, read 2026-11-22: values are texts of at most 255 signs.
"""

from typing import Any

from tests.twins.zoho import schema, values
from tests.twins.zoho.calls import Answer, Call
from tests.twins.zoho.errors import wrong_param, wrong_path
from tests.twins.zoho.org import Entry, Org, Record

PAGE, VALUE = 200, 255


def read(call: Call) -> Answer:
    """Read a page of a record's timeline."""
    record = call.org.live(call.module, call.parts["id"])
    if record is None:
        raise wrong_path(1, "the id given seems to be invalid")
    size, token = call.number("per_page", PAGE, PAGE), call.text("page_token")
    if token and (call.text("per_page") or not token.isdigit()):
        raise wrong_param("page_token")
    start = int(token) if token else (call.number("page", 1) - 1) * size
    entries = list(reversed(record.entries))
    if call.text("sort_order", "desc") == "asc":
        entries.reverse()
    page = entries[start : start + size]
    if not page:
        return Answer(204)
    more = start + size < len(entries)
    info = {
        "next_page_token": str(start + size) if more else None,
        "previous_page_token": str(max(start - size, 0)) if start else None, "count": len(page),
        "more_records": more, "page": start // size + 1, "per_page": size,
    }  # fmt: skip
    told = [_told(call.org, record, entry) for entry in page]
    return Answer(200, {"__timeline": told, "info": info}, schema.TimelinePage)


def _told(org: Org, record: Record, entry: Entry) -> dict[str, Any]:
    history = [
        {"api_name": name, "_value": {"old": _text(org, record, name, old), "new": _text(org, record, name, new)}}
        for name, old, new in entry.history
    ]  # fmt: skip
    rule = entry.by.rule
    automation = {"type": "workflow_rule", "rule": {"name": rule[0], "id": rule[1]}} if rule else None
    module, id, name = entry.other or (record.module, record.id, record.name)
    return {
        "audited_time": org.told(entry.at), "action": entry.action, "id": entry.id, "source": entry.by.source,
        "done_by": values.user(org, entry.by.user_id), "related_record": None, "automation_details": automation,
        "record": {"module": {"api_name": module, "id": org.module_ids[module]}, "name": name, "id": id},
        "extension": None, "type": "timeline", "field_history": history or None,
    }  # fmt: skip


def _text(org: Org, record: Record, name: str, value: Any) -> str | None:
    """Return a value as the timeline shows it."""
    field = org.fields[record.module].get(name)
    if value is None:
        return None
    if field is not None:
        value = values.told(org, record, field, value)
    if isinstance(value, dict):
        value = value.get("name")
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, list):
        value = ";".join(str(each) for each in value)
    return str(value)[:VALUE]
