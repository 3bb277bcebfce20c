"""What Cal.com tells of a booking, by webhook and by its API, and the activities that follow from it.

The two spell the same booking differently (`startTime` and `start`, `iCalUID` and `icsUid`), and the webhook of a
meeting's end holds no `payload`; both are read here once. A move makes a new booking that names the old one, under the
same iCalendar UID: that UID is the thread, so the calendar that Cal.com writes into tells of the same appointment.

A request waits for the host, so it is no booking yet. That a meeting ended is a clock's word: it says that it was
planned, not who came. A no-show is told by webhook without the booking's time, so the poll tells it.

Source: calcom/cal.com (webhooks v2021-10-20: BookingPayloadBuilder; API 2024-08-13: booking.output), cal.com/docs
(webhooks; get all bookings), read 2026-11.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import AliasChoices, BeforeValidator, Field

from adapters.formats.bookings import Appointment, Told, Words, attendee, booking_activity, host, known_zone, phone_in
from adapters.formats.outside import At, Bag, Flag, Line, Part, Rows, Text, read_as, read_object
from sidecar.errors import PermanentError
from sidecar.model import Activity, Delivery, Own, Participant, Role

POLLED = "BOOKING_POLLED"
"""The event of our own making under which a poll lays down what the API told of a booking."""
HOW = "Cal.com, as its signed webhook or its API says"
BY_PHONE = "@sms.cal.com"
"""The end of an address that Cal.com makes up for whoever gave a number alone."""
MAX_GUESTS = 50
_TOLD = {
    "BOOKING_CREATED": "created",
    "BOOKING_RESCHEDULED": "moved",
    "BOOKING_CANCELLED": "cancelled",
    "BOOKING_REQUESTED": "requested",
    "BOOKING_REJECTED": "declined",
    "MEETING_ENDED": "held_as_planned",
}
_NO_WORDS = frozenset(
    {"name", "email", "location", "guests", "title", "attendeePhoneNumber", "smsReminderNumber", "rescheduleReason"}
)
_PHONES = ("attendeePhoneNumber", "smsReminderNumber")


def _emails(value: object) -> object:
    return [row for row in value if isinstance(row, str)] if isinstance(value, list) else []


class Person(Part):
    """An attendee, or one of our people."""

    name: Line = ""
    email: Line = ""
    phone: Line = Field("", validation_alias="phoneNumber")
    zone: Line = Field("", validation_alias="timeZone")
    absent: Flag = Field(False, validation_alias=AliasChoices("absent", "noShow"))


class Booking(Part):
    """A booking, however it is told."""

    uid: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:@/=+-]+$")]
    title: Line = ""
    status: Line = ""
    start: At = Field(validation_alias=AliasChoices("startTime", "start"))
    end: At | None = Field(None, validation_alias=AliasChoices("endTime", "end"))
    calendar_uid: Line = Field("", validation_alias=AliasChoices("iCalUID", "icsUid"))
    replaces: Line = Field("", validation_alias=AliasChoices("rescheduleUid", "rescheduledFromUid"))
    replaced_by: Line = Field("", validation_alias="rescheduledToUid")
    previous_start: At | None = Field(None, validation_alias="rescheduleStartTime")
    attendees: Annotated[tuple[Person, ...], Rows, Field(max_length=1000)] = ()
    guests: Annotated[tuple[str, ...], BeforeValidator(_emails), Field(max_length=1000)] = ()
    organizer: Person | None = None
    hosts: Annotated[tuple[Person, ...], Rows, Field(max_length=200)] = ()
    our_email: Line = Field("", validation_alias="userPrimaryEmail")
    responses: Bag = Field(default_factory=dict, validation_alias=AliasChoices("responses", "bookingFieldsResponses"))
    sms_number: Line = Field("", validation_alias="smsReminderNumber")
    reason: Text = Field("", validation_alias="cancellationReason")
    cancelled_by: Line = Field("", validation_alias=AliasChoices("cancelledBy", "cancelledByEmail"))
    created_at: At | None = Field(None, validation_alias="createdAt")
    updated_at: At | None = Field(None, validation_alias="updatedAt")


class _Envelope(Part):
    created_at: At = Field(validation_alias="createdAt")


class _Laid(Part):
    replaced: Flag = False


def read_activities(delivery: Delivery, own: Own) -> tuple[Activity, ...]:
    """Turn a webhook, or a booking that was asked for, into activities; what tells nothing of a booking into none."""
    data = read_object(delivery.raw)
    kind = data.get("triggerEvent")
    if not isinstance(kind, str):
        raise PermanentError("body is no event of Cal.com's: it names none")
    if kind == POLLED:
        booking = read_as(Booking, _payload(data))
        told: Sequence[Told] = tuple(_polled(booking, own, is_replaced=read_as(_Laid, data).replaced))
    elif kind in _TOLD:
        booking = read_as(Booking, _payload(data))
        at = booking.end if kind == "MEETING_ENDED" and booking.end else read_as(_Envelope, data).created_at
        told = (_tell(_TOLD[kind], booking, own, at),)
    else:
        told = ()
    return tuple(booking_activity(delivery, one, HOW) for one in told)


def lay_down(booking: Mapping[str, Any], *, is_replaced: bool) -> bytes:
    """Return the bytes that are kept of a booking: as told, with whether another one took its place."""
    told = {"triggerEvent": POLLED, "payload": booking, "replaced": is_replaced}
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)


def is_absent(booking: Mapping[str, Any]) -> bool:
    """Say whether whoever booked was marked as absent."""
    people = booking.get("attendees")
    first = people[0] if isinstance(people, list) and people else None
    return isinstance(first, dict) and first.get("absent") is True


def _payload(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A webhook's booking, which is the body itself where a meeting ended."""
    payload = data.get("payload", data)
    if not isinstance(payload, dict):
        raise PermanentError("payload is no object")
    return payload


