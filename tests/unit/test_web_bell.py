"""The bell between the journal's thread and the loop: everybody is told, once each, and the loop is woken seldom."""

import asyncio
from collections import deque
from concurrent.futures import Future
from typing import Any

import pytest

from sidecar.web.bell import Bell

PATIENCE_S = 10.0


def futures(count: int) -> "list[Future[object]]":
    """Return futures that nobody has ended yet."""
    return [Future() for _ in range(count)]


def test_a_group_of_commits_wakes_the_loop_once() -> None:
    """What ends together is told together; seen to fail with a wake-up for each future."""

    async def wait() -> int:
        woken, loop, ended = 0, asyncio.get_running_loop(), futures(100)
        wake = loop.call_soon_threadsafe

        def counting(*arguments: object, **more: object) -> asyncio.Handle:
            nonlocal woken
            woken += 1
            return wake(*arguments, **more)  # type: ignore[arg-type]

        bell = Bell()
        waits = [asyncio.ensure_future(bell.wait(future, PATIENCE_S)) for future in ended]
        await asyncio.sleep(0)
        loop.call_soon_threadsafe = counting  # type: ignore[method-assign]
        for future in ended:
            future.set_result(None)
        await asyncio.gather(*waits)
        return woken

    assert asyncio.run(wait()) == 1


class Meeting(deque[Any]):
    """A queue during whose last look, when it is found empty, one more commit ends in another thread."""

    def __init__(self, late: "list[Future[object]]") -> None:
        super().__init__()
        self.late = late

    def __len__(self) -> int:
        size = super().__len__()
        if not size and self.late:
            self.late.pop().set_result(None)
        return size


def test_nobody_is_missed_however_the_threads_meet() -> None:
    """A commit that ends just when the loop has looked is told too; seen to fail with the flag taken down last."""

    async def wait() -> None:
        bell, (first, late) = Bell(), futures(2)
        bell._done = Meeting([late])
        waits = [asyncio.ensure_future(bell.wait(future, PATIENCE_S)) for future in (first, late)]
        await asyncio.sleep(0)
        first.set_result(None)
        await asyncio.gather(*waits)
        assert late.done()

    asyncio.run(wait())


def test_who_waits_too_long_is_told_so_and_disturbs_nobody() -> None:
    """A late commit is a time-out for its own sender alone; seen to fail with the future cancelled."""

    async def wait() -> None:
        bell, (late, done) = Bell(), futures(2)
        patience = ((late, 0.05), (done, PATIENCE_S))
        waits = [asyncio.ensure_future(bell.wait(future, wait_s)) for future, wait_s in patience]
        await asyncio.sleep(0)
        done.set_result(None)
        await waits[1]
        with pytest.raises(TimeoutError):
            await waits[0]
        assert not late.done()
        late.set_result(None)
        await asyncio.sleep(0)

    asyncio.run(wait())
