"""Work rows: nothing that was touched is forgotten, nothing runs twice at a time, and nobody's turn is skipped."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from sidecar.errors import LeaseLost
from sidecar.journal import Entry, Finish, Journal, Touch
from sidecar.model import WorkKey, WorkKind
from sidecar.model.work import Dismissal
from tests.support.facts import NOON, SetClock, a_delivery

ANN = WorkKey(WorkKind.PARTY, "ann")
BOB = WorkKey(WorkKind.PARTY, "bob")


@pytest.fixture
def clock() -> SetClock:
    """A clock that the test moves."""
    return SetClock()


@pytest.fixture
def journal(journal_url: str, clock: SetClock) -> Iterator[Journal]:
    """An open book under that clock."""
    with Journal.open(journal_url, clock=clock) as journal:
        yield journal


def touch(journal: Journal, *keys: WorkKey, quiet_s: float = 0.0, max_wait_s: float | None = None) -> None:
    """Touch keys, in one entry."""
    journal.commit(Entry(touches=[Touch(key, quiet_s, max_wait_s) for key in keys]))


def test_touched_work_is_due_claimed_and_done(journal: Journal) -> None:
    """A touch makes work due; one claim takes it, and its finish leaves nothing due."""
    touch(journal, ANN)
    assert journal.due(10) == [ANN]
    [lease] = journal.claim([ANN, BOB], 60)
    assert (lease.work, lease.touched, lease.fence, lease.attempts, lease.owner) == (ANN, 1, 1, 1, journal.owner)
    assert journal.due(10) == []
    assert journal.claim([ANN], 60) == []
    assert [row.state for row in journal.work()] == ["running"]
    journal.commit(Entry(finish=Finish(lease, "done")))
    assert journal.due(10) == []
    assert [(row.state, row.touched, row.done, row.attempts) for row in journal.work("done")] == [("done", 1, 1, 0)]


def test_a_burst_is_one_run(journal: Journal) -> None:
    """However many touches come before a claim, one run does them all."""
    for _ in range(5):
        touch(journal, ANN)
    [lease] = journal.claim(journal.due(10), 60)
    journal.commit(Entry(finish=Finish(lease, "done")))
    assert (lease.touched, journal.due(10)) == (5, [])


def test_a_touch_during_a_run_causes_another(journal: Journal, clock: SetClock) -> None:
    """News that come while work runs are not lost: the row is due again, after its own quiet period."""
    touch(journal, ANN)
    [lease] = journal.claim([ANN], 60)
    clock.move(10)
    touch(journal, ANN, quiet_s=30)
    journal.commit(Entry(finish=Finish(lease, "done")))
    assert journal.due(10) == []
    assert journal.next_due() == NOON + timedelta(seconds=40)
    clock.move(30)
    assert journal.due(10) == [ANN]


def test_quiet_is_waited_for_but_not_for_ever(journal: Journal, clock: SetClock) -> None:
    """Each message restarts the quiet period, until the longest wait since the first one has passed."""
    for _ in range(4):
        touch(journal, ANN, quiet_s=60, max_wait_s=150)
        clock.move(50)
    assert journal.due(10) == [ANN]
    assert [row.due_at for row in journal.work("due")] == [NOON + timedelta(seconds=150)]


def test_a_booking_is_due_at_once(journal: Journal, clock: SetClock) -> None:
    """A touch without quiet overrides the quiet that was being waited for, and later news don't push it back."""
    touch(journal, ANN, quiet_s=60)
    assert journal.due(10) == []
    touch(journal, ANN)
    clock.move(1)
    touch(journal, ANN, quiet_s=60)
    assert journal.due(10) == [ANN]


def test_a_quiet_period_longer_than_the_longest_wait_is_cut(journal: Journal, clock: SetClock) -> None:
    """The longest wait bounds the first touch as well."""
    touch(journal, ANN, quiet_s=60, max_wait_s=20)
    clock.move(20)
    assert journal.due(10) == [ANN]


def test_no_touch_overrides_a_backoff(journal: Journal, clock: SetClock) -> None:
    """After a failure nothing runs before its time, even when news arrive; attempts keep counting."""
    touch(journal, ANN)
    [lease] = journal.claim([ANN], 60)
    journal.commit(Entry(finish=Finish(lease, "retry", not_before_s=120)))
    touch(journal, ANN)
    assert journal.due(10) == []
    assert journal.claim([ANN], 60, within_s=1000) == []
    assert journal.next_due() == NOON + timedelta(seconds=120)
    clock.move(120)
    [again] = journal.claim(journal.due(10), 60)
    assert (again.attempts, again.fence, again.touched) == (2, 2, 2)


