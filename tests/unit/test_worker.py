"""The worker: each error has its one consequence, one input never harms another, and logs hold nobody's words."""

import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from sidecar.errors import ConfigError, LeaseLost, PermanentError, SidecarError, TemporaryError
from sidecar.journal import Entry, Finish, Touch
from sidecar.model import Lease, WorkKey, WorkKind, WorkRow
from sidecar.worker import ALONE_AFTER, PARK_AFTER, PAUSE_RETRY_S, Worker
from tests.support.houses import House, buys

Open = Callable[..., House]
CANARY = "canary-7f3a-Ann-Lee"
WORK = WorkKey(WorkKind.WATCH, "party-x")


class Pipe:
    """A pipeline that does whatever a test wants of one piece of work, and counts."""

    def __init__(self, house: House, do: Callable[[Lease], None]) -> None:
        self.parts = house.app.pipeline.parts
        self.do = do
        self.leases: list[Lease] = []

    def run(self, lease: Lease) -> None:
        """Do it."""
        self.leases.append(lease)
        self.do(lease)
        self.parts.journal.commit(Entry(finish=Finish(lease, "done")))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house."""
    with House(tmp_path, "sqlite:///journal.db", buys()) as opened:
        yield opened.start()


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What is logged, as JSON."""
    held = structlog.get_config()
    stream = io.StringIO()
    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.dict_tracebacks,
        structlog.processors.JSONRenderer(default=repr),
    ]
    structlog.configure(
        processors=processors, logger_factory=structlog.PrintLoggerFactory(stream), cache_logger_on_first_use=False
    )
    yield stream
    structlog.configure(**held)


def due(house: House, *keys: WorkKey) -> None:
    """Make work due."""
    house.journal.commit(Entry(touches=tuple(Touch(key) for key in keys or (WORK,))))


def row(house: House, key: WorkKey = WORK) -> WorkRow:
    """The row of a piece of work."""
    return next(found for found in house.journal.work() if found.work == key)


def worker(house: House, do: Callable[[Lease], None], **more: Any) -> tuple[Worker, Pipe]:
    """A worker over a pipeline of the test's own."""
    pipe = Pipe(house, do)
    return Worker(pipe, seed=1, **more), pipe  # type: ignore[arg-type]  # the worker asks for run and parts alone


def raising(error: Exception) -> Callable[[Lease], None]:
    """Something that always fails in the same way."""

    def fail(lease: Lease) -> None:
        raise error

    return fail


# Errors, named for who must act next --------------------------------------------------------------------------------


def test_what_time_mends_waits_for_as_long_as_the_other_side_says(house: House) -> None:
    """Retry-After is obeyed; seen to fail with our own backoff in its place."""
    due(house)
    worker(house, raising(TemporaryError("busy", retry_after_s=77.0)))[0].run_until_idle()
    found = row(house)
    assert found.state == "waiting" and found.not_before is not None
    assert (found.not_before - house.clock()).total_seconds() == 77.0


@pytest.mark.parametrize("asked_s", [0.0, -5.0])
def test_nobody_can_make_us_spin(house: House, asked_s: float) -> None:
    """A server that says "now" is not asked in a loop; seen to fail with its number taken as it is."""
    due(house)
    working, pipe = worker(house, raising(TemporaryError("busy", retry_after_s=asked_s)))
    working.run_until_idle(timeout_s=30)
    assert len(pipe.leases) == 1


def test_each_try_waits_longer_up_to_a_bound(house: House) -> None:
    """An outage is not hammered, and its end is noticed in time; seen to fail with a constant pause."""
    due(house)
    working, pipe = worker(house, raising(TemporaryError("down")))
    waits = []
    for _ in range(16):
        working.run_until_idle()
        not_before = row(house).not_before
        assert not_before is not None
        waits.append((not_before - house.clock()).total_seconds())
        house.clock.at = not_before
    assert waits[0] <= 4 and waits[6] > 60
    assert max(waits) <= 900 and min(waits[-4:]) >= 450
    assert [lease.attempts for lease in pipe.leases] == list(range(1, 17))


