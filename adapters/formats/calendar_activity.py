"""Calendar events as activities of the kind `meeting`: proposed, updated, cancelled, accepted, declined, and by whom.

An event in a mail is taken for its sender's act, and only for what is his to do: the organizer invites, changes and
calls off, a guest answers. Any other event in a mail (forwarded, forged, sent by a service in somebody's name) stays an
attachment, and the mail says so. So an event has the authority of the mail that brought it, and never more: ours is
authenticated only from our own sent folder. A calendar's entry that nobody sent is a system's word.

Each is one line of text whose part before the colon is what the calendar states; the title, place and names behind it
were typed by somebody, and nobody's `Ann attended` becomes a calendar's word. The start stands in the attribute `start`
only where both sides have agreed, else in `proposed_start`. That an event's time has passed shows that it was planned,
not that anybody came. A private event keeps its title and place to itself.

A series is one activity, with its rule in words; each day that somebody moved, called off or took out of it is another,
in the same thread, named by the time that it first had. A day that merely passed is nothing that anybody did: it is
told (`held_as_planned`) only when the day has an entry of its own that is read afterwards, and the series once its last
day is over. The time of a series is the day on which it was next on when it was read; its text tells the first.

What one version replaces isn't known here: a changed event tells its new time, not the old one. The version is made of
the content and its sender, so that a copy is the same fact and nobody's forgery takes another's place.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from adapters.formats.ics import Event, Guest, read_calendar
from adapters.formats.ics_series import is_day_of, is_over, occurrences
from adapters.formats.mail_activity import SENT_VERSION, mail_activity
from adapters.formats.mime import Mail
from sidecar.errors import PermanentError
from sidecar.model import Activity, Actor, Delivery, Identifier, Own, Participant, Role, Said

PARTS_MAX = 5
SENT_EVENTS_MAX = 50
SHOWN_CHARS = 120
SHOWN_PEOPLE = 10
SERIES_MAX = 20
TAKEN_OUT_MAX = 50
_BY_ORGANIZER = frozenset({"REQUEST", "ADD", "CANCEL", "PUBLISH", "DECLINECOUNTER"})
_BY_GUEST = frozenset({"REPLY", "COUNTER"})
_ANSWERS = {"accepted": "accepted", "declined": "declined", "tentative": "tentative"}
_HAPPENED = {
    "proposed": "proposed for",
    "updated": "updated, now proposed for",
    "cancelled": "cancelled, it was for",
    "occurrence_cancelled": "of a series cancelled for one day only, it was for",
    "accepted": "accepted, it is for",
    "declined": "declined, it was proposed for",
    "tentative": "answered with perhaps, it is proposed for",
    "answered": "answered with neither yes nor no, it is proposed for",
    "countered": "not answered but proposed anew, for",
    "counter_declined": "stays as it was, another time was declined, for",
    "planned": "planned for",
    "held_as_planned": "was planned for a time that has passed, who came is not known,",
}


@dataclass(frozen=True, slots=True)
class _Told:
    """What an event tells: in which state the meeting is, by whom, when that was said, and before which version."""

    status: str
    actor: Actor
    at: datetime
    prefix: str = ""


def mail_activities(
    delivery: Delivery, mail: Mail, own: Own, arrived_at: datetime, in_sent_folder: bool
) -> tuple[Activity, ...]:
    """Turn a mail into its activity, and the invitations and answers in it into theirs; what can't be is a problem."""
    base = mail_activity(delivery, mail, own, arrived_at, in_sent_folder)
    prefix = SENT_VERSION if in_sent_folder else ""
    problems: list[str] = []
    found: dict[tuple[str, str], Activity] = {}
    for part in mail.calendar_parts[:PARTS_MAX]:
        try:
            events = read_calendar(part.content, own.timezone)
        except PermanentError as error:
            problems.append(f"calendar part: {error}")
            continue
        if len(events) > SENT_EVENTS_MAX:
            problems.append(f"calendar part: {len(events)} events, the first {SENT_EVENTS_MAX} are read")
        for event in events[:SENT_EVENTS_MAX]:
            method = event.method or part.method
            status = _sent_status(replace(event, method=method), base.actor, own)
            if status:
                told = _Told(status, base.actor, base.at, prefix)
                activity = _activity(delivery, replace(event, method=method), told, own)
                found.setdefault((activity.external_id, activity.version), activity)
            else:
                problems.append("calendar part: its event isn't its sender's to send; it is read as an attachment")
    if len(mail.calendar_parts) > PARTS_MAX:
        problems.append(f"{len(mail.calendar_parts)} calendar parts: the first {PARTS_MAX} are read")
    whole = replace(base, problems=base.problems + tuple(dict.fromkeys(problems)))
    return (whole, *found.values())


