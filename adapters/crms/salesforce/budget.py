"""The org's calls of the last 24 hours, which all of its tools share: near their end nothing more is sent.

Salesforce counts over a rolling day and tells on every answer how many were used, of how many. Nobody is told when they
come free, so after the reserve is reached, or a call was refused for want of calls, one is tried again now and then.
Source: API request limits, read 2026-11: `Sforce-Limit-Info: api-usage=18/15000`.
"""

import re
import threading
from datetime import datetime, timedelta

from sidecar.errors import TemporaryError
from sidecar.ports import Clock

PAUSE = timedelta(minutes=15)
_USAGE = re.compile(r"(?<![-\w])api-usage=(\d{1,12})/(\d{1,12})")


class Budget:
    """The day's calls of one org; safe to share between threads."""

    def __init__(self, clock: Clock, reserve: int) -> None:
        self._clock, self._reserve = clock, reserve
        self._lock = threading.Lock()
        self._until: datetime | None = None
        self.left: int | None = None
        """Calls that Salesforce said are left, None before it said so."""

    def check(self) -> None:
        """Raise `TemporaryError` while nothing may be sent."""
        with self._lock:
            now = self._clock()
            if self._until is not None and now < self._until:
                raise self._spent((self._until - now).total_seconds())
            self._until = None

    def learn(self, told: str | None) -> None:
        """Take in what an answer's header says was used; at the reserve it is enough for a while."""
        found = _USAGE.search(told or "")
        if found is None:
            return
        used, total = (int(number) for number in found.groups())
        with self._lock:
            self.left = max(0, total - used)
            if self.left <= self._reserve:
                self._until = self._clock() + PAUSE

    def exhaust(self) -> TemporaryError:
        """Take in a refusal for want of calls; return what to raise."""
        with self._lock:
            self.left = 0
            self._until = self._clock() + PAUSE
        return self._spent(PAUSE.total_seconds())

    @staticmethod
    def _spent(wait_s: float) -> TemporaryError:
        told = "the org's API calls of the last 24 hours are used up, or down to crm.reserve: it tries again later"
        return TemporaryError(told, retry_after_s=wait_s)
