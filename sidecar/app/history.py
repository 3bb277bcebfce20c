"""Reads a channel's older history into the book without getting into the way of what comes in now.

Each batch is durable together with its place, so whoever is interrupted goes on where it ended. What is read is handed
to the same workers as a message of this minute, oldest first, so a flood of history would make everybody wait: between
batches it gives way to a poll of this channel that is due, and to work that has piled up, while a server is alive to do
it. It gives way for a bounded time, because work may also wait for something else, such as a budget. The adapter's own
bound on calls holds in any case.

Until a day: what an adapter has no way to leave out is read and not kept.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sidecar.capture import capture, to_delivery
from sidecar.config import Hours
from sidecar.errors import PermanentError
from sidecar.model import WorkKey, WorkKind
from sidecar.pipeline.sources import see_source
from sidecar.ports import Captured, Channel, PollBatch

if TYPE_CHECKING:
    from sidecar.app import App

BACKLOG = 100
LOOK_S, GIVE_WAY_S, OFF_HOURS_LOOK_S = 1.0, 300.0, 60.0
ALIVE_S = 60.0
MAX_LOOKS = 7 * 24 * 60
"""A week of business hours that never end."""

Sleep = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class Manners:
    """How it is read: at most so many items a minute (0: no bound of ours), and outside of these hours."""

    per_minute: float = 0.0
    busy: Hours | None = None


@dataclass(slots=True)
class Progress:
    """How far it has come: items read, deliveries that were new, and what it waits for just now."""

    read: int = 0
    new: int = 0
    waits_for: str = ""


def read_history(
    app: "App",
    name: str,
    since: datetime,
    until: datetime | None = None,
    manners: Manners = Manners(),
    told: Callable[[Progress], None] = lambda progress: None,
    sleep: Sleep | None = None,
) -> int:
    """Journal what a channel holds from a time until another, or the installation; returns what was new of it."""
    cursor = f"backfill:{since:%Y-%m-%d}" + (f":{until:%Y-%m-%d}" if until else "")
    adapter, progress = app.channel(name), Progress()
    see_source(app.journal, adapter)
    history = _History(app, adapter, manners, told, sleep or Event().wait)
    while history.is_left:
        for batch in history.batches(since, cursor, progress):
            progress.read += len(batch.captured)
            kept = tuple(c for c in batch.captured if until is None or _is_before(app, adapter, c, until))
            progress.new += app.pipeline.intake.keep(name, PollBatch(kept, batch.cursor, batch.committed), cursor)
            told(progress)
    return progress.new


class _History:
    """The way through a history; `is_left` until its last batch has been read."""

    def __init__(
        self, app: "App", adapter: Channel, manners: Manners, told: Callable[[Progress], None], sleep: Sleep
    ) -> None:
        self._app, self._adapter, self._manners, self._told, self._sleep = app, adapter, manners, told, sleep
        self.is_left = True

    def batches(self, since: datetime, cursor: str, progress: Progress) -> Iterator[PollBatch]:
        """Yield batches until the end, or until it must wait so long that no connection should stay open meanwhile."""
        self._wait_for_night(progress)
        begun, read = time.monotonic(), 0
        for batch in self._adapter.backfill(since, self._app.journal.cursor(self._adapter.name, cursor)):
            yield batch
            read += len(batch.captured)
            self._give_way(progress)
            if self._manners.per_minute:
                self._sleep(max(0.0, read * 60 / self._manners.per_minute - (time.monotonic() - begun)))
            if self._is_busy():
                return
        self.is_left = False

    def _give_way(self, progress: Progress) -> None:
        """Wait while somebody alive has a poll of this channel, or much else, to do; not for ever."""
        for _ in range(int(GIVE_WAY_S / LOOK_S)):
            journal = self._app.journal
            alive = journal.meta("alive_at")
            is_alive = alive is not None and journal.now() - datetime.fromisoformat(alive) < timedelta(seconds=ALIVE_S)
            poll = WorkKey(WorkKind.POLL, self._adapter.name)
            backlog = sum(n for (_, state), n in journal.open_work().items() if state == "due")
            if not is_alive or (backlog <= BACKLOG and poll not in journal.due(BACKLOG, [WorkKind.POLL])):
                break
            self._wait(progress, "the server, which catches up", LOOK_S)
        progress.waits_for = ""

    def _wait_for_night(self, progress: Progress) -> None:
        for _ in range(MAX_LOOKS):
            if not self._is_busy():
                break
            self._wait(progress, "the end of business hours", OFF_HOURS_LOOK_S)
        progress.waits_for = ""

    def _is_busy(self) -> bool:
        now, zone = self._app.journal.now(), ZoneInfo(self._app.settings.own_section.timezone)
        return self._manners.busy is not None and self._manners.busy.latest(now, zone) == now

    def _wait(self, progress: Progress, what: str, seconds: float) -> None:
        progress.waits_for = what
        self._told(progress)
        self._sleep(seconds)


def _is_before(app: "App", adapter: Channel, captured: Captured, until: datetime) -> bool:
    """Say whether anything in it was said before a time; what can't be read is kept, for somebody to look at."""
    delivery = to_delivery(captured, adapter.name, app.clock(), app.journal.mint)
    try:
        said = capture(delivery, adapter, app.journal.mint)
    except PermanentError:
        return True
    return not said or any(activity.at < until for activity in said)
