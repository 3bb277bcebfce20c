"""Calendly under the contract of those that are called and of those that ask, against a twin on a socket."""

import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.calendly import CalendlyChannel, CalendlyOptions
from adapters.channels.calendly.events import lay_down
from adapters.http.reconciled import MAX_SKEW
from sidecar.errors import ConfigError, PermanentError, TemporaryError, Withheld
from sidecar.model import Activity, Identifier, Match, Outcome, Role, Standing
from sidecar.model.fold.meetings import met
from sidecar.ports import Captured, Context
from tests.contract.channel import (
    CANARY,
    INSTALLED,
    MINT,
    NOW,
    PollContract,
    WebhookContract,
    all_captured,
    last_cursor,
    parsed,
)
from tests.contract.hooked import FIXTURES, MAX_BYTES, HookedHarness
from tests.twins.calendly import CalendlyTwin
from tests.twins.wire.faults import Status

START = datetime(2026, 12, 1, 9, tzinfo=UTC)


class CalendlyHarness(HookedHarness):
    """One organization, its webhook and its API."""

    HEADER = "calendly-webhook-signature"

    def build(self, given: Mapping[str, Any], told: Context) -> CalendlyChannel:
        """Make the channel."""
        return CalendlyChannel("calendly", CalendlyOptions.model_validate(given), told)

    def signed(self, body: bytes, at: datetime, secret: str) -> str:
        """Sign as Calendly does."""
        stamp = str(int(at.timestamp()))
        digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, "sha256").hexdigest()
        return f"t={stamp},v1={digest}"

    def forged(self, signature: str) -> Mapping[str, str]:
        """Return headers whose parts are wrong."""
        stamp, _, digest = signature.removeprefix("t=").partition(",v1=")
        times = ("", "now", f"{stamp}.0", f"-{stamp}", f"+{stamp}", f"{stamp}000", "9" * 400, "๑๗๙", "0", f" {stamp}")
        forms = {
            "other order": f"v1={digest},t={stamp}",
            "no time": f"v1={digest}",
            "no signature": f"t={stamp}",
            "another version": f"t={stamp},v2={digest}",
            "two of them": f"t={stamp},v1={digest},v1={digest}",
            "space between": f"t={stamp}, v1={digest}",
            "semicolon": f"t={stamp};v1={digest}",
            "another time": f"t={int(stamp) - 1},v1={digest}",
        }
        return {f"time {time!r:.20}": f"t={time},v1={digest}" for time in times} | forms

    def laid(self, invitee: str) -> bytes:
        """Return what is laid down of an invitee."""
        row = self.twin.invitees[invitee]
        return lay_down(self.twin.events[row["event"].rsplit("/", 1)[-1]], row)

    def put(self) -> bytes:
        """Let somebody book."""
        at = self.at()
        return self.laid(self.twin.books(START + timedelta(hours=self.sent), at, email=f"a{self.sent}@customer.test"))

    def put_withheld(self) -> bytes:
        """Let somebody book, and Calendly then refuse to show who."""
        raw = self.put()
        event = json.loads(raw)["payload"]["scheduled_event"]
        id, changed = event["uri"].rsplit("/", 1)[-1], datetime.fromisoformat(event["updated_at"])
        self.withheld[raw] = (id, int(changed.timestamp()))
        self.twin.fault(Status(500), path=f"/scheduled_events/{id}/", times=None)
        return raw

    def name_of(self, raw: bytes) -> tuple[str, Mapping[str, str]]:
        """Return the key of an event, and its headers, as a poll names it whose invitees are refused."""
        (id, changed), since = self.withheld[raw], int((INSTALLED - MAX_SKEW).timestamp())
        return f"event:{changed}:{since}:{id}", {"event": id, "since": str(since)}

    def mend(self) -> None:
        """Let Calendly be well."""
        self.twin.heal()

    def put_old(self) -> bytes:
        """Let somebody have booked, and come, before the installation."""
        self.sent += 1
        at = INSTALLED - timedelta(days=40) + timedelta(minutes=self.sent)
        return self.laid(self.twin.books(at + timedelta(days=2), at))

    def put_oversized(self) -> None:
        """Let somebody answer with a book."""
        long = [{"question": "Why?", "answer": "x" * MAX_BYTES, "position": 0}]
        self.twin.books(START, self.at(), questions_and_answers=long)

    def body(self) -> bytes:
        """Return what is posted of a booking."""
        at = self.at()
        answers = [{"question": "What is it about?", "answer": "A new boiler, about 4000 pounds", "position": 0}]
        invitee = self.twin.books(START, at, questions_and_answers=answers)
        return bytes(self.twin.webhook("invitee.created", invitee, at))

    def broken(self) -> Captured:
        """Let a booking in whose time is none."""
        event = json.loads(self.body())
        event["payload"]["scheduled_event"]["start_time"] = CANARY
        event["payload"][CANARY] = event["payload"]["uri"] = [CANARY]
        return self.canary(event)

    def hook(self, event: str, invitee: str, at: datetime) -> tuple[Activity, ...]:
        """Post an event of an invitee, and read it."""
        return self.posted(self.twin.webhook(event, invitee, at))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[CalendlyHarness]:
    """Return an organization that waits for its invitees."""
    with CalendlyTwin() as twin:
        yield CalendlyHarness(
            twin,
            tmp_path,
            FIXTURES / "calendly",
            parked=frozenset({"composed_invitee_created_without_time.json"}),
            hints=frozenset(
                {
                    "composed_invitee_canceled_rescheduled.json",
                    "composed_routing_form_submission_created.json",
                    "composed_event_of_next_year.json",
                }
            ),
        )


