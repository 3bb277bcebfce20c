"""The calendar of a mailbox of Microsoft 365, polled by Graph's delta and never changed.

Each event that may be news is asked for by itself, so that its bytes are Graph's own answer, and only with the fields
that are read: an invitation's text stays where it is. It becomes the same activity that the same meeting would become
out of CalDAV or a mail. What vanished from the calendar was removed, for a reason that nobody tells; a meeting that its
organizer called off says so itself.

What was over before the first start is history and isn't read. Our own calendar is a system's word only on what our
side has begun: an invitation can be laid into it by anybody who writes a mail.

The trade-off: Graph's delta knows the main calendar alone, and a deleted day of a series shows only in the mail by
which its organizer called it off.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from adapters.channels.graph.api import quoted, read_json
from adapters.channels.graph.calendar_walk import MASTER, OCCURRENCE, Item, Known, Round, Window, read_known
from adapters.channels.graph.events import SELECT, clean_uid, read_event
from adapters.channels.graph.hooked import THING, HookedChannel
from adapters.channels.graph.options import GraphOptions
from adapters.channels.graph.subscriptions import read_time
from adapters.formats.calendar_activity import event_activities, removal_activity
from sidecar.errors import PermanentError, UnsupportedFeature
from sidecar.model import Activity, Delivery
from sidecar.ports import Captured, ChannelCapabilities, Context, Extent, KnownKeys, PollBatch, nothing_known

HOW = "an entry of our own calendar, by Microsoft Graph"
NO_PAST = "a calendar's past shows only what was planned; drop an .ics export of it to read it"


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
    )

    def __init__(self, name: str, options: CalendarOptions, context: Context) -> None:
        super().__init__(name, options, context, scope="Calendars.Read", change="created,updated,deleted")
        self.options = options
        self._window = Window(self._api, f"channels.{name}", timedelta(days=options.days_ahead))

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
        keys = {id: _key(id, str(row["changeKey"])) for id, row in there.items() if row.get("changeKey")}
        held = set(known(self.account, list(keys.values())))
        for id in (id for id in there if keys.get(id) not in held):
            item, captured = self._looked_at(id, None)
            if captured and item and _is_changed(read_json(captured.raw), since):
                batch.append(captured)
            if len(batch) == self.options.batch_size:
                yield PollBatch(tuple(batch), {})
                batch = []
        yield PollBatch(tuple(batch), {})

    def check(self) -> Sequence[str]:
        """Sign in, and look at the calendar of a day."""
        now = self._clock()
        return self._tried(lambda: self._window.there((now, now + timedelta(days=1))))

    def _news(self, found: Round, known: Known) -> Iterator[tuple[str, Item | None, Captured | None]]:
        """What has changed: its id, what the cursor remembers of it from now on, and what it brings."""
        for id, is_gone in found.ids.items():
            before = known.items.get(id)
            item, captured = self._looked_at(id, before)
            if before and (item is None or (is_gone and _is_inside(item, found))):
                yield id, None, self._removed(id, before)
            elif item is not None:
                yield id, item, captured

    def _looked_at(self, id: str, before: Item | None) -> tuple[Item | None, Captured | None]:
        """What an event is now, None when it isn't there; and what it brings, None when that is nothing new."""
        read = self._api.thing("event", f"events/{quoted(id)}", self.options.max_event_bytes, {"$select": SELECT})
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
