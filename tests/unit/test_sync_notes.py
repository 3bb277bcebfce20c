"""Notes: one new one a customer and day by our own calendar, and every settled conversation gets its own in the end."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.facts import SetClock
from tests.support.houses import House, op, says

LATE = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)
"""Half past eleven at night in Berlin, half past ten in UTC."""
RULES = [
    says("bikes", op("stage", "qualified", "We want three bikes")),
    says("helmets", op("budget", "900 euros", "900 euros")),
    says("locks", op("urgency", "high", "locks at once")),
]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house in Berlin, late in the evening; it waits for quiet as `serve` does."""
    clock = SetClock(LATE)
    with House(tmp_path, "sqlite:///journal.db", *RULES, timezone="Europe/Berlin", clock=clock) as opened:
        opened.app.wait = True
        yield opened.start()


def later(house: House, seconds: float) -> int:
    """Do what is due, let time pass, do what is due by then, and return how many notes there are."""
    house.app.worker.run_until_idle(wait=True, timeout_s=60.0)
    house.clock.move(seconds)
    house.app.worker.run_until_idle(wait=True, timeout_s=60.0)
    return len(house.records("note"))


def three_conversations(house: House) -> None:
    """A customer begins three conversations at once."""
    house.say("We want three bikes", thread="t-1")
    house.say("For helmets we have 900 euros", thread="t-2")
    house.say("And locks at once", thread="t-3")


def test_a_customer_gets_one_new_note_a_day(house: House) -> None:
    """Three conversations that settle together are noted on three days; seen to fail as three notes at one look."""
    three_conversations(house)
    assert later(house, 120) == 1
    assert later(house, 1200) == 1, "it still is the same day in Berlin"
    assert later(house, 600) == 2, "the day ends at our midnight, and not at that of UTC"
    assert later(house, 12 * 3600) == 2
    assert later(house, 12 * 3600) == 3
    threads = {record.fields["body"] for record in house.records("note")}
    assert len(threads) == 3
    assert not house.journal.work("waiting"), "nothing is left to be made tomorrow"


def test_an_older_note_that_is_rewritten_takes_no_place(house: House) -> None:
    """The bound is on new notes, and an old one follows its conversation; seen to fail by the day of the last write."""
    house.say("We want three bikes", thread="t-1")
    assert later(house, 120) == 1
    later(house, 3600)
    house.script(says("50 euros", op("stage", "qualified", "50 euros")), RULES[1])
    house.say("It is 50 euros for each", thread="t-1")
    later(house, 120)
    (note,) = house.records("note")
    assert "50 euros" in str(note.fields["body"])
    house.say("For helmets we have 900 euros", thread="t-2")
    assert later(house, 120) == 2


def test_a_note_of_yesterday_takes_no_place_today(house: House) -> None:
    """What was said before midnight and settles after it counts for the new day; seen to fail by the day of its words.

    The bound once compared the day of the last write with that of the conversation, so that it never held at night.
    """
    house.say("We want three bikes", thread="t-1")
    assert later(house, 120) == 1
    house.clock.at = LATE + timedelta(minutes=29)
    house.say("For helmets we have 900 euros", thread="t-2")
    assert later(house, 62) == 2, "the note is made on the next day, whose first one it is"
    house.say("And locks at once", thread="t-3")
    assert later(house, 120) == 2


def test_the_time_of_a_note_is_whole_seconds(house: House) -> None:
    """A CRM whose notes have no time of their own shows it to people; seen to fail with microseconds in it."""
    house.clock.at = LATE.replace(microsecond=123456)
    house.say("We want three bikes", thread="t-1")
    assert later(house, 120) == 1
    (note,) = house.records("note")
    assert note.fields["at"] == LATE.isoformat()
