"""Twilio under the contract of those that are called and of those that ask, against a twin on a socket."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from adapters.channels.meta import MetaChannel, MetaOptions
from adapters.channels.twilio import TwilioChannel
from adapters.channels.twilio.options import TwilioOptions
from sidecar.errors import ConfigError, PermanentError, RejectedInput, TemporaryError
from sidecar.model import Activity, Attachment, Identifier, Role
from sidecar.ports import Captured, HookRequest
from tests.contract.channel import (
    CANARY,
    INSTALLED,
    NOW,
    PollContract,
    Secrets,
    WebhookContract,
    all_captured,
    context,
    delivered,
    door,
    last_cursor,
    parsed,
)
from tests.contract.twilio_accounts import ANN, BOB, PUBLIC_URL, RECENT, US, TwilioHarness
from tests.twins.twilio import TOKEN, TwilioTwin
from tests.twins.wire.faults import Status

SAID = [(1, "Can I come"), (1, "on Thursday at ten?"), (2, "Thursday is fine."), (1, "Great.")]


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[TwilioHarness]:
    """Return an account that waits for its customers."""
    with TwilioTwin() as twin:
        yield TwilioHarness(twin, tmp_path)


def read(harness: TwilioHarness, body: bytes, channel: TwilioChannel | None = None) -> list[Activity]:
    """Let a webhook in by the door and return its activities."""
    channel = channel or harness.channel
    return list(parsed(channel, channel.verify(harness.posted(body))))


def polled(channel: TwilioChannel) -> list[Activity]:
    """Return the activities of a first poll."""
    return [activity for captured in all_captured(channel.poll(None)) for activity in parsed(channel, captured)]


class TestTwilioChannel(WebhookContract, PollContract):
    """Twilio keeps every promise of a channel that is called, and of one that asks."""


def test_a_message_by_webhook_and_by_poll_is_one_activity(harness: TwilioHarness) -> None:
    """Whichever way a message comes first, its words, files and people are the same. Seed: the bytes' hash."""
    plain = harness.twin.texts(ANN, US, "Is it in stock?", harness.at())
    note = harness.twin.texts(f"whatsapp:{ANN}", f"whatsapp:{US}", "", harness.at())
    harness.twin.attaches(note, "audio/ogg", b"OggS")
    by_hook = [read(harness, harness.twin.webhook(sid))[0] for sid in (plain, note)]
    assert not read(harness, harness.twin.webhook(note, MessageType="audio"))[0].said
    by_poll = polled(harness.channel)
    assert [a.id for a in by_hook] == [a.id for a in by_poll]
    assert [replace(a, at=NOW, because=(), attributes={}) for a in by_hook] == [
        replace(a, at=NOW, because=(), attributes={}) for a in by_poll
    ]
    assert by_poll[1].attachments == (Attachment(f"message/{note}/{_file(by_poll[1])}", "voice", "audio/ogg"),)


def _file(activity: Activity) -> str:
    return activity.attachments[0].ref.rpartition("/")[2]


def test_a_call_by_webhook_and_by_poll_is_one_activity(harness: TwilioHarness) -> None:
    """How a call ended is one fact, whichever way it is told, and what happened on the way isn't it."""
    call = harness.twin.rings(ANN, US, harness.at())
    (by_hook,) = read(harness, harness.twin.webhook(call))
    (by_poll,) = polled(harness.channel)
    assert (by_hook.id, by_hook.at, by_hook.text) == (by_poll.id, by_poll.at, by_poll.text)
    assert by_hook.participants == by_poll.participants
    assert (by_poll.kind, by_poll.version, by_poll.text) == ("call", "completed", "Incoming call, 73 seconds.")
    ringing = [
        read(harness, harness.twin.webhook(call, CallStatus=status, SequenceNumber=number))[0]
        for status, number in (("ringing", "1"), ("in-progress", "2"), ("ringing", "1"))
    ]
    assert [a.kind for a in ringing] == ["status"] * 3
    assert len({by_poll.id, *(a.id for a in ringing)}) == 3


def test_a_recording_by_webhook_and_by_poll_is_one_activity(harness: TwilioHarness) -> None:
    """A recording is a file of its call, told once; without consent it isn't told of at all."""
    recording = harness.twin.records(harness.twin.rings(ANN, US, harness.at()))
    (by_hook,) = read(harness, harness.twin.webhook(recording))
    by_poll = [activity for activity in polled(harness.channel) if activity.external_id == recording]
    assert [a.id for a in by_poll] == [by_hook.id]
    assert by_hook.attachments == (Attachment(f"recording/{recording}", "audio", "audio/mpeg"),)
    assert not read(harness, harness.twin.webhook(recording), harness.made(transcripts=False))


