"""Google Calendar's API as somebody else understands it: `emulate`, a stand-in that we didn't write.

It runs where `GOOGLE_PEER` names its program (`npm install emulate@0.11.2`, then
`node_modules/emulate/dist/index.js`) and node is there, and is skipped elsewhere. Its lists end without a sync token,
which Google's never do, its events have no iCalUID, and none can be asked for by itself; so polls are the twin's to
show.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from adapters.channels.gcalendar.api import PARAMETERS, Calendar
from adapters.channels.gcalendar.events import from_vendor
from adapters.formats.calendar_activity import event_activities
from adapters.http.calls import Timeouts
from adapters.http.oauth import Grant, google
from sidecar.errors import TemporaryError
from sidecar.ports import unobserved
from tests.contract.channel import NOW, OWN, delivered
from tests.contract.google_calendars import CalendarHarness, Kept
from tests.support.served import until
from tests.twins.gcalendar import GoogleCalendarTwin

CALENDAR = "rep@ours.test"
SEED = f"""
tokens:
  rep-token:
    login: {CALENDAR}
    scopes: ["https://www.googleapis.com/auth/calendar"]
google:
  users:
    - {{email: {CALENDAR}, name: Rep}}
  calendars:
    - {{id: {CALENDAR}, user_email: {CALENDAR}, summary: {CALENDAR}, primary: true, time_zone: UTC}}
"""
EVENT = {
    "summary": "Demo", "start": {"dateTime": "2026-12-01T10:00:00Z"}, "end": {"dateTime": "2026-12-01T11:00:00Z"},
    "attendees": [{"email": "bob@example.org", "responseStatus": "accepted"}],
}  # fmt: skip
PROGRAM = os.environ.get("GOOGLE_PEER", "")
pytestmark = pytest.mark.skipif(not (PROGRAM and shutil.which("node")), reason="GOOGLE_PEER names no program")


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[str]:
    """Return where the stand-in listens."""
    (tmp_path / "seed.yaml").write_text(SEED)
    port = str(20_001 + os.getpid() % 20_000)
    command = ["node", PROGRAM, "start", "--service", "google", "--port", port, "--seed", "seed.yaml"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            until(lambda: _answers(url), "the stand-in to answer")
            yield url
        finally:
            process.terminate()


def test_a_stand_in_of_somebody_else_is_read(peer: str, tmp_path: Path) -> None:
    """Our questions are understood, its events are read, and a list that doesn't say that it ends isn't believed."""
    kept = Kept()
    kept.held["diary"] = {
        "access": "rep-token", "refresh": "", "scopes": [], "expires_at": "2099-01-01T00:00:00+00:00",
    }  # fmt: skip
    timeouts = Timeouts(5, 5, 5)
    grant = Grant("diary", google(()), "peer", None, kept, lambda: NOW, timeouts, unobserved)
    calendar = Calendar(peer, CALENDAR, grant, timeouts, 0, 100, "channels.diary", unobserved)
    with pytest.raises(TemporaryError, match="breaks off"):
        calendar.page("", "", 10)
    with httpx2.Client(trust_env=False, headers={"Authorization": "Bearer rep-token"}) as client:
        events = f"{peer}/calendar/v3/calendars/{CALENDAR}/events"
        id = client.post(events, json=EVENT).json()["id"]
        (told,) = client.get(events, params=PARAMETERS).json()["items"]
    assert told["id"] == id
    event = from_vendor(told, f"{id}@google.com", "UTC")
    assert event is not None
    with GoogleCalendarTwin() as twin:
        harness = CalendarHarness(twin, tmp_path)
        delivery = delivered(harness.channel, harness.receive())
        (activity,) = event_activities(delivery, (event,), OWN, "the stand-in")
    assert activity.text.startswith("Meeting accepted, it is for 2026-12-01 10:00 to 11:00")
    assert calendar.event("nothing") is None


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/calendar/v3/users/me/calendarList", trust_env=False).status_code in (200, 401)
    except httpx2.HTTPError:
        return False
