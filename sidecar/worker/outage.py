"""The journal's own absence, as the worker lives through it: told once, waited out, and told again when it is over.

A database server that is away for seconds would otherwise bring an error for each thread and each piece of work, of
which none says more than the first. Nothing is lost meanwhile: what is due stays due in its row, and what ran is
claimed again when its lease is over. The pause grows, so that a server that comes up is not met by a storm.
"""

import threading
from collections.abc import Callable

import structlog

from sidecar.errors import TemporaryError

FIRST_AWAY_S, MAX_AWAY_S = 1.0, 30.0
"""For how long nothing is asked of a journal that didn't answer: at first, and at most."""
MOST_DOUBLED = 10

log = structlog.get_logger()


class Outage:
    """Whether the journal is away, since when it is left alone, and how often it didn't answer."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._errors = self._pauses = 0
        self._until = 0.0
        self.error: TemporaryError | None = None
        """What the journal said last, None while it answers."""

    @property
    def holds(self) -> bool:
        """Whether the journal is to be left alone for now."""
        return self.error is not None and self._monotonic() < self._until

    def met(self, error: TemporaryError, running: int) -> None:
        """Count an error of the journal itself, and wait from now on; many threads may meet the same one."""
        with self._lock:
            is_news, now = self.error is None, self._monotonic()
            if is_news or now >= self._until:
                self._until = now + min(MAX_AWAY_S, FIRST_AWAY_S * 2.0 ** min(self._pauses, MOST_DOUBLED))
                self._pauses += 1
            self._errors += 1
            self.error = error
        if is_news:
            log.warning("journal_away", error=type(error).__name__, reason=str(error), running=running)

    def over(self) -> None:
        """Take note that the journal answers."""
        if self.error is None:
            return
        with self._lock:
            errors, self._errors, self._pauses, self.error = self._errors, 0, 0, None
        if errors:  # else another thread has said it
            log.info("journal_back", errors=errors)
