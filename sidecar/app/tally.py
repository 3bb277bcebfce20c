"""What only this process knows, counted as it happens: calls to the CRM and the model, answers at the door.

A count costs a lock and an addition, so it may stand in the way of a webhook; the library that prints metrics is
loaded by who asks for them. Labels come from closed sets, and each name holds at most `MAX_SERIES` of them, whatever an
adapter or a stranger comes up with: the rest is counted as "other". Counts begin at zero with the process, as scrapers
expect.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from sidecar.ports import Observe

BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
MAX_SERIES = 200
OTHER = "other"

Labels = tuple[str, ...]


@dataclass(slots=True)
class Timing:
    """How often something took how long: counts per bucket, the last one for what took longer than all of them."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    total_s: float = 0.0


class Tally:
    """Counts by name and labels; safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[str, dict[Labels, float]] = {}
        self._timings: dict[str, dict[Labels, Timing]] = {}

    def add(self, name: str, *labels: str, amount: float = 1.0) -> None:
        """Count something."""
        with self._lock:
            series = self._counts.setdefault(name, {})
            if labels not in series and len(series) >= MAX_SERIES:
                labels = (OTHER,) * len(labels)
            series[labels] = series.get(labels, 0.0) + amount

    def time(self, name: str, *labels: str, seconds: float) -> None:
        """Count how long something took."""
        with self._lock:
            series = self._timings.setdefault(name, {})
            if labels not in series and len(series) >= MAX_SERIES:
                labels = (OTHER,) * len(labels)
            timing = series.setdefault(labels, Timing())
            timing.counts[bisect_left(BUCKETS_S, seconds)] += 1
            timing.total_s += seconds

    def counts(self, name: str) -> Mapping[Labels, float]:
        """Return what was counted under a name."""
        with self._lock:
            return dict(self._counts.get(name, {}))

    def timings(self, name: str) -> Mapping[Labels, Timing]:
        """Return what was timed under a name."""
        with self._lock:
            return {labels: Timing(list(t.counts), t.total_s) for labels, t in self._timings.get(name, {}).items()}

    def observer(self, part: str) -> Observe:
        """Return what an adapter tells of its calls: `part` is its section of the config."""

        def observe(operation: str, status: int | None, seconds: float) -> None:
            self.add("http_calls", part, operation, "none" if status is None else str(status))
            self.time("http", part, operation, seconds=seconds)

        return observe
