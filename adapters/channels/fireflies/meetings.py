"""From what Fireflies tells of a meeting to its activity.

Who was invited is told by address, who spoke by the name that the meeting tool showed, and nothing joins the two but an
equal name. So the meeting's owner, addresses of ours and the names that the operator declared are ours; everybody else
who speaks is shown, and counts as a customer. Fields that decide nothing are read leniently.

Source: docs.fireflies.ai, schemas Transcript, MeetingAttendee, Sentence, read 2026-11: `date` in milliseconds,
`duration` in minutes, `participants` a list of addresses.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from adapters.formats.spoken import Attendee, Call, Spoken, call_activity, transcript_activity
from sidecar.errors import PermanentError
from sidecar.model import Activity, Delivery, Own

VENDOR = "Fireflies"
HOOKS = frozenset({"event", "eventType"})


def read_hook(raw: bytes) -> None:
    """See that a webhook is one of Fireflies': it says that there is news, and nothing else."""
    told = _object(raw)
    if not HOOKS & told.keys():
        raise PermanentError("body is no event of Fireflies': it names none")


def read_meeting(delivery: Delivery, own: Own, own_names: Sequence[str], *, trusts_names: bool) -> Activity:
    """Read a meeting that was laid down, with its words where they were asked for."""
    data = _object(delivery.raw).get("data")
    told = data.get("transcript") if isinstance(data, dict) else None
    if not isinstance(told, dict) or not isinstance(told.get("id"), str):
        raise PermanentError("data.transcript is no meeting")
    call = _call(told, own_names)
    if delivery.headers.get("kind") == "call":
        return call_activity(delivery, call, own)
    return transcript_activity(delivery, call, _turns(told.get("sentences")), own, trusts_names=trusts_names)


def _call(told: Mapping[str, Any], own_names: Sequence[str]) -> Call:
    date, duration = told.get("date"), told.get("duration")
    if not isinstance(date, int | float) or isinstance(date, bool) or not 0 < date < 7_000_000_000_000:
        raise PermanentError("data.transcript.date is no time in milliseconds")
    return Call(
        vendor=VENDOR,
        id=told["id"],
        at=datetime.fromtimestamp(date / 1000, UTC),
        thread=f"meeting:{told['id']}",
        people=tuple(_people(told, own_names)),
        duration_s=duration * 60.0 if isinstance(duration, int | float) and 0 < duration < 10_000 else None,
        subject=_text(told.get("title")),
        is_private=_text(told.get("privacy")) == "owner",
    )


def _people(told: Mapping[str, Any], own_names: Sequence[str]) -> Iterator[Attendee]:
    """Each person once: by address, with the first name that is told; then our own names that nobody bears yet.

    These are who was invited: Fireflies records a meeting to which the guest never came all the same.
    """
    names: dict[str, str] = {}
    ours: set[str] = set()
    user = told.get("user")
    if isinstance(user, dict) and _text(user.get("email")):
        names[_text(user.get("email")).casefold()] = _text(user.get("name"))
        ours.add(_text(user.get("email")).casefold())
    attendees = told.get("meeting_attendees")
    for row in attendees if isinstance(attendees, list) else []:
        if isinstance(row, dict) and (email := _text(row.get("email")).casefold()):
            names[email] = names.get(email) or _text(row.get("displayName")) or _text(row.get("name"))
    others = told.get("participants")
    for told_email in (*(others if isinstance(others, list) else []), told.get("host_email")):
        for email in _text(told_email).casefold().split(","):
            if email.strip():
                names.setdefault(email.strip(), "")
    for email, name in names.items():
        is_ours = True if email in ours or _is_in(name, own_names) else None
        yield Attendee(name, (email,), is_ours=is_ours, is_there=False)
    for name in own_names:
        if not any(_is_in(other, (name,)) for other in names.values()):
            yield Attendee(name, is_ours=True, is_there=False)


def _turns(sentences: Any) -> Iterator[Spoken]:
    if not isinstance(sentences, list):
        raise PermanentError("data.transcript.sentences is no list")
    for row in sentences:
        if isinstance(row, dict) and isinstance(row.get("text"), str):
            ref = row.get("speaker_id")
            yield Spoken(row["text"], _text(row.get("speaker_name")), "" if ref is None else f"speaker:{ref}")


def _is_in(name: str, names: Sequence[str]) -> bool:
    words = " ".join(name.casefold().split())
    return bool(words) and any(" ".join(other.casefold().split()) == words for other in names)


def _text(value: object) -> str:
    return " ".join(value.replace("\0", " ").split())[:500] if isinstance(value, str) else ""


def _object(raw: bytes) -> dict[str, Any]:
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise PermanentError(f"body is not JSON: line {error.lineno}, column {error.colno}") from None
    if not isinstance(data, dict):
        raise PermanentError("body is no object")
    return data
