"""Keeps our calls within the day's tokens, which all of a company's tools share: no tokens, no calls.

Pipedrive has two limits: a burst of calls in 2 s, which is waited for, and this budget, which is not: when it is spent,
nothing is sent before it is renewed, because calls that ignore it get the whole machine blocked. Whoever asked is told
when to come again.
"""

import threading
from datetime import datetime, timedelta, tzinfo

from sidecar.errors import TemporaryError
from sidecar.ports import Clock


class Budget:
    """The day's tokens: once they are spent, nothing is sent before the midnight that renews them."""

    def __init__(self, clock: Clock, zone: tzinfo, reserve: int) -> None:
        self._clock, self._zone, self._reserve = clock, zone, reserve
        self._lock = threading.Lock()
        self._until: datetime | None = None
        self.left: int | None = None
        """Tokens of the day that Pipedrive said are left, None before it said so."""

    def check(self) -> None:
        """Raise `TemporaryError` until the budget is renewed."""
        with self._lock:
            now = self._clock()
            if self._until is not None and now < self._until:
                raise self.spent()
            self._until = None

    def learn(self, left: int | None) -> None:
        """Take in what an answer said is left; at the reserve it is over for the day."""
        if left is None:
            return
        with self._lock:
            self.left = left
            if left <= self._reserve:
                self._until = self._renewed_at()

    def exhaust(self) -> TemporaryError:
        """Take in a refusal for want of tokens; return what to raise."""
        self.learn(0)
        return self.spent()

    def spent(self) -> TemporaryError:
        """Return the error that says when to come again."""
        wait_s = (self._renewed_at() - self._clock()).total_seconds()
        return TemporaryError(
            "the company's tokens of this day are used up; it goes on at midnight", retry_after_s=wait_s
        )

    def _renewed_at(self) -> datetime:
        here = self._clock().astimezone(self._zone)
        midnight = (here + timedelta(days=1)).replace(hour=0, minute=0, second=1, microsecond=0)
        return midnight.astimezone(self._clock().tzinfo)
