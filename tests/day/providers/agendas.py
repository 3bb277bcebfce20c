"""Calendars of our people, wherever they are kept: they tell how things stand, and little of what went before.

What is done there is the same everywhere: somebody plans a meeting with a customer, it is moved, the customer says yes,
it is called off, or it is deleted. How each of them says so differs, and stands in its class.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from adapters.channels.gcalendar import GoogleCalendarChannel
from sidecar.app import App
from tests.contract.test_channel_icsfeed import Publisher
from tests.day.people import Person
from tests.day.provider import Provider, Push, by_settings
from tests.support.authorities import KEY
from tests.twins.gcalendar import GoogleCalendarTwin
from tests.twins.gcalendar.__main__ import SETTINGS as GOOGLE
from tests.twins.graph import GraphTwin
from tests.twins.graph.__main__ import SETTINGS as GRAPH
from tests.twins.wire.faults import Status

LONG = timedelta(hours=1)
ORGANIZER = "desk@ours.test"


@dataclass(frozen=True)
class Meeting:
    """A meeting as its calendar holds it now."""

    uid: str
    person: Person
    start: datetime
    stamp: datetime
    sequence: int = 0
    is_accepted: bool = False
    is_cancelled: bool = False


@dataclass(kw_only=True)
class Agenda(Provider):
    """What people do with a calendar, whichever it is."""

    polled: bool = True
    is_state: bool = True
    deleted: str = "removed"
    """How a meeting stands that was deleted: not every calendar tells that from one that was called off."""
    made: dict[int, Meeting] = field(default_factory=dict)
    planned: int = 0

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """Plan, move, accept, call off, delete."""
        acts = {"meet": self.meet, "move": self.move, "accept": self.accept, "cancel": self.cancel}
        return acts | {"delete": self.delete}

    def meet(self, person: Person, text: str, at: datetime) -> None:
        """One of our people plans a meeting with a customer."""
        if person.number not in self.made:
            self.planned += 1
            start = (at + timedelta(days=4)).replace(microsecond=0)
            meeting = Meeting(f"{self.name}-{self.planned}", person, start, at)
            meeting = replace(meeting, uid=self.plans(meeting))
            self._stands(meeting)
            self.happened(meeting.uid, "meeting", f"email:{person.email}")

    def move(self, person: Person, text: str, at: datetime) -> None:
        """It gets another day."""
        self._change(person, at, lambda held: {"start": held.start + timedelta(days=1), "is_accepted": False})

    def accept(self, person: Person, text: str, at: datetime) -> None:
        """The customer says yes."""
        self._change(person, at, lambda held: {"is_accepted": True})

    def cancel(self, person: Person, text: str, at: datetime) -> None:
        """It is called off, and stays in the calendar as such."""
        if person.number in self.made:
            self._change(person, at, lambda held: {"is_cancelled": True})
            del self.made[person.number]

    def delete(self, person: Person, text: str, at: datetime) -> None:
        """It is deleted: whoever hadn't seen it will never know of it."""
        if held := self.made.pop(person.number, None):
            self.deletes(held)
            self.fleeting.add((held.uid, "meeting"))
            self.stands[held.uid] = (self.deleted, None)

    def plans(self, meeting: Meeting) -> str:
        """Let a meeting stand in the calendar; return its UID there."""
        raise NotImplementedError

    def changes(self, meeting: Meeting) -> None:
        """Let a meeting stand there as it now is."""
        raise NotImplementedError

    def deletes(self, meeting: Meeting) -> None:
        """Take a meeting out of the calendar."""
        raise NotImplementedError

    def hint(self) -> None:
        """Tell who subscribed that there is news."""

    def _change(self, person: Person, at: datetime, how: Callable[[Meeting], Mapping[str, Any]]) -> None:
        if person.number not in self.made:
            self.meet(person, "", at)  # there is none to change yet
            return
        held = self.made[person.number]
        meeting = replace(held, stamp=at, sequence=held.sequence + 1, **how(held))
        self.changes(meeting)
        self._stands(meeting)

    def _stands(self, meeting: Meeting) -> None:
        self.made[meeting.person.number] = meeting
        status = "cancelled" if meeting.is_cancelled else "accepted" if meeting.is_accepted else "planned"
        self.stands[meeting.uid] = (status, None if meeting.is_cancelled else meeting.start)
        self.hint()