def test_a_poll_hinted_at_finds_the_words_and_who_said_them(harness: TwilioHarness) -> None:
    """A hint yields nothing but a poll, which brings the sentences with the speaker of each, for the caller."""
    call = harness.twin.rings(ANN, US, harness.at())
    transcript = harness.twin.transcribes(harness.twin.records(call), SAID, harness.at())
    assert not read(harness, harness.twin.hint(transcript))
    assert not read(harness, urlencode(json.loads(harness.twin.hint(transcript))).encode())
    assert harness.channel.capabilities.hints
    activity = next(a for a in polled(harness.channel) if a.kind == "transcript")
    assert activity.text == "Customer: Can I come on Thursday at ten?\nAgent: Thursday is fine.\nCustomer: Great."
    said = [(activity.text[s.start : s.end], s.role, s.authenticated) for s in activity.said]
    assert said[1] == ("Thursday is fine.", Role.AGENT, False)
    assert (said[0][1], said[2][1]) == (Role.CUSTOMER, Role.CUSTOMER)
    assert activity.actor.identifiers == (Identifier("phone", ANN),)
    assert (activity.thread, activity.relates_to) == (call, call)
    assert activity.attributes["channels"] == "1=customer,2=agent"


@pytest.mark.parametrize(
    ("told", "channels", "rule"),
    [
        ({"direction": "inbound"}, "1=customer,2=agent", "direction of the call"),
        ({"direction": "outbound-api"}, "1=customer,2=agent", "direction of the call"),
        ({"direction": "trunking-originating"}, "2=customer,1=agent", "trunk, reversed"),
        ({"direction": "trunking-terminating"}, "2=customer,1=agent", "trunk, reversed"),
    ],
)
def test_who_speaks_follows_from_the_call(
    harness: TwilioHarness, told: dict[str, Any], channels: str, rule: str
) -> None:
    """The far end is on the first channel, for SIP trunks on the second. Seed: one order for all."""
    ends = (ANN, US) if told["direction"] in ("inbound", "trunking-originating") else (US, ANN)
    call = harness.twin.rings(*ends, harness.at(), **told)
    harness.twin.transcribes(harness.twin.records(call), SAID, harness.at())
    activity = next(a for a in polled(harness.channel) if a.kind == "transcript")
    assert (activity.attributes["channels"], activity.attributes["channels_by"]) == (channels, rule)
    assert activity.actor.identifiers == (Identifier("phone", ANN),)


def test_a_person_may_correct_who_speaks(harness: TwilioHarness) -> None:
    """The setting wins over the transcript's participants, and these over the call; trust is a setting of its own."""
    call = harness.twin.rings(ANN, US, harness.at())
    people = [
        {"channel_participant": 1, "role": "Agent", "full_name": "Bea"},
        {"channel_participant": 2, "role": "Customer", "full_name": "Ann Lee"},
    ]
    channel = {"media_properties": {"source_sid": harness.twin.records(call)}, "participants": people}
    harness.twin.transcribes("", SAID, harness.at(), channel=channel)
    declared = next(a for a in polled(harness.channel) if a.kind == "transcript")
    assert declared.text.splitlines()[1] == "Ann Lee: Thursday is fine."
    assert declared.said[1].role is Role.CUSTOMER
    corrected = harness.made(customer_channel=1, trusted_speakers=True)
    activity = next(a for a in polled(corrected) if a.kind == "transcript")
    assert [(s.role, s.authenticated) for s in activity.said[:2]] == [(Role.CUSTOMER, False), (Role.AGENT, True)]


def test_where_the_speaker_cant_be_told_nobody_is_ours(harness: TwilioHarness) -> None:
    """One channel, or no call to it: everybody counts as a customer, and the activity says so."""
    call = harness.twin.rings(ANN, US, harness.at())
    harness.twin.transcribes(harness.twin.records(call, channels=1), [(1, "Hello."), (1, "Hi.")], harness.at())
    harness.twin.transcribes("RE" + "9" * 32, SAID, harness.at())
    found = [a for a in polled(harness.made(trusted_speakers=True)) if a.kind == "transcript"]
    assert len(found) == 2
    for activity in found:
        assert {(s.role, s.authenticated, s.who) for s in activity.said} == {(Role.CUSTOMER, False, "Unknown")}
        assert activity.problems == ("who speaks on which channel can't be told",)


def test_a_desk_that_calls_out_is_ours(harness: TwilioHarness) -> None:
    """A browser's call is nobody's; the leg that it made is the call, to the customer, who is on the second channel."""
    desk = harness.twin.rings("client:bea", "", harness.at())
    leg = harness.twin.rings(US, ANN, harness.at(), direction="outbound-dial", parent_call_sid=desk)
    harness.twin.transcribes(harness.twin.records(desk), SAID, harness.at())
    found = {(a.kind, a.external_id): a for a in polled(harness.channel)}
    assert found["status", desk].participants == ()
    call = found["call", leg]
    assert (call.text, call.relates_to, call.thread) == ("Outgoing call, 73 seconds.", desk, desk)
    assert {i for p in call.participants if not p.own for i in p.identifiers} == {Identifier("phone", ANN)}
    (transcript,) = (a for a in found.values() if a.kind == "transcript")
    assert transcript.attributes["channels"] == "2=customer,1=agent"
    assert transcript.actor.identifiers == (Identifier("phone", ANN),)


