"""What booking systems tell, as one canonical line that can be quoted like words that somebody said. Pure.

Example: `Booking bk-1 created for 2026-11-26 10:00 (Europe/London): "Consultation" with Ann Lee.`

Only the part before the colon is what the booking system vouches for. Titles and names are often typed by the visitor
who books, and "Ann Lee attended" must not become a booking system's word that somebody came. What the visitor answered
in the form, or wrote when calling off, stands below the line and is the visitor's own.

A request that nobody confirmed is no booking yet, and a time that has passed shows only that it was planned: both are
told as a `meeting` whose status makes no appointment and ends none.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sidecar.model import Activity, Actor, Delivery, Identifier, Own, Participant, Role, Said

MAX_SHOWN_CHARS = 120
MAX_WORDS, MAX_WORD_CHARS = 30, 5_000
MAX_SKEW = timedelta(minutes=5)
_HAPPENED = {
    "created": "created for",
    "moved": "moved to",
    "cancelled": "cancelled, it was for",
    "attended": "attended, it was for",
    "no_show": "missed (no-show), it was for",
    "not_missed": "no longer marked as missed, it is for",
    "requested": "requested and not confirmed yet, for",
    "declined": "declined by the host, it was requested for",
    "held_as_planned": "was planned for a time that has passed, who came is not known,",
}
_KINDS = {"not_missed": "booking_created", "requested": "meeting", "declined": "meeting", "held_as_planned": "meeting"}
_PHONE = re.compile(r"phone|mobile|whatsapp|telefon|handy|t[ée]l[ée]phone|tel[ée]fono|cellulare|celular", re.IGNORECASE)
_NUMBER = re.compile(r"\+?[0-9][0-9 ()./\u2010-\u2015-]{4,24}[0-9]")


@dataclass(frozen=True, slots=True)
class Appointment:
    """An appointment, as its booking system knows it after the event; `zone` is an IANA name, or empty."""

    id: str
    start: datetime
    zone: str = ""
    title: str = ""
    who: str = ""
    end: datetime | None = None
    previous_start: datetime | None = None


@dataclass(frozen=True, slots=True)
class BookingLine:
    """The line, how many of its characters the booking system vouches for, and the same as attributes."""

    text: str
    vouched: int
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody typed about an appointment: under which heading, and who."""

    heading: str
    text: str
    role: Role = Role.CUSTOMER
    authenticated: bool = False
    who: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that a booking system tells of an appointment, and who is in it.

    `uid` is the appointment's name in calendars, where one is told; `replaces` is the booking that this one took the
    place of, where a booking system gives the same appointment a new name.
    """

    status: str
    appointment: Appointment
    at: datetime
    people: Sequence[Participant]
    version: str = ""
    words: Sequence[Words] = ()
    uid: str = ""
    replaces: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


def booking_line(status: str, appointment: Appointment) -> BookingLine:
    """Put what happened to a booking into words; times are local to the booking."""
    zone = ZoneInfo(appointment.zone) if appointment.zone else None
    start = appointment.start.astimezone(zone) if zone else appointment.start
    attributes = {"booking_id": appointment.id, "status": status, "start": start.isoformat()}
    happened = _HAPPENED[status]
    if appointment.previous_start is not None:
        previous = appointment.previous_start.astimezone(start.tzinfo)
        attributes["previous_start"] = previous.isoformat()
        happened = f"moved from {_shown(previous)} to"
    vouched = f"Booking {appointment.id} {happened} {_shown(start)} ({appointment.zone or _offset(start)})"
    title = _one_line(appointment.title)
    if title:
        attributes["title"] = title
    who = _one_line(appointment.who)
    rest = " ".join(part for part in (f'"{title}"' if title else "", f"with {who}" if who else "") if part)
    return BookingLine(f"{vouched}: {rest}." if rest else f"{vouched}.", len(vouched), attributes)


def booking_activity(delivery: Delivery, told: Told, how: str) -> Activity:
    """Turn what a booking system tells into its activity: a system's word, authenticated; `how` is how we know it."""
    line = booking_line(told.status, told.appointment)
    text, said = _with_words(line, told.words)
    is_late = told.at > delivery.received_at + MAX_SKEW
    booking, kind = told.appointment.id, _KINDS.get(told.status, f"booking_{told.status}")
    attributes = {**line.attributes, **told.attributes}
    if kind == "meeting":
        attributes["proposed_start"] = attributes.pop("start")
    if told.appointment.end is not None:
        attributes["end"] = told.appointment.end.isoformat()
    attributes |= {name: value for name, value in (("uid", told.uid), ("replaces", told.replaces)) if value}
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=booking,
        kind=kind,
        version=told.version,
        at=delivery.received_at if is_late else told.at.astimezone(UTC),
        actor=Actor(Role.SYSTEM, how, authenticated=True),
        participants=tuple(told.people),
        thread=told.uid or f"booking:{told.replaces or booking}",
        text=text,
        said=said,
        relates_to=told.replaces or (None if told.status in ("created", "requested") else booking),
        attributes=attributes,
        problems=("time lies after the receipt; the receipt's is taken",) if is_late else (),
    )


def attendee(name: str, email: str, phones: Iterable[str], own: Own, *, is_guest: bool = False) -> Participant | None:
    """Return somebody who comes to an appointment, None without an address; whom the visitor brings stands behind."""
    given = [Identifier("email", email)] if email else []
    given += [Identifier("phone", phone) for phone in dict.fromkeys(phones)]
    if not given:
        return None
    is_ours = any(own.owns(identifier) for identifier in given if identifier.kind == "email")
    return Participant("cc" if is_guest else "attendee", name, tuple(given), own=is_ours)


def host(name: str, email: str) -> Participant | None:
    """Return whom of our people an appointment is with, None for nobody."""
    if not (name or email):
        return None
    return Participant("organizer", name, (Identifier("email", email),) if email else (), own=True)


def phone_in(question: str, answer: str) -> str:
    """Return the number that an answer is, if its question asks for one; else nothing."""
    given = answer.strip()
    return given if _PHONE.search(question) and _NUMBER.fullmatch(given) else ""


def known_zone(name: object) -> str:
    """Return a time zone's name if it is one that we know; else nothing, so that times are shown in UTC."""
    if not isinstance(name, str) or not 0 < len(name) <= 64:
        return ""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError is a folder of the database, such as "Europe"
        return ""
    return name


def _with_words(line: BookingLine, words: Sequence[Words]) -> tuple[str, tuple[Said, ...]]:
    text, said = line.text, [Said(0, line.vouched, Role.SYSTEM, True)]
    for one in words[:MAX_WORDS]:
        content = one.text.replace("\0", "\ufffd").strip()[:MAX_WORD_CHARS]
        if content:
            text += f"\n{_one_line(one.heading)}: "
            said.append(Said(len(text), len(text) + len(content), one.role, one.authenticated, one.who))
            text += content
    return text, tuple(said)


def _shown(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")


def _offset(at: datetime) -> str:
    return at.strftime("UTC%z")


def _one_line(text: str) -> str:
    return " ".join(text.replace("\0", " ").split()).replace('"', "'")[:MAX_SHOWN_CHARS]
