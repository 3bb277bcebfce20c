"""The poll: what Twilio's lists hold of the last days, each message, call, recording and transcript laid down once.

The lists know days of UTC alone, and a call stands under the day on which it began. So each poll reads again from two
days before the last one, and remembers what it laid down already, by sid and state. A message that is remembered and
has lost its text, or that isn't there any more and isn't found by its sid either, was taken back; and so was an SMS
that has no text when it is first seen. (One of WhatsApp may be a place, of which the list tells nothing.)

A cursor is `{"day": "2026-11-22", "read_s": seconds, "recent": {"messages": {sid: "state@day"}}}`. It is whole after
each batch: a poll that was left reads the days again and leaves out what is in it. One that is lost costs a repetition
under the same keys. What is laid down is Twilio's own row, for a transcript with its sentences and with the recording
and the call that it was made of, since the row alone doesn't say who called. A row for which that is refused while
another can be had is laid down as withheld; in an outage what came before is laid down, and the error is raised.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Any

import orjson

from adapters.channels.twilio.activities import POLLED
from adapters.channels.twilio.addresses import is_desk
from adapters.channels.twilio.api import TwilioApi
from adapters.channels.twilio.calls import ENDED
from adapters.channels.twilio.drafts import Rules, is_sid, moment
from adapters.channels.twilio.messages import ours_of
from adapters.channels.twilio.sifted import News, sifted
from adapters.formats.withheld import first_of
from sidecar.errors import SidecarError
from sidecar.ports import Captured, KnownKeys, PollBatch

KINDS = ("messages", "calls", "recordings", "transcripts")
MAX_RECENT = 20_000
MAX_LOOKED_UP = 50
MAX_LEGS = 50
MAX_SHOWN = 100
"""Among so many rows at the head of a list another one is looked for that can be had."""
GONE = "gone"
_ONE = {kind: kind.removesuffix("s") for kind in KINDS}
_DAYS = {"messages": "DateSent", "calls": "StartTime", "recordings": "DateCreated"}
_TIMES = {
    "messages": ("date_sent", "date_created"),
    "calls": ("start_time", "date_created"),
    "recordings": ("date_created",),
    "transcripts": ("date_created",),
}
_NOT_SENT = frozenset({"accepted", "scheduled", "queued", "sending", "failed", "canceled", "receiving"})
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows are read: from `since` on, before `until` if there is one; asked for from a day on, or by `day`."""

    since: datetime
    until: datetime | None = None
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a poll stands; see the module's word on cursors."""

    day: date | None = None
    read_s: int = 0
    recent: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """Return the place as a cursor."""
        recent = {kind: dict(list(held.items())[-MAX_RECENT:]) for kind, held in self.recent.items() if held}
        return {"day": self.day.isoformat() if self.day else None, "read_s": self.read_s, "recent": recent}


@dataclass(frozen=True, slots=True)
class Found:
    """A row that counts: what it is and in which state, and when it was."""

    kind: str
    sid: str
    state: str
    at: datetime
    row: Row

    @property
    def key(self) -> str:
        """Return the key of its delivery."""
        return f"{_ONE[self.kind]}:{self.sid}:{self.state}"

    @property
    def needs_more(self) -> bool:
        """Say whether it can't be laid down as the list tells it."""
        if self.kind == "messages":
            return str(self.row.get("num_media") or "0") != "0"
        return self.kind == "transcripts" or (self.kind == "calls" and is_sid(self.row.get("parent_call_sid"), "CA"))

    @property
    def is_emptied(self) -> bool:
        """Say whether it is an SMS without words or files, as none is sent: its words were taken away since."""
        row = self.row
        is_sms = self.kind == "messages" and ":" not in f"{row.get('from')}{row.get('to')}"
        return is_sms and not row.get("body") and not self.needs_more

    @property
    def mark(self) -> str:
        """Return what is remembered of it."""
        return f"{self.state}@{self.at.date().isoformat()}"