def test_that_a_call_was_answered_is_no_word_of_ours(harness: TwilioHarness) -> None:
    """A voicemail answers too, so neither a call of ours nor one to us proves that anybody was spoken to; seen to fail
    with the line of an outgoing call as our side's own word."""
    harness.twin.rings(US, ANN, harness.at(), direction="outbound-api")
    harness.twin.rings(ANN, US, harness.at())
    calls = [a for a in polled(harness.channel) if a.kind == "call"]
    assert sorted(a.text for a in calls) == ["Incoming call, 73 seconds.", "Outgoing call, 73 seconds."]
    assert [(s.start, s.end, s.authenticated) for a in calls for s in a.said] == [(0, 26, False)] * 2


def test_a_forwarded_call_is_its_callers(harness: TwilioHarness) -> None:
    """Whom our number forwards to is no customer, by either way. Seed: the called end of each outbound leg."""
    call = harness.twin.rings(ANN, US, harness.at())
    leg = harness.twin.rings(ANN, BOB, harness.at(), direction="outbound-dial", parent_call_sid=call)
    (by_hook,) = read(harness, harness.twin.webhook(leg))
    found = {a.external_id: a for a in polled(harness.channel)}
    assert (by_hook.kind, found[leg].kind, found[call].kind) == ("status", "status", "call")
    assert Identifier("phone", BOB) not in {i for a in found.values() for p in a.participants for i in p.identifiers}


def test_words_of_a_call_come_as_they_are_said(harness: TwilioHarness) -> None:
    """Finals alone are kept, each by its place, on the side that its track says; a setting turns the tracks round."""
    one, two = (harness.fixture(f"realtime_transcription_content_{n}") for n in (1, 2))
    assert (one.text, two.text) == (
        "Customer: Guten Tag, ich rufe wegen der Rechnung an.",
        "Agent: Gerne, welche Nummer?",
    )
    assert (one.relates_to, one.thread, one.at.isoformat()) == (
        "CA" + "a" * 32,
        "CA" + "a" * 32,
        "2026-11-22T09:58:50+00:00",
    )
    assert one.external_id == f"GT{'d' * 32}:2"
    call = "CA" + "1" * 32
    assert not read(harness, harness.twin.live(call, 3, "Can I", RECENT, Final="false"))
    assert not read(harness, harness.twin.live(call, 0, "", RECENT, TranscriptionEvent="transcription-started"))
    (turned,) = read(harness, harness.twin.live(call, 4, "Hello", RECENT), harness.made(inbound_track="agent"))
    assert turned.said[0].role is Role.AGENT
    for broken in ({"TranscriptionData": "{"}, {"TranscriptionData": "[]"}, {"SequenceId": "x"}):
        with pytest.raises(PermanentError):
            read(harness, harness.twin.live(call, 5, CANARY, RECENT, **broken))


def test_without_consent_no_word_of_a_call_is_kept_or_fetched(harness: TwilioHarness) -> None:
    """What holds words is verified, answered and not kept; calls come without words, and nothing else is asked for."""
    silent = harness.made(transcripts=False)
    call = harness.twin.rings(ANN, US, harness.at())
    transcript = harness.twin.transcribes(harness.twin.records(call), SAID, harness.at())
    words = harness.twin.live(call, 2, CANARY, RECENT)
    spelt = words.replace(b"TranscriptionData", b"Transcription%44ata")
    legacy = urlencode({"AccountSid": harness.twin.account, "TranscriptionText": CANARY, "CallSid": call}).encode()
    results = json.dumps({"account_sid": harness.twin.account, "operatorResults": [CANARY]}).encode()
    for body in (words, spelt, legacy, results):
        request = harness.posted(body)
        answer = silent.greet(request)
        assert answer is not None and "<Response/>" in answer.text
        assert harness.channel.greet(request) is None
        with pytest.raises(RejectedInput) as refused:
            silent.greet(replace(request, headers={"x-twilio-signature": "AAAA"}))
        assert refused.value.status == 401
    assert silent.greet(harness.posted(harness.twin.hint(transcript))) is None
    assert silent.greet(harness.posted(harness.twin.webhook(call))) is None
    assert [(a.kind, a.text) for a in polled(silent)] == [("call", "Incoming call, 73 seconds.")]
    assert not harness.twin.calls("recordings", "transcripts", "sentences")


def test_a_get_is_refused(harness: TwilioHarness) -> None:
    """Twilio's GET has its parameters in the address; it isn't taken, and says so."""
    with pytest.raises(RejectedInput) as refused:
        harness.channel.greet(HookRequest({}, b"", {"a": "b"}, "GET", "a=b"))
    assert refused.value.status == 403


