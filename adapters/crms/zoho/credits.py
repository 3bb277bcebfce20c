"""The org's API credits, which all of its tools share over a rolling day: what is left, and when to stop.

Zoho says how many are left only once half of them are used, and its 429 doesn't say whether credits or places for calls
at once have run out. So what it said last decides: with credits left, or nothing said, it was too many calls at once.
When no more than the reserve is left, nothing is sent for a quarter of an hour, since the day rolls and frees some.
"""

import threading
from datetime import datetime, timedelta

from sidecar.errors import TemporaryError
from sidecar.ports import Clock

HEADER = "x-api-credits-remaining"
PAUSE = timedelta(minutes=15)


class Credits:
    """What is left of the org's credits; safe to share between threads."""

    def __init__(self, clock: Clock, reserve: int) -> None:
        self._clock, self._reserve = clock, reserve
        self._lock = threading.Lock()
        self._until: datetime | None = None
        self.left: int | None = None
        """Credits that Zoho said are left, None before it said so."""

    def check(self) -> None:
        """Raise `TemporaryError` while nothing may be sent."""
        with self._lock:
            if self._until is not None and self._clock() < self._until:
                raise self._spent(self._until)
            self._until = None

    def learn(self, left: int | None) -> None:
        """Take in what an answer said is left; one that says nothing says that half of them are."""
        with self._lock:
            self.left = left
            if left is not None and left <= self._reserve:
                self._until = self._clock() + PAUSE

    def exhaust(self) -> TemporaryError | None:
        """Take in a refusal; return what to raise if it was for want of credits."""
        with self._lock:
            if self.left is None or self.left > self._reserve:
                return None
            self._until = self._clock() + PAUSE
            return self._spent(self._until)

    def _spent(self, until: datetime) -> TemporaryError:
        wait_s = (until - self._clock()).total_seconds()
        return TemporaryError("the org's API credits are used up; it goes on as they come back", retry_after_s=wait_s)