def read_place(cursor: Mapping[str, Any] | None) -> Place:
    """Return the place of a cursor; one that can't be read counts as lost."""
    told = cursor or {}
    day, read_s, recent = told.get("day"), told.get("read_s"), told.get("recent")
    try:
        known = {
            kind: {str(sid): str(mark) for sid, mark in held.items()}
            for kind, held in (recent or {}).items()
            if kind in KINDS
        }
        return Place(date.fromisoformat(day) if day else None, int(read_s or 0), known)
    except (TypeError, ValueError, AttributeError):
        return Place()


class Walk:
    """Reads the lists of one account and lays down what they hold."""

    def __init__(self, api: TwilioApi, account: str, rules: Rules, max_item_bytes: int) -> None:
        self._api, self.account, self._rules, self._max_item_bytes = api, account, rules, max_item_bytes

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return which lists are read at all: what holds words of calls only where these may be kept."""
        return KINDS if self._rules.transcripts else KINDS[:2]

    def rows(self, kind: str, window: Window) -> list[Found]:
        """Return the rows of a list within a window that count, oldest first."""
        found = (self._found(kind, row) for row in self._api.listed(kind, _query(kind, window)))
        counted = [
            one for one in found if one and window.since <= one.at and (not window.until or one.at < window.until)
        ]
        return sorted(counted, key=lambda one: (one.at, one.sid))

    def laid_down(self, one: Found) -> Captured:
        """Return what is kept of a row, with what it can't be read without."""
        name = _ONE[one.kind]
        data: Row = {POLLED: name, name: one.row, **self._context(one)}
        if one.kind == "messages" and one.needs_more:
            data[name] = {**one.row, "media": self._api.media(one.sid)}
        return self._captured(name, one.sid, one.state, lay_down(data))

    def news(self, one: Found, *more: Captured) -> News:
        """Return a row as news, and `more` behind it, if the row is at hand."""
        if one.needs_more:
            return News(one.sid, one.key, one.mark, one.at, fetch=partial(self.laid_down, one))
        return News(one.sid, one.key, one.mark, one.at, (self.laid_down(one), *more))

    def retrieved(self, key: str) -> Sequence[Captured]:
        """Fetch what was withheld; nothing where it is gone, has another state by now, or may not be read any more."""
        name, sid, state = key.split(":", 2)
        kind = f"{name}s"
        if kind not in self.kinds:
            return ()
        if state == GONE:
            found = self.taken_back(sid)
            return (found,) if found else ()
        row = self._api.one(kind, sid)
        one = self._found(kind, row) if row else None
        return (self.laid_down(one),) if one and one.key == key else ()

    def another(self, kind: str, but: Collection[str], *, like_decides: bool = False) -> bool:
        """Say whether another row that needs more can be had, of the same list, or else a message or call by its sid.

        With `like_decides` the latter counts only where there is none of the former: then it may be an outage of these.
        """
        like = {one.key: partial(self.laid_down, one) for one in self._shown(kind, but) if one.needs_more}
        if first_of(like, but):
            return True
        if like and like_decides:
            return False
        plain = ([one for one in self._shown(other, but) if not one.needs_more] for other in KINDS[:2])
        return any(first_of({one.key: partial(self._by_sid, one) for one in rows}, but) for rows in plain)

    def gone(self, sid: str) -> Captured:
        """Return what is kept of a message that was taken back."""
        raw = lay_down({POLLED: "gone", "gone": {"sid": sid, "account_sid": self.account}})
        return self._captured("message", sid, GONE, raw)

    def taken_back(self, sid: str) -> Captured | None:
        """Return what is kept of a message that a list doesn't hold, unless it is found by its sid."""
        return self.gone(sid) if self._api.one("messages", sid) is None else None

    def _shown(self, kind: str, but: Collection[str]) -> list[Found]:
        """The rows at the head of a list that count, but for some."""
        head = islice(self._api.listed(kind, {}, MAX_SHOWN), MAX_SHOWN)
        return [one for row in head if (one := self._found(kind, row)) and one.key not in but]

    def _by_sid(self, one: Found) -> Captured | None:
        row = self._api.one(one.kind, one.sid)
        return self.laid_down(replace(one, row=row)) if row else None

    def _found(self, kind: str, row: Row) -> Found | None:
        at = next((found for name in _TIMES[kind] if (found := moment(row.get(name)))), None)
        if at is None or not self._counts(kind, row):
            return None
        state = sha256(str(row.get("body") or "").encode("utf-8", "replace")).hexdigest()[:12]
        return Found(kind, str(row["sid"]), state if kind == "messages" else str(row.get("status"))[:20], at, row)

    def _counts(self, kind: str, row: Row) -> bool:
        status = row.get("status")
        if kind == "messages":
            return status not in _NOT_SENT and self._rules.counts(ours_of(row))
        return status in ENDED if kind == "calls" else status == "completed"

    def _context(self, one: Found) -> Row:
        """The call that made a leg; the recording and call of a transcript, and the leg that a desk's call made."""
        if one.kind == "calls" and one.needs_more:
            return {"parent": self._api.one("calls", one.row["parent_call_sid"])}
        if one.kind != "transcripts":
            return {}
        source = _source(one.row)
        recording = self._api.one("recordings", source) if is_sid(source, "RE") else None
        sid = source if is_sid(source, "CA") else (recording or {}).get("call_sid")
        call = self._api.one("calls", str(sid)) if is_sid(sid, "CA") else None
        leg = self._leg(str(sid)) if call and is_desk(str(call.get("from") or "")) else None
        return {"sentences": self._api.sentences(one.sid), "recording": recording, "call": call, "leg": leg}

    def _leg(self, parent: str) -> Row | None:
        """The first leg of a call that leads to somebody who isn't at a desk of ours."""
        for number, row in enumerate(self._api.listed("calls", {"ParentCallSid": parent})):
            if not is_desk(str(row.get("to") or "")):
                return row
            if number >= MAX_LEGS:
                break
        return None

    def _captured(self, name: str, sid: str, state: str, raw: bytes) -> Captured:
        key = f"{name}:{sid}:{state}"
        if len(raw) <= self._max_item_bytes:
            return Captured(self.account, raw, key)
        fault = f"a {name} of {len(raw)} bytes; at most {self._max_item_bytes} are read"
        short = lay_down({POLLED: name, name: {"sid": sid, "account_sid": self.account}})
        return Captured(self.account, short, key, fault=fault)