def test_twilio_hears_that_there_is_nothing_to_do(harness: TwilioHarness) -> None:
    """The answer is an empty TwiML, since an empty body would be an error in Twilio's log."""
    answer = harness.receive().answer
    assert answer is not None
    assert (answer.content_type, answer.text[-11:]) == ("text/xml; charset=utf-8", "<Response/>")


def test_whom_an_address_names(harness: TwilioHarness) -> None:
    """One person by SMS and WhatsApp is one number; user ids, SIP and client addresses are no numbers."""
    own = harness.channel.name
    expected = {
        ANN: Identifier("phone", ANN),
        f"whatsapp:{ANN}": Identifier("phone", ANN),
        "whatsapp:US.13491208655302741918": Identifier("bsuid", "US.13491208655302741918"),
        "sip:ann@pbx.example.com": Identifier(own, "sip:ann@pbx.example.com"),
        "messenger:1234567890": Identifier(own, "messenger:1234567890"),
        "72727": Identifier(own, "72727"),
        "+266696687": None,
        "+7378742833": None,
        "Anonymous": None,
    }
    for address, identifier in expected.items():
        sid = harness.twin.texts(address, US, "Hello", harness.at())
        (activity,) = read(harness, harness.twin.webhook(sid))
        assert activity.actor.identifiers == ((identifier,) if identifier else ()), address


def test_a_user_id_stands_beside_the_number(harness: TwilioHarness) -> None:
    """`ExternalUserId` joins a WhatsApp user's number and id, so that the party stays one when the number is hidden."""
    sid = harness.twin.texts(f"whatsapp:{ANN}", f"whatsapp:{US}", "Hello", harness.at())
    body = harness.twin.webhook(sid, ExternalUserId="whatsapp:GB.77001", ProfileName="Ann Lee")
    (activity,) = read(harness, body)
    assert activity.actor.name == "Ann Lee"
    assert set(activity.actor.identifiers) == {Identifier("bsuid", "GB.77001"), Identifier("phone", ANN)}


def test_buttons_places_and_files_are_read(harness: TwilioHarness) -> None:
    """A button's word is the customer's, its payload an attribute; a place and a file are our words about them."""
    button = harness.fixture("button_reply")
    assert (button.text, button.attributes["button"], button.said[0].role) == ("Yes", "CONFIRM_1", Role.CUSTOMER)
    assert button.attributes["replies_to"].startswith("MM9")
    sid = harness.twin.texts(f"whatsapp:{ANN}", US, "", harness.at())
    (place,) = read(harness, harness.twin.webhook(sid, Latitude="51.5", Longitude="-0.1", Label="Our shop"))
    assert (place.text, place.said) == ("[location: Our shop, 51.5, -0.1]", ())
    note = harness.fixture("inbound_voice_note")
    assert (note.text, note.said, note.actor.name) == ("[voice note: audio/ogg]", (), "Zoë")


def test_receipts_are_kept_and_make_no_talk(harness: TwilioHarness) -> None:
    """What became of a message of ours names nobody and stands beside the talk, each receipt once."""
    read_one = harness.fixture("status_read")
    assert (read_one.kind, read_one.version, read_one.participants, read_one.text) == ("status", "read", (), "")
    sid = harness.twin.sends(US, ANN, "Thursday it is.", harness.at())
    receipts = [read(harness, harness.twin.webhook(sid, MessageStatus=s))[0] for s in ("sent", "delivered", "sent")]
    assert len({a.id for a in receipts}) == 2


def test_what_we_sent_is_ours_as_the_setting_says(harness: TwilioHarness) -> None:
    """Twilio doesn't tell who wrote what a program sent: it is a bot's, unless people are said to stand behind it."""
    harness.twin.sends(US, ANN, "Thursday it is.", harness.at())
    harness.twin.texts(US, ANN, "We are closed.", harness.at(), direction="outbound-reply", status="sent")
    harness.twin.texts(US, ANN, "Never sent", harness.at(), direction="outbound-api", status="failed")
    assert [a.actor.role for a in polled(harness.channel)] == [Role.BOT, Role.BOT]
    people = [(a.actor.role, a.actor.authenticated) for a in polled(harness.made(outbound_by="agent"))]
    assert people == [(Role.AGENT, True), (Role.BOT, False)]


def test_only_the_chosen_numbers_count(harness: TwilioHarness) -> None:
    """Another number's messages and calls are left out by either way, however the number is written."""
    channel = harness.made(numbers=(f"whatsapp:{US}",))
    other = "+442079460999"
    kept = [harness.twin.texts(ANN, US, "Hello", harness.at()), harness.twin.rings(ANN, US, harness.at())]
    left = [harness.twin.texts(ANN, other, "Hello", harness.at()), harness.twin.rings(ANN, other, harness.at())]
    assert [a.external_id for a in polled(channel)] == kept
    assert [bool(read(harness, harness.twin.webhook(sid), channel)) for sid in (*kept, *left)] == [True] * 2 + [
        False
    ] * 2


