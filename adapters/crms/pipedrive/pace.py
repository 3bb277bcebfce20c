"""Keeps our calls under Pipedrive's limits, for all threads of a process together, by waiting before a call.

Two limits: a burst of calls in 2 s, which is waited for, and a day's budget of tokens that all of the company's tools
share, which is not: when it is spent, nothing is sent before it is renewed, because calls that ignore it get the whole
machine blocked. Nobody waits longer than a bound; beyond it, whoever asked is told when to come again.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo

from sidecar.errors import TemporaryError
from sidecar.ports import Clock

WINDOW_S = 2.0


class Pace:
    """At most so many calls in any window of two seconds."""

    def __init__(self, calls: int, nap: Callable[[float], object], monotonic: Callable[[], float] = time.monotonic):
        self._calls, self._nap, self._monotonic = calls, nap, monotonic
        self._lock = threading.Lock()
        self._slots: deque[float] = deque(maxlen=calls)
        self._not_before = 0.0

    def wait(self, max_wait_s: float) -> None:
        """Wait for a slot; `TemporaryError` when the next free one is further away than the bound."""
        with self._lock:
            now = self._monotonic()
            at = max(now, self._not_before)
            if len(self._slots) == self._calls:
                at = max(at, self._slots[0] + WINDOW_S)
            if at - now > max_wait_s:
                raise TemporaryError("Pipedrive's limit of calls is used up for now", retry_after_s=at - now)
            self._slots.append(at)
        if at > now:
            self._nap(at - now)

    def hold(self, seconds: float) -> None:
        """Let nobody call for so long: Pipedrive said that it is enough."""
        with self._lock:
            self._not_before = max(self._not_before, self._monotonic() + seconds)


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
