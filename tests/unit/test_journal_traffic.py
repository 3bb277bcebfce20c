"""What channels brought is counted in the transaction of the facts, by when it was said, and follows from them."""

from dataclasses import replace
from datetime import timedelta

from sidecar.journal import Entry, Finish, Journal, Touch
from sidecar.journal import tables as t
from sidecar.journal.traffic import NEVER_S, Volume, at_most_s
from sidecar.model import Activity, WorkKey, WorkKind
from tests.support.books import engine_of, erase, rows_of, run_sql
from tests.support.facts import NOON, SetClock, a_delivery, an_activity

DAY = timedelta(days=1)
TABLES = (t.traffic, t.lag)
BACK = (
    "DROP TABLE traffic",
    "DROP TABLE lag",
    "DROP TABLE unread",
    "DROP TABLE heard",
    "UPDATE alembic_version SET version_num = '0002'",
)
"""What makes a book of the revision before out of one of this."""


def said(journal: Journal, key: str, ago: timedelta, channel: str = "mail") -> Activity:
    """Let a message come now that was said so long ago."""
    delivery = a_delivery(journal, key, key.encode(), channel)
    activity = journal.mint(replace(an_activity(journal, delivery), at=journal.now() - ago, id=""))
    journal.commit(Entry(facts=(delivery, activity)))
    return activity


def test_activities_count_when_they_were_said_and_deliveries_when_they_came(journal_url: str) -> None:
    """What is read today of last week is last week's; seen to fail with both counted by the time of writing."""
    clock = SetClock()
    with Journal.open(journal_url, clock=clock) as journal:
        said(journal, "1", timedelta())
        said(journal, "2", 7 * DAY)
        said(journal, "3", 7 * DAY, channel="chat")
        said(journal, "4", -DAY)
        today, then = (NOON, NOON + DAY), (NOON - 7 * DAY, NOON - 6 * DAY)
        assert journal.volume("mail", *today) == Volume(deliveries=3, activities=2)
        assert journal.volume("mail", *then) == Volume(activities=1)
        assert journal.volume("chat", *then) == Volume(activities=1)
        assert journal.said_between("mail") == (NOON - 7 * DAY, NOON)
        assert journal.said_between("nobody") is None


def test_lateness_is_counted_in_classes_and_history_is_never_late(journal_url: str) -> None:
    """A lag is what a message took to the book, to a class; what predates us counts nowhere. Seed: no installation."""
    clock = SetClock()
    with Journal.open(journal_url, clock=clock) as journal:
        clock.move(86_400)
        for key, ago_s in (("1", 0.5), ("2", 4), ("3", 5), ("4", 61), ("5", 90_000), ("6", -30)):
            said(journal, key, timedelta(seconds=ago_s))
        assert journal.lags("mail", NOON) == {1: 2, 5: 2, 120: 1}
        assert journal.lags("mail", NOON + 2 * DAY) == {}
    assert at_most_s(604_800_000_001) == NEVER_S


def test_what_brings_nothing_is_counted_by_its_channel(journal_url: str) -> None:
    """Deliveries that were read into nothing are seen, each of them; seen to fail with one for each channel."""
    with Journal.open(journal_url, clock=SetClock()) as journal:
        journal.commit(Entry(unread=("mail",)))
        journal.commit(Entry(unread=("mail", "chat", "mail")))
        assert (journal.unread("mail", NOON), journal.unread("chat", NOON), journal.unread("web", NOON)) == (3, 1, 0)
        assert journal.unread("mail", NOON + DAY) == 0


def test_parked_deliveries_are_counted_by_their_channel(journal_url: str) -> None:
    """Of what came since a time, what waits for a person is known by channel; seen to fail without the time."""
    with Journal.open(journal_url, clock=SetClock()) as journal:
        for key, channel in (("1", "mail"), ("2", "mail"), ("3", "chat")):
            delivery = a_delivery(journal, key, key.encode(), channel)
            journal.commit(Entry(facts=(delivery,), parks=[(WorkKey(WorkKind.PARSE, delivery.id), "poison")]))
        journal.commit(Entry(parks=[(WorkKey(WorkKind.PARTY, "party-1"), "poison")]))
        assert journal.unreadable(NOON) == {"mail": 2, "chat": 1}
        assert journal.unreadable(NOON + DAY) == {}


def test_it_follows_from_the_facts(journal_url: str) -> None:
    """It can be thrown away and counted again; what brought nothing stays as it was counted."""
    clock = SetClock()
    with Journal.open(journal_url, clock=clock) as journal:
        clock.move(3_600)
        for number, ago in enumerate((timedelta(), DAY, timedelta(minutes=40))):
            said(journal, str(number), ago)
        journal.commit(Entry(unread=("mail",)))
        kept = rows_of(journal_url, (*TABLES, t.unread))
        journal.rebuild()
    assert rows_of(journal_url, (*TABLES, t.unread)) == kept
    assert all(kept.values())


def test_a_book_of_the_revision_before_is_counted(journal_url: str) -> None:
    """An upgrade counts what the book holds, and nothing in the book changes. Seed: its first page alone."""
    clock = SetClock()
    with Journal.open(journal_url, clock=clock) as journal:
        clock.move(3_600)
        for number, ago in enumerate((timedelta(), DAY, timedelta(minutes=40), timedelta(minutes=40), -DAY)):
            said(journal, str(number), ago)
        many = [a_delivery(journal, f"many-{n}", str(n).encode(), "chat") for n in range(1_100)]
        journal.commit(Entry(facts=many))
    book, counted = rows_of(journal_url, t.BOOK), rows_of(journal_url, TABLES)
    for statement in BACK:
        run_sql(journal_url, statement)
    engine_of(journal_url).dispose()
    Journal.open(journal_url, clock=clock, backed_up=True).close()
    assert rows_of(journal_url, TABLES) == counted
    assert rows_of(journal_url, t.BOOK) == book


def test_ids_are_known_after_an_erasure(journal_url: str) -> None:
    """What was erased isn't missing, so nobody fetches it again; seen to fail with payloads looked for."""
    with Journal.open(journal_url, clock=SetClock()) as journal:
        activity = said(journal, "1", timedelta())
        erase(journal_url, activity.id)
        assert journal.known_ids([activity.id, "activity-nobody"]) == {activity.id}


def test_all_that_was_said_on_a_channel_can_be_walked(journal_url: str) -> None:
    """Page by page comes everything since a time, and nothing of another channel; seen to fail without the date."""
    with Journal.open(journal_url, clock=SetClock()) as journal:
        ids = {said(journal, str(n), timedelta(hours=n)).id for n in range(5)}
        said(journal, "old", 3 * DAY)
        said(journal, "other", timedelta(), channel="chat")
        found, after = list[str](), ("", "")
        while page := journal.said_on("mail", NOON - DAY, after, 2):
            found += [row[1] for row in page]
            after = page[-1][0], page[-1][1]
        assert sorted(found) == sorted(ids)


def test_a_cursor_says_when_it_was_set(journal_url: str) -> None:
    """The age of a place is known, also of one that nobody has set."""
    from sidecar.journal import CursorSet

    clock = SetClock()
    with Journal.open(journal_url, clock=clock) as journal:
        assert journal.moved_at("mail", "poll") is None
        key = WorkKey(WorkKind.POLL, "mail")
        journal.commit(Entry(cursors=(CursorSet("mail", "poll", {"at": 1}),), touches=(Touch(key),)))
        clock.move(60)
        (lease,) = journal.claim([key], 60)
        journal.commit(Entry(finish=Finish(lease, "done")))
        assert journal.moved_at("mail", "poll") == NOON