def _polled(booking: Booking, own: Own, *, is_replaced: bool) -> Iterator[Told]:
    """What a booking's present state says of its life, each under the id that its webhook gave it."""
    made = booking.created_at or booking.updated_at or booking.start
    news = booking.updated_at or made
    if booking.status == "pending":
        yield _tell("requested", booking, own, made)
        return
    if booking.status == "rejected":
        yield _tell("declined", booking, own, news)
        return
    yield _tell("moved" if _before(booking) else "created", booking, own, made)
    if booking.status == "cancelled" and not is_replaced and not booking.replaced_by:
        yield _tell("cancelled", booking, own, news)
    if booking.attendees and booking.attendees[0].absent:
        yield _tell("no_show", booking, own, news)


def _before(booking: Booking) -> str:
    """The booking that this one took the place of."""
    return booking.replaces if booking.replaces != booking.uid else ""


def _tell(status: str, booking: Booking, own: Own, at: datetime) -> Told:
    first = booking.attendees[0] if booking.attendees else Person()
    previous = booking.previous_start if status == "moved" else None
    zone = known_zone(first.zone)
    told = Appointment(booking.uid, booking.start, zone, booking.title, first.name, booking.end, previous)
    replaces = _before(booking) if status == "moved" else ""
    words = tuple(_words(status, booking, first.name))
    return Told(status, told, at, tuple(_people(booking, own)), "", words, booking.calendar_uid, replaces)


def _words(status: str, booking: Booking, who: str) -> Iterator[Words]:
    """What the visitor typed into the form, and why somebody called off."""
    if status in ("created", "moved", "requested"):
        for name, given in booking.responses.items():
            value = given.get("value") if isinstance(given, dict) else given
            if name not in _NO_WORDS and isinstance(value, str):
                yield Words(name, value, who=who)
    if status in ("cancelled", "declined") and booking.reason:
        ours = {booking.our_email, *(one.email for one in booking.hosts)}
        ours |= {booking.organizer.email} if booking.organizer else set()
        by_us = status == "declined" or (booking.cancelled_by != "" and booking.cancelled_by in ours)
        yield Words("Reason", booking.reason, Role.AGENT, True) if by_us else Words("Reason", booking.reason)


def _people(booking: Booking, own: Own) -> Iterator[Participant]:
    listed = set[str]()
    for place, one in enumerate(booking.attendees[:MAX_GUESTS]):
        email = "" if one.email.endswith(BY_PHONE) else one.email
        listed.add(one.email.casefold())
        phones = (one.phone, *(_numbers(booking) if place == 0 else ()))
        yield from _known(attendee(one.name, email, filter(None, phones), own, is_guest=place > 0))
    for guest in booking.guests[:MAX_GUESTS]:
        if guest.casefold() not in listed and len(guest) <= 320:
            yield from _known(attendee("", guest, (), own, is_guest=True))
    ours = booking.hosts or ((booking.organizer,) if booking.organizer else (Person(email=booking.our_email),))
    for one in ours[:MAX_GUESTS]:
        yield from _known(host(one.name, one.email))


def _numbers(booking: Booking) -> Iterator[str]:
    """The numbers that the visitor gave, in the fields that ask for one."""
    yield booking.sms_number
    for name, given in booking.responses.items():
        value = given.get("value") if isinstance(given, dict) else given
        if isinstance(value, str):
            yield phone_in("phone" if name in _PHONES else name, value)


def _known(participant: Participant | None) -> Iterator[Participant]:
    if participant is not None:
        yield participant
