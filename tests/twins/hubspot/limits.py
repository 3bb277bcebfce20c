"""How often the API may be called: bursts per app, searches per account, calls per day.

Bursts and searches are counted by a monotonic clock, since a test's clock may stand still; the day is the account's, by
the test's clock. A refused call is not counted, so that a client that waits is let in again.
Source: HubSpot's usage guidelines, 2026: 190 calls in ten seconds (Pro), 5 searches a second, 650,000 a day; headers
are absent on search, `Retry-After` is not promised.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass
class Limits:
    """The figures, which a test may change at any time, and what is used of them; None is no limit."""

    clock: Callable[[], datetime]
    time_zone: Callable[[], str]
    ticks: Callable[[], float] = time.monotonic
    burst: int | None = 190
    burst_window_s: float = 10.0
    search_per_s: int | None = 5
    daily: int = 650_000
    retry_after: bool = False
    _recent: deque[float] = field(default_factory=deque)
    _searches: deque[float] = field(default_factory=deque)
    _day: date | None = None
    _used: int = 0

    def refuse(self, is_search: bool) -> tuple[str, float] | None:
        """Count a call; return the policy that refuses it, and after how many seconds another would be let in."""
        now = self.ticks()
        if self.used_today() >= self.daily:
            return "DAILY", (self.next_midnight() - self.clock()).total_seconds()
        if is_search and self.search_per_s is not None:
            if (wait := _wait_s(self._searches, now, self.search_per_s, 1.0)) is not None:
                return "SECONDLY", wait
            self._searches.append(now)
        if self.burst is not None:
            if (wait := _wait_s(self._recent, now, self.burst, self.burst_window_s)) is not None:
                return "TEN_SECONDLY_ROLLING", wait
            self._recent.append(now)
        self._used += 1
        return None

    def headers(self) -> dict[str, str]:
        """Return the headers that tell a client where it stands; search answers don't bear them."""
        told = {
            "X-HubSpot-RateLimit-Daily": str(self.daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(self.daily - self.used_today(), 0)),
        }
        if self.burst is None:
            return told
        return told | {
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(int(self.burst_window_s * 1000)),
            "X-HubSpot-RateLimit-Max": str(self.burst),
            "X-HubSpot-RateLimit-Remaining": str(max(self.burst - len(self._recent), 0)),
        }

    def used_today(self) -> int:
        """Return how many calls of the account's day are used."""
        today = self.clock().astimezone(ZoneInfo(self.time_zone())).date()
        if today != self._day:
            self._day, self._used = today, 0
        return self._used

    def next_midnight(self) -> datetime:
        """Return when the day of the account's time zone ends, and with it the daily limit."""
        local = self.clock().astimezone(ZoneInfo(self.time_zone()))
        return (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def _wait_s(recent: deque[float], now: float, most: int, window_s: float) -> float | None:
    while recent and recent[0] <= now - window_s:
        recent.popleft()
    return recent[0] + window_s - now if recent and len(recent) >= most else (window_s if most == 0 else None)
