"""The queries that runs start from walk an index: what a message costs doesn't grow with history."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sidecar.journal import Entry, Finish, Journal, Touch
from sidecar.model import Fact, Match, WorkKey, WorkKind
from tests.support.facts import (
    NOON,
    Said,
    SetClock,
    a_delivery,
    a_match,
    an_activity,
    an_inference,
    email,
    say,
)

Statement = tuple[str, Any]
READS: dict[str, Callable[[Journal, Said], object]] = {
    "get": lambda journal, said: journal.get(said.delivery.id),
    "causes": lambda journal, said: journal.causes(said.match.id),
    "effects": lambda journal, said: journal.effects(said.activity.id, "match"),
    "facts of a party": lambda journal, said: list(journal.facts(party="p", limit=10)),
    "facts of a kind": lambda journal, said: list(journal.facts(kinds=["match"], limit=10)),
    "known": lambda journal, said: journal.known([email("ann"), email("bob")]),
    "thread_parties": lambda journal, said: journal.thread_parties("mail", "a", "thread"),
    "party_of": lambda journal, said: journal.party_of(said.activity.id),
    "linked_party": lambda journal, said: journal.linked_party("local", "contact", "1"),
    "waiting": lambda journal, said: journal.waiting([email("ann"), email("bob")], 10),
    "questions": lambda journal, said: journal.questions(10),
    "pending": lambda journal, said: journal.pending("p", 10),
    "timeline": lambda journal, said: journal.timeline("p", 10, before=NOON),
    "around": lambda journal, said: journal.around("p", said.activity, 3, 3),
    "lately": lambda journal, said: journal.lately("p", ["match", "posting"], 10, 30),
    "lately, of a rare kind": lambda journal, said: journal.lately("p", ["posting"], 10, 30),
    "erased_causes": lambda journal, said: journal.erased_causes(said.match.id),
    "versions": lambda journal, said: journal.versions("mail", "a", "1"),
    "orphans": lambda journal, said: journal.orphans("mail", "a", "1", 10),
    "standing": lambda journal, said: journal.standing("p"),
    "watch_due": lambda journal, said: journal.watch_due(NOON, 10),
    "cursor": lambda journal, said: journal.cursor("mail", "poll"),
    "spent_usd": lambda journal, said: journal.spent_usd(NOON.date()),
    "spent": lambda journal, said: journal.spent("sender", ["a", "b"], NOON.date()),
    "overspent": lambda journal, said: journal.overspent("party", NOON.date(), "UTC", 1.0, 1_000, 10),
    "costs": lambda journal, said: journal.costs("party", NOON.date(), NOON.date()),
    "due": lambda journal, said: journal.due(10),
    "due by kind": lambda journal, said: journal.due(10, [kind for kind in WorkKind if kind is not WorkKind.SYNC]),
    "due soon": lambda journal, said: journal.due(10, list(WorkKind), within_s=3600),
    "next_due": lambda journal, said: journal.next_due(),
    "parked": lambda journal, said: journal.claim([WorkKey(WorkKind.PARTY, "q")], 60),
    "nth_newest": lambda journal, said: journal.nth_newest("match", 10),
    "recorded_since": lambda journal, said: journal.recorded_since("match", NOON, 10),
    "open_work": lambda journal, said: journal.open_work(),
    "due_since": lambda journal, said: journal.due_since([WorkKind.SYNC], [WorkKey(WorkKind.POLL, "mail")]),
    "abandoned": lambda journal, said: journal.abandoned(60.0, [WorkKind.SYNC]),
}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An open book on SQLite, which tells its plans."""
    with Journal.open("sqlite:///j.db", base=tmp_path, clock=SetClock()) as journal:
        yield journal


def plan(journal: Journal, do: Callable[[], object]) -> list[str]:
    """Run something, and return the steps of its statements' plans."""
    statements: list[Statement] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, ___: Any, many: bool) -> None:
        statements.append((statement, parameters[0] if many else parameters))

    engines = (journal._database.reading, journal._database.writing)
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    do()
    for engine in engines:
        sa.event.remove(engine, "before_cursor_execute", note)
    found = []
    with journal.snapshot() as connection:
        for statement, parameters in statements:
            if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
                for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
                    found.append(f"{step[3]}: {statement}")
    return found


