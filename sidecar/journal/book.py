"""The Journal: our append-only book, opened; what everybody above this floor holds in their hands.

It joins the parts (one writer, reading connections, the owner of leases) and adds no rules of its own. Everything that
writes goes through the writer's queue, so that claims, facts and finishes have one order; everything that reads takes
its own snapshot. The clock is the database's unless one is injected.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sidecar.errors import ConfigError, TemporaryError, UnknownOutcome
from sidecar.journal import projections, schema, soundness, work
from sidecar.journal import tables as t
from sidecar.journal.costs import CostReader
from sidecar.journal.database import Database, resolve_url, translated
from sidecar.journal.entry import Entry, JournalFailed, Receipt
from sidecar.journal.gauges import GaugeReader
from sidecar.journal.owners import Owner
from sidecar.journal.page import HMAC_KEY, INSTALLED_AT, Page
from sidecar.journal.reader import BookReader
from sidecar.journal.shelves import ShelfReader
from sidecar.journal.traffic import BEGUN, TrafficReader
from sidecar.journal.upserts import replace
from sidecar.journal.work import Claimant
from sidecar.journal.writer import Writer
from sidecar.model import Lease, Mint, WorkKey, WorkKind, WorkRow
from sidecar.ports import Clock

KEY_BYTES = 32


class Journal(BookReader, ShelfReader, GaugeReader, CostReader, TrafficReader):
    """An open book: `append` and `commit` write, work rows are claimed, everything else reads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owner = Owner(database)
        self._writer = Writer(database, self._owner)
        try:
            key, installed_at = self._writer.call(self._begin)
        except BaseException:
            self._writer.close()
            self._owner.release()
            database.close()
            raise
        self.mint = Mint(key)
        self.installed_at: datetime = installed_at

    @staticmethod
    def open(url: str, *, base: Path = Path(), clock: Clock | None = None, backed_up: bool = False) -> "Journal":
        """Open the book at a URL, made or brought up to date; a relative SQLite path starts at `base`.

        `backed_up` says that a backup exists, which a PostgreSQL book needs before its schema changes.
        """
        database = Database(resolve_url(url, base), clock)
        try:
            schema.migrate(database, backed_up=backed_up)
            return Journal(database)
        except (sa.exc.DBAPIError, TemporaryError) as error:
            database.close()
            named = translated(error) if isinstance(error, sa.exc.DBAPIError) else error
            raise ConfigError(f"can't open the book: {named}", setting="journal.url") from error
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """Write what is queued, give up our leases' lock, and close every connection."""
        try:
            self._writer.call(lambda connection, _: self._owner.leave(connection))
        except (TemporaryError, JournalFailed):
            pass  # our name stays behind for the next who opens the book; our lock goes in any case
        finally:
            self._writer.close()
            self._owner.release()
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def failed(self) -> Exception | None:
        """Why the book can't be trusted any more; when set, the process has to end."""
        return self._writer.failed

    @property
    def owner(self) -> str:
        """The name under which this process holds leases."""
        return self._owner.id

    def snapshot(self) -> AbstractContextManager[Connection]:
        """Return a reading connection on one snapshot, for the modules of this folder."""
        return self._database.read()

    def faults(self, limit: int = 100) -> list[str]:
        """Return what is wrong with the book (damaged bytes, missing payloads or causes), one line each."""
        with self._database.read() as connection:
            return list(islice(soundness.faults(connection), limit))

    def now(self) -> datetime:
        """Return the time as the book has it."""
        with self._database.read() as connection:
            return t.from_us(self._database.now_us(connection))

    def begun(self, channel: str) -> datetime:
        """Return since when a channel is ours; the book's own beginning where that was never written."""
        told = self.meta(BEGUN + channel)
        return datetime.fromisoformat(told) if told else self.installed_at

    # Writing ----------------------------------------------------------------------------------------------------------

    def append(self, entry: Entry) -> Future[Receipt]:
        """Queue an entry; the future is done when it is durable, or says why it isn't. Full: `TemporaryError`."""
        page = Page.of(entry)
        self._writer.put(page)
        return page.future

    def commit(self, entry: Entry, timeout_s: float = 30.0) -> Receipt:
        """Write an entry and wait until it is durable."""
        future = self.append(entry)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            raise UnknownOutcome("the journal didn't answer in time") from None

    def pause(self, scope: str, reason: str) -> None:
        """Put a brake on, until `resume`."""
        self._write(lambda connection, now: replace(
            connection, t.pause, [{"scope": t.as_key(scope), "reason": t.as_text(reason), "since": now}]
        ))  # fmt: skip

    def resume(self, scope: str) -> bool:
        """Take a brake off; false when there was none."""
        return bool(self._write(lambda c, _: c.execute(sa.delete(t.pause).where(t.pause.c.scope == scope)).rowcount))

    def set_meta(self, key: str, value: str) -> None:
        """Keep a setting of this installation."""
        self.commit(Entry(meta={key: value}))

    def swap_meta(self, key: str, held: str | None, value: str | None) -> bool:
        """Keep a setting of this installation, or forget it, if it is still what it was; false when it isn't."""

        def swapping(connection: Connection, _: int) -> bool:
            found = connection.execute(sa.select(t.meta.c.value).where(t.meta.c.key == key)).scalar()
            if found == held and value is None:
                connection.execute(sa.delete(t.meta).where(t.meta.c.key == key))
            elif found == held:
                replace(connection, t.meta, [{"key": t.as_key(key), "value": value}])
            return bool(found == held)

        return bool(self._write(swapping))

    def begin_anew(self, channel: str, meta: Mapping[str, str]) -> int:
        """Forget how far a channel has been read, under every name, and keep some settings; returns what was held."""

        def beginning(connection: Connection, _: int) -> int:
            replace(connection, t.meta, [{"key": t.as_key(key), "value": value} for key, value in meta.items()])
            return connection.execute(sa.delete(t.cursor).where(t.cursor.c.channel == channel)).rowcount

        return int(self._write(beginning))

    def rebuild(self, timeout_s: float = 3600.0) -> int:
        """Throw the projections away and fold the book again, while nobody writes; return how many facts were read."""
        return int(self._writer.call(lambda connection, _: projections.rebuild(connection), timeout_s))

    # Work -------------------------------------------------------------------------------------------------------------

    def claim(self, keys: Sequence[WorkKey], lease_s: float, *, within_s: float = 0.0) -> list[Lease]:
        """Lease those of the keys that are due and free; `within_s` as for `due`."""

        def claiming(connection: Connection, now: int) -> list[Lease]:
            by = Claimant(self.owner, lease_s, self._dead(connection), int(within_s * 1_000_000))
            return work.claim(connection, keys, now, by)

        leases: list[Lease] = self._write(claiming)
        return leases

    def renew(self, lease: Lease) -> None:
        """Extend a lease by as long as it was claimed for; `LeaseLost` when somebody took the work over."""
        self._write(lambda connection, now: work.renew(connection, lease, now))

    def holds(self, lease: Lease) -> bool:
        """Say whether a lease is still ours; asked before each write to the outside."""
        with self._database.read() as connection:
            return work.holds(connection, lease, self._database.now_us(connection))

    def due(self, limit: int, kinds: Sequence[WorkKind] | None = None, within_s: float = 0.0) -> list[WorkKey]:
        """Return keys that could be claimed now, those first that have been ready longest.

        `within_s` takes rows whose quiet period ends that soon as well; a backoff is kept in any case.
        """
        with self._database.read() as connection:
            now, dead = self._database.now_us(connection), self._dead(connection)
            return work.due(connection, limit, kinds, now, dead, int(within_s * 1_000_000))

    def work(self, *states: str, limit: int = 100) -> list[WorkRow]:
        """Return rows of work in some states (due, waiting, running, parked, dismissed, done), or in any."""
        with self._database.read() as connection:
            return work.rows(connection, states, limit, self._database.now_us(connection), self._dead(connection))

    def work_counts(self) -> dict[tuple[WorkKind, str], int]:
        """Count rows of work by kind and state."""
        with self._database.read() as connection:
            return work.tally(connection, self._database.now_us(connection), self._dead(connection))

    def next_due(self) -> datetime | None:
        """Return when the next free work is ready, in the past when some is due now; None when nothing waits."""
        with self._database.read() as connection:
            at = work.next_due(connection, self._database.now_us(connection), self._dead(connection))
        return None if at is None else t.from_us(at)

    def retry(self, key: WorkKey) -> bool:
        """Make parked or dismissed work due at once; false when it was neither."""
        return bool(self._write(lambda connection, now: work.unpark(connection, key, now)))

    def dismiss(self, key: WorkKey, by: str, reason: str) -> bool:
        """Have parked work wait for nobody any more, at a person's word, until it is touched; false when not parked."""
        return bool(self._write(lambda connection, now: work.dismiss(connection, key, by, reason, now)))

    def trim_work(self, before: datetime, limit: int) -> int:
        """Forget rows of work that was done before a time, some at once; return how many. A touch makes one anew."""
        until = t.to_us(before)
        with self._database.read() as connection:
            keys = work.done_before(connection, until, limit)
        return int(self._write(lambda connection, _: work.forget(connection, keys, until))) if keys else 0

    def end_waits(self) -> int:
        """Make due what waits though nothing failed: with another config it may not have to; return how much."""
        return int(self._write(work.end_waits))

    # ------------------------------------------------------------------------------------------------------------------

    def _write(self, do: Callable[[Connection, int], Any]) -> Any:
        return self._writer.call(do)

    def _dead(self, connection: Connection) -> set[str]:
        return self._owner.dead(connection, work.lease_owners(connection))

    def _begin(self, connection: Connection, now: int) -> tuple[bytes, datetime]:
        """Give a new book its key and its birthday, forget dead owners, heal what a changed clock left behind."""
        held: dict[str, str] = {row.key: row.value for row in connection.execute(sa.select(t.meta))}
        news = {
            HMAC_KEY: secrets.token_hex(KEY_BYTES),
            INSTALLED_AT: t.from_us(now).isoformat(),
        }
        replace(connection, t.meta, [{"key": key, "value": value} for key, value in news.items() if key not in held])
        held = news | held
        self._owner.sweep(connection)
        work.heal_clock(connection, now)
        return bytes.fromhex(held[HMAC_KEY]), datetime.fromisoformat(held[INSTALLED_AT])
