"""Cal.com under the contract of those that are called and of those that ask, against a twin on a socket."""

import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.calcom import CalcomChannel, CalcomOptions
from adapters.channels.calcom.events import lay_down
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.model import Activity, Identifier, Role
from sidecar.ports import Captured, Context
from tests.contract.channel import (
    CANARY,
    INSTALLED,
    PollContract,
    WebhookContract,
    all_captured,
    parsed,
)
from tests.contract.hooked import FIXTURES, MAX_BYTES, HookedHarness
from tests.contract.test_channel_calendly import meetings
from tests.twins.calcom import CalcomTwin
from tests.twins.wire.faults import Status

START = datetime(2026, 12, 1, 9, tzinfo=UTC)


class CalcomHarness(HookedHarness):
    """One user, the webhook and the API."""

    HEADER = "x-cal-signature-256"

    def build(self, given: Mapping[str, Any], told: Context) -> CalcomChannel:
        """Make the channel."""
        return CalcomChannel("calcom", CalcomOptions.model_validate(given), told)

    def signed(self, body: bytes, at: datetime, secret: str) -> str:
        """Sign as Cal.com does: without a prefix or a time."""
        return hmac.new(secret.encode(), body, "sha256").hexdigest()

    def forged(self, signature: str) -> Mapping[str, str]:
        """Return headers whose form is wrong."""
        forms = {f"prefix {form!r}": f"{form}{signature}" for form in ("sha256=", "v1=", "0x", "t=1,v1=", "=")}
        return {**forms, "no secret": "no-secret-provided", "sha1's": signature[:40]}

    def laid(self, uid: str) -> bytes:
        """Return what is laid down of a booking."""
        return lay_down(self.twin.bookings[uid], is_replaced=False)

    def put(self) -> bytes:
        """Let somebody book."""
        at = self.at()
        return self.laid(self.twin.books(START + timedelta(hours=self.sent), at, email=f"a{self.sent}@customer.test"))

    def put_old(self) -> bytes:
        """Let somebody have booked, and come, before the installation."""
        self.sent += 1
        at = INSTALLED - timedelta(days=40) + timedelta(minutes=self.sent)
        return self.laid(self.twin.books(at + timedelta(days=2), at))

    def put_oversized(self) -> None:
        """Let somebody answer with a book."""
        self.twin.books(START, self.at(), answers={"notes": "x" * MAX_BYTES})

    def body(self) -> bytes:
        """Return what is posted of a booking."""
        at = self.at()
        uid = self.twin.books(START, at, answers={"notes": "A new boiler, about 4000 pounds"})
        return bytes(self.twin.webhook("BOOKING_CREATED", uid, at))

    def broken(self) -> Captured:
        """Let a booking in whose time is none."""
        event = json.loads(self.body())
        event["payload"] |= {"startTime": CANARY, "uid": [CANARY], CANARY: CANARY}
        return self.canary(event)

    def hook(self, event: str, uid: str, at: datetime) -> tuple[Activity, ...]:
        """Post an event of a booking, and read it."""
        return self.posted(self.twin.webhook(event, uid, at))

    def polled(self) -> list[Activity]:
        """Poll, and read all of it."""
        return [a for c in all_captured(self.channel.poll(None)) for a in parsed(self.channel, c)]


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[CalcomHarness]:
    """Return a user who waits for visitors."""
    with CalcomTwin() as twin:
        parked = frozenset({"composed_booking_created_without_time.json"})
        hints = frozenset({"composed_ping.json", "composed_booking_no_show_updated.json", "composed_booking_paid.json"})
        yield CalcomHarness(twin, tmp_path, FIXTURES / "calcom", parked=parked, hints=hints)


class TestCalcomChannel(WebhookContract, PollContract):
    """Cal.com keeps every promise of a channel that is called, and of one that asks."""


def test_a_polled_booking_that_cannot_be_read_is_parked(harness: CalcomHarness) -> None:
    """It is kept with its bytes for a person, and its neighbour is read. Seed: what can't be read left where it is."""
    harness.twin.books(START, harness.at(), uid="x" * 600)
    neighbour = harness.put()
    bad, good = sorted(all_captured(harness.channel.poll(None)), key=lambda captured: captured.raw == neighbour)
    with pytest.raises(PermanentError):
        parsed(harness.channel, bad)
    assert b"x" * 600 in bad.raw
    assert parsed(harness.channel, good)