def test_news_and_a_start_end_a_wait_in_which_nothing_failed(journal: Journal, clock: SetClock) -> None:
    """What a budget holds back is looked at again with each news, and where the config may be another.

    Seen to fail with a wait kept like a backoff.
    """
    touch(journal, ANN, BOB)
    for lease in journal.claim([ANN, BOB], 60):
        journal.commit(Entry(finish=Finish(lease, "wait", not_before_s=9_000, reason="the day's money")))
    assert journal.due(10) == []
    assert [row.waits_for for row in journal.work("waiting")] == ["the day's money"] * 2
    touch(journal, ANN, quiet_s=20)
    assert (journal.due(10), journal.next_due()) == ([], NOON + timedelta(seconds=20))
    clock.move(20)
    [again] = journal.claim(journal.due(10), 60)
    assert (again.work, again.attempts) == (ANN, 1)
    touch(journal, ANN)
    journal.commit(Entry(finish=Finish(again, "wait", not_before_s=9_000, reason="the day's money")))
    assert journal.due(10) == [ANN]
    assert journal.end_waits() == 1
    assert set(journal.due(10)) == {ANN, BOB}
    assert not [row.waits_for for row in journal.work("due") if row.waits_for and row.work == BOB]


def test_a_start_ends_no_backoff(journal: Journal) -> None:
    """Whoever starts often asks a vendor no more often."""
    touch(journal, ANN)
    [lease] = journal.claim([ANN], 60)
    journal.commit(Entry(finish=Finish(lease, "retry", not_before_s=120, reason="too many requests")))
    assert journal.end_waits() == 0
    assert journal.due(10) == []


def test_work_that_is_done_again_comes_back_by_itself(journal: Journal, clock: SetClock) -> None:
    """A run may ask for another one later, and earlier news still win."""
    touch(journal, ANN, BOB)
    ann, bob = journal.claim([ANN, BOB], 60)
    touch(journal, BOB)
    for lease in (ann, bob):
        journal.commit(Entry(finish=Finish(lease, "again", again_s=90)))
    assert journal.due(10) == [BOB]
    clock.move(90)
    assert set(journal.due(10)) == {ANN, BOB}
    assert [lease.attempts for lease in journal.claim([ANN], 60)] == [1]


def test_parked_work_waits_for_a_person_and_blocks_nobody(journal: Journal) -> None:
    """What can't be done is named and listed; the next key goes on; a person's retry makes it due at once."""
    touch(journal, ANN, BOB)
    ann, _ = journal.claim([ANN, BOB], 60)
    journal.commit(Entry(finish=Finish(ann, "park", reason="the file is broken")))
    assert [(row.work, row.parked_reason) for row in journal.work("parked")] == [(ANN, "the file is broken")]
    assert journal.due(10) == []
    assert journal.retry(ANN)
    assert not journal.retry(BOB)
    assert [lease.attempts for lease in journal.claim(journal.due(10), 60)] == [1]


def test_dismissed_work_is_nobodys_and_a_person_can_take_that_back(journal: Journal, clock: SetClock) -> None:
    """By whom, when and why stands in the book with what had parked it; neither a claim nor a count sees it."""
    journal.commit(Entry(parks=((ANN, "poison"),)))
    assert not journal.dismiss(BOB, "kim", "not ours")
    assert journal.dismiss(ANN, "kim", "a test\0 of ours")
    assert not journal.dismiss(ANN, "lee", "again")
    clock.move(3_600)
    assert (journal.due(10), journal.open_work(), journal.next_due()) == ([], {}, None)
    (row,) = journal.work("dismissed")
    assert row.dismissal == Dismissal("kim", NOON, "a test of ours", "poison")
    assert (row.parked_reason, row.waits_for) == (None, None)
    assert journal.end_waits() == 0
    assert journal.retry(ANN) and not journal.retry(ANN)
    assert [lease.attempts for lease in journal.claim(journal.due(10), 60)] == [1]
    assert [row.dismissal for row in journal.work()] == [None]


