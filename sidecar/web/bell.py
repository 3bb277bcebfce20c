"""Tells the loop that commits are done: one wake-up for all that a group commit ended, instead of one for each.

The journal ends its futures in its own thread, many at a time. To wake the loop costs more than to commit one row of a
group, and the thread that does it is the one that the next group waits for.
"""

import asyncio
from collections import deque
from concurrent.futures import Future


class Bell:
    """Waits for futures of another thread; for one loop."""

    def __init__(self) -> None:
        self._done: deque[asyncio.Future[None]] = deque()
        self._is_ringing = False

    async def wait(self, future: "Future[object]", timeout_s: float) -> None:
        """Return when a future is done, without cancelling it when the time is over, which is a `TimeoutError`."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        future.add_done_callback(lambda _: self._ring(loop, waiter))
        timer = loop.call_later(timeout_s, _be_late, waiter)
        try:
            await waiter
        finally:
            timer.cancel()

    def _ring(self, loop: asyncio.AbstractEventLoop, waiter: "asyncio.Future[None]") -> None:
        self._done.append(waiter)
        if self._is_ringing:
            return  # the loop will look, and only then take the flag down, so this waiter can't be missed
        self._is_ringing = True
        try:
            loop.call_soon_threadsafe(self._answer)
        except RuntimeError:
            return  # the loop is closed, so nobody waits

    def _answer(self) -> None:
        self._is_ringing = False
        while self._done:
            waiter = self._done.popleft()
            if not waiter.done():
                waiter.set_result(None)


def _be_late(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
