"""Gong under the contract of those that are called and of those that ask, against a twin on a socket."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.gong import GongChannel, GongOptions
from adapters.channels.gong.meetings import lay_down
from sidecar.errors import ConfigError, TemporaryError
from sidecar.model import Identifier, Role
from sidecar.ports import Captured, Context
from tests.contract.channel import (
    CANARY,
    INSTALLED,
    NOW,
    PollContract,
    WebhookContract,
    all_captured,
    delivered,
    last_cursor,
    parsed,
)
from tests.contract.hooked_recorders import HOOK, GongDoor
from tests.contract.recorders import FIRST, FIXTURES, RECENT, SECOND
from tests.twins.gong import PEOPLE, GongTwin
from tests.twins.wire.faults import Status


class GongHarness(GongDoor):
    """One company."""

    def build(self, given: Mapping[str, Any], told: Context) -> GongChannel:
        """Make the channel."""
        hook = {"public_key_env": "SECRET", "public_url": HOOK}
        options = {"access_key": self.twin.key, "token_env": "TOKEN", "calls_per_s": 1000, **hook, **given}
        return GongChannel("gong", GongOptions(**options), told)

    def laid(self, meeting: str) -> bytes:
        """Return what is laid down of a call."""
        return lay_down(self.twin.talks[meeting], {"transcript": self.twin.words[meeting]})

    def broken(self) -> Captured:
        """Return a call whose time is none."""
        raw = json.dumps({"metaData": {"id": CANARY, "started": CANARY}, "parties": CANARY}).encode()
        return Captured("gong", raw, "call:1", {"kind": "call"})


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[GongHarness]:
    """Return a company that waits for its calls."""
    with GongTwin() as twin:
        parked = frozenset({"composed_call_without_time.json"})
        greeted = frozenset({"composed_webhook_private.json"})
        hints = frozenset({"composed_webhook.json", "composed_webhook_test.json"})
        box = GongHarness(twin, tmp_path, FIXTURES / "gong", parked=parked, greeted=greeted, hints=hints)
        box.secrets = (FIRST, SECOND, twin.token)
        yield box


class TestGongChannel(WebhookContract, PollContract):
    """Gong keeps every promise of a channel that is called, and of one that asks."""


def test_no_calls_is_an_answer_and_no_error(harness: GongHarness) -> None:
    """A 404 says that nothing was held in a span; seen to fail with it as a refusal."""
    assert not all_captured(harness.channel.poll(None))
    assert list(harness.channel.check()) == []
    assert harness.twin.calls("extensive") == 2


def test_who_speaks_is_told_by_affiliation(harness: GongHarness) -> None:
    """Internal is ours and external a customer by Gong's own id of the speaker; an unknown party is ours by address
    alone, a voice that is no party's is shown, and nobody is authenticated by that. Seed: names compared."""
    people = (
        *PEOPLE,
        {"name": "Sam", "affiliation": "Unknown", "emailAddress": "sam@ours.test"},
        {"name": "Guest", "affiliation": "Unknown"},
        {"name": "Rita Ray", "affiliation": "External", "emailAddress": "rita@customer.test"},
    )
    talk = tuple((name, f"I am {name}.") for name in ("Ann Lee", "Sam", "Guest", "Nobody's voice"))
    call = harness.twin.meets(RECENT, talk, people=people)
    harness.twin.words[call].append(
        {"speakerId": "643234567850", "sentences": [{"text": "I sell."}, {"text": "Well."}]}
    )
    (transcript,) = parsed(harness.channel, all_captured(harness.channel.poll(None))[0])
    assert [(said.who, said.role, said.authenticated) for said in transcript.said] == [
        ("Ann Lee", Role.CUSTOMER, False),
        ("Sam", Role.AGENT, False),
        ("Guest", Role.CUSTOMER, False),
        ("", Role.CUSTOMER, False),
        ("Rita Ray", Role.AGENT, False),
    ]
    assert transcript.text.endswith("Unknown: I am Nobody's voice.\nRita Ray: I sell. Well.")
    theirs = {i for person in transcript.participants if not person.own for i in person.identifiers}
    assert theirs == {
        Identifier("email", "ann@customer.test"),
        Identifier("phone", "+447700900123"),
        Identifier("email", "rita@customer.test"),
    }


def test_without_consent_no_word_is_asked_for(harness: GongHarness) -> None:
    """While the option is off a call is a call, and no transcript is asked for. Seed: asked whatever the option."""
    channel = harness.made(transcripts=False)
    call = harness.twin.meets(RECENT, direction="Inbound")
    (captured,) = all_captured(channel.poll(None))
    (activity,) = parsed(channel, captured)
    assert (activity.kind, activity.external_id, activity.said[0].role) == ("call", call, Role.SYSTEM)
    assert activity.text == "Call held on 2026-11-22 at 08:30 UTC for 31 minutes, inbound, with 1 of ours and 1 other."
    assert not harness.twin.calls("transcript")
    assert b"thousand" not in captured.raw


