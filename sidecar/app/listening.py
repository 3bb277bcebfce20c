"""Open lines to the providers that tell of news by themselves: each has a thread, and each word makes a poll due.

A line is a convenience. What it misses the poll finds, so whatever becomes of it is no condition and no alarm: it is
opened again after a while, at first soon and then more seldom, and a channel that is paused has its line left alone.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from sidecar.errors import SidecarError, TemporaryError
from sidecar.ports import Listener

if TYPE_CHECKING:
    from sidecar.app import App

FIRST_WAIT_S, MAX_WAIT_S = 2.0, 300.0
STOP_S = 5.0
_log = structlog.get_logger(__name__)


class Listening:
    """The lines of one process."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, due: Callable[[str], Callable[[], None]]) -> None:
        """Open the lines; `due(channel)` is what makes a poll of it due."""
        for name, channel in self._app.channels.items():
            if isinstance(channel, Listener):
                target = (name, channel, due(name))
                thread = threading.Thread(target=self._listen, args=target, name=f"listen-{name}", daemon=True)
                thread.start()
                self._threads.append(thread)

    def stop(self) -> None:
        """Let the lines end."""
        self._over.set()
        for thread in self._threads:
            thread.join(STOP_S)

    def _listen(self, name: str, channel: Listener, hint: Callable[[], None]) -> None:
        wait_s = FIRST_WAIT_S
        while not self._over.is_set():
            told = threading.Event()
            reason = self._held(name, channel, hint, told)
            if reason is None:
                return
            wait_s = FIRST_WAIT_S if told.is_set() else min(wait_s * 2, MAX_WAIT_S)
            _log.info("line_dropped", channel=name, reason=reason, wait_s=wait_s)
            self._over.wait(wait_s)

    def _held(self, name: str, channel: Listener, hint: Callable[[], None], told: threading.Event) -> str | None:
        """Hold the line until it drops and say why; None when it is over, or there was none to hold."""

        def word() -> None:
            told.set()
            try:
                hint()
            except TemporaryError:  # the journal is away: the poll comes by its own rhythm
                _log.info("hint_lost", channel=name)

        try:
            channel.listen(self._over.is_set, word)
        except SidecarError as error:
            return str(error)
        return None
