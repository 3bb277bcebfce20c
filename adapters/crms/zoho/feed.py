"""What changed since a cursor: a query per module of what was modified since, and, more seldom, what was deleted.

Queries read the database, so nothing lags; each begins a while before the end of the last one, because what is stamped
earlier may be stored later, and what the last one named already is kept out by its time. Times are whole seconds, so
what is named within its own second is named once more later, as it may have changed within the rest of it. A page
begins behind the last row of the one before, since what is changed meanwhile moves all that stands behind it. Notes
can't be queried and are listed instead. A feed begins by meeting what changed lately without naming it, so that it
starts now whichever clock is ahead. Deleted records cost two credits a module, so they are asked for at intervals.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from adapters.crms.zoho import coql
from adapters.crms.zoho.faults import Refusal
from adapters.crms.zoho.options import ZohoOptions
from adapters.crms.zoho.org import Org
from adapters.crms.zoho.records import Records, Row
from adapters.crms.zoho.vendor import MODULES, held, moment, stamp
from sidecar.ports import ChangedPage, Clock

OVERLAP, SLACK = timedelta(seconds=30), timedelta(minutes=5)
PAGES, MAX_NAMED = 50, 2_000
SECOND = timedelta(seconds=1)
FRESH = "?"
"""Ends the time of what was named within its own second."""
MOST = PAGES * coql.PAGE
"""Changes of a kind that one look takes in; after a mass update the next look goes on where it ended."""
DELETED = "deleted"


class Feed:
    """The change feed of one org."""

    def __init__(self, org: Org, records: Records, options: ZohoOptions, clock: Clock) -> None:
        self._org, self._records, self._options, self._clock = org, records, options, clock

    def changed(self, cursor: Mapping[str, Any] | None) -> ChangedPage:
        """Return what changed since a cursor, and the next one; None starts now."""
        now = self._clock()
        given = cursor.get("kinds") if cursor else None
        if not isinstance(given, Mapping):
            start: dict[str, Any] = {"since": stamp(now - SLACK), "seen": {}}
            kinds = {kind: self._sweep(kind, start, {}, None) for kind in MODULES}
            gone = {kind: self._gone(kind, start, {}) for kind in MODULES}
            return ChangedPage((), {"kinds": kinds, DELETED: gone, "looked": stamp(now)})
        refs: dict[tuple[str, str], None] = {}
        kinds = {kind: self._sweep(kind, _state(given.get(kind), now), refs, now) for kind in MODULES}
        told: Any = (cursor or {}).get(DELETED)
        gone, looked = dict(told) if isinstance(told, Mapping) else {}, str((cursor or {}).get("looked") or "")
        if not looked or now - moment(looked) >= timedelta(seconds=self._options.deletions_every_s):
            gone = {kind: self._gone(kind, _state(gone.get(kind), now), refs) for kind in MODULES}
            looked = stamp(now)
        return ChangedPage(tuple(refs), {"kinds": kinds, DELETED: gone, "looked": looked})

    def _sweep(
        self, kind: str, state: Mapping[str, Any], refs: dict[tuple[str, str], None], now: datetime | None
    ) -> dict[str, Any]:
        return _named(kind, state, self._rows(kind, moment(state["since"])), "Modified_Time", refs, now)

    def _rows(self, kind: str, since: datetime) -> Iterator[Row]:
        if kind == "note":
            yield from islice(self._records.notes_since(since), MOST)
            return
        where = f"Modified_Time >= {coql.quoted(stamp(since))}"
        for _ in range(PAGES):
            query = coql.select(MODULES[kind], ("id", "Modified_Time"), where, "Modified_Time asc, id asc")
            rows = list(self._org.wire.ask("changed", query, 1, whole=False))
            yield from rows
            if len(rows) < coql.PAGE:
                return
            at = coql.quoted(stamp(moment(held(rows[-1], "Modified_Time"))))
            behind = f"(Modified_Time = {at} and id > {coql.quoted(held(rows[-1], 'id'))})"
            where = coql.either([f"Modified_Time > {at}", behind])

    def _gone(self, kind: str, state: Mapping[str, Any], refs: dict[tuple[str, str], None]) -> dict[str, Any]:
        """Name what was deleted or merged away; a module that keeps no list of that has none."""
        since = stamp(moment(state["since"]) - timedelta(seconds=1))
        path = f"/{MODULES[kind]}/deleted"
        try:
            rows = list(self._org.wire.rows("deleted", path, {"type": "all"}, PAGES, since))
        except Refusal as refusal:
            if refusal.code != "INVALID_MODULE":
                raise
            rows = []
        return _named(kind, state, iter(rows), "deleted_time", refs)


def _state(found: Any, now: datetime) -> Mapping[str, Any]:
    held_ = found if isinstance(found, Mapping) else {}
    seen = held_.get("seen")
    return {"since": str(held_.get("since") or stamp(now)), "seen": dict(seen) if isinstance(seen, Mapping) else {}}


def _named(
    kind: str,
    state: Mapping[str, Any],
    rows: Iterator[Row],
    time_field: str,
    refs: dict[tuple[str, str], None],
    now: datetime | None = None,
) -> dict[str, Any]:
    """Name what wasn't named before; return where the next look begins, and what it will meet again.

    With `now`, what is younger than a second is marked, so that it is named once more when that is over.
    """
    since = moment(state["since"])
    top, met = since, dict[str, str]()
    for row in rows:
        ref, at = held(row, "id"), held(row, time_field)
        if not at:
            continue
        top, told = max(top, moment(at)), stamp(moment(at))
        is_fresh = now is not None and now - moment(at) < SECOND
        met[ref] = told + FRESH if is_fresh else told
        if state["seen"].get(ref) not in (told, met[ref]):
            refs[(kind, ref)] = None
    start = top if len(met) >= MOST else max(since, top - OVERLAP)
    again = {ref: at for ref, at in met.items() if moment(at.rstrip(FRESH)) >= start}
    return {"since": stamp(start), "seen": dict(list(again.items())[-MAX_NAMED:])}
