"""What changed since a cursor: a list per kind of what was updated since, and a look at what this process knows.

The lists come from the database, so nothing lags; they begin a few seconds before the end of the last one, because what
is stamped earlier may be stored later, and what the last one named already is kept out by its time of update. That
knows whole seconds, so what was updated just now may be updated again under the same time, by a rep right behind us: it
is kept out once its second is over, and named again until then. Only of deals does Pipedrive list the deleted ones.
Persons, organizations and activities that this process has seen are read again at times, in portions, and those that
are gone are named; a deleted note is found when it is next written.
"""

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from adapters.crms.pipedrive.account import MAX_PAGES, Company
from adapters.crms.pipedrive.memory import Memory
from adapters.crms.pipedrive.options import PipedriveOptions
from adapters.crms.pipedrive.records import Records
from adapters.crms.pipedrive.vendor import BATCH, MEETING, PATHS, chunks, held, moment, stamp
from sidecar.ports import ChangedPage, Clock

OVERLAP = timedelta(seconds=2)
MAX_NAMED = 1_000
MAX_CHECKS = 20
LISTS = ("contact", "company", "deal", "note", "task")
"""Tasks and meetings are one list."""

Seen = dict[str, str]


class Feed:
    """The change feed of one company."""

    def __init__(
        self, company: Company, records: Records, memory: Memory, options: PipedriveOptions, clock: Clock
    ) -> None:
        self._company, self._records, self._memory = company, records, memory
        self._options, self._clock = options, clock
        self._lock = threading.Lock()
        self._checked: datetime | None = None

    def changed(self, cursor: Mapping[str, Any] | None) -> ChangedPage:
        """Return what changed since a cursor, and the next one; None starts now."""
        now = stamp(self._clock())
        given = cursor.get("kinds") if cursor else None
        if not isinstance(given, Mapping):
            return ChangedPage((), {"kinds": self._from(now)})
        refs: dict[tuple[str, str], None] = {}
        kinds: dict[str, Any] = {}
        over = stamp(self._clock() - OVERLAP)
        for kind in LISTS:
            state = given.get(kind) or {}
            since, seen = str(state.get("since") or now), dict(state.get("seen") or {})
            kinds[kind] = self._sweep(kind, since, seen, over, refs)
        refs |= dict.fromkeys(self._gone())
        return ChangedPage(tuple(refs), {"kinds": kinds})

    def _from(self, now: str) -> dict[str, Any]:
        """Return where a feed begins: what we wrote within this second is no news after it."""
        ours = self._memory.written(now)
        return {
            kind: {"since": now, "seen": {ref: version for (of, ref), version in ours.items() if _list(of) == kind}}
            for kind in LISTS
        }

    def _sweep(self, kind: str, since: str, seen: Seen, over: str, refs: dict[tuple[str, str], None]) -> dict[str, Any]:
        """Name what a list shows; return where the next one begins, and what it will meet again that can't be news."""
        top, named = moment(since), dict[str, str]()
        asks = [{}] if kind != "deal" else [{}, {"status": "deleted"}]
        for ask in asks:
            operation = "notes" if kind == "note" else "list"
            query = {"updated_since": since, **ask}
            for row in self._company.wire.rows(operation, PATHS[kind], query, MAX_PAGES):
                at, ref = held(row, "update_time"), held(row, "id")
                if not at:
                    continue
                top = max(top, moment(at))
                version = f"{stamp(moment(at))}{ask.get('status', '')}"
                named[ref] = version
                if seen.get(ref) != version:
                    refs[(MEETING if held(row, "type") == MEETING and kind == "task" else kind, ref)] = None
        start = stamp(max(moment(since), top - OVERLAP))
        met = {ref: version for ref, version in named.items() if start <= version[: len(start)] < over}
        return {"since": start, "seen": dict(list(met.items())[-MAX_NAMED:])}

    def _gone(self) -> list[tuple[str, str]]:
        """Read a portion of the records that this process knows again, and name those that are gone."""
        every = timedelta(seconds=self._options.deletions_every_s)
        with self._lock:
            now = self._clock()
            if self._checked is not None and now - self._checked < every:
                return []
            self._checked = now
        gone: list[tuple[str, str]] = []
        for kind, refs in self._memory.portion(MAX_CHECKS * BATCH).items():
            for part in chunks(refs, BATCH):
                there = self._records.fetch(kind, part)
                gone += [(kind, ref) for ref in part if ref not in there]
        self._memory.forget(gone)
        return gone


def _list(kind: str) -> str:
    return "task" if kind == MEETING else kind
