"""Keeps calls under a vendor's limits, and tries those again that have not happened, for as long as somebody may wait.

A refused call costs quota as well, and a tool that ignores its refusals is blocked as a whole. So the window is counted
here, by a monotonic clock, for all threads of a process together; a vendor's headers and refusals only ever make us
slower. Nobody waits longer than a bound: beyond it the call isn't made, and whoever asked is told when to come again.

The trade-off: what other tools use of the same limit is known only from the vendor's answers, so the first call after
theirs may be refused.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from tenacity.stop import stop_base

from sidecar.errors import TemporaryError, Unanswered

MAX_ATTEMPTS = 6
NEAR_THE_END = 5
"""Calls that a vendor says are left in its window, at which we wait for the next one."""


class Again(TemporaryError):
    """Worth another try within this call, after `retry_after_s`: what was asked for has not happened."""


class AgainUnanswered(Again, Unanswered):
    """Worth another try, and of no use to ask for anything else meanwhile."""


def patient(max_wait_s: float, sleep: Callable[[float], None], attempts: int = MAX_ATTEMPTS) -> Retrying:
    """Return what calls a function again on `Again`, as often as its attempts and the bound on all its waits allow."""
    return Retrying(
        stop=stop_after_attempt(attempts) | _WaitedEnough(max_wait_s),
        wait=_pause_s,
        retry=retry_if_exception_type(Again),
        sleep=sleep,
        reraise=True,
    )


class Pace:
    """At most so many calls of a vendor in any window of so many seconds."""

    def __init__(
        self,
        vendor: str,
        calls: int,
        window_s: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        nap: Callable[[float], object] | None = None,
    ) -> None:
        self._vendor, self._calls, self._window_s = vendor, calls, window_s
        self._monotonic = monotonic
        self._nap = nap or threading.Event().wait
        self._lock = threading.Lock()
        self._slots: deque[float] = deque(maxlen=calls)
        self._not_before = 0.0

    def wait(self, max_wait_s: float) -> None:
        """Wait for a slot; `Unanswered` when the next free one is further away than the bound."""
        with self._lock:
            now = self._monotonic()
            at = max(now, self._not_before)
            if len(self._slots) == self._calls:
                at = max(at, self._slots[0] + self._window_s)
            if at - now > max_wait_s:
                raise Unanswered(f"{self._vendor}'s limit of calls is used up for now", retry_after_s=at - now)
            self._slots.append(at)
        if at > now:
            self._nap(at - now)

    def hold(self, seconds: float) -> None:
        """Let nobody call for so long: the vendor said that it is enough."""
        with self._lock:
            self._not_before = max(self._not_before, self._monotonic() + seconds)

    def learn(self, left: int | None, window_s: float | None) -> None:
        """Take in the headers of an answer: what the vendor says is left of its window, which others may use too."""
        if left is not None and left <= NEAR_THE_END:
            self.hold(min(window_s if window_s is not None else self._window_s, self._window_s))


class _WaitedEnough(stop_base):
    """Stops when the waits of a call, the next one included, would be more than its bound."""

    def __init__(self, max_wait_s: float) -> None:
        self._max_wait_s = max_wait_s

    def __call__(self, retry_state: RetryCallState) -> bool:
        return retry_state.idle_for + retry_state.upcoming_sleep > self._max_wait_s


def _pause_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, TemporaryError) else None
    return asked if asked is not None else wait_random_exponential(multiplier=0.5, max=4.0)(state)
