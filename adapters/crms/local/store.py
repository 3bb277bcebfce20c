"""The file of the local CRM: opens it, lends connections, and gives each caller one transaction.

Several threads and processes may write at once. So a writer takes the lock when it begins (`BEGIN IMMEDIATE`, not at
its first write, where two readers that both want to write would dead-lock), waits a bounded time for it, and every
commit is on disk before it returns (WAL with `synchronous=FULL`). A reader sees one snapshot and blocks nobody.

It may not know what a record is: tables are declared here, and read and written in `rows`. Connections are lent, not
opened per call, because closing the last one makes SQLite fold the log back into the file each time.
"""

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sidecar.errors import ConfigError, TemporaryError, UnknownOutcome

BUSY_TIMEOUT_S = 10.0
IDLE_CONNECTIONS = 4
SCHEMA_VERSION = 1
SETTING = "crm.path"

TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE property (
        kind TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, label TEXT NOT NULL,
        options TEXT NOT NULL, max_chars INTEGER, PRIMARY KEY (kind, name))""",
    # A record's row outlives its deletion: it is the recycle bin, and `seq` (of its newest change) is the change feed.
    """CREATE TABLE record (
        ref TEXT PRIMARY KEY, kind TEXT NOT NULL, key TEXT, fields TEXT NOT NULL, version INTEGER NOT NULL,
        seq INTEGER NOT NULL UNIQUE, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('live', 'deleted', 'merged')), moved_to TEXT)""",
    "CREATE UNIQUE INDEX record_key ON record (kind, key) WHERE key IS NOT NULL",
    "CREATE INDEX record_moved ON record (moved_to) WHERE moved_to IS NOT NULL",
    # What live records are found by; `alias` marks what a record got from one that was merged into it.
    """CREATE TABLE identifier (
        what TEXT NOT NULL, value TEXT NOT NULL, ref TEXT NOT NULL, kind TEXT NOT NULL, alias INTEGER NOT NULL,
        PRIMARY KEY (what, value, ref))""",
    "CREATE UNIQUE INDEX one_email ON identifier (value) WHERE kind = 'contact' AND what = 'email'",
    "CREATE INDEX identifier_ref ON identifier (ref)",
    """CREATE TABLE edit (
        seq INTEGER PRIMARY KEY, ref TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, at TEXT NOT NULL,
        author_kind TEXT NOT NULL, author_ref TEXT NOT NULL, author_name TEXT NOT NULL)""",
    "CREATE INDEX edit_ref ON edit (ref, seq)",
    # Each association is stored from both its ends.
    """CREATE TABLE link (
        ref TEXT NOT NULL, to_kind TEXT NOT NULL, to_ref TEXT NOT NULL, PRIMARY KEY (ref, to_ref))""",
)


class Store:
    """One SQLite file, made at its first use and bound to the account that made it."""

    def __init__(self, path: Path, account: str) -> None:
        self.path = path
        self._account = account
        self._lock = threading.Lock()
        self._ready = False
        self._idle: list[sqlite3.Connection] = []
        weakref.finalize(self, _close_all, self._idle)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that sees one snapshot for the whole block."""
        with self._lent() as db:
            db.execute("BEGIN")
            yield db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that holds the write lock; the block's end commits durably, an exception undoes it all."""
        with self._lent() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            try:
                db.execute("COMMIT")
            except sqlite3.Error as error:
                raise UnknownOutcome(f"the local CRM could not confirm a commit ({error.sqlite_errorname})") from error

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        db = self._take()
        try:
            yield db
        except sqlite3.Error as error:
            raise named(error) from error
        finally:
            self._give_back(db)

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if not self._ready:
                self._prepare()
                self._ready = True
            if self._idle:
                return self._idle.pop()
        return _connect(self.path)

    def _give_back(self, db: sqlite3.Connection) -> None:
        try:
            if db.in_transaction:
                db.execute("ROLLBACK")
        except sqlite3.Error:
            db.close()  # closing undoes it as well; the first error is the one to tell
            return
        with self._lock:
            if len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append(db)
                return
        db.close()

    def _prepare(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Customers' data: for the owner's eyes. SQLite gives its log files the mode of this one.
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise ConfigError(f"the local CRM's file can't be opened ({error.strerror})", setting=SETTING) from error
        try:
            db = _connect(self.path)
        except sqlite3.Error as error:
            raise named(error) from error
        try:
            _switch_to_wal(db)
            self._migrate(db)
            self._idle.append(db)
        except sqlite3.Error as error:
            db.close()
            raise named(error) from error
        except BaseException:
            db.close()
            raise

    def _migrate(self, db: sqlite3.Connection) -> None:
        db.execute("BEGIN IMMEDIATE")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise ConfigError(
                f"the local CRM's file was written by a newer release (format {version})", setting=SETTING
            )
        if version == 0:
            for table in TABLES:
                db.execute(table)
            db.execute("INSERT INTO meta VALUES ('account', ?)", (self._account,))
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION:d}")
        (account,) = db.execute("SELECT value FROM meta WHERE key = 'account'").fetchone()
        if account != self._account:
            raise ConfigError(f"this file belongs to the account {account!r}", setting="crm.account")
        db.execute("COMMIT")


def named(error: sqlite3.Error) -> Exception:
    """Return the error that says who must act: time when the file is locked, the operator when it is unfit, else us."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    name = getattr(error, "sqlite_errorname", "")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return TemporaryError(f"the local CRM is busy ({name})", retry_after_s=1.0)
    unfit = {
        sqlite3.SQLITE_CANTOPEN: "can't be opened",
        sqlite3.SQLITE_CORRUPT: "is damaged: restore it from a backup",
        sqlite3.SQLITE_FULL: "can't grow: the disk is full",
        sqlite3.SQLITE_IOERR: "can't be read or written: see the system's log",
        sqlite3.SQLITE_NOTADB: "is not a database",
        sqlite3.SQLITE_PERM: "may not be opened by this user",
        sqlite3.SQLITE_READONLY: "may not be written by this user",
    }
    if code in unfit:
        return ConfigError(f"the local CRM's file {unfit[code]} ({name})", setting=SETTING)
    return error


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _switch_to_wal(db: sqlite3.Connection) -> None:
    # SQLite answers "busy" at once, without its waiting, while another process is making the same switch.
    for _ in range(100):
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            threading.Event().wait(BUSY_TIMEOUT_S / 100)
    raise TemporaryError("the local CRM is busy: its file could not be opened in time", retry_after_s=1.0)


def _close_all(connections: list[sqlite3.Connection]) -> None:
    while connections:
        connections.pop().close()
