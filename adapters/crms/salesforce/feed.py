"""What changed since a cursor: one query per object of what was touched since, the recycle bin included, in one call.

`SystemModstamp` moves with every change, by whomever, with a deletion and with a merge, and doesn't lag. Each sweep
begins a minute before the end of the last one, since a long transaction commits under an earlier stamp; what was named
already is kept out by its stamp. Behind a full page it reaches back as well, while that is young. Stamps are whole
seconds, so what is named within its own second is named once more later, as it may have changed within the rest of it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from adapters.crms.salesforce.org import Org
from adapters.crms.salesforce.records import answers, is_note
from adapters.crms.salesforce.soql import instant, is_id, quoted, select
from adapters.crms.salesforce.vendor import KEY, PAGE, PREFIXES, STAMP, TASK, Row, held, moment, stamp
from adapters.crms.salesforce.wire import Query
from sidecar.ports import ChangedPage, Clock

OVERLAP = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
MAX_NAMED = 1_000
FRESH = "?"
"""Ends the stamp of what was named within its own second."""
KINDS: Mapping[str, str] = {
    "Contact": "contact", "Lead": "contact", "Account": "company", "Opportunity": "deal", "Task": "task",
    "Event": "meeting",
}  # fmt: skip
Sweep = dict[str, Any]


class Feed:
    """The change feed of one org."""

    def __init__(self, org: Org, clock: Clock) -> None:
        self._org, self._clock = org, clock

    def changed(self, cursor: Mapping[str, Any] | None) -> ChangedPage:
        """Return what changed since a cursor, and the next one; None starts now."""
        given = cursor.get("objects") if cursor else None
        known = given if isinstance(given, Mapping) else {}
        sweeps = {sobject: self._opened(known.get(sobject)) for sobject in self._objects()}
        told = answers(self._org, lambda: [self._query(sobject, sweep) for sobject, sweep in sweeps.items()])
        refs: dict[tuple[str, str], None] = {}
        for (sobject, sweep), rows in zip(list(sweeps.items()), told, strict=True):
            is_new = not isinstance(known.get(sobject), Mapping)
            named = self._take(sweep, rows, firm=is_new)
            if not is_new:
                refs |= dict.fromkeys((self._kind(sobject, row), held(row, "Id")) for row in named)
        return ChangedPage(tuple(refs), {"objects": sweeps})

    def _objects(self) -> list[str]:
        people = set(self._org.people)
        return [each for each in dict.fromkeys(PREFIXES.values()) if each not in ("Contact", "Lead") or each in people]

    def _opened(self, given: Any) -> Sweep:
        """Read where the sweep of an object stands; one that can't be read begins now."""
        now = stamp(self._clock() - OVERLAP)
        if not isinstance(given, Mapping) or not isinstance(given.get("since"), str):
            return {"since": now, "after": "", "seen": {}}
        seen = given.get("seen")
        return {
            "since": given["since"],
            "after": str(given.get("after") or ""),
            "seen": dict(seen) if isinstance(seen, Mapping) else {},
        }

    def _query(self, sobject: str, sweep: Sweep) -> Query:
        columns = ["Id", STAMP, "IsDeleted"]
        columns += [KEY] if sobject == TASK and KEY in self._org.described(TASK) else []
        since = instant(moment(sweep["since"]))
        where = f"{STAMP} >= {since}"
        if is_id(sweep["after"]):  # within a page: more of what has the same stamp comes first
            where = f"({STAMP} > {since} OR ({STAMP} = {since} AND Id > {quoted(sweep['after'])}))"
        return Query(select(columns, sobject, where, order=f"{STAMP}, Id", limit=PAGE), deleted=True)

    def _take(self, sweep: Sweep, rows: list[Row], *, firm: bool) -> list[Row]:
        """Take in what a query showed; return what is news, and move the sweep on."""
        now, news = self._clock(), []
        seen: dict[str, str] = sweep["seen"]
        for row in rows:
            ref, at = held(row, "Id"), moment(held(row, STAMP))
            version = f"{stamp(at)}{' gone' if row.get('IsDeleted') else ''}"
            is_fresh = now - at < SECOND and not firm
            if seen.get(ref) not in (version, version + FRESH) or (seen[ref] == version + FRESH and not is_fresh):
                news.append(row)
            seen[ref] = version + FRESH if is_fresh else version
        self._move(sweep, rows, now)
        return news

    @staticmethod
    def _move(sweep: Sweep, rows: list[Row], now: datetime) -> None:
        since = moment(sweep["since"])
        top = moment(held(rows[-1], STAMP)) if rows else since
        if len(rows) >= PAGE:
            sweep["since"], sweep["after"] = stamp(top), held(rows[-1], "Id")
        else:
            # Behind a full page the overlap reaches back into it, as long as something may still commit there.
            is_settled = not sweep["after"] or now - top > 2 * OVERLAP
            start = max(since, top - OVERLAP) if is_settled else top - OVERLAP
            sweep["since"], sweep["after"] = stamp(start), ""
        met = {ref: at for ref, at in sweep["seen"].items() if _time(at) >= moment(sweep["since"]) - OVERLAP}
        sweep["seen"] = dict(list(met.items())[-MAX_NAMED:])

    def _kind(self, sobject: str, row: Row) -> str:
        return "note" if sobject == TASK and is_note(row) else KINDS[sobject]


def _time(version: str) -> datetime:
    return moment(version.partition(" ")[0].rstrip(FRESH))
