"""The embedded engine under the contract, and what only it can show: its bounded queue and its options."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from adapters.engines.embedded import EmbeddedEngine, EmbeddedOptions
from sidecar.model import Own, WorkKey
from sidecar.ports import Context, Engine
from tests.contract.engine import EngineContract, Rows, keys, serving

CONTEXT = Context(lambda: datetime(2026, 1, 5, 9, tzinfo=UTC), Own(), Path(), lambda env, file: "")
NEVER_S = 3_600.0


def embedded(scan_s: float = 0.02, max_queue: int = 1_000) -> EmbeddedEngine:
    """Build an engine."""
    return EmbeddedEngine("embedded", EmbeddedOptions(scan_s=scan_s, max_queue=max_queue), CONTEXT)


class TestEmbeddedEngine(EngineContract):
    """The engine as it comes."""

    @pytest.fixture
    def engine(self) -> Engine:
        """Return an engine that scans often."""
        return embedded()


class TestEmbeddedEngineWithATinyQueue(EngineContract):
    """The engine when nearly every wake is dropped: the promises are the same."""

    @pytest.fixture
    def engine(self) -> Engine:
        """Return an engine whose queue holds one key."""
        return embedded(max_queue=1)


def test_wakes_alone_carry_the_work() -> None:
    """A wake doesn't wait for the next scan; seen to fail with a wake that only sets a flag."""
    rows, engine = Rows(), embedded(scan_s=NEVER_S)
    with serving(engine, rows):
        rows.wait(lambda: rows.scans == 1, "the first scan is made")
        rows.touch(*keys(50))
        engine.wake(keys(50))
        rows.wait(rows.all_done, "all is done")
    assert rows.scans == 1


def test_a_dropped_wake_brings_the_scan_forward() -> None:
    """What had no room is found as soon as there is room; seen to fail with drops that are not remembered."""
    rows, engine = Rows(), embedded(scan_s=NEVER_S, max_queue=4)
    with serving(engine, rows):
        rows.wait(lambda: rows.scans == 1, "the first scan is made")
        rows.touch(*keys(50))
        engine.wake(keys(50))
        rows.wait(rows.all_done, "all is done")


def test_a_backlog_is_worked_off_without_pauses() -> None:
    """A queue is refilled when it runs low, not when a scan is due; seen to fail without a look at full answers."""
    rows, engine = Rows(), embedded(scan_s=NEVER_S, max_queue=8)
    rows.touch(*keys(200))
    with serving(engine, rows):
        rows.wait(rows.all_done, "all is done")


def test_the_queue_is_bounded() -> None:
    """A flood of wakes costs no memory; seen to fail without the limit."""
    rows, engine = Rows(), embedded(max_queue=10)
    asked = []

    def due(limit: int) -> Sequence[WorkKey]:
        asked.append(limit)
        return Rows.due(rows, limit)

    rows.due = due  # type: ignore[method-assign]
    rows.touch(*keys(1_000))
    engine.wake(keys(1_000))
    assert len(engine._queue) == 10
    with serving(engine, rows):
        rows.wait(rows.all_done, "all is done")
    assert set(asked) == {10}


def test_rows_that_stay_due_are_not_scanned_in_a_circle() -> None:
    """A full answer of nothing new waits for the next scan; seen to fail with a scan after each full answer."""
    rows, engine = Rows(), embedded(scan_s=NEVER_S, max_queue=1)
    (key,) = keys(1)
    rows.gates[key] = threading.Event()
    rows.touch(key)
    scans = 0

    def due(limit: int) -> Sequence[WorkKey]:
        nonlocal scans
        scans += 1
        return [key]

    rows.due = due  # type: ignore[method-assign]
    with serving(engine, rows, concurrency=1):
        rows.wait(lambda: rows.running[key] == 1, "the key runs")
        rows.gates[key].set()
        rows.wait(rows.all_done, "the key is done")
    assert scans <= rows.runs[key] + 1


def test_a_crash_is_counted_and_logged_without_its_words() -> None:
    """An operator learns where and what kind, never what a customer wrote; seen to fail with the message logged."""
    rows, engine = Rows(), embedded()
    (key,) = keys(1)
    rows.raises[key] = [ValueError("Ann Lee, +44 20 7946 0000")]
    rows.touch(key)
    with capture_logs() as logs, serving(engine, rows):
        rows.wait(rows.all_done, "the key is done")
    assert engine.crashes == 1
    assert [(log["event"], log["key"], log["error"]) for log in logs] == [
        ("engine_handler_crashed", key.key, "ValueError")
    ]
    assert "Ann" not in str(logs)


def test_options_are_bounded() -> None:
    """A scan without a pause, or a queue without an end, can't be asked for; seen to fail without the bounds."""
    for wrong in ({"scan_s": 0}, {"scan_s": float("inf")}, {"max_queue": 0}, {"max_queue": 10**9}, {"threads": 4}):
        with pytest.raises(ValidationError):
            EmbeddedOptions.model_validate(wrong)
