"""The worker: claims due work on the engine and sees that each piece ends done, waiting, or parked by name.

It knows errors, not stages. A temporary error waits with a backoff, a config error pauses the one adapter that it
concerns, a permanent one parks the work for a reviewer, and anything else is ours: parked with its traceback and logged
as ERROR. Attempts are counted before the try, so an input that kills the process is noticed: it then runs alone, and
is parked only if it dies alone. While the journal itself is away nothing can be claimed, and nothing is lost: that is
told once, and waited out; work that ended meanwhile is given back first when it answers, for its lease would else run
out as if the process had died of it.
"""

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from random import Random

import structlog

from sidecar.errors import BudgetSpent, ConfigError, LeaseLost, PermanentError, SidecarError, TemporaryError
from sidecar.journal import Entry, Finish, Journal, Touch
from sidecar.model import Lease, WorkKey, WorkKind
from sidecar.pipeline import LEDGER, Pipeline
from sidecar.pipeline.brakes import BY_ITSELF
from sidecar.ports import Engine
from sidecar.worker.outage import Outage
from sidecar.worker.room import Room

LEASE_S = 120.0
FIRST_BACKOFF_S = 2.0
MIN_RETRY_S = 1.0
"""Nobody is asked again at once, whatever they say: "Retry-After: 0" would be a loop."""
MAX_BACKOFF_S = 900.0
PAUSE_RETRY_S = 300.0
PAUSE_READ_S = 1.0
ALONE_AFTER = 3
PARK_AFTER = 5
SCAN = 200
MAX_TOGETHER = 100
"""How many parties' syncs share their calls to the CRM, if its batches are as large."""
LINGER_S, LOOK_S, MANY = 1.0, 0.1, 10
"""For how long syncs wait for others to share their calls with, looking how often, while so many parties are read."""
BEFORE_SYNC = (WorkKind.PARSE, WorkKind.RESOLVE, WorkKind.PARTY)
ROUNDS_S = 5.0
"""For how long one thread goes on with due syncs, which a stop has to wait for."""
SPEAKS_TO = {WorkKind.PARTY: "llm", WorkKind.SYNC: LEDGER, WorkKind.MEDIA: "transcriber"}
BY_ERROR = BY_ITSELF
"""How the reason of a pause begins that the worker put on; the next start takes such a pause off again."""
CAPTURING = frozenset((WorkKind.PARSE, WorkKind.RESOLVE, WorkKind.POLL))
"""What goes on before the CRM's account is known: taking in what comes."""
EVER_S = 10 * 366 * 86_400.0
MAX_ROUNDS = 100_000
MAX_OWED = 1_000
"""How many ends of work are kept for a journal that is away; the leases of more run out."""

log = structlog.get_logger()