def entry_activities(
    delivery: Delivery, own: Own, how: str, authenticated: bool = False, prefix: str = ""
) -> tuple[Activity, ...]:
    """Turn the iCalendar entries of a calendar, as of the delivery's receipt, into activities; see below."""
    return event_activities(delivery, read_calendar(delivery.raw, own.timezone), own, how, authenticated, prefix)


def event_activities(
    delivery: Delivery, events: Iterable[Event], own: Own, how: str, authenticated: bool = False, prefix: str = ""
) -> tuple[Activity, ...]:
    """Turn a calendar's own entries, however they were told, into activities; `how` is how we know of them.

    `prefix` stands before their versions where the same words are news again.

    They are authenticated, where that is asked for, only if our side began them: invitations come from anybody.
    """
    found: dict[tuple[str, str], Activity] = {}
    told = tuple(events)
    exceptions: dict[str, list[Event]] = {}
    for event in told:
        if event.recurrence:
            exceptions.setdefault(event.uid, []).append(event)
    for event in _spelt_out(told, exceptions, delivery.received_at):
        at = event.stamped_at or delivery.received_at
        status = _entered_status(event, own, delivery.received_at)
        is_sure = authenticated and (event.organizer is None or _is_ours(event.organizer, own))
        said = _Told(status, Actor(Role.SYSTEM, how, is_sure), min(at, delivery.received_at), prefix)
        activity = _activity(delivery, event, said, own)
        found.setdefault((activity.external_id, activity.version), activity)
    return tuple(found.values())


def removal_activity(delivery: Delivery, uid: str, how: str) -> Activity:
    """Turn an entry's removal from a calendar into an activity; whether it was cancelled is nothing that it shows."""
    text = "Meeting removed from the calendar, for a reason that is not known."
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=uid,
        kind="meeting",
        version=f"removed:{delivery.key}",
        at=delivery.received_at,
        actor=Actor(Role.SYSTEM, how),
        thread=uid,
        text=text,
        said=(Said(0, len(text), Role.SYSTEM, False),),
        relates_to=uid,  # it names nobody, so it is the party's whose the entry was
        attributes={"uid": uid, "status": "removed"},
    )


def cancelled_activity(delivery: Delivery, event: Event, own: Own, how: str) -> Activity:
    """Turn a cancellation of which no more is known than what and when, and `how`, into an activity.

    It names nobody, so it is the party's whose the meeting was.
    """
    status = "occurrence_cancelled" if event.recurrence else "cancelled"
    told = _Told(status, Actor(Role.SYSTEM, how), min(event.stamped_at or delivery.received_at, delivery.received_at))
    return replace(_activity(delivery, event, told, own), relates_to=event.uid)


def _spelt_out(told: Sequence[Event], exceptions: Mapping[str, Sequence[Event]], now: datetime) -> Iterator[Event]:
    """The events as told, each series with when it is next on, and behind it the days that were taken out of it."""
    spelt = 0
    for event in told:
        is_series = bool(event.repeats or event.added) and not event.recurrence
        spelt += is_series
        if is_series and spelt <= SERIES_MAX:
            yield from _series(event, exceptions.get(event.uid, ()), now)
        elif is_series:
            more = f"more than {SERIES_MAX} series: when this one is next on isn't read"
            yield replace(event, problems=(*event.problems, more))
        else:
            yield event


def _series(event: Event, exceptions: Sequence[Event], now: datetime) -> Iterator[Event]:
    if event.status == "CANCELLED" or event.method == "CANCEL":
        yield event
        return
    days = occurrences(event, exceptions, now)
    coming = next((day.start for day in days if day.start >= now), None)
    yield replace(event, next_start=coming, is_over=is_over(event, exceptions, now))
    length = (event.end - event.start) if event.start and event.end else timedelta()
    known = {exception.recurrence for exception in exceptions}
    taken = [at for at in event.excluded if at + length >= now and at.astimezone(UTC).isoformat() not in known]
    for at in [at for at in taken[: 2 * TAKEN_OUT_MAX] if is_day_of(event, at)][:TAKEN_OUT_MAX]:
        yield _taken_out(event, at.astimezone(event.start.tzinfo if event.start else UTC), length)


