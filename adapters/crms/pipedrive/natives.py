"""What we call Pipedrive's own fields, and how each is carried over. Pure.

The core speaks of a contact's `name`, a deal's `stage`, a task's `due`. Here stands which of Pipedrive's fields hold
each, and how values change on the way. `won` and `lost` are statuses there and stages to us; the first address of a
person is the one that we know, and what others they have is left alone. A meeting is done or not, and no more: that it
was called off or missed stands in its subject, before the title.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.crms.pipedrive import values
from adapters.crms.pipedrive.vendor import LOST, TEXT_CHARS, VARCHAR_CHARS, WON, held, moment, v1_stamp
from adapters.formats.canonical import a_moment, an_option
from adapters.formats.meeting_titles import bare, marked, status_in
from adapters.formats.rich_text import from_html, to_html, unmarked
from sidecar.errors import PermanentError
from sidecar.model import Value
from sidecar.ports import FieldSpec

Row = Mapping[str, Any]
SCHEDULED = "scheduled"
OUTCOMES = (SCHEDULED, "attended", "cancelled", "no_show")


@dataclass(frozen=True, slots=True)
class Native:
    """A field of Pipedrive's own under our name: the vendor's fields, its type, and the way there and back.

    `to_vendor(what, spec, value, row)` is given what the record holds so far, where a write must know it.
    """

    vendor: tuple[str, ...]
    label: str
    type: str
    to_vendor: Callable[[str, FieldSpec, Value, Row], dict[str, Any]]
    from_vendor: Callable[[Row], Value]
    options: tuple[str, ...] = ()
    writable: bool = True


def _plain(name: str, label: str, type_: str = "text", *, is_required: bool = False) -> Native:
    def to_vendor(what: str, spec: FieldSpec, value: Value, row: Row) -> dict[str, Any]:
        sent = values.to_vendor(what, spec, value, {})
        if sent is None and is_required:
            raise PermanentError(f"{what}: Pipedrive keeps no such record without it")
        return {name: sent}

    return Native((name,), label, type_, to_vendor, lambda row: values.from_vendor(type_, row.get(name), {}))


def _ref(name: str, label: str, options: str) -> Native:
    """Return a field that holds the number of something, which is a text to us."""

    def to_vendor(what: str, spec: FieldSpec, value: Value, row: Row) -> dict[str, Any]:
        if value is None or value == "":
            raise PermanentError(f"{what}: Pipedrive keeps no such record without it")
        if value not in spec.options:
            raise PermanentError(f"{what}: not one of its options ({', '.join(spec.options[:30])})")
        return {name: int(str(value))}

    def from_vendor(row: Row) -> Value:
        value = row.get(name)
        return held(value, "id") if isinstance(value, Mapping) else held(row, name) or None

    return Native((name,), label, "enum", to_vendor, from_vendor, (options,))


def _first(name: str, label: str) -> Native:
    """Return the first address or number of a person, among others that are left as they are."""

    def to_vendor(what: str, spec: FieldSpec, value: Value, row: Row) -> dict[str, Any]:
        sent = values.to_vendor(what, spec, value, {})
        before = primary(row, name)
        others = [each for each in listed(row, name) if each.get("value") not in (before, sent)]
        first = [{"value": sent, "primary": True, "label": "work"}] if sent else []
        return {name: [*first, *({**each, "primary": not first and not at} for at, each in enumerate(others))]}

    return Native((name,), label, "text", to_vendor, lambda row: primary(row, name) or None)


def listed(row: Row, name: str) -> list[dict[str, Any]]:
    """Return the addresses or numbers of a person."""
    found = row.get(name)
    return [each for each in found if isinstance(each, dict) and each.get("value")] if isinstance(found, list) else []


def primary(row: Row, name: str) -> str:
    """Return the first of a person's addresses or numbers, empty without any."""
    found = sorted(listed(row, name), key=lambda each: not each.get("primary"))
    return str(found[0]["value"]) if found else ""


def _stage_to(what: str, spec: FieldSpec, value: Value, row: Row) -> dict[str, Any]:
    stage = an_option(what, value, spec.options)
    return {"status": stage} if stage in (WON, LOST) else {"stage_id": int(stage), "status": "open"}


def _stage_from(row: Row) -> Value:
    status = held(row, "status")
    return status if status in (WON, LOST) else held(row, "stage_id") or None


def _rich(name: str, label: str) -> Native:
    def to_vendor(what: str, spec: FieldSpec, value: Value, row: Row) -> dict[str, Any]:
        html = to_html(values.to_vendor(what, spec, value, {}) or "")
        if len(html) > TEXT_CHARS:
            raise PermanentError(f"{what}: {len(html)} characters as HTML, and at most {TEXT_CHARS} fit")
        return {name: html}

    return Native((name,), label, "long_text", to_vendor, lambda row: unmarked(from_html(held(row, name))) or None)


def _at_to(what: str, spec: FieldSpec, value: Value, row: Row) -> dict[str, Any]:
    return {"add_time": v1_stamp(a_moment(what, value))}


def _at_from(row: Row) -> Value:
    return moment(held(row, "add_time")).isoformat() if row.get("add_time") else None