class Worker:
    """Runs work by key; safe to call from many threads and in many processes."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        concurrency: int = 4,
        lease_s: float = LEASE_S,
        seed: int | None = None,
        is_bound: Callable[[], bool] = lambda: True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Without a CRM account that the journal `is_bound` to, only what comes is taken in."""
        self._pipeline = pipeline
        self._journal = pipeline.parts.journal
        self._concurrency = concurrency
        self._lease_s = lease_s
        self._random = Random(seed)  # noqa: S311  jitter, not a secret
        self._running: dict[WorkKey, Lease] = {}
        self._lock = threading.Lock()
        self._room = Room()
        self._brakes = _Brakes(self._journal, is_bound, is_dry=pipeline.parts.dry_run)
        self._outage = Outage(monotonic)
        self._owed: deque[Finish] = deque(maxlen=MAX_OWED)
        ledger = pipeline.parts.ledger
        self._together = min(ledger.capabilities.batch_size, MAX_TOGETHER) if ledger else 1
        self._syncing = threading.Lock()
        self._over = threading.Event()

    def serve(self, engine: Engine) -> None:
        """Serve until the engine is stopped, renewing what runs."""
        with self.renewing():
            try:
                engine.serve(self.handle, self.due, self._concurrency)
            finally:
                self._over.set()
                with suppress(TemporaryError):
                    self._pay()

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Renew the leases of what runs, for as long as it takes."""
        stop = threading.Event()
        keeper = threading.Thread(target=self._keep_leases, args=(stop,), name="leases", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            stop.set()
            keeper.join(LEASE_S)

    def due(self, limit: int) -> Sequence[WorkKey]:
        """Return keys of work that is due now and not held by a brake; none while the journal is away."""
        if self._outage.holds:
            return ()
        try:
            keys = self.due_now(limit, 0.0)
        except TemporaryError as error:
            self._away(error)
            return ()
        if not keys:  # else it is over when one of them could be claimed: a full disk can be read
            self._outage.over()
        return keys

    def run_until_idle(self, *, wait: bool = True, timeout_s: float = 3600.0) -> int:
        """Do all due work, and what follows from it, then return how many pieces ran.

        Without `wait`, work that is only waiting for its conversation to be quiet counts as due.
        """
        deadline = time.monotonic() + timeout_s
        within = 0.0 if wait else EVER_S
        count = 0
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="work") as pool:
            for _ in range(MAX_ROUNDS):
                keys = self._next(within)
                if not keys:
                    return count
                if time.monotonic() > deadline:
                    raise TemporaryError(f"work is still due after {timeout_s:.0f} s; run again to go on")
                list(pool.map(lambda key: self._handle(key, within, linger_s=0.0), keys))
                if self._outage.error is not None:
                    raise self._outage.error
                count += len(keys)
        return count

    def poll_all(self, channels: Sequence[str]) -> None:
        """Make a poll of each channel, and of the CRM, due now."""
        keys = [WorkKey(WorkKind.POLL, name) for name in channels]
        if self._pipeline.parts.ledger is not None and self._pipeline.parts.ledger.capabilities.change_feed:
            keys.append(WorkKey(WorkKind.POLL, LEDGER))
        keys.append(WorkKey(WorkKind.WATCH, "sweep"))
        self._journal.commit(Entry(touches=tuple(Touch(key) for key in keys)))

    def handle(self, key: WorkKey, *, wait: bool = True) -> None:
        """Claim one key and do it; never raises, so that no thread dies of an input."""
        if not self._outage.holds:
            self._handle(key, 0.0 if wait else EVER_S, linger_s=LINGER_S)

    def _handle(self, key: WorkKey, within_s: float, *, linger_s: float) -> None:
        try:
            if self._brakes.hold(key):
                return
            if key.kind is WorkKind.SYNC and self._together > 1:
                self._sync(key, within_s, linger_s)
                return
            for lease in self._claim([key], within_s):
                self._run(lease, self._pipeline.run)
        except TemporaryError as error:
            self._away(error)
        except Exception as error:
            # Not log.exception: the traceback of an error in an error's handling quotes the first one's text as well.
            log.error("work_lost", error=type(error).__name__, trace=_trace(error), kind=key.kind.value, key=key.key)

    def _claim(self, keys: Sequence[WorkKey], within_s: float) -> Sequence[Lease]:
        leases = self._journal.claim(keys, self._lease_s, within_s=within_s)
        self._outage.over()
        return leases

    def _away(self, error: TemporaryError) -> None:
        """Note that the journal didn't answer: what was to be done stays due, and what ran is claimed again later."""
        self._outage.met(error, len(self._running))

    def due_now(self, limit: int, within_s: float, held: frozenset[WorkKind] = frozenset()) -> list[WorkKey]:
        """Return keys of work of any kind but those `held`, due within a time and not held by a brake."""
        self._pay()
        held |= {WorkKind.SYNC} if self._syncing.locked() else set()  # whoever syncs goes on with what is due
        keys = self._journal.due(limit, [kind for kind in self._brakes.kinds() if kind not in held], within_s)
        return [key for key in keys if not self._brakes.hold(key)]

    def _next(self, within_s: float) -> list[WorkKey]:
        """Return what is to be done next: syncs when they fill a call to the CRM, or when nothing else is due."""
        syncs = self._syncs(within_s)
        if len(syncs) >= self._together:
            return syncs
        return self.due_now(SCAN, within_s, frozenset((WorkKind.SYNC,))) or syncs

    def _sync(self, key: WorkKey, within_s: float, linger_s: float) -> None:
        """Do a sync, and all others that are due with it; where they are being done already, leave it due for them."""
        if not self._syncing.acquire(blocking=False):
            return
        try:
            until = time.monotonic() + ROUNDS_S
            keys = [key]
            while keys and time.monotonic() < until:
                keys = list(dict.fromkeys([*keys, *self._gathered(within_s, linger_s)]))[: self._together]
                self._sync_all(self._claim(keys, within_s))
                keys = self._syncs(within_s)
                if not linger_s and len(keys) < self._together and self._are_read(1, within_s):
                    return  # whoever waits for nobody reads on, so that the next ones are more
        finally:
            self._syncing.release()

    def _gathered(self, within_s: float, linger_s: float) -> list[WorkKey]:
        """Return the syncs that are due; while many parties are being read, wait a little for theirs."""
        until = time.monotonic() + linger_s
        keys = self._syncs(within_s)
        while len(keys) < self._together and time.monotonic() < until and self._are_read(MANY, within_s):
            self._over.wait(LOOK_S)
            keys = self._syncs(within_s)
        return keys

    def _syncs(self, within_s: float) -> list[WorkKey]:
        due = self._journal.due(self._together, [WorkKind.SYNC], within_s)
        return [key for key in due if not self._brakes.hold(key)]

    def _are_read(self, many: int, within_s: float) -> bool:
        """Say whether so many pieces of work are due that lead to syncs."""
        kinds = [kind for kind in self._brakes.kinds() if kind in BEFORE_SYNC]
        return len(self._journal.due(many, kinds, within_s)) >= many

    def _sync_all(self, leases: Sequence[Lease]) -> None:
        """Do claimed syncs together; those that may have killed the process do theirs alone."""
        together = [lease for lease in leases if lease.crashes < ALONE_AFTER]
        if len(together) > 1:
            self._pipeline.sync_together(together, self._run)
        for lease in leases:
            if len(together) == 1 or lease not in together:
                self._run(lease, self._pipeline.run)

    def _run(self, lease: Lease, do: Callable[[Lease], None]) -> None:
        if lease.crashes >= PARK_AFTER:
            self._finish(Finish(lease, "park", reason=f"the process died {lease.crashes} times while doing this"))
            return
        with self._lock:
            self._running[lease.work] = lease
        try:
            with self._room.alone() if lease.crashes >= ALONE_AFTER else self._room.together():
                do(lease)
            self._brakes.release(lease.work)
        except Exception as error:
            self._failed(lease, error)
        finally:
            with self._lock:
                self._running.pop(lease.work, None)

    def _failed(self, lease: Lease, error: Exception) -> None:
        work = {"kind": lease.work.kind.value, "key": lease.work.key, "attempts": lease.attempts}
        if isinstance(error, LeaseLost):
            log.info("lease_lost", **work)
        elif isinstance(error, TemporaryError):
            delay = self._backoff(lease.attempts) if error.retry_after_s is None else error.retry_after_s
            delay = max(MIN_RETRY_S, delay)
            log.info("work_waits", error=type(error).__name__, delay_s=round(delay, 1), **work)
            is_unfailed = isinstance(error, BudgetSpent)
            finish = Finish(lease, "wait" if is_unfailed else "retry", not_before_s=delay, reason=str(error))
            self._finish(finish)
        elif isinstance(error, ConfigError):
            scope = scope_of(lease.work)
            log.error("adapter_paused", scope=scope, reason=str(error), **work)
            if scope:
                self._put_on(scope, str(error))
            self._finish(Finish(lease, "retry", not_before_s=0.0 if scope else PAUSE_RETRY_S, reason=str(error)))
        elif isinstance(error, PermanentError | SidecarError):
            log.warning("work_parked", reason=str(error), **work)
            self._finish(Finish(lease, "park", reason=str(error)))
        else:
            log.error("work_broke", error=type(error).__name__, trace=_trace(error), **work)
            self._finish(Finish(lease, "park", reason=f"{type(error).__name__} (a defect of ours)\n{_trace(error)}"))

    def _put_on(self, scope: str, reason: str) -> None:
        try:
            self._brakes.put_on(scope, reason)
        except TemporaryError as error:  # the work is tried again, and says it again
            self._away(error)

    def _finish(self, finish: Finish) -> None:
        try:
            self._end(finish)
        except TemporaryError as error:
            self._owed.append(finish)
            self._away(error)

    def _pay(self) -> None:
        """Give back what ended while the journal was away; `TemporaryError` while it still is."""
        for _ in range(len(self._owed)):
            try:
                finish = self._owed.popleft()
            except IndexError:  # another thread gives back as well
                return
            try:
                self._end(finish)
            except TemporaryError:
                self._owed.appendleft(finish)
                raise
            self._outage.over()

    def _end(self, finish: Finish) -> None:
        try:
            self._journal.commit(Entry(finish=finish))
        except LeaseLost:
            log.info("lease_lost", kind=finish.lease.work.kind.value, key=finish.lease.work.key)

    def _backoff(self, attempts: int) -> float:
        ceiling = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(attempts, 20))
        return ceiling * self._random.uniform(0.5, 1.0)

    def _keep_leases(self, stop: threading.Event) -> None:
        while not stop.wait(self._lease_s / 3):
            with self._lock:
                running = list(self._running.values())
            for lease in running:
                try:
                    self._journal.renew(lease)
                except TemporaryError as error:
                    self._away(error)
                except SidecarError:
                    log.warning("lease_not_renewed", kind=lease.work.kind.value, key=lease.work.key)


