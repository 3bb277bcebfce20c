"""A log that strangers can't fill: one line a second for each thing that they can cause, with a count.

The door is open to everybody, so a line for each refused request would let anybody fill the disk. The counts keep what
matters: that it happens, and how often.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

EVERY_S = 1.0
MAX_KINDS = 1_000


class SparingLog:
    """Says the same at most once a second; a later line says how many were held back. For one thread."""

    def __init__(self, log: Any, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._monotonic_s = monotonic_s
        self._said_at: dict[tuple[str, ...], float] = {}
        self._held_back: Counter[tuple[str, ...]] = Counter()

    def say(self, level: str, event: str, reason: str | None = None, **values: str | int) -> None:
        """Log an event, unless one with the same values, whatever its reason, was logged within the last second."""
        kind = (event, *map(str, values.values()))
        now = self._monotonic_s()
        if now - self._said_at.get(kind, -EVERY_S) < EVERY_S:
            self._held_back[kind] += 1
            return
        if len(self._said_at) >= MAX_KINDS:
            self._said_at.clear()
            self._held_back.clear()
        self._said_at[kind] = now
        more = {} if reason is None else {"reason": reason}
        getattr(self._log, level)(event, **values, **more, held_back=self._held_back.pop(kind, 0))
