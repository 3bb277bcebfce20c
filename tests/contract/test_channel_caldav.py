"""A calendar under the contract, against a real Radicale over a real socket."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from adapters.channels.caldav import CaldavChannel, CaldavOptions
from adapters.channels.caldav.dav import Access, Dav
from sidecar.errors import TemporaryError, Withheld
from sidecar.model import Activity, Match
from sidecar.ports import Captured
from tests.contract.channel import (
    CANARY,
    INSTALLED,
    NOW,
    PollContract,
    Secrets,
    all_captured,
    context,
    last_cursor,
    parsed,
)
from tests.contract.radicale import PASSWORD, USER, radicale
from tests.support.fronts import Front
from tests.support.houses import House, buys
from tests.twins.wire.faults import Status

FIXTURES = Path(__file__).parent.parent / "fixtures" / "ics"
MAX_BYTES = 20_000
NUMBERS = count(1)
POLLED: dict[Path, Captured] = {}


def ics(uid: str, start: datetime = NOW + timedelta(days=3), more: str = "") -> bytes:
    """Return a calendar with one event of an hour."""
    end = start + timedelta(hours=1)
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//EN", "BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20261121T090000Z",
        f"DTSTART:{start:%Y%m%dT%H%M%SZ}", f"DTEND:{end:%Y%m%dT%H%M%SZ}", "SUMMARY:Offer",
        "ORGANIZER:mailto:anna@ours.test", "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:ann@example.org", *more.splitlines(),
        "END:VEVENT", "END:VCALENDAR", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a Radicale for the module and return its address."""
    with radicale(tmp_path_factory.mktemp("radicale")) as address:
        yield address


@dataclass
class CalendarHarness:
    """A calendar of its own on the server, into which the test writes."""

    server: str
    base: Path
    name: str
    fixtures: Path = FIXTURES
    parked: frozenset[str] = frozenset()
    secrets: tuple[str, ...] = (PASSWORD,)
    batch_size: int = 3
    entries: int = 0
    url: str = field(init=False)
    front: Front | None = None
    opened: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.url = f"{self.server}/{USER}/{self.name}/"
        self.ask("MKCALENDAR", "", b"", 201)

    @property
    def channel(self) -> CaldavChannel:
        """The calendar's channel."""
        return self.reopen()

    def reopen(self, clock: Callable[[], datetime] = lambda: NOW) -> CaldavChannel:
        """Make the channel anew."""
        return self.made(clock)

    def made(
        self, clock: Callable[[], datetime] = lambda: NOW, password: str = PASSWORD, **options: Any
    ) -> CaldavChannel:
        """Make a channel with some options changed."""
        url = f"{self.front.url}/{USER}/{self.name}/" if self.front else self.url
        settings = {"url": url, "username": USER, "password_env": "PASSWORD", "timeout_s": 10}
        settings |= {"batch_size": self.batch_size, "max_entry_bytes": MAX_BYTES}
        made = context(self.base, Secrets(PASSWORD=password), clock)
        return CaldavChannel("calendar", CaldavOptions.model_validate({**settings, **options}), made)

    def ask(self, method: str, path: str, content: bytes, *statuses: int) -> bytes:
        """Ask the server for something, as a calendar program would."""
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"authorization": f"Basic {token}", "content-type": "text/calendar"}
        answer = httpx2.request(method, self.url + path, content=content, headers=headers, timeout=10)
        assert answer.status_code in statuses, (method, answer.status_code)
        return answer.content

    def write(self, name: str, content: bytes) -> bytes:
        """Write an entry and return what lies there."""
        self.ask("PUT", f"{name}.ics", content, 201, 204)
        return self.ask("GET", f"{name}.ics", b"", 200)

    def put(self) -> bytes:
        """Write a new event."""
        self.entries += 1
        return self.write(f"e{self.entries}", ics(f"{self.name}-{self.entries}"))

    def put_old(self) -> bytes:
        """Write an event that was over before the installation."""
        self.entries += 1
        return self.write(f"e{self.entries}", ics(f"{self.name}-{self.entries}", INSTALLED - timedelta(days=30)))

    def put_withheld(self, status: int = 500) -> bytes:
        """Write an event that is then answered with an error, by a front that passes everything else on."""
        self.front = self.front or self.opened.enter_context(Front(self.server))
        raw = self.put()
        self.front.fault(Status(status), "GET", re.escape(f"/e{self.entries}.ics"), times=None)
        return raw

    def name_of(self, raw: bytes) -> tuple[str, Mapping[str, str]]:
        """Return the key of an entry, and its headers, as a poll names it that can't fetch it."""
        with Dav(Access(self.url, USER, PASSWORD, 10, "channels.x")) as dav:
            there = dav.listing("").there
            (path,) = (path for path in there if dav.entry(path, MAX_BYTES) == raw)
        return f"{path}:{there[path]}", {"path": path, "etag": there[path]}

    def mend(self) -> None:
        """Let the server be well."""
        assert self.front
        self.front.heal()

    def put_oversized(self) -> None:
        """Write an event with a description that is too long."""
        self.write("large", ics("large", more=f"DESCRIPTION:{'x' * MAX_BYTES}"))

    def receive(self) -> Captured:
        """Write an event and poll it."""
        self.put()
        return all_captured(self.channel.poll(None))[-1]

    def broken(self) -> Captured:
        """Write an event that the server takes and that can't be told from others."""
        self.write("broken", ics("u" * 600, more=f"DESCRIPTION:{CANARY}"))
        return all_captured(self.channel.poll(None))[-1]

    def from_fixture(self, path: Path) -> Captured:
        """Write a recorded event into the empty calendar and poll it, once for all tests."""
        if path not in POLLED:
            self.ask("DELETE", "", b"", 200)
            self.ask("MKCALENDAR", "", b"", 201)
            self.write("fixture", path.read_bytes())
            POLLED[path] = all_captured(self.channel.poll(None))[-1]
        return POLLED[path]

    def unreachable(self) -> CaldavChannel:
        """Return a channel whose server is away."""
        return self.made(url="http://127.0.0.1:9/rep/x/")

    def refused(self) -> CaldavChannel:
        """Return a channel with a wrong password."""
        return self.made(password="wrong-password-9f2")


