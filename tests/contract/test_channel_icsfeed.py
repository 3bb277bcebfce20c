"""A published calendar under the contract, on a server of its own over a real socket."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from adapters.channels.icsfeed import IcsFeedChannel, IcsFeedOptions
from adapters.formats.ics_pieces import cut_pieces
from sidecar.capture import capture
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.model import Activity, Match
from sidecar.ports import Captured, PollBatch
from tests.contract.channel import (
    CANARY,
    INSTALLED,
    MINT,
    NOW,
    PollContract,
    Secrets,
    all_captured,
    context,
    delivered,
    last_cursor,
    parsed,
)
from tests.contract.test_channel_caldav import ics
from tests.e2e.test_calendar import RULES, drop
from tests.support.houses import House, buys

FIXTURES = Path(__file__).parent.parent / "fixtures" / "ics"
PATH = "/private-3f9c81d27a/basic.ics"
MAX_BYTES = 20_000


class Publisher:
    """A web server that publishes one calendar at a secret address, with ETags as web servers make them."""

    def __init__(self) -> None:
        self.events: dict[str, bytes] = {}
        self.head = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n"
        self.body: bytes | None = None
        self.status, self.headers = 200, dict[str, str]()
        self.asked: list[dict[str, str]] = []
        self.tags = True
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append({name.lower(): value for name, value in self.headers.items()})
                body, status = owner.content, owner.status if self.path == PATH else 404
                tag = f'"{sha256(body).hexdigest()[:12]}"'
                if owner.tags and status == 200 and self.headers.get("If-None-Match") == tag:
                    status = 304
                self.send_response(status)
                for name, value in ({"ETag": tag} if owner.tags else {}).items() | owner.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) if status == 200 else 0))
                self.end_headers()
                if status == 200:
                    self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}{PATH}"
        self.thread = Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def content(self) -> bytes:
        """What it serves."""
        if self.body is not None:
            return self.body
        return self.head + b"".join(self.events.values()) + b"END:VCALENDAR\r\n"

    def puts(self, name: str, calendar: bytes) -> bytes:
        """Publish the events of a calendar, and return what is to be laid down of them."""
        (piece,) = cut_pieces(calendar)
        begin = calendar.index(b"BEGIN:VEVENT")
        self.events[name] = calendar[begin : calendar.rindex(b"END:VCALENDAR")]
        return self.head + self.events[name] + b"END:VCALENDAR\r\n" if piece.uid else piece.raw

    def close(self) -> None:
        """End it."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """A server for each test."""
    made = Publisher()
    try:
        yield made
    finally:
        made.close()


@dataclass
class FeedHarness:
    """A feed that the test publishes."""

    publisher: Publisher
    base: Path
    fixtures: Path = FIXTURES
    parked: frozenset[str] = frozenset()
    secrets: tuple[str, ...] = (PATH,)
    batch_size: int = 3
    entries: int = field(default=0)

    @property
    def channel(self) -> IcsFeedChannel:
        """The feed's channel."""
        return self.reopen()

    def reopen(self, clock: Callable[[], datetime] = lambda: NOW) -> IcsFeedChannel:
        """Make the channel anew."""
        return self.made(clock=clock)

    def made(self, url: str = "", clock: Callable[[], datetime] = lambda: NOW, **options: Any) -> IcsFeedChannel:
        """Make a channel with some options changed."""
        given = {"url_env": "FEED", "allow_private": True, "batch_size": self.batch_size, "max_entry_bytes": MAX_BYTES}
        made = context(self.base, Secrets(FEED=url or self.publisher.url), clock)
        return IcsFeedChannel("feed", IcsFeedOptions.model_validate({**given, **options}), made)

    def put(self) -> bytes:
        """Publish a new event."""
        self.entries += 1
        return self.publisher.puts(f"e{self.entries}", ics(f"m-{self.entries}"))

    def put_old(self) -> bytes:
        """Publish an event that was over before the installation."""
        self.entries += 1
        return self.publisher.puts(f"e{self.entries}", ics(f"m-{self.entries}", INSTALLED - timedelta(days=30)))

    def put_oversized(self) -> None:
        """Publish an event with a description that is too long."""
        self.publisher.puts("large", ics("large", more=f"DESCRIPTION:{'x' * MAX_BYTES}"))

    def receive(self) -> Captured:
        """Publish an event and poll it."""
        self.put()
        return all_captured(self.channel.poll(None))[-1]

    def broken(self) -> Captured:
        """Publish an event that can't be read."""
        self.publisher.puts("broken", ics("u" * 600, more=f"DESCRIPTION:{CANARY}"))
        return all_captured(self.channel.poll(None))[-1]

    def from_fixture(self, path: Path) -> Captured:
        """Publish a recorded calendar and poll it."""
        self.publisher.body = path.read_bytes()
        try:
            return all_captured(self.channel.poll(None))[-1]
        finally:
            self.publisher.body = None

    def unreachable(self) -> IcsFeedChannel:
        """Return a channel whose server is away."""
        return self.made("http://127.0.0.1:9/x.ics")

    def refused(self) -> IcsFeedChannel:
        """Return a channel whose address was reset."""
        return self.made(self.publisher.url.replace("basic", "other"))

    def polled(self, cursor: Any, clock: Callable[[], datetime] = lambda: NOW) -> tuple[list[Captured], Any]:
        """Poll once, and return what came with the cursor behind it."""
        batches = list(self.reopen(clock).poll(cursor))
        return all_captured(batches), last_cursor(batches) or cursor


