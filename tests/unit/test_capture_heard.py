"""The words of a voice note, a delivery of our own: read again they are the same, and whose they are is told."""

from dataclasses import replace
from typing import cast

import pytest

from sidecar.capture import capture, to_delivery
from sidecar.capture.heard import HEARD, MAX_CHARS, Hearing, hearing_of, key_of, to_captured
from sidecar.errors import PermanentError
from sidecar.model import Activity, Actor, Attachment, Delivery, Identifier, Participant, Role
from sidecar.model.means import AUDIO_MS, AUDIO_NANO_USD, HEARD_BY
from sidecar.ports import Channel, Segment, Transcript
from tests.support.activities import MINT, NOON

ANN = Participant("from", "Ann", (Identifier("phone", "+447700900123"),))
NOTE = Attachment("whatsapp:7700", "voice", "audio/ogg", sha256="ab" * 32)
SAID = Transcript("  Am Donnerstag\0 um zehn.  ", "whisper-1", "german", 2.04, (Segment(0.0, 2.0, "Am Donnerstag"),))
NOBODY = cast(Channel, None)
"""No channel is asked to read what is ours."""


def spoken(kind: str = "message", role: Role = Role.CUSTOMER) -> Activity:
    """A message that is nothing but a voice note."""
    actor = Actor(role, "test", role is not Role.CUSTOMER, "Ann", ANN.identifiers)
    return MINT(
        Activity(
            channel="meta", account="meta", external_id="wamid.1", kind=kind, at=NOON, actor=actor, thread="t1",
            participants=(ANN,), text="[voice note]", attachments=(NOTE,),
        )
    )  # fmt: skip


def kept(hearing: Hearing, activity: Activity) -> Delivery:
    """The delivery of what was heard."""
    captured = to_captured(hearing, "meta", key_of(activity, 0))
    return to_delivery(captured, "meta", NOON, MINT)


def heard(activity: Activity, transcript: Transcript | None = SAID, problem: str = "") -> Activity:
    """What is read out of it."""
    hearing = replace(hearing_of(activity, 0), transcript=transcript, problem=problem)
    (found,) = capture(kept(hearing, activity), NOBODY, MINT)
    return found


@pytest.mark.parametrize(("seconds", "audio_ms"), [(2.04, 2_040), (0.0, 0), (None, 5_000)])
def test_what_hearing_took_is_told_beside_the_record(seconds: float | None, audio_ms: int) -> None:
    """A length that the endpoint doesn't tell is taken from the size, at 16 kbit/s; what nobody heard costs nothing."""
    record = replace(hearing_of(spoken(), 0), size_bytes=10_000, transcript=replace(SAID, duration_s=seconds))
    told = to_captured(record, "meta", "k", 0.6).headers
    assert told[HEARD_BY] == "whisper-1"
    assert (int(told[AUDIO_MS]), int(told[AUDIO_NANO_USD])) == (audio_ms, audio_ms * 10_000)
    assert AUDIO_MS not in to_captured(replace(record, transcript=None, problem="gone"), "meta", "k", 0.6).headers


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.BOT])
def test_words_are_the_sender_s_and_can_be_quoted(role: Role) -> None:
    """They bear the message's id, time, sender and thread, as another version of it, and are said from end to end."""
    message = spoken(role=role)
    words = heard(message)
    assert (words.kind, words.external_id, words.at, words.thread) == ("message", "wamid.1", NOON, "t1")
    assert (words.actor, words.participants, words.relates_to) == (message.actor, (ANN,), "wamid.1")
    assert words.id != message.id
    assert words.text == "Am Donnerstag\ufffd um zehn."
    (span,) = words.said
    assert (span.start, span.end, span.role, span.authenticated) == (
        0,
        len(words.text),
        role,
        role is not Role.CUSTOMER,
    )
    assert words.attributes == {"heard_by": "whisper-1", "language": "german", "seconds": "2.0", "file": "voice"}


def test_what_is_heard_twice_is_one_fact() -> None:
    """Another transcriber's other words for the same file don't become a second message."""
    message = spoken()
    first, second = (heard(message, replace(SAID, text=text)) for text in ("one", "two"))
    assert first.id == second.id
    assert kept(hearing_of(message, 0), message).key == f"media:{message.id}:0"


@pytest.mark.parametrize(("kind", "role"), [("call", Role.SYSTEM), ("call", Role.AGENT), ("message", Role.SYSTEM)])
def test_words_of_a_recording_are_nobody_s_who_is_trusted(kind: str, role: Role) -> None:
    """In a recording several speak: all counts as the customer's, never as a system's or an agent's word."""
    words = heard(spoken(kind, role))
    assert (words.kind, words.participants) == ("transcript", ())
    assert (words.actor.role, words.actor.authenticated, words.actor.identifiers) == (Role.CUSTOMER, False, ())
    assert [(span.role, span.authenticated) for span in words.said] == [(Role.CUSTOMER, False)]


@pytest.mark.parametrize(("transcript", "problem"), [(None, "it is gone"), (replace(SAID, text=" \n "), "")])
def test_what_was_not_heard_is_counted_and_names_nobody(transcript: Transcript | None, problem: str) -> None:
    """A file without words is a status with its reason, which belongs to no conversation."""
    told = heard(spoken(), transcript, problem)
    assert (told.kind, told.participants, told.relates_to, told.text) == ("status", (), None, "")
    assert told.problems == (problem or "nothing was said in it",)


def test_a_transcript_has_a_bound() -> None:
    """No more words are kept than are read."""
    assert len(heard(spoken(), replace(SAID, text="x" * (MAX_CHARS + 1))).text) == MAX_CHARS


def test_a_record_that_was_altered_is_not_read() -> None:
    """Bytes that are no record of ours are parked by a reason that shows nothing of them."""
    delivery = replace(kept(hearing_of(spoken(), 0), spoken()), raw=b'{"canary": 1}')
    with pytest.raises(PermanentError) as caught:
        capture(delivery, NOBODY, MINT)
    assert "canary" not in str(caught.value)
    assert delivery.headers[HEARD] == spoken().id
