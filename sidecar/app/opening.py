"""Gets a sidecar ready that serves: at once, or, when its CRM doesn't answer just now, as soon as it does.

A CRM's maintenance must not keep webhooks from being taken, so what time mends is no reason not to start. Until the CRM
has answered nobody knows whose account it is; so nothing looks at it or writes to it, and what is captured waits. What
an operator must mend ends the process, whether it shows at once or later: another account than the journal's, a token
that is refused, a stage without a place.
"""

import random
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from sidecar.app.readiness import unprompted
from sidecar.errors import ConfigError, TemporaryError

if TYPE_CHECKING:
    from sidecar.app import App

FIRST_PAUSE_S, MAX_PAUSE_S = 2.0, 300.0
MOST_DOUBLED = 10

log = structlog.get_logger()


class Opening:
    """The state of one app's start."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.reason = ""
        """Why the CRM isn't known yet, empty once it is, and where nobody has to wait for it."""
        self.error: Exception | None = None
        """What a person must mend, found while trying again."""

    def is_over(self) -> bool:
        """Whether the CRM's account is known, so that it may be written to."""
        return not self.reason

    def begin(self) -> None:
        """Make the app ready, or, for what time mends, leave it to `start`; `ConfigError` for anything else."""
        try:
            self._app.ready()
        except TemporaryError as error:
            if problems := unprompted(self._app.policy, self._app.prompts):
                raise ConfigError("\n".join(problems)) from None
            self.reason = str(error)
            log.warning("crm_awaited", reason=self.reason)

    def start(self) -> None:
        """Try again in a thread of its own, if there is anything to wait for."""
        if not self.is_over():
            self._thread = threading.Thread(target=self._again, name="opening", daemon=True)
            self._thread.start()

    def stop(self, grace_s: float) -> None:
        """Try no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(grace_s)

    def _again(self) -> None:
        tries, asked_s = 0, 0.0
        while not self._stop.wait(max(asked_s, _pause_s(tries))):
            try:
                self._app.ready()
            except TemporaryError as error:
                self.reason, asked_s = str(error), min(error.retry_after_s or 0.0, MAX_PAUSE_S)
                tries += 1
            except Exception as error:
                self.error = error
                return
            else:
                self.reason = ""
                log.info("crm_found", tries=tries + 1)
                return


def _pause_s(tries: int, uniform: Callable[[float, float], float] = random.uniform) -> float:
    return min(MAX_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(tries, MOST_DOUBLED)) * uniform(0.5, 1.0)
