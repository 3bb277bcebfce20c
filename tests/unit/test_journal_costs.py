"""What the book knows of costs: added up as they are written, found by index, carried over from before."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from sidecar.errors import ConfigError
from sidecar.journal import Entry, Journal
from sidecar.journal import tables as t
from sidecar.journal.costs import DIMENSIONS, MODEL, PARTY, PROMPT, SENDER, TOTAL, Spent
from sidecar.model import Inference, WorkKey, WorkKind
from tests.support.books import engine_of, rows_of, run_sql
from tests.support.facts import NOON, SetClock, an_inference, say

DAY = date(2026, 3, 2)
BACK = (
    "DROP TABLE traffic",
    "DROP TABLE lag",
    "DROP TABLE unread",
    "DROP TABLE heard",
    "DROP TABLE spent",
    "CREATE TABLE spend (quarter BIGINT NOT NULL PRIMARY KEY, nano_usd BIGINT NOT NULL, calls BIGINT NOT NULL)",
    "ALTER TABLE work DROP COLUMN waits_for",
    "UPDATE alembic_version SET version_num = '0001'",
)
"""What makes a book of the first revision again; what it held of costs is not needed, for the facts say it."""


@pytest.fixture
def clock() -> SetClock:
    """A clock that the test moves."""
    return SetClock()


@pytest.fixture
def journal(journal_url: str, clock: SetClock) -> Iterator[Journal]:
    """An open book, on each database."""
    with Journal.open(journal_url, clock=clock) as journal:
        yield journal


def read(journal: Journal, key: str, party: str = "p", **more: object) -> Inference:
    """Write a message of a party down, and what reading it took."""
    said = say(journal, key, party)
    told = {"model": "m", "input_tokens": 90, "output_tokens": 10, "channel": "mail", "route": "sales", **more}
    inference = journal.mint(replace(an_inference(journal, party, [said.match]), **told))  # type: ignore[arg-type]
    journal.commit(Entry(facts=(inference,)))
    return inference


def test_a_call_is_counted_under_each_of_its_names(journal: Journal) -> None:
    """Whatever is asked about costs, the answer is the same money; seen to fail with a dimension left out."""
    first = read(journal, "1", passed_on="conflict", senders={"sender-a": 5})
    read(journal, "2", model="large", escalated_from=first.id, cost_usd=1.0, senders={"sender-a": 5})
    for dimension in DIMENSIONS:
        ((day, held),) = {(d, sum(s.nano_usd for _, _, s in journal.costs(dimension, DAY, DAY))) for d in [DAY]}
        assert (day, held) == (DAY, 1_250_000_000)
    both = Spent(2, 1, 1_250_000_000, 180, 20, 0, 0)
    assert journal.spent(TOTAL, [""], DAY) == {"": both}
    assert journal.spent(PARTY, ["p", "q"], DAY) == {"p": both, "q": Spent()}
    assert journal.costs(MODEL, DAY, DAY) == [
        (DAY, "large", Spent(1, 1, 1_000_000_000, 90, 10, 0, 0)),
        (DAY, "m", Spent(1, 0, 250_000_000, 90, 10, 0, 0)),
    ]
    assert [name for _, name, _ in journal.costs(PROMPT, DAY, DAY)] == ["relationship@0"]


def test_a_sender_pays_for_its_own_words(journal: Journal) -> None:
    """Whoever writes a line beside somebody's book pays for the line; seen to fail with a call shared evenly."""
    read(journal, "1", senders={"sender-loud": 97_000, "sender-quiet": 3_000}, cost_usd=1.0, input_tokens=100_000)
    found = journal.spent(SENDER, ["sender-loud", "sender-quiet"], DAY)
    assert (found["sender-loud"].usd, found["sender-quiet"].usd) == (0.97, 0.03)
    assert found["sender-quiet"].input_tokens == 3_000


