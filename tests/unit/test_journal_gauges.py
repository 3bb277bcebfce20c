"""How things go, as the book tells: what is open, since when, and how often something happened lately."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from sidecar.journal import Entry, Finish, Journal, Touch
from sidecar.model import WorkKey, WorkKind
from tests.support.facts import NOON, SetClock, say

ANN = WorkKey(WorkKind.PARTY, "ann")
BOB = WorkKey(WorkKind.SYNC, "bob")
MAIL = WorkKey(WorkKind.POLL, "mail")


@pytest.fixture
def clock() -> SetClock:
    """A clock that the test moves."""
    return SetClock()


@pytest.fixture
def journal(journal_url: str, clock: SetClock) -> Iterator[Journal]:
    """An open book under that clock."""
    with Journal.open(journal_url, clock=clock) as journal:
        yield journal


def touch(journal: Journal, *keys: WorkKey, quiet_s: float = 0.0) -> None:
    """Touch keys, in one entry."""
    journal.commit(Entry(touches=[Touch(key, quiet_s) for key in keys]))


def test_open_work_is_counted_by_kind_and_state(journal: Journal) -> None:
    """Each open row is counted once, as what it is, and what is done is not; seen to fail with leases overlooked."""
    touch(journal, ANN, BOB, MAIL, WorkKey(WorkKind.PARTY, "eve"))
    touch(journal, WorkKey(WorkKind.WATCH, "later"), quiet_s=60)
    journal.commit(Entry(parks=[(WorkKey(WorkKind.PARSE, "bad"), "poison")]))
    [done, _] = journal.claim([WorkKey(WorkKind.PARTY, "eve"), BOB], 60)
    journal.commit(Entry(finish=Finish(done, "done")))
    assert journal.open_work() == {
        (WorkKind.PARTY, "due"): 1,
        (WorkKind.POLL, "due"): 1,
        (WorkKind.WATCH, "waiting"): 1,
        (WorkKind.SYNC, "running"): 1,
        (WorkKind.PARSE, "parked"): 1,
    }


def test_the_oldest_due_work_is_what_nobody_does(journal: Journal, clock: SetClock) -> None:
    """What runs, waits or is held by a brake makes nobody wait; seen to fail with each of these left out."""
    assert journal.due_since() is None
    touch(journal, BOB)
    clock.move(10)
    touch(journal, MAIL)
    clock.move(10)
    touch(journal, ANN)
    assert journal.due_since() == NOON
    assert journal.due_since([WorkKind.SYNC]) == NOON + timedelta(seconds=10)
    assert journal.due_since([WorkKind.SYNC], [MAIL]) == NOON + timedelta(seconds=20)
    journal.claim([ANN], 60)
    assert journal.due_since([WorkKind.SYNC], [MAIL]) is None
    touch(journal, WorkKey(WorkKind.PARTY, "later"), quiet_s=60)
    assert journal.due_since([WorkKind.SYNC], [MAIL]) is None


def test_work_whose_worker_hangs_is_counted(journal: Journal, clock: SetClock) -> None:
    """A lease that ran out and was taken over by nobody shows; seen to fail with the time not compared."""
    touch(journal, ANN, BOB)
    journal.claim([ANN, BOB], 60)
    clock.move(90)
    assert journal.abandoned(60.0) == 0
    clock.move(31)
    assert journal.abandoned(60.0) == 2
    assert journal.abandoned(60.0, [WorkKind.SYNC]) == 1


def test_what_happened_lately_is_counted_from_the_newest_on(journal: Journal, clock: SetClock) -> None:
    """The n-th newest tells whether there were n since a time, and a count stops at its bound."""
    for number in range(5):
        say(journal, str(number), "p", who="ann")
        clock.move(60)
    assert journal.nth_newest("match", 1) == NOON + timedelta(minutes=4)
    assert journal.nth_newest("match", 5) == NOON
    assert journal.nth_newest("match", 6) is None
    assert journal.recorded_since("match", NOON + timedelta(minutes=2), 100) == 3
    assert journal.recorded_since("match", NOON, 4) == 4


def test_those_whose_standing_changed_are_found_page_by_page(journal: Journal, clock: SetClock) -> None:
    """Whoever changed since a time is found once; seen to fail without the place to go on from."""
    for party in ("a", "b", "c"):
        say(journal, party, party, who=party)
        clock.move(60)
    since = NOON + timedelta(seconds=30)
    assert journal.updated_since(since, "", 1) == ["b"]
    assert journal.updated_since(since, "b", 10) == ["c"]
    assert journal.updated_since(NOON, "", 10) == ["a", "b", "c"]


def test_a_setting_is_changed_by_one_of_two(journal: Journal) -> None:
    """Who knows an old value changes nothing; seen to fail with the value not compared."""
    assert journal.swap_meta("ops", None, "one")
    assert not journal.swap_meta("ops", None, "two")
    assert journal.swap_meta("ops", "one", "three")
    assert journal.meta("ops") == "three"


def test_the_book_knows_its_size_and_what_each_channel_brought(journal: Journal) -> None:
    """Deliveries are counted by channel, and the book takes some room."""
    for number in range(3):
        say(journal, str(number), "p", who="ann")
    assert sum(journal.deliveries().values()) == 3
    assert set(journal.deliveries()) == set(journal.last_seen())
    assert journal.size_bytes() > 10_000
