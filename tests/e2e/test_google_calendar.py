"""A Google calendar and a feed by the real commands: let in, polled, pushed, and in the book once, in one thread."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import httpx2
import pytest

from tests.contract.test_channel_caldav import ics
from tests.contract.test_channel_icsfeed import Publisher
from tests.e2e.test_chatwoot import book
from tests.support.authorities import KEY
from tests.support.served import Sidecar, sidecar, until
from tests.twins.gcalendar import GoogleCalendarTwin
from tests.twins.gcalendar.__main__ import CalendarKeyboard, main

CALENDAR = "sales@northwind.test"
CONFIG = """
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
[journal]
url = "sqlite:///journal.db"
[own]
domains = ["northwind.test"]
[tokens]
key_env = "TOKENS_KEY"
[channels.diary]
type = "gcalendar"
calendar = "{calendar}"
client_id = "{client}"
client_secret_env = "DIARY_CLIENT_SECRET"
push_url = "https://sidecar.northwind.test/hooks/diary"
push_secret_env = "DIARY_PUSH_SECRET"
base_url = "{url}"
accounts_url = "{url}"
token_url = "{url}"
every_s = 3600
max_wait_s = 0
[channels.feed]
type = "icsfeed"
url_env = "FEED_SECRET"
allow_private = true
every_s = 1
[inference]
quiet_s = 0
[crm]
type = "local"
path = "crm.db"
"""


@pytest.fixture
def twin() -> Iterator[GoogleCalendarTwin]:
    """A calendar whose owner sits at a browser."""
    with GoogleCalendarTwin(CALENDAR) as made:
        yield made


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """A web server that publishes a calendar."""
    made = Publisher()
    try:
        yield made
    finally:
        made.close()


def made(folder: Path, twin: GoogleCalendarTwin, publisher: Publisher) -> Sidecar:
    """Return a sidecar that nobody let in yet."""
    authority = twin.authority
    config = CONFIG.format(calendar=CALENDAR, client=authority.client_id, url=twin.url)
    secrets = {"TOKENS_KEY": KEY, "DIARY_CLIENT_SECRET": authority.client_secret, "FEED_SECRET": publisher.url}
    return sidecar(folder, config, {**secrets, "DIARY_PUSH_SECRET": "secret-of-the-pushes-8c2"})


def connect(box: Sidecar, twin: GoogleCalendarTwin) -> None:
    """Run `connect` and be the person with the browser."""
    command = [
        sys.executable,
        "-m",
        "sidecar",
        "--config",
        str(box.folder / "config.toml"),
        "connect",
        "diary",
        "--json",
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=dict(box.env), cwd=box.folder, text=True, stdin=pipe, stdout=pipe, stderr=pipe
    ) as process:
        assert process.stdin and process.stdout
        shown = json.loads(process.stdout.readline())
        out, trouble = process.communicate(twin.authority.visit(shown["open"]) + "\n", timeout=60)
    assert process.returncode == 0, trouble
    assert json.loads(out.splitlines()[-1])["account"] == CALENDAR


def test_a_calendar_is_let_in_polled_and_pushed(tmp_path: Path, twin: GoogleCalendarTwin, publisher: Publisher) -> None:
    """What was planned, moved and called off stands in the book once each, and what the feed published beside it."""
    box = made(tmp_path, twin, publisher)
    connect(box, twin)
    begins = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    guests = [{"email": "mariana@customer.test", "responseStatus": "accepted"}]
    id = twin.puts(begins, attendees=guests, summary="Visit")
    publisher.puts("a", ics("m-1", begins))
    with box.serve():
        until(lambda: twin.channels and twin.calls("events") >= 2, "the first poll")
        until(lambda: len(publisher.asked) >= 2, "the feed to be asked again")
        before = twin.calls("events")
        twin.deletes(id)
        del publisher.events["a"]
        headers = twin.notifies(next(iter(twin.channels)))
        with httpx2.Client(trust_env=False, timeout=20) as client:
            url = f"http://127.0.0.1:{box.port}/hooks/diary"
            assert client.post(url, headers=headers).status_code == 202
            assert client.post(url, headers={**headers, "x-goog-channel-token": "0" * 64}).status_code == 401
            assert client.post(url).status_code == 401
        until(lambda: twin.calls("events") > before, "the push to make a poll due")
        asked = len(publisher.asked)
        until(lambda: len(publisher.asked) >= asked + 2, "the feed to be asked again")
    box.run("run", "--until-idle")
    activities = book(box)["activity"]
    told = {(a["channel"], a["thread"], a["attributes"]["status"]) for a in activities}
    assert told == {
        ("diary", f"{id}@google.com", "accepted"), ("diary", f"{id}@google.com", "cancelled"),
        ("feed", "m-1", "planned"), ("feed", "m-1", "cancelled"),
    }  # fmt: skip
    assert len(activities) == 4
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    secrets = [*twin.authority.refreshes, *twin.authority.accesses, publisher.url]
    assert not any(secret.encode() in written for secret in secrets)


def test_the_keyboard_of_the_twin_does_what_people_do() -> None:
    """What a rehearsal types happens in the calendar; what can't be done is said and changes nothing."""
    said = StringIO()
    with GoogleCalendarTwin(CALENDAR) as twin:
        hands = CalendarKeyboard(twin, said)
        hands.onecmd('plan 3 ann@customer.test "A visit"')
        (id,) = twin.events
        for line in (f"answer {id} accepted", f"move {id} 2", f"cancel {id}", "forgets", "withdraws", "cancel nothing"):
            hands.onecmd(line)
        event = twin.told(id)
        assert (event["status"], event["sequence"]) == ("cancelled", 1)
        assert event["attendees"][1]["responseStatus"] == "accepted"
    assert said.getvalue().startswith(id)
    assert "refused" in said.getvalue()


def test_the_twin_tells_the_settings_that_lead_to_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever rehearses copies what it prints."""
    monkeypatch.setattr("sys.stdin", StringIO(""))
    main(["--port", "0"])
    assert 'type = "gcalendar"' in capsys.readouterr().out
