"""Calls and what was said in them: nothing is lost without a word."""

from datetime import UTC, datetime

from adapters.formats.spoken import TEXT_CHARS_MAX, TURNS_MAX, Call, Spoken, transcript_activity
from sidecar.model import Delivery, Own

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CALL = Call("Example", "call-1", NOON, "call:1")
DELIVERY = Delivery(channel="phone", account="main", key="call-1", sha256="", received_at=NOON)


def test_words_that_are_too_many_are_said_to_be_missing() -> None:
    """A transcript of more turns or characters than are kept says so; seen to fail as cut off without a problem."""
    turns = [Spoken("Yes.", name=f"Speaker {n % 2}") for n in range(TURNS_MAX + 1)]
    long = [Spoken("a" * (TEXT_CHARS_MAX // 2), name=name) for name in ("Ann", "Rita", "Ann")]
    for said, kept in ((turns, TURNS_MAX), (long, 2)):
        told = transcript_activity(DELIVERY, CALL, said, Own(), trusts_names=False)
        assert (len(told.said), len(told.problems)) == (kept, 1)
    assert transcript_activity(DELIVERY, CALL, turns[:-1], Own(), trusts_names=False).problems == ()
