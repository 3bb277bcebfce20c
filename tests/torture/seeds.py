"""Bugs to be planted in a server from outside: the harness is believed because each of them makes it fail.

Each is a bug that real systems have had, as a patch on the running code. The product knows nothing of them.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from importlib import import_module
from typing import Any
from uuid import uuid4

OFTEN_PAGES = 200
"""Pages after which SQLite checkpoints by itself under `often_checkpointed`; the product's own figure is far larger."""
LATER_S = 0.5
"""How long after its answer an acknowledged delivery is written down, where that is the bug."""


def often_checkpointed() -> None:
    """No bug: checkpoints come often, so that a short run sees many of them."""
    _pragma("wal_autocheckpoint", OFTEN_PAGES)


def synchronous_normal() -> None:
    """Leave out the flush at each commit, as many guides advise."""
    _pragma("synchronous", "NORMAL")


def synchronous_off() -> None:
    """Leave out every flush."""
    _pragma("synchronous", "OFF")


def _pragma(name: str, value: object) -> None:
    database: Any = import_module("sidecar.journal.database")
    kept = tuple(p for p in database._PRAGMAS if not p.startswith(f"PRAGMA {name} "))
    assert len(kept) == len(database._PRAGMAS) - 1, f"the product sets no {name} any more"
    database._PRAGMAS = (*kept, f"PRAGMA {name} = {value}")


def synchronous_commit_off() -> None:
    """Let PostgreSQL say that a commit is done before it is flushed."""
    database: Any = import_module("sidecar.journal.database")
    settings = tuple(s.replace("synchronous_commit = on", "synchronous_commit = off") for s in database._SETTINGS)
    assert settings != database._SETTINGS, "the product sets no synchronous_commit any more"
    database._SETTINGS = settings


def ack_before_commit() -> None:
    """Say 2xx when the bytes are verified, and write them down a moment later."""
    intake: Any = import_module("sidecar.pipeline.intake").Intake
    receive = intake.receive

    def hasty(self: Any, channel: str, request: Any) -> Future[None]:
        threading.Timer(LATER_S, receive, (self, channel, request)).start()
        done: Future[None] = Future()
        done.set_result(None)
        return done

    intake.receive = hasty


def done_before_send() -> None:
    """End the work together with the intent, and write to the CRM afterwards."""
    book: Any = import_module("sidecar.journal").Journal
    finish: Any = import_module("sidecar.journal").Finish
    append, holds, ended = book.append, book.holds, set[Any]()

    def hasty(self: Any, entry: Any) -> Any:
        lease = entry.finish.lease if entry.finish else entry.fence
        if lease in ended:
            entry = replace(entry, finish=None, fence=None)
        elif entry.fence and any(fact.KIND == "change" for fact in entry.facts):
            ended.add(lease)
            entry = replace(entry, fence=None, finish=finish(lease, "done"))
        return append(self, entry)

    book.append = hasty
    book.holds = lambda self, lease: lease in ended or holds(self, lease)


def create_without_key() -> None:
    """Let each try to make a record be another one to the CRM."""
    _write_as(lambda write: replace(write, key=uuid4().hex) if hasattr(write, "key") else write)


def two_transactions() -> None:
    """Commit what was found first, and what has to be done about it afterwards."""
    book: Any = import_module("sidecar.journal").Journal
    commit = book.commit

    def parted(self: Any, entry: Any, *rest: Any, **named: Any) -> Any:
        if entry.finish and entry.touches and any(fact.KIND == "inference" for fact in entry.facts):
            commit(self, replace(entry, touches=(), finish=None, fence=entry.finish.lease), *rest, **named)
            entry = replace(entry, facts=(), texts={})
        return commit(self, entry, *rest, **named)

    book.commit = parted


def no_settle_time() -> None:
    """Look once what became of a write, and believe at once that it didn't happen."""

    def made(self: Any, cls: type[Any], *given: Any) -> None:
        cls.__init__(self, *given)
        self.capabilities = replace(self.capabilities, settle_s=0.0)

    _ledger_as(lambda cls: type(cls.__name__, (cls,), {"__init__": lambda self, *given: made(self, cls, *given)}))


def _write_as(changed: Callable[[Any], Any]) -> None:
    """Let the CRM be sent something else than what was meant."""

    def other(cls: type[Any]) -> type[Any]:
        def write(self: Any, writes: Any) -> Any:
            return cls.write(self, [changed(each) for each in writes])

        return type(cls.__name__, (cls,), {"write": write})

    _ledger_as(other)


def _ledger_as(other: Callable[[type[Any]], type[Any]]) -> None:
    table: Any = import_module("adapters")
    load = table.load

    def loading(adapters: Mapping[str, str], *given: Any) -> type[Any]:
        cls: type[Any] = load(adapters, *given)
        return other(cls) if adapters is table.LEDGERS else cls

    table.load = loading


SEEDS: Mapping[str, Callable[[], None]] = {
    seed.__name__: seed
    for seed in (
        often_checkpointed, synchronous_normal, synchronous_off, synchronous_commit_off, ack_before_commit,
        done_before_send, create_without_key, two_transactions, no_settle_time,
    )
}  # fmt: skip
