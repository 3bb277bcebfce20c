"""Metrics in Prometheus' form: what the book knows is asked when somebody scrapes, what the process knows is counted.

A registry of our own, so that nothing gets in which isn't named here. Every query is bounded (`journal.gauges`), so a
scrape costs the same with ten conversations as with ten million. Labels are kinds, statuses, and names from the config;
a channel that is not configured any more is "other". Without a readable journal the rest is still told, because that is
when somebody looks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib import metadata
from threading import Lock
from typing import TYPE_CHECKING, Any

import structlog

from sidecar.app.health import ChannelHealth
from sidecar.app.tally import BUCKETS_S, OTHER, Labels, Timing
from sidecar.errors import SidecarError

if TYPE_CHECKING:
    from sidecar.app import App

_PREFIX = "sidecar_"
_log = structlog.get_logger(__name__)

COUNTED: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "activities": ("activities", "Activities by what was found out about whose they are", ("channel", "outcome")),
    "inferences": ("inferences", "Calls of the model by how they ended", ("model", "stop")),
    "tokens": ("tokens", "Tokens of the model", ("model", "kind")),
    "cost_usd": ("cost_usd", "What the model cost, in US dollars", ("model",)),
    "ledger_calls": ("ledger_calls", "Calls of the CRM's port by how they ended", ("operation", "status")),
    "http_calls": ("http_calls", "HTTP calls of adapters by status", ("part", "operation", "status")),
    "door_answers": ("door_answers", "Answers to webhooks by status", ("channel", "status")),
    "notices": ("notices", "Notices to the operators by how their delivery ended", ("way", "status")),
}
TIMED: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "inference": ("inference_seconds", "How long the model took", ("model",)),
    "ledger": ("ledger_seconds", "How long a call of the CRM's port took", ("operation",)),
    "door_to_crm": ("door_to_crm_seconds", "How long news of an appointment took from the door to the CRM", ("kind",)),
    "http": ("http_seconds", "How long an adapter's HTTP call took", ("part", "operation")),
}


class Metrics:
    """The metrics of one process."""

    def __init__(self, app: "App") -> None:
        from prometheus_client import CollectorRegistry, ProcessCollector

        self._app = app
        self._lock = Lock()  # one scrape at a time, so that impatient scrapers don't queue up in the database
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(app))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text form."""
        from prometheus_client import generate_latest

        with self._lock:
            return generate_latest(self._registry)


class _Collector:
    def __init__(self, app: "App") -> None:
        self._app = app

    def describe(self) -> Iterator[Any]:
        """Name nothing beforehand: that would take a look at the journal."""
        return iter(())

    def collect(self) -> Iterator[Any]:
        yield from self._process()
        book: list[Any] = []
        is_readable = True
        try:
            book += self._book()
        except SidecarError as error:
            _log.warning("metrics_incomplete", error=type(error).__name__)
            is_readable = False
        yield from book
        yield _gauge("journal_readable", "Whether the journal could be asked", is_readable)

    def _process(self) -> Iterator[Any]:
        tally = self._app.tally
        for key, (name, words, labels) in COUNTED.items():
            yield _counter(name, words, labels, tally.counts(key))
        for key, (name, words, labels) in TIMED.items():
            yield _histogram(name, words, labels, tally.timings(key))
        settings = self._app.settings
        labels = ("version", "crm", "llm")
        values: dict[Labels, float] = {(metadata.version("crm-sidecar"), settings.crm.type, settings.llm.type): 1.0}
        yield _gauges("info", "What runs here", labels, values)

    def _book(self) -> Iterator[Any]:
        journal, settings = self._app.journal, self._app.settings
        now = journal.now()
        deliveries: dict[Labels, float] = {}
        for name, number in journal.deliveries().items():
            label = (self._channel(name),)
            deliveries[label] = deliveries.get(label, 0.0) + number
        yield _counter("deliveries", "Deliveries that channels brought", ("channel",), deliveries)
        seen = {name: at for name, at in journal.last_seen().items() if self._knows(name)}
        ages: dict[Labels, float] = {(name,): (now - at).total_seconds() for name, at in seen.items()}
        yield _gauges("channel_silent_seconds", "How long ago a channel brought something", ("channel",), ages)
        yield from _channels(self._app.conditions.health.now(), now)
        work: dict[Labels, float] = {(kind.value, state): n for (kind, state), n in journal.open_work().items()}
        yield _gauges("work", "Work that is not done", ("kind", "state"), work)
        oldest = self._app.conditions.oldest_due()
        age_s = (now - oldest).total_seconds() if oldest else 0.0
        yield _gauge("work_oldest_due_seconds", "How long the oldest work has been due that no brake holds", age_s)
        paused: dict[Labels, float] = {(scope,): 1.0 for scope in journal.paused()}
        yield _gauges("paused", "Brakes that are on", ("scope",), paused)
        yield _gauge("spent_today_usd", "What the model cost today", self._app.conditions.spent_usd())
        yield _gauge("budget_usd", "What the model may cost a day", settings.llm.daily_usd)
        yield _gauge("journal_bytes", "How much room the journal takes", journal.size_bytes())
        free = self._app.conditions.free_bytes()
        if free is not None:
            yield _gauge("disk_free_bytes", "How much room is left beside the journal", free)
        found: dict[Labels, float] = {(c.rule, c.subject): 1.0 for c in self._app.conditions.now()}
        yield _gauges("condition", "What is wrong, as /readyz says it in words", ("rule", "subject"), found)

    def _knows(self, channel: str) -> bool:
        return channel in self._app.settings.channels

    def _channel(self, name: str) -> str:
        return name if self._knows(name) else OTHER


