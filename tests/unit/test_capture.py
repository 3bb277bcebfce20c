"""Capture: bytes become a Delivery, a Delivery becomes Activities whose invariants no channel's parser can break."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.capture import FAULT, MAX_ACTIVITIES, MAX_TEXT_CHARS, capture, to_delivery
from sidecar.errors import PermanentError
from sidecar.model import Activity, Actor, Delivery, Mint, Role, Said
from sidecar.ports import Captured, Channel
from tests.support.activities import MINT, NOON


class Drafts:
    """A channel whose parser says whatever it likes."""

    def __init__(self, *drafts: Activity) -> None:
        self.drafts = drafts
        self.parsed = 0

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Say it."""
        self.parsed += 1
        return self.drafts


def draft(text: str = "Hello, Ann", *said: Said, at: datetime = NOON, id: str = "x1") -> Activity:
    """A draft as a parser gives it: without an id, naming whatever channel it likes."""
    return Activity(
        channel="another", account="another", external_id=id, kind="message", at=at, actor=Actor(Role.CUSTOMER, "test"),
        thread="t1", text=text, said=said,
    )  # fmt: skip


def captured(raw: bytes = b"raw", key: str | None = "k1", fault: str | None = None, at: datetime = NOON) -> Delivery:
    """A delivery of some bytes, as the web channel captured them."""
    given_headers = {"content-type": "application/json"}
    return to_delivery(Captured("acme", raw, key, given_headers, fault), "web", at, MINT)


def read(delivery: Delivery, *drafts: Activity) -> tuple[Activity, ...]:
    """Capture what a parser says about a delivery."""
    channel: Channel = Drafts(*drafts)  # type: ignore[assignment]  # capture asks a channel for nothing but parse
    return capture(delivery, channel, MINT)


def test_the_same_bytes_are_the_same_delivery_whenever_they_come() -> None:
    """A delivery without an id of its own is named by its bytes; seen to fail with the time in its identity."""
    assert captured(key=None, at=NOON + timedelta(days=1)).id == captured(key=None).id
    assert captured(b"other", key=None).id != captured(key=None).id


def test_a_channels_own_id_names_a_delivery_before_its_bytes_do() -> None:
    """A sender that repeats itself with other white space is still heard once."""
    assert captured(b"{ }").id == captured(b"{}").id
    assert captured(b"{}", key="k2").id != captured(b"{}").id


@given(st.binary())
def test_raw_bytes_are_kept_as_they_came(raw: bytes) -> None:
    """Whatever the bytes are, the delivery holds them all; seen to fail with the bytes decoded and encoded."""
    assert captured(raw).raw == raw


def test_capturing_again_gives_the_same_activities() -> None:
    """Ids follow from the delivery and the draft alone; seen to fail with a counter in the identity."""
    drafts = draft(id="x1"), draft(id="x2")
    first, again = read(captured(), *drafts), read(captured(), *drafts)
    assert first == again
    assert len({a.id for a in first}) == 2


def test_another_books_key_gives_other_ids() -> None:
    """Nobody without the book's key can tell an id; seen to fail with a plain hash."""
    channel: Channel = Drafts(draft())  # type: ignore[assignment]  # as above
    (ours,), (theirs,) = (capture(captured(), channel, mint) for mint in (MINT, Mint(b"o" * 32)))
    assert ours.id != theirs.id


def test_an_activity_belongs_to_the_delivery_that_it_came_in() -> None:
    """A parser can't put words into another channel's mouth; seen to fail with the draft's own channel kept."""
    (activity,) = read(captured(), draft())
    assert (activity.channel, activity.account) == ("web", "acme")
    assert activity.because == (captured().id,)


def test_what_is_known_to_be_unreadable_is_parked_with_its_reason_and_never_parsed() -> None:
    """A fault that the channel found names itself; seen to fail with the header left out of the check."""
    delivery = captured(fault="the file is larger than 25 MB")
    assert delivery.headers[FAULT] == "the file is larger than 25 MB"
    channel = Drafts(draft())
    with pytest.raises(PermanentError, match="larger than 25 MB"):
        capture(delivery, channel, MINT)  # type: ignore[arg-type]  # as above
    assert channel.parsed == 0


@pytest.mark.parametrize(
    "span", [(-1, 3), (3, 3), (5, 2), (0, 11), (10, 12), (11, 12)], ids=lambda s: f"{s[0]} to {s[1]}"
)
def test_a_span_outside_the_text_is_dropped_and_said(span: tuple[int, int]) -> None:
    """No evidence can lie where there are no words; seen to fail with the spans taken over unchecked."""
    good, bad = Said(0, 5, Role.CUSTOMER), Said(*span, Role.AGENT, authenticated=True)
    (activity,) = read(captured(), draft("Hello, Ann", good, bad))
    assert activity.said == (good,)
    assert activity.problems == ("1 spans lay outside the text",)


def test_what_the_parser_noticed_stays_beside_what_capture_notices() -> None:
    """Both sides' problems are kept, the parser's first."""
    noticed = replace(draft("Hi", Said(0, 9, Role.CUSTOMER)), problems=("an unknown field",))
    (activity,) = read(captured(), noticed)
    assert activity.problems == ("an unknown field", "1 spans lay outside the text")


def test_a_time_without_a_zone_is_refused() -> None:
    """Nobody guesses in which zone somebody wrote; seen to fail without the check."""
    with pytest.raises(PermanentError, match="without a zone"):
        read(captured(), draft(at=NOON.replace(tzinfo=None)))


def test_bounds_hold_whatever_a_parser_returns() -> None:
    """One delivery can't flood the book; each bound is named in its refusal. Seen to fail with the bounds doubled."""
    many = [draft(id=str(i)) for i in range(MAX_ACTIVITIES + 1)]
    assert len(read(captured(), *many[1:])) == MAX_ACTIVITIES
    with pytest.raises(PermanentError, match=str(MAX_ACTIVITIES)):
        read(captured(), *many)
    assert read(captured(), draft("a" * MAX_TEXT_CHARS))
    with pytest.raises(PermanentError, match=str(MAX_TEXT_CHARS)):
        read(captured(), draft("a" * (MAX_TEXT_CHARS + 1)))


def test_times_are_kept_to_the_microsecond() -> None:
    """What happened a moment later sorts after what happened before."""
    moment = datetime(2026, 11, 23, 12, 0, 0, 1, tzinfo=UTC)
    (activity,) = read(captured(), draft(at=moment))
    assert activity.at == moment
