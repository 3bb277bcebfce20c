"""Read-only day one: who wrote what the CRM holds, counted from the CRM's own history.

It reads through the ledger port alone and writes one thing: a file with the counts so far, beside the results. No value
of a customer is kept, only how many there were, so that file may lie about. Counts and the cursor are written together,
so a run that was cut off, by a person or by a spent quota, goes on where it ended and counts nothing twice. What is
edited while it runs is counted as it stood when its record was met; the period ends when the audit began.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sidecar.audit.figures import Report, Words, report
from sidecar.audit.page import html
from sidecar.audit.sheet import csv_text
from sidecar.audit.state import Field, Scope, State, load, save
from sidecar.errors import ConfigError, PermanentError, TemporaryError, UnsupportedFeature
from sidecar.model import Walked
from sidecar.ports import Ledger

__all__ = ["KINDS", "Report", "Wanted", "Words", "audit", "csv_text", "html", "known_kinds", "report"]

KINDS = ("contact", "company", "deal", "note", "task", "meeting")
PERIOD = timedelta(days=365)
SAVE_EVERY = 10
"""Pages between two saves: what a power cut costs is read again, and counted once."""
PATIENCE_S, MAX_WAITS = 60.0, 5
"""The longest wait for the CRM's limits in one go, and how many of them one page is worth."""
MAX_PAGES = 1_000_000
Told = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to audit; what is None is as it was when the audit began, else as it comes."""

    timezone: str
    since: datetime | None = None
    kinds: tuple[str, ...] | None = None
    pages: int | None = None
    anew: bool = False


def audit(
    ledger: Ledger,
    wanted: Wanted,
    path: Path,
    now: datetime,
    *,
    told: Told = lambda kind, done, total: None,
    nap: Callable[[float], object] | None = None,
) -> State:
    """Count on from where the file at `path` ends, until all is counted or `wanted.pages` were read.

    `told(kind, done, total)` hears of each page. `TemporaryError` when the CRM's limits are used up for longer.
    """
    if not ledger.capabilities.walk:
        raise UnsupportedFeature(f"{ledger.name} keeps no history of all its records that can be read")
    state = _begun(ledger, wanted, path, now)
    nap = nap or threading.Event().wait
    read = 0
    try:
        for kind in state.scope.kinds:
            while kind not in state.finished and (wanted.pages is None or read < wanted.pages):
                if read >= MAX_PAGES:
                    raise PermanentError(f"the audit doesn't end within {MAX_PAGES} pages")
                page = _page(ledger, state, kind, nap)
                read += 1
                if page is not None:
                    state.take(kind, page)
                    told(kind, state.records[kind], state.totals.get(kind))
                if read % SAVE_EVERY == 0:
                    save(state, path)
    finally:
        save(state, path)
    if state.is_complete and not any(state.records.values()) and state.left_out:
        raise ConfigError("nothing could be read:\n" + "\n".join(state.left_out.values()), setting="crm")
    return state


def _begun(ledger: Ledger, wanted: Wanted, path: Path, now: datetime) -> State:
    """Return the state to go on from; one of another audit is nobody's to throw away but a person's."""
    account = ledger.account()
    held = None if wanted.anew else load(path)
    if held is not None:
        same = held.scope.account == account and held.scope.timezone == wanted.timezone
        same &= wanted.since in (None, held.scope.since) and wanted.kinds in (None, held.scope.kinds)
        if not same:
            raise PermanentError(
                f"{path.name} belongs to another audit (account, period or kinds): finish it, or --anew"
            )
        return held
    kinds = tuple(kind for kind in wanted.kinds or KINDS if kind in ledger.capabilities.kinds)
    if not kinds:
        raise PermanentError(f"name kinds that this CRM has: {', '.join(sorted(ledger.capabilities.kinds))}")
    scope = Scope(account, ledger.name, kinds, wanted.since or now - PERIOD, now, wanted.timezone)
    if scope.since >= now:
        raise PermanentError("the period must begin before now")
    return State(scope)


def _page(ledger: Ledger, state: State, kind: str, nap: Callable[[float], object]) -> Walked | None:
    """Return a kind's next page; None for a kind whose beginning we may not read, which is then left out by name."""
    waits = 0
    while True:
        try:
            if kind not in state.fields:
                state.fields[kind] = _fields(ledger, kind)
            return ledger.walk(kind, state.cursors.get(kind), list(state.fields[kind]))
        except TemporaryError as error:
            waits += 1
            if waits > MAX_WAITS or error.retry_after_s is None or error.retry_after_s > PATIENCE_S:
                raise
            nap(error.retry_after_s)
        except ConfigError as error:
            if kind in state.cursors:
                raise
            state.leave_out(kind, str(error))
            return None


def _fields(ledger: Ledger, kind: str) -> Mapping[str, Field]:
    """Return what people could write; what the CRM computes itself would only water the share down."""
    return {
        name: Field(spec.label or name, spec.ours)
        for name, spec in ledger.schema(kind).items()
        if spec.writable or spec.ours or spec.counted
    }


def known_kinds(names: Sequence[str]) -> tuple[str, ...]:
    """Return kinds as a person typed them, each once; an unknown one is refused by name."""
    unknown = [name for name in names if name not in KINDS]
    if unknown:
        raise PermanentError(f"there is no kind {unknown[0]!r}; known are {', '.join(KINDS)}")
    return tuple(dict.fromkeys(names))
