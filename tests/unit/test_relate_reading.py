"""Which part of a history a run reads: whole while that is cheap, then the news, whole again when it has doubled."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.model import Inference
from tests.support.houses import House

LONG = "I would like to tell you all about our last visit to the blue room. " * 60
"""A long mail of about 4,000 characters: three of them are no short history any more."""


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