def keys(batches: Iterable[PollBatch]) -> set[str | None]:
    """Return the keys of what some batches hold."""
    return {captured.key for captured in all_captured(batches)}


@pytest.fixture
def harness(publisher: Publisher, tmp_path: Path) -> FeedHarness:
    """A feed of its own for each test."""
    return FeedHarness(publisher, tmp_path)


class TestIcsFeed(PollContract):
    """The contract, and what a feed promises beside."""

    def test_an_unchanged_feed_costs_one_short_answer(self, harness: FeedHarness) -> None:
        """The server says by its ETag that nothing is new; where it has none, the hash does."""
        harness.put()
        for harness.publisher.tags in (True, False):
            _, cursor = harness.polled(None)
            assert harness.polled(cursor) == ([], cursor)
        assert [request.get("if-none-match") is not None for request in harness.publisher.asked] == [
            False, True, False, False,
        ]  # fmt: skip

    def test_a_new_stamp_is_no_change(self, harness: FeedHarness) -> None:
        """Servers stamp each event with the time of the download; seen to fail with DTSTAMP in the digest."""
        harness.put()
        _, cursor = harness.polled(None)
        harness.publisher.body = harness.publisher.content.replace(b"20261121T090000Z", b"20261122T090000Z")
        assert harness.polled(cursor)[0] == []
        assert keys(harness.channel.census(INSTALLED)) == keys(harness.channel.poll(None))

    def test_a_change_comes_again_and_one_that_vanished_is_cancelled(self, harness: FeedHarness) -> None:
        """A moved meeting is told anew in its thread; one that is gone and lay ahead was called off."""
        harness.put(), harness.put()
        _, cursor = harness.polled(None)
        harness.publisher.puts("e1", ics("m-1", NOW + timedelta(days=9), "SEQUENCE:1"))
        (moved,), cursor = harness.polled(cursor)
        del harness.publisher.events["e1"]
        (gone,), cursor = harness.polled(cursor)
        meeting, end = parsed(harness.channel, moved)[0], parsed(harness.channel, gone)[0]
        assert meeting.text.startswith("Meeting planned for 2026-12-01 10:00 to 11:00")
        assert end.text.startswith("Meeting cancelled, it was for 2026-12-01 10:00 to 11:00")
        assert (end.attributes["status"], end.thread, end.relates_to) == ("cancelled", "m-1", "m-1")
        assert not end.actor.authenticated
        assert harness.polled(cursor) == ([], cursor)

    def test_what_was_over_when_it_vanished_was_not_cancelled(self, harness: FeedHarness) -> None:
        """A feed drops its past; seen to fail without the look at the clock."""
        harness.put(), harness.put()
        _, cursor = harness.polled(None)
        del harness.publisher.events["e1"]
        assert harness.polled(cursor, lambda: NOW + timedelta(days=30))[0] == []

    def test_a_feed_that_is_not_whole_calls_nothing_off(self, harness: FeedHarness) -> None:
        """An event that can't be named may be the one that is missed, and an empty feed is believed the second time."""
        harness.put(), harness.put()
        _, cursor = harness.polled(None)
        first = harness.publisher.events.pop("e1")
        harness.publisher.puts("bad", ics("x").replace(b"UID:x\r\n", b""))
        (unnamed,), _ = harness.polled(cursor)
        with pytest.raises(PermanentError, match="UID is missing"):
            parsed(harness.channel, unnamed)
        harness.publisher.events = {}
        found, once = harness.polled(cursor)
        assert found == []
        harness.publisher.events = {"e1": first}
        assert [c.headers.get("vanished") for c in harness.polled(once)[0]] == ["m-2"]
        harness.publisher.events = {}
        assert {c.headers.get("vanished") for c in harness.polled(once)[0]} == {"m-1", "m-2"}

    def test_what_comes_back_is_told_again(self, harness: FeedHarness) -> None:
        """A meeting that vanished and is there again, unchanged, isn't left for cancelled."""
        harness.put(), harness.put()
        (first, _), cursor = harness.polled(None)
        kept = harness.publisher.events.pop("e1")
        (gone,), cursor = harness.polled(cursor)
        harness.publisher.events["e1"] = kept
        (back,), cursor = harness.polled(cursor)
        del harness.publisher.events["e1"]
        (gone_again,), _ = harness.polled(cursor)
        found = [parsed(harness.channel, captured)[0] for captured in (first, gone, back, gone_again)]
        assert [a.attributes["status"] for a in found] == ["planned", "cancelled", "planned", "cancelled"]
        assert len({a.id for a in found}) == 4
        assert len({delivered(harness.channel, c).id for c in (first, gone, back, gone_again)}) == 4

    @pytest.mark.parametrize(
        "body", [b"<html>Sign in</html>", b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:m-1\r\n", b"", b"\xff\xfe\x00"]
    )
    def test_a_bad_feed_is_parked_once_and_the_good_state_stays(self, harness: FeedHarness, body: bytes) -> None:
        """A page instead of a calendar is named to a person, once, and calls off nothing."""
        harness.put()
        _, cursor = harness.polled(None)
        harness.publisher.body = body
        (bad,), after = harness.polled(cursor)
        assert bad.fault
        with pytest.raises(PermanentError):
            capture(delivered(harness.channel, bad), harness.channel, MINT)
        harness.publisher.body = body + b" "
        assert harness.polled(after) == ([], after)
        assert harness.channel.check()
        harness.publisher.body = None
        found, good = harness.polled(after)
        assert (found, good["items"], good["bad"]) == ([], cursor["items"], "")

    def test_a_feed_that_is_too_large_is_parked(self, harness: FeedHarness) -> None:
        """No more than the limit is read of it."""
        harness.publisher.body = b"BEGIN:VCALENDAR\r\n" + b"X-A:b\r\n" * 1_000
        (bad,) = all_captured(harness.made(max_feed_bytes=2_000).poll(None))
        assert "2000" in (bad.fault or "")
        assert bad.raw == b""

    def test_exceptions_stand_with_their_series_and_zones_with_both(self, harness: FeedHarness) -> None:
        """One meeting is one delivery, whole, in the bytes as they stood; tasks are left out."""
        zone = b"BEGIN:VTIMEZONE\r\nTZID:Own\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:+0100\r\n"
        zone += b"TZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
        series = b"BEGIN:VEVENT\r\nUID:s\r\nDTSTART;TZID=Own:20261123T100000\r\nRRULE:FREQ=WEEKLY\r\nEND:VEVENT\r\n"
        task = b"BEGIN:VTODO\r\nUID:t\r\nEND:VTODO\r\n"
        moved = b"BEGIN:VEVENT\r\nUID:s\r\nRECURRENCE-ID:20261130T090000Z\r\nDTSTART:20261201T\r\n 090000Z\r\n"
        moved += b"END:VEVENT\r\n"
        other = ics("o").partition(b"BEGIN:VEVENT")[2].rpartition(b"END:VCALENDAR")[0]
        head, end = harness.publisher.head, b"END:VCALENDAR\r\n"
        harness.publisher.body = head + zone + series + task + b"BEGIN:VEVENT" + other + moved + end
        first, second = all_captured(harness.channel.poll(None))
        assert first.raw == head + zone + series + moved + end
        assert second.raw == head + b"BEGIN:VEVENT" + other + end
        assert [a.attributes["status"] for a in parsed(harness.channel, first)] == ["planned", "planned"]

    def test_a_series_that_began_long_ago_goes_on(self, harness: FeedHarness) -> None:
        """History isn't read, a series with days to come is."""
        harness.put_old()
        long_ago = INSTALLED - timedelta(days=90)
        over = harness.publisher.puts("over", ics("over", long_ago, "RRULE:FREQ=WEEKLY;COUNT=3"))
        series = harness.publisher.puts("series", ics("series", long_ago, "RRULE:FREQ=WEEKLY"))
        found, cursor = harness.polled(None)
        assert [captured.raw for captured in found] == [series]
        assert over not in [captured.raw for captured in found]
        harness.put()
        assert len(harness.polled(cursor)[0]) == 1

    def test_the_census_gives_what_the_poll_gave(self, harness: FeedHarness) -> None:
        """Counted against the journal, every meeting is there under its key."""
        harness.put_old()
        for _ in range(harness.batch_size + 1):
            harness.put()
        batches = list(harness.channel.census(INSTALLED - timedelta(days=90)))
        assert keys(batches) == keys(harness.channel.poll(None))
        assert all(batch.cursor == {} for batch in batches)

    def test_only_a_calendar_of_ours_speaks_for_us(self, harness: FeedHarness) -> None:
        """Whoever publishes a feed can name us in it as the organizer."""
        harness.put()
        for own_calendar in (False, True):
            channel = harness.made(own_calendar=own_calendar)
            (captured,) = all_captured(channel.poll(None))
            assert parsed(channel, captured)[0].actor.authenticated == own_calendar

    def test_the_address_is_told_nowhere(self, harness: FeedHarness, caplog: pytest.LogCaptureFixture) -> None:
        """Whoever has the address reads the calendar: no error, option, cursor or delivery holds it."""
        caplog.set_level("WARNING")  # what a library says below that, the product never logs
        harness.put()
        found, cursor = harness.polled(None)
        said = [repr(harness.channel.options), json.dumps(cursor), repr(found), harness.channel.account]
        for harness.publisher.status in (401, 404, 418, 500, 302):
            with pytest.raises((ConfigError, TemporaryError, PermanentError)) as caught:
                harness.polled(None)
            said += [str(caught.value), *harness.channel.check()]
        assert not [text for text in (*said, caplog.text) if "3f9c81d27a" in text]

    def test_a_busy_server_says_when(self, harness: FeedHarness) -> None:
        """Retry-After is obeyed."""
        harness.publisher.status, harness.publisher.headers = 429, {"Retry-After": "120"}
        with pytest.raises(TemporaryError) as caught:
            harness.polled(None)
        assert caught.value.retry_after_s == 120.0

    @pytest.mark.parametrize(
        "url",
        [
            "https://localhost/a.ics", "https://127.0.0.1/a.ics", "https://127.1/a.ics", "https://2130706433/a.ics",
            "https://0x7f.1/a.ics", "https://0177.0.0.1/a.ics", "https://[::1]/a.ics", "https://169.254.169.254/x",
            "https://[64:ff9b::7f00:1]/a.ics", "https://[2002:7f00:1::]/a.ics", "https://10.0.0.1/a.ics",
            "webcal://192.168.1.1/a.ics",
        ],
    )  # fmt: skip
    def test_our_own_network_is_not_asked(self, harness: FeedHarness, url: str) -> None:
        """However an address of ours is spelt, nobody is connected to unless the operator allows it."""
        with pytest.raises((ConfigError, TemporaryError)) as caught:
            all_captured(harness.made(url, allow_private=False).poll(None))
        assert any(word in str(caught.value) for word in ("not public", "resolved", "no address"))

    @pytest.mark.parametrize(
        "url", ["http://calendar.example.com/a.ics", "ftp://x/a", "https://u:p@x.test/a", "calendar", "https://[", " "]
    )
    def test_the_address_goes_nowhere_in_clear(self, harness: FeedHarness, url: str) -> None:
        """What is no address, or would be sent in clear, isn't taken."""
        with pytest.raises(ConfigError):
            harness.made(url, allow_private=False)

    def test_another_host_gets_nothing(self, harness: FeedHarness) -> None:
        """A redirect to elsewhere isn't followed, and says so."""
        harness.publisher.status, harness.publisher.headers = 302, {"Location": "http://127.0.0.2:9/x"}
        with pytest.raises(ConfigError, match="another host"):
            harness.polled(None)

    def test_a_lost_or_strange_cursor_costs_a_repetition(self, harness: FeedHarness) -> None:
        """Whatever stands in a cursor, a poll begins anew under the same keys."""
        harness.put()
        (first,), cursor = harness.polled(None)
        for strange in (
            {},
            {"items": 3},
            {**cursor, "items": {"m-1": ["x"]}},
            {**cursor, "items": {"m-1": [1, "x", 0, []]}},
        ):
            (again,), _ = harness.polled(strange)
            assert delivered(harness.channel, again).id == delivered(harness.channel, first).id


def test_a_feed_reaches_the_party_and_so_does_its_end(publisher: Publisher, tmp_path: Path) -> None:
    """From the server into the book: the guest whom we know, and that the meeting was called off, in one thread."""
    table = '[channels.feed]\ntype = "icsfeed"\nurl_env = "FEED"\nallow_private = true\nown_calendar = true\n'
    env = {"FEED": publisher.url}
    with House(tmp_path, "sqlite:///journal.db", buys(), after=table, env=env).start() as house:
        house.say("I want to buy", "ann")
        house.work()
        event = ics("m-1", house.clock() + timedelta(days=3)).replace(b"ann@example.org", b"ann@x.test")
        publisher.puts("a", event)
        publisher.puts("b", ics("m-2", house.clock() + timedelta(days=3)))
        house.app.worker.poll_all(["feed"])
        house.work()
        del publisher.events["a"]
        house.app.worker.poll_all(["feed"])
        house.work()
        meetings = [a for a in house.facts("activity") if isinstance(a, Activity) and a.thread == "m-1"]
        assert [a.attributes["status"] for a in meetings] == ["planned", "cancelled"]
        matches = {m.activity: m.party for m in house.facts("match") if isinstance(m, Match)}
        assert [matches[a.id] for a in meetings] == [house.standing().party] * 2
        assert not house.parked()


def test_a_mails_invitation_and_a_feeds_entry_are_one_appointment(publisher: Publisher, tmp_path: Path) -> None:
    """A guest's yes in a mail and the same meeting in a feed of ours make one meeting in the CRM, moved in place."""
    table = '[channels.feed]\ntype = "icsfeed"\nurl_env = "FEED"\nallow_private = true\nown_calendar = true\n'
    env = {"FEED": publisher.url}
    with House(tmp_path, "sqlite:///journal.db", *RULES, after=table, env=env).start() as house:
        house.mail("Ann Lee <ann@x.test>", "We want a training day for 12 people")
        house.poll()
        drop(house, "yes", "ann@x.test", "REPLY", answer="ACCEPTED")
        house.poll()
        (booked,) = house.standing().meetings
        event = ics("meeting-1", house.clock() + timedelta(days=3)).replace(b"ann@example.org", b"ann@x.test")
        publisher.puts("a", event)
        house.app.worker.poll_all(["feed"])
        house.work()
        assert [meeting.id for meeting in house.standing().meetings] == [booked.id]
        house.clock.move(60)
        later = house.clock() + timedelta(days=4)
        moved = ics("meeting-1", later, "SEQUENCE:1").replace(b"ann@example.org", b"ann@x.test")
        publisher.puts("a", moved.replace(b"20261121T090000Z", f"{house.clock():%Y%m%dT%H%M%SZ}".encode()))
        house.app.worker.poll_all(["feed"])
        house.work()
        (known,) = house.standing().meetings
        assert (known.id, known.start) == (booked.id, later.replace(microsecond=0))
        assert {a.thread for a in house.facts("activity") if isinstance(a, Activity) and a.kind == "meeting"} == {
            "meeting-1"
        }
        assert not house.parked()
