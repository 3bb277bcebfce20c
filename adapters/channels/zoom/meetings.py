"""From what Zoom tells of a recorded meeting to what is laid down, and from that to its activity.

The list of recordings holds addresses that open them, so what is laid down of a meeting are the few fields that say
when it was, what about and whose, with who was in it. Its transcript is laid down as the file that Zoom gave, those
fields beside it. Guests choose their names and mostly have no address that Zoom would tell; ours are the host, users of
the account, addresses of ours and declared names.

Source: developers.zoom.us, `recordings` and `participants`, read 2026-11: `duration` in minutes, `internal_user` says
that somebody belongs to the account; a transcript is WebVTT whose cues begin with `Name: `.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from adapters.channels.zoom.signature import read_event
from adapters.formats.spoken import Attendee, Call, Spoken, call_activity, transcript_activity
from adapters.formats.transcript import parse_transcript
from sidecar.errors import PermanentError
from sidecar.model import Activity, Delivery, Own

VENDOR = "Zoom"
_MEETING = ("uuid", "id", "account_id", "host_id", "host_email", "topic", "type", "start_time", "duration", "timezone")
_PARTICIPANT = ("id", "name", "user_email", "internal_user", "join_time", "leave_time", "duration")


def lay_down(meeting: Mapping[str, Any], participants: Iterable[Mapping[str, Any]]) -> bytes:
    """Return the bytes that are kept of a meeting; none of them opens its recording."""
    people = [{name: row[name] for name in _PARTICIPANT if name in row} for row in participants]
    told = {name: meeting[name] for name in _MEETING if name in meeting}
    return orjson.dumps({"meeting": told, "participants": people}, option=orjson.OPT_SORT_KEYS)


def read_hook(raw: bytes) -> None:
    """See that a webhook is one of Zoom's: it says that there is news, and nothing else is read in it."""
    if read_event(raw) is None:
        raise PermanentError("body is no event of Zoom's: it names none")


def read_meeting(delivery: Delivery, own: Own, own_names: Sequence[str], *, trusts_names: bool) -> Activity:
    """Read a meeting, or its transcript, that was laid down."""
    if delivery.headers.get("kind") == "call":
        return call_activity(delivery, _call(_object(delivery.raw), own_names), own)
    call = _call(_object(delivery.headers.get("meeting", "").encode()), own_names)
    transcript = parse_transcript(delivery.raw, "vtt")
    turns = (_turn(transcript.text[turn.start : turn.end], turn.speaker, call.people) for turn in transcript.turns)
    told = Call(
        VENDOR, call.id, call.at, call.thread, call.people, call.duration_s, call.subject, problems=transcript.problems
    )
    version = delivery.headers.get("file", "")
    return transcript_activity(delivery, told, turns, own, trusts_names=trusts_names, version=version)


def _turn(words: str, speaker: str | None, people: Sequence[Attendee]) -> Spoken:
    """Return a turn; a name that is none by its looks (`iPhone: words`) is one if somebody in the meeting bears it."""
    if speaker is None:
        name = next((person.name for person in people if person.name and words.startswith(f"{person.name}: ")), "")
        return Spoken(words[len(name) + 2 :], name) if name else Spoken(words)
    return Spoken(words, speaker)


def _call(told: Mapping[str, Any], own_names: Sequence[str]) -> Call:
    meeting = told.get("meeting")
    if not isinstance(meeting, dict) or not isinstance(meeting.get("uuid"), str) or not meeting["uuid"]:
        raise PermanentError("it is no meeting of Zoom's: it has no uuid")
    try:
        at = datetime.fromisoformat(str(meeting.get("start_time")))
    except ValueError:
        raise PermanentError("meeting.start_time is no time") from None
    duration = meeting.get("duration")
    return Call(
        vendor=VENDOR,
        id=meeting["uuid"],
        at=(at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC),
        thread=f"meeting:{meeting['uuid']}",
        people=_people(meeting, told.get("participants"), own_names),
        duration_s=duration * 60.0 if isinstance(duration, int | float) and 0 < duration < 10_000 else None,
        subject=_text(meeting.get("topic")),
    )


def _people(meeting: Mapping[str, Any], participants: Any, own_names: Sequence[str]) -> tuple[Attendee, ...]:
    """Each person once, however often they joined; the host, and declared names, are ours."""
    host = _text(meeting.get("host_email")).casefold()
    declared = {_folded(name): name for name in own_names}
    found: dict[tuple[str, str], Attendee] = {}
    for row in participants if isinstance(participants, list) else []:
        if isinstance(row, dict):
            name, email = _text(row.get("name")), _text(row.get("user_email")).casefold()
            is_ours = row.get("internal_user") is True or (email != "" and email == host) or _folded(name) in declared
            person = Attendee(name, (email,) if email else (), is_ours=True if is_ours else None)
            found.setdefault((_folded(name), email), person)
    if host and not any(email == host for _, email in found):
        found["", host] = Attendee("", (host,), is_ours=True)
    named = {name for name, _ in found}
    more = [Attendee(name, is_ours=True, is_there=False) for folded, name in declared.items() if folded not in named]
    return (*found.values(), *more)


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def _text(value: object) -> str:
    return " ".join(value.replace("\0", " ").split())[:500] if isinstance(value, str) else ""


def _object(raw: bytes) -> dict[str, Any]:
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise PermanentError(f"it is not JSON: line {error.lineno}, column {error.colno}") from None
    if not isinstance(data, dict):
        raise PermanentError("it is no object")
    return data