def test_a_booking_by_webhook_and_by_poll_is_one_activity(harness: CalcomHarness) -> None:
    """Whichever way each event comes first, it is one with the same words. Seed: the delivery's hash in the id."""
    at = harness.at()
    uid = harness.twin.books(START, at, answers={"notes": "Ring the bell"})
    by_hook = [*harness.hook("BOOKING_CREATED", uid, at)]
    harness.twin.cancels(uid, later := at + timedelta(minutes=5), reason="Too expensive for us")
    by_hook += harness.hook("BOOKING_CANCELLED", uid, later)
    told = [{(a.id, a.kind, a.text, a.said, a.at, a.participants, a.thread) for a in ways} for ways in
            (by_hook, harness.polled())]  # fmt: skip
    assert told[0] == told[1]
    assert len(told[0]) == 2


def test_a_chain_of_moves_is_one_booking(harness: CalcomHarness) -> None:
    """Two moves and an end, by webhook without a calendar's name or by poll with it, in any order, are one.

    Seen to fail with the end of a booking that was replaced told as a cancellation.
    """
    at = harness.at()
    first = harness.twin.books(START, at)
    made = harness.hook("BOOKING_CREATED", first, at)
    second = harness.twin.moves(first, START + timedelta(days=1), at + timedelta(minutes=1))
    moved = harness.hook("BOOKING_RESCHEDULED", second, at + timedelta(minutes=1))
    third = harness.twin.moves(second, START + timedelta(days=2), at + timedelta(minutes=2))
    again = harness.hook("BOOKING_RESCHEDULED", third, at + timedelta(minutes=2))
    assert "moved from 2026-12-01 09:00 to 2026-12-02 09:00 (Europe/London)" in moved[0].text
    polled = tuple(harness.polled())
    assert {a.thread for a in (*made, *polled)} == {f"{first}@Cal.com"}
    for ways in [*permutations([made, moved, again]), (polled,), (moved, polled), (made, polled, again)]:
        told = {a.id: a for way in ways for a in way}.values()
        assert [m[1:] for m in meetings(told)] == [(START + timedelta(days=2), "scheduled")], ways


def test_a_request_is_no_booking_yet(harness: CalcomHarness) -> None:
    """What waits for the host, and what he declines, make no appointment; once he agrees it is one."""
    at = harness.at()
    asked, refused = (harness.twin.books(START + timedelta(hours=n), at, status="pending") for n in range(2))
    told = [*harness.hook("BOOKING_REQUESTED", asked, at), *harness.hook("BOOKING_REQUESTED", refused, at)]
    assert {a.id for a in told} == {a.id for a in harness.polled()}
    harness.twin.answers(refused, at + timedelta(minutes=1), accepted=False)
    told += harness.hook("BOOKING_REJECTED", refused, at + timedelta(minutes=1))
    assert [(a.kind, a.attributes["status"]) for a in told] == [
        ("meeting", s) for s in ("requested",) * 2 + ("declined",)
    ]
    assert meetings(told) == []
    assert "not confirmed yet" in told[0].text
    harness.twin.answers(asked, at + timedelta(minutes=2), accepted=True)
    told += harness.hook("BOOKING_CREATED", asked, at + timedelta(minutes=2))
    assert [m[2] for m in meetings(told)] == ["scheduled"]


def test_that_a_meeting_ended_says_nothing_of_who_came(harness: CalcomHarness) -> None:
    """Its webhook has no payload, and is a clock's word: held as planned, and the appointment stays as it was."""
    at = harness.at()
    uid = harness.twin.books(START, at)
    made, ended = harness.hook("BOOKING_CREATED", uid, at), harness.hook("MEETING_ENDED", uid, at)
    assert [(a.kind, a.attributes["status"]) for a in ended] == [("meeting", "held_as_planned")]
    assert "who came is not known" in ended[0].text
    assert [m[2] for m in meetings((*made, *ended))] == ["scheduled"]