def polled(
    walk: Walk, place: Place, kinds: Iterable[str], window: Window, done: Place, size: int
) -> Iterator[PollBatch]:
    """Yield what isn't laid down yet in batches; the cursor of the last one is `done` with what was seen."""
    group: list[Captured] = []
    recent = {kind: dict(held) for kind, held in place.recent.items()}
    seen, error = dict(recent), None
    try:
        for kind in kinds:
            held, seen[kind] = recent.setdefault(kind, {}), {}
            news = _news(walk, kind, window, held, seen[kind])
            for one, captured in sifted(walk.account, news, partial(walk.another, kind)):
                if len(group) + len(captured) > size and group:
                    yield PollBatch(tuple(group), replace(place, recent=recent).told())
                    group = []
                group += captured
                held[one.sid] = one.mark
    except SidecarError as refusal:
        error = refusal
    if group or not error:
        yield PollBatch(tuple(group), (replace(place, recent=recent) if error else replace(done, recent=seen)).told())
    if error:
        raise error


def _news(walk: Walk, kind: str, window: Window, held: Mapping[str, str], seen: dict[str, str]) -> Iterator[News]:
    """Yield what a list holds and isn't held yet; `seen` takes in all that is there."""
    before = dict(held)
    for one in walk.rows(kind, window):
        seen[one.sid] = one.mark
        was = before.get(one.sid)
        if kind == "messages" and was not in (None, one.mark) and not one.row.get("body"):
            yield News(one.sid, one.key, one.mark, one.at, (walk.gone(one.sid),))
        elif was != one.mark:
            yield walk.news(one, *([walk.gone(one.sid)] if one.is_emptied else []))
    if kind == "messages":
        first = window.since.date().isoformat()
        missing = [sid for sid, mark in before.items() if sid not in seen and mark.partition("@")[2] > first]
        for sid in missing[:MAX_LOOKED_UP]:
            if GONE not in before[sid]:
                mark = f"{GONE}@{before[sid].partition('@')[2]}"
                yield News(sid, f"message:{sid}:{GONE}", mark, window.since, fetch=partial(walk.taken_back, sid))
        seen |= {sid: before[sid] for sid in missing[MAX_LOOKED_UP:]}


