"""The engine for one process: threads that take keys from a short queue, which a scan of the due rows fills.

There is nothing to install, and a wake costs a microsecond. The queue is a cache of the work rows and nothing more: it
is bounded, what doesn't fit is dropped, and the scan finds it again. So it may not be trusted with a promise, and a
handler must claim its row, since the same key can come twice or come when its work is long done.

Trade-off: threads share one interpreter, so this engine is for work that waits on models and CRMs, not on computation.
Whoever needs more machines takes an engine that has them, behind the same port.
"""

import threading
import traceback
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import structlog
from pydantic import BaseModel, ConfigDict, Field

from sidecar.model import WorkKey
from sidecar.ports import Context, Due, Handler

_log = structlog.get_logger(__name__)


class EmbeddedOptions(BaseModel):
    """Settings of the embedded engine."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)

    scan_s: float = Field(1.0, ge=0.01, le=3_600, description="How often due rows are looked for, in seconds")
    max_queue: int = Field(1_000, ge=1, le=100_000, description="Keys that wait in memory; the rest wait in their rows")


class EmbeddedEngine:
    """Runs a handler for woken and due keys in threads of this process; serves once."""

    Options = EmbeddedOptions

    def __init__(self, name: str, options: EmbeddedOptions, context: Context) -> None:
        self.name = name
        self.options = options
        self.crashes = 0
        lock = threading.RLock()  # a signal may call `stop` in the very thread that is just waking a key
        self._waiting = threading.Condition(lock)  # workers: a key waits, or stop
        self._scanning = threading.Condition(lock)  # the scan: there may be more rows and room for them, or stop
        self._ended = threading.Condition(lock)  # stop and serve: a worker has ended
        self._queue: OrderedDict[WorkKey, None] = OrderedDict()  # in order of arrival, each key once
        self._running: set[WorkKey] = set()
        self._again: set[WorkKey] = set()  # woken while they ran
        self._left_out = False  # the rows hold keys that had no room in the queue
        self._alive = 0
        self._stopping = False
        self._abandoned = False

    def wake(self, keys: Sequence[WorkKey]) -> None:
        """Queue keys that are due; what has no room is left to the scan."""
        with self._waiting:
            if self._stopping:
                return
            for key in keys:
                if key in self._running:
                    self._again.add(key)
                elif key not in self._queue and not self._enqueue(key):
                    self._left_out = True

    def serve(self, handler: Handler, due: Due, concurrency: int) -> None:
        """Run until `stop`; returns when the handlers have ended, or when the grace of `stop` is over."""
        with self._waiting:
            if self._stopping:
                return
            self._alive += concurrency
        for number in range(concurrency):
            # Daemons, lest a handler that hangs keeps the process from ending after the grace.
            threading.Thread(target=self._work, args=(handler,), name=f"{self.name}-{number}", daemon=True).start()
        try:
            while not self._is_stopping():
                self._scan(due)
        finally:
            self._stop()
        with self._ended:
            self._ended.wait_for(lambda: not self._alive or self._abandoned)

    def stop(self, grace_s: float) -> bool:
        """Take no more, wait so many seconds for what runs; the rows of what still waits keep it due."""
        self._stop()
        with self._ended:
            all_ended = self._ended.wait_for(lambda: not self._alive, timeout=grace_s)
            self._abandoned = not all_ended
            self._ended.notify_all()
        return all_ended

    def _stop(self) -> None:
        with self._waiting:
            self._stopping = True
            self._queue.clear()
            self._again.clear()
            self._waiting.notify_all()
            self._scanning.notify_all()

    def _enqueue(self, key: WorkKey) -> bool:
        """Append a key if there is room; the lock is held."""
        if len(self._queue) >= self.options.max_queue:
            return False
        self._queue[key] = None
        self._waiting.notify()
        return True

    def _scan(self, due: Due) -> None:
        """Queue what is due, then wait for the next scan: its time, or room for what was left out."""
        limit = self.options.max_queue
        keys: Sequence[WorkKey] = ()
        with self._scanning:
            self._left_out = False  # before the rows are read: what is dropped from now on may be missing there
        try:
            keys = due(limit)
        except Exception as error:
            _log.error("engine_scan_failed", engine=self.name, error=type(error).__name__, where=_where(error))
        added = self._offer(keys)
        with self._scanning:
            # A full answer may hide more rows; if it brought nothing new, asking again at once would bring the same.
            self._left_out = self._left_out or (added > 0 and len(keys) >= limit)
            self._scanning.wait_for(lambda: self._stopping or self._has_room(), timeout=self.options.scan_s)

    def _offer(self, keys: Iterable[WorkKey]) -> int:
        """Queue keys that the rows call due, and say how many were new; those that run claimed their row already."""
        with self._waiting:
            if self._stopping:
                return 0
            new = [key for key in keys if key not in self._running and key not in self._queue]
            return sum(self._enqueue(key) for key in dict.fromkeys(new))

    def _is_stopping(self) -> bool:
        return self._stopping

    def _has_room(self) -> bool:
        return self._left_out and len(self._queue) <= self.options.max_queue // 2

    def _work(self, handler: Handler) -> None:
        try:
            while (key := self._take()) is not None:
                try:
                    handler(key)
                except BaseException as error:  # SystemExit too: whatever a handler raises, its thread goes on
                    self._count(key, error)
                self._release(key)
        finally:
            with self._ended:
                self._alive -= 1
                self._ended.notify_all()

    def _take(self) -> WorkKey | None:
        with self._waiting:
            while not self._queue:
                if self._stopping:
                    return None
                self._waiting.wait(self.options.scan_s)
            key, _ = self._queue.popitem(last=False)
            self._running.add(key)
            if self._has_room():
                self._scanning.notify()
            return key

    def _release(self, key: WorkKey) -> None:
        with self._waiting:
            self._running.discard(key)
            if key in self._again:
                self._again.discard(key)
                if not self._enqueue(key):
                    self._left_out = True

    def _count(self, key: WorkKey, error: BaseException) -> None:
        """Log a crash without its message, which may quote a customer."""
        with self._waiting:
            self.crashes += 1
        _log.error(
            "engine_handler_crashed",
            engine=self.name,
            kind=key.kind.value,
            key=key.key,
            error=type(error).__name__,
            where=_where(error),
        )


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return f"{frames[-1].name}:{frames[-1].lineno}" if frames else ""