class TestCalendlyChannel(WebhookContract, PollContract):
    """Calendly keeps every promise of a channel that is called, and of one that asks."""


def meetings(activities: Any) -> list[tuple[str, datetime, str]]:
    """Return the appointments that these activities make of a party, told in this order."""
    standing = Standing("party-1")
    for activity in activities:
        match = Match(because=(activity.id,), party="party-1", activity=activity.id, outcome=Outcome.PARTY, rule="test")
        standing = met(standing, MINT(match), activity)
    return [(m.id.rsplit("/", 1)[-1], m.start, m.status) for m in standing.meetings]


def test_a_booking_by_webhook_and_by_poll_is_one_activity(harness: CalendlyHarness) -> None:
    """Whichever way each event comes first, it is one with the same words. Seed: the delivery's hash in the id."""
    at = harness.at()
    kept, gone = harness.twin.books(START, at), harness.twin.books(START + timedelta(hours=1), at)
    by_hook = [*harness.hook("invitee.created", kept, at), *harness.hook("invitee.created", gone, at)]
    harness.twin.cancels(gone, later := at + timedelta(minutes=5), reason="Too expensive for us")
    harness.twin.misses(kept, later)
    by_hook += harness.hook("invitee.canceled", gone, later)
    by_hook += harness.hook("invitee_no_show.created", kept, later)
    polled = [a for c in all_captured(harness.channel.poll(None)) for a in parsed(harness.channel, c)]
    told = [{(a.id, a.kind, a.text, a.said, a.at, a.participants) for a in ways} for ways in (by_hook, polled)]
    assert told[0] == told[1]
    assert len(told[0]) == 4


def test_a_move_is_one_whatever_came_of_it_and_when(harness: CalendlyHarness) -> None:
    """Both webhooks in either order, one of them, or the poll alone end in one appointment at its new time.

    Seen to fail with the end of the old invitee told as a cancellation.
    """
    at = harness.at()
    first = harness.twin.books(START, at)
    made = harness.hook("invitee.created", first, at)
    second = harness.twin.moves(first, START + timedelta(days=1), later := at + timedelta(minutes=1))
    ended, moved = (
        harness.hook("invitee.canceled", first, later),
        harness.hook("invitee.created", second, later),
    )
    assert ended == ()
    assert [(a.kind, a.relates_to, a.attributes["replaces"]) for a in moved] == [("booking_moved", first, first)]
    polled = tuple(a for c in all_captured(harness.channel.poll(None)) for a in parsed(harness.channel, c))
    for ways in [*permutations([made, ended, moved]), (made, polled), (polled,), (polled, made, moved)]:
        told = {a.id: a for way in ways for a in way}.values()
        assert [found[1:] for found in meetings(told)] == [(START + timedelta(days=1), "scheduled")], ways


def test_a_place_that_was_moved_twice_and_called_off_is_one(harness: CalendlyHarness) -> None:
    """Three names of one appointment, polled, end in one that was called off. Seed: `replaces` not told."""
    at = harness.at()
    first = harness.twin.books(START, at)
    second = harness.twin.moves(first, START + timedelta(days=1), at + timedelta(minutes=1))
    third = harness.twin.moves(second, START + timedelta(days=2), at + timedelta(minutes=2))
    harness.twin.cancels(third, at + timedelta(minutes=3))
    polled = [parsed(harness.channel, c) for c in all_captured(harness.channel.poll(None))]
    for order in permutations(polled):
        found = meetings([a for activities in order for a in activities])
        assert [(start, status) for _, start, status in found] == [(START + timedelta(days=2), "cancelled")]


