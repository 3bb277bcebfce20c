"""The sidecar of the demo, really running: what `sidecar serve` runs, on free ports, in threads of this process.

Waiting means asking the book what is still due, since work that is due lies in the book and nowhere else.
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from sidecar.cli.serve import serve
from sidecar.errors import TemporaryError
from sidecar.model import WorkKind, WorkRow

if TYPE_CHECKING:
    from sidecar.app import App

START_S = 30.0
STOP_S = 60.0
IDLE_S = 300.0
LOOK_S = 0.05
SOON_S = 30.0
"""Work that is due within that time is waited for: a conversation's quiet period, and no longer one."""
_BY_CLOCK = frozenset({WorkKind.POLL})
"""Work that comes round for ever."""


class Running:
    """A sidecar that runs while this context is open; `port` is where its webhooks come in."""

    def __init__(self, app: "App") -> None:
        self.app = app
        self.port = 0
        self._stop = threading.Event()
        self._listens = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="demo", daemon=True)

    def __enter__(self) -> "Running":
        self.app.ready()
        self._thread.start()
        try:
            self.until(self._listens.is_set, START_S, "the server didn't start")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(STOP_S)

    def until(self, is_true: Callable[[], bool], timeout_s: float, otherwise: str) -> None:
        """Wait until something is true; `TemporaryError` when it takes too long."""
        deadline = time.monotonic() + timeout_s
        while not is_true():
            if self._error is not None:
                raise self._error
            if time.monotonic() > deadline:
                raise TemporaryError(f"{otherwise} within {timeout_s:.0f} s{self._reasons()}")
            self._stop.wait(LOOK_S)

    def until_idle(self, deliveries: int) -> None:
        """Wait until so many deliveries are in the book and nothing that follows is due; what is parked is not."""
        self.until(lambda: self._count() >= deliveries, IDLE_S, f"{deliveries} deliveries did not come in")
        self.until(lambda: not self._due(), IDLE_S, "the work was not done")

    def _count(self) -> int:
        return sum(1 for _ in self.app.journal.facts(kinds=("delivery",)))

    def _due(self) -> list[WorkRow]:
        soon = self.app.clock() + timedelta(seconds=SOON_S)
        rows = self.app.journal.work("due", "running", "waiting", limit=1_000)
        steps = [row for row in rows if row.work.kind not in _BY_CLOCK]
        return [row for row in steps if row.state != "waiting" or row.due_at is None or row.due_at < soon]

    def _reasons(self) -> str:
        """What stands in the way, as far as the book knows: brakes that are on."""
        return "".join(f"\n{scope}: {pause.reason}" for scope, pause in self.app.journal.paused().items())

    def _serve(self) -> None:
        def listening(port: int, _: int) -> None:
            self.port = port
            self._listens.set()

        try:
            serve(self.app, self._stop, listening)
        except BaseException as error:  # a thread that dies in silence would leave the demo waiting
            self._error = error
            if not isinstance(error, Exception):
                raise