def test_another_account_is_parked(harness: TwilioHarness) -> None:
    """A subaccount needs a channel of its own: what one token signs for another account is kept and named."""
    sid = harness.twin.texts(ANN, US, CANARY, harness.at())
    with pytest.raises(PermanentError, match="another account") as parked:
        read(harness, harness.twin.webhook(sid, AccountSid="AC" + "c" * 32))
    assert CANARY not in str(parked.value)


def test_a_retry_is_the_same_delivery(harness: TwilioHarness) -> None:
    """Twilio's token names a delivery over its retries, with its bytes; without one the bytes alone do."""
    body = harness.twin.webhook(harness.twin.texts(ANN, US, "Hello", harness.at()))
    named = {"i-twilio-idempotency-token": "5c2b7d0e-token"}
    keys = [harness.channel.verify(harness.posted(body, **headers)).key for headers in (named, named, {})]
    assert keys[0] == keys[1] != keys[2]
    odd = {"i-twilio-idempotency-token": "\ud800"}
    assert harness.channel.verify(harness.posted(body, **odd)).key is None


def test_what_nobody_reads_is_kept_without_an_activity(harness: TwilioHarness) -> None:
    """An event of next year is a delivery that yields nothing, never an error."""
    for fields in ({"EventType": "something.new"}, {"StreamSid": "MZ" + "0" * 32}, {"Error": "12345"}):
        body = urlencode({"AccountSid": harness.twin.account, **fields}).encode()
        assert read(harness, body) == []


def test_what_was_taken_back_is_found_by_the_poll(harness: TwilioHarness) -> None:
    """A message that was emptied, and one that was deleted, become deletions that relate to them, once."""
    kept, emptied, deleted = (harness.twin.texts(ANN, US, f"Number {n}", harness.at()) for n in range(3))
    cursor = last_cursor(harness.channel.poll(None))
    harness.twin.empties(emptied)
    harness.twin.deletes(deleted)
    batches = list(harness.channel.poll(cursor))
    found = [a for captured in all_captured(batches) for a in parsed(harness.channel, captured)]
    assert sorted((a.kind, str(a.relates_to)) for a in found) == [("deletion", emptied), ("deletion", deleted)]
    assert not all_captured(harness.channel.poll(json.loads(json.dumps(batches[-1].cursor))))
    assert kept in json.dumps(batches[-1].cursor)


def test_a_first_poll_that_finds_nothing_is_one(harness: TwilioHarness) -> None:
    """Empty lists are read up to today, so that the next poll goes on from there. Seed: no cursor without rows."""
    cursor = last_cursor(harness.channel.poll(None))
    assert cursor is not None and cursor["day"] == harness.at().date().isoformat()
    laid = harness.laid(harness.twin.texts(ANN, US, "Between", harness.at()))
    assert [captured.raw for captured in all_captured(harness.channel.poll(cursor))] == [laid]


def test_what_was_emptied_before_any_poll_is_found(harness: TwilioHarness) -> None:
    """An SMS without words has lost them; one of WhatsApp may be a place. Seed: only what was seen with its words."""
    emptied = harness.twin.texts(ANN, US, "My card is 4000", harness.at())
    place = harness.twin.texts(f"whatsapp:{ANN}", f"whatsapp:{US}", "", harness.at())
    harness.twin.empties(emptied)
    expected = [("deletion", emptied), ("message", emptied), ("message", place)]
    for batches in (harness.channel.poll(None), harness.channel.census(INSTALLED)):
        found = [a for captured in all_captured(batches) for a in parsed(harness.channel, captured)]
        assert sorted((a.kind, str(a.relates_to or a.external_id)) for a in found) == sorted(expected)


def test_a_message_that_only_looks_gone_is_not_deleted(harness: TwilioHarness) -> None:
    """A list that leaves something out proves nothing: the message itself is asked for. Seed: no second look."""
    harness.put()
    cursor = last_cursor(harness.channel.poll(None))
    harness.twin.fault(Status(200, {"messages": [], "next_page_uri": None}), path="Messages.json")
    assert not all_captured(harness.channel.poll(cursor))


def test_what_comes_late_within_two_days_is_found(harness: TwilioHarness) -> None:
    """A message dated yesterday that shows today is read; the lists are asked from two days back."""
    harness.put()
    cursor = last_cursor(harness.channel.poll(None))
    late = harness.laid(harness.twin.texts(ANN, US, "Late", NOW - timedelta(days=1)))
    assert [captured.raw for captured in all_captured(harness.channel.poll(cursor))] == [late]