@pytest.fixture
def harness(server: str, tmp_path: Path) -> Iterator[CalendarHarness]:
    """A calendar of its own for each test."""
    made = CalendarHarness(server, tmp_path, f"calendar-{next(NUMBERS)}")
    with made.opened:
        yield made


class TestCaldav(PollContract):
    """The contract, and what a calendar promises beside."""

    def test_a_change_comes_again_and_a_removal_is_told(self, harness: CalendarHarness) -> None:
        """A moved entry is read anew in its thread, a deleted one is a removal; seen to fail with `gone` ignored."""
        harness.put()
        cursor = last_cursor(harness.channel.poll(None))
        harness.write("e1", ics(f"{harness.name}-1", NOW + timedelta(days=9)))
        (moved,) = all_captured(harness.reopen().poll(cursor))
        cursor = last_cursor(harness.reopen().poll(cursor))
        harness.ask("DELETE", "e1.ics", b"", 200)
        (removed,) = all_captured(harness.reopen().poll(cursor))
        meeting, end = parsed(harness.channel, moved)[0], parsed(harness.channel, removed)[0]
        assert meeting.text.startswith("Meeting planned for 2026-12-01 10:00")
        assert (end.attributes["status"], end.thread) == ("removed", meeting.thread)
        assert not end.actor.authenticated
        assert not all_captured(harness.reopen().poll(last_cursor(harness.reopen().poll(cursor))))

    def test_what_was_refused_comes_by_a_poll_and_its_removal_is_told(self, harness: CalendarHarness) -> None:
        """Each poll asks for it again, so that its UID is known; seen to fail with the ETag alone remembered."""
        harness.put()
        raw = harness.put_withheld(403)
        (left,) = (c for c in all_captured(harness.channel.poll(None)) if c.withheld)
        cursor = last_cursor(harness.reopen().poll(None))
        assert not all_captured(harness.reopen().poll(cursor))
        harness.mend()
        (come,) = all_captured(harness.reopen().poll(cursor))
        assert (come.key, come.raw) == (left.key, raw)
        cursor = last_cursor(harness.reopen().poll(cursor))
        assert not all_captured(harness.reopen().poll(cursor))
        harness.ask("DELETE", "e2.ics", b"", 200)
        (removed,) = all_captured(harness.reopen().poll(cursor))
        assert removed.headers["removed"] == f"{harness.name}-2"
        assert not harness.channel.retrieve(str(left.key), left.headers)

    def test_many_that_are_refused_hold_nothing_back(self, harness: CalendarHarness) -> None:
        """All but the last that is listed, at the first poll; then each has its turn, and its removal is told.

        Seen to fail with the listing's first ones asked whether any can be had, by the poll and by a retrieval, and
        with the same ten asked again.
        """
        with Front(harness.server) as harness.front, Dav(Access(harness.url, USER, PASSWORD, 10, "channels.x")) as dav:
            _ = [harness.put() for _ in range(12)]
            *paths, good = dav.listing("").there
            harness.front.fault(Status(500), "GET", "|".join(map(re.escape, paths)), times=None)
            channel = harness.channel
            found, cursor = walked(channel, None)
            assert sorted(c.headers["path"] for c in found if c.withheld) == sorted(paths)
            assert [c.headers["path"] for c in found if c.raw] == [good]
            (left,) = (c for c in found if c.headers["path"] == paths[0])
            with pytest.raises(Withheld):  # and no outage, for which it would be asked for without end
                channel.retrieve(str(left.key), left.headers)
            last = max(paths)
            harness.mend()
            harness.front.fault(Status(500), "GET", "|".join(re.escape(p) for p in paths if p != last), times=None)
            come, cursor = walked(channel, cursor)
            more, cursor = walked(channel, cursor)
            assert [c.headers["path"] for c in (*come, *more)] == [last]
            harness.ask("DELETE", last.rpartition("/")[2], b"", 200)
            (removed,), _ = walked(channel, cursor)
            assert removed.headers["path"] == last

    def test_what_is_known_shows_that_entries_can_be_had(self, harness: CalendarHarness) -> None:
        """A count asks what the book has, before all that is refused. Seen to fail with what is listed alone."""
        with Front(harness.server) as harness.front, Dav(Access(harness.url, USER, PASSWORD, 10, "channels.x")) as dav:
            _ = [harness.put() for _ in range(7)]
            there = dav.listing("").there
            (middle,) = list(there)[3:4]
            harness.front.fault(Status(403), "GET", "|".join(re.escape(p) for p in there if p != middle), times=None)
            held = [f"{middle}:{there[middle]}"]
            batches = harness.channel.census(INSTALLED, lambda _, asked: [key for key in asked if key in held])
            assert len([c for c in all_captured(batches) if c.withheld]) == 6

    @pytest.mark.parametrize("token", ["", "http://radicale.org/ns/sync/never", "<&>"])
    def test_a_refused_token_costs_a_listing(self, harness: CalendarHarness, token: str) -> None:
        """With a token that the server forgot, what is new and what is gone is found by ETags, and no more."""
        harness.put(), harness.put()
        cursor = {**(last_cursor(harness.channel.poll(None)) or {}), "token": token}
        harness.ask("DELETE", "e1.ics", b"", 200)
        new = harness.put()
        found = all_captured(harness.reopen().poll(cursor))
        assert [captured.raw for captured in found] == [new, b""]
        assert found[1].headers["removed"] == f"{harness.name}-1"

    def test_a_server_without_sync_is_listed(self, harness: CalendarHarness) -> None:
        """Plain WebDAV says the same as a sync report, but for the token."""
        harness.put(), harness.put()
        with Dav(Access(harness.url, USER, PASSWORD, 10, "channels.x")) as dav:
            synced, listed = dav.listing(""), dav._listed()
        assert listed.there == synced.there
        assert len(listed.there) == 2
        assert (listed.token, listed.is_whole, synced.is_whole) == ("", True, True)

    def test_what_was_over_before_we_came_is_history(self, harness: CalendarHarness) -> None:
        """A calendar of many years brings what is to come; a series that began long ago goes on."""
        harness.put_old()
        series = harness.write("series", ics("series", INSTALLED - timedelta(days=30), "RRULE:FREQ=WEEKLY"))
        new = harness.put()
        found = [captured.raw for captured in all_captured(harness.channel.poll(None))]
        assert sorted(found) == sorted([series, new])

    def test_a_series_that_was_over_before_we_came_is_history(self, harness: CalendarHarness) -> None:
        """Its last day counts, and not that it repeats; seen to fail with every series taken for one that goes on."""
        long_ago = INSTALLED - timedelta(days=90)
        harness.write("over", ics("over", long_ago, "RRULE:FREQ=WEEKLY;COUNT=3"))
        new = harness.put()
        assert [captured.raw for captured in all_captured(harness.channel.poll(None))] == [new]

    def test_a_task_is_no_meeting(self, harness: CalendarHarness) -> None:
        """Tasks lie in the same calendar and are left there."""
        harness.write("task", ics("task").replace(b"VEVENT", b"VTODO").replace(b"DTEND", b"DUE"))
        assert not all_captured(harness.channel.poll(None))

    def test_only_what_we_have_begun_is_the_calendars_own_word(self, harness: CalendarHarness) -> None:
        """Anybody can lay an invitation into a calendar by writing a mail."""
        harness.write("ours", ics("ours"))
        harness.write("theirs", ics("theirs").replace(b"anna@ours.test", b"eve@evil.test"))
        found = [parsed(harness.channel, captured)[0] for captured in all_captured(harness.channel.poll(None))]
        assert {a.external_id: a.actor.authenticated for a in found} == {"ours": True, "theirs": False}

    def test_an_address_that_is_no_calendars_is_said(self, harness: CalendarHarness) -> None:
        """Whoever names the folder of calendars hears it before he waits for meetings."""
        assert "no calendar's" in harness.made(url=f"{harness.server}/{USER}/").check()[0]

    @pytest.mark.parametrize("url", ["http://dav.example.com/a/", "https://u:p@dav.example.com/", "ftp://x/", "dav"])
    def test_the_password_goes_nowhere_in_clear(self, url: str) -> None:
        """An address without TLS, or with a password in it, isn't taken."""
        with pytest.raises(ValidationError):
            CaldavOptions(url=url, username=USER, password_env="PASSWORD")

    def test_an_answer_that_could_grow_is_not_read(self, harness: CalendarHarness) -> None:
        """Document types and foreign hosts in an answer lead nowhere."""
        with Dav(Access(harness.url, USER, PASSWORD, 10, "channels.x")) as dav:
            bomb = b'<!DOCTYPE x [<!ENTITY a "b">]><D:multistatus xmlns:D="DAV:">&a;</D:multistatus>'
            for body in (bomb, bomb.decode().encode("utf-16"), b"<", b"\xff"):
                with pytest.raises(TemporaryError):
                    dav._tree(_answer(body))
            page = (
                '<D:multistatus xmlns:D="DAV:"><D:response><D:href>http://evil.test/x.ics</D:href><D:propstat>'
                '<D:prop><D:getetag>"1"</D:getetag></D:prop></D:propstat></D:response></D:multistatus>'
            )
            assert not list(dav._entries(dav._tree(_answer(page.encode()))))


