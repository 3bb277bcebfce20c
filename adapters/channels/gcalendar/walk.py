"""The poll of a Google calendar: page by page from a sync token, or everything when there is none that is taken.

A cursor is `{"token", "page", "size", "items", "fresh", "watch"}`: the sync token; the page that comes next in a poll
that was left; by how many events a page was asked for, since a token holds for the same parameters alone; of each event
that isn't over its iCalUID and its end ("" for a series), as known before and as found by the listing that goes on; and
the push channel (`push`). Where Google has forgotten the token (410), everything is listed anew under the same keys,
and what the listing lacks is asked for by itself: so a deletion that fell into the gap is told as well.

An event is laid down as Google told it, keyed by its id and ETag. Where it doesn't bring its iCalUID (a cancelled day,
a deleted event) that is taken from what is remembered, else asked for; for an event of Google's own it follows from the
id. What must be asked for by itself, and is refused while another event can be had, is left out by name.

The trade-off: the cursor holds an entry for each event to come, so at most 20,000 are remembered; of those behind them
a deletion within a gap isn't noticed.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any

import orjson

from adapters.channels.gcalendar.api import Calendar
from adapters.channels.gcalendar.events import from_vendor, stamp
from adapters.formats.ics import Event
from adapters.formats.ics_series import is_over
from adapters.formats.withheld import MAX_LOOKED_AT, Sieve, first_of, retrieved
from sidecar.errors import PermanentError, TemporaryError
from sidecar.ports import Captured, PollBatch

PAGES_MAX = 2_000
ITEMS_MAX = 20_000
UID_ASKED_MAX = 200
BARE = ("kind", "etag", "id", "status", "recurringEventId", "originalStartTime")
"""What Google tells of a deleted event, or of a cancelled day."""

Items = dict[str, list[str]]


@dataclass(slots=True)
class Place:
    """Where a poll stands; see the module's word on cursors."""

    token: str = ""
    page: str = ""
    size: int = 0
    items: Items = field(default_factory=dict)
    fresh: Items = field(default_factory=dict)
    watch: dict[str, str] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """Return the place as a cursor, which later steps don't change."""
        return {
            "token": self.token,
            "page": self.page,
            "size": self.size,
            "items": dict(self.items),
            "fresh": dict(self.fresh),
            "watch": dict(self.watch),
        }


@dataclass(frozen=True, slots=True)
class Bounds:
    """Whose events, from when on they count, how large one may be, how many make a page, and our zone."""

    account: str
    floor: datetime
    max_event_bytes: int
    size: int
    zone: str


def read_place(cursor: Mapping[str, Any] | None) -> Place:
    """Return the place of a cursor; what can't be read of it counts as lost."""
    told = cursor or {}
    token, page, size = told.get("token"), told.get("page"), told.get("size")
    place = Place(watch=_texts(told.get("watch")))
    if not isinstance(token, str) or not isinstance(page, str) or not isinstance(size, int):
        return place
    place.token, place.page, place.size = token, page, size
    place.items, place.fresh = _items(told.get("items")), _items(told.get("fresh"))
    return place


def walk(calendar: Calendar, bounds: Bounds, place: Place, now: datetime) -> Iterator[PollBatch]:
    """Yield what is new, each page with the cursor behind it; the place is moved along."""
    if place.size != bounds.size:
        place.token, place.page, place.fresh, place.size = "", "", {}, bounds.size
    restarted = False
    for _ in range(PAGES_MAX):
        told = calendar.page(place.token, place.page, bounds.size)
        if told is None:
            if restarted:
                raise TemporaryError("Google takes no token for this calendar", retry_after_s=600.0)
            place.token, place.page, place.fresh, restarted = "", "", {}, True
            continue
        one = _Page(calendar, bounds, place, now)
        captured = tuple(_brought(one, told.get("items", [])))
        more = told.get("nextPageToken")
        if more:
            place.page = str(more)
            yield PollBatch(captured, place.told())
            continue
        if not place.token:
            yield from _missed(one)
            place.items = place.fresh
        place.items = {id: entry for id, entry in place.items.items() if not _is_past(entry, now)}
        place.token, place.page, place.fresh = str(told["nextSyncToken"]), "", {}
        yield PollBatch(captured, place.told())
        return
    raise TemporaryError("Google's list of events doesn't end", retry_after_s=600.0)