def test_what_an_operator_must_mend_pauses_its_adapter_and_no_other(house: House) -> None:
    """A key that is refused stops the model, and capturing goes on; seen to fail with the error parked."""
    house.script({"match": "buy", "error": "config"})
    house.hear("buy")
    assert set(house.journal.paused()) == {"llm"}
    house.hear("buy", "bob")
    assert len(house.llm.questions) == 1, "nobody is asked while the brake is on"
    assert len(house.facts("match")) == 2 and not house.parked()


@pytest.mark.parametrize("error", [PermanentError("record 7 is read-only"), SidecarError("odd")])
def test_what_a_reviewer_must_see_is_parked_by_name_and_by_itself(house: House, error: Exception) -> None:
    """Other work goes on; seen to fail with the error left to the pool."""
    other = WorkKey(WorkKind.WATCH, "party-y")
    due(house, WORK, other)
    worker(house, lambda lease: raising(error)(lease) if lease.work == WORK else None)[0].run_until_idle()
    assert (row(house).state, row(house).parked_reason) == ("parked", str(error))
    assert row(house, other).state == "done"


def test_a_defect_of_ours_is_parked_with_its_place_and_without_anybodys_words(
    house: House, logged: io.StringIO
) -> None:
    """An error's text may quote a customer, so only the places are kept; seen to fail with the message logged."""

    def quote(text: str) -> None:
        raise ValueError(f"can't read {text!r}")

    def quoting(lease: Lease) -> None:
        try:
            quote(CANARY)
        except ValueError as error:
            raise KeyError(CANARY) from error

    due(house)
    worker(house, quoting)[0].run_until_idle()
    reason = str(row(house).parked_reason)
    assert reason.startswith("KeyError (a defect of ours)\n")
    assert re.search(r"test_worker\.py:\d+ quoting", reason)
    assert CANARY not in reason + logged.getvalue()
    assert [json.loads(line)["event"] for line in logged.getvalue().splitlines()] == ["work_broke"]


def test_a_defect_leaks_no_words_even_when_it_can_t_be_written_down(house: House, logged: io.StringIO) -> None:
    """The second error drags the first one's text along; seen to fail with the chained traceback logged."""
    append = house.journal.append

    def full(entry: Entry) -> Any:
        if entry.finish is not None:
            raise TemporaryError("the disk is full")
        return append(entry)

    due(house)
    working, _ = worker(house, raising(ValueError(CANARY)))
    house.journal.append = full  # type: ignore[method-assign]
    working.handle(WORK)
    house.journal.append = append  # type: ignore[method-assign]
    assert CANARY not in logged.getvalue()
    assert "TemporaryError" in logged.getvalue()


def test_work_that_somebody_else_took_over_is_dropped_without_a_word(house: House) -> None:
    """The other one finishes it; seen to fail with the work parked."""
    due(house)
    working, _ = worker(house, raising(LeaseLost("taken over")))
    working.handle(WORK)
    assert row(house).parked_reason is None


def test_a_late_finish_ends_nothing(house: House) -> None:
    """Who woke up too late writes nothing; seen to fail without the fence."""

    def overtaken(lease: Lease) -> None:
        house.clock.move(10_000)
        assert house.journal.claim([lease.work], 60.0), "the lease has run out, so another one takes it"

    due(house)
    worker(house, overtaken)[0].handle(WORK)
    assert row(house).state == "running"


# Work that kills ----------------------------------------------------------------------------------------------------


def died(house: House, times: int, key: WorkKey = WORK) -> None:
    """A process dies so many times while doing it: a lease is taken and never given back."""
    for _ in range(times):
        assert house.journal.claim([key], 1.0)
        house.clock.move(2.0)


def test_an_input_that_keeps_killing_is_parked(house: House) -> None:
    """A crash loop ends by itself and names its cause; seen to fail with crashes counted after the try."""
    due(house)
    died(house, PARK_AFTER)
    working, pipe = worker(house, lambda lease: None)
    working.run_until_idle()
    assert not pipe.leases
    assert row(house).parked_reason == f"the process died {PARK_AFTER} times while doing this"
    house.journal.retry(WORK)
    working.run_until_idle()
    assert [lease.crashes for lease in pipe.leases] == [0] and row(house).state == "done"


