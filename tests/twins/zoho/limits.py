"""How much the API may be used: credits of a rolling day, and calls at once.

A refused call costs nothing, waits for nothing, and doesn't say which of the two it met. What is left is told only from
half of the day's credits on. Source: Zoho's API limits page and the facts of other integrators, 2026; the calls at once
are by edition (not verified). Left out: the second limit of heavy calls at once.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

DAY = timedelta(hours=24)
EDITIONS = {
    "free": (5000, 0, 5000, 5), "standard": (50_000, 250, 100_000, 10), "professional": (50_000, 500, 3_000_000, 15),
    "enterprise": (50_000, 1000, 5_000_000, 20), "ultimate": (50_000, 2000, None, 25),
}  # fmt: skip
"""Edition -> credits a day, more for each user, at most, and calls at once."""


@dataclass
class Limits:
    """The figures, which a test may change at any time, and what is used of them.

    `daily` and `at_once` stand in for the edition's; `others` is how many calls others have under way.
    """

    clock: Callable[[], datetime]
    edition: Callable[[], tuple[str, int]]
    daily: int | None = None
    at_once: int | None = None
    others: int = 0
    spent_ever: int = 0
    _spent: deque[tuple[datetime, int]] = field(default_factory=deque)
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, weight: int) -> bool:
        """Take room for a call, and tell whether there was any."""
        most = self.at_once if self.at_once is not None else EDITIONS[self.edition()[0]][3]
        with self._lock:
            if self._under_way + self.others + weight > most:
                return False
            self._under_way += weight
            return True

    def leave(self, weight: int) -> None:
        """Give the room back."""
        with self._lock:
            self._under_way -= weight

    def spend(self, credits: int) -> bool:
        """Spend credits, and tell whether there were as many."""
        if self.used() + credits > self.whole_day():
            return False
        self._spent.append((self.clock(), credits))
        self.spent_ever += credits
        return True

    def used(self) -> int:
        """Return what was spent in the last 24 hours."""
        while self._spent and self._spent[0][0] <= self.clock() - DAY:
            self._spent.popleft()
        return sum(credits for _, credits in self._spent)

    def whole_day(self) -> int:
        """Return how many credits there are for 24 hours."""
        edition, users = self.edition()
        base, each, most, _ = EDITIONS[edition]
        return self.daily if self.daily is not None else min(base + each * users, most or base + each * users)

    def headers(self) -> dict[str, str]:
        """Return the header that tells what is left, which is there from half of the day on."""
        used, whole = self.used(), self.whole_day()
        return {"X-API-CREDITS-REMAINING": str(whole - used)} if used * 2 >= whole else {}
