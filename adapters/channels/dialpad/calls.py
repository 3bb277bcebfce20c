"""From what Dialpad tells of a call to what is laid down, and from that to its activity.

The telephone system knows which line spoke: a user of the company, whose word is ours, or a contact. Lines of a
transcript that nobody spoke (moments, questions and summaries of Dialpad's own) are left out. Of a call only the fields
below are laid down: the list may hold its words and addresses that open its recording.

Source: Dialpad API v2 (`CallProto`, `CallContactProto`, `TranscriptLineProto` of its OpenAPI description), read
2026-11: times in milliseconds, as numbers or texts; a call's legs share `entry_point_call_id`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from adapters.formats.spoken import Attendee, Call, Spoken, call_activity, transcript_activity
from sidecar.errors import PermanentError
from sidecar.model import Activity, Delivery, Own

VENDOR = "Dialpad"
_IDS = ("call_id", "entry_point_call_id", "master_call_id")
_CALL = (*_IDS, "direction", "state", "date_started", "date_connected", "date_ended", "duration", "external_number")
_PERSON = ("id", "name", "email", "phone", "type")
_LINE = ("type", "time", "name", "content", "user_id", "contact_id")


def lay_down(call: Mapping[str, Any], lines: Sequence[Mapping[str, Any]] | None) -> bytes:
    """Return the bytes that are kept of a call: its facts, who took part, and its spoken lines if they are given."""
    told: dict[str, Any] = {name: call[name] for name in _CALL if name in call}
    for part in ("contact", "target"):
        if isinstance(call.get(part), dict):
            told[part] = {name: call[part][name] for name in _PERSON if name in call[part]}
    words = (
        {"lines": [{name: row[name] for name in _LINE if name in row} for row in lines]} if lines is not None else {}
    )
    return orjson.dumps({"call": told, **words}, option=orjson.OPT_SORT_KEYS)


def is_spoken(line: Any) -> bool:
    """Say whether somebody spoke a line."""
    return isinstance(line, dict) and line.get("type") == "transcript" and isinstance(line.get("content"), str)


def read_call(delivery: Delivery, own: Own, *, trusts_names: bool) -> Activity:
    """Read a call that was laid down, with its words where it has any."""
    try:
        data = orjson.loads(delivery.raw)
    except orjson.JSONDecodeError as error:
        raise PermanentError(f"it is not JSON: line {error.lineno}, column {error.colno}") from None
    told = data.get("call") if isinstance(data, dict) else None
    if not isinstance(told, dict):
        raise PermanentError("it is no call of Dialpad's")
    lines = [row for row in data.get("lines") or [] if is_spoken(row)] if isinstance(data.get("lines"), list) else []
    call = _call(told, lines)
    if delivery.headers.get("kind") == "call":
        return call_activity(delivery, call, own)
    if not lines:
        raise PermanentError("lines holds nothing that was spoken")
    turns = (Spoken(row["content"], _text(row.get("name")), _ref(row)) for row in lines)
    return transcript_activity(delivery, call, turns, own, trusts_names=trusts_names)


def _call(told: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> Call:
    at_ms, number = millis(told.get("date_started")), _id(told.get("call_id"))
    if at_ms is None or not number:
        raise PermanentError("call.call_id or call.date_started is no number")
    connected, duration = millis(told.get("date_connected")), millis(told.get("duration"))
    direction = told.get("direction")
    whole = _id(told.get("entry_point_call_id")) or _id(told.get("master_call_id")) or number
    return Call(
        vendor=VENDOR,
        id=number,
        at=datetime.fromtimestamp(at_ms / 1000, UTC),
        thread=f"call:{whole}",
        people=tuple(_people(told, lines)),
        duration_s=duration / 1000 if duration else None,
        direction=direction if direction in ("inbound", "outbound") else "",
        status="held" if connected else "not answered",
    )


def _people(told: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> Iterator[Attendee]:
    """The target of a call is ours, and so is every user who speaks; the contact is the number outside."""
    target, contact = _object(told.get("target")), _object(told.get("contact"))
    seen: set[str] = set()
    if target:
        ref = f"user:{_id(target.get('id'))}" if target.get("type") == "user" else ""
        seen.add(ref)
        yield _person(target, ref, is_ours=True, knows_line=bool(ref))
    for row in lines:
        if _id(row.get("user_id")) and (ref := _ref(row)) not in seen:
            seen.add(ref)
            yield Attendee(_text(row.get("name")), is_ours=True, ref=ref, knows_line=True)
    number = _text(told.get("external_number"))
    if contact or number:
        yield _person(contact, f"contact:{_id(contact.get('id'))}", number=number)


def _person(
    told: Mapping[str, Any], ref: str, *, number: str = "", is_ours: bool | None = None, knows_line: bool = False
) -> Attendee:
    phones = tuple(dict.fromkeys(value for value in (number, _text(told.get("phone"))) if value))
    email = _text(told.get("email"))
    return Attendee(_text(told.get("name")), (email,) if email else (), phones, is_ours, ref, knows_line)


def _ref(line: Mapping[str, Any]) -> str:
    user, contact = _id(line.get("user_id")), _id(line.get("contact_id"))
    return f"user:{user}" if user else f"contact:{contact}" if contact else ""


def millis(value: Any) -> int | None:
    """Return milliseconds, which Dialpad tells as a number or as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        value = int(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and 0 <= value < 7_000_000_000_000 else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value[:64] if isinstance(value, str) and value.isascii() and value.isprintable() else ""


def _text(value: object) -> str:
    return " ".join(value.replace("\0", " ").split())[:320] if isinstance(value, str) else ""
