"""Who holds leases: an incarnation of a process, proved alive by a lock that dies with it.

A process id proves nothing (they are reused, and machines differ), and a lease's expiry says only that somebody is
slow. A lock is given up by the operating system, or by PostgreSQL, at the very moment in which its holder dies, so
work of a killed process is taken over at once. On SQLite the lock is on a file beside the book; on PostgreSQL it is
an advisory lock of the writing connection, which is taken again when that connection is made anew (so a pooler that
shares connections between clients must stand aside). The trade-off: a holder that is cut off from PostgreSQL counts
as dead while it still runs; the fence stops it.
"""

import fcntl
import os
import secrets
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sidecar.errors import TemporaryError
from sidecar.journal.database import OWNERS, Database
from sidecar.journal.tables import owner as owners


class Owner:
    """This process's incarnation as an owner of leases."""

    def __init__(self, database: Database) -> None:
        self.id = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._folder = database.path.with_name(f"{database.path.name}.owners") if database.path else None
        self._handle: int | None = None

    def enter(self, connection: Connection, now: int) -> None:
        """Take the lock, and write down who is here; called again for every new writing connection."""
        if self._folder is None:
            key = _lock_number(self.id)
            taken = connection.execute(sa.select(sa.func.pg_try_advisory_lock(OWNERS, key))).scalar_one()
            if not taken:
                raise TemporaryError("the owner's lock is still held by a connection that is being given up")
        elif self._handle is None:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._handle = _locked(self._folder / self.id, create=True)
        if not connection.execute(sa.select(owners.c.id).where(owners.c.id == self.id)).first():
            connection.execute(sa.insert(owners).values(id=self.id, since=now))

    def leave(self, connection: Connection) -> None:
        """Forget that we were here; the lock goes with the connection or with `release`."""
        connection.execute(sa.delete(owners).where(owners.c.id == self.id))

    def release(self) -> None:
        """Give up the file lock."""
        if self._handle is not None and self._folder is not None:
            (self._folder / self.id).unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None

    def dead(self, connection: Connection, ids: Iterable[str]) -> set[str]:
        """Return those of the owners whose lock nobody holds any more."""
        others = set(ids) - {self.id}
        if not others:
            return set()
        if self._folder is None:
            return others - _alive_on_postgresql(connection, others)
        return {other for other in others if not _is_locked(self._folder / other)}

    def sweep(self, connection: Connection) -> None:
        """Forget the dead."""
        gone = self.dead(connection, connection.execute(sa.select(owners.c.id)).scalars())
        if gone:
            connection.execute(sa.delete(owners).where(owners.c.id.in_(sorted(gone))))
        for other in gone if self._folder else ():
            (self._folder / other).unlink(missing_ok=True)  # type: ignore[operator]  # checked a line above


def _locked(path: Path, *, create: bool = False) -> int | None:
    try:
        handle = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def _is_locked(path: Path) -> bool:
    try:
        handle = _locked(path)
    except OSError:
        return True
    if handle is not None:
        os.close(handle)
    return False


def _lock_number(owner: str) -> int:
    return int.from_bytes(sha256(owner.encode()).digest()[:4], "big", signed=True)


def _alive_on_postgresql(connection: Connection, ids: set[str]) -> set[str]:
    held = sa.text(
        "SELECT CAST(objid AS BIGINT) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = :class "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    numbers = set(connection.execute(held, {"class": OWNERS}).scalars())
    return {owner for owner in ids if _lock_number(owner) % 2**32 in numbers}
