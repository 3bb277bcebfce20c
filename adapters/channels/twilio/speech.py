"""What was said in a call: real-time words as they come, and finished transcripts with the call that they belong to.

Who speaks is told by the side of the line and not by a name. In real time `inbound_track` is what Twilio hears from the
far end, which is the customer unless a call begins at a desk of ours; a setting says so. In a recording of two channels
the first is the far end of the recorded call and the second is whom Twilio connected to it; for SIP trunks it is the
other way round. So the customer's channel follows from the call's direction, unless the transcript itself says who is
on which, or a person says so in `customer_channel`. Where it can't be told (one channel, no call), everybody counts as
a customer, because that is the role whose word proves least. An agent's words are our side's only with
`trusted_speakers`.

Source: Twilio's `<Transcription>` noun, "Conversation Intelligence (classic)" Transcript and Sentence resources and
"Audio contained on each channel", dual-channel recordings (changelog, 2022-05-25), read 2026-11-23.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from adapters.channels.twilio.calls import sides_of
from adapters.channels.twilio.drafts import Rules, Sides, clean, happened, is_sid, known, rows, sid, system
from sidecar.errors import PermanentError
from sidecar.model import Activity, Actor, Delivery, Participant, Role, Said

UNKNOWN = "Unknown"
NAMES = {Role.CUSTOMER: "Customer", Role.AGENT: "Agent"}
MAX_SENTENCES = 20_000
_CONTENT = "transcription-content"
_TRUNK = frozenset({"trunking-originating", "trunking-terminating"})
_ROLES = {"customer": Role.CUSTOMER, "agent": Role.AGENT}
Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cast:
    """Who is on which channel of a recording, and how that is known."""

    customer: int | None
    rule: str
    names: Mapping[int, str]

    def role(self, channel: int | None) -> Role | None:
        """Return whose words are on a channel; None where that can't be told."""
        if self.customer is None or channel not in (1, 2):
            return None
        return Role.CUSTOMER if channel == self.customer else Role.AGENT

    def told(self) -> str:
        """Return who is on which channel, in words."""
        if self.customer is None:
            return "unknown"
        return f"{self.customer}=customer,{3 - self.customer}=agent"


def live(delivery: Delivery, params: Params, rules: Rules) -> tuple[Activity, ...]:
    """Read a callback of a real-time transcription: the words that are final; what may still change is none."""
    if not (rules.transcripts and rules.live_words):
        return ()
    if params.get("TranscriptionEvent") != _CONTENT or params.get("Final", "true").casefold() != "true":
        return ()
    words, confidence = _said(params.get("TranscriptionData", ""))
    if not words:
        return ()
    call, track = sid(params.get("CallSid"), "CallSid"), params.get("Track", "")
    role = _live_role(track, rules)
    sequence = params.get("SequenceId", "")
    if not (sequence.isascii() and sequence.isdigit() and len(sequence) <= 12):
        raise PermanentError("SequenceId is no number: the words have no place in their call")
    at, problems = happened(delivery, params.get("Timestamp"))
    text, said = _lines([(role, UNKNOWN if role is None else NAMES[role], words)], rules)
    return (
        Activity(
            channel=delivery.channel,
            account=delivery.account,
            external_id=f"{sid(params.get('TranscriptionSid'), 'TranscriptionSid')}:{sequence}",
            kind="transcript",
            at=at,
            actor=system("words of a call, as Twilio hears them"),
            thread=call,
            text=text,
            said=said,
            relates_to=call,
            attributes=known(
                {"track": track, "language": params.get("LanguageCode"), "confidence": confidence, "call_id": call}
            ),
            problems=problems,
        ),
    )