def test_long_lists_are_paged(harness: TwilioHarness) -> None:
    """Every page of every list is read; seen to fail with the first page alone."""
    harness.twin.most_rows = 2
    for _ in range(5):
        harness.put()
    call = harness.twin.rings(ANN, US, harness.at())
    harness.twin.transcribes(harness.twin.records(call), SAID, harness.at())
    for _ in range(2):
        harness.twin.transcribes("RE" + "9" * 32, SAID, harness.at())
    found = polled(harness.channel)
    assert [a.kind for a in found] == ["message"] * 5 + ["call", "call"] + ["transcript"] * 3
    assert found[-3].text.endswith("Great.")


def test_a_page_elsewhere_is_never_asked(harness: TwilioHarness) -> None:
    """Of a next page only path and query count, so that the credentials stay with the configured host."""
    harness.twin.most_rows = 1
    harness.put()
    harness.put()
    row = dict(next(iter(harness.twin.messages.values())))
    told = {"messages": [row], "next_page_uri": "https://evil.example.com/2010-04-01/Accounts/x/Messages.json?Page=1"}
    harness.twin.fault(Status(200, told), path="Messages.json")
    with pytest.raises(ConfigError):
        all_captured(harness.channel.poll(None))
    assert harness.twin.requests[-1].path.startswith("/2010-04-01/Accounts/x/")


def test_a_hint_soon_after_a_poll_asks_for_transcripts_alone(harness: TwilioHarness) -> None:
    """Hints don't make the sidecar read whole days again and again; messages wait for the next full reading."""
    channel = harness.made(rest_s=120)
    harness.put()
    cursor = last_cursor(channel.poll(None))
    asked = harness.twin.calls("messages")
    harness.twin.transcribes("RE" + "9" * 32, SAID, harness.at())
    later = harness.put()
    found = list(channel.poll(cursor))
    assert [json.loads(c.raw)["polled"] for c in all_captured(found)] == ["transcript"]
    assert harness.twin.calls("messages") == asked
    full = harness.made(rest_s=120, clock=lambda: NOW + timedelta(seconds=121))
    assert [c.raw for c in all_captured(full.poll(json.loads(json.dumps(found[-1].cursor))))] == [later]


def test_a_census_gives_what_the_poll_gives(harness: TwilioHarness) -> None:
    """Provider and journal are counted under the same keys; the cursors of a census are empty."""
    harness.put_old()
    for _ in range(4):
        harness.put()
    call = harness.twin.rings(ANN, US, harness.at())
    harness.twin.transcribes(harness.twin.records(call), SAID, harness.at())
    batches = list(harness.channel.census(INSTALLED))
    by_poll = all_captured(harness.channel.poll(None))
    assert [(c.key, c.raw) for c in all_captured(batches)] == [(c.key, c.raw) for c in by_poll]
    assert len(by_poll) == 7
    assert all(not batch.cursor and len(batch.captured) <= harness.batch_size for batch in batches)


def test_a_backfill_goes_on_where_it_was_left(harness: TwilioHarness) -> None:
    """From the cursor of any batch the rest comes and nothing else, over days and lists."""
    since = INSTALLED - timedelta(days=3)
    for hours in range(1, 60, 7):
        harness.twin.texts(ANN, US, f"{hours} hours before", INSTALLED - timedelta(hours=hours))
        harness.twin.rings(ANN, US, INSTALLED - timedelta(hours=hours))
    whole = [captured.key for captured in all_captured(harness.channel.backfill(since, None))]
    assert len(whole) == len(set(whole)) == 18
    batches = list(harness.channel.backfill(since, None))
    for number, batch in enumerate(batches):
        cursor = json.loads(json.dumps(batch.cursor))
        rest = all_captured(harness.reopen().backfill(since, cursor))
        assert [c.key for c in rest] == [c.key for b in batches[number + 1 :] for c in b.captured]


def test_a_cursor_that_cant_be_read_is_a_lost_one(harness: TwilioHarness) -> None:
    """Whatever has become of a cursor, messages are read again rather than missed."""
    raw = harness.put()
    odd: list[dict[str, Any]] = [{"day": "x"}, {"day": 1}, {"recent": []}, {"recent": {"messages": 3}}, {"read_s": "x"}]
    for cursor in (*odd, {"a": 1}):
        assert [captured.raw for captured in all_captured(harness.channel.poll(cursor))] == [raw], cursor


def test_the_api_is_asked_by_a_key_where_there_is_one(harness: TwilioHarness) -> None:
    """A key's sid and secret are enough for polls and files, and webhooks are still signed by the auth token."""
    sid, _ = harness.twin.key
    channel = harness.made(api_key_sid=sid, api_key_secret_env="KEY")
    raw = harness.put()
    assert [captured.raw for captured in all_captured(channel.poll(None))] == [raw]
    recording = harness.twin.records(harness.twin.rings(ANN, US, harness.at()), b"ID3")
    assert channel.media(Attachment(f"recording/{recording}", "audio")).raw == b"ID3"
    assert door(channel, harness.posted(harness.twin.webhook(harness.twin.texts(ANN, US, "Hi", harness.at())))) is None


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, TemporaryError), (502, TemporaryError), (403, ConfigError), (302, ConfigError), (404, ConfigError)],
)
def test_refusals_of_the_api_name_who_must_act(harness: TwilioHarness, status: int, error: type[Exception]) -> None:
    """A limit or an outage is for time, a refusal for the operator; none is taken for an end."""
    harness.twin.fault(Status(status, {"message": CANARY}), path="Messages")
    with pytest.raises(error) as caught:
        all_captured(harness.channel.poll(None))
    assert CANARY not in str(caught.value)