def test_days_are_those_of_a_zone(journal: Journal, clock: SetClock) -> None:
    """What is read at ten in the evening is tomorrow's in Kathmandu, and both days' costs are told apart."""
    clock.at = NOON.replace(hour=17)
    read(journal, "1")
    clock.at = NOON.replace(hour=19)
    read(journal, "2", cost_usd=0.5)
    days = [(day, spent.usd) for day, _, spent in journal.costs(TOTAL, DAY, DAY + timedelta(days=1), "Asia/Kathmandu")]
    assert days == [(DAY, 0.25), (DAY + timedelta(days=1), 0.5)]
    assert [spent.usd for _, _, spent in journal.costs(TOTAL, DAY, DAY)] == [0.75]


def test_who_passed_a_bound_is_counted(journal: Journal) -> None:
    """Money or tokens, whichever is reached first; none where there is no bound."""
    for n, party in enumerate(("p", "q", "q", "r")):
        read(journal, str(n), party)
    counted = [journal.overspent(PARTY, DAY, "UTC", usd, tokens, 10) for usd, tokens in ((0.5, 0), (0, 100), (0, 0))]
    assert counted == [1, 3, 0]
    assert journal.overspent(PARTY, DAY + timedelta(days=1), "UTC", 0.1, 0, 10) == 0


def test_what_is_added_up_follows_from_the_facts(journal: Journal, journal_url: str) -> None:
    """Costs can be thrown away and counted again from the book."""
    read(journal, "1", senders={"sender-a": 5, "sender-b": 2})
    read(journal, "2", "q")
    kept = rows_of(journal_url, (t.spent,))
    journal.rebuild()
    assert rows_of(journal_url, (t.spent,)) == kept
    assert len(kept["spent"]) == 5 + 2 + 2


def test_a_book_of_the_first_revision_keeps_its_costs(journal_url: str) -> None:
    """An upgrade finds in the facts what was spent before it, and touches neither book nor work; with a copy kept.

    Seen to fail with a migration that only makes the table.
    """
    with Journal.open(journal_url, clock=SetClock()) as journal:
        for n in range(3):
            read(journal, str(n), channel="", route="", cache_read_tokens=7)
        journal.commit(Entry(parks=[(WorkKey(WorkKind.PARSE, "x"), "poison")]))
    book, costs = rows_of(journal_url, t.BOOK), rows_of(journal_url, (t.spent,))
    for statement in BACK:
        run_sql(journal_url, statement)
    engine_of(journal_url).dispose()
    if journal_url.startswith("postgresql"):
        with pytest.raises(ConfigError, match=r"0001 to 0004; make a backup.*sidecar migrate --backed-up"):
            Journal.open(journal_url)
    with Journal.open(journal_url, clock=SetClock(), backed_up=True) as journal:
        assert journal.spent(TOTAL, [""], DAY)[""] == Spent(3, 0, 750_000_000, 270, 30, 21, 0)
        assert rows_of(journal_url, (t.spent,)) == costs
        assert rows_of(journal_url, t.BOOK) == book
        (parked,) = journal.work("parked")
        assert (parked.parked_reason, parked.waits_for) == ("poison", None)
        journal.rebuild()
    assert rows_of(journal_url, (t.spent,)) == costs
    if journal_url.startswith("sqlite"):
        assert Path(journal_url.removeprefix("sqlite:///") + ".before-0004").is_file()


def test_work_says_what_it_waits_for(journal: Journal, clock: SetClock) -> None:
    """A row that was put off keeps the words until it is done; seen to fail with the reason of parked work alone."""
    from sidecar.journal import Finish, Touch

    key = WorkKey(WorkKind.PARTY, "p")
    journal.commit(Entry(touches=[Touch(key)]))
    (lease,) = journal.claim([key], 60)
    journal.commit(Entry(finish=Finish(lease, "retry", not_before_s=60, reason="the budget is spent")))
    assert [row.waits_for for row in journal.work("waiting")] == ["the budget is spent"]
    clock.move(61)
    (lease,) = journal.claim([key], 60)
    journal.commit(Entry(finish=Finish(lease, "done")))
    assert [row.waits_for for row in journal.work("done")] == [None]