def test_a_no_show_comes_by_the_poll_that_its_webhook_makes_due(harness: CalcomHarness) -> None:
    """The webhook names the booking and not its time, so it hints; whoever booked counts. Seed: never looked at."""
    at = harness.at()
    uid = harness.twin.books(START, at)
    harness.twin.misses(uid, at + timedelta(minutes=1))
    assert harness.hook("BOOKING_NO_SHOW_UPDATED", uid, at) == ()
    assert harness.channel.capabilities.hints
    assert [m[2] for m in meetings(harness.polled())] == ["no_show"]


def test_whom_it_is_with_and_who_said_what(harness: CalcomHarness) -> None:
    """Numbers from every field that asks for one; made-up addresses are none; answers are the customer's words."""
    at = harness.at()
    answers = {"attendeePhoneNumber": "+44 7700 900123", "notes": "Two chairs", "mobile": "07700 900124", "guests": []}
    by_phone = {"email": "447700900123@sms.cal.com", "phoneNumber": "+447700900123"}
    uid = harness.twin.books(START, at, answers=answers, attendee=by_phone, guests=["bob@customer.test"])
    (made,) = harness.polled()
    people = {p.part: (set(p.identifiers), p.own) for p in made.participants}
    phones = ("+447700900123", "+44 7700 900123", "07700 900124")
    assert people == {
        "attendee": ({Identifier("phone", phone) for phone in phones}, False),
        "cc": ({Identifier("email", "bob@customer.test")}, False),
        "organizer": ({Identifier("email", "rita@ours.test")}, True),
    }
    said = [(s.role, s.authenticated, made.text[s.start : s.end]) for s in made.said]
    assert (Role.SYSTEM, True, f"Booking {uid} created for 2026-12-01 09:00 (Europe/London)") == said[0]
    assert (Role.CUSTOMER, False, "Two chairs") in said
    for by, role, authenticated in (("rita@ours.test", Role.AGENT, True), ("", Role.CUSTOMER, False)):
        harness.twin.cancels(uid, at, by=by, reason="No budget")
        (ended,) = harness.hook("BOOKING_CANCELLED", uid, at)
        assert (ended.said[1].role, ended.said[1].authenticated) == (role, authenticated)


def test_long_lists_are_paged(harness: CalcomHarness) -> None:
    """Seven bookings on pages of two come in whole. Seed: the first page alone."""
    harness.twin.most = 2
    for _ in range(7):
        harness.put()
    assert len({c.key for c in all_captured(harness.channel.poll(None))}) == 7


def test_a_booking_that_changes_while_pages_are_turned_draws_nobody_over(harness: CalcomHarness) -> None:
    """What moves to the end of the list between two calls hides no other booking. Seed: pages that are counted off."""
    harness.twin.most = 2
    at = harness.at()
    uids = [harness.twin.books(START, at + timedelta(seconds=n * 5)) for n in range(6)]
    asked: list[int] = []

    def jump() -> None:
        asked.append(1)
        if len(asked) == 2:
            harness.twin.cancels(uids[0], at + timedelta(minutes=70))

    harness.twin.before(jump, path="bookings", times=2)
    told = {(a.external_id, a.kind) for a in harness.polled()}
    assert told == {(uid, "booking_created") for uid in uids} | {(uids[0], "booking_cancelled")}


def test_refusals_say_who_must_act(harness: CalcomHarness) -> None:
    """Too many calls are for time to mend, a wrong address for the operator; no list is no empty list."""
    harness.put()
    harness.twin.fault(Status(429, {"status": "error"}, {"Retry-After": "60"}), path="bookings")
    with pytest.raises(TemporaryError):
        all_captured(harness.channel.poll(None))
    answers: tuple[Any, ...] = ({}, {"data": None}, {"data": [{}]}, [])
    for body in answers:
        harness.twin.fault(Status(200, body), path="bookings")
        with pytest.raises(TemporaryError):
            all_captured(harness.made().poll(None))
    harness.twin.fault(Status(403, {"status": "error"}), path="bookings")
    with pytest.raises(ConfigError, match="base_url"):
        all_captured(harness.made().poll(None))