def test_a_page_of_somebody_else_is_no_empty_list(harness: TwilioHarness) -> None:
    """A login page that answers 200 is an outage, not an account without messages."""
    harness.put()
    harness.twin.fault(Status(200, "<html>Please log in</html>"), path="Messages.json")
    with pytest.raises(TemporaryError):
        all_captured(harness.channel.poll(None))


def test_what_goes_while_it_is_read_stops_nobody(harness: TwilioHarness) -> None:
    """A message, transcript or call that is deleted between two questions costs its own parts and no other's."""
    message = harness.twin.texts(ANN, US, "See this", harness.at())
    harness.twin.attaches(message, "image/png", b"png")
    call = harness.twin.rings("client:bea", "", harness.at())
    harness.twin.transcribes(harness.twin.records(call), SAID, harness.at())
    for part in ("Media", "Sentences", f"Calls/{call}"):
        harness.twin.fault(Status(404, {"code": 20404}), path=part)
    found = polled(harness.channel)
    assert [(a.kind, a.text) for a in found if a.kind == "message"] == [
        ("message", "See this\n[files: 1 that can't be read]")
    ]
    assert [a.kind for a in found] == ["message", "status", "call"]


def test_one_person_on_several_lines_is_known_by_the_same_marks(harness: TwilioHarness) -> None:
    """Meta's channel and this one name a WhatsApp user by the same number and user id, so it is one party."""
    meta = MetaChannel("meta", MetaOptions(secret_env="SECRET"), context(harness.base, Secrets(SECRET="a" * 32)))
    contact = {"profile": {"name": "Ann Lee"}, "wa_id": ANN[1:], "user_id": "GB.77001"}
    text = {"id": "wamid.1", "timestamp": str(int(NOW.timestamp())), "type": "text", "text": {"body": "Hello"}}
    message = {**text, "from": ANN[1:], "from_user_id": "GB.77001"}
    about = {"messaging_product": "whatsapp", "metadata": {"display_phone_number": "1", "phone_number_id": "2"}}
    change = {"field": "messages", "value": {**about, "contacts": [contact], "messages": [message]}}
    raw = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "3", "changes": [change]}]}).encode()
    (by_meta,) = parsed(meta, Captured(account="meta", raw=raw))
    sid = harness.twin.texts(f"whatsapp:{ANN}", f"whatsapp:{US}", "Hello", harness.at())
    (by_twilio,) = read(harness, harness.twin.webhook(sid, ExternalUserId="whatsapp:GB.77001"))
    sms = harness.twin.texts(ANN, US, "Hello", harness.at())
    (by_sms,) = read(harness, harness.twin.webhook(sms))
    hidden = harness.twin.texts("whatsapp:GB.77001", f"whatsapp:{US}", "Hello", harness.at())
    (by_id,) = read(harness, harness.twin.webhook(hidden))
    assert set(by_twilio.actor.identifiers) == set(by_meta.actor.identifiers)
    assert set(by_sms.actor.identifiers) | set(by_id.actor.identifiers) == set(by_meta.actor.identifiers)


def test_files_are_fetched_by_their_sids(harness: TwilioHarness) -> None:
    """A voice note comes through Twilio's redirect, a recording as it is, each within its size and of its type."""
    message = harness.twin.texts(ANN, US, "", harness.at())
    voice = Attachment(f"message/{message}/{harness.twin.attaches(message, 'audio/ogg', b'OggS...')}", "voice")
    found = harness.channel.media(voice)
    assert (found.raw, found.content_type) == (b"OggS...", "audio/ogg")
    recording = harness.twin.records(harness.twin.rings(ANN, US, harness.at()), b"ID3...")
    assert harness.channel.media(Attachment(f"recording/{recording}", "audio")).raw == b"ID3..."
    with pytest.raises(PermanentError):
        harness.made(max_media_bytes=1_000).media(replace(voice, kind="image"))
    big = harness.twin.attaches(message, "audio/ogg", b"x" * 2_000)
    with pytest.raises(PermanentError, match="larger than 1000"):
        harness.made(max_media_bytes=1_000).media(Attachment(f"message/{message}/{big}", "voice"))
    for ref in (f"message/{message}/ME{'9' * 32}", "message/../../x", "https://evil.example.com/x", ""):
        with pytest.raises(PermanentError):
            harness.channel.media(Attachment(ref, "voice"))