def test_a_suspect_runs_alone(house: House) -> None:
    """Whoever dies next to it is innocent; seen to fail with the gate left open."""
    others = [WorkKey(WorkKind.WATCH, f"party-{i}") for i in range(6)]
    due(house, WORK)
    died(house, ALONE_AFTER)
    due(house, *others)
    running: list[WorkKey] = []
    beside: list[int] = []
    meet = threading.Event()

    def do(lease: Lease) -> None:
        running.append(lease.work)
        meet.wait(0.1)
        if lease.work == WORK:
            beside.append(len(running))
        running.remove(lease.work)

    worker(house, do, concurrency=4)[0].run_until_idle()
    assert beside == [1]
    assert all(found.state == "done" for found in house.journal.work())


def test_work_of_a_dead_process_is_taken_over(house: House) -> None:
    """A lease that nobody renews ends; seen to fail with leases that last for ever."""
    due(house)
    died(house, 1)
    working, pipe = worker(house, lambda lease: None)
    working.run_until_idle()
    assert [lease.crashes for lease in pipe.leases] == [1] and row(house).state == "done"


# Running ------------------------------------------------------------------------------------------------------------


def test_idle_means_that_nothing_is_left_of_what_follows_either(house: House) -> None:
    """A round that makes work due is followed by another; seen to fail with one round."""
    left = [3]

    def more(lease: Lease) -> None:
        if left[0]:
            left[0] -= 1
            due(house)

    due(house)
    assert worker(house, more)[0].run_until_idle() == 4
    assert row(house).state == "done"


def test_a_run_without_end_is_ended(house: House) -> None:
    """Work that always makes more work is stopped by the clock, and says so; seen to fail without the deadline."""
    due(house)
    with pytest.raises(TemporaryError, match="still due"):
        worker(house, lambda lease: due(house))[0].run_until_idle(timeout_s=0.3)


def test_a_worker_outlives_everything_that_it_is_given(house: House) -> None:
    """No thread of an engine dies of an input; seen to fail with the claim's own errors raised."""
    house.app.close()
    worker(house, lambda lease: None)[0].handle(WORK)