def scope_of(key: WorkKey) -> str:
    """Return the adapter that a piece of work speaks to, as pauses name it; empty when it speaks to none."""
    if key.kind is WorkKind.POLL:
        return LEDGER if key.key == LEDGER else f"channel:{key.key}"
    return SPEAKS_TO.get(key.kind, "")


class _Brakes:
    """What is paused, read at most once a second; work of a paused adapter stays due, and capturing goes on.

    A pause that an error put on is tried again after a while, and comes off when the work succeeds. A dry run holds
    every sync: what would be written stays due, for a look or a real run. Before the CRM's account is known, all that
    may come to look at or write to it is held.
    """

    def __init__(self, journal: Journal, is_bound: Callable[[], bool], *, is_dry: bool) -> None:
        self._journal = journal
        self._is_bound, self._is_dry = is_bound, is_dry
        self._lock = threading.Lock()
        self._scopes: frozenset[str] = frozenset()
        self._by_error: frozenset[str] = frozenset()
        self._read_at = -PAUSE_READ_S

    def kinds(self) -> list[WorkKind]:
        """Return the kinds of work that are not held as a whole."""
        return [kind for kind in WorkKind if not self._holds_kind(kind)]

    def hold(self, key: WorkKey) -> bool:
        """Say whether a piece of work has to wait for a brake."""
        scope = scope_of(key)
        return self._holds_kind(key.kind) or (scope == LEDGER and not self._is_bound()) or scope in self._paused()

    def put_on(self, scope: str, reason: str) -> None:
        """Pause an adapter that an error stopped; what a person or the breaker has paused stays theirs to resume."""
        held = self._journal.paused().get(scope)
        if held is None or held.reason.startswith(BY_ERROR):
            self._journal.pause(scope, BY_ERROR + reason)
        self._read_at = -PAUSE_READ_S

    def release(self, key: WorkKey) -> None:
        """Take off a brake that an error had put on, now that the work went well."""
        scope = scope_of(key)
        if scope in self._by_error and self._journal.resume(scope):
            log.info("adapter_resumed", scope=scope)
            self._read_at = -PAUSE_READ_S

    def _holds_kind(self, kind: WorkKind) -> bool:
        if (kind not in CAPTURING and not self._is_bound()) or (kind is WorkKind.SYNC and self._is_dry):
            return True
        return SPEAKS_TO.get(kind) in self._paused()

    def _paused(self) -> frozenset[str]:
        with self._lock:
            if time.monotonic() - self._read_at >= PAUSE_READ_S:
                self._read_at = time.monotonic()
                pauses = self._journal.paused()
                retried = self._journal.now() - timedelta(seconds=PAUSE_RETRY_S) if pauses else None
                self._by_error = frozenset(s for s, p in pauses.items() if p.reason.startswith(BY_ERROR))
                self._scopes = frozenset(
                    s for s, p in pauses.items() if s not in self._by_error or (retried and p.since > retried)
                )
            return self._scopes


def _trace(error: Exception) -> str:
    """The traceback's places without the error's text, which may quote what a customer wrote."""
    frames = traceback.extract_tb(error.__traceback__)
    return "\n".join(f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno} {frame.name}" for frame in frames[-8:])
