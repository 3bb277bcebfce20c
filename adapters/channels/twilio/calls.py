"""Calls and recordings: who rang whom, whether it was answered and how long it took, without a word of what was said.

A call that ended is one activity, named by its sid and how it ended, whether a status callback or the list of calls
told it. What happened on the way (ringing, answered) is a status, named by the number that Twilio gives it, since
callbacks come in any order. A leg that `<Dial>` made is no call of its own: its caller's number may be the customer's
passed on, and the one called our own people's. Only where its parent came from a desk of ours, a browser's or a SIP
telephone's, is the one called the customer; a callback doesn't tell that, the poll looks it up.

A recording is told of, as a file of its call, only where words may be kept; nobody fetches it here.

Source: "Call resource", "Recording resource" and their status callbacks, twilio-python 9.13.0, read 2026-11-23.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from adapters.channels.twilio.addresses import is_desk
from adapters.channels.twilio.drafts import Rules, Sides, happened, is_sid, known, moment, seconds, sid, system
from sidecar.model import Activity, Actor, Attachment, Delivery, Role, Said

ENDED = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
INBOUND = frozenset({"inbound", "trunking-originating"})
_TRUNKING = "trunking-terminating"
Params = Mapping[str, Any]


def posted(delivery: Delivery, params: Params, rules: Rules) -> tuple[Activity, ...]:
    """Read a status callback of a call."""
    call = {
        "sid": params.get("CallSid"),
        "status": params.get("CallStatus"),
        "from": params.get("From") or params.get("Caller"),
        "to": params.get("To") or params.get("Called"),
        "direction": params.get("Direction"),
        "parent_call_sid": params.get("ParentCallSid"),
        "duration": params.get("CallDuration"),
        "caller_name": params.get("CallerName"),
        "start_time": _began(params.get("Timestamp"), params.get("CallDuration")),
    }
    sequence = str(params.get("SequenceNumber", ""))
    return _call(delivery, call, None, rules, sequence if sequence.isdigit() and len(sequence) < 6 else "")


def listed(delivery: Delivery, row: Params, parent: Params | None, rules: Rules) -> tuple[Activity, ...]:
    """Read a call as the list has it, with the call that made it where it is a leg."""
    return _call(delivery, row, parent, rules, "")


def recording_posted(delivery: Delivery, params: Params, rules: Rules) -> tuple[Activity, ...]:
    """Read a callback about a recording."""
    recording = {
        "sid": params.get("RecordingSid"),
        "call_sid": params.get("CallSid"),
        "status": params.get("RecordingStatus"),
        "duration": params.get("RecordingDuration"),
        "channels": params.get("RecordingChannels"),
        "source": params.get("RecordingSource"),
        "start_time": params.get("RecordingStartTime"),
    }
    return recording_listed(delivery, recording, rules)


def recording_listed(delivery: Delivery, row: Params, rules: Rules) -> tuple[Activity, ...]:
    """Read a recording as the list has it: a file of its call, which says whose it is."""
    if not rules.transcripts or row.get("status") != "completed" or not is_sid(row.get("call_sid"), "CA"):
        return ()
    external_id, length = sid(row.get("sid"), "RecordingSid"), seconds(row.get("duration"))
    at, problems = happened(delivery, row.get("start_time"), row.get("date_created"))
    return (
        Activity(
            channel=delivery.channel,
            account=delivery.account,
            external_id=external_id,
            kind="call",
            version="recording",
            at=at,
            actor=system("a recording, as Twilio tells"),
            thread=str(row["call_sid"]),
            text=f"Recording of the call, {length} seconds." if length is not None else "Recording of the call.",
            relates_to=str(row["call_sid"]),
            attributes=known({"channels": row.get("channels"), "source": row.get("source"), "duration_s": length}),
            attachments=(Attachment(f"recording/{external_id}", "audio", "audio/mpeg"),),
            problems=problems,
        ),
    )


def sides_of(call: Params, parent: Params | None = None) -> Sides | None:
    """Return the two ends of a call; None for one that joins only our own desks, or whose customer can't be told."""
    origin, target = str(call.get("from") or ""), str(call.get("to") or "")
    name = str(call.get("caller_name") or "")[:200]
    direction = call.get("direction")
    if not (origin and target):
        return None
    if is_sid(call.get("parent_call_sid"), "CA"):
        if parent is None or not is_desk(str(parent.get("from") or "")) or is_desk(target):
            return None
        return Sides(origin, target, False)
    if direction in INBOUND:
        return None if is_desk(origin) else Sides(target, origin, True, name)
    return None if is_desk(target) and direction != _TRUNKING else Sides(origin, target, False)


def _call(delivery: Delivery, call: Params, parent: Params | None, rules: Rules, sequence: str) -> tuple[Activity, ...]:
    external_id, status = sid(call.get("sid"), "CallSid"), _word(call.get("status"))
    sides = sides_of(call, parent)
    if not rules.counts(sides.ours if sides else _any_of_ours(call, rules)):
        return ()
    at, problems = happened(delivery, call.get("start_time"), call.get("end_time"))
    length = seconds(call.get("duration"))
    leg_of = call.get("parent_call_sid")
    about = {"direction": call.get("direction"), "status": status, "duration_s": length, "leg_of": leg_of}
    if status not in ENDED or sides is None:
        return (_status(delivery, external_id, f"{status}:{sequence}", known(about)),)
    actor, text = _actor(sides), _line(sides, status, length)
    return (
        Activity(
            channel=delivery.channel,
            account=delivery.account,
            external_id=external_id,
            kind="call",
            version=status,
            at=at,
            actor=actor,
            participants=sides.participants(delivery.channel),
            thread=str(leg_of) if is_sid(leg_of, "CA") else external_id,
            text=text,
            said=(Said(0, len(text), actor.role, False),),
            relates_to=str(leg_of) if is_sid(leg_of, "CA") else None,
            attributes=known(about),
            problems=problems,
        ),
    )


def _began(ended: object, lasted: object) -> str | None:
    """When a call began, from when it ended: what was said in it comes after that."""
    at, length = moment(ended), seconds(lasted)
    return (at - timedelta(seconds=length or 0)).isoformat() if at else None


def _any_of_ours(call: Params, rules: Rules) -> str:
    """Of a leg whose ends can't be told apart, the end that counts if there is one."""
    ends = [str(call.get("to") or ""), str(call.get("from") or "")]
    return next((end for end in ends if rules.counts(end)), ends[0])


def _status(delivery: Delivery, call: str, version: str, attributes: Mapping[str, str]) -> Activity:
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=call,
        kind="status",
        version=version,
        at=delivery.received_at,
        actor=system("a call's status, as Twilio tells"),
        thread=f"beside:{call}",
        attributes=attributes,
    )


def _actor(sides: Sides) -> Actor:
    """Who is called by us is no customer for that alone.

    Nobody said the line that stands for a call, so it is vouched for by nobody: a machine answers calls as well.
    """
    return Actor(Role.AGENT, "called from our account", True) if not sides.is_inbound else system("a call, by Twilio")


def _line(sides: Sides, status: str, length: int | None) -> str:
    way = "Incoming call" if sides.is_inbound else "Outgoing call"
    if status == "completed":
        return f"{way}, {length} seconds." if length is not None else f"{way}, it ended."
    return f"{way}, not answered ({status})."


def _word(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return text if text.isascii() and text.replace("-", "").isalpha() and len(text) <= 40 else "?"
