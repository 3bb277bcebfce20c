"""How much the API may be used: tokens of a day for the company, requests in two seconds for a token.

Bursts are counted by a monotonic clock, since a test's clock may stand still; the day is the server's, by the test's
clock. A refused call costs nothing, and who doesn't listen is shut out by the edge in front of the API.
Source: Pipedrive's rate limiting guide and reports from live accounts, 2026: 30,000 tokens a day times plan and seats,
bursts by plan in two seconds, search 10 on every plan; `x-ratelimit-reset` is seconds from now, not a time; the daily
429 bears a `retry-after` that means nothing; the daily headers are undocumented and sometimes missing.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

SEAT_TOKENS = 30_000
PLANS = {"lite": (1, 20), "growth": (2, 40), "premium": (5, 100), "ultimate": (7, 120)}
"""Plan -> (times the daily tokens of a seat, requests in two seconds)."""
MISLEADING_S = 2


@dataclass
class Limits:
    """The figures, which a test may change at any time, and what is used of them; None is no limit.

    `patience` is how many refusals in a row are borne before the edge shuts a token out, for `block_s`.
    """

    clock: Callable[[], datetime]
    ticks: Callable[[], float] = time.monotonic
    plan: str = "growth"
    seats: int = 5
    daily_tokens: int | None = None
    burst: int | None = None
    search_burst: int | None = 10
    burst_window_s: float = 2.0
    unlimited_bursts: bool = False
    server_time_zone: str = "UTC"
    tells_daily: bool = True
    patience: int = 50
    block_s: float = 60.0
    spent: int = 0
    _recent: dict[tuple[str, bool], deque[float]] = field(default_factory=lambda: defaultdict(_window))
    _refused: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _blocked_until: dict[str, float] = field(default_factory=dict)
    _day: date | None = None

    def refuse(self, token: str, is_search: bool, tokens: int) -> tuple[str, float] | None:
        """Count a call of a token; return what refuses it (`blocked`, `daily`, `burst`), and for how many seconds."""
        now = self.ticks()
        if now < self._blocked_until.get(token, 0.0):
            return "blocked", self._blocked_until[token] - now
        refused = self._refusal(token, is_search, tokens, now)
        if refused is None:
            self._refused[token] = 0
            return None
        self._refused[token] += 1
        if self._refused[token] > self.patience:
            self._refused[token], self._blocked_until[token] = 0, now + self.block_s
            return "blocked", self.block_s
        return refused

    def _refusal(self, token: str, is_search: bool, tokens: int, now: float) -> tuple[str, float] | None:
        if self.used_today() + tokens > self.daily():
            return "daily", MISLEADING_S
        windows: list[tuple[deque[float], int | None]] = [(self._recent[token, False], self.per_window())]
        if is_search:
            windows.append((self._recent[token, True], self.search_burst))
        if not self.unlimited_bursts:
            for recent, most in windows:
                while recent and recent[0] <= now - self.burst_window_s:
                    recent.popleft()
                if most is not None and len(recent) >= most:
                    return "burst", (recent[0] + self.burst_window_s - now) if recent else self.burst_window_s
        for recent, _ in windows:
            recent.append(now)
        self.spent += tokens
        return None

    def headers(self, token: str, is_search: bool) -> dict[str, str]:
        """Return the headers that tell where a token stands."""
        limit = self.search_burst if is_search else self.per_window()
        recent = self._recent[token, is_search]
        wait_s = recent[0] + self.burst_window_s - self.ticks() if recent else self.burst_window_s
        told = {
            "x-ratelimit-limit": str(limit), "x-ratelimit-remaining": str(max((limit or 0) - len(recent), 0)),
            "x-ratelimit-reset": str(max(round(wait_s), 1)),
        }  # fmt: skip
        if self.tells_daily:
            left = str(max(self.daily() - self.used_today(), 0))
            told |= {
                "x-daily-ratelimit-token-limit": str(self.daily()), "x-daily-ratelimit-token-remaining": left,
                "x-daily-requests-left": left,
            }  # fmt: skip
        return told

    def per_window(self) -> int:
        """Return how many requests a token may make in two seconds."""
        return self.burst if self.burst is not None else PLANS[self.plan][1]

    def daily(self) -> int:
        """Return how many tokens the company has a day."""
        return self.daily_tokens if self.daily_tokens is not None else SEAT_TOKENS * PLANS[self.plan][0] * self.seats

    def used_today(self) -> int:
        """Return how many tokens of the server's day are used."""
        today = self.clock().astimezone(ZoneInfo(self.server_time_zone)).date()
        if today != self._day:
            self._day, self.spent = today, 0
        return self.spent

    def next_midnight(self) -> datetime:
        """Return when the server's day ends."""
        local = self.clock().astimezone(ZoneInfo(self.server_time_zone))
        return (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def _window() -> deque[float]:
    return deque(maxlen=10_000)
