"""A calendar of one of our people on a real CalDAV server."""

import base64
from dataclasses import dataclass

import httpx2

from tests.contract.radicale import PASSWORD, USER
from tests.day.providers.agendas import Agenda, Meeting, ics
from tests.support.gate import Gate

CONFIG = """type = "caldav"
url = "{url}"
username = "rep"
password_env = "DAY_CALDAV_PASSWORD"
timeout_s = 10"""


@dataclass(kw_only=True)
class Calendar(Agenda):
    """Entries of a calendar as files on a server."""

    server: str
    gate: Gate

    def __post_init__(self) -> None:
        super().__post_init__()
        self.config = CONFIG.format(url=f"http://127.0.0.1:{self.gate.port}/{USER}/{self.name}/")
        self.env = {"DAY_CALDAV_PASSWORD": PASSWORD}
        self._ask("MKCALENDAR", "", b"")

    def outage(self, *, is_away: bool) -> None:
        """Refuse connections, or no more."""
        self.gate.shut(is_shut=is_away)

    def plans(self, meeting: Meeting) -> str:
        """Write an entry."""
        self.changes(meeting)
        return meeting.uid

    def changes(self, meeting: Meeting) -> None:
        """Write it anew."""
        self._ask("PUT", f"{meeting.uid}.ics", ics(meeting))

    def deletes(self, meeting: Meeting) -> None:
        """Delete an entry."""
        self._ask("DELETE", f"{meeting.uid}.ics", b"")

    def _ask(self, method: str, path: str, content: bytes) -> None:
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"authorization": f"Basic {token}", "content-type": "text/calendar"}
        url = f"{self.server}/{USER}/{self.name}/{path}"
        httpx2.request(method, url, content=content, headers=headers, timeout=20).raise_for_status()
