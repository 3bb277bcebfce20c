"""A calendar of one of our people on a real CalDAV server: it holds how things stand, and tells no history."""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from itertools import count

import httpx2

from tests.contract.radicale import PASSWORD, USER
from tests.day.people import Person
from tests.day.provider import Provider
from tests.support.gate import Gate

CONFIG = """type = "caldav"
url = "{url}"
username = "rep"
password_env = "DAY_CALDAV_PASSWORD"
timeout_s = 10"""


@dataclass
class Calendar(Provider):
    """Meetings with customers as guests: made, moved, called off."""

    _: KW_ONLY
    server: str
    gate: Gate
    polled: bool = True
    is_state: bool = True
    starts: dict[str, datetime] = field(default_factory=dict)
    made: dict[int, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.config = CONFIG.format(url=f"http://127.0.0.1:{self.gate.port}/{USER}/{self.name}/")
        self.env = {"DAY_CALDAV_PASSWORD": PASSWORD}
        self._ask("MKCALENDAR", "", b"")

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """Make, move and call off a meeting."""
        return {"meet": self.meet, "move": self.move, "cancel": self.cancel}

    def outage(self, *, is_away: bool) -> None:
        """Refuse connections, or no more."""
        self.gate.shut(is_shut=is_away)

    def meet(self, person: Person, text: str, at: datetime) -> None:
        """One of our people enters a meeting with a customer."""
        if person.number not in self.made:
            uid = f"{self.name}-{next(self.numbers)}"
            self.made[person.number] = uid
            self._write(person, uid, at + timedelta(days=4), at, 0, "CONFIRMED")
            self.happened(uid, "meeting", f"email:{person.email}")

    def move(self, person: Person, text: str, at: datetime) -> None:
        """It gets another day."""
        if uid := self.made.get(person.number):
            self._write(person, uid, self.starts[uid] + timedelta(days=1), at, 1, "CONFIRMED")

    def cancel(self, person: Person, text: str, at: datetime) -> None:
        """It is called off, and stays in the calendar as such."""
        if uid := self.made.pop(person.number, None):
            self._write(person, uid, self.starts[uid], at, 2, "CANCELLED")

    def _write(self, person: Person, uid: str, start: datetime, at: datetime, sequence: int, status: str) -> None:
        self.starts[uid] = start
        lines = [
            "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//day//EN", "BEGIN:VEVENT", f"UID:{uid}",
            f"DTSTAMP:{at:%Y%m%dT%H%M%SZ}", f"DTSTART:{start:%Y%m%dT%H%M%SZ}",
            f"DTEND:{start + timedelta(hours=1):%Y%m%dT%H%M%SZ}", "SUMMARY:Offer", f"STATUS:{status}",
            f"SEQUENCE:{sequence}", "ORGANIZER:mailto:desk@ours.test",
            f"ATTENDEE;CN={person.name};PARTSTAT=NEEDS-ACTION:mailto:{person.email}", "END:VEVENT", "END:VCALENDAR", "",
        ]  # fmt: skip
        self._ask("PUT", f"{uid}.ics", "\r\n".join(lines).encode())

    def _ask(self, method: str, path: str, content: bytes) -> None:
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"authorization": f"Basic {token}", "content-type": "text/calendar"}
        url = f"{self.server}/{USER}/{self.name}/{path}"
        httpx2.request(method, url, content=content, headers=headers, timeout=20).raise_for_status()
