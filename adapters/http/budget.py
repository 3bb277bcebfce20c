"""The calls that a vendor gives for a day, which all of a customer's tools share: near their end nothing more is sent.

Unlike a window of seconds (`patience`) nobody waits for it within a call: whoever asks is told when to come again. A
reserve is left to the customer's other tools. Calls that ignore a spent budget get a machine blocked as a whole, so
they end here and don't reach the vendor.

The trade-off: where a vendor's day rolls, nobody is told when calls come free, so one is tried again now and then.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo

from sidecar.errors import TemporaryError
from sidecar.ports import Clock

PAUSE = timedelta(minutes=15)


def pausing(now: datetime) -> datetime:
    """Return when a budget over the last 24 hours is tried again."""
    return now + PAUSE


def at_midnight(zone: tzinfo) -> Callable[[datetime], datetime]:
    """Return what says when a budget is renewed by the midnight of a zone."""

    def renewed(now: datetime) -> datetime:
        midnight = (now.astimezone(zone) + timedelta(days=1)).replace(hour=0, minute=0, second=1, microsecond=0)
        return midnight.astimezone(now.tzinfo)

    return renewed


class Budget:
    """What is left of a day; `told` says in an error that it is over. Safe to share between threads."""

    def __init__(
        self, clock: Clock, reserve: int, told: str, renewed: Callable[[datetime], datetime] = pausing
    ) -> None:
        self._clock, self._reserve, self._told, self._renewed = clock, reserve, told, renewed
        self._lock = threading.Lock()
        self._until: datetime | None = None
        self.left: int | None = None
        """What the vendor said is left, None while it hasn't said so."""

    @property
    def is_spent(self) -> bool:
        """Say whether no more than the reserve was left when the vendor last said so."""
        return self.left is not None and self.left <= self._reserve

    def check(self) -> None:
        """Raise `TemporaryError` while nothing may be sent."""
        with self._lock:
            now = self._clock()
            if self._until is not None and now < self._until:
                raise self._over(self._until - now)
            self._until = None

    def learn(self, left: int | None) -> None:
        """Take in what is left, None for unknown; at the reserve it is enough until the budget is renewed."""
        with self._lock:
            self.left = left
            if self.is_spent:
                self._until = self._renewed(self._clock())

    def exhaust(self) -> TemporaryError:
        """Take in a refusal because the budget is spent; return what to raise."""
        with self._lock:
            now = self._clock()
            self.left, self._until = 0, self._renewed(now)
            return self._over(self._until - now)

    def _over(self, wait: timedelta) -> TemporaryError:
        return TemporaryError(self._told, retry_after_s=wait.total_seconds())
