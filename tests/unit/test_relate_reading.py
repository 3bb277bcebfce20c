"""Which part of a history a run reads: whole while that is cheap, then the news, whole again when it has doubled."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from sidecar.journal import Entry, Touch
from sidecar.model import Inference, WorkKey, WorkKind
from tests.support.houses import House, buys

LONG = "I would like to tell you all about our last visit to the blue room. " * 60
"""A long mail of about 4,000 characters: three of them are no short history any more."""

SAME = LONG.strip()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A running sidecar whose model says nothing."""
    with House(tmp_path, "sqlite:///j.db") as house:
        yield house.start()


def whole(house: House) -> list[bool]:
    """Which inferences read the whole history, in their order."""
    return [fact.whole for fact in house.app.journal.facts(["inference"]) if isinstance(fact, Inference)]


def test_long_mails_are_read_again_only_when_they_have_doubled(house: House) -> None:
    """A few long mails are no short history; seen to fail with the first twelve activities read whole each time."""
    for number in range(9):
        house.hear(f"{LONG} ({number})")
    assert [number for number, is_whole in enumerate(whole(house), 1) if is_whole] == [1, 2, 4, 8]


def test_a_history_that_begins_with_a_long_call_is_read_again_when_it_has_doubled(house: House) -> None:
    """What is all new is read whole, however long; seen to fail with such a history read in pieces for ever."""
    house.hear(LONG * 4)
    for number in range(3):
        house.hear(f"Hello again ({number})")
    assert whole(house) == [True, True, False, True]


def test_after_a_correction_the_history_is_read_again_with_the_next_news(tmp_path: Path) -> None:
    """What a person put right may not be all that was wrong; seen to fail with the news alone, as without an edit."""
    with House(tmp_path, "sqlite:///j.db", buys()).start() as house:
        for number in range(18):
            house.hear(f"buy {number}")
        house.clock.move(60)
        (contact,) = house.records("contact")
        house.app.ledger.edit("contact", contact.ref, {"ai_intent": "inform"})  # type: ignore[attr-defined]
        house.clock.move(60)
        house.journal.commit(Entry(touches=(Touch(WorkKey(WorkKind.SYNC, house.standing().party)),)))
        house.work()
        assert house.fields()["intent"] == "inform"
        before = len(whole(house))
        for word in ("Hello", "Hello again"):
            house.hear(word)
        assert whole(house)[before:] == [True, False]
        assert len(house.llm.heard[before]) == 19


def test_the_same_words_of_one_sender_are_read_once(house: House) -> None:
    """A form that is sent twenty times costs one reading, and all of it counts as read; seen to fail with each read."""
    house.hear("Hello")
    house.hear("Hello", "bob")
    for _ in range(20):
        house.clock.move(1)
        house.say(SAME)
        house.say("yes")
    house.say(SAME, "bob")
    house.work()
    ann, bob = sorted(house.llm.heard[2:], key=len, reverse=True)
    assert [len(texts) for texts in (ann, bob)] == [1 + 1 + 20, 2]
    assert ann.count(SAME) == bob.count(SAME) == 1
    assert house.journal.counts()["pending"] == 0


def test_the_same_words_on_another_day_are_news(house: House) -> None:
    """Whoever asks again tomorrow asks again."""
    house.hear(SAME)
    house.clock.move(86_400)
    house.hear(SAME)
    assert house.llm.heard[-1].count(SAME) == 2


def test_a_history_that_has_no_answer_is_tried_again_only_when_it_has_doubled(tmp_path: Path) -> None:
    """A whole reading that comes to nothing is paid for once; seen to fail with one for each message ever after.

    The model makes a statement of each message, which are more than an answer may hold once the history is long.
    """
    with House(tmp_path, "sqlite:///j.db", buys()).start() as house:
        costs = [0]
        for number in range(110):
            house.hear(f"buy {number}")
            costs.append(len(house.llm.questions))
        asked = [after - before for before, after in pairwise(costs)]
        assert [number for number, calls in enumerate(asked, 1) if calls > 1] == [48, 96]
        assert house.journal.counts()["pending"] == 0


def test_a_reading_that_must_be_made_and_has_no_answer_is_tried_twice(tmp_path: Path) -> None:
    """After an edit, too, nobody pays for a try with each message; words that were taken back are worth a new one.

    Seen to fail with a try by each message and one more after it, which parked the party each time.
    """
    with House(tmp_path, "sqlite:///j.db", buys()).start() as house:
        for number in range(18):
            house.hear(f"buy {number}", id=f"b{number}")

        def costs(happens: Callable[[], object]) -> int:
            before = len(house.llm.questions)
            house.clock.move(60)
            happens()
            house.work()
            return len(house.llm.questions) - before

        house.llm.reworded = lambda a: replace(a, stop="refusal") if len(house.llm.questions[-1].new) > 5 else a
        assert costs(lambda: house.edit("b3", "buy three")) == 2
        assert [costs(lambda: house.say("and on")) for _ in range(5)] == [2, 1, 1, 1, 1]
        assert not house.parked() and house.standing().needs_whole
        house.llm.reworded = lambda a: a
        assert [costs(lambda: house.say("and on")) for _ in range(3)] == [1, 1, 1]
        assert costs(lambda: house.delete("b3")) == 1
        assert whole(house)[-1] and not house.standing().needs_whole
        assert house.journal.counts()["pending"] == 0


def test_a_long_call_that_is_read_again_says_what_is_left_out(house: House) -> None:
    """Where it is all that is left of a history, nobody waits for parts that don't come; seen to fail with "1 of 3"."""
    hello = house.hear("Hello")
    house.clock.move(60)
    house.mail("Ann <ann@x.test>", "and so on and on, said the customer.\n" * 7_500)
    house.poll()
    house.clock.move(60)
    house.delete(hello)
    house.work()
    *_, last = house.llm.questions[-1].new
    assert whole(house)[-1]
    assert "part" not in last.attributes
    assert int(last.attributes["characters_left_out"]) > 100_000