def test_a_recording_is_not_fetched_once_consent_is_taken_back(harness: TwilioHarness) -> None:
    """What was named while words could be kept stays where it is when they may not; seen to fail at first."""
    recording = harness.twin.records(harness.twin.rings(ANN, US, harness.at()), b"ID3...")
    with pytest.raises(PermanentError, match="transcripts"):
        harness.made(transcripts=False).media(Attachment(f"recording/{recording}", "audio"))
    assert not harness.twin.requests
    message = harness.twin.texts(ANN, US, "", harness.at())
    voice = Attachment(f"message/{message}/{harness.twin.attaches(message, 'audio/ogg', b'OggS...')}", "voice")
    assert harness.made(transcripts=False).media(voice).raw == b"OggS...", "a voice note is no call"


def test_a_file_elsewhere_is_not_fetched(harness: TwilioHarness) -> None:
    """A redirect to a host that isn't Twilio's store ends there, and our credentials with it."""
    message = harness.twin.texts(ANN, US, "", harness.at())
    file = harness.twin.attaches(message, "audio/ogg", b"OggS")
    with TwilioTwin() as other:
        harness.twin.store_url = other.url
        with pytest.raises(PermanentError):
            harness.channel.media(Attachment(f"message/{message}/{file}", "voice"))
        assert not other.requests


@pytest.mark.parametrize(("status", "error"), [(503, TemporaryError), (429, TemporaryError), (401, ConfigError)])
def test_a_files_refusal_names_who_must_act(harness: TwilioHarness, status: int, error: type[Exception]) -> None:
    """A file that is away for now comes later; one that we may not read is the operator's."""
    harness.twin.fault(Status(status, {}), path="Recordings")
    with pytest.raises(error):
        harness.channel.media(Attachment("recording/RE" + "1" * 32, "audio"))


def test_the_port_may_be_signed_or_not(harness: TwilioHarness) -> None:
    """Twilio signs the usual port or leaves it out; both are taken, whichever was configured. Seed: one way alone."""
    body = harness.twin.webhook(harness.twin.texts(ANN, US, "Hello", harness.at()))
    bare, ported = PUBLIC_URL, PUBLIC_URL.replace(".com", ".com:443")
    for configured in (bare, ported):
        for called in (bare, ported):
            _, headers = harness.twin.signed(called, body)
            request = HookRequest({name.lower(): value for name, value in headers.items()}, body)
            assert door(harness.made(public_url=configured), request) is None, (configured, called)


def test_no_signed_form_breaks_the_reader(harness: TwilioHarness) -> None:
    """Whatever stands in a form's fields, it is read or parked without a word of it."""
    good = dict.fromkeys(("MessageSid", "CallSid", "RecordingSid", "TranscriptionSid"), "x") | {"From": ANN, "To": US}
    odd = ["", CANARY, "\ud800", "9" * 500, "-1", "\0", "SM" + "1" * 32, "CA" + "1" * 32, "completed"]
    names = ["MessageSid", "CallSid", "CallStatus", "RecordingSid", "RecordingStatus", "NumMedia", "Timestamp"]
    names += ["MessageStatus", "TranscriptionEvent", "TranscriptionData", "SequenceId", "CallDuration", "Body"]
    for name in names:
        for value in odd:
            fields = {**good, "AccountSid": harness.twin.account, name: value}
            raw = urlencode(fields, errors="surrogateescape" if value == "\udc80" else "replace").encode()
            try:
                activities = harness.channel.parse(delivered(harness.channel, Captured(harness.twin.account, raw)))
            except PermanentError as parked:
                assert CANARY not in str(parked)
                continue
            assert all(a.text[s.start : s.end] for a in activities for s in a.said)


def test_settings_that_cant_work_refuse_to_start(harness: TwilioHarness) -> None:
    """A missing token or key, a weak token and a reserved name are errors that show nothing."""
    cases: list[dict[str, Any]] = [
        {"auth_token_env": None},
        {"secrets": ("short",)},
        {"api_key_sid": "SK" + "0" * 32},
        {"api_key_sid": "SK" + "0" * 32, "api_key_secret_env": "NONE"},
    ]
    for case in cases:
        with pytest.raises(ConfigError) as caught:
            harness.made(**case)
        assert "short" not in str(caught.value)
    for name in ("email", "phone", "domain", "bsuid"):
        with pytest.raises(ConfigError):
            TwilioChannel(name, harness.channel.options, context(harness.base, Secrets(TOKEN=TOKEN)))
    for url in ("ftp://x.test/h", "https://u:p@x.test/h", "https://x.test/h#rc=3", "x.test/h", "https://x.test/ü"):
        with pytest.raises(ValueError, match=re.escape("public_url")):
            TwilioOptions(account_sid=harness.twin.account, public_url=url)
