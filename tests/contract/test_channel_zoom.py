"""Zoom under the contract of those that are called and of those that ask, against a twin on a socket."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.zoom import ZoomChannel
from adapters.channels.zoom.api import encoded
from adapters.channels.zoom.signature import verify
from sidecar.errors import ConfigError, RejectedInput, TemporaryError
from sidecar.model import Identifier, Role
from sidecar.ports import HookRequest
from tests.contract.channel import (
    INSTALLED,
    NOW,
    PollContract,
    WebhookContract,
    all_captured,
    context,
    delivered,
    door,
    parsed,
)
from tests.contract.recorders import FIRST, FIXTURES, RECENT, SECOND, hexadecimal
from tests.contract.zoom_accounts import ZoomHarness
from tests.twins.wire.faults import Status
from tests.twins.zoom import ZoomTwin

HINTS = frozenset(
    {"composed_recording_transcript_completed.json", "composed_url_validation.json", "composed_event_of_next_year.json"}
)
PARKED = frozenset({"composed_transcript_of_nothing.vtt"})


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ZoomHarness]:
    """Return an account that waits for its meetings."""
    with ZoomTwin() as twin:
        yield ZoomHarness(twin, tmp_path, FIXTURES / "zoom", parked=PARKED, hints=HINTS)


class TestZoomChannel(WebhookContract, PollContract):
    """Zoom keeps every promise of a channel that is called, and of one that asks."""


def test_the_question_whose_address_it_is_is_answered_to_zoom_alone(harness: ZoomHarness) -> None:
    """A signed question gets its token signed by the newest secret; an unsigned one, or one whose token could be a text
    to sign, gets nothing. Seed: answered before the signature is checked."""
    channel = harness.made(secrets=(SECOND, FIRST))
    body = (FIXTURES / "zoom" / "composed_url_validation.json").read_bytes()
    greeting = channel.greet(harness.request(body))
    plain = "qgg8vlvZRS6UYooatFL8Aw"
    assert greeting is not None and greeting.content_type == "application/json"
    assert json.loads(greeting.text) == {"plainToken": plain, "encryptedToken": hexadecimal(SECOND, plain.encode())}
    with pytest.raises(RejectedInput) as unsigned:
        channel.greet(HookRequest({}, body))
    assert unsigned.value.status == 401
    oracle = json.dumps({"event": "endpoint.url_validation", "payload": {"plainToken": f"v0:{NOW.timestamp():.0f}:x"}})
    with pytest.raises(RejectedInput):
        channel.greet(harness.request(oracle.encode()))
    with pytest.raises(RejectedInput):
        channel.greet(HookRequest({}, b"", {"plainToken": plain}, "GET"))
    assert channel.greet(harness.request(harness.body())) is None


def test_the_published_signature_verifies(harness: ZoomHarness) -> None:
    """A payload whose signature was made apart from our code is taken at its own time, over its exact bytes."""
    name = "composed_recording_transcript_completed"
    meta = json.loads((FIXTURES / "zoom" / f"{name}.meta.json").read_bytes())
    body = (FIXTURES / "zoom" / f"{name}.json").read_bytes().removesuffix(b"\n")
    stamp = meta["x-zm-request-timestamp"]
    headers = {"x-zm-request-timestamp": stamp, "x-zm-signature": meta["x-zm-signature"]}
    at = datetime.fromtimestamp(int(stamp), UTC)
    verify(headers, body, (meta["secret"].encode(),), at)
    with pytest.raises(RejectedInput):
        verify(headers, json.dumps(json.loads(body)).encode(), (meta["secret"].encode(),), at)


def test_a_declared_name_is_nobody_who_came(harness: ZoomHarness) -> None:
    """Who isn't in Zoom's list of a meeting isn't counted, however our people are called; seen to fail with 2."""
    channel = harness.made(transcripts=False, own_names=("Somebody Else",))
    harness.twin.meets(RECENT)
    (call,) = parsed(channel, all_captured(channel.poll(None))[0])
    assert call.text.endswith("with 1 of ours and 1 other.")


def test_without_consent_no_word_is_fetched_and_no_key_to_one_kept(harness: ZoomHarness) -> None:
    """While the option is off a meeting is a call, no file is asked for, nothing laid down opens a recording, and a
    webhook that brings such a key is answered and not kept. Seed: files fetched whatever the option."""
    channel = harness.made(transcripts=False)
    uuid = harness.twin.meets(RECENT)
    (captured,) = all_captured(channel.poll(None))
    (call,) = parsed(channel, captured)
    assert (call.kind, call.external_id) == ("call", uuid)
    assert call.text == "Call held on 2026-11-22 at 08:30 UTC for 31 minutes, with 1 of ours and 1 other."
    assert not harness.twin.calls("download")
    assert b"/rec/" not in captured.raw and b"thousand" not in captured.raw
    hook = harness.request(harness.twin.webhook(uuid, NOW))
    assert channel.greet(hook) is not None
    assert harness.channel.greet(hook) is None
    with pytest.raises(RejectedInput):
        channel.greet(HookRequest({**hook.headers, "x-zm-signature": "v0=" + "0" * 64}, hook.body))