def ics(meeting: Meeting) -> bytes:
    """Return a meeting as iCalendar has it."""
    person, answer = meeting.person, "ACCEPTED" if meeting.is_accepted else "NEEDS-ACTION"
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//day//EN", "BEGIN:VEVENT", f"UID:{meeting.uid}",
        f"DTSTAMP:{meeting.stamp:%Y%m%dT%H%M%SZ}", f"DTSTART:{meeting.start:%Y%m%dT%H%M%SZ}",
        f"DTEND:{meeting.start + LONG:%Y%m%dT%H%M%SZ}", "SUMMARY:Offer",
        f"STATUS:{'CANCELLED' if meeting.is_cancelled else 'CONFIRMED'}", f"SEQUENCE:{meeting.sequence}",
        f"ORGANIZER:mailto:{ORGANIZER}", f"ATTENDEE;CN={person.name};PARTSTAT={answer}:mailto:{person.email}",
        "END:VEVENT", "END:VCALENDAR", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


@dataclass(kw_only=True)
class Feed(Agenda):
    """A calendar that is published at a secret address: what vanishes from it was called off."""

    publisher: Publisher
    deleted: str = "cancelled"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.config = 'type = "icsfeed"\nurl_env = "DAY_FEED_URL"\nallow_private = true'
        self.env = {"DAY_FEED_URL": self.publisher.url}

    def outage(self, *, is_away: bool) -> None:
        """Answer 503, or no more."""
        self.publisher.status = 503 if is_away else 200

    def plans(self, meeting: Meeting) -> str:
        """Publish a meeting."""
        self.publisher.puts(meeting.uid, ics(meeting))
        return meeting.uid

    def changes(self, meeting: Meeting) -> None:
        """Publish it as it now is."""
        self.publisher.puts(meeting.uid, ics(meeting))

    def deletes(self, meeting: Meeting) -> None:
        """Publish it no more."""
        del self.publisher.events[meeting.uid]


@dataclass(kw_only=True)
class Google(Agenda):
    """A calendar of Google's, of which a deleted event brings its id alone."""

    twin: GoogleCalendarTwin
    deleted: str = "cancelled"

    def __post_init__(self) -> None:
        super().__post_init__()
        authority = self.twin.authority
        told = {"key": KEY, "secret": authority.client_secret, "client": authority.client_id, "url": self.twin.url}
        self.config, self.env = by_settings(GOOGLE, calendar=self.twin.calendar, **told)
        hook = f'push_url = "https://sidecar.ours.test/hooks/{self.name}"\npush_secret_env = "DAY_GOOGLE_PUSH"'
        self.config += f"\n{hook}\nmax_wait_s = 0\ncalls_per_s = 1000"
        self.env = {**self.env, "DAY_GOOGLE_PUSH": "a-secret-of-the-day-for-pushes-9"}

    def connect(self, app: App) -> None:
        """Be the calendar's owner, who says yes."""
        channel = app.channel(self.channel)
        assert isinstance(channel, GoogleCalendarChannel)
        consent = channel.consent()
        consent.take(self.twin.authority.visit(consent.invite(8765).address))

    def outage(self, *, is_away: bool) -> None:
        """Answer 503, or no more."""
        if is_away:
            self.twin.fault(Status(503, {"error": {"code": 503}}), times=None)
        else:
            self.twin.heal()

    def plans(self, meeting: Meeting) -> str:
        """Plan an event."""
        id = self.twin.puts(meeting.start, 60, summary="Offer", attendees=self._guests(meeting))
        return f"{id}@google.com"

    def changes(self, meeting: Meeting) -> None:
        """Change an event; one that is called off stays, as cancelled."""
        id = meeting.uid.removesuffix("@google.com")
        if meeting.is_cancelled:
            self.twin.deletes(id)
            return
        zone = self.twin.zone
        times = {"start": meeting.start, "end": meeting.start + LONG}
        when = {name: {"dateTime": at.isoformat(), "timeZone": zone} for name, at in times.items()}
        self.twin.edits(id, sequence=meeting.sequence, attendees=self._guests(meeting), **when)

    def deletes(self, meeting: Meeting) -> None:
        """Delete an event."""
        self.twin.deletes(meeting.uid.removesuffix("@google.com"), bare=True)
        self.hint()

    def hint(self) -> None:
        """Push to every channel that stands: headers without a body."""
        for channel in [one for one in self.twin.channels if one not in self.twin.stopped]:
            self.owed.append(Push(self.channel, b"", partial(_said, self.twin.notifies(channel))))

    def _guests(self, meeting: Meeting) -> list[dict[str, object]]:
        me = {"email": self.twin.calendar, "self": True, "organizer": True, "responseStatus": "accepted"}
        answer = "accepted" if meeting.is_accepted else "needsAction"
        person = meeting.person
        return [me, {"email": person.email, "displayName": person.name, "responseStatus": answer}]


