"""Telephone systems and a recorder that post nothing we could trust: their calls come by asking, some words late."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.day.people import Person
from tests.day.provider import Provider, of_twin
from tests.twins.aircall import AircallTwin
from tests.twins.aircall.__main__ import SETTINGS as AIRCALL
from tests.twins.dialpad import DialpadTwin
from tests.twins.dialpad.__main__ import SETTINGS as DIALPAD
from tests.twins.gong import GongTwin
from tests.twins.gong.__main__ import SETTINGS as GONG
from tests.twins.wire.faults import Status

RITA = {"name": "Rita Ray", "emailAddress": "rita@ours.test", "affiliation": "Internal", "userId": "77"}
THANKS = ("Rita Ray", "Goodbye.")


@dataclass(kw_only=True)
class Line(Provider):
    """Calls with customers; of some the words are there an act later."""

    polled: bool = True
    waiting: dict[int, tuple[str, Sequence[tuple[str, str]]]] = field(default_factory=dict)

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """Call, call with words that come late, and not be answered."""
        return {"call": self.call, "later": self.later, "miss": self.miss}

    def call(self, person: Person, text: str, at: datetime) -> None:
        """A customer calls, and what is said is written down."""
        id = self.rings(person, at, self.talk(person, text))
        self.happened(id, "transcript", *self.names(person))

    def later(self, person: Person, text: str, at: datetime) -> None:
        """A customer calls, and what was said in the call before is there only now."""
        if waiting := self.waiting.pop(person.number, None):
            id, talk = waiting
            self.twin.transcribes(id, talk)
            self.happened(id, "transcript", *self.names(person))
            self.fleeting.add((id, "call"))  # who asks only now learns of the words alone
        id = self.rings(person, at, None)
        self.waiting[person.number] = (id, self.talk(person, text))
        self.happened(id, "call", *self.names(person))

    def miss(self, person: Person, text: str, at: datetime) -> None:
        """A customer calls, and nobody answers."""
        self.happened(self.rings(person, at, None, is_missed=True), "call", *self.names(person))

    def outage(self, *, is_away: bool) -> None:
        """Answer 503, or no more."""
        if is_away:
            self.twin.fault(Status(503, {"error": "down"}), times=None)
        else:
            self.twin.heal()

    @property
    def twin(self) -> Any:
        """The system."""
        raise NotImplementedError

    def rings(
        self, person: Person, at: datetime, talk: Sequence[tuple[str, str]] | None, *, is_missed: bool = False
    ) -> str:
        """Let a call have been; return its id."""
        raise NotImplementedError

    def talk(self, person: Person, text: str) -> Sequence[tuple[str, str]]:
        """Return who says what, as the system names them."""
        return ((person.name, text), THANKS)

    def names(self, person: Person) -> tuple[str, ...]:
        """Return by which identifiers the system knows somebody."""
        return f"phone:{person.phone}", f"email:{person.email}"

    def _led_to(self, settings: str, pace: str) -> None:
        self.config, self.env = of_twin(settings, self.twin)
        self.config += f"\nmax_wait_s = 0\n{pace}"


@dataclass(kw_only=True)
class Aircall(Line):
    """It has an address of every second of those who call."""

    aircall: AircallTwin

    def __post_init__(self) -> None:
        super().__post_init__()
        self._led_to(AIRCALL, "calls_per_minute = 6000")

    @property
    def twin(self) -> AircallTwin:
        """The system."""
        return self.aircall

    def rings(
        self, person: Person, at: datetime, talk: Sequence[tuple[str, str]] | None, *, is_missed: bool = False
    ) -> str:
        """Let a call have been."""
        first, last = person.name.split()
        emails = [{"id": 1, "label": "Work", "value": person.email}]
        phones = [{"id": 2, "label": "Work", "value": person.phone}]
        contact = {"id": person.number, "first_name": first, "last_name": last, "company_name": "", "information": ""}
        contact |= {"emails": emails, "phone_numbers": phones}
        told: dict[str, Any] = {"raw_digits": person.phone, "contact": contact if self._knows(person) else None}
        if is_missed:
            told |= {"answered_at": None, "missed_call_reason": "no_available_agent", "recording": None}
        return self.aircall.meets(at, talk, **told)

    def talk(self, person: Person, text: str) -> Sequence[tuple[str, str]]:
        """Return who says what: a caller is a number."""
        return ((person.phone, text), THANKS)

    def names(self, person: Person) -> tuple[str, ...]:
        """Return by which identifiers it knows somebody."""
        phone, email = super().names(person)
        return (phone, email) if self._knows(person) else (phone,)

    def _knows(self, person: Person) -> bool:
        return person.number % 2 == 0


@dataclass(kw_only=True)
class Dialpad(Line):
    """It has no address of those who call."""

    dialpad: DialpadTwin

    def __post_init__(self) -> None:
        super().__post_init__()
        self._led_to(DIALPAD, "calls_per_s = 1000")

    @property
    def twin(self) -> DialpadTwin:
        """The system."""
        return self.dialpad

    def rings(
        self, person: Person, at: datetime, talk: Sequence[tuple[str, str]] | None, *, is_missed: bool = False
    ) -> str:
        """Let a call have been."""
        contact = {"id": f"c{person.number}", "name": person.name, "phone": person.phone, "type": "local", "email": ""}
        told: dict[str, Any] = {"external_number": person.phone, "contact": contact}
        if is_missed:
            told |= {"date_connected": None, "duration": 0.0, "recording_details": [], "was_recorded": False}
        return self.dialpad.meets(at, talk, **told)

    def talk(self, person: Person, text: str) -> Sequence[tuple[str, str]]:
        """Return who says what: a caller is a contact."""
        return ((f"c{person.number}", text), THANKS)

    def names(self, person: Person) -> tuple[str, ...]:
        """Return by which identifiers it knows somebody."""
        return (f"phone:{person.phone}",)


@dataclass(kw_only=True)
class Gong(Line):
    """It has the address of those who were invited."""

    gong: GongTwin

    def __post_init__(self) -> None:
        super().__post_init__()
        self._led_to(GONG, "calls_per_s = 1000\ncalls_per_day = 1000000")

    @property
    def twin(self) -> GongTwin:
        """The system."""
        return self.gong

    def rings(
        self, person: Person, at: datetime, talk: Sequence[tuple[str, str]] | None, *, is_missed: bool = False
    ) -> str:
        """Let a call have been; one that nobody answers is one without words."""
        guest = {"name": person.name, "emailAddress": person.email, "affiliation": "External"}
        return self.gong.meets(at, talk, "Offer", people=(RITA, guest))

    def names(self, person: Person) -> tuple[str, ...]:
        """Return by which identifiers it knows somebody."""
        return (f"email:{person.email}",)
