"""Opens the two databases that a book may live in, and makes them behave alike where it matters.

SQLite through SQLAlchemy: the driver is in autocommit and we say BEGIN ourselves, because the driver's own idea of
transactions leaves DDL behind after a rollback and lets two reads of one transaction differ. WAL with
synchronous=FULL: with group commit FULL costs nothing against NORMAL, and NORMAL loses acknowledged rows when the
power goes. PostgreSQL: synchronous_commit is set per connection, since a server's setting of `off` lost acknowledged
rows.

One pen: whoever writes holds it for the transaction (SQLite's write lock, an advisory lock on PostgreSQL). That gives
up parallel writers, which gain little over group commit, for a book whose order is the order of its commits.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.pool import NullPool, QueuePool

from sidecar.errors import ConfigError, PermanentError, SidecarError, TemporaryError
from sidecar.journal.entry import JournalFailed
from sidecar.journal.tables import to_us
from sidecar.ports import Clock

BUSY_S = 10.0
STATEMENT_S = 60.0
READERS = 8
AUTOCHECKPOINT_PAGES = 16_000
"""About 64 MB: the writer checkpoints when it is idle, and this is the net for when it never is."""

PEN, OWNERS = 0x5C0B001, 0x5C0B002
"""Advisory lock classes: the pen is one lock, owners are a class with a lock each."""

_FATAL_SQLITE = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_FATAL_SQLSTATES = ("58", "XX001", "XX002")
_PRAGMAS = (
    f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
    f"PRAGMA wal_autocheckpoint = {AUTOCHECKPOINT_PAGES}",
    "PRAGMA trusted_schema = OFF",
)
_SETTINGS = (
    "SET synchronous_commit = on",
    f"SET statement_timeout = {int(STATEMENT_S * 1000)}",
    f"SET lock_timeout = {int(BUSY_S * 1000)}",
    f"SET idle_in_transaction_session_timeout = {int(STATEMENT_S * 1000)}",
    "SET timezone = 'UTC'",
)
_NOW = {
    "sqlite": sa.text("SELECT CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000"),
    "postgresql": sa.text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"),
}


def resolve_url(url: str, base: Path) -> URL:
    """Return the URL with its driver, a SQLite path made absolute against `base`; `ConfigError` for any other kind."""
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigError("not a database URL; use sqlite:///path or postgresql://…", setting="journal.url") from None
    scheme = parsed.drivername.partition("+")[0]
    if scheme == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise ConfigError("the journal needs a file: sqlite:///path", setting="journal.url")
        return parsed.set(drivername="sqlite", database=str((base / parsed.database).absolute()))
    if scheme in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise ConfigError(f"{scheme} is not supported; use sqlite or postgresql", setting="journal.url")


class Database:
    """A writing connection (one), reading connections (a pool), and the time as the database sees it."""

    def __init__(self, url: URL, clock: Clock | None = None) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.path = Path(url.database or "") if self.is_sqlite else None
        self._clock = clock
        self._anchor: tuple[int, float] | None = None
        if self.path:
            _private_file(self.path)
        self.writing = self._engine(reads=False)
        self.reading = self._engine(reads=True)

    def now_us(self, connection: Connection) -> int:
        """Return the time in microseconds: the injected clock's, else the database's.

        On SQLite it never runs backwards while the process lives, so that a clock set back stalls no work.
        """
        if self._clock:
            return to_us(self._clock())
        wall = int(connection.execute(_NOW[connection.dialect.name]).scalar_one())
        if not self.is_sqlite:
            return wall
        steady = time.monotonic()
        if self._anchor is not None:
            expected = self._anchor[0] + int((steady - self._anchor[1]) * 1_000_000)
            if wall < expected - 1_000_000:
                return expected
        self._anchor = (wall, steady)
        return wall

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection on one snapshot; what the database says is translated into our errors."""
        try:
            with self.reading.connect() as connection, connection.begin():
                yield connection
        except sa.exc.DBAPIError as error:
            raise translated(error) from error
        except sa.exc.TimeoutError as error:
            raise TemporaryError("all reading connections of the journal are busy") from error

    def take_pen(self, connection: Connection) -> None:
        """Hold the pen until the transaction ends; SQLite's BEGIN IMMEDIATE has taken it already."""
        if not self.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(PEN, 0)))

    def checkpoint(self, connection: Connection, mode: str = "PASSIVE") -> bool:
        """Move SQLite's write-ahead log into the file, outside of a transaction; false when something holds it back."""
        if not self.is_sqlite:
            return True
        driver: Any = connection.connection.driver_connection
        try:
            busy, logged, moved = driver.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in _FATAL_SQLITE:
                raise JournalFailed(f"the journal's file can't be trusted: {error.sqlite_errorname}") from error
            return False  # a full disk, say: the log stays, and nothing is lost
        return bool(busy == 0 and logged == moved)

    def close(self) -> None:
        """Close every connection; those in use close when they are given back."""
        self.reading.dispose()
        self.writing.dispose()

    def _engine(self, *, reads: bool) -> Engine:
        # Without hide_parameters an error's text quotes what was to be written: customers' words.
        pool: dict[str, Any] = {"poolclass": NullPool, "hide_parameters": True}
        if reads:
            pool |= {"poolclass": QueuePool, "pool_size": READERS, "max_overflow": 0, "pool_timeout": BUSY_S}
        if self.is_sqlite:
            engine = sa.create_engine(self.url, connect_args={"check_same_thread": False, "timeout": BUSY_S}, **pool)
            _prepare_sqlite(engine, reads=reads)
        else:
            level = "REPEATABLE READ" if reads else "READ COMMITTED"
            args = {"connect_timeout": int(BUSY_S), "application_name": "sidecar"}
            engine = sa.create_engine(self.url, connect_args=args, isolation_level=level, pool_pre_ping=reads, **pool)
            _prepare_postgresql(engine, reads=reads)
        return engine


def translated(error: sa.exc.DBAPIError) -> SidecarError:
    """Return the error that names who must act: time, a reviewer, or the process that can't trust its book any more.

    Statements and parameters are left out, since they hold what customers wrote.
    """
    origin = error.orig
    name = type(origin).__name__
    code = getattr(origin, "sqlite_errorcode", None)
    if isinstance(error, sa.exc.IntegrityError | sa.exc.DataError):
        return PermanentError(f"the journal refuses what would break it: {name}")
    if code is not None:
        if code & 0xFF in _FATAL_SQLITE:
            return JournalFailed(f"the journal's file can't be trusted: {origin.sqlite_errorname}")  # type: ignore[union-attr]
        return TemporaryError(f"the journal can't write or read now: {origin.sqlite_errorname}")  # type: ignore[union-attr]
    state = getattr(origin, "sqlstate", None) or ""
    if state.startswith(_FATAL_SQLSTATES):
        return JournalFailed(f"the journal's database can't be trusted: {name} {state}")
    return TemporaryError(f"the journal's database doesn't answer as it should: {name} {state}".strip())


def _private_file(path: Path) -> None:
    """Make the file and its folder for us alone; SQLite gives its side files the same permissions."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise ConfigError(f"can't open {path}: {error.strerror}", setting="journal.url") from error


def _prepare_sqlite(engine: Engine, *, reads: bool) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(pragma).close()
        if reads:
            connection.execute("PRAGMA query_only = ON").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _prepare_postgresql(engine: Engine, *, reads: bool) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: object) -> None:
        held, connection.autocommit = connection.autocommit, True
        for setting in (*_SETTINGS, *(("SET default_transaction_read_only = on",) if reads else ())):
            connection.execute(setting)
        connection.autocommit = held
