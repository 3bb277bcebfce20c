"""What an account is like, asked for seldom: it costs calls, and changes by an admin's hand alone.

Each thing is looked up by whoever asks first, the others wait for it, and it is remembered for a bounded time. The
trade-off: one look at a time, also of things that have nothing to do with each other, since one look asks for others.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar, cast

from sidecar.ports import Clock

FRESH = timedelta(seconds=5)
"""How young a list of fields is taken at its word about what isn't in it."""
T = TypeVar("T")


class Remembered:
    """Things by name, each for `keep_s`; safe to share between threads."""

    def __init__(self, clock: Clock, keep_s: float) -> None:
        self._clock, self._keep = clock, timedelta(seconds=keep_s)
        self._lock = threading.RLock()
        self._held: dict[str, tuple[datetime, object]] = {}

    def get(self, name: str, look: Callable[[], T]) -> T:
        """Return what a name stands for; `look` is called for what isn't known, or is too old."""
        with self._lock:
            now = self._clock()
            found = self._held.get(name)
            if found and now - found[0] < self._keep:
                return cast(T, found[1])
            made = look()
            self._held[name] = (now, made)
            return made

    def known(self, name: str) -> object:
        """Return what was seen last under a name, however long ago, without waiting; None for nothing."""
        return self._held.get(name, (None, None))[1]

    def forget(self, *names: str) -> None:
        """Look these up anew."""
        with self._lock:
            for name in names:
                self._held.pop(name, None)

    def forget_all_but(self, *names: str) -> None:
        """Look everything else up anew."""
        with self._lock:
            self._held = {name: held for name, held in self._held.items() if name in names}
