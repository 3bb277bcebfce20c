"""What Calendly tells of an invitee, by webhook and when it is asked, and the activities that follow from it.

An invitee is one person's place in one event. He is made once and called off once, so what happened to him is named by
his own id, whoever told us of it. Moving calls the old invitee off and makes a new one, in two webhooks of any order:
the new one tells the move, with whose place it took, and the old one's end says nothing more. A no-show is named by its
own id, because it can be taken back and said again.

What the invitee answered in the form, and wrote when calling off, are his own words. Times are told in his time zone.

Source: developer.calendly.com (webhook payloads; invitee; event), read 2026-11.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import Field

from adapters.formats.bookings import (
    Appointment,
    Told,
    Words,
    attendee,
    booking_activity,
    host,
    known_zone,
    phone_in,
)
from adapters.formats.outside import At, Bag, Flag, Line, Part, Rows, Text, read_as, read_object
from sidecar.errors import PermanentError
from sidecar.model import Activity, Delivery, Own, Participant, Role

POLLED = "invitee.polled"
"""The event of our own making under which a poll lays down what the API told of an invitee."""
INVITEE_EVENTS = frozenset(
    {"invitee.created", "invitee.canceled", "invitee_no_show.created", "invitee_no_show.deleted", POLLED}
)
HOW = "Calendly, as its signed webhook or its API says"
MAX_GUESTS = 50


class Membership(Part):
    """One of our people in an event."""

    user_email: Line = ""
    user_name: Line = ""


class Guest(Part):
    """Somebody whom the invitee brings."""

    email: Line = ""


class Event(Part):
    """An appointment of one or more invitees."""

    uri: Annotated[str, Field(min_length=1, max_length=500)]
    name: Line = ""
    start_time: At
    end_time: At | None = None
    location: Bag = Field(default_factory=dict)
    event_memberships: Annotated[tuple[Membership, ...], Rows, Field(max_length=200)] = ()
    event_guests: Annotated[tuple[Guest, ...], Rows, Field(max_length=200)] = ()


class Answer(Part):
    """One question of the form, and what the invitee typed."""

    question: Line = ""
    answer: Text = ""


class Cancellation(Part):
    """Who called off, and why."""

    reason: Text = ""
    canceler_type: Line = ""
    created_at: At | None = None


class NoShow(Part):
    """The mark that somebody didn't come."""

    uri: Annotated[str, Field(min_length=1, max_length=500)]
    created_at: At


class Invitee(Part):
    """One person's place in an event."""

    uri: Annotated[str, Field(min_length=1, max_length=500)]
    name: Line = ""
    email: Line = ""
    status: Line = ""
    timezone: Line = ""
    created_at: At
    updated_at: At | None = None
    rescheduled: Flag = False
    old_invitee: Line = ""
    text_reminder_number: Line = ""
    questions_and_answers: Annotated[tuple[Answer, ...], Rows, Field(max_length=100)] = ()
    cancellation: Cancellation | None = None
    no_show: NoShow | None = None
    scheduled_event: Event


def read_activities(delivery: Delivery, own: Own) -> tuple[Activity, ...]:
    """Turn a webhook, or an invitee that was asked for, into activities; what says nothing of an invitee into none."""
    data = read_object(delivery.raw)
    kind, payload = data.get("event"), data.get("payload")
    if not isinstance(kind, str) or not isinstance(payload, dict):
        raise PermanentError("body is no event of Calendly's: it names none, or has no payload")
    if kind not in INVITEE_EVENTS or "scheduled_event" not in payload:
        return ()
    invitee = read_as(Invitee, payload)
    happened = read_as(_Happened, data).created_at if kind != POLLED else None
    return tuple(booking_activity(delivery, told, HOW) for told in _told(kind, invitee, happened, own))


def lay_down(event: Mapping[str, Any], invitee: Mapping[str, Any]) -> bytes:
    """Return the bytes that are kept of an invitee: as told, with the event that he is in."""
    told = {"event": POLLED, "payload": {**invitee, "scheduled_event": event}}
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)


def last_part(uri: str) -> str:
    """Return the id at the end of one of Calendly's addresses; no character of it can be anything else in a text."""
    name = uri.rstrip("/").rsplit("/", 1)[-1]
    return "".join(char for char in name if char.isascii() and (char.isalnum() or char in "_-"))[:100]


class _Happened(Part):
    created_at: At


def _told(kind: str, invitee: Invitee, happened: datetime | None, own: Own) -> Iterator[Told]:
    is_polled = kind == POLLED
    if kind == "invitee.created" or is_polled:
        yield _made(invitee, own)
    if (kind == "invitee.canceled" or (is_polled and invitee.status == "canceled")) and not invitee.rescheduled:
        yield _cancelled(invitee, happened, own)
    if invitee.no_show is not None and kind in ("invitee_no_show.created", POLLED):
        marked = invitee.no_show
        yield _tell("no_show", invitee, own, marked.created_at, version=last_part(marked.uri))
    if kind == "invitee_no_show.deleted" and happened is not None:
        yield _tell("not_missed", invitee, own, happened, version=f"not_missed:{happened.isoformat()}")


def _made(invitee: Invitee, own: Own) -> Told:
    words = [Words(one.question, one.answer, who=invitee.name) for one in invitee.questions_and_answers]
    replaces = last_part(invitee.old_invitee)
    return _tell("moved" if replaces else "created", invitee, own, invitee.created_at, words, replaces=replaces)


def _cancelled(invitee: Invitee, happened: datetime | None, own: Own) -> Told:
    cause = invitee.cancellation or Cancellation()
    is_host = cause.canceler_type == "host"
    words = [Words("Reason", cause.reason, Role.AGENT, True)] if is_host else [Words("Reason", cause.reason)]
    at = cause.created_at or happened or invitee.updated_at or invitee.created_at
    by = {"cancelled_by": cause.canceler_type} if cause.canceler_type in ("host", "invitee") else {}
    return _tell("cancelled", invitee, own, at, words, attributes=by)


def _tell(
    status: str,
    invitee: Invitee,
    own: Own,
    at: datetime,
    words: Sequence[Words] = (),
    *,
    version: str = "",
    replaces: str = "",
    attributes: Mapping[str, str] | None = None,
) -> Told:
    event, zone = invitee.scheduled_event, known_zone(invitee.timezone)
    id = last_part(invitee.uri)
    if not id:
        raise PermanentError("payload.uri is no address of an invitee")
    appointment = Appointment(id, event.start_time, zone, event.name, invitee.name, event.end_time)
    given = {**(attributes or {}), "event": last_part(event.uri)}
    return Told(status, appointment, at, tuple(_people(invitee, own)), version, words, "", replaces, given)


def _people(invitee: Invitee, own: Own) -> Iterator[Participant]:
    event = invitee.scheduled_event
    answers = (phone_in(one.question, one.answer) for one in invitee.questions_and_answers)
    place = event.location
    called = place.get("location") if place.get("type") == "outbound_call" else ""
    phones = [invitee.text_reminder_number, phone_in("phone", called) if isinstance(called, str) else "", *answers]
    yield from _known(attendee(invitee.name, invitee.email, filter(None, phones), own))
    for guest in event.event_guests[:MAX_GUESTS]:
        yield from _known(attendee("", guest.email, (), own, is_guest=True))
    for ours in event.event_memberships[:MAX_GUESTS]:
        yield from _known(host(ours.user_name, ours.user_email))


def _known(participant: Participant | None) -> Iterator[Participant]:
    if participant is not None:
        yield participant