def census(calendar: Calendar, bounds: Bounds, now: datetime) -> Iterator[PollBatch]:
    """Yield every event that counts, under the keys that a poll gives, with empty cursors."""
    for batch in walk(calendar, bounds, Place(size=bounds.size), now):
        if batch.captured:
            yield PollBatch(batch.captured, {})


def retrieve(
    calendar: Calendar, bounds: Bounds, now: datetime, key: str, headers: Mapping[str, str]
) -> Sequence[Captured]:
    """Fetch what a poll had to leave out: an item that lacked its iCalUID, or whether an event was deleted."""
    one = _Page(calendar, bounds, Place(), now)

    def fetch() -> Sequence[Captured]:
        if "item" not in headers:
            found = one.missed(headers["id"], headers["uid"])
        else:
            item = orjson.loads(headers["item"])
            told = calendar.event(str(item["id"])) or item
            is_back = told.get("status") != item.get("status")  # which a poll says
            found = None if is_back else one.captured(item)
        return (found,) if found else ()

    return retrieved(key, fetch, one.another)


class _Page:
    """What is made of the items of one page."""

    def __init__(self, calendar: Calendar, bounds: Bounds, place: Place, now: datetime) -> None:
        self.calendar, self.bounds, self.place, self.now = calendar, bounds, place, now
        self._asked: dict[str, str] = {}

    def counts(self, item: Mapping[str, Any]) -> bool:
        """Say whether an item is news: a meeting, not over before we came, nor called off before that.

        A deleted event that brings nothing but its id may be any, so it counts.
        """
        id = str(item["id"])
        try:
            event = from_vendor(item, str(item.get("iCalUID") or id), self.bounds.zone)
        except PermanentError:
            return True  # parse says why
        if event is None:
            return False
        if event.status == "CANCELLED":
            is_old = event.end is not None and event.end < self.bounds.floor
            at = stamp(item) or self.bounds.floor
            return not is_old and (bool(self.place.token) or id in self.place.items or at >= self.bounds.floor)
        if _is_over(event, self.bounds.floor):
            return False
        self._remember(id, event)
        return True

    def captured(self, item: Mapping[str, Any]) -> Captured:
        """Lay an item down."""
        raw, id, key = orjson.dumps(item, option=orjson.OPT_SORT_KEYS), str(item["id"]), _key(item)
        headers = {} if item.get("iCalUID") else {"uid": self._uid(item)}
        if item.get("status") == "cancelled":
            self.place.items.pop(id, None)
        if len(raw) <= self.bounds.max_event_bytes:
            return Captured(self.bounds.account, raw, key, headers)
        fault = f"event of {len(raw)} bytes; at most {self.bounds.max_event_bytes} are read"
        return Captured(self.bounds.account, b"", key, headers | {"fault": fault}, fault)

    def named(self, item: Mapping[str, Any]) -> Captured | None:
        """Return the name of an item for which something must be asked; None where nothing must."""
        if item.get("iCalUID") or self._known_uid(item):
            return None
        told = orjson.dumps({name: item[name] for name in BARE if name in item}, option=orjson.OPT_SORT_KEYS)
        return Captured(self.bounds.account, b"", _key(item), {"item": told.decode()})

    def missed(self, id: str, uid: str) -> Captured | None:
        """Return the deletion of an event that a listing lacks; None where it is there."""
        told = self.calendar.event(id)
        if told is None:
            return Captured(self.bounds.account, b"", f"event:{id}:removed"[:700], {"removed": uid, "uid": uid})
        return self.captured({"id": id, **told}) if told.get("status") == "cancelled" else None

    def another(self, but: Collection[str]) -> bool:
        """Say whether an event that is remembered, or one of those listed first, can be had, but for some keys'."""
        return self._any([*self.place.fresh, *self.place.items], but) or self._any(self._first(), but)

    def _any(self, ids: Iterable[str], but: Collection[str]) -> bool:
        return first_of({id: partial(self._seen, id) for id in ids}, {key.split(":")[1] for key in but})

    def _first(self) -> Iterator[str]:
        told = self.calendar.page("", "", MAX_LOOKED_AT) or {}
        return (str(item["id"]) for item in told.get("items", []))

    def _seen(self, id: str) -> Captured | None:
        return Captured(self.bounds.account, b"", id) if self.calendar.event(id) else None

    def _remember(self, id: str, event: Event) -> None:
        """Keep of an event that may still change what a later cancellation may lack."""
        if event.recurrence or not event.uid:
            return
        repeats = bool(event.repeats or event.added)
        entry = [event.uid, "" if repeats or event.end is None else event.end.isoformat()]
        held = self.place.items if self.place.token else self.place.fresh
        if not _is_past(entry, self.now) and (id in held or len(held) < ITEMS_MAX):
            held[id] = entry

    def _known_uid(self, item: Mapping[str, Any]) -> str:
        id = _uid_at(item)
        held = next((held[id][0] for held in (self.place.fresh, self.place.items) if id in held), "")
        return held or self._asked.get(id, "")

    def _uid(self, item: Mapping[str, Any]) -> str:
        """The iCalUID of an item that doesn't bring it."""
        if known := self._known_uid(item):
            return known
        id = _uid_at(item)
        if id not in self._asked and len(self._asked) < UID_ASKED_MAX:
            told = self.calendar.event(id) or {}
            self._asked[id] = str(told.get("iCalUID") or "")
        return self._asked.get(id) or f"{id}@google.com"


