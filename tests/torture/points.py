"""Crash points: places in a running server that are named, written down when first passed, and died at on demand.

They are set from outside, by wrapping the journal's calls and the CRM's. A commit is named for the facts that it holds
and the work that it ends, a CRM call for its verb and the kinds that it writes, each `before` and `after`: after a
commit means durable, with nobody told yet. So the list of points isn't kept by hand: a run that is left alone writes
down every one that it passes, and a kind of commit that is new tomorrow has its points tomorrow.
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

PASSED, DEATHS = "points.log", "deaths.log"
LEDGER_CALLS = ("find", "find_by_key", "linked", "read", "history", "write", "changed")
WAITS = {
    "first_backoff_s": ("sidecar.worker", "FIRST_BACKOFF_S"),
    "max_backoff_s": ("sidecar.worker", "MAX_BACKOFF_S"),
    "min_retry_s": ("sidecar.worker", "MIN_RETRY_S"),
    "park_after": ("sidecar.worker", "PARK_AFTER"),
}


def haste(waits: Mapping[str, float]) -> None:
    """Set constants of the product by name, so that a test needn't wait as long as operators do."""
    for name, value in waits.items():
        module, constant = WAITS[name]
        setattr(import_module(module), constant, type(getattr(import_module(module), constant))(value))


def watch(folder: Path, dies_at: str, nth: int) -> None:
    """Name every point that is passed, and die at one."""
    passed = _Passed(folder, dies_at, nth)
    _watch_journal(passed)
    _watch_ledger(passed)


def passed(folder: Path) -> Sequence[str]:
    """Return the points that servers in a folder have passed, each once, in order."""
    path = folder / PASSED
    return list(dict.fromkeys(path.read_text().splitlines())) if path.exists() else []


def deaths(folder: Path) -> int:
    """Return how many servers in a folder have died at the point that they were to die at."""
    path = folder / DEATHS
    return len(path.read_text().splitlines()) if path.exists() else 0


class _Passed:
    """Counts how often each point is passed, from all threads."""

    def __init__(self, folder: Path, dies_at: str, nth: int) -> None:
        self._file, self._deaths = (
            os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) for name in (PASSED, DEATHS)
        )
        self._counts: Counter[str] = Counter()
        self._dies_at, self._nth = dies_at, nth
        self._lock = threading.Lock()

    def at(self, point: str) -> None:
        with self._lock:
            self._counts[point] += 1
            if self._counts[point] == 1:
                os.write(self._file, f"{point}\n".encode())
            if point == self._dies_at and self._counts[point] == self._nth:
                os.write(self._deaths, f"{point}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)


def _watch_journal(passed: _Passed) -> None:
    book: Any = import_module("sidecar.journal").Journal
    append, claim = book.append, book.claim

    def watched_append(self: Any, entry: Any) -> Any:
        name = _commit(entry)
        passed.at(f"before {name}")
        future = append(self, entry)
        future.add_done_callback(lambda _: passed.at(f"after {name}"))
        return future

    def watched_claim(self: Any, keys: Sequence[Any], *rest: Any, **named: Any) -> Any:
        name = "claim " + _joined(key.kind.value for key in keys)
        passed.at(f"before {name}")
        leases = claim(self, keys, *rest, **named)
        passed.at(f"after {name}")
        return leases

    book.append, book.claim = watched_append, watched_claim


def _watch_ledger(passed: _Passed) -> None:
    """Wrap the configured CRM's calls as soon as it is made."""
    table: Any = import_module("adapters")
    table.LEDGERS["far"] = "tests.torture.far_crm:FarLedger"
    load = table.load

    def loading(adapters: Mapping[str, str], name: str, setting: str = "type") -> type[Any]:
        cls: type[Any] = load(adapters, name, setting)
        return _watched(cls, passed) if adapters is table.LEDGERS else cls

    table.load = loading


def _watched(cls: type[Any], passed: _Passed) -> type[Any]:
    def around(call: Callable[..., Any], verb: str) -> Callable[..., Any]:
        def wrapped(self: Any, *given: Any, **named: Any) -> Any:
            name = _write(given[0]) if verb == "write" else _joined((verb, *(g for g in given[:1] if type(g) is str)))
            passed.at(f"before {name}")
            result = call(self, *given, **named)
            passed.at(f"after {name}")
            return result

        return wrapped

    return type(cls.__name__, (cls,), {verb: around(getattr(cls, verb), verb) for verb in LEDGER_CALLS})


def _commit(entry: Any) -> str:
    ended = entry.finish.lease.work.kind.value if entry.finish else ""
    parts = ["commit", *sorted({fact.KIND for fact in entry.facts})]
    if entry.touches and not entry.facts and ended != "poll":  # what a poll finds is a matter of chance
        parts.append("due")
    return _joined([*parts, *(("end", ended, entry.finish.outcome) if ended else ())])


def _write(writes: Sequence[Any]) -> str:
    return "write " + "+".join(sorted({f"{type(write).__name__.lower()} {write.kind}" for write in writes}))


def _joined(words: Any) -> str:
    return " ".join(dict.fromkeys(words))