def _taken_out(event: Event, at: datetime, length: timedelta) -> Event:
    """A day that a series leaves out, as the exception that says so."""
    return Event(
        uid=event.uid,
        recurrence=at.astimezone(UTC).isoformat(),
        method=event.method,
        status="CANCELLED",
        start=at,
        end=at + length,
        is_all_day=event.is_all_day,
        zone=event.zone,
        organizer=event.organizer and replace(event.organizer, answer=""),
        guests=tuple(replace(guest, answer="") for guest in event.guests),
        summary=event.summary,
        location=event.location,
        is_private=event.is_private,
    )  # no sequence, stamp or answer: the same fact however often the series is written anew


def _sent_status(event: Event, sender: Actor, own: Own) -> str:
    """What the sender of an event does with it, "" when it isn't his to do."""
    organizer = event.organizer
    if event.method in _BY_ORGANIZER:
        if organizer is None or not _is(sender, organizer, own):
            return ""
        if event.method == "CANCEL" or event.status == "CANCELLED":
            return "occurrence_cancelled" if event.recurrence else "cancelled"
        if event.method == "DECLINECOUNTER":
            return "counter_declined"
        is_first = event.sequence == 0 and event.method in ("REQUEST", "PUBLISH")
        return "proposed" if is_first else "updated"
    guest = next((guest for guest in event.guests if _is(sender, guest, own)), None)
    if event.method not in _BY_GUEST or guest is None:
        return ""
    return "countered" if event.method == "COUNTER" else _ANSWERS.get(guest.answer, "answered")


def _is(sender: Actor, guest: Guest, own: Own) -> bool:
    """Whether a mail's sender is somebody; from our own sent folder we may act for any of our people."""
    if sender.authenticated and _is_ours(guest, own):
        return True
    return any(guest.email.casefold() == identifier.value.casefold() for identifier in sender.identifiers)


def _is_ours(guest: Guest, own: Own) -> bool:
    return guest.is_ours or own.owns(Identifier("email", guest.email))


def _entered_status(event: Event, own: Own, now: datetime) -> str:
    if event.status == "CANCELLED" or event.method == "CANCEL":
        return "occurrence_cancelled" if event.recurrence else "cancelled"
    people = [guest for guest in event.guests if guest.is_person]
    theirs = {guest.answer for guest in people if not _is_ours(guest, own)}
    ours = {guest.answer for guest in people if _is_ours(guest, own)}
    begun_by_us = event.organizer is None or _is_ours(event.organizer, own)
    asked = theirs if begun_by_us else ours
    if asked == {"declined"}:
        return "declined"
    is_over = event.is_over if event.repeats or event.added else event.end is not None and event.end < now
    if is_over:
        return "held_as_planned"
    return "accepted" if "accepted" in asked else "planned"


def _activity(delivery: Delivery, event: Event, told: _Told, own: Own) -> Activity:
    text, vouched = _line(event, told)
    actor = told.actor
    people = [("organizer", event.organizer)] if event.organizer else list[tuple[str, Guest]]()
    people += [("attendee", guest) for guest in event.guests if guest.is_person]
    stamp = event.stamped_at.isoformat() if event.stamped_at else ""
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=f"{event.uid}#{event.recurrence}" if event.recurrence else event.uid,
        kind="meeting",
        version=f"{told.prefix}{event.method}:{event.sequence}:{stamp}:{_digest(event, told)}",
        at=told.at,
        actor=actor,
        participants=tuple(_participant(part, guest, own) for part, guest in people),
        thread=event.uid,
        text=text,
        said=(Said(0, vouched, actor.role, actor.authenticated, actor.name),),
        attributes=_attributes(event, told, own),
        problems=event.problems,
    )


def _line(event: Event, told: _Told) -> tuple[str, int]:
    """The line, and how many of its characters the calendar states. Example:

    `Meeting accepted, it is for 2026-11-30 10:00 to 11:00 (Europe/Berlin), by bob@example.org: "Offer" with Bob Lee.`
    """
    sender = next(iter(told.actor.identifiers), None)
    by = f", by {sender.value}" if sender and told.actor.role is not Role.SYSTEM else ""
    vouched = f"Meeting {_HAPPENED[told.status]} {_shown(event)}{_repeated(event)}{by}"
    title = "" if event.is_private else _one_line(event.summary)
    place = "" if event.is_private else _one_line(event.location)
    parts = (f'"{title}"' if title else "", f"at {place}" if place else "", _with(event.guests))
    rest = " ".join(part for part in parts if part)
    return (f"{vouched}: {rest}." if rest else f"{vouched}."), len(vouched)


