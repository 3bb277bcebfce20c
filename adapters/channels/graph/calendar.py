"""The calendar of a mailbox of Microsoft 365, polled by Graph's delta and never changed.

Each event that may be news is asked for by itself, so that its bytes are Graph's own answer, and only with the fields
that are read: an invitation's text stays where it is. It becomes the same activity that the same meeting would become
out of CalDAV or a mail. What vanished from the calendar was removed, for a reason that nobody tells; a meeting that its
organizer called off says so itself. An event that is refused while others come is left out by name, and each poll asks
for it again: until it is read nobody knows its UID, by which its removal is told.

What was over before the first start is history and isn't read. Our own calendar is a system's word only on what our
side has begun: an invitation can be laid into it by anybody who writes a mail.

The trade-off: Graph's delta knows the main calendar alone, and a deleted day of a series shows only in the mail by
which its organizer called it off.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pydantic import Field

from adapters.channels.graph.api import Read, quoted, read_json
from adapters.channels.graph.calendar_walk import (
    LEFT,
    LEFT_GONE,
    MASTER,
    OCCURRENCE,
    Item,
    Known,
    Round,
    Window,
    read_known,
    states_of,
)
from adapters.channels.graph.events import SELECT, clean_uid, read_event
from adapters.channels.graph.hooked import THING, HookedChannel
from adapters.channels.graph.options import GraphOptions
from adapters.channels.graph.subscriptions import read_time
from adapters.formats.calendar_activity import event_activities, removal_activity
from adapters.formats.withheld import Sieve, Turns, first_of, retrieved
from sidecar.errors import PermanentError, SidecarError, Unanswered, UnsupportedFeature
from sidecar.model import Activity, Delivery
from sidecar.ports import Captured, ChannelCapabilities, Context, Extent, KnownKeys, PollBatch, nothing_known

HOW = "an entry of our own calendar, by Microsoft Graph"
NO_PAST = "a calendar's past shows only what was planned; drop an .ics export of it to read it"
AGAIN_MAX, OTHERS = 10, 20
"""How many events that were refused a poll asks for again, and of how many another one is looked for."""

News = tuple[str, Item | None, Captured | None]
"""An event's id, what the cursor remembers of it from now on, and what it brings."""


