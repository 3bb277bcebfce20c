"""What changed since a cursor: a sweep per kind by last-modified time, and a walk through the recycle bin.

Search lags and forgets the order of what happens at once, so each sweep begins some minutes before the end of the last
one, and what was named already is kept out by its version. That memory belongs to a cursor: if the cursor that we gave
was not kept, neither is what we remembered with it, and everything is named once more. Our own updates come back under
the version that their answer gave, and are not news; what we created is named once, because workflows begin there.
All of it is bounded: pages per poll, and how much is remembered.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.crms.hubspot.options import HubSpotOptions
from adapters.crms.hubspot.portal import Portal
from adapters.crms.hubspot.records import merged_into
from adapters.crms.hubspot.search import Search
from adapters.crms.hubspot.shapes import Thing, Things
from adapters.crms.hubspot.values import epoch_ms, stamp
from adapters.crms.hubspot.vendor import LIST_PAGE, MERGED_IDS, OBJECTS, SEARCH_PAGE, SEARCH_REACH
from sidecar.ports import ChangedPage, Clock

OVERLAP = timedelta(minutes=10)
PAGES = 25
BIN_PAGES = 25
MAX_REMEMBERED = 50_000
MAX_ECHOES = 50_000

_NUMBERS = ("since", "top", "floor", "began", "bin_since", "bin_began")

Seen = dict[tuple[str, str], str]


@dataclass(slots=True)
class _Sweep:
    """Where the reading of one kind stands, in milliseconds.

    `since` it reads, `top` it saw, `floor` the feed began at, and `began` is when this sweep did.
    """

    since: int
    top: int
    floor: int
    began: int
    after: str = ""
    bin_after: str = ""
    bin_since: int = 0
    bin_began: int = 0
    seen: Seen = field(default_factory=dict)
    named: list[str] = field(default_factory=list)


class Feed:
    """The change feed of one account."""

    def __init__(self, portal: Portal, search: Search, options: HubSpotOptions, clock: Clock) -> None:
        self._portal, self._search = portal, search
        self._options, self._clock = options, clock
        self._lock = threading.Lock()
        self._echoes: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._made: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._name = secrets.token_hex(4)
        self._count = 0
        self._kept: dict[str, Seen] = {}
        """What was named already, by the mark of its cursor: the one last used, and the one last given."""

    def wrote(self, kind: str, ref: str, version: datetime | None, *, is_new: bool) -> None:
        """Remember a version as our own write's."""
        if version is None:
            return
        held = self._made if is_new else self._echoes
        with self._lock:
            held[(kind, ref)] = stamp(version)
            held.move_to_end((kind, ref))
            while len(held) > MAX_ECHOES:
                held.popitem(last=False)

    def changed(self, cursor: Mapping[str, Any] | None) -> ChangedPage:
        """Return what changed since a cursor, and the next one; None starts now."""
        now = epoch_ms(self._clock())
        if cursor is None:
            with self._lock:  # what we made before the beginning is not news after it
                self._echoes |= self._made
            start = dict.fromkeys(_NUMBERS, now)
            return ChangedPage((), {"kinds": {kind: dict(start) for kind in OBJECTS}, "mark": self._mark()})
        mark = str(cursor.get("mark", ""))
        before = self._remembered(mark)
        seen = dict(before)
        held = cursor.get("kinds")
        kinds: dict[str, dict[str, Any]] = {}
        refs: list[tuple[str, str]] = []
        for kind in OBJECTS:
            given = held.get(kind) if isinstance(held, Mapping) else None
            sweep = _opened(given if isinstance(given, Mapping) else {}, now, seen)
            self._sweep(kind, sweep, now)
            self._look_into_bin(kind, sweep, now)
            refs += [(kind, ref) for ref in dict.fromkeys(sweep.named)]
            kinds[kind] = _closed(sweep)
        return ChangedPage(tuple(refs), {"kinds": kinds, "mark": self._keep(mark, before, seen, kinds)})

    def _sweep(self, kind: str, sweep: _Sweep, now: int) -> None:
        """Read pages in order of time; each begins where the last one ended, so that what moves is not skipped."""
        modified = "lastmodifieddate" if kind == "contact" else "hs_lastmodifieddate"
        for _ in range(PAGES):
            page = self._search.page(kind, _body(modified, sweep))
            for thing in page.results:
                at = epoch_ms(thing.updated_at) if thing.updated_at else sweep.since
                sweep.top = max(sweep.top, at)
                self._name_changed(kind, thing, sweep)
            if not page.after:
                sweep.since, sweep.after, sweep.began = _next_start(sweep), "", now
                return
            self._turn(page, sweep)

    @staticmethod
    def _turn(page: Things, sweep: _Sweep) -> None:
        last = page.results[-1].updated_at if page.results else None
        at = epoch_ms(last) if last else sweep.since
        if at > sweep.since:
            sweep.since, sweep.after = at, ""
        elif page.after.isdigit() and int(page.after) + SEARCH_PAGE > SEARCH_REACH:
            sweep.since, sweep.after = sweep.since + 1, ""  # more of one millisecond than search can reach
        else:
            sweep.after = page.after

    def _name_changed(self, kind: str, thing: Thing, sweep: _Sweep) -> None:
        version = stamp(thing.updated_at) if thing.updated_at else ""
        if sweep.seen.get((kind, thing.id)) == version:
            return
        sweep.seen[(kind, thing.id)] = version
        with self._lock:
            is_echo = self._echoes.get((kind, thing.id)) == version
        if not is_echo:
            sweep.named += [thing.id, *merged_into(thing)]

    def _look_into_bin(self, kind: str, sweep: _Sweep, now: int) -> None:
        """Walk through the recycle bin, which has no order by time, and name what came into it since the last walk."""
        every_ms = int(self._options.deletions_every_s * 1000)
        if not sweep.bin_after:
            if now - sweep.bin_began < every_ms:
                return
            sweep.bin_since, sweep.bin_began = sweep.bin_began, now
        since = max(sweep.floor, sweep.bin_since - OVERLAP // timedelta(milliseconds=1))
        query = {"archived": "true", "limit": str(LIST_PAGE), "properties": "hs_object_id"}
        for page in self._bin_pages(kind, query, sweep):
            for thing in page.results:
                version = f"gone {stamp(thing.archived_at)}" if thing.archived_at else "gone"
                is_news = thing.archived_at is None or epoch_ms(thing.archived_at) >= since
                if is_news and sweep.seen.get((kind, thing.id)) != version:
                    sweep.seen[(kind, thing.id)] = version
                    sweep.named.append(thing.id)

    def _bin_pages(self, kind: str, query: dict[str, str], sweep: _Sweep) -> Iterator[Things]:
        for _ in range(BIN_PAGES):
            asked = {**query, "after": sweep.bin_after} if sweep.bin_after else query
            page = self._portal.wire.get(Things, "list", self._portal.paths.objects(kind), asked)
            yield page
            sweep.bin_after = page.after
            if not page.after:
                return

    def _remembered(self, mark: str) -> Seen:
        with self._lock:
            return self._kept.get(mark, {})

    def _keep(self, used: str, before: Seen, seen: Seen, kinds: Mapping[str, Mapping[str, Any]]) -> str:
        """Keep what was named, as far as the next sweeps will meet it again, under the mark of the next cursor."""
        starts = {
            kind: stamp_of(min(state["since"], _next_start(_opened(state, 0, {})))) for kind, state in kinds.items()
        }
        kept = {
            key: version for key, version in seen.items() if version.startswith("gone") or version >= starts[key[0]]
        }
        bounded = dict(list(kept.items())[-MAX_REMEMBERED:])
        mark = self._mark()
        with self._lock:
            self._kept = {used: before, mark: bounded}
        return mark

    def _mark(self) -> str:
        with self._lock:
            self._count += 1
            return f"{self._name}-{self._count}"


def _next_start(sweep: _Sweep) -> int:
    """Return where the sweep after this one begins: before all that search may not have shown to this one."""
    return max(sweep.floor, min(sweep.top, sweep.began) - OVERLAP // timedelta(milliseconds=1))


def _body(modified: str, sweep: _Sweep) -> dict[str, Any]:
    given = {"propertyName": modified, "operator": "GTE", "value": str(sweep.since)}
    body: dict[str, Any] = {
        "filterGroups": [{"filters": [given]}],
        "sorts": [{"propertyName": modified, "direction": "ASCENDING"}],
        "properties": [modified, MERGED_IDS],
        "limit": SEARCH_PAGE,
    }
    return {**body, "after": sweep.after} if sweep.after else body


def _opened(given: Mapping[str, Any], now: int, seen: Seen) -> _Sweep:
    """Read where a kind stands; a cursor that can't be read starts now."""
    numbers = {name: given.get(name) for name in _NUMBERS}
    if not all(isinstance(number, int) for number in numbers.values()):
        numbers = dict.fromkeys(numbers, now)
    places = {name: str(given.get(name) or "") for name in ("after", "bin_after")}
    return _Sweep(**numbers, **places, seen=seen)  # type: ignore[arg-type]


def _closed(sweep: _Sweep) -> dict[str, Any]:
    return {name: getattr(sweep, name) for name in (*_NUMBERS, "after", "bin_after")}


def stamp_of(ms: int) -> str:
    """Return a cursor's time as versions are written."""
    return stamp(datetime.fromtimestamp(0, tz=UTC) + timedelta(milliseconds=ms))
