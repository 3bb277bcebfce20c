"""The promises of the Engine port, numbered: every engine inherits them in a few lines.

An engine carries keys and nothing else, so the suite stands in for the worker and its rows: level-triggered counters
that are touched, claimed and found due as the journal's are. It holds an engine to what matters (due keys are handled,
one run of a key at a time, an orderly end) and to what makes it cheap (a burst of wakes costs one further run).

A test class gives the fixture `engine`: one that nobody else uses, with a scan that is short. Waits end as soon as what
they wait for has happened; `PATIENCE_S` only bounds how long a broken engine can hold up the run.

Seeds in the docstrings are the bugs in the embedded engine under which the test was seen to fail.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sidecar.model import WorkKey, WorkKind
from sidecar.ports import Engine

PATIENCE_S = 30.0


class Rows:
    """Work rows as an engine sees them: a handler claims what was touched, `due` lists what is not done.

    `gates` hold handlers back until they are set; `raises` are thrown by the handler of a key, once each. A `hidden`
    row is not found by scans, so that a test can count what wakes alone do.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.touched: Counter[WorkKey] = Counter()
        self.done: Counter[WorkKey] = Counter()
        self.runs: Counter[WorkKey] = Counter()
        self.running: Counter[WorkKey] = Counter()
        self.most_running = 0
        self.overlaps = 0
        self.scans = 0
        self.hidden = False
        self.gates: dict[WorkKey, threading.Event] = {}
        self.raises: dict[WorkKey, list[BaseException]] = {}

    def touch(self, *keys: WorkKey) -> None:
        """Make keys due."""
        with self.changed:
            self.touched.update(keys)

    def handle(self, key: WorkKey) -> None:
        """Claim a key, wait at its gate, and mark done what was touched before the claim."""
        with self.changed:
            claimed = self.touched[key]
            self.runs[key] += 1
            self.overlaps += self.running[key] > 0
            self.running[key] += 1
            self.most_running = max(self.most_running, self.running.total())
            self.changed.notify_all()
        try:
            if key in self.gates and not self.gates[key].wait(3 * PATIENCE_S):
                raise TimeoutError(f"{key} was never let through")
            if self.raises.get(key):
                raise self.raises[key].pop()
            with self.changed:
                self.done[key] = max(self.done[key], claimed)
        finally:
            with self.changed:
                self.running[key] -= 1
                self.changed.notify_all()

    def due(self, limit: int) -> Sequence[WorkKey]:
        """List keys that are due and not claimed, as the journal does."""
        with self.changed:
            self.scans += 1
            self.changed.notify_all()
            if self.hidden:
                return []
            keys = [key for key in self.touched if self.touched[key] > self.done[key] and not self.running[key]]
            return keys[:limit]

    def wait(self, happened: Callable[[], bool], what: str) -> None:
        """Wait until something has happened, or fail with its name."""
        with self.changed:
            assert self.changed.wait_for(happened, PATIENCE_S), f"never happened: {what}"

    def all_done(self) -> bool:
        """Say whether nothing is due and nothing runs."""
        return not self.running.total() and all(self.done[key] >= count for key, count in self.touched.items())


@contextmanager
def serving(engine: Engine, rows: Rows, concurrency: int = 2) -> Iterator[threading.Thread]:
    """Serve in a thread of its own, and end it in good order whatever the test finds."""
    errors: list[BaseException] = []

    def serve() -> None:
        try:
            engine.serve(rows.handle, rows.due, concurrency)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=serve, name="serve")
    thread.start()
    try:
        yield thread
    finally:
        for gate in rows.gates.values():
            gate.set()
        engine.stop(PATIENCE_S)
        thread.join(PATIENCE_S)
    assert not thread.is_alive(), "serve did not return after stop"
    assert not errors, errors


def keys(count: int) -> list[WorkKey]:
    """Return so many different keys."""
    return [WorkKey(WorkKind.PARTY, f"party-{number}") for number in range(count)]


