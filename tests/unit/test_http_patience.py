"""Nobody is called too often, or again when it is no use: the pace of calls, and the bound on trying them again."""

import pytest

from adapters.http.patience import MAX_ATTEMPTS, Again, Pace, patient
from sidecar.errors import PermanentError, TemporaryError


class _Time:
    """A monotonic clock that moves only while somebody naps."""

    def __init__(self) -> None:
        self.now, self.naps = 100.0, list[float]()

    def nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


def test_no_window_holds_more_calls_than_allowed() -> None:
    """In any ten seconds at most so many calls go out; seen to fail with a window per ten calls."""
    time, sent = _Time(), list[float]()
    pace = Pace("HubSpot", 5, 10.0, monotonic=lambda: time.now, nap=time.nap)
    for step in range(40):
        pace.wait(60.0)
        sent.append(time.now)
        time.now += 0.1 * (step % 4)
    assert all(later - earlier >= 10.0 for earlier, later in zip(sent, sent[5:], strict=False))
    assert time.naps


def test_nobody_waits_longer_than_the_bound() -> None:
    """Beyond the bound a call is not made, and its asker told when to come again; seen to fail without the bound."""
    time = _Time()
    pace = Pace("HubSpot", 1, 10.0, monotonic=lambda: time.now, nap=time.nap)
    pace.wait(5.0)
    with pytest.raises(TemporaryError) as caught:
        pace.wait(5.0)
    assert caught.value.retry_after_s == 10.0
    assert time.naps == []
    time.now += 10.0
    pace.wait(5.0)
    pace.hold(3.0)
    time.now += 8.0
    pace.wait(5.0)
    assert time.naps == [2.0]


def test_a_vendor_s_count_slows_us() -> None:
    """When others use the same limit, its header makes us wait for the next window; seen to fail with it ignored."""
    time = _Time()
    pace = Pace("HubSpot", 100, 10.0, monotonic=lambda: time.now, nap=time.nap)
    pace.learn(50, 10.0)
    pace.wait(20.0)
    pace.learn(3, 10.0)
    pace.learn(None, None)
    pace.wait(20.0)
    assert time.naps == [10.0]


class _Failing:
    """Fails so many times before it answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures, self.calls = list(failures), 0

    def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answered"


def test_what_has_not_happened_is_tried_again_when_it_was_told() -> None:
    """The wait is what the error asks for; seen to fail with the pause of its own in its place."""
    naps: list[float] = []
    work = _Failing(Again("busy", retry_after_s=3.0), Again("busy", retry_after_s=0.5))
    assert patient(60.0, naps.append)(work) == "answered"
    assert naps == [3.0, 0.5]


def test_without_a_time_the_waits_grow_by_chance() -> None:
    """Callers that failed together don't come again together, nor later than 4 s; seen to fail with no pause."""
    naps: list[float] = []
    with pytest.raises(Again):
        patient(600.0, naps.append)(_Failing(*(Again("busy") for _ in range(MAX_ATTEMPTS))))
    assert len(set(naps)) == MAX_ATTEMPTS - 1
    assert all(0 <= nap <= 4.0 for nap in naps)


@pytest.mark.parametrize(("max_wait_s", "calls"), [(100.0, MAX_ATTEMPTS), (25.0, 3), (9.0, 1)])
def test_trying_again_has_an_end(max_wait_s: float, calls: int) -> None:
    """By its attempts or by all its waits together, the next one counted; seen to fail without either bound."""
    naps: list[float] = []
    work = _Failing(*(Again("busy", retry_after_s=10.0) for _ in range(50)))
    with pytest.raises(Again):
        patient(max_wait_s, naps.append)(work)
    assert (work.calls, sum(naps)) == (calls, 10.0 * (calls - 1))


@pytest.mark.parametrize("error", [TemporaryError("tomorrow", retry_after_s=1.0), PermanentError("never")])
def test_what_is_not_worth_it_is_not_tried_again(error: Exception) -> None:
    """A spent day and a refusal pass at once; seen to fail with a retry on every TemporaryError."""
    work = _Failing(error)
    with pytest.raises(type(error)):
        patient(60.0, lambda _: None)(work)
    assert work.calls == 1
