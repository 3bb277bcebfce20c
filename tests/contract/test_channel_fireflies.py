"""Fireflies under the contract of those that are called and of those that ask, against a twin on a socket."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.fireflies import FirefliesChannel
from sidecar.errors import ConfigError, TemporaryError
from sidecar.model import Identifier, Role
from tests.contract.channel import (
    NOW,
    PollContract,
    WebhookContract,
    all_captured,
    context,
    delivered,
    door,
    last_cursor,
    parsed,
)
from tests.contract.fireflies_accounts import FirefliesHarness
from tests.contract.recorders import FIRST, FIXTURES, RECENT, hexadecimal
from tests.twins.fireflies import FirefliesTwin
from tests.twins.wire.faults import Status

HINTS = {"composed_v1_transcription_completed.json", "composed_v2_meeting_transcribed.json"}
UNKNOWN = "composed_v2_event_of_next_year.json"
PARKED = "composed_transcript_without_time.json"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[FirefliesHarness]:
    """Return an account that waits for its meetings."""
    with FirefliesTwin() as twin:
        hints = frozenset({*HINTS, UNKNOWN})
        yield FirefliesHarness(twin, tmp_path, FIXTURES / "fireflies", parked=frozenset({PARKED}), hints=hints)


class TestFirefliesChannel(WebhookContract, PollContract):
    """Fireflies keeps every promise of a channel that is called, and of one that asks."""


def test_without_consent_no_word_is_asked_for(harness: FirefliesHarness) -> None:
    """While the option is off a meeting is a call without words, and no query names a sentence; seen to fail with on.

    The same meeting read later, with the option on, is its transcript beside the call.
    """
    channel = harness.made(transcripts=False)
    meeting = harness.twin.meets(RECENT)
    (captured,) = all_captured(channel.poll(None))
    (call,) = parsed(channel, captured)
    assert (call.kind, call.external_id) == ("call", meeting)
    assert call.text == "Call held on 2026-11-22 at 08:30 UTC for 32 minutes, 2 invited."
    assert not any(b"sentences" in request.body for request in harness.twin.requests)
    assert "thousand" not in repr(call) + captured.raw.decode()
    (later,) = all_captured(harness.channel.poll(last_cursor(channel.poll(None))))
    (transcript,) = parsed(harness.channel, later)
    assert (transcript.kind, transcript.external_id, transcript.thread) == ("transcript", meeting, call.thread)


def test_that_somebody_was_invited_is_no_proof_that_they_came(harness: FirefliesHarness) -> None:
    """Fireflies lists the invited, so its word of a meeting vouches for nobody's coming, and a declared name adds
    nobody; seen to fail as vouched for, `with 2 of ours and 1 other`."""
    channel = harness.made(transcripts=False, own_names=("Sam",))
    harness.twin.meets(RECENT)
    (call,) = parsed(channel, all_captured(channel.poll(None))[0])
    assert (call.text.rpartition(", ")[2], call.actor.authenticated) == ("2 invited.", False)
    assert [said.authenticated for said in call.said] == [False]


def test_who_speaks_is_told_by_address_owner_and_declared_name(harness: FirefliesHarness) -> None:
    """The key's owner and declared names are ours, a listed address a customer's; an unknown voice is merged upon by
    nothing, and nobody is authenticated by a name alone. Seed: an unknown speaker as ours."""
    talk = (("Ann Lee", "Yes."), ("Rita Ray", "Good."), ("Sam", "Me too."), ("Guest 1", "Hello."))
    harness.twin.meets(RECENT, talk)
    channel = harness.made(own_names=("Sam",))
    (transcript,) = parsed(channel, all_captured(channel.poll(None))[0])
    roles = [(said.who, said.role, said.authenticated) for said in transcript.said]
    assert roles == [
        ("Ann Lee", Role.CUSTOMER, False),
        ("Rita Ray", Role.AGENT, False),
        ("Sam", Role.AGENT, False),
        ("Guest 1", Role.CUSTOMER, False),
    ]
    people = {person.name: (person.identifiers, person.own) for person in transcript.participants}
    assert people["Ann Lee"] == ((Identifier("email", "ann@customer.test"),), False)
    assert people["Guest 1"] == ((), False)
    assert people["Rita Ray"][1] and people["Sam"][1]
    trusting = harness.made(trusted_speakers=True)
    (sure,) = parsed(trusting, all_captured(trusting.poll(None))[0])
    assert [said.authenticated for said in sure.said] == [False, True, False, False]


def test_what_only_its_owner_may_see_comes_without_words(harness: FirefliesHarness) -> None:
    """A meeting that is its owner's alone in Fireflies is a call, with the option on. Seed: privacy not looked at."""
    harness.twin.meets(RECENT, privacy="owner")
    (captured,) = all_captured(harness.channel.poll(None))
    (call,) = parsed(harness.channel, captured)
    assert (call.kind, call.attributes["visibility"]) == ("call", "private")
    assert not any(b"sentences" in request.body for request in harness.twin.requests)


