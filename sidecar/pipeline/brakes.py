"""Brakes on what is written to the CRM: those that people put on, and the breaker that puts one on by itself.

A brake is a row in the journal, so it holds in every process of it and over restarts, and takes effect with the next
look. Whole adapters are held by the worker; fields and routes are held here, by the plan, which refuses them with the
reason. The breaker asks the book how much was changed lately before each intent is journaled; only a person's `resume`
takes its brake off, and what was counted until then counts no more, or it would be on again at once.

The trade-off: syncs that run at the same moment are let through together, so a limit may be passed by what they hold.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

import structlog

from sidecar.errors import TemporaryError
from sidecar.journal import Entry, Journal, Pause, Touch
from sidecar.model import Change, Correction, Posting, Route, WorkKey, WorkKind
from sidecar.sync import EVERYTHING

LEDGER_SCOPE = "ledger"
FIELD, ROUTE = "field:", "route:"
BY_ITSELF = "by itself: "
"""How the reason of a pause begins that an error put on; it goes when the error does."""
BY_BREAKER = "breaker: "
"""How the reason of a pause begins that the breaker put on; only a person takes it off."""
CHANGES_WITHIN = timedelta(hours=1)
CORRECTIONS_WITHIN = timedelta(hours=24)
RETRY_S = 2.0
MAX_CORRECTIONS = 1_000
UNDONE_BEFORE = timedelta(hours=1)
"""A sync may have been refused for what was believed so long before the brake came on."""
PAGE = 500
_RESUMED = "resumed:"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """How much is too much: changes in an hour; corrections per posting of a day, from so many on. 0 is no limit."""

    changes_per_hour: int = 0
    correction_rate: float = 0.0
    correction_min: int = 20


def paused_here(pauses: Mapping[str, Pause], route: Route) -> dict[str, str]:
    """Return why fields are not written to a route's records, by our name for them; `EVERYTHING` holds the route."""
    reasons = {
        scope.removeprefix(FIELD): f"paused: {pause.reason}"
        for scope, pause in pauses.items()
        if scope.startswith(FIELD)
    }
    whole = pauses.get(ROUTE + route.name)
    return {**reasons, EVERYTHING: f"paused: {whole.reason}"} if whole else reasons


def pause(journal: Journal, scope: str, reason: str) -> str:
    """Put a brake on at a person's word; where a person's or the breaker's is on, that stays: its reason is returned.

    What a resume makes due is counted from when the brake came on, and what the breaker counted stands in its reason:
    a second pause would lose both.
    """
    held = journal.paused().get(scope)
    if held is not None and not held.reason.startswith(BY_ITSELF):
        return held.reason
    journal.pause(scope, reason)
    return ""


def resume(journal: Journal, scope: str) -> bool:
    """Take a brake off at a person's word and make due what it kept from being written; false when there was none."""
    held = journal.paused().get(scope)
    if held is None:
        return False
    journal.set_meta(_RESUMED + scope, journal.now().isoformat())
    if not journal.resume(scope):
        return False
    if scope.startswith((FIELD, ROUTE)):
        _touch_those_since(journal, held.since - UNDONE_BEFORE)
    return True


def pause_by_itself(journal: Journal, scope: str, reason: str) -> None:
    """Put a brake on for an error that names what is wrong; a person's or the breaker's stays theirs."""
    held = journal.paused().get(scope)
    if held is None or held.reason.startswith(BY_ITSELF):
        journal.pause(scope, BY_ITSELF + reason)


def resume_by_itself(journal: Journal, scope: str) -> bool:
    """Take a brake off that an error had put on; false when there was none."""
    held = journal.paused().get(scope)
    return held is not None and held.reason.startswith(BY_ITSELF) and journal.resume(scope)


def _touch_those_since(journal: Journal, since: datetime) -> None:
    after = ""
    while parties := journal.updated_since(since, after, PAGE):
        journal.commit(Entry(touches=tuple(Touch(WorkKey(WorkKind.SYNC, party)) for party in parties)))
        after = parties[-1]


class Breaker:
    """Stops writing to the CRM when too much is changed, or too much of it is put right by people."""

    def __init__(self, journal: Journal, limits: BreakerLimits) -> None:
        self._journal = journal
        self._limits = limits
        self._lock = Lock()
        self._under_way = 0  # changes that were let through and are not in the book yet

    @contextmanager
    def room(self, changes: int) -> Iterator[None]:
        """Let changes be journaled within the block; `TemporaryError` when the ledger is paused for their number."""
        if not changes:
            yield
            return
        with self._lock:
            self._check()
            self._under_way += changes
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= changes

    def _check(self) -> None:
        since = self._journal.meta(_RESUMED + LEDGER_SCOPE)
        begun = datetime.fromisoformat(since) if since else None
        now = self._journal.now()
        reason = self._too_many(now, begun) or self._too_wrong(now, begun)
        if not reason:
            return
        held = self._journal.paused().get(LEDGER_SCOPE)
        if held is None or held.reason.startswith(BY_ITSELF):
            self._journal.pause(LEDGER_SCOPE, BY_BREAKER + reason)
            _log.error("breaker_tripped", scope=LEDGER_SCOPE, reason=reason)
        raise TemporaryError(f"the ledger is paused: {reason}", retry_after_s=RETRY_S)

    def _too_many(self, now: datetime, begun: datetime | None) -> str:
        most = self._limits.changes_per_hour
        if not most:
            return ""
        nth = most - self._under_way
        at = self._journal.nth_newest(Change.KIND, nth) if nth > 0 else now
        if at is None or at <= _later(now - CHANGES_WITHIN, begun):
            return ""
        return f"{most} changes in the CRM within an hour, as many as brakes.changes_per_hour allows"

    def _too_wrong(self, now: datetime, begun: datetime | None) -> str:
        limits = self._limits
        if not limits.correction_rate:
            return ""
        since = _later(now - CORRECTIONS_WITHIN, begun)
        at = self._journal.nth_newest(Correction.KIND, max(1, limits.correction_min))
        if at is None or at <= since:
            return ""
        corrections = self._journal.recorded_since(Correction.KIND, since, MAX_CORRECTIONS)
        enough = int(corrections / limits.correction_rate) + 1
        postings = self._journal.recorded_since(Posting.KIND, since, enough)
        if corrections <= limits.correction_rate * postings:
            return ""
        return (
            f"people put right {corrections} of the last day's {postings} postings, "
            f"more than brakes.correction_rate = {limits.correction_rate:g}"
        )


def _later(at: datetime, other: datetime | None) -> datetime:
    return max(at, other) if other else at