def _brought(one: _Page, items: Iterable[Mapping[str, Any]]) -> Iterator[Captured]:
    """What the items of a page bring, and by name what is refused alone; what needs no asking is proof of nothing."""
    sieve = Sieve(one.another)
    for item in items:
        if one.counts(item):
            named = one.named(item)
            yield from sieve.tried(partial(one.captured, item), named) if named else (one.captured(item),)
    yield from sieve.settled()


def _missed(one: _Page) -> Iterator[PollBatch]:
    """Yield the deletions of events that were known and that a whole listing lacks."""
    place, batch = one.place, list[Captured]()
    sieve = Sieve(one.another)

    def brought() -> Iterator[Captured]:
        for id, (uid, until) in [(id, entry) for id, entry in place.items.items() if id not in place.fresh]:
            if not _is_past([uid, until], one.now):
                named = Captured(one.bounds.account, b"", f"event:{id}:removed"[:700], {"id": id, "uid": uid})
                yield from sieve.tried(partial(one.missed, id, uid), named)
        yield from sieve.settled()

    for captured in brought():
        batch.append(captured)
        if len(batch) >= one.bounds.size:
            yield PollBatch(tuple(batch), place.told())
            batch = []
    if batch:
        yield PollBatch(tuple(batch), place.told())


def _key(item: Mapping[str, Any]) -> str:
    told = item.get("etag") or sha256(orjson.dumps(item, option=orjson.OPT_SORT_KEYS)).hexdigest()
    etag = str(told).strip('"')
    return f"event:{item['id']}:{etag}"[:700]


def _uid_at(item: Mapping[str, Any]) -> str:
    """The id of the event that has an item's iCalUID."""
    return str(item.get("recurringEventId") or item["id"])


def _is_over(event: Event, at: datetime) -> bool:
    if event.repeats or event.added:
        return is_over(event, (), at)
    return event.end is not None and event.end < at


def _is_past(entry: list[str], now: datetime) -> bool:
    return bool(entry[1]) and datetime.fromisoformat(entry[1]) < now


def _items(told: Any) -> Items:
    if not isinstance(told, Mapping):
        return {}
    found = {
        str(id): list(map(str, entry)) for id, entry in told.items() if isinstance(entry, list) and len(entry) == 2
    }
    return {id: entry for id, entry in found.items() if not entry[1] or _is_time(entry[1])}


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _texts(told: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in told.items()} if isinstance(told, Mapping) else {}
