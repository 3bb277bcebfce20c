"""Bugs to be planted in a server from outside: the harness is believed because each of them makes it fail.

Each is a bug that real systems have had, as a patch on the running code. The product knows nothing of them.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

OFTEN_PAGES = 200
"""Pages after which SQLite checkpoints by itself under `often_checkpointed`; the product's own figure is far larger."""


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


SEEDS: Mapping[str, Callable[[], None]] = {
    seed.__name__: seed for seed in (often_checkpointed, synchronous_normal, synchronous_off)
}