def _said(headers: Mapping[str, str], now: datetime) -> Mapping[str, str]:
    return headers


@dataclass(kw_only=True)
class Outlook(Agenda):
    """The calendar of a mailbox of Microsoft's, whose notices hold no word of what changed."""

    twin: GraphTwin

    def __post_init__(self) -> None:
        super().__post_init__()
        twin = self.twin
        told = {"tenant": twin.tenant, "client_id": twin.client_id, "secret": twin.client_secret, "url": twin.url}
        settings = "M365_SECRET={secret}\nM365_STATE=" + GRAPH.partition("M365_STATE=")[2].partition("\n")[0] + "\n"
        settings += "[channels.agenda]\n" + GRAPH.partition("[channels.agenda]\n")[2]
        self.config, self.env = by_settings(settings, mailbox=twin.mailbox, **told)
        hook = f'notification_url = "https://sidecar.ours.test/hooks/{self.name}"\nclient_state_env = "M365_STATE"'
        self.config += f"\n{hook}\nmax_wait_s = 0\ncalls_per_s = 1000"
        twin.shakes = lambda url: True  # type: ignore[method-assign]  # the door's public address is nobody's here

    def outage(self, *, is_away: bool) -> None:
        """Answer 503, or no more."""
        if is_away:
            self.twin.fault(Status(503, {"error": {"code": "serviceNotAvailable"}}), times=None)
        else:
            self.twin.heal()

    def plans(self, meeting: Meeting) -> str:
        """Plan an event."""
        id = self.twin.plans(meeting.start, subject="Offer", attendees=self._guests(meeting))
        return str(self.twin.events[id]["iCalUId"])

    def changes(self, meeting: Meeting) -> None:
        """Change an event; one that is called off stays, as cancelled."""
        id = meeting.uid.removesuffix("@graph.test")
        about = {"attendees": self._guests(meeting), "isCancelled": meeting.is_cancelled}
        self.twin.changes_event(id, meeting.start, **about)

    def deletes(self, meeting: Meeting) -> None:
        """Delete an event."""
        self.twin.removes(meeting.uid.removesuffix("@graph.test"))
        self.hint()

    def hint(self) -> None:
        """Post a notice to each subscription."""
        for subscription in self.twin.subscriptions:
            self.owed.append(Push(self.channel, self.twin.notice(subscription), lambda now: {}))

    def _guests(self, meeting: Meeting) -> list[dict[str, object]]:
        answer = {"response": "accepted" if meeting.is_accepted else "none", "time": "0001-01-01T00:00:00Z"}
        address = {"name": meeting.person.name, "address": meeting.person.email}
        return [{"type": "required", "status": answer, "emailAddress": address}]