class CalendarOptions(GraphOptions):
    """Settings of one mailbox's calendar."""

    days_ahead: int = Field(180, ge=1, le=1_700, description="How far ahead meetings are seen")
    every_s: float = Field(300.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    batch_size: int = Field(50, ge=1, le=500, description="Events that are made durable together")
    max_event_bytes: int = Field(1_000_000, ge=1_000, le=10_000_000)


class CalendarChannel(HookedChannel):
    """Polls one calendar, and takes Graph's hints that it should."""

    Options = CalendarOptions
    first_look = ("events", {"$select": "id", "$top": "1"})
    capabilities = ChannelCapabilities(
        webhook=True,
        poll=True,
        deletions=True,
        handshake=True,
        hints=True,
        stamped=False,
        covers_body=False,
        census=True,
        subscriptions=True,
        withholds=True,
    )

    def __init__(self, name: str, options: CalendarOptions, context: Context) -> None:
        super().__init__(name, options, context, scope="Calendars.Read", change="created,updated,deleted")
        self.options = options
        self._window = Window(self._api, f"channels.{name}", timedelta(days=options.days_ahead))
        self._turns, self._came = Turns(AGAIN_MAX), ""

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what is new, changed or gone; the cursor's shape stands in `calendar_walk`."""
        known, held = read_known(cursor), (cursor or {}).get("subscriptions", {})
        before = known.told()
        found = self._window.news(known, self._clock())
        batch: list[Captured] = []
        for id, item, captured in self._news(found, known):
            if captured and len(batch) == self.options.batch_size:
                yield PollBatch(tuple(batch), {**known.told(), "subscriptions": held})
                batch = []
            batch += [captured] if captured else []
            known.items.pop(id, None)
            known.items |= {id: item} if item else {}
        known.window, known.link = found.window, found.link
        if batch or known.told() != before:
            yield PollBatch(tuple(batch), {**known.told(), "subscriptions": held})
        kept = self._subscriptions.kept(held, {"calendar": f"users/{self.options.mailbox}/events"})
        if kept != held:
            yield PollBatch((), {**known.told(), "subscriptions": kept})

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read an event, or that it was removed; a notice is none."""
        if "fault" in delivery.headers:
            raise PermanentError(delivery.headers["fault"])
        if THING not in delivery.headers:
            return ()
        if "removed" in delivery.headers:
            return (removal_activity(delivery, delivery.headers["removed"], HOW),)
        event = read_event(delivery.raw, self.account, self._own.timezone)
        return event_activities(delivery, (event,), self._own, HOW, authenticated=True)

    def extent(self, since: datetime) -> Extent:
        """Refuse: what lies in the calendar is read by polling."""
        raise UnsupportedFeature(NO_PAST)

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Refuse: what lies in the calendar is read by polling."""
        raise UnsupportedFeature(NO_PAST)

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield every event in the window of a poll that was changed since then, under the key of its state."""
        batch: list[Captured] = []
        there = self._window.there(self._window.around(self._clock()))
        there = {id: row for id, row in there.items() if _is_changed(row, since)}
        states = states_of(there.values())
        held = set(known(self.account, [_key(id, state) for id, state in states.items()]))
        kept = [id for id in there if id in states and _key(id, states[id]) in held]
        left = [id for id in there if id not in kept]

        def look(id: str) -> News | None:
            item, captured = self._looked_at(id, None)
            is_news = captured and item and _is_changed(read_json(captured.raw), since)
            return None if item is None else (id, item, captured if is_news else None)

        for _, _, captured in self._sifted(left, states, look, [*kept, *reversed(left)]):
            batch += [captured] if captured else []
            if len(batch) == self.options.batch_size:
                yield PollBatch(tuple(batch), {})
                batch = []
        yield PollBatch(tuple(batch), {})

    def retrieve(self, key: str, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch an event that a poll had to leave out, in its present state; nothing where it is gone."""

        def fetch() -> Sequence[Captured]:
            _, captured = self._looked_at(headers["id"], None)
            return (captured,) if captured else ()

        def another(but: Collection[str]) -> bool:
            rows = self._api.page("events", "events", {"$select": "id", "$top": str(OTHERS)}, OTHERS).rows
            ids = [self._came, *(row["id"] for row in rows)]
            return first_of({id: partial(self._seen, id) for id in ids if id}, {headers["id"]})

        return retrieved(key, fetch, another)

    def check(self) -> Sequence[str]:
        """Sign in, and look at the calendar of a day."""
        now = self._clock()
        return self._tried(lambda: self._window.there((now, now + timedelta(days=1))))

    def _news(self, found: Round, known: Known) -> Iterator[News]:
        """What has changed; what was refused before is asked for again when all else was."""
        rest = {id: item[0] for id, item in known.items.items() if id not in found.ids}
        left = [id for id, state in rest.items() if state in (LEFT, LEFT_GONE)]
        good = [id for id in rest if id not in left]

        def look(id: str) -> News | None:
            before = known.items.get(id)
            item, captured = self._looked_at(id, before)
            is_gone = found.ids.get(id, rest.get(id) == LEFT_GONE)
            if before and (item is None or (is_gone and _is_inside(item, found))):
                return id, None, self._removed(id, before)
            return None if item is None else (id, item, captured)

        for id, item, captured in self._sifted(found.ids, found.states, look, [*good, *reversed([*found.ids])]):
            if captured and captured.withheld:
                _, uid, end, kind = known.items.get(id, ("", "", "", ""))
                yield id, (LEFT_GONE if found.ids[id] else LEFT, uid, end, kind), captured
            else:
                yield id, item, captured
        for id in self._turns.next(left):
            try:
                news = look(id)
            except Unanswered:
                return
            except SidecarError:
                continue
            if news:
                yield news

    def _sifted(
        self, ids: Iterable[str], states: Mapping[str, str], look: Callable[[str], News | None], others: Iterable[str]
    ) -> Iterator[News]:
        """What looking at some events brings, and by name what is refused alone."""
        told: dict[str, News] = {}

        def noted(id: str) -> Captured | None:
            if (news := look(id)) is None:
                return None
            told[id] = news
            return Captured(self.account, b"", id)

        def brought() -> Iterator[Captured]:
            fetches = {_key(id, states.get(id, "")): partial(self._seen, id) for id in others}
            sieve = Sieve(lambda but: first_of(fetches, but))
            for id in ids:
                named = Captured(self.account, b"", _key(id, states.get(id, "")), {"id": id})
                yield from sieve.tried(partial(noted, id), named)
            yield from sieve.settled()

        for one in brought():
            yield (one.headers["id"], None, one) if one.withheld else told.pop(str(one.key))

    def _seen(self, id: str) -> Captured | None:
        """Something, if an event can be had."""
        return Captured(self.account, b"", id) if self._read(id) else None

    def _looked_at(self, id: str, before: Item | None) -> tuple[Item | None, Captured | None]:
        """What an event is now, None when it isn't there; and what it brings, None when that is nothing new."""
        read = self._read(id)
        if read is None:
            return None, None
        if read.is_cut or read.fault:
            fault = read.fault or f"event of more than {self.options.max_event_bytes} bytes; no more are read"
            key = f"event:{id}:{'withheld' if read.fault else 'large'}"
            return before or ("", "", "", ""), Captured(self.account, b"", key, {THING: "event"}, fault)
        data = read_json(read.raw)
        state, kind = str(data.get("changeKey") or data.get("@odata.etag") or ""), str(data.get("type") or "")
        end = self._end(data)
        is_single = kind not in (MASTER, OCCURRENCE, "exception")
        is_history = kind != MASTER and end is not None and end < self._live_since
        if kind == OCCURRENCE or data.get("isDraft") is True or is_history:
            return (state, "", end.isoformat() if end else "", kind), None
        uid = clean_uid(str(data.get("iCalUId") or "")) if is_single or kind == MASTER else ""
        item = (state, uid[:500], end.isoformat() if end else "", kind)
        if before is not None and state and before[0] == state:
            return item, None
        return item, Captured(self.account, read.raw, _key(id, state), {THING: "event"})

    def _read(self, id: str) -> Read | None:
        read = self._api.thing("event", f"events/{quoted(id)}", self.options.max_event_bytes, {"$select": SELECT})
        self._came = id if read else self._came
        return read

    def _removed(self, id: str, item: Item) -> Captured | None:
        """What vanished; nothing where it brought nothing, or was one day of a series."""
        state, uid, _, _ = item
        if not uid:
            return None
        return Captured(self.account, b"", f"event:{id}:removed:{state}", {THING: "event", "removed": uid})

    def _end(self, data: Mapping[str, Any]) -> datetime | None:
        told = data.get("end")
        return read_time(told.get("dateTime")) if isinstance(told, dict) else None


def _key(id: str, state: str) -> str:
    return f"event:{id}:{state}"


def _is_changed(told: Mapping[str, Any], since: datetime) -> bool:
    """Whether an event was changed since a time, as far as that is told."""
    changed = read_time(told.get("lastModifiedDateTime"))
    return changed is None or changed >= since


def _is_inside(item: Item, found: Round) -> bool:
    """Whether an event that is said to be gone lies where it would be seen: then it is in this calendar no more."""
    end = read_time(item[2])
    return item[3] != MASTER and end is not None and found.window[0] < end < found.window[1]
