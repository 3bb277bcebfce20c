"""How many calls the org may make in twenty-four hours, counted over a rolling day by the test's clock.

Source: Salesforce, "API request limits and allocations", 2026-11: 100,000 and 1,000 a licence for Enterprise,
told on every answer by `Sforce-Limit-Info`; beyond it 403 REQUEST_LIMIT_EXCEEDED, and no header says for how long.
A composite is one call, whatever it holds.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.twins.salesforce.errors import ApiError

DAY = timedelta(days=1)


@dataclass
class Limits:
    """The figures, which a test may change at any time, and the calls of the last day; other programs' are `others`."""

    clock: Callable[[], datetime]
    daily: int = 115_000
    others: int = 0
    _calls: deque[datetime] = field(default_factory=deque)

    def count(self) -> None:
        """Count a call, or raise where there is none left."""
        if self.used() >= self.daily:
            raise ApiError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)
        self._calls.append(self.clock())

    def used(self) -> int:
        """Return how many calls the last day had."""
        since = self.clock() - DAY
        while self._calls and self._calls[0] <= since:
            self._calls.popleft()
        return len(self._calls) + self.others

    def header(self) -> dict[str, str]:
        """Return what every answer tells."""
        return {"Sforce-Limit-Info": f"api-usage={self.used()}/{self.daily}"}