def recorded(delivery: Delivery, params: Params, rules: Rules) -> tuple[Activity, ...]:
    """Read the callback with the text of a recording that nobody parted by speakers."""
    if not rules.transcripts or params.get("TranscriptionStatus") not in (None, "", "completed"):
        return ()
    words = clean(params.get("TranscriptionText")).strip()
    if not words:
        return ()
    call = sid(params.get("CallSid"), "CallSid")
    text, said = _lines([(None, UNKNOWN, words)], rules)
    return (
        Activity(
            channel=delivery.channel,
            account=delivery.account,
            external_id=sid(params.get("TranscriptionSid"), "TranscriptionSid"),
            kind="transcript",
            at=delivery.received_at,
            actor=system("words of a recording, as Twilio hears them"),
            thread=call,
            text=text,
            said=said,
            relates_to=call,
            attributes=known({"recording": params.get("RecordingSid"), "call_id": call}),
        ),
    )


def finished(delivery: Delivery, laid: Params, rules: Rules) -> tuple[Activity, ...]:
    """Read a finished transcript: its sentences, with the recording and the call that it was made of."""
    if not rules.transcripts:
        return ()
    transcript, call, leg = _of(laid, "transcript"), _of(laid, "call"), _of(laid, "leg")
    sides = sides_of(call) or sides_of(leg, call)
    if sides is not None and not rules.counts(sides.ours):
        return ()
    sentences = _sentences(laid)
    cast = cast_of(transcript, _of(laid, "recording"), call, sides, sentences, rules)
    turns = [(cast.role(channel), _name(cast, channel), words) for channel, words in sentences]
    if not turns:
        return ()
    draft = _transcript(delivery, transcript, call, sides, cast)
    text, said = _lines(_joined(turns), rules)
    return (replace(draft, text=text, said=said),)


def _transcript(delivery: Delivery, transcript: Params, call: Params, sides: Sides | None, cast: Cast) -> Activity:
    """All of a transcript's activity but its words."""
    external_id, call_id = sid(transcript.get("sid"), "sid"), call.get("sid")
    is_of_call = is_sid(call_id, "CA")
    at, problems = happened(
        delivery, transcript.get("media_start_time"), call.get("start_time"), transcript.get("date_created")
    )
    told = {
        "channels": cast.told(),
        "channels_by": cast.rule,
        "language": transcript.get("language_code"),
        "call_id": call_id,
        "duration_s": transcript.get("duration"),
    }
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=external_id,
        kind="transcript",
        at=at,
        actor=_actor(delivery.channel, sides),
        participants=_people(delivery.channel, sides, cast),
        thread=str(call_id) if is_of_call else external_id,
        relates_to=str(call_id) if is_of_call else None,
        attributes=known(told),
        problems=problems if cast.customer else (*problems, "who speaks on which channel can't be told"),
    )


def cast_of(
    transcript: Params,
    recording: Params,
    call: Params,
    sides: Sides | None,
    sentences: Sequence[tuple[int | None, str]],
    rules: Rules,
) -> Cast:
    """Say who is on which channel: by the setting, by the transcript's own participants, or by the call's direction."""
    declared, names = _declared(transcript)
    if rules.customer_channel in (1, 2):
        return Cast(rules.customer_channel, "setting", names)
    if declared is not None:
        return Cast(declared, "participants of the transcript", names)
    channels = {channel for channel, _ in sentences}
    if str(recording.get("channels", "")) == "1" or (len(channels) < 2 and not recording):
        return Cast(None, "one channel", {})
    if sides is None:
        return Cast(None, "no call", {})
    is_trunk = call.get("direction") in _TRUNK or str(recording.get("source", "")).casefold() == "trunking"
    first = 1 if sides_of(call) else 2  # of a call that begins at a desk of ours, the far end is ours
    return Cast(3 - first if is_trunk else first, "trunk, reversed" if is_trunk else "direction of the call", {})


