"""What Twilio refuses of one row alone, list by list: nothing else waits for it, and an outage sets nothing aside."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sidecar.errors import ConfigError, SidecarError, TemporaryError, Withheld
from sidecar.ports import Captured
from tests.contract.channel import INSTALLED, all_captured, last_cursor
from tests.contract.twilio_accounts import ANN, RECENT, US, TwilioHarness
from tests.twins.twilio import TwilioTwin
from tests.twins.wire.faults import Status

SAID = [(1, "Can I come on Thursday?"), (2, "Thursday is fine.")]
KINDS = ("message", "call", "transcript")


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[TwilioHarness]:
    """Return an account that waits for its customers."""
    with TwilioTwin() as twin:
        yield TwilioHarness(twin, tmp_path)


def happens(harness: TwilioHarness, at: datetime, parent: str = "") -> dict[str, str]:
    """Let a picture be sent, a call be forwarded and words be written down; return the sid of each, and of the call."""
    twin = harness.twin
    message = twin.texts(ANN, US, "See this", at)
    twin.attaches(message, "image/png", b"png")
    made = parent or twin.rings(ANN, US, at)
    leg = twin.rings(ANN, US, at, parent_call_sid=made)
    return {"message": message, "call": leg, "transcript": twin.transcribes("", SAID, at), "parent": made}


def refuses(harness: TwilioHarness, told: dict[str, str], kind: str, status: int = 500) -> None:
    """Let Twilio refuse what one row needs beside itself."""
    wanted = {"call": f"Calls/{told['parent']}", "transcript": f"{told['transcript']}/Sentences"}
    harness.twin.fault(Status(status), path=wanted.get(kind, f"{told['message']}/Media"), times=None)


def keys(found: list[Captured]) -> list[str]:
    """Return the keys of what came, without the state, those of what is withheld in brackets."""
    names = [(str(one.key).rpartition(":")[0], one.withheld) for one in found]
    return sorted(f"({name})" if withheld else name for name, withheld in names)


@pytest.mark.parametrize("kind", KINDS)
def test_one_row_that_is_refused_holds_no_list_back(harness: TwilioHarness, kind: str) -> None:
    """Poll, count and backfill bring the rows before and behind it, and it by name. Seed: what it needs as before."""
    told, old = ([happens(harness, at + timedelta(minutes=n)) for n in range(3)]
                 for at in (RECENT, INSTALLED - timedelta(hours=2)))  # fmt: skip
    for of in (told, old):
        refuses(harness, of[1], kind)
    channel, since = harness.channel, INSTALLED - timedelta(hours=3)
    for days, batches in ((told, list(channel.poll(None))), (old, list(channel.backfill(since, None)))):
        whole = {f"{name.replace('parent', 'call')}:{sid}" for one in days for name, sid in one.items()}
        left = {"call": {days[1]["call"]}}.get(kind, {days[1][kind]})
        expected = {f"({name})" if name.partition(":")[2] in left else name for name in whole}
        assert keys(all_captured(batches)) == sorted(expected)
        cursor = json.loads(json.dumps(batches[-1].cursor))
        again = harness.channel.poll(cursor) if days is told else harness.channel.backfill(since, cursor)
        assert not all_captured(again)
    counted = {str(one.key) for one in all_captured(channel.census(INSTALLED)) if one.withheld}
    assert counted == {str(one.key) for one in all_captured(channel.poll(None)) if one.withheld}
    assert channel.extent(since).items == len(all_captured(channel.backfill(since, None)))


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_left_out_is_fetched_under_its_own_key(harness: TwilioHarness, kind: str) -> None:
    """Withheld while others can be had; then it is what a poll lays down, and nothing once it is gone."""
    told = [happens(harness, RECENT + timedelta(minutes=n)) for n in range(2)]
    refuses(harness, told[0], kind)
    channel = harness.channel
    (left,) = (one for one in all_captured(channel.poll(None)) if one.withheld)
    with pytest.raises(Withheld):
        channel.retrieve(str(left.key), left.headers)
    harness.twin.heal()
    found = channel.retrieve(str(left.key), left.headers)
    assert list(found) == [one for one in all_captured(channel.poll(None)) if one.key == left.key]
    held = {"message": harness.twin.messages, "call": harness.twin.calls_made, "transcript": harness.twin.transcripts}
    del held[kind][told[0][kind]]
    assert not channel.retrieve(str(left.key), left.headers)


def test_a_look_that_is_refused_holds_nothing_back(harness: TwilioHarness) -> None:
    """A message that went is asked for by its sid; where that is refused the rest goes on. Seed: a look by itself."""
    harness.put()
    gone = harness.twin.texts(ANN, US, "Forget this", harness.at())
    cursor = last_cursor(harness.channel.poll(None))
    harness.twin.deletes(gone)
    harness.twin.fault(Status(500), path=f"/Messages/{gone}", times=None)
    after = harness.put()
    left, *rest = sorted(all_captured(harness.channel.poll(cursor)), key=lambda one: one.raw)
    assert (left.key, bool(left.withheld)) == (f"message:{gone}:gone", True)
    assert [one.raw for one in rest] == [after]
    with pytest.raises(Withheld):
        harness.channel.retrieve(str(left.key), left.headers)
    harness.twin.heal()
    assert list(harness.channel.retrieve(str(left.key), left.headers)) == [harness.channel._walk.gone(gone)]


@pytest.mark.parametrize(("status", "path"), [(429, "Media"), (500, "Messages/"), (403, "Messages/"), (503, "Calls")])
def test_a_limit_and_an_outage_set_nothing_aside(harness: TwilioHarness, status: int, path: str) -> None:
    """What came before is laid down, the error is raised, and the rest comes later. Seed: a 429 like any refusal."""
    first = harness.put()
    happens(harness, harness.at() + timedelta(minutes=1))
    whole = keys(all_captured(harness.channel.poll(None)))
    harness.twin.fault(Status(status), path=path, times=None)
    if status != 429:
        harness.twin.fault(Status(status), path="Calls", times=None)
    found, cursor = list[Captured](), None
    with pytest.raises(ConfigError if status == 403 else TemporaryError):
        for batch in harness.channel.poll(None):
            found, cursor = [*found, *batch.captured], json.loads(json.dumps(batch.cursor))
    assert found[0].raw == first
    assert not [one for one in found if one.withheld]
    harness.twin.heal()
    assert keys([*found, *all_captured(harness.channel.poll(cursor))]) == whole


def test_while_no_files_are_told_no_try_counts(harness: TwilioHarness) -> None:
    """Texts come in meanwhile; of several pictures none is refused for itself then. Seed: any row as another."""
    text = harness.put()
    for minutes in range(2):
        happens(harness, RECENT + timedelta(minutes=minutes))
    harness.twin.fault(Status(500), path="Media", times=None)
    found = [one for one in all_captured(harness.channel.poll(None)) if str(one.key).startswith("message")]
    left = [one for one in found if one.withheld]
    assert (len(left), [one.raw for one in found if not one.withheld]) == (2, [text])
    for one in left:
        with pytest.raises(SidecarError) as caught:
            harness.channel.retrieve(str(one.key), one.headers)
        assert not isinstance(caught.value, Withheld)


def test_words_that_were_left_out_are_not_fetched_once_consent_is_taken_back(harness: TwilioHarness) -> None:
    """Nothing that holds words is asked for without `transcripts`, be it withheld. Seed: no look at the lists read."""
    told = [happens(harness, RECENT + timedelta(minutes=n)) for n in range(2)]
    refuses(harness, told[0], "transcript")
    (left,) = (one for one in all_captured(harness.channel.poll(None)) if one.withheld)
    asked = harness.twin.calls("sentences", "transcripts")
    assert not harness.made(transcripts=False).retrieve(str(left.key), left.headers)
    assert harness.twin.calls("sentences", "transcripts") == asked
