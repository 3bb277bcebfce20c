"""Who spoke last and which question is open: found in the words, each quote where it says."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidecar.model import Activity, Actor, Role, Said, Standing
from sidecar.model.fold.talk import talked
from tests.support.houses import House

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A whole sidecar whose model says nothing."""
    with House(tmp_path, "sqlite:///journal.db").start() as opened:
        yield opened


def said(text: str, role: Role = Role.CUSTOMER, minute: int = 0, kind: str = "message", about: str = "") -> Activity:
    """Something that one side says."""
    return Activity(
        id=f"activity-{minute}", because=("delivery-1",), channel="web", account="w", external_id=f"m{minute}",
        kind=kind, version="1", at=NOW + timedelta(minutes=minute), thread="t", actor=Actor(role, "test"), text=text,
        said=(Said(0, len(text), role),) if text else (), relates_to=about or None,
    )  # fmt: skip


def after(*activities: Activity) -> Standing:
    """The standing after some words."""
    standing = Standing("party-1")
    for activity in activities:
        standing = talked(standing, activity)
        standing = replace(standing, last_activity_at=max(activity.at, standing.last_activity_at or activity.at))
    return standing


def asked(standing: Standing) -> str:
    """The words of the open question."""
    return standing.asked.evidence.quote if standing.asked else ""


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Hi. Can I come on Thursday?", "Can I come on Thursday?"),
        ("Was kostet das? Danke!", "Was kostet das?"),
        ("¿Tienen hora mañana?", "¿Tienen hora mañana?"),
        ("可以今天吗？谢谢", "可以今天吗？"),
        ("可以今天吗？", "可以今天吗？"),
        ("هل يمكنكم الاتصال؟", "هل يمكنكم الاتصال؟"),
        ("See https://x.test/a?b=1 for more.", ""),
        ("One? Two? Three.", "Two?"),
        ("What??? ", "What???"),
        ("Is 10.30 fine?", "Is 10.30 fine?"),
        ("???", ""),
        ("Nothing to ask.", ""),
    ],
)
def test_a_question_is_what_ends_in_a_question_mark(text: str, question: str) -> None:
    """The last one counts, in any script, and its place is that of its words."""
    standing = after(said(text))
    assert asked(standing) == question
    if standing.asked:
        evidence = standing.asked.evidence
        assert text[evidence.start : evidence.end] == evidence.quote


def test_the_other_sides_word_answers_it() -> None:
    """One's own next message doesn't; seen to fail with any message taken for an answer."""
    first = said("Can I come?", minute=1)
    assert asked(after(first, said("I mean on Thursday.", minute=2))) == "Can I come?"
    assert asked(after(first, said("Sure.", Role.AGENT, minute=2))) == ""
    assert asked(after(first, said("Sure. At ten?", Role.AGENT, minute=2))) == "At ten?"
    assert asked(after(first, said("Noted.", Role.BOT, minute=2))) == "Can I come?", "a bot answers nobody"


def test_what_was_taken_back_is_not_asked() -> None:
    """A deleted question is gone and an edited one asks what it says now; seen to fail with edits left out."""
    first = said("Can I come?", minute=1)
    assert asked(after(first, said("", minute=2, kind="deletion", about="m1"))) == ""
    assert asked(after(first, said("I come.", minute=2, kind="edit", about="m1"))) == ""
    assert asked(after(first, said("Shall I come?", minute=2, kind="edit", about="m1"))) == "Shall I come?"
    assert asked(after(first, said("", minute=2, kind="deletion", about="m0"))) == "Can I come?"


def test_what_comes_late_was_said_before() -> None:
    """Late mail neither answers a later question nor speaks last; seen to fail without a look at the time."""
    standing = after(said("Can I come?", minute=5), said("Hello, any news?", Role.AGENT, minute=1))
    assert (asked(standing), standing.spoke_last) == ("Can I come?", "customer")


def test_a_question_that_comes_after_its_answer_is_not_open(house: House) -> None:
    """Our side spoke after it, so nobody waits; seen to fail with each question taken for open."""
    house.hear("Hello.")
    house.clock.move(3_600)
    house.answer("Yes, do come.")
    house.resolve()
    sent_at = (house.clock() - timedelta(minutes=9)).isoformat()
    house.say("Can I come?", sent_at=sent_at)
    house.resolve()
    assert (asked(house.standing()), house.standing().spoke_last) == ("", "agent")
    house.say("And on Friday?")
    house.resolve()
    assert asked(house.standing()) == "And on Friday?"


def test_what_was_somebody_elses_is_not_asked(house: House) -> None:
    """A question goes with its message when that is split off; seen to fail with the question left behind."""
    house.hear("Hello.")
    house.hear("Can I come?")
    party, question = house.standing().party, house.standing().asked
    assert question is not None
    house.app.pipeline.people.split(party, [question.evidence.activity], "me")
    house.work()
    left = house.journal.standing(party)
    assert left is not None
    assert left.asked is None


def test_within_one_call_the_last_speaker_counts() -> None:
    """A transcript has both sides; each line is its speaker's."""
    text = "Can you do Monday?\nYes. What time?"
    call = replace(said(text), said=(Said(0, 18, Role.CUSTOMER), Said(19, len(text), Role.AGENT, authenticated=True)))
    standing = after(call)
    assert (asked(standing), standing.spoke_last) == ("What time?", "agent")
    assert standing.asked is not None and standing.asked.evidence.authenticated