def scans(journal: Journal, do: Callable[[], object]) -> list[str]:
    """The steps that read a whole table."""
    return [step for step in plan(journal, do) if step.startswith("SCAN") and "CONSTANT ROW" not in step]


@pytest.mark.parametrize("name", READS)
def test_a_query_of_a_run_reads_no_whole_table(journal: Journal, name: str) -> None:
    """Each query finds what it needs through an index; seen to fail with pairs in a list."""
    said = say(journal, "1", "p", who="ann")
    steps = scans(journal, lambda: READS[name](journal, said))
    allowed = (  # partial indexes hold what is open, and a page is what a bounded query has found
        "ix_work_ready_at", "ix_work_lease_owner", "ix_work_parked", "ix_match_index_question", "SCAN anon_",
    )  # fmt: skip
    assert [step for step in steps if not any(index in step for index in allowed)] == []


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("pending", "ix_match_index_pending"),
        ("questions", "ix_match_index_question"),
        ("due", "ix_work_ready_at"),
        ("due by kind", "ix_work_ready_at"),
        ("due soon", "ix_work_ready_at"),
        ("next_due", "ix_work_ready_at"),
    ],
)
def test_what_is_open_is_found_without_what_is_done(journal: Journal, name: str, index: str) -> None:
    """Open things are in an index of their own; seen to fail with its condition said in other words."""
    said = say(journal, "1", "p", who="ann")
    assert any(index in step for step in plan(journal, lambda: READS[name](journal, said)))


def test_a_query_of_a_run_visits_no_more_rows_when_more_was_said(journal: Journal) -> None:
    """The steps that SQLite takes don't grow with the book; seen to fail with an OR, and with kinds asked for.

    Two are left out: the parties of a thread walk the thread, and a party's facts are listed for people.
    """
    said = say(journal, "1", "p", who="ann")
    names = READS.keys() - {"thread_parties", "facts of a party", "parked"}

    def efforts() -> dict[str, int]:
        return {name: effort(journal, partial(READS[name], journal, said)) for name in sorted(names)}

    bring(journal, range(2, 30))
    few = efforts()
    bring(journal, range(30, 200))
    many = efforts()
    assert {name: (few[name], many[name]) for name in names if many[name] > few[name] + 100} == {}


def bring(journal: Journal, numbers: range) -> None:
    """Let a party write, be read, and the work of it be done: by turns before and after what stands."""
    facts: list[Fact] = []
    keys = []
    for number in numbers:
        delivery = a_delivery(journal, str(number), b"Hello")
        activity = an_activity(journal, delivery, "Hello", minutes=number if number % 2 else -number)
        match = a_match(journal, activity, "p", links=[email("ann")])
        facts += [delivery, activity, match, an_inference(journal, "p", [match])]
        keys.append(WorkKey(WorkKind.RESOLVE, delivery.id))
    journal.commit(Entry(facts=facts, touches=[Touch(key) for key in keys]))
    futures = [journal.append(Entry(finish=Finish(lease, "done"))) for lease in journal.claim(keys, 60)]
    assert all(future.result(30) for future in futures)


def effort(journal: Journal, do: Callable[[], object]) -> int:
    """Count the steps of SQLite's virtual machine that reading takes."""
    steps = 0

    def stepped() -> int:
        nonlocal steps
        steps += 1
        return 0

    with journal.snapshot() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(stepped, 1)
    do()
    driver.set_progress_handler(None, 0)
    return steps


def test_writing_reads_no_whole_table(journal: Journal) -> None:
    """What an entry costs doesn't depend on how much the book holds: facts, projections, touches, finishes."""
    said = say(journal, "1", "p", who="ann")
    key = WorkKey(WorkKind.PARTY, "p")

    def write() -> None:
        other = say(journal, "2", "p", who="ann")
        matches: list[Match] = [said.match, other.match]
        journal.commit(Entry(facts=(an_inference(journal, "p", matches),), touches=(Touch(key),), watch_at={"p": NOON}))
        journal.commit(Entry(facts=(a_match(journal, said.activity, "q"),)))
        [lease] = journal.claim([key], 60)
        journal.renew(lease)
        journal.commit(Entry(finish=Finish(lease, "done"), fence=lease))

    steps = [step for step in scans(journal, write) if "ix_work_lease_owner" not in step]
    assert steps == []
