"""Permits: a record that waits for a person's leave is asked for, and leave for one deal is no leave for the next."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.cli.inbox import relationships
from tests.support.houses import House, op, says

RULES = [
    says("I am ready", op("stage", "qualified", "I am ready")),
    says("No thanks", op("stage", "closed_lost", "No thanks")),
    says("another one", op("stage", "qualified", "another one")),
]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house that makes no deal unasked."""
    with House(tmp_path, "sqlite:///journal.db", *RULES, env={"SIDECAR_CRM__CREATE__DEAL": "suggest"}) as opened:
        yield opened.start()


def asks_for_a_deal(house: House) -> bool:
    """Whether the inbox asks for leave to make a deal."""
    (found,), _ = relationships(house.app, 10, everything=True)
    return any("approve PARTY deal" in reason for reason in found.review)


def test_a_deal_that_waits_for_leave_is_asked_for(house: House) -> None:
    """What nobody is asked nobody answers; seen to fail with contacts alone in the inbox."""
    house.hear("Hello")
    assert not asks_for_a_deal(house), "nothing has begun yet"
    house.hear("I am ready")
    assert asks_for_a_deal(house) and not house.records("deal")
    house.app.pipeline.people.review(house.standing().party, "deal", "rep", approve=True)
    assert not asks_for_a_deal(house)
    house.work()
    assert len(house.records("deal")) == 1 and not asks_for_a_deal(house)


def test_leave_for_a_deal_ends_with_its_engagement(house: House) -> None:
    """After an end a new deal is a suggestion again; seen to fail with leave given to the party for good."""
    house.hear("I am ready")
    house.app.pipeline.people.review(house.standing().party, "deal", "rep", approve=True)
    house.work()
    house.hear("No thanks")
    assert not asks_for_a_deal(house)
    house.hear("I want another one")
    assert house.standing().engagement.number == 2
    assert asks_for_a_deal(house) and len(house.records("deal")) == 1
