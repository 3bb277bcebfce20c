"""The one writer: a thread that takes what is queued and commits it as a group, then tells each caller.

One thread because SQLite has one writer anyway, and competing ones were seen to starve for seconds; a group per
commit because a flush costs the same for one row as for a hundred, which also makes the full flush affordable. Nobody
is told "written" before COMMIT has returned. When a group fails, each of its entries is tried by itself, so that one
bad entry fails alone.

After a failed flush, or a damaged file, nothing that is written later can be trusted: the writer then refuses
everything (`failed`), and the process has to end. What passes by itself (a busy or full disk, a lost connection) is a
`TemporaryError`. A connection that was lost while committing may have committed: the group is tried once more, which
is safe because facts have ids and a finish its fence; then a receipt may call facts old that this very entry brought.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sidecar.errors import SidecarError, TemporaryError
from sidecar.journal.database import Database, translated
from sidecar.journal.entry import JournalFailed
from sidecar.journal.owners import Owner
from sidecar.journal.page import Page, write

MAX_QUEUED = 4096
MAX_QUEUED_BYTES = 256 * 1024 * 1024
MAX_GROUP = 256
MAX_GROUP_BYTES = 32 * 1024 * 1024
CHECKPOINT_IDLE_S = 1.0
CLOSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Call:
    """Something short to be done in a writing transaction, given the connection and the time."""

    do: Callable[[Connection, int], Any]
    future: Future[Any] = field(default_factory=Future)
    size_bytes: int = 0


Job = Page | Call


class Writer:
    """Commits pages and calls in groups, in the order in which they were queued."""

    def __init__(self, database: Database, owner: Owner) -> None:
        self.failed: Exception | None = None
        self._database = database
        self._owner = owner
        self._connection: Connection | None = None
        self._queue: deque[Job] = deque()
        self._queued_bytes = 0
        self._news = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Queue a job; `TemporaryError` when the queue is full or the journal is closing."""
        with self._news:
            if self.failed is not None:
                raise JournalFailed(str(self.failed)) from self.failed
            if self._closing:
                raise TemporaryError("the journal is closing")
            full = self._queued_bytes + job.size_bytes > MAX_QUEUED_BYTES and self._queue
            if len(self._queue) >= MAX_QUEUED or full:
                raise TemporaryError("more is to be written than the disk keeps up with", retry_after_s=1.0)
            self._queue.append(job)
            self._queued_bytes += job.size_bytes
            self._news.notify()

    def call(self, do: Callable[[Connection, int], Any], timeout_s: float = 30.0) -> Any:
        """Do something in a writing transaction and return its result."""
        job = Call(do)
        self.put(job)
        try:
            return job.future.result(timeout_s)
        except TimeoutError:
            raise TemporaryError("the journal didn't answer in time") from None

    def close(self) -> None:
        """Write what is queued, then stop."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        try:
            while self._open():
                if jobs := self._take():
                    self._commit(jobs)
        except BaseException as error:  # a writer that dies silently would leave callers waiting for ever
            self._fail(error if isinstance(error, Exception) else JournalFailed(type(error).__name__))
            if not isinstance(error, Exception):
                raise
        finally:
            self._disconnect()

    def _open(self) -> bool:
        """Wait for news; false once the journal is closing and everything is written. Checkpoints when it is idle."""
        idle_s = CHECKPOINT_IDLE_S if self._connection is not None else None
        with self._news:
            while not self._queue and not self._closing:
                if not self._news.wait(idle_s) and self._connection is not None:
                    self._database.checkpoint(self._connection)
                    idle_s = None
            return bool(self._queue)

    def _take(self) -> list[Job]:
        """Return the next group of jobs, without those that nobody waits for any more."""
        jobs: list[Job] = []
        size = 0
        with self._news:
            while self._queue and len(jobs) < MAX_GROUP and (not jobs or size < MAX_GROUP_BYTES):
                job = self._queue.popleft()
                self._queued_bytes -= job.size_bytes
                if job.future.set_running_or_notify_cancel():
                    jobs.append(job)
                    size += job.size_bytes
        return jobs

    def _commit(self, jobs: Sequence[Job]) -> None:
        try:
            results = self._transact(jobs)
        except sa.exc.DBAPIError as error:
            self._database_failed(jobs, error)
        except Exception as error:
            if len(jobs) == 1 or isinstance(error, JournalFailed):
                self._refuse(jobs, error)
            else:
                self._one_by_one(jobs)
        else:
            for job, result in zip(jobs, results, strict=True):
                job.future.set_result(result)

    def _transact(self, jobs: Sequence[Job], *, again: bool = True) -> list[Any]:
        connection = self._connected()
        try:
            with connection.begin():
                self._database.take_pen(connection)
                return _results(connection, jobs, self._database.now_us(connection))
        except sa.exc.DBAPIError as error:
            if not (error.connection_invalidated and again):
                raise
        self._disconnect()
        return self._transact(jobs, again=False)

    def _database_failed(self, jobs: Sequence[Job], error: sa.exc.DBAPIError) -> None:
        named = translated(error)
        named.__cause__ = error
        if isinstance(named, JournalFailed):
            self._refuse(jobs, named)
            raise named
        if isinstance(named, TemporaryError) or len(jobs) == 1:
            if error.connection_invalidated:
                self._disconnect()
            self._refuse(jobs, named)
        else:
            self._one_by_one(jobs)

    def _one_by_one(self, jobs: Sequence[Job]) -> None:
        for i, job in enumerate(jobs):
            try:
                self._commit([job])
            except JournalFailed as error:
                self._refuse(jobs[i + 1 :], error)
                raise

    def _refuse(self, jobs: Sequence[Job], error: Exception) -> None:
        for job in jobs:
            job.future.set_exception(error)

    def _fail(self, error: Exception) -> None:
        with self._news:
            self.failed = error
            held, self._queue = list(self._queue), deque()
        self._refuse([job for job in held if job.future.set_running_or_notify_cancel()], error)

    def _connected(self) -> Connection:
        if self._connection is None:
            connection = self._database.writing.connect()
            try:
                with connection.begin():
                    self._owner.enter(connection, self._database.now_us(connection))
            except (sa.exc.DBAPIError, SidecarError):
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _results(connection: Connection, jobs: Sequence[Job], now: int) -> list[Any]:
    """Do jobs in their order, neighbouring pages as one."""
    results: list[Any] = []
    for is_page, run in groupby(jobs, lambda job: isinstance(job, Page)):
        if is_page:
            results += write(connection, [job for job in run if isinstance(job, Page)], now)
        else:
            results += [job.do(connection, now) for job in run if isinstance(job, Call)]
    return results