def test_words_that_come_late_are_found_within_the_overlap(harness: FirefliesHarness) -> None:
    """A meeting without words is a call at once, its transcript follows when it is there, and each comes once."""
    meeting = harness.twin.meets(RECENT, None)
    first = list(harness.channel.poll(None))
    assert [parsed(harness.channel, c)[0].kind for batch in first for c in batch.captured] == ["call"]
    cursor = first[-1].cursor
    assert not all_captured(harness.channel.poll(cursor))
    harness.twin.transcribes(meeting, (("Ann Lee", "At last."),))
    second = list(harness.channel.poll(cursor))
    (transcript,) = (parsed(harness.channel, c)[0] for batch in second for c in batch.captured)
    assert (transcript.kind, transcript.text) == ("transcript", "Ann Lee: At last.")
    assert not all_captured(harness.channel.poll(second[-1].cursor))


def test_an_old_hook_is_verified_by_its_digits_alone(harness: FirefliesHarness) -> None:
    """The first version of the webhook sends digits without a prefix, signed with the same secret over raw bytes."""
    body = (FIXTURES / "fireflies" / "composed_v1_transcription_completed.json").read_bytes()
    request = harness.request(body)
    bare = type(request)({"x-hub-signature": hexadecimal(FIRST, body)}, body)
    assert door(harness.channel, bare) is None
    assert harness.channel.parse(delivered(harness.channel, harness.channel.verify(bare))) == ()


def test_a_census_names_what_poll_and_backfill_name(harness: FirefliesHarness) -> None:
    """Counted against the journal, each meeting has the id under which it came in, whichever way it came."""
    for put in (harness.put_old, harness.put, harness.put):
        put()
    channel = harness.channel
    since = NOW - timedelta(days=90)
    came = {
        delivered(channel, c).id
        for c in (*all_captured(channel.poll(None)), *all_captured(channel.backfill(since, None)))
    }
    counted = list(channel.census(since))
    assert {delivered(channel, c).id for batch in counted for c in batch.captured} == came
    assert len(came) == 3
    assert all(batch.cursor == {} for batch in counted)


def test_long_lists_are_paged(harness: FirefliesHarness) -> None:
    """More meetings than one answer holds come in whole; seen to fail with the first page alone."""
    for number in range(120):
        harness.twin.meets(RECENT + timedelta(seconds=number), None)
    found = all_captured(harness.made(transcripts=False, batch_size=100).poll(None))
    assert len({captured.key for captured in found}) == len(found) == 120


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Status(429, {"errors": [{"code": "too_many_requests"}]}), TemporaryError),
        (Status(200, {"errors": [{"code": "too_many_requests"}]}), TemporaryError),
        (Status(200, {"errors": [{"code": "paid_required", "message": "canary"}]}), ConfigError),
        (Status(200, {"data": {"transcripts": [{"id": "x"}]}}), TemporaryError),
        (Status(200, "<html>canary</html>"), TemporaryError),
        (Status(502, "canary"), TemporaryError),
    ],
)
def test_refusals_name_who_must_act(harness: FirefliesHarness, answer: Status, error: type[Exception]) -> None:
    """A limit, told by status or within a 200, is for time; a plan or key for the operator; none is an empty list."""
    harness.put()
    harness.twin.fault(answer, path="graphql")
    with pytest.raises(error) as caught:
        all_captured(harness.channel.poll(None))
    assert "canary" not in str(caught.value)


def test_settings_that_cant_work_refuse_to_start(harness: FirefliesHarness) -> None:
    """A missing or short secret, a missing key, and one that no header can hold, are errors that show nothing."""
    cases: list[dict[str, Any]] = [
        {"secret_env": None},
        {"token_env": None},
        {"secrets": ("short",)},
        {"token": "line\nend"},
    ]
    for case in cases:
        with pytest.raises(ConfigError, match=r"channels\.notes\.") as caught:
            harness.made(**case)
        assert "short" not in str(caught.value)
    for name in ("email", "phone", "domain"):
        with pytest.raises(ConfigError):
            FirefliesChannel(name, harness.channel.options, context(harness.base))


def test_fixtures_say_what_was_meant(harness: FirefliesHarness) -> None:
    """The composed answer's turns, people and time are read as its schema says; turns of one voice in a row are one."""
    (transcript,) = parsed(harness.channel, harness.from_fixture(FIXTURES / "fireflies" / "composed_transcript.json"))
    assert transcript.text.splitlines() == [
        "Rita Ray: Good morning. Is the budget 4,000?",
        "Ann: Yes, up to four thousand.",
        "Unknown: Mhm.",
    ]
    emails = {i.value for person in transcript.participants for i in person.identifiers}
    assert emails == {"rita@ours.test", "ann@acme.example"}
    assert transcript.attributes["duration_s"] == "1895"
    told = json.loads((FIXTURES / "fireflies" / UNKNOWN).read_bytes())
    assert told["event"] == "meeting.bot_joined"
