"""What has changed in a calendar: Graph's delta over a window of time, held against what was laid down before.

A round says only where to look: items come twice, out of order, partial, and as removed when they merely left the
window. So each item that may be news is asked for by itself, and its own answer counts. What a cursor remembers of each
event (its state, UID, end and type) tells news from repetition; so a token that dies, in whichever shape, and a window
that moves on, cost a listing and neither lose nor double an event. A window moves every week.

Occurrences of a series are not what somebody did; their series is, and so is an exception. Where something vanished
that isn't remembered, it may have been an occurrence, and each series is looked at. The state `?` is that of an event
that was refused, and is asked for again; `?gone` where it was said to be gone.

A cursor is `{"window": [from, until], "link": address, "items": {id: [state, uid, end, type]}, "subscriptions": {}}`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.channels.graph.api import Api, DeadTokenError
from adapters.channels.graph.subscriptions import read_time
from sidecar.errors import ConfigError, TemporaryError

PAGE_SIZE = 200
PAGES_MAX = 1_000
ENTRIES_MAX = 20_000
BACK = timedelta(days=30)
ROLL = timedelta(days=7)
LEFT, LEFT_GONE = "?", "?gone"
MASTER, OCCURRENCE = "seriesMaster", "occurrence"
TOLD = "type,seriesMasterId,changeKey,lastModifiedDateTime"

Item = tuple[str, str, str, str]


@dataclass(slots=True)
class Known:
    """Where a calendar stands; see the module's word on cursors."""

    window: tuple[datetime, datetime] | None = None
    link: str = ""
    items: dict[str, Item] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """Return it as a cursor."""
        window = [at.isoformat() for at in self.window] if self.window else None
        return {"window": window, "link": self.link, "items": {id: list(item) for id, item in self.items.items()}}


@dataclass(frozen=True, slots=True)
class Round:
    """What to look at: ids with whether they are said to be gone; over which window; where the next round begins.

    `states` are told of some.
    """

    ids: Mapping[str, bool]
    window: tuple[datetime, datetime]
    link: str
    states: Mapping[str, str]


class Window:
    """Lists the changes of one calendar."""

    def __init__(self, api: Api, setting: str, ahead: timedelta) -> None:
        self._api, self._setting, self._ahead = api, setting, ahead

    def around(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the window of a day; it reaches further than asked for until it moves."""
        day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return day - BACK, day + ROLL + self._ahead

    def news(self, known: Known, now: datetime) -> Round:
        """Return what may have changed since a round, or all there is when none is known, or it is too old."""
        window = known.window
        if window and known.link and now < window[0] + BACK + ROLL:
            try:
                rows, link = self._rows("delta", known.link, {})
                return Round(self._changed(rows, known), window, link, states_of(rows))
            except DeadTokenError:
                pass  # all is listed below
        window = self.around(now)
        try:
            rows, link = self._rows("delta", "calendarView/delta", _query(window))
        except DeadTokenError:
            raise TemporaryError("Graph begins a calendar anew without end", retry_after_s=600.0) from None
        return Round(self._all(rows, known, window), window, link, states_of(rows))

    def there(self, window: tuple[datetime, datetime]) -> dict[str, dict[str, Any]]:
        """Return all events and series in a window by their ids, with what is told of them: of a series nothing."""
        rows, _ = self._rows("calendarView", "calendarView", _query(window) | {"$select": TOLD})
        found = {_named(row): dict[str, Any]() for row in rows}
        return found | {row["id"]: row for row in rows if _named(row) == row["id"]}

    def _changed(self, rows: list[dict[str, Any]], known: Known) -> dict[str, bool]:
        removed = [row["id"] for row in rows if "@removed" in row]
        found = {id: True for id in removed if id in known.items}
        found |= {_named(row): False for row in rows if "@removed" not in row and not _is_same(row, known)}
        if any(id not in known.items for id in removed):
            found |= {id: True for id, item in known.items.items() if item[3] == MASTER and id not in found}
        return found

    def _all(self, rows: list[dict[str, Any]], known: Known, window: tuple[datetime, datetime]) -> dict[str, bool]:
        """Everything that isn't the same, and what was known and isn't there; what is over is forgotten."""
        live = [row for row in rows if "@removed" not in row]
        listed = {_named(row) for row in live}
        over = [id for id, item in known.items.items() if id not in listed and _is_over(item, window[0])]
        for id in over:
            del known.items[id]
        gone = {id: True for id in known.items if id not in listed}
        return gone | {_named(row): False for row in live if not _is_same(row, known)}

    def _rows(self, operation: str, link: str, query: Mapping[str, str]) -> tuple[list[dict[str, Any]], str]:
        """The rows of all pages, each item once for each state, and the link of the next round."""
        found: list[dict[str, Any]] = []
        for page in self._pages(operation, link, query):
            found += page[0]
            if len({row["id"] for row in found}) > ENTRIES_MAX:
                told = f"the calendar has more than {ENTRIES_MAX} entries in this time; look less far ahead"
                raise ConfigError(told, setting=f"{self._setting}.days_ahead")
            link = page[1]
        return found, link

    def _pages(self, operation: str, link: str, query: Mapping[str, str]) -> Iterator[tuple[list[dict[str, Any]], str]]:
        for _ in range(PAGES_MAX):
            page = self._api.page(operation, link, query, PAGE_SIZE)
            yield page.rows, page.delta
            if not page.next:
                return
            link, query = page.next, {}
        raise TemporaryError("a calendar of Graph's doesn't end", retry_after_s=3_600.0)


def read_known(cursor: Mapping[str, Any] | None) -> Known:
    """Read a cursor; one that can't be read counts as lost."""
    told = cursor or {}
    link, items, window = told.get("link"), told.get("items"), told.get("window")
    if not isinstance(link, str) or not isinstance(items, Mapping):
        return Known()
    rows = {str(id): item for id, item in items.items() if isinstance(item, list) and len(item) == 4}
    held = {id: (str(item[0]), str(item[1]), str(item[2]), str(item[3])) for id, item in rows.items()}
    ends = [at for at in map(read_time, window) if at] if isinstance(window, list) else []
    return Known((ends[0], ends[1]), link, held) if len(ends) == 2 else Known(None, "", held)


def states_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the states of the events that rows tell them of."""
    return {str(row["id"]): str(row["changeKey"]) for row in rows if row.get("changeKey")}


def _query(window: tuple[datetime, datetime]) -> dict[str, str]:
    start, end = (at.strftime("%Y-%m-%dT%H:%M:%SZ") for at in window)
    return {"startDateTime": start, "endDateTime": end}


def _named(row: Mapping[str, Any]) -> str:
    """The event that a row is about: of an occurrence its series."""
    master = row.get("seriesMasterId")
    return master if row.get("type") == OCCURRENCE and isinstance(master, str) and master else str(row["id"])


def _is_same(row: Mapping[str, Any], known: Known) -> bool:
    """Whether a row tells of the state that was seen; one without a state, or an occurrence, may be news."""
    item = known.items.get(str(row["id"]))
    return item is not None and bool(item[0]) and row.get("changeKey") == item[0]


def _is_over(item: Item, start: datetime) -> bool:
    end = read_time(item[2])
    return item[3] != MASTER and end is not None and end < start