def counted(walk: Walk, window: Window, size: int, known: KnownKeys) -> Iterator[PollBatch]:
    """Yield everything in a window that isn't known in batches without cursors."""
    group: list[Captured] = []
    for kind in walk.kinds:
        rows = walk.rows(kind, window)
        held = set(known(walk.account, [one.key for one in rows]))
        for _, captured in sifted(walk.account, _counted(walk, rows, held), partial(walk.another, kind)):
            if len(group) + len(captured) > size and group:
                yield PollBatch(tuple(group), {})
                group = []
            group += captured
    if group:
        yield PollBatch(tuple(group), {})


def _counted(walk: Walk, rows: Iterable[Found], held: Collection[str]) -> Iterator[News]:
    for one in rows:
        gone = (walk.gone(one.sid),) if one.is_emptied else ()
        if one.key not in held:
            yield walk.news(one, *gone)
        elif gone:
            yield News(one.sid, one.key, one.mark, one.at, gone)


@dataclass(frozen=True, slots=True)
class Older:
    """What is laid down of an older row, when that was, and the cursor that stands behind it."""

    at: datetime
    captured: tuple[Captured, ...]
    behind: Row


def older(walk: Walk, since: datetime, until: datetime, cursor: Mapping[str, Any] | None) -> Iterator[Older]:
    """Yield the rows of each day between two times; what is held of a day is settled before the next one."""
    first, last = since.astimezone(UTC).date(), until.astimezone(UTC).date()
    done, done_day, done_sids = _backfilled(cursor)
    for number, kind in enumerate(walk.kinds):
        for offset in range((last - first).days + 1):
            day = first + timedelta(days=offset)
            if (number, day) < (done, done_day):
                continue
            sids = list(done_sids) if (number, day) == (done, done_day) else []
            rows = [one for one in walk.rows(kind, Window(since, until, day)) if one.sid not in sids]
            for one, captured in sifted(walk.account, map(walk.news, rows), partial(walk.another, kind)):
                sids.append(one.sid)
                yield Older(one.at, captured, {"kind": number, "day": day.isoformat(), "sids": list(sids)})


def backfilled(found: Iterable[Older], size: int) -> Iterator[PollBatch]:
    """Yield older rows in batches, each with the cursor of its last one."""
    group: list[Captured] = []
    behind: Row = {}
    for one in found:
        group += one.captured
        behind = one.behind
        if len(group) == size:
            yield PollBatch(tuple(group), behind)
            group = []
    if group:
        yield PollBatch(tuple(group), behind)


def lay_down(data: Mapping[str, Any]) -> bytes:
    """Return the bytes that are kept of what the lists hold."""
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)


def _query(kind: str, window: Window) -> dict[str, str]:
    """The list's own filter, which knows days alone; the window's ends are looked at again, row by row."""
    day = window.day or window.since.astimezone(UTC).date()
    if kind == "transcripts":
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        ends = {"BeforeDateCreated": _iso(begin + timedelta(days=1))} if window.day else {}
        return {"AfterDateCreated": _iso(begin), **ends}
    return {_DAYS[kind] if window.day else f"{_DAYS[kind]}>": day.isoformat()}


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _source(row: Row) -> str:
    """The sid of the recording or call that a transcript was made of."""
    channel = row.get("channel")
    media = channel.get("media_properties") if isinstance(channel, dict) else None
    return str(media.get("source_sid") or "") if isinstance(media, dict) else ""


def _backfilled(cursor: Mapping[str, Any] | None) -> tuple[int, date, frozenset[str]]:
    told = cursor or {}
    try:
        sids = frozenset(str(sid) for sid in told.get("sids", ()))
        return int(told.get("kind", 0)), date.fromisoformat(told.get("day", "0001-01-01")), sids
    except (TypeError, ValueError):
        return 0, date.min, frozenset()