def test_who_speaks_is_told_by_the_account_and_the_list_of_participants(harness: ZoomHarness) -> None:
    """Users of the account are ours, guests with an address customers, a device a customer that joins nobody."""
    people = (
        {"name": "Rita Ray", "user_email": "rita@ours.test", "internal_user": True},
        {"name": "Ann Lee", "user_email": "ann@customer.test"},
        {"name": "Sam", "user_email": "", "internal_user": True},
        {"name": "iPhone", "user_email": ""},
    )
    talk = tuple((name, f"I am {name}.") for name in ("Rita Ray", "Ann Lee", "Sam", "iPhone", "Somebody else"))
    harness.twin.meets(RECENT, talk, people=people)
    (transcript,) = parsed(harness.channel, all_captured(harness.channel.poll(None))[0])
    roles = {said.who: (said.role, said.authenticated) for said in transcript.said}
    assert roles == {
        "Rita Ray": (Role.AGENT, False),
        "Ann Lee": (Role.CUSTOMER, False),
        "Sam": (Role.AGENT, False),
        "iPhone": (Role.CUSTOMER, False),
        "Somebody else": (Role.CUSTOMER, False),
    }
    found = {person.name: person.identifiers for person in transcript.participants if not person.own}
    expected = {"Ann Lee": (Identifier("email", "ann@customer.test"),), "iPhone": (), "Somebody else": ()}
    assert found == expected


def test_a_recurring_meeting_is_as_many_as_it_was_held(harness: ZoomHarness) -> None:
    """Meetings that share a number are told apart by their uuids; seen to fail with the number as the id."""
    for week in range(2):
        harness.twin.meets(RECENT + timedelta(minutes=week), uuid=f"week{week}==", number=777)
    found = [parsed(harness.channel, captured)[0] for captured in all_captured(harness.channel.poll(None))]
    assert {activity.external_id for activity in found} == {"week0==", "week1=="}
    assert len({activity.thread for activity in found}) == 2


@pytest.mark.parametrize("uuid", ["/a+b/c==", "ab//cd==", "ab/cd==", "a?b#c==", "plain=="])
def test_an_odd_uuid_reaches_its_meeting(harness: ZoomHarness, uuid: str) -> None:
    """Whatever a uuid holds, its participants are found; seen to fail with one encoding where two are wanted."""
    harness.twin.meets(RECENT, uuid=uuid)
    (transcript,) = parsed(harness.channel, all_captured(harness.channel.poll(None))[0])
    assert "Ann Lee" in {person.name for person in transcript.participants}
    assert ("%25" in encoded(uuid)) == (uuid.startswith("/") or "//" in uuid)


def test_a_paused_recording_has_several_transcripts(harness: ZoomHarness) -> None:
    """Each part of a meeting's words comes in, in one thread; one that isn't ready waits, and comes when it is."""
    uuid = harness.twin.meets(RECENT, (("Ann Lee", "First part."),))
    harness.twin.transcribes(uuid, (("Ann Lee", "Second part."),))
    late = harness.twin.transcribes(uuid, (("Ann Lee", "Third part."),), "processing")
    batches = list(harness.channel.poll(None))
    found = [parsed(harness.channel, c)[0] for batch in batches for c in batch.captured]
    assert {a.text for a in found} == {"Ann Lee: First part.", "Ann Lee: Second part."}
    assert len({a.thread for a in found}) == 1 and len({a.id for a in found}) == 2
    next(f for f in harness.twin.meetings[uuid]["recording_files"] if f["id"] == late)["status"] = "completed"
    (third,) = all_captured(harness.channel.poll(batches[-1].cursor))
    assert parsed(harness.channel, third)[0].text == "Ann Lee: Third part."


def test_words_that_come_late_are_found_within_the_overlap(harness: ZoomHarness) -> None:
    """A meeting without a transcript is a call at once, and its words follow when they are there."""
    uuid = harness.twin.meets(RECENT, None)
    first = list(harness.channel.poll(None))
    assert [parsed(harness.channel, c)[0].kind for batch in first for c in batch.captured] == ["call"]
    assert not all_captured(harness.channel.poll(first[-1].cursor))
    harness.twin.transcribes(uuid, (("Ann Lee", "At last."),))
    (found,) = all_captured(harness.channel.poll(first[-1].cursor))
    assert parsed(harness.channel, found)[0].kind == "transcript"