def _words(name: str, label: str, done: str, undone: str) -> Native:
    def to_vendor(what: str, spec: FieldSpec, value: Value, row: Row) -> dict[str, Any]:
        return {name: an_option(what, value, (undone, done)) == done}

    return Native(
        (name,), label, "enum", to_vendor, lambda row: done if row.get(name) in (True, 1) else undone, (undone, done)
    )


def _titled(what: str, spec: FieldSpec, value: Value, row: Row) -> dict[str, Any]:
    """Write a title, and leave what the subject says of how the meeting stands."""
    sent = values.to_vendor(what, spec, value, {})
    return {"subject": marked(str(sent or ""), status_in(held(row, "subject")), VARCHAR_CHARS) or None}


def _outcome_to(what: str, spec: FieldSpec, value: Value, row: Row) -> dict[str, Any]:
    status, subject = an_option(what, value, OUTCOMES), held(row, "subject")
    told = marked(subject, status, VARCHAR_CHARS)
    return {"done": status != SCHEDULED, **({"subject": told} if told != subject else {})}


def _outcome_from(row: Row) -> Value:
    told = status_in(held(row, "subject"))
    return told or ("attended" if row.get("done") in (True, 1) else SCHEDULED)


def _start_to(what: str, spec: FieldSpec, value: Value, row: Row) -> dict[str, Any]:
    at = a_moment(what, value)
    return {"due_date": at.date().isoformat(), "due_time": at.strftime("%H:%M")}


def start_of(row: Row) -> datetime | None:
    """Return when a meeting begins; one without a time of day begins at none."""
    day, hour = held(row, "due_date"), held(row, "due_time")
    try:
        return datetime.fromisoformat(f"{day}T{hour}").replace(tzinfo=UTC) if day and hour else None
    except ValueError:
        return None


def _end_to(what: str, spec: FieldSpec, value: Value, row: Row) -> dict[str, Any]:
    if value is None or value == "":
        return {"duration": None}
    start, end = start_of(row), a_moment(what, value)
    if start is None or not timedelta(0) <= end - start < timedelta(hours=24):
        raise PermanentError(f"{what}: takes a time within a day after the meeting's start")
    minutes = int((end - start).total_seconds()) // 60
    return {"duration": f"{minutes // 60:02}:{minutes % 60:02}"}


def _end_from(row: Row) -> Value:
    start, parts = start_of(row), held(row, "duration").split(":")
    if start is None or len(parts) < 2 or not all(part.isdigit() for part in parts[:2]):
        return None
    return (start + timedelta(hours=int(parts[0]), minutes=int(parts[1]))).isoformat()


def _start_from(row: Row) -> Value:
    start = start_of(row)
    return start.isoformat() if start else None


def _closed_to(what: str, spec: FieldSpec, value: Value, row: Row) -> dict[str, Any]:
    raise PermanentError(f"{what}: Pipedrive keeps it by the deal's stage")


_OWNER = _ref("owner_id", "Owner", "@owners")
_ACTIVITY_BODY = _rich("note", "Body")
NATIVE: Mapping[str, Mapping[str, Native]] = {
    "contact": {
        "name": _plain("name", "Name", is_required=True),
        "email": _first("emails", "E-mail"),
        "phone": _first("phones", "Phone"),
        "owner": _OWNER,
    },
    "company": {"name": _plain("name", "Name", is_required=True), "owner": _OWNER},
    "deal": {
        "name": _plain("title", "Name", is_required=True),
        "pipeline": _ref("pipeline_id", "Pipeline", "@pipelines"),
        "stage": Native(("stage_id", "status"), "Stage", "enum", _stage_to, _stage_from, ("@stages",)),
        "owner": _OWNER,
        "amount": _plain("value", "Amount", "number"),
        "close_date": _plain("expected_close_date", "Expected close date", "date"),
        "currency": _plain("currency", "Currency"),
        "closed": Native(
            ("status",), "Closed", "bool", _closed_to, lambda row: row.get("status") in (WON, LOST) or None, (), False
        ),
    },
    "note": {
        "body": _rich("content", "Body"),
        "at": Native(("add_time",), "Time", "datetime", _at_to, _at_from),
    },
    "task": {
        "title": _plain("subject", "Title"),
        "body": _ACTIVITY_BODY,
        "due": _plain("due_date", "Due", "date"),
        "status": _words("done", "Status", "done", "open"),
        "owner": _OWNER,
    },
    "meeting": {
        "title": Native(("subject",), "Title", "text", _titled, lambda row: bare(held(row, "subject")) or None),
        "body": _ACTIVITY_BODY,
        "start": Native(("due_date", "due_time"), "Start", "datetime", _start_to, _start_from),
        "end": Native(("duration",), "End", "datetime", _end_to, _end_from),
        "status": Native(("done", "subject"), "Status", "enum", _outcome_to, _outcome_from, OUTCOMES),
        "owner": _OWNER,
    },
}
"""Options with `@` are the company's: its users, pipelines, stages."""

MAX_CHARS: Mapping[str, int] = {"text": VARCHAR_CHARS, "long_text": TEXT_CHARS}