@pytest.mark.parametrize("news", [Entry(touches=(Touch(ANN),)), Entry(parks=((ANN, "worse"),))], ids=["touch", "park"])
def test_news_about_dismissed_work_are_heard(journal: Journal, news: Entry) -> None:
    """A dismissal is about what was known: what comes later is done, or waits for a person again."""
    journal.commit(Entry(parks=((ANN, "poison"),)))
    assert journal.dismiss(ANN, "kim", "not ours")
    journal.commit(news)
    (row,) = journal.work()
    assert (row.state, row.dismissal) == ("parked" if news.parks else "due", None)


def test_whoever_runs_what_is_dismissed_meanwhile_has_lost_it(journal: Journal) -> None:
    """Work that is parked by another while it runs, and dismissed, isn't finished over the person's word."""
    touch(journal, ANN)
    (lease,) = journal.claim([ANN], 60)
    journal.commit(Entry(parks=((ANN, "poison"),)))
    assert journal.dismiss(ANN, "kim", "not ours")
    with pytest.raises(LeaseLost):
        journal.commit(Entry(finish=Finish(lease, "retry")))
    assert [row.state for row in journal.work()] == ["dismissed"]


def test_only_what_was_done_before_and_rests_is_trimmed(journal: Journal, clock: SetClock) -> None:
    """Neither what waits, runs or is a person's, nor what was done since; a touch makes a trimmed row anew."""
    keys = {name: WorkKey(WorkKind.MEDIA, name) for name in ("old", "runs", "parked", "dropped", "young", "waits")}
    touch(journal, keys["old"], keys["young"], keys["runs"])
    touch(journal, keys["waits"], quiet_s=1e6)
    journal.commit(Entry(parks=((keys["parked"], "poison"), (keys["dropped"], "poison"))))
    journal.dismiss(keys["dropped"], "kim", "not ours")
    (old,) = journal.claim([keys["old"]], 60)
    journal.commit(Entry(finish=Finish(old, "done")))
    journal.claim([keys["runs"]], 60)
    clock.move(600)
    (young,) = journal.claim([keys["young"]], 60)
    journal.commit(Entry(finish=Finish(young, "done")))
    assert journal.trim_work(clock(), 10) == 1
    assert {row.work for row in journal.work()} == set(keys.values()) - {keys["old"]}
    touch(journal, keys["old"])
    assert [lease.work for lease in journal.claim([keys["old"]], 60)] == [keys["old"]]
    clock.move(1)
    assert journal.trim_work(clock(), 0) == 0
    assert journal.trim_work(clock(), 10) == 1


def test_a_touch_unparks(journal: Journal) -> None:
    """News about parked work may be what it was waiting for, so it is tried afresh."""
    journal.commit(Entry(parks=((ANN, "poison"),)))
    assert [row.state for row in journal.work()] == ["parked"]
    touch(journal, ANN)
    [lease] = journal.claim([ANN], 60)
    assert lease.attempts == 1
    touch(journal, ANN)
    journal.commit(Entry(finish=Finish(lease, "park", reason="poison")))
    assert journal.due(10) == [ANN], "a touch during the run would have un-parked it a moment later"


def test_a_touch_for_news_only_is_skipped_for_what_is_known(journal: Journal) -> None:
    """A delivery that is sent twice is parsed once, and doesn't un-park what was parked."""
    delivery = a_delivery(journal, "1")
    entry = Entry(facts=(delivery,), touches=(Touch(ANN, if_new=True),))
    journal.commit(entry)
    journal.commit(entry)
    journal.commit(Entry(facts=(delivery,), touches=(Touch(BOB, if_new=True),)))
    assert [(row.work, row.touched) for row in journal.work()] == [(ANN, 1)]


def test_a_lease_that_ran_out_is_taken_over_and_fenced(journal: Journal, clock: SetClock) -> None:
    """Who hangs loses the work; what they still write is refused whole, and only they hear of it."""
    touch(journal, ANN)
    [old] = journal.claim([ANN], 60)
    clock.move(61)
    assert not journal.holds(old)
    assert journal.due(10) == [ANN]
    [new] = journal.claim([ANN], 60)
    delivery = a_delivery(journal, "late")
    with pytest.raises(LeaseLost):
        journal.commit(Entry(facts=(delivery,), finish=Finish(old, "done")))
    with pytest.raises(LeaseLost):
        journal.renew(old)
    assert journal.get(delivery.id) is None
    assert journal.holds(new)
    journal.commit(Entry(finish=Finish(new, "done")))
    with pytest.raises(LeaseLost):
        journal.commit(Entry(finish=Finish(new, "done")))


