"""From what Aircall tells of a call to what is laid down, and from that to its activity.

The telephone system knows which line spoke: a user of the account, whose word is ours, or the number outside. Of a call
only the fields below are laid down, because the rest holds addresses that open its recording.

Source: developer.aircall.io (Calls, Conversation Intelligence), read 2026-11: times in seconds since 1970, `duration`
with the ringing, `raw_digits` the number outside or "anonymous"; utterances name `user_id` or `phone_number`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from adapters.formats.spoken import Attendee, Call, Spoken, call_activity, transcript_activity
from sidecar.errors import PermanentError
from sidecar.model import Activity, Delivery, Own

VENDOR = "Aircall"
_TIMES = ("started_at", "answered_at", "ended_at", "duration")
_CALL = ("id", "direction", "status", "missed_call_reason", "raw_digits", *_TIMES)
_USER = ("id", "name", "email")
_CONTACT = ("id", "first_name", "last_name", "company_name", "emails", "phone_numbers")


def lay_down(call: Mapping[str, Any], content: Mapping[str, Any] | None) -> bytes:
    """Return the bytes that are kept of a call: its facts, who took part, and its words if they are given."""
    told: dict[str, Any] = {name: call[name] for name in _CALL if name in call}
    for part, names in (("user", _USER), ("contact", _CONTACT)):
        if isinstance(call.get(part), dict):
            told[part] = {name: call[part][name] for name in names if name in call[part]}
    words = {"utterances": content.get("utterances")} if content is not None else {}
    return orjson.dumps({"call": told, **words}, option=orjson.OPT_SORT_KEYS)


def read_call(delivery: Delivery, own: Own, *, trusts_names: bool) -> Activity:
    """Read a call that was laid down, with its words where it has any."""
    try:
        data = orjson.loads(delivery.raw)
    except orjson.JSONDecodeError as error:
        raise PermanentError(f"it is not JSON: line {error.lineno}, column {error.colno}") from None
    told = data.get("call") if isinstance(data, dict) else None
    if not isinstance(told, dict):
        raise PermanentError("it is no call of Aircall's")
    utterances = data.get("utterances")
    call = _call(told, utterances if isinstance(utterances, list) else [])
    if delivery.headers.get("kind") == "call":
        return call_activity(delivery, call, own)
    return transcript_activity(delivery, call, _turns(utterances, call), own, trusts_names=trusts_names)


def _call(told: Mapping[str, Any], utterances: Sequence[Any]) -> Call:
    at, number = told.get("started_at"), told.get("id")
    if not isinstance(at, int) or not 0 < at < 7_000_000_000 or not isinstance(number, int):
        raise PermanentError("call.id or call.started_at is no number")
    answered, ended = told.get("answered_at"), told.get("ended_at")
    spoke = ended - answered if isinstance(answered, int) and isinstance(ended, int) and ended > answered else None
    direction = told.get("direction")
    return Call(
        vendor=VENDOR,
        id=str(number),
        at=datetime.fromtimestamp(at, UTC),
        thread=f"call:{number}",
        people=tuple(_people(told, utterances)),
        duration_s=float(spoke) if spoke is not None else None,
        direction=direction if direction in ("inbound", "outbound") else "",
        status="held" if isinstance(answered, int) else "not answered",
    )


def _people(told: Mapping[str, Any], utterances: Sequence[Any]) -> Iterator[Attendee]:
    """The user of a call is ours, and so is every other user who speaks; the contact is the number outside."""
    user, ref = told.get("user"), ""
    if isinstance(user, dict):
        email, ref = _text(user.get("email")), f"user:{user.get('id')}"
        yield Attendee(_text(user.get("name")), (email,) if email else (), is_ours=True, ref=ref, knows_line=True)
    inside = (row for row in utterances if isinstance(row, dict) and row.get("participant_type") == "internal")
    for other in dict.fromkeys(f"user:{row.get('user_id')}" for row in inside):
        if other != ref:
            yield Attendee(is_ours=True, ref=other, knows_line=True)
    number = _text(told.get("raw_digits"))
    phones = [number] if digits(number) else []
    contact = told.get("contact")
    if isinstance(contact, dict):
        phones += [value for value in _values(contact.get("phone_numbers")) if value not in phones]
        name = f"{_text(contact.get('first_name'))} {_text(contact.get('last_name'))}".strip()
        yield Attendee(name, tuple(_values(contact.get("emails"))), tuple(phones), ref=f"phone:{digits(number)}")
    elif phones:
        yield Attendee("", (), tuple(phones), ref=f"phone:{digits(number)}")


def _turns(utterances: Any, call: Call) -> Iterator[Spoken]:
    if not isinstance(utterances, list):
        raise PermanentError("utterances is no list")
    names = {person.ref: person.name for person in call.people}
    for row in utterances:
        if isinstance(row, dict) and isinstance(row.get("text"), str):
            is_ours = row.get("participant_type") == "internal"
            ref = f"user:{row.get('user_id')}" if is_ours else f"phone:{digits(_text(row.get('phone_number')))}"
            yield Spoken(row["text"], names.get(ref, ""), ref)


def digits(number: str) -> str:
    """Return a number's digits, by which two spellings of it are the same."""
    return "".join(char for char in number if char.isascii() and char.isdigit())


def _values(rows: Any) -> list[str]:
    found = [_text(row.get("value")) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [value for value in found[:20] if value]


def _text(value: object) -> str:
    return " ".join(value.replace("\0", " ").split())[:320] if isinstance(value, str) else ""