class EngineContract:
    """What every engine promises."""

    def test_e1_each_woken_key_is_handled(self, engine: Engine) -> None:
        """E1: a key that is woken is handled, whatever its kind; seed: a thread that ends after one key."""
        rows = Rows()
        woken = [*keys(20), *(WorkKey(kind, "party-1") for kind in WorkKind)]
        rows.touch(*woken)
        with serving(engine, rows):
            engine.wake(woken)
            rows.wait(rows.all_done, "every woken key is done")
        assert set(rows.runs) == set(woken)

    def test_e2_a_lost_wake_is_made_good_by_the_scan(self, engine: Engine) -> None:
        """E2: what is due and was never woken is handled, early and late; seed: a scan that offers nothing."""
        rows = Rows()
        early, late = keys(2)
        rows.touch(early)
        with serving(engine, rows):
            rows.wait(rows.all_done, "what was due before is done")
            rows.touch(late)
            rows.wait(rows.all_done, "what became due without a wake is done")

    def test_e3_wakes_while_a_key_runs_cause_one_further_run(self, engine: Engine) -> None:
        """E3: what arrives during a run is seen by exactly one more; seeds: wakes while running dropped, or queued."""
        rows = Rows()
        rows.hidden = True
        key, sentinel = keys(2)
        rows.gates[key] = threading.Event()
        rows.touch(key)
        with serving(engine, rows, concurrency=1):
            engine.wake([key])
            rows.wait(lambda: rows.running[key] == 1, "the key runs")
            for _ in range(5):
                rows.touch(key)
                engine.wake([key])
            rows.gates[key].set()
            rows.wait(lambda: rows.done[key] == rows.touched[key], "the last touch is done")
            for count in range(1, 11):
                rows.touch(sentinel)
                engine.wake([sentinel])
                rows.wait(lambda count=count: rows.done[sentinel] >= count, "work behind it is done")  # type: ignore[misc]
        assert rows.runs[key] == 2

    def test_e3_wakes_while_a_key_waits_cause_one_run(self, engine: Engine) -> None:
        """E3: a burst of wakes of a waiting key costs one run; seed: a queue that holds a key twice."""
        rows = Rows()
        rows.hidden = True
        key, blocker, sentinel = keys(3)
        rows.gates[blocker] = threading.Event()
        rows.touch(blocker)
        with serving(engine, rows, concurrency=1):
            engine.wake([blocker])
            rows.wait(lambda: rows.running[blocker] == 1, "the blocker runs")
            rows.touch(key)
            for _ in range(5):
                engine.wake([key, key])
            rows.gates[blocker].set()
            rows.wait(rows.all_done, "the blocker and the key are done")
            rows.touch(sentinel)
            engine.wake([sentinel])
            rows.wait(rows.all_done, "work behind them is done")
        assert rows.runs[key] == 1

    def test_e4_no_key_runs_twice_at_once(self, engine: Engine) -> None:
        """E4: in one process a key has one run at a time; seeds: running keys queued by a wake, or by a late scan."""
        rows = Rows()
        key, *others = keys(5)
        rows.gates[key] = threading.Event()
        rows.touch(key)

        def due_and_late(limit: int) -> Sequence[WorkKey]:
            return [*Rows.due(rows, limit), key][:limit]

        rows.due = due_and_late  # type: ignore[method-assign]
        with serving(engine, rows, concurrency=4):
            rows.wait(lambda: rows.running[key] == 1, "the key runs")
            for _ in range(20):
                rows.touch(*others)
                engine.wake([key, *others])
                rows.wait(lambda: all(rows.done[other] == rows.touched[other] for other in others), "others are done")
            scans = rows.scans
            rows.wait(lambda: rows.scans > scans + 2, "scans have found the running key")
            rows.gates[key].set()
            rows.wait(rows.all_done, "all is done")
        assert rows.overlaps == 0

    def test_e5_a_failing_handler_stops_nobody(self, engine: Engine) -> None:
        """E5: more crashes than threads, and all else is still handled; seed: nothing but OSError caught."""
        rows = Rows()
        bad, good = keys(8)[:4], keys(8)[4:]
        errors = (ValueError("x"), RecursionError("x"), SystemExit(1), MemoryError("x"))
        rows.raises = {key: [error] for key, error in zip(bad, errors, strict=True)}
        rows.touch(*bad)
        with serving(engine, rows):
            engine.wake(bad)
            rows.wait(lambda: not any(rows.raises.values()), "every bad handler has raised")
            rows.touch(*good)
            engine.wake(good)
            rows.wait(rows.all_done, "good keys are done, and bad ones when they are tried again")

    def test_e5_a_failing_scan_stops_nobody(self, engine: Engine) -> None:
        """E5: a scan that fails is made again, and wakes work meanwhile; seed: errors of `due` not caught."""
        rows = Rows()
        woken, found = keys(2)
        failures = [OSError("the database is away")] * 3

        def due(limit: int) -> Sequence[WorkKey]:
            if failures:
                raise failures.pop()
            return Rows.due(rows, limit)

        rows.due = due  # type: ignore[method-assign]
        rows.touch(woken, found)
        with serving(engine, rows):
            engine.wake([woken])
            rows.wait(rows.all_done, "both keys are done")
        assert not failures

    def test_e6_stop_waits_for_what_runs_and_takes_no_more(self, engine: Engine) -> None:
        """E6: false while a handler runs, true when it has ended; what waited stays due; seed: stop keeps the queue."""
        rows = Rows()
        running, *waiting = keys(4)
        rows.gates[running] = threading.Event()
        rows.touch(running)
        with serving(engine, rows, concurrency=1):
            engine.wake([running])
            rows.wait(lambda: rows.running[running] == 1, "the key runs")
            rows.touch(*waiting)
            engine.wake(waiting)
            assert not engine.stop(0.01)
            engine.wake(waiting)
            rows.gates[running].set()
            assert engine.stop(PATIENCE_S)
            assert rows.done[running] == 1
        assert set(rows.runs) == {running}

    def test_e6_serve_returns_when_the_grace_is_over(self, engine: Engine) -> None:
        """E6: a handler that hangs can't keep the process from ending; seed: serve that waits for each handler."""
        rows = Rows()
        (key,) = keys(1)
        rows.gates[key] = threading.Event()
        rows.touch(key)
        with serving(engine, rows, concurrency=1) as thread:
            engine.wake([key])
            rows.wait(lambda: rows.running[key] == 1, "the key runs")
            assert not engine.stop(0.01)
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    def test_e7_concurrency_is_used_and_kept(self, engine: Engine) -> None:
        """E7: as many handlers run as were asked for, never more; seeds: one thread more, one thread fewer."""
        rows = Rows()
        many = keys(9)
        gate = threading.Event()
        rows.gates = dict.fromkeys(many, gate)
        rows.touch(*many)
        with serving(engine, rows, concurrency=3):
            engine.wake(many)
            rows.wait(lambda: rows.running.total() == 3, "three handlers run at once")
            scans = rows.scans
            rows.wait(lambda: rows.scans > scans + 2, "a fourth thread had its chance")
            gate.set()
            rows.wait(rows.all_done, "all is done")
        assert rows.most_running == 3

    def test_e8_wake_is_always_safe(self, engine: Engine) -> None:
        """E8: a wake before serving, from many threads, from a handler and after stop never raises and loses nothing;
        seed: wake that needs a served engine."""
        rows = Rows()
        first, follow, *many = keys(42)
        rows.touch(first)
        engine.wake([])
        engine.wake([first])
        handle = rows.handle

        def handle_and_wake(key: WorkKey) -> None:
            handle(key)
            if key == first:
                rows.touch(follow)
                engine.wake([follow])

        rows.handle = handle_and_wake  # type: ignore[method-assign]
        with serving(engine, rows):
            threads = [threading.Thread(target=_touch_and_wake, args=(rows, engine, key)) for key in many]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE_S)
            rows.wait(lambda: rows.done[follow] == 1 and rows.all_done(), "all is done")
        engine.wake(many)
        assert engine.stop(0)


def _touch_and_wake(rows: Rows, engine: Engine, key: WorkKey) -> None:
    rows.touch(key)
    engine.wake([key])
