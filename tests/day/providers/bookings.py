"""Booking tools: they post signed webhooks, try again for a day, and can be asked for what they hold."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.day.people import Person
from tests.day.provider import Provider, Push, of_twin
from tests.twins.calcom import CalcomTwin
from tests.twins.calcom.__main__ import SECRET
from tests.twins.calcom.__main__ import SETTINGS as CALCOM
from tests.twins.calendly import CalendlyTwin
from tests.twins.calendly.__main__ import KEY
from tests.twins.calendly.__main__ import SETTINGS as CALENDLY
from tests.twins.wire.faults import Status


@dataclass(kw_only=True)
class Booking(Provider):
    """What customers do with a booking tool whose form asks for a number, and what our people do afterwards."""

    polled: bool = True
    booked: dict[int, tuple[str, datetime]] = field(default_factory=dict)

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """Book, move, cancel, be marked as a no-show."""
        return {"book": self.book, "move": self.move, "cancel": self.cancel, "miss": self.miss}

    def book(self, person: Person, text: str, at: datetime) -> None:
        """A customer books."""
        if person.number not in self.booked:
            start = at + timedelta(days=3)
            id = self.books(person, start, at)
            self.booked[person.number] = (id, start)
            self.happened(id, "booking_created", *self.names(person))

    def move(self, person: Person, text: str, at: datetime) -> None:
        """A customer moves what they booked."""
        if person.number in self.booked:
            id, start = self.booked[person.number]
            moved = self.moves(id, start + timedelta(days=1), at)
            self.booked[person.number] = (moved, start + timedelta(days=1))
            self.happened(moved, "booking_moved", *self.names(person))

    def cancel(self, person: Person, text: str, at: datetime) -> None:
        """A customer cancels for good."""
        if person.number in self.booked:
            id, _ = self.booked.pop(person.number)
            self.cancels(id, text, at)
            self.happened(id, "booking_cancelled")

    def miss(self, person: Person, text: str, at: datetime) -> None:
        """One of our people marks a customer as one who didn't come."""
        if person.number in self.booked:
            id, _ = self.booked.pop(person.number)
            self.misses(id, at)
            self.happened(id, "booking_no_show")

    def names(self, person: Person) -> tuple[str, ...]:
        """Return by which identifiers it names somebody."""
        return f"email:{person.email}", f"phone:{person.phone}"

    def books(self, person: Person, start: datetime, at: datetime) -> str:
        """Let somebody book; return the booking's id."""
        raise NotImplementedError

    def moves(self, id: str, start: datetime, at: datetime) -> str:
        """Let a booking be moved; return its id from now on."""
        raise NotImplementedError

    def cancels(self, id: str, reason: str, at: datetime) -> None:
        """Let a booking be called off."""
        raise NotImplementedError

    def misses(self, id: str, at: datetime) -> None:
        """Let somebody not have come."""
        raise NotImplementedError


@dataclass(kw_only=True)
class Calendly(Booking):
    """It tells a move in two webhooks of any order."""

    twin: CalendlyTwin

    def __post_init__(self) -> None:
        super().__post_init__()
        self.config, self.env = of_twin(CALENDLY, self.twin, key=KEY)
        self.config += "\nmax_wait_s = 0\ncalls_per_minute = 60000"

    def outage(self, *, is_away: bool) -> None:
        """Answer 503, or no more."""
        if is_away:
            self.twin.fault(Status(503, {"title": "Unavailable"}), times=None)
        else:
            self.twin.heal()

    def books(self, person: Person, start: datetime, at: datetime) -> str:
        """Let an invitee book."""
        asked = [{"question": "Phone number", "answer": person.phone, "position": 0}]
        id = self.twin.books(start, at, name=person.name, email=person.email, questions_and_answers=asked)
        self._post("invitee.created", id, at)
        return id

    def moves(self, id: str, start: datetime, at: datetime) -> str:
        """Let an invitee move, who becomes another one."""
        new = self.twin.moves(id, start, at)
        self._post("invitee.canceled", id, at)
        self._post("invitee.created", new, at)
        return new

    def cancels(self, id: str, reason: str, at: datetime) -> None:
        """Let an invitee call off."""
        self.twin.cancels(id, at, reason=reason)
        self._post("invitee.canceled", id, at)

    def misses(self, id: str, at: datetime) -> None:
        """Let the host mark an invitee."""
        self.twin.misses(id, at)
        self._post("invitee_no_show.created", id, at)

    def _post(self, event: str, id: str, at: datetime) -> None:
        body = self.twin.webhook(event, id, at)

        def signed(now: datetime) -> Mapping[str, Any]:
            stamp = str(int(now.timestamp()))
            digest = hmac.digest(KEY.encode(), stamp.encode() + b"." + body, "sha256").hex()
            return {"calendly-webhook-signature": f"t={stamp},v1={digest}"}

        self.owed.append(Push(self.channel, body, signed))


@dataclass(kw_only=True)
class Calcom(Booking):
    """It posts once, so that what was missed comes by the poll; a no-show is told without a time."""

    twin: CalcomTwin
    is_lossy: bool = True
    is_away: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.config, self.env = of_twin(CALCOM, self.twin, secret=SECRET)
        self.config += "\nmax_wait_s = 0\ncalls_per_minute = 60000"

    def outage(self, *, is_away: bool) -> None:
        """Answer 503, or no more."""
        self.is_away = is_away
        if is_away:
            self.twin.fault(Status(503, {"status": "error"}), times=None)
        else:
            self.twin.heal()

    def books(self, person: Person, start: datetime, at: datetime) -> str:
        """Let a visitor book."""
        answers = {"attendeePhoneNumber": person.phone}
        uid = self.twin.books(start, at, name=person.name, email=person.email, answers=answers)
        self._post("BOOKING_CREATED", uid, at)
        return uid

    def moves(self, id: str, start: datetime, at: datetime) -> str:
        """Let a visitor move, which makes another booking."""
        uid = self.twin.moves(id, start, at)
        self._post("BOOKING_RESCHEDULED", uid, at)
        return uid

    def cancels(self, id: str, reason: str, at: datetime) -> None:
        """Let a visitor call off."""
        self.twin.cancels(id, at, by=self.twin.bookings[id]["attendees"][0]["email"], reason=reason)
        self._post("BOOKING_CANCELLED", id, at)

    def misses(self, id: str, at: datetime) -> None:
        """Let the host mark a visitor."""
        self.twin.misses(id, at)
        self._post("BOOKING_NO_SHOW_UPDATED", id, at)

    def _post(self, event: str, uid: str, at: datetime) -> None:
        body = self.twin.webhook(event, uid, at)
        digest = hmac.digest(SECRET.encode(), body, "sha256").hex()
        self.owed.append(Push(self.channel, body, lambda now: {"x-cal-signature-256": digest}))