def test_a_file_is_fetched_from_zoom_alone(harness: ZoomHarness) -> None:
    """An address elsewhere is never asked, and is a delivery that says why. Seed: any address of the answer's."""
    for url in ("https://169.254.169.254/latest", "https://zoom.us.evil.test/x", "ftp://zoom.us/x", ""):
        uuid = harness.twin.meets(RECENT, uuid=f"{len(harness.twin.meetings)}==")
        harness.twin.meetings[uuid]["recording_files"][-1]["download_url"] = url
    found = all_captured(harness.channel.poll(None))
    assert len(found) == 4
    assert all(captured.fault and "not fetched" in captured.fault and not captured.raw for captured in found)


def test_a_dead_token_is_renewed_once(harness: ZoomHarness) -> None:
    """A token that ends while it is used is asked for anew, for lists and files, and the poll goes on."""
    harness.put()
    channel = harness.channel
    assert len(all_captured(channel.poll(None))) == 1
    harness.twin.given.clear()
    assert len(all_captured(channel.poll(None))) == 1
    harness.twin.fault(Status(401, {"code": 124}), path="/rec/download")
    assert len(all_captured(channel.poll(None))) == 1


def test_hosts_users_and_pages_are_walked_to_the_end(harness: ZoomHarness) -> None:
    """Every active user's meetings over several months come in, page by page; chosen hosts alone where any are."""
    with ZoomTwin(page=2) as twin:
        box = ZoomHarness(twin, harness.base, FIXTURES / "zoom")
        twin.users += [{"id": f"host-{n}", "email": f"u{n}@ours.test", "status": "active"} for n in range(2, 5)]
        twin.users.append({"id": "gone", "email": "gone@ours.test", "status": "inactive"})
        for n in range(1, 5):
            for day in (1, 20, 45, 80):
                twin.meets(INSTALLED - timedelta(days=day), None, host=f"host-{n}", uuid=f"{n}-{day}")
        since = INSTALLED - timedelta(days=85)
        found = all_captured(box.made(transcripts=False).backfill(since, None))
        assert len({captured.key for captured in found}) == len(found) == 16
        chosen = all_captured(box.made(transcripts=False, hosts=("u3@ours.test",)).backfill(since, None))
        assert {captured.key for captured in chosen} == {f"call:3-{day}" for day in (1, 20, 45, 80)}


def test_a_census_names_what_poll_and_backfill_name(harness: ZoomHarness) -> None:
    """Counted against the journal, each meeting has the id under which it came in, whichever way it came."""
    for put in (harness.put_old, harness.put, harness.put):
        put()
    channel, since = harness.channel, NOW - timedelta(days=90)
    came = [*all_captured(channel.poll(None)), *all_captured(channel.backfill(since, None))]
    counted = all_captured(channel.census(since))
    assert {delivered(channel, c).id for c in counted} == {delivered(channel, c).id for c in came}
    assert len(counted) == 3


@pytest.mark.parametrize(
    ("path", "answer", "error"),
    [
        ("recordings", Status(429, {"code": 429, "message": "canary"}, {"Retry-After": "3"}), TemporaryError),
        ("recordings", Status(200, "<html>canary</html>"), TemporaryError),
        ("recordings", Status(200, {"meetings": [{"uuid": "x", "start_time": "canary"}]}), TemporaryError),
        ("participants", Status(403, {"code": 4711, "message": "canary: scopes"}), ConfigError),
        ("oauth", Status(400, {"error": "invalid_client", "reason": "canary"}), ConfigError),
        ("oauth", Status(500, "canary"), TemporaryError),
        ("rec/download", Status(403, "canary"), ConfigError),
        ("rec/download", Status(503, "canary"), TemporaryError),
    ],
)
def test_refusals_name_who_must_act(harness: ZoomHarness, path: str, answer: Status, error: type[Exception]) -> None:
    """A limit or an outage is for time, missing scopes and a wrong app for the operator; none is an empty list."""
    harness.put()
    harness.twin.fault(answer, path=path)
    with pytest.raises(error) as caught:
        all_captured(harness.channel.poll(None))
    assert "canary" not in str(caught.value)


def test_settings_that_cant_work_refuse_to_start(harness: ZoomHarness) -> None:
    """A missing or short secret token, or app's secret, is an error that shows nothing."""
    cases: list[dict[str, Any]] = [
        {"secret_env": None},
        {"client_secret_env": None},
        {"secrets": ("short",)},
        {"token": "line\nend"},
    ]
    for case in cases:
        with pytest.raises(ConfigError, match=r"channels\.zoom\.") as caught:
            harness.made(**case)
        assert "short" not in str(caught.value)
    assert door(harness.channel, harness.request(harness.body())) is None
    for name in ("email", "phone", "domain"):
        with pytest.raises(ConfigError):
            ZoomChannel(name, harness.channel.options, context(harness.base))
