"""Aircall under the contract of those that are called and of those that ask, against a twin on a socket."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.channels.aircall import AircallChannel, AircallOptions
from adapters.channels.aircall.calls import lay_down
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
from tests.contract.hooked_recorders import AircallDoor
from tests.contract.recorders import FIRST, FIXTURES, RECENT, SECOND
from tests.twins.aircall import AircallTwin
from tests.twins.wire.faults import Status


class AircallHarness(AircallDoor):
    """One company."""

    def build(self, given: Mapping[str, object], told: Context) -> AircallChannel:
        """Make the channel."""
        options = {
            "api_id": self.twin.api_id,
            "token_env": "TOKEN",
            "secret_env": "SECRET",
            "calls_per_minute": 6000,
            **given,
        }
        return AircallChannel("aircall", AircallOptions.model_validate(options), told)

    def laid(self, meeting: str) -> bytes:
        """Return what is laid down of a call."""
        return lay_down(self.twin.talks[meeting], {"utterances": self.twin.words[meeting]})

    def broken(self) -> Captured:
        """Return a call whose time is none."""
        raw = json.dumps({"call": {"id": CANARY, "started_at": CANARY}}).encode()
        return Captured("aircall", raw, "call:1", {"kind": "call"})


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AircallHarness]:
    """Return a company that waits for its calls."""
    with AircallTwin() as twin:
        parked = frozenset({"composed_call_without_time.json"})
        greeted = frozenset(path.name for path in (FIXTURES / "aircall").glob("composed_webhook_*"))
        secrets = (FIRST, SECOND, twin.token)
        folder = FIXTURES / "aircall"
        yield AircallHarness(twin, tmp_path, folder, parked=parked, greeted=greeted, secrets=secrets)


class TestAircallChannel(WebhookContract, PollContract):
    """Aircall keeps every promise of a channel that is called and signs nothing, and of one that asks."""


def test_the_line_says_who_spoke(harness: AircallHarness) -> None:
    """Users' words are our side's and authenticated, the outside number's a customer's; a third number joins nobody."""
    talk = (("Ann Lee", "Yes."), ("Rita Ray", "Good."), ("Sam Own", "I join."), ("+4915112345678", "Me too."))
    harness.twin.meets(RECENT, talk)
    (transcript,) = parsed(harness.channel, all_captured(harness.channel.poll(None))[0])
    assert [(said.who, said.role, said.authenticated) for said in transcript.said] == [
        ("Ann Lee", Role.CUSTOMER, False),
        ("Rita Ray", Role.AGENT, True),
        ("", Role.AGENT, True),
        ("", Role.CUSTOMER, False),
    ]
    theirs = {i for person in transcript.participants if not person.own for i in person.identifiers}
    assert Identifier("email", "ann@customer.test") in theirs and Identifier("phone", "+447700900123") in theirs
    assert not any("49151" in i.value for i in theirs)


def test_without_consent_no_word_is_asked_for(harness: AircallHarness) -> None:
    """While the option is off a call is a call, and nothing laid down opens a recording. Seed: asked all the same."""
    channel = harness.made(transcripts=False)
    call = harness.twin.meets(RECENT)
    (captured,) = all_captured(channel.poll(None))
    (activity,) = parsed(channel, captured)
    assert (activity.kind, activity.external_id) == ("call", call)
    assert activity.text == "Call held on 2026-11-22 at 08:30 UTC for 5 minutes, inbound, with 1 of ours and 1 other."
    assert not harness.twin.calls("transcription")
    assert b"assets.example" not in captured.raw and b"thousand" not in captured.raw


def test_a_missed_call_was_not_held(harness: AircallHarness) -> None:
    """A call that nobody answered says so, vouches for no meeting, and no words are asked for, but for a voicemail."""
    harness.twin.meets(RECENT, None, answered_at=None, user=None, missed_call_reason="no_available_agent")
    (captured,) = all_captured(harness.channel.poll(None))
    (call,) = parsed(harness.channel, captured)
    assert call.text.startswith("Call not answered on") and not call.actor.authenticated
    assert not harness.twin.calls("transcription")
    harness.twin.meets(RECENT, (("Ann Lee", "Call me."),), answered_at=None, user=None, voicemail="https://x.test")
    found = [parsed(harness.channel, c)[0].text for c in all_captured(harness.channel.poll(None))]
    assert "Ann Lee: Call me." in found


def test_a_call_that_goes_on_waits(harness: AircallHarness) -> None:
    """What isn't done yet isn't laid down, and comes when it is. Seed: the status not looked at."""
    call = harness.twin.meets(RECENT, None, status="answered")
    assert not all_captured(harness.channel.poll(None))
    harness.twin.talks[call]["status"] = "done"
    assert len(all_captured(harness.channel.poll(None))) == 1


def test_words_that_come_late_are_found_within_the_overlap(harness: AircallHarness) -> None:
    """A call without a transcript is a call at once, and its words follow when they are there."""
    call = harness.twin.meets(RECENT, None)
    cursor = last_cursor(harness.channel.poll(None))
    assert not all_captured(harness.channel.poll(cursor))
    harness.twin.transcribes(call, (("Ann Lee", "At last."),))
    (found,) = all_captured(harness.channel.poll(cursor))
    assert parsed(harness.channel, found)[0].text == "Ann Lee: At last."


def test_a_span_with_more_calls_than_are_listed_is_halved(harness: AircallHarness) -> None:
    """Whatever the longest list, each call comes in once; seen to fail where the list just ends."""
    with AircallTwin(most=60) as twin:
        box = AircallHarness(twin, harness.base, FIXTURES / "aircall")
        for number in range(130):
            twin.meets(RECENT + timedelta(seconds=number), None)
        import adapters.channels.aircall as module

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "LISTED_MAX", 60)
            found = all_captured(box.made(transcripts=False, batch_size=100).poll(None))
        assert len({captured.key for captured in found}) == len(found) == 130


def test_a_census_names_what_poll_and_backfill_name(harness: AircallHarness) -> None:
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
        ("calls", Status(429, {"error": "canary"}, {"Retry-After": "7"}), TemporaryError),
        ("calls", Status(200, {"calls": [{"id": 7, "status": "done", "started_at": "canary"}]}), TemporaryError),
        ("calls", Status(200, "<html>canary</html>"), TemporaryError),
        ("transcription", Status(403, {"error": "canary"}), ConfigError),
        ("transcription", Status(200, {"transcription": "canary"}), TemporaryError),
    ],
)
def test_refusals_name_who_must_act(harness: AircallHarness, path: str, answer: Status, error: type[Exception]) -> None:
    """A limit or an outage is for time, a taken-away integration or plan for the operator; none is an empty list."""
    harness.put()
    harness.twin.fault(answer, path=path)
    with pytest.raises(error) as caught:
        all_captured(harness.channel.poll(None))
    assert "canary" not in str(caught.value)


def test_settings_that_cant_work_refuse_to_start(harness: AircallHarness) -> None:
    """A missing token, and one that no header can hold, are errors."""
    for case in ({"token_env": None}, {"token": "line\nend"}):
        with pytest.raises(ConfigError, match=r"channels\.aircall\."):
            harness.made(**case)
