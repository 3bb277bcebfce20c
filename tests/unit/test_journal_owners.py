"""Owners of leases: alive as long as their process, dead the moment it is, and a dead one's work goes on at once."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from sidecar.errors import LeaseLost
from sidecar.journal import Entry, Finish, Journal, Touch
from sidecar.journal import tables as t
from sidecar.model import Lease, WorkKey, WorkKind
from tests.support.books import rows_of
from tests.support.facts import a_delivery

ROOT = Path(__file__).parents[2]
ANN = WorkKey(WorkKind.PARTY, "ann")
WORKER = """
import sys
from sidecar.journal import Entry, Journal, Touch
from sidecar.model import WorkKey, WorkKind
journal = Journal.open(sys.argv[1])
key = WorkKey(WorkKind.PARTY, "ann")
journal.commit(Entry(touches=(Touch(key),)))
[lease] = journal.claim([key], 3600)
print(lease.owner, lease.fence, flush=True)
sys.stdin.read()
"""


@contextmanager
def worker(url: str) -> Iterator[tuple["subprocess.Popen[str]", Lease]]:
    """Another process that has claimed some work for an hour."""
    command = [sys.executable, "-c", WORKER, url]
    run = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert run.stdout is not None
        owner, fence = run.stdout.readline().split()
        yield run, Lease(ANN, 1, int(fence), 1, owner)
    finally:
        run.kill()
        run.communicate(timeout=60)


def test_work_of_a_killed_process_is_taken_over_at_once(journal_url: str) -> None:
    """Nobody waits for the lease of a process that was killed; its attempt counts. Seen to fail without the locks."""
    with Journal.open(journal_url) as journal, worker(journal_url) as (run, lease):
        assert journal.due(10) == []
        assert journal.claim([ANN], 60) == []
        assert [row.state for row in journal.work()] == ["running"]
        run.send_signal(signal.SIGKILL)
        run.wait(60)
        _until_due(journal)
        [taken] = journal.claim([ANN], 60)
        assert (taken.fence, taken.attempts, taken.owner) == (2, 2, journal.owner)
        assert not journal.holds(lease)


def test_a_frozen_process_that_wakes_up_is_fenced(journal_url: str) -> None:
    """A worker that was taken for dead and wakes up can write nothing: its finish and its facts are refused."""
    with Journal.open(journal_url) as journal, worker(journal_url) as (run, stale):
        run.kill()
        run.wait(60)
        _until_due(journal)
        journal.claim([ANN], 60)
        late = a_delivery(journal, "late")
        with pytest.raises(LeaseLost):
            journal.commit(Entry(facts=(late,), finish=Finish(stale, "done")))
        assert journal.get(late.id) is None


def test_a_closed_journal_leaves_no_owner_behind(journal_url: str) -> None:
    """A graceful stop frees its leases and is forgotten; the dead are swept away by the next who opens the book."""
    journal = Journal.open(journal_url)
    journal.commit(Entry(touches=(Touch(ANN),)))
    journal.claim([ANN], 3600)
    assert len(rows_of(journal_url, [t.owner])["owner"]) == 1
    journal.close()
    assert rows_of(journal_url, [t.owner]) == {"owner": []}
    with worker(journal_url) as (run, _):
        run.kill()
        run.wait(60)
    with Journal.open(journal_url) as journal:
        _until_due(journal)
    with Journal.open(journal_url) as journal:
        assert [row[0] for row in rows_of(journal_url, [t.owner])["owner"]] == [journal.owner]


def _until_due(journal: Journal) -> None:
    """Wait until the database has noticed the death: PostgreSQL's backend ends when it next looks at its socket."""
    pause = Event()
    for _ in range(600):
        if journal.due(10) == [ANN]:
            return
        pause.wait(0.05)
    raise AssertionError("the dead owner's work never became due")
