"""Dialpad under the contract of those that are called and of those that ask, against a twin on a socket."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.channels.dialpad import DialpadChannel, DialpadOptions
from adapters.channels.dialpad.calls import is_spoken, lay_down
from sidecar.errors import ConfigError, TemporaryError
from sidecar.model import Identifier, Role
from sidecar.ports import Captured, Context
from tests.contract.channel import (
    CANARY,
    INSTALLED,
    PollContract,
    WebhookContract,
    all_captured,
    delivered,
    last_cursor,
    parsed,
)
from tests.contract.hooked_recorders import DialpadDoor
from tests.contract.recorders import FIRST, FIXTURES, RECENT, SECOND
from tests.twins.dialpad import DialpadTwin
from tests.twins.wire.faults import Status


class DialpadHarness(DialpadDoor):
    """One company."""

    def build(self, given: Mapping[str, object], told: Context) -> DialpadChannel:
        """Make the channel."""
        options = {"token_env": "TOKEN", "secret_env": "SECRET", "calls_per_s": 1000, **given}
        return DialpadChannel("dialpad", DialpadOptions.model_validate(options), told)

    def laid(self, meeting: str) -> bytes:
        """Return what is laid down of a call."""
        return lay_down(self.twin.talks[meeting], [row for row in self.twin.words[meeting] if is_spoken(row)])

    def broken(self) -> Captured:
        """Return a call whose time is none."""
        raw = json.dumps({"call": {"call_id": CANARY, "date_started": CANARY}}).encode()
        return Captured("dialpad", raw, "call:1", {"kind": "call"})


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[DialpadHarness]:
    """Return a company that waits for its calls."""
    with DialpadTwin() as twin:
        parked = frozenset({"composed_call_without_time.json"})
        hints = frozenset(path.name for path in (FIXTURES / "dialpad").glob("composed_event_*"))
        secrets = (FIRST, SECOND, twin.token)
        yield DialpadHarness(twin, tmp_path, FIXTURES / "dialpad", parked=parked, hints=hints, secrets=secrets)


class TestDialpadChannel(WebhookContract, PollContract):
    """Dialpad keeps every promise of a channel that is called, and of one that asks."""


def test_the_line_says_who_spoke_and_moments_say_nothing(harness: DialpadHarness) -> None:
    """Users' words are our side's and authenticated, a contact's a customer's; what Dialpad itself writes between them
    is in no word of it. Seen to fail with moments as lines."""
    talk = (("Ann Lee", "Yes."), ("Rita Ray", "Good."), ("Sam Own", "I join."), ("Caller 2", "Me too."))
    harness.twin.meets(RECENT, talk)
    (captured,) = all_captured(harness.channel.poll(None))
    (transcript,) = parsed(harness.channel, captured)
    assert [(said.who, said.role, said.authenticated) for said in transcript.said] == [
        ("Ann Lee", Role.CUSTOMER, False),
        ("Rita Ray", Role.AGENT, True),
        ("Sam Own", Role.AGENT, True),
        ("Caller 2", Role.CUSTOMER, False),
    ]
    assert b"summary" not in captured.raw and b"price named" not in captured.raw
    theirs = {person.name: person.identifiers for person in transcript.participants if not person.own}
    assert theirs == {
        "Ann Lee": (Identifier("email", "ann@customer.test"), Identifier("phone", "+447700900123")),
        "Caller 2": (),
    }


def test_without_consent_no_word_is_kept_or_asked_for(harness: DialpadHarness) -> None:
    """While the option is off no transcript is asked for, and the words that the list itself holds are not laid down.

    Seen to fail with the row laid down as it came.
    """
    channel = harness.made(transcripts=False)
    call = harness.twin.meets(RECENT)
    (captured,) = all_captured(channel.poll(None))
    (activity,) = parsed(channel, captured)
    assert (activity.kind, activity.external_id) == ("call", call)
    assert activity.text == "Call held on 2026-11-22 at 08:30 UTC for 5 minutes, inbound, with 1 of ours and 1 other."
    assert not harness.twin.calls("transcript")
    assert b"thousand" not in captured.raw and b"opens-it" not in captured.raw


def test_legs_of_a_call_are_one_thread_and_a_missed_one_was_not_held(harness: DialpadHarness) -> None:
    """Legs that share their entry point belong together; one that nobody connected asks for no words."""
    harness.twin.meets(RECENT, None, entry_point_call_id="900", date_connected=None, duration=None)
    harness.twin.meets(RECENT + timedelta(seconds=20), entry_point_call_id=900)
    found = [parsed(harness.channel, c)[0] for c in all_captured(harness.channel.poll(None))]
    assert {activity.thread for activity in found} == {"call:900"}
    missed = next(activity for activity in found if activity.kind == "call")
    assert missed.text.startswith("Call not answered on") and not missed.actor.authenticated
    assert harness.twin.calls("transcript") == 1


def test_words_that_come_late_are_found_within_the_overlap(harness: DialpadHarness) -> None:
    """A call without a transcript is a call at once, and its words follow when they are there."""
    call = harness.twin.meets(RECENT, None)
    cursor = last_cursor(harness.channel.poll(None))
    assert not all_captured(harness.channel.poll(cursor))
    harness.twin.transcribes(call, (("Ann Lee", "At last."),))
    (found,) = all_captured(harness.channel.poll(cursor))
    assert parsed(harness.channel, found)[0].text == "Ann Lee: At last."


def test_pages_are_turned_to_the_end(harness: DialpadHarness) -> None:
    """Calls beyond the first page come in, each once, and a company without calls is no error."""
    assert not all_captured(harness.channel.poll(None))
    with DialpadTwin(page=2) as twin:
        box = DialpadHarness(twin, harness.base, FIXTURES / "dialpad")
        for number in range(7):
            twin.meets(RECENT + timedelta(seconds=number), None)
        found = all_captured(box.made(transcripts=False).poll(None))
        assert len({captured.key for captured in found}) == len(found) == 7


def test_a_census_names_what_poll_and_backfill_name(harness: DialpadHarness) -> None:
    """Counted against the journal, each call has the id under which it came in, whichever way it came."""
    for put in (harness.put_old, harness.put, harness.put):
        put()
    channel, since = harness.channel, INSTALLED - timedelta(days=60)
    came = [*all_captured(channel.poll(None)), *all_captured(channel.backfill(since, None))]
    counted = all_captured(channel.census(since))
    assert {delivered(channel, c).id for c in counted} == {delivered(channel, c).id for c in came}
    assert len(counted) == 3


@pytest.mark.parametrize(
    ("path", "answer", "error"),
    [
        ("/call", Status(429, {"error": "canary"}, {"Retry-After": "7"}), TemporaryError),
        ("/call", Status(403, {"error": "canary"}), ConfigError),
        ("/call", Status(200, {"items": [{"call_id": 7, "date_started": "canary"}]}), TemporaryError),
        ("/call", Status(200, "<html>canary</html>"), TemporaryError),
        ("transcripts", Status(200, ["canary"]), TemporaryError),
    ],
)
def test_refusals_name_who_must_act(harness: DialpadHarness, path: str, answer: Status, error: type[Exception]) -> None:
    """A limit or an outage is for time, a key that may not for the operator; none is an empty list."""
    harness.put()
    harness.twin.fault(answer, path=path)
    with pytest.raises(error) as caught:
        all_captured(harness.channel.poll(None))
    assert "canary" not in str(caught.value)


def test_settings_that_cant_work_refuse_to_start(harness: DialpadHarness) -> None:
    """A missing key, and one that no header can hold, are errors."""
    for case in ({"token_env": None}, {"token": "line\nend"}):
        with pytest.raises(ConfigError, match=r"channels\.dialpad\."):
            harness.made(**case)