def _channels(healths: Sequence[ChannelHealth], now: datetime) -> Iterator[Any]:
    """What `sidecar channels` shows; a figure that isn't known is left out."""
    figures: Mapping[str, tuple[str, Callable[[ChannelHealth], float | None]]] = {
        "today": ("Activities of today", lambda h: h.today),
        "expected": ("Activities that are usual by now on this day of the week", lambda h: h.expected_by_now),
        "missed": ("Activities that are usual in the time since the last one", lambda h: h.missed),
        "polled_seconds": ("How long ago a poll came to its end", lambda h: _ago(now, h.polled_at)),
        "subscription_seconds": ("How long the first subscription to end still holds", lambda h: -(
            _ago(now, min(h.subscriptions.values())) or 0.0) if h.subscriptions else None),
        "unreadable_ratio": ("Share of the day's deliveries that waits for a person", lambda h: h.unreadable_share),
        "unread": ("Deliveries of the day that brought no activity", lambda h: h.unread),
    }  # fmt: skip
    for name, (words, figure) in figures.items():
        values: dict[Labels, float] = {(h.name,): float(v) for h in healths if (v := figure(h)) is not None}
        yield _gauges(f"channel_{name}", words, ("channel",), values)
    lags: dict[Labels, float] = {}
    for health in healths:
        for quantile, lag_s in (("0.5", health.lag_p50_s), ("0.95", health.lag_p95_s)):
            if lag_s is not None:
                lags[health.name, quantile] = float(lag_s)
    yield _gauges("channel_lag_seconds", "How late things came within a day, at most", ("channel", "quantile"), lags)


def _ago(now: datetime, at: datetime | None) -> float | None:
    return None if at is None else (now - at).total_seconds()


def _counter(name: str, words: str, labels: tuple[str, ...], values: Mapping[Labels, float]) -> Any:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(_PREFIX + name, words, labels=labels)
    for given, value in sorted(values.items()):
        family.add_metric(given, value)
    return family


def _gauge(name: str, words: str, value: float) -> Any:
    return _gauges(name, words, (), {(): value})


def _gauges(name: str, words: str, labels: tuple[str, ...], values: Mapping[Labels, float]) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(_PREFIX + name, words, labels=labels)
    for given, value in sorted(values.items()):
        family.add_metric(given, value)
    return family


def _histogram(name: str, words: str, labels: tuple[str, ...], timings: Mapping[Labels, Timing]) -> Any:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(_PREFIX + name, words, labels=labels)
    for given, timing in sorted(timings.items()):
        total, buckets = 0, []
        for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), timing.counts, strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric(given, buckets, timing.total_s)
    return family