def test_a_renewed_lease_lasts_as_long_again(journal: Journal, clock: SetClock) -> None:
    """Whoever works on keeps the work, also when a renewal comes late and nobody took over."""
    touch(journal, ANN)
    [lease] = journal.claim([ANN], 60)
    clock.move(50)
    journal.renew(lease)
    clock.move(50)
    assert journal.holds(lease)
    clock.move(50)
    journal.renew(lease)
    assert journal.holds(lease)


def test_due_work_comes_in_the_order_in_which_it_became_ready(journal: Journal, clock: SetClock) -> None:
    """Nobody's turn is skipped: what has been ready longest is first, and a limit cuts the rest."""
    touch(journal, BOB)
    clock.move(1)
    touch(journal, ANN)
    clock.move(1)
    touch(journal, BOB)
    assert journal.due(10) == [BOB, ANN]
    assert journal.due(1) == [BOB]
    assert journal.due(10, kinds=[WorkKind.SYNC]) == []
    assert journal.due(10, kinds=[WorkKind.SYNC, WorkKind.PARTY]) == [BOB, ANN]


def test_whoever_can_not_wait_takes_quiet_work_early(journal: Journal) -> None:
    """A run that isn't to wait ignores quiet periods."""
    touch(journal, ANN, quiet_s=60)
    assert journal.due(10, within_s=59) == []
    assert journal.due(10, within_s=60) == [ANN]
    assert journal.claim([ANN], 60) == []
    assert [lease.work for lease in journal.claim([ANN], 60, within_s=60)] == [ANN]


def test_counts_say_how_much_waits(journal: Journal) -> None:
    """Operations see each kind's rows by state, and the sum is every row."""
    touch(journal, ANN, BOB, WorkKey(WorkKind.SYNC, "ann"))
    touch(journal, WorkKey(WorkKind.SYNC, "bob"), quiet_s=60)
    journal.claim([ANN], 60)
    assert journal.work_counts() == {
        (WorkKind.PARTY, "running"): 1,
        (WorkKind.PARTY, "due"): 1,
        (WorkKind.SYNC, "due"): 1,
        (WorkKind.SYNC, "waiting"): 1,
    }
    assert [row.work for row in journal.work("running", "waiting")] == [ANN, WorkKey(WorkKind.SYNC, "bob")]


def test_a_clock_that_was_set_back_stalls_nothing(journal_url: str) -> None:
    """Work that was touched "in the future" is due when the book is opened; seen to fail without healing."""
    clock = SetClock()
    clock.move(10_000)
    with Journal.open(journal_url, clock=clock) as journal:
        touch(journal, ANN, quiet_s=5)
    clock.move(-10_000)
    with Journal.open(journal_url, clock=clock) as journal:
        assert journal.due(10) == [ANN]


def test_nothing_waits_in_an_empty_book(journal: Journal) -> None:
    """An engine may sleep when there is no next time."""
    assert journal.next_due() is None
    assert journal.due(10) == []
    assert journal.work_counts() == {}


def test_an_intent_is_written_only_under_a_live_lease(journal: Journal, clock: SetClock) -> None:
    """A worker whose work was taken over writes no intent; seen to fail without the guard in `page.write`."""
    touch(journal, ANN)
    [old] = journal.claim([ANN], 60)
    journal.commit(Entry(facts=[a_delivery(journal, "ours")], fence=old))
    clock.move(61)
    [new] = journal.claim([ANN], 60)
    with pytest.raises(LeaseLost):
        journal.commit(Entry(facts=[a_delivery(journal, "late")], fence=old))
    journal.commit(Entry(facts=[a_delivery(journal, "theirs")], fence=new))
    assert len(list(journal.facts())) == 2


def test_claims_that_never_finished_are_counted_as_crashes(journal: Journal, clock: SetClock) -> None:
    """An input that kills its process is known by its crashes, and one that only waits has none."""
    touch(journal, ANN)
    for crashes in (0, 1, 2):
        [lease] = journal.claim([ANN], 60)
        assert lease.crashes == crashes
        clock.move(61)
    [lease] = journal.claim([ANN], 60)
    journal.commit(Entry(finish=Finish(lease, "retry")))
    [lease] = journal.claim([ANN], 60)
    assert (lease.crashes, lease.attempts) == (0, 5)
