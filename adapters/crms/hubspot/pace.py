"""Keeps our calls under HubSpot's limits, for all threads of a process together, by waiting before a call.

A refused call costs quota as well, and more than one in twenty of them is held against an app. The window is counted
here by a monotonic clock; HubSpot's own headers, and its refusals, only ever make us slower. Nobody waits longer than
a bound: beyond it the call isn't made, and whoever asked is told when to come again.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from sidecar.errors import TemporaryError

NEAR_THE_END = 5
"""Calls that HubSpot says are left in its window, at which we wait for the next one."""


class Pace:
    """At most so many calls in any window of so many seconds."""

    def __init__(
        self,
        calls: int,
        window_s: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        nap: Callable[[float], object] | None = None,
    ) -> None:
        self._calls, self._window_s = calls, window_s
        self._monotonic = monotonic
        self._nap = nap or threading.Event().wait
        self._lock = threading.Lock()
        self._slots: deque[float] = deque(maxlen=calls)
        self._not_before = 0.0

    def wait(self, max_wait_s: float) -> None:
        """Wait for a slot; `TemporaryError` when the next free one is further away than the bound."""
        with self._lock:
            now = self._monotonic()
            at = max(now, self._not_before)
            if len(self._slots) == self._calls:
                at = max(at, self._slots[0] + self._window_s)
            if at - now > max_wait_s:
                raise TemporaryError("HubSpot's limit of calls is used up for now", retry_after_s=at - now)
            self._slots.append(at)
        if at > now:
            self._nap(at - now)

    def hold(self, seconds: float) -> None:
        """Let nobody call for so long: HubSpot said that it is enough."""
        with self._lock:
            self._not_before = max(self._not_before, self._monotonic() + seconds)

    def learn(self, left: int | None, window_s: float | None) -> None:
        """Take in the headers of an answer: what HubSpot says is left of its window, which others may use as well."""
        if left is not None and left <= NEAR_THE_END:
            self.hold(min(window_s if window_s is not None else self._window_s, self._window_s))