def _declared(transcript: Params) -> tuple[int | None, Mapping[int, str]]:
    """The customer's channel and the names by channel, as whoever made the transcript declared its participants."""
    names: dict[int, str] = {}
    found: dict[Role, int] = {}
    for person in rows(_of(transcript, "channel").get("participants"))[:10]:
        number, role = person.get("channel_participant"), _ROLES.get(str(person.get("role", "")).casefold())
        if number in (1, 2) and isinstance(number, int):
            names[number] = " ".join(clean(person.get("full_name")).split())[:200]
            if role is not None:
                found[role] = number
    if Role.CUSTOMER in found:
        return found[Role.CUSTOMER], names
    return (3 - found[Role.AGENT] if Role.AGENT in found else None), names


def _sentences(laid: Params) -> list[tuple[int | None, str]]:
    """The sentences in their order, each with its channel."""
    told = rows(laid.get("sentences"))
    if len(told) > MAX_SENTENCES:
        raise PermanentError(f"{len(told)} sentences; at most {MAX_SENTENCES} are read")
    placed = []
    for place, row in enumerate(told):
        words = " ".join(clean(row.get("transcript")).split())
        index, channel = row.get("sentence_index"), row.get("media_channel")
        if words:
            order = index if isinstance(index, int) else place
            placed.append((order, place, channel if isinstance(channel, int) else None, words))
    return [(channel, words) for _, _, channel, words in sorted(placed, key=lambda row: row[:2])]


def _joined(turns: Sequence[tuple[Role | None, str, str]]) -> list[tuple[Role | None, str, str]]:
    """One turn for what one speaker says in one go; nobody knows whether two unknown ones are the same."""
    joined: list[tuple[Role | None, str, str]] = []
    for role, name, words in turns:
        if joined and role is not None and joined[-1][:2] == (role, name):
            joined[-1] = (role, name, f"{joined[-1][2]} {words}")
        else:
            joined.append((role, name, words))
    return joined


def _lines(turns: Sequence[tuple[Role | None, str, str]], rules: Rules) -> tuple[str, tuple[Said, ...]]:
    """Return a line a turn, `Customer: words`, and the spans that hold the words alone."""
    lines, said, at = [], [], 0
    for role, name, words in turns:
        start = at + len(name) + 2
        by = role or Role.CUSTOMER
        said.append(Said(start, start + len(words), by, by is Role.AGENT and rules.trusted_speakers, name))
        lines.append(f"{name}: {words}")
        at = start + len(words) + 1
    return "\n".join(lines), tuple(said)


def _name(cast: Cast, channel: int | None) -> str:
    role = cast.role(channel)
    return UNKNOWN if role is None else cast.names.get(channel or 0) or NAMES[role]


def _actor(channel: str, sides: Sides | None) -> Actor:
    if sides is None or not sides.customer(channel):
        return system("a transcript of a call")
    return Actor(Role.CUSTOMER, "the one customer of the call", False, sides.name, sides.customer(channel))


def _people(channel: str, sides: Sides | None, cast: Cast) -> tuple[Participant, ...]:
    if sides is None:
        return ()
    name = cast.names.get(cast.customer or 0) or sides.name
    return tuple(
        participant if participant.own else Participant("speaker", name, participant.identifiers)
        for participant in sides.participants(channel, "speaker")
    )


def _live_role(track: str, rules: Rules) -> Role | None:
    if track not in ("inbound_track", "outbound_track"):
        return None
    inbound = Role.CUSTOMER if rules.inbound_track == "customer" else Role.AGENT
    other = Role.AGENT if inbound is Role.CUSTOMER else Role.CUSTOMER
    return inbound if track == "inbound_track" else other


def _said(data: str) -> tuple[str, object]:
    """Read `TranscriptionData`, which is JSON within the form."""
    try:
        told = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise PermanentError("TranscriptionData is no JSON") from None
    if not isinstance(told, dict):
        raise PermanentError("TranscriptionData is no object")
    return " ".join(clean(told.get("transcript")).split()), told.get("confidence")


def _of(value: Params, name: str) -> Params:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