def test_who_said_what(harness: CalendlyHarness) -> None:
    """The line is Calendly's, authenticated; answers are the customer's; a reason is of whoever called off."""
    (made,) = harness.posted(harness.body())
    assert [(s.role, s.authenticated, made.text[s.start : s.end]) for s in made.said] == [
        (Role.SYSTEM, True, "Booking INV00001 created for 2026-12-01 09:00 (Europe/London)"),
        (Role.CUSTOMER, False, "A new boiler, about 4000 pounds"),
    ]
    assert (made.actor.role, made.actor.authenticated) == (Role.SYSTEM, True)
    for by, role, authenticated in (("invitee", Role.CUSTOMER, False), ("host", Role.AGENT, True)):
        at = harness.at()
        invitee = harness.twin.books(START, at)
        harness.twin.cancels(invitee, at, by=by, reason="No budget this year")
        (ended,) = harness.hook("invitee.canceled", invitee, at)
        said = ended.said[1]
        assert (said.role, said.authenticated) == (role, authenticated)
        assert ended.text[said.start : said.end] == "No budget this year"


def test_times_are_the_invitees_own(harness: CalendlyHarness) -> None:
    """A time is told in the zone that the invitee booked in; a zone that nobody knows is no reason to lose it."""
    zones = {
        "America/New_York": "2026-12-01 04:00 (America/New_York)",
        "Asia/Kolkata": "2026-12-01 14:30 (Asia/Kolkata)",
        "Mars/Base": "2026-12-01 09:00 (UTC+0000)",
        "Europe": "2026-12-01 09:00 (UTC+0000)",
    }
    for zone, shown in zones.items():
        at = harness.at()
        (made,) = harness.hook("invitee.created", harness.twin.books(START, at, timezone=zone), at)
        assert shown in made.text
        assert datetime.fromisoformat(made.attributes["start"]) == START


def test_whom_it_is_with(harness: CalendlyHarness) -> None:
    """The invitee has his address and each number he gave; guests stand behind, our people are ours."""
    at = harness.at()
    answers = [
        {"question": "Phone number", "answer": "+44 7700 900124", "position": 0},
        {"question": "How many phones do you sell?", "answer": "about 3", "position": 1},
        {"question": "Order number", "answer": "4417700900", "position": 2},
    ]
    about = {
        "event_guests": [{"email": "bob@customer.test", "created_at": "", "updated_at": ""}],
        "location": {"type": "outbound_call", "location": "+1 415-555-0100"},
    }
    told = {"questions_and_answers": answers, "text_reminder_number": "+44 7700 900123"}
    (made,) = harness.hook("invitee.created", harness.twin.books(START, at, about=about, **told), at)
    phones = ("+44 7700 900123", "+1 415-555-0100", "+44 7700 900124")
    people = {p.part: (set(p.identifiers), p.own) for p in made.participants}
    assert people == {
        "attendee": ({Identifier("email", "ann@customer.test"), *(Identifier("phone", n) for n in phones)}, False),
        "cc": ({Identifier("email", "bob@customer.test")}, False),
        "organizer": ({Identifier("email", "rita@ours.test")}, True),
    }


def test_a_no_show_can_be_taken_back(harness: CalendlyHarness) -> None:
    """Marked is missed, unmarked is as it was, marked again is missed; in one order of arrival as in another."""
    at = harness.at()
    invitee = harness.twin.books(START, at)
    told = list(harness.hook("invitee.created", invitee, at))
    harness.twin.misses(invitee, at + timedelta(minutes=1))
    told += harness.hook("invitee_no_show.created", invitee, at + timedelta(minutes=1))
    harness.twin.unmarks(invitee)
    told += harness.hook("invitee_no_show.deleted", invitee, at + timedelta(minutes=2))
    assert [a.kind for a in told] == ["booking_created", "booking_no_show", "booking_created"]
    assert {meetings(order)[0][2] for order in permutations(told)} == {"scheduled"}


def test_a_no_show_that_is_marked_days_later_is_found(harness: CalendlyHarness) -> None:
    """An event that is over, and doesn't change by it, is looked into again. Seed: changed events alone."""
    begun = NOW - timedelta(days=1)
    invitee = harness.twin.books(begun, INSTALLED + timedelta(hours=1))
    harness.put()
    cursor = last_cursor(harness.channel.poll(None))
    harness.twin.misses(invitee, NOW - timedelta(minutes=1))
    (found,) = all_captured(harness.channel.poll(cursor))
    assert [a.kind for a in parsed(harness.channel, found)] == ["booking_created", "booking_no_show"]


