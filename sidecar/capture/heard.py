"""The words of a voice note: captured as a delivery of their own, since no provider sent them to us.

A file is fetched and heard once; what is kept is not its bytes but what became of it: its hash, who heard what, or why
nobody could. That record is raw like any other delivery, so it is parsed here, by the core, and any time again with
the same outcome: the words are another version of the message that brought the file, said by whoever sent it. What had
no outcome to speak of becomes a status: kept and counted, and no talk. In the recording of a call several people speak
and nobody says who, so its words are a transcript of which all counts as the customer's, who is trusted least.

The record repeats who sent the message and when, so that reading it needs nothing else; a deletion of the message
takes the words with it, because both bear its id.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

from pydantic import TypeAdapter, ValidationError

from sidecar.errors import PermanentError
from sidecar.model import Activity, Actor, Attachment, Delivery, Participant, Role, Said
from sidecar.model.means import AUDIO_MS, AUDIO_NANO_USD, HEARD_BY
from sidecar.ports import Captured, Transcript

HEARD = "heard"
"""Header that marks a delivery as such a record; adapters choose names of headers, their senders never do."""
MAX_CHARS = 200_000
LEAST_BYTES_PER_S = 2_000
"""16 kbit/s, as lean as voice notes are: a length that nobody told is rather taken as too long."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What became of one file of a message: a transcript, or a problem that says why there is none."""

    activity: str
    place: int
    attachment: Attachment
    external_id: str
    at: datetime
    thread: str
    actor: Actor
    participants: tuple[Participant, ...]
    size_bytes: int | None = None
    sha256: str = ""
    problem: str = ""
    transcript: Transcript | None = None
    kind: str = "message"


def key_of(activity: Activity, place: int) -> str:
    """Return the delivery key under which the words of an activity's file are kept, by its place in the message."""
    return f"media:{activity.id}:{place}"


def hearing_of(activity: Activity, place: int) -> Hearing:
    """Return the record of a file of an activity, as yet without an outcome."""
    return Hearing(
        activity=activity.id,
        place=place,
        attachment=activity.attachments[place],
        external_id=activity.external_id,
        kind=activity.kind,
        at=activity.at,
        thread=activity.thread,
        actor=activity.actor,
        participants=activity.participants,
    )


def to_captured(record: Hearing, account: str, key: str, usd_per_minute: float = 0.0) -> Captured:
    """Return a record as raw bytes, with no more words than are read again; its headers say what hearing it took."""
    found, headers = record.transcript, {HEARD: record.activity}
    if found is not None:
        audio_ms = _audio_ms(found, record.size_bytes or 0)
        nano_usd = round(audio_ms / 60_000 * usd_per_minute * 1_000_000_000)
        headers |= {HEARD_BY: found.model, AUDIO_MS: str(audio_ms), AUDIO_NANO_USD: str(nano_usd)}
        text = found.text.replace("\0", "\ufffd").strip()[:MAX_CHARS]
        record = replace(record, transcript=replace(found, text=text))
    return Captured(account, _adapter().dump_json(record), key, headers)


def read_heard(delivery: Delivery) -> tuple[Activity, ...]:
    """Read a record into the words that were heard, or into a status that says why there are none."""
    try:
        record = _adapter().validate_json(delivery.raw)
    except ValidationError as error:
        raise PermanentError(f"a transcript of ours can't be read: {error.error_count()} fields are wrong") from None
    found = record.transcript
    if found is None or not found.text:
        return (_unheard(delivery, record),)
    is_message = record.kind == "message" and record.actor.role is not Role.SYSTEM
    actor = record.actor if is_message else Actor(Role.CUSTOMER, "somebody in a recording, which doesn't say who")
    told = {"language": found.language, "seconds": f"{found.duration_s:.1f}" if found.duration_s is not None else ""}
    attributes = {"heard_by": found.model, "file": record.attachment.kind, **told}
    return (
        Activity(
            channel=delivery.channel,
            account=delivery.account,
            external_id=record.external_id,
            kind="message" if is_message else "transcript",
            version=f"{HEARD}:{record.place}",
            at=record.at,
            actor=actor,
            participants=record.participants if is_message else (),
            thread=record.thread,
            text=found.text,
            said=(Said(0, len(found.text), actor.role, actor.authenticated, actor.name),),
            relates_to=record.external_id,
            attributes={name: value for name, value in attributes.items() if value},
        ),
    )


def _audio_ms(found: Transcript, size_bytes: int) -> int:
    """Return how long a file is; where the endpoint doesn't say, as long as it would be at a voice note's bit rate."""
    seconds = found.duration_s if found.duration_s is not None else size_bytes / LEAST_BYTES_PER_S
    return round(seconds * 1_000)


def _unheard(delivery: Delivery, record: Hearing) -> Activity:
    """It names nobody and follows no message, so that it counts and sets nothing in motion."""
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=f"{record.external_id}:{HEARD}:{record.place}",
        kind="status",
        at=record.at,
        actor=Actor(Role.SYSTEM, "what became of a file that a message brought"),
        thread=record.thread,
        attributes={"event": "unheard", "file": record.attachment.kind},
        problems=(record.problem or "nothing was said in it",),
    )


@cache
def _adapter() -> TypeAdapter[Hearing]:
    return TypeAdapter(Hearing)
