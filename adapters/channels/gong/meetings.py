"""From what Gong tells of a call to what is laid down, and from that to its activity.

Gong says of each party whether it is internal, external or unknown, and joins turns to parties by an id of its own; so
nobody is guessed at by name. An unknown party is ours by an address of ours alone. A call that is private in Gong is
laid down without words, whatever the option says.

Source: Gong API v2, `CallBasicData`, `Party`, `CallTranscript`, `Monologue`, read 2026-11: `duration` in seconds,
sentences begin and end in milliseconds.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from adapters.formats.spoken import Attendee, Call, Spoken, call_activity, transcript_activity
from sidecar.errors import PermanentError
from sidecar.model import Activity, Delivery, Own

VENDOR = "Gong"
_CALL = ("id", "title", "started", "duration", "direction", "scope", "language", "workspaceId", "isPrivate", "system")
_PARTY = ("id", "emailAddress", "name", "userId", "speakerId", "affiliation", "phoneNumber", "methods")
_OURS = {"Internal": True, "External": False}
_DIRECTIONS = {"Inbound": "inbound", "Outbound": "outbound"}


def lay_down(call: Mapping[str, Any], transcript: Mapping[str, Any] | None) -> bytes:
    """Return the bytes that are kept of a call: its facts, who took part, and its words if they are given."""
    parties = call.get("parties")
    told = {
        "metaData": {name: call["metaData"][name] for name in _CALL if name in call["metaData"]},
        "parties": [_few(row, _PARTY) for row in parties if isinstance(row, dict)] if isinstance(parties, list) else [],
    } | ({"transcript": transcript.get("transcript")} if transcript is not None else {})
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)


def read_meeting(delivery: Delivery, own: Own, own_names: Sequence[str], *, trusts_names: bool) -> Activity:
    """Read a call that was laid down, with its words where it has any."""
    try:
        told = orjson.loads(delivery.raw)
    except orjson.JSONDecodeError as error:
        raise PermanentError(f"it is not JSON: line {error.lineno}, column {error.colno}") from None
    about = told.get("metaData") if isinstance(told, dict) else None
    if not isinstance(about, dict):
        raise PermanentError("it is no call of Gong's: it has no metaData")
    call = _call(about, tuple(_people(told.get("parties"), own_names)))
    if delivery.headers.get("kind") == "call":
        return call_activity(delivery, call, own)
    return transcript_activity(delivery, call, _turns(told.get("transcript")), own, trusts_names=trusts_names)


def _call(about: Mapping[str, Any], people: tuple[Attendee, ...]) -> Call:
    try:
        at = datetime.fromisoformat(str(about.get("started")))
    except ValueError:
        raise PermanentError("metaData.started is no time") from None
    if not isinstance(about.get("id"), str) or not about["id"]:
        raise PermanentError("metaData.id is no id")
    duration = about.get("duration")
    return Call(
        vendor=VENDOR,
        id=about["id"],
        at=(at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC),
        thread=f"call:{about['id']}",
        people=people,
        duration_s=float(duration) if isinstance(duration, int | float) and 0 < duration < 1_000_000 else None,
        subject=_text(about.get("title")),
        direction=_DIRECTIONS.get(_text(about.get("direction")), ""),
        is_private=about.get("isPrivate") is True,
    )


def _people(parties: Any, own_names: Sequence[str]) -> Iterator[Attendee]:
    declared = {" ".join(name.casefold().split()) for name in own_names}
    for row in parties if isinstance(parties, list) else []:
        if isinstance(row, dict):
            name, email, phone = (_text(row.get(field)) for field in ("name", "emailAddress", "phoneNumber"))
            is_ours = True if name.casefold() in declared else _OURS.get(_text(row.get("affiliation")))
            ref = _text(row.get("speakerId"))
            emails, phones = (email,) if email else (), (phone,) if phone else ()
            yield Attendee(name, emails, phones, is_ours=is_ours, ref=ref, is_there=_is_there(row))


def _is_there(party: Mapping[str, Any]) -> bool:
    """Say whether a party is known to have come: who was invited is listed as well.

    Source: Gong's API, `Party` (2026-11): `speakerId` names who spoke, `methods` holds Invitee or Attendee.
    """
    methods = party.get("methods")
    return bool(_text(party.get("speakerId"))) or (isinstance(methods, list) and "Attendee" in methods)


def _turns(monologues: Any) -> Iterator[Spoken]:
    if not isinstance(monologues, list):
        raise PermanentError("transcript is no list")
    for row in monologues:
        sentences = row.get("sentences") if isinstance(row, dict) else None
        for sentence in sentences if isinstance(sentences, list) else []:
            if isinstance(sentence, dict) and isinstance(sentence.get("text"), str):
                yield Spoken(sentence["text"], ref=_text(row.get("speakerId")))


def _few(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if name in row}


def _text(value: object) -> str:
    return " ".join(value.replace("\0", " ").split())[:500] if isinstance(value, str) else ""