def _shown(event: Event) -> str:
    """When it is, as its own calendar shows it; the end of whole days is the last of them."""
    start, end = event.start, event.end
    if start is None:
        return "a time that isn't said"
    if event.is_all_day:
        last = (end - timedelta(days=1)).date() if end and end > start else start.date()
        return f"{start.date()}" if last <= start.date() else f"{start.date()} to {last}"
    until = ""
    if end and end > start:
        until = f" to {end:%H:%M}" if end.date() == start.date() else f" to {end:%Y-%m-%d %H:%M}"
    return f"{start:%Y-%m-%d %H:%M}{until} ({event.zone or start.strftime('UTC%z')})"


def _repeated(event: Event) -> str:
    """How a series goes on, or which day of a series this one stands for."""
    added = f", also on {len(event.added)} other days" if event.added else ""
    if event.repeats:
        return f", and {event.repeats}{'' if event.ends else ' from then on'}{added}"
    later = ", and so on all later days of the series" if event.and_later else ""
    if not event.recurrence or event.start is None:
        return f"{added}{later}"
    first = datetime.fromisoformat(event.recurrence)
    if first == event.start.astimezone(UTC):
        return later
    shown = first.astimezone(event.start.tzinfo)
    return (
        f", in place of {shown:%Y-%m-%d}{later}" if event.is_all_day else f", in place of {shown:%Y-%m-%d %H:%M}{later}"
    )


def _with(guests: Iterable[Guest]) -> str:
    names = [_one_line(guest.name) or guest.email for guest in guests if guest.is_person]
    more = f" and {len(names) - SHOWN_PEOPLE} more" if len(names) > SHOWN_PEOPLE else ""
    return f"with {', '.join(names[:SHOWN_PEOPLE])}{more}" if names else ""


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace('"', "'")[:SHOWN_CHARS]


def _participant(part: str, guest: Guest, own: Own) -> Participant:
    identifier = Identifier("email", guest.email)
    return Participant(part, guest.name, (identifier,), own=guest.is_ours or own.owns(identifier))


def _attributes(event: Event, told: _Told, own: Own) -> dict[str, str]:
    found = {"uid": event.uid, "status": told.status, "sequence": str(event.sequence), "method": event.method}
    organizer_is_ours = event.organizer is not None and _is_ours(event.organizer, own)
    # A guest's yes agrees only to what our side has proposed; ours agrees to whatever it answers.
    by_us = told.actor.role is Role.AGENT
    is_agreed = told.status == "accepted" and (told.actor.role is Role.SYSTEM or by_us or organizer_is_ours)
    start, end = _coming(event)
    if start:
        found["start" if is_agreed else "proposed_start"] = start.isoformat()
    if end:
        found["end"] = end.isoformat()
    if event.recurrence:
        found["occurrence"] = event.recurrence
    if event.repeats:
        found["repeats"] = event.repeats
    if event.next_start and told.status not in ("declined", "held_as_planned"):
        found["next_start"] = event.next_start.isoformat()
    if event.start and start != event.start:
        found["series_start"] = event.start.isoformat()
    if event.and_later:
        found["range"] = "this and all later days"
    if event.is_private:
        found["visibility"] = "private"
    elif event.summary:
        found["title"] = _one_line(event.summary)
    return {name: value for name, value in found.items() if value}


def _coming(event: Event) -> tuple[datetime | None, datetime | None]:
    """When it is; of a series the day on which it is next on, as of its reading."""
    if event.start is None or event.next_start is None or event.next_start <= event.start:
        return event.start, event.end
    return event.next_start, event.next_start + (event.end - event.start if event.end else timedelta())


def _digest(event: Event, told: _Told) -> str:
    """What makes two events with the same UID, SEQUENCE and DTSTAMP two: who says it, and anything that it says."""
    people: Sequence[Guest] = (*((event.organizer,) if event.organizer else ()), *event.guests)
    content = [
        told.status,
        sorted(f"{identifier}".casefold() for identifier in told.actor.identifiers),
        event.start.isoformat() if event.start else "",
        event.end.isoformat() if event.end else "",
        [event.summary, event.location, event.repeats, event.is_private, *_more(event)],
        sorted([guest.email.casefold(), guest.answer, guest.name] for guest in people),
    ]
    return sha256(json.dumps(content).encode()).hexdigest()[:16]


def _more(event: Event) -> Sequence[str]:
    """What a series and its exceptions say beside; nothing for a single event."""
    added = [at.astimezone(UTC).isoformat() for at in event.added]
    return [*added, *(["later"] if event.and_later else [])]