def test_a_calendar_reaches_the_party_and_so_does_its_removal(server: str, tmp_path: Path) -> None:
    """From the server into the book: the guest whom we know, and what became of the meeting, in one thread."""
    table = '[channels.calendar]\ntype = "caldav"\nurl = "{}"\nusername = "{}"\npassword_env = "PASSWORD"\n'
    calendar = CalendarHarness(server, tmp_path, f"calendar-{next(NUMBERS)}")
    after = table.format(calendar.url, USER)
    with House(tmp_path, "sqlite:///journal.db", buys(), after=after, env={"PASSWORD": PASSWORD}).start() as house:
        assert not house.app.channels["calendar"].check()
        house.say("I want to buy", "ann")
        house.work()
        calendar.write("e", ics("m-1", house.clock() + timedelta(days=3)).replace(b"ann@example.org", b"ann@x.test"))
        house.app.worker.poll_all(["calendar"])
        house.work()
        calendar.ask("DELETE", "e.ics", b"", 200)
        house.app.worker.poll_all(["calendar"])
        house.work()
        meetings = [a for a in house.facts("activity") if isinstance(a, Activity) and a.kind == "meeting"]
        assert [a.attributes["status"] for a in meetings] == ["planned", "removed"]
        matches = {m.activity: m.party for m in house.facts("match") if isinstance(m, Match)}
        assert [matches[a.id] for a in meetings] == [house.standing().party] * 2
        assert not house.parked()


def walked(channel: CaldavChannel, cursor: Any) -> tuple[list[Captured], Any]:
    """Poll to the end; return what came, and the last cursor as the book gives it back: ordered by its keys."""
    batches = list(channel.poll(cursor))
    return all_captured(batches), json.loads(json.dumps(batches[-1].cursor, sort_keys=True)) if batches else cursor


def _answer(body: bytes) -> Any:
    from adapters.http.raw import RawReply

    return RawReply(207, body)