def test_long_lists_are_paged(harness: CalendlyHarness) -> None:
    """Seven bookings on pages of two come in whole, and a group event's guests too. Seed: the first page alone."""
    harness.twin.page = 2
    group = harness.twin.books(START, at := harness.at(), about={"invitees_counter": {"total": 5, "limit": 9}})
    event = harness.twin.invitees[group]["event"].rsplit("/", 1)[-1]
    for number in range(4):
        harness.twin.books(START, at, email=f"g{number}@customer.test", event=event)
    for number in range(7):
        harness.twin.books(START + timedelta(hours=number + 1), harness.at())
    assert len(all_captured(harness.channel.poll(None))) == 12


def test_only_what_changed_is_looked_into(harness: CalendlyHarness) -> None:
    """A poll without news asks for no invitees of events to come. Seed: every event looked into."""
    for number in range(5):
        harness.twin.books(START + timedelta(hours=number), INSTALLED + timedelta(hours=1))
    harness.put()
    cursor = last_cursor(harness.channel.poll(None))
    asked = harness.twin.calls("invitees")
    assert not all_captured(harness.channel.poll(cursor))
    assert harness.twin.calls("invitees") == asked + 1  # the newest, which lies within the overlap


def test_a_polled_invitee_that_cannot_be_read_is_parked(harness: CalendlyHarness) -> None:
    """It is kept with its bytes for a person, and its neighbour is read. Seed: what can't be read left where it is."""
    harness.twin.books(START, harness.at(), uri=f"https://api.calendly.com/scheduled_events/X/invitees/{'x' * 600}")
    neighbour = harness.put()
    bad, good = sorted(all_captured(harness.channel.poll(None)), key=lambda captured: captured.raw == neighbour)
    with pytest.raises(PermanentError):
        parsed(harness.channel, bad)
    assert b"x" * 600 in bad.raw
    assert parsed(harness.channel, good)


def test_a_history_in_which_one_event_is_refused_is_read(harness: CalendlyHarness) -> None:
    """It is measured and read but for that, whose old invitees then come by name. Seed: asked for from our start on."""
    since = INSTALLED - timedelta(days=90)
    old = harness.put_old()
    (event,) = harness.twin.events
    others = sorted(harness.put_old() for _ in range(2))
    harness.put()
    harness.twin.fault(Status(403), path=f"/scheduled_events/{event}/", times=None)
    extent = harness.channel.extent(since)
    assert (extent.items, extent.size_bytes) == (3, sum(map(len, others)))
    found = all_captured(harness.channel.backfill(since, None))
    (left,) = (captured for captured in found if captured.withheld)
    assert sorted(captured.raw for captured in found if captured.raw) == others
    with pytest.raises(Withheld):
        harness.channel.retrieve(str(left.key), left.headers)
    harness.mend()
    assert [captured.raw for captured in harness.channel.retrieve(str(left.key), left.headers)] == [old]
    del harness.twin.events[event]
    assert not harness.channel.retrieve(str(left.key), left.headers)


def test_refusals_say_who_must_act(harness: CalendlyHarness) -> None:
    """Too many calls are for time to mend, a scope that isn't ours for the operator, and check says so."""
    harness.put()
    harness.twin.fault(Status(429, {"message": "Too many requests"}), path="scheduled_events")
    with pytest.raises(TemporaryError):
        all_captured(harness.channel.poll(None))
    harness.twin.fault(Status(403, {"title": "Permission Denied"}), path="scheduled_events", times=None)
    with pytest.raises(ConfigError, match="admins"):
        all_captured(harness.made(scope="organization").poll(None))
    (line,) = harness.made(scope="organization").check()
    assert "403" in line


def test_an_answer_that_is_none_is_an_outage(harness: CalendlyHarness) -> None:
    """A proxy's page, or a list without its rows, is not an empty list. Seed: `.get("collection", [])`."""
    harness.put()
    answers: tuple[Any, ...] = ({}, {"collection": None}, {"collection": [{"name": "x"}]}, [])
    for body in answers:
        harness.twin.fault(Status(200, body), path="scheduled_events")
        with pytest.raises(TemporaryError):
            all_captured(harness.channel.poll(None))


def test_odd_shapes_beside_the_words_cost_no_booking(harness: CalendlyHarness) -> None:
    """What matters little may be missing or of another type."""
    good = json.loads(harness.body())
    odd = {"name": None, "questions_and_answers": None, "text_reminder_number": 7, "timezone": None, "no_show": None}
    about = {"location": None, "event_guests": "none", "event_memberships": None, "name": ["x"]}
    payload = {**good["payload"], **odd, "scheduled_event": {**good["payload"]["scheduled_event"], **about}}
    (made,) = harness.posted(json.dumps({**good, "payload": payload}).encode())
    assert made.kind == "booking_created"
    assert made.participants[0].identifiers == (Identifier("email", "ann@customer.test"),)
