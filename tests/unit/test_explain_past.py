"""What became of a field: both sides of a disagreement, who was a person, and where the account ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.explain.past import MAX_ROWS, Asked, Event, past
from sidecar.model import Author, AuthorKind
from tests.support.houses import House, buys, op, says

STAGE = Asked("stage", "", frozenset({("deal", "stage"), ("deal", "ai_stage")}))
ROBOT = Author(AuthorKind.AUTOMATION, "flow-1", "Nightly flow")
RITA = Author(AuthorKind.PERSON, "7", "Rita")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house in which Ann became qualified, and a deal of hers was made."""
    with House(tmp_path, "sqlite:///journal.db", buys(), says("ready", op("stage", "qualified", "ready"))) as opened:
        opened.start()
        opened.hear("We are ready now")
        yield opened


def told(house: House, asked: Asked = STAGE) -> list[Event]:
    """What happened to a field of Ann's, oldest first."""
    events, is_all = past(house.journal, house.standing(), asked)
    assert is_all
    return list(events)[::-1]


def edited(house: House, author: Author, **fields: str) -> None:
    """Somebody changes Ann's deal in the CRM, and a poll sees it."""
    (deal,) = house.records("deal")
    house.app.ledger.edit("deal", deal.ref, fields, author)  # type: ignore[attr-defined]  # the local ledger
    house.hear("Hello")


def test_what_was_believed_comes_before_what_was_written(house: House) -> None:
    """The account reads from words to CRM, with values and places; seen to fail without the decisions."""
    events = told(house)
    assert [(e.what, e.value) for e in events if not e.by_person][-3:] == [
        ("believed", "qualified"), ("written to the CRM", "qualified"), ("written to the CRM", "qualified"),
    ]  # fmt: skip
    assert {e.place.partition(", ")[2] for e in events if e.place} == {"stage", "ai_stage"}
    assert [e.at for e in events] == sorted(e.at for e in events)


def test_a_person_who_puts_us_right_is_named_once(house: House) -> None:
    """A correction is told with our value and theirs, and not a second time as a value found."""
    edited(house, RITA, stage="booked")
    (event,) = [e for e in told(house) if e.by_person]
    assert (event.what, event.who, event.value, event.why) == (
        "put right in the CRM", "Rita", "booked", "ours was qualified",
    )  # fmt: skip


def test_an_automation_is_never_taken_for_a_person(house: House) -> None:
    """A workflow's edit is told as one; seen to fail with every hold by a person."""
    edited(house, ROBOT, stage="booked")
    found = [e for e in told(house) if e.who == "Nightly flow"]
    assert [(e.what, e.value, e.by_person) for e in found] == [("found in the CRM", "booked", False)]


def test_what_people_ordered_stands_in_the_account(house: House) -> None:
    """A pin and its release are told with who and when; orders on other fields aren't."""
    party = house.standing().party
    for pinned in (True, False):
        house.clock.move(60)
        house.app.pipeline.people.pin(party, "deal", "ai_stage", "rita", pinned=pinned)
    house.app.pipeline.people.pin(party, "deal", "ai_intent", "rita", pinned=True)
    assert [(e.what, e.who) for e in told(house) if e.by_person] == [("pin", "rita"), ("release", "rita")]


def test_what_is_believed_still_is_told_once(house: House) -> None:
    """A conversation that says again what is believed adds nothing; seen to fail with each decision told."""
    for _ in range(3):
        house.hear("As I said, we are ready")
    assert [e.value for e in told(house) if e.what == "believed"].count("qualified") == 1


def test_the_past_of_a_party_that_was_merged_away_is_kept(house: House) -> None:
    """What became of a field before a merge is part of its account."""
    house.hear("We are ready", "bob")
    bob = house.standing("bob").party
    before = [e for e in past(house.journal, house.standing("bob"), STAGE)[0] if e.place]
    house.app.pipeline.people.merge(house.standing("ann").party, bob, "rita")
    house.work()
    assert before and set(before) <= set(told(house))


def test_a_long_account_says_that_it_is_cut(house: House) -> None:
    """Only the newest of very many events are shown, and the reader is told; seen to fail cut in silence."""
    stages = ("qualified", "booked") * MAX_ROWS
    house.script(*(says(f"number {n};", op("stage", stage, f"number {n};")) for n, stage in enumerate(stages)))
    for number in range(MAX_ROWS // 2):
        house.hear(f"number {number};")
    events, is_all = past(house.journal, house.standing(), STAGE)
    assert (len(events), is_all) == (MAX_ROWS, False)
    assert events[0].at == max(e.at for e in events)