def test_two_pieces_of_work_never_run_twice_at_once(house: House) -> None:
    """One key has one lease, whoever wakes; seen to fail with a claim that ignores leases."""
    due(house)
    inside: list[int] = []
    meet = threading.Event()

    def do(lease: Lease) -> None:
        inside.append(lease.fence)
        meet.wait(0.1)

    working, _ = worker(house, do)
    threads = [threading.Thread(target=working.handle, args=(WORK,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(inside) == 1


def test_an_operators_mistake_names_the_work_that_it_concerns(house: House, logged: io.StringIO) -> None:
    """Work that speaks to no adapter pauses none, and comes back later; seen to fail with the ledger paused for it."""
    due(house)
    worker(house, raising(ConfigError("no such zone", setting="own.timezone")))[0].run_until_idle()
    assert not house.journal.paused()
    assert row(house).state == "waiting"
    assert "own.timezone" in logged.getvalue()


# A journal that is away ---------------------------------------------------------------------------------------------


class _Server:
    """A journal whose database server goes away and comes back, and how often it was asked meanwhile."""

    def __init__(self, house: House, *calls: str) -> None:
        self.asked, self._journal, self._calls = 0, house.journal, calls

    def __enter__(self) -> "_Server":
        for name in self._calls:
            setattr(self._journal, name, self._refuse)
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._calls:
            delattr(self._journal, name)

    def _refuse(self, *_: object, **__: object) -> Any:
        self.asked += 1
        raise TemporaryError("the journal's database doesn't answer as it should: OperationalError")


def levels(logged: io.StringIO) -> list[tuple[str, str]]:
    """The lines that were logged, as (level, event)."""
    return [(line["level"], line["event"]) for line in map(json.loads, logged.getvalue().splitlines())]


AWAY = ("claim", "due", "paused", "commit")
READABLE = ("claim", "commit")


@pytest.mark.parametrize("away", [AWAY, READABLE], ids=["away", "readable"])
def test_a_journal_that_is_away_is_told_once(house: House, logged: io.StringIO, away: tuple[str, ...]) -> None:
    """An outage is one warning, however many threads and keys meet it; seen to fail with a line for each."""
    keys = [WorkKey(WorkKind.WATCH, f"party-{n}") for n in range(30)]
    due(house, *keys)
    now = [0.0]
    working, pipe = worker(house, lambda lease: None, monotonic=lambda: now[0])
    with _Server(house, *away):
        for second in range(120):
            now[0] = float(second)
            for key in working.due(100) or keys:
                working.handle(key)
    assert levels(logged) == [("warning", "journal_away")]
    assert not pipe.leases
    now[0] += 60.0
    for key in working.due(100):
        working.handle(key)
    assert len(pipe.leases) == len(keys)
    assert levels(logged)[1:] == [("info", "journal_back")]


def test_a_journal_that_is_away_is_left_in_peace(house: House) -> None:
    """It is asked ever less often, yet twice a minute; seen to fail without a pause, and with one that grows on."""
    due(house)
    now = [0.0]
    working, pipe = worker(house, lambda lease: None, monotonic=lambda: now[0])
    with _Server(house, *AWAY) as server:
        for second in range(3600):
            now[0] = float(second)
            working.due(100)
            working.handle(WORK)
    assert 3600 / 30 <= server.asked <= 3600 / 30 + 20
    for second in range(3600, 3632):
        now[0] = float(second)
        for key in working.due(100):
            working.handle(key)
    assert len(pipe.leases) == 1


def test_what_can_t_be_finished_is_no_defect(house: House, logged: io.StringIO) -> None:
    """Work that ended while the journal was away is done again, and nobody is called; seen to fail with `work_lost`."""
    due(house)
    working, _ = worker(house, raising(TemporaryError("busy")))
    with _Server(house, "commit"):
        working.handle(WORK)
    assert levels(logged) == [("info", "work_waits"), ("warning", "journal_away")]


@pytest.mark.parametrize("error", [TemporaryError("busy", retry_after_s=7.0), ConfigError("own", setting="x")])
def test_what_ended_while_the_journal_was_away_is_given_back(house: House, error: SidecarError) -> None:
    """It waits for no lease to run out, and counts as no crash; seen to fail with the end of it lost."""
    due(house)
    now = [0.0]
    working, pipe = worker(house, raising(error), monotonic=lambda: now[0])
    with _Server(house, "commit"):
        working.handle(WORK)
        now[0] += 60.0
        assert not working.due(100) and row(house).state == "running"
    now[0] += 60.0
    working.due(100)
    found = row(house)
    assert found.state == "waiting" and found.attempts == 1
    house.clock.move(PAUSE_RETRY_S)
    pipe.do = lambda lease: None
    assert working.due(100) == [WORK]
    working.handle(WORK)
    assert [(lease.attempts, lease.crashes) for lease in pipe.leases] == [(1, 0), (2, 0)]
    assert row(house).state == "done"


def test_a_brake_that_can_t_be_noted_holds_no_lease(house: House) -> None:
    """What stopped an adapter while the journal was away is met again at once; seen to fail with the lease left."""
    key = WorkKey(WorkKind.SYNC, "party-x")
    due(house, key)
    working, _ = worker(house, raising(ConfigError("the key was revoked", setting="crm")))
    with _Server(house, "pause"):
        working.handle(key)
    assert row(house, key).state == "due"


def test_who_stops_gives_back_what_ended(house: House) -> None:
    """The next process finds it due, and no crash; seen to fail with the end of it kept to the grave."""
    due(house)
    working, _ = worker(house, raising(TemporaryError("busy", retry_after_s=7.0)))
    with _Server(house, "commit"):
        working.handle(WORK)
    house.app.engine.stop(0.0)
    working.serve(house.app.engine)
    assert row(house).state == "waiting"


@pytest.mark.parametrize("away", [AWAY, READABLE], ids=["away", "readable"])
def test_a_command_says_that_the_journal_is_away(house: House, away: tuple[str, ...]) -> None:
    """Whoever runs until idle isn't told that all is done; seen to fail with the error swallowed."""
    due(house)
    working, pipe = worker(house, lambda lease: None)
    with _Server(house, *away), pytest.raises(TemporaryError, match="doesn't answer"):
        working.run_until_idle()
    assert not pipe.leases