def test_whom_gong_knows_only_as_invited_did_not_come_by_that(harness: GongHarness) -> None:
    """Gong lists the invited beside those who came: a call of ours alone isn't vouched for as one with both sides, and
    one that somebody attended in silence is; seen to fail as held with both."""
    channel = harness.made(transcripts=False)
    ours, theirs = ({**row} for row in PEOPLE)
    harness.twin.meets(RECENT, people=(ours, {**theirs, "speakerId": None, "methods": ["Invitee"]}))
    silent = {**theirs, "speakerId": None, "methods": ["Invitee", "Attendee"]}
    harness.twin.meets(RECENT + timedelta(hours=1), people=(ours, silent))
    told = [call for captured in all_captured(channel.poll(None)) for call in parsed(channel, captured)]
    ends = [(call.text.rpartition("minutes, ")[2], call.actor.authenticated) for call in told]
    assert ends == [("with 1 of ours and 0 others.", False), ("with 1 of ours and 1 other.", True)]


def test_what_is_private_in_gong_stays_there(harness: GongHarness) -> None:
    """A private call comes without words and says so, with the option on; seen to fail without the look at it."""
    harness.twin.meets(RECENT, isPrivate=True)
    (captured,) = all_captured(harness.channel.poll(None))
    (call,) = parsed(harness.channel, captured)
    assert (call.kind, call.attributes["visibility"]) == ("call", "private")
    assert not harness.twin.calls("transcript")


def test_words_that_come_two_weeks_late_are_found_and_no_later(harness: GongHarness) -> None:
    """A call of thirteen days ago gets its transcript, and what was laid down comes once, however long the list."""
    now = NOW + timedelta(days=30)
    late = harness.twin.meets(now - timedelta(days=13), None)
    first = harness.reopen(lambda: now)
    cursor = last_cursor(first.poll(None))
    harness.twin.meets(now - timedelta(hours=2))
    batches = list(harness.reopen(lambda: now).poll(cursor))
    assert len([c for batch in batches for c in batch.captured]) == 1
    harness.twin.transcribes(late, (("Ann Lee", "At last."),))
    (found,) = all_captured(harness.reopen(lambda: now).poll(batches[-1].cursor))
    assert parsed(harness.channel, found)[0].text == "Ann Lee: At last."
    assert not all_captured(harness.reopen(lambda: now).poll(last_cursor(harness.reopen(lambda: now).poll(cursor))))


def test_pages_are_turned_to_the_end_and_a_workspace_alone_may_count(harness: GongHarness) -> None:
    """Calls beyond the first page come in, each once; another workspace's don't where one is chosen."""
    with GongTwin(page=2) as twin:
        box = GongHarness(twin, harness.base, FIXTURES / "gong")
        for number in range(5):
            twin.meets(RECENT + timedelta(seconds=number))
        twin.meets(RECENT, workspaceId="1")
        assert len({captured.key for captured in all_captured(box.channel.poll(None))}) == 6
        assert len(all_captured(box.made(workspace_id="1").poll(None))) == 1


def test_a_census_names_what_poll_and_backfill_name(harness: GongHarness) -> None:
    """Counted against the journal, each call has the id under which it came in, whichever way it came."""
    for put in (harness.put_old, harness.put, harness.put):
        put()
    channel, since = harness.channel, INSTALLED - timedelta(days=60)
    came = [*all_captured(channel.poll(None)), *all_captured(channel.backfill(since, None))]
    counted = all_captured(channel.census(since))
    assert {delivered(channel, c).id for c in counted} == {delivered(channel, c).id for c in came}
    assert len(counted) == 3


def test_the_days_calls_are_never_more_than_they_may_be(harness: GongHarness) -> None:
    """A day's count ends a poll before Gong would, says when it goes on, and begins anew. Seed: no count of our own."""
    for number in range(20):
        harness.twin.meets(RECENT + timedelta(seconds=number))
    now = [NOW]
    channel = harness.made(clock=lambda: now[0], calls_per_day=10)
    with pytest.raises(TemporaryError) as caught:
        all_captured(channel.poll(None))
    assert harness.twin.calls() == 10
    with pytest.raises(TemporaryError):
        all_captured(channel.poll(None))
    assert harness.twin.calls() == 10
    assert caught.value.retry_after_s == 13 * 3600 + 59 * 60 + 56
    now[0] += timedelta(seconds=caught.value.retry_after_s)
    with pytest.raises(TemporaryError):
        all_captured(channel.poll(None))
    assert harness.twin.calls() == 20


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Status(429, {"errors": ["canary"]}, {"Retry-After": "7"}), TemporaryError),
        (Status(403, {"errors": ["canary"]}), ConfigError),
        (Status(200, {"calls": [{"metaData": {"id": "1", "started": "canary"}}]}), TemporaryError),
        (Status(200, "<html>canary</html>"), TemporaryError),
    ],
)
def test_refusals_name_who_must_act(harness: GongHarness, answer: Status, error: type[Exception]) -> None:
    """A limit or an outage is for time, a missing scope for the operator; none is an empty list."""
    harness.put()
    harness.twin.fault(answer, path="extensive")
    with pytest.raises(error) as caught:
        all_captured(harness.channel.poll(None))
    assert "canary" not in str(caught.value)
    if answer.status == 429:
        assert isinstance(caught.value, TemporaryError) and caught.value.retry_after_s == 7


def test_settings_that_cant_work_refuse_to_start(harness: GongHarness) -> None:
    """A missing secret, one that no header can hold, and a name that is a kind of identifier, are errors."""
    for case in ({"token_env": None}, {"token": "line\nend"}):
        with pytest.raises(ConfigError, match=r"channels\.gong\."):
            harness.made(**case)
