"""A calendar that somebody publishes at an address: fetched, compared with what it was, and never changed.

The address is a secret, for whoever has it reads the calendar: it is in no setting, no log and no error. A server says
by ETag that nothing has changed, else the hash says so; else each meeting is compared with what the cursor remembers,
and one that is new or changed is laid down by itself (`ics_pieces`). A meeting that has vanished was called off only if
it still lay ahead and the feed was whole: every event in it could be named. A feed that is suddenly empty is believed
when it is empty twice. What can't be read is parked once, with its reason, and the last good state stays.

What was over before the first start is history and isn't read. A feed is its publisher's word: only with
`own_calendar` does it count as ours, and then for what our side has begun.

The trade-off: a meeting that goes back to exactly what it was before, with the same SEQUENCE and LAST-MODIFIED, isn't
told again unless it had vanished in between.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from adapters.channels.icsfeed.feed import Feed, Got
from adapters.channels.icsfeed.state import Known, State, read_state
from adapters.formats.calendar_activity import cancelled_activity, entry_activities
from adapters.formats.ics import ICS_BYTES_MAX, Event, read_calendar
from adapters.formats.ics_pieces import Piece, cut_pieces
from adapters.formats.ics_series import was_over
from adapters.http.calls import Timeouts
from sidecar.errors import ConfigError, PermanentError, SidecarError, UnsupportedFeature
from sidecar.model import Activity, Delivery
from sidecar.ports import (
    Captured,
    ChannelCapabilities,
    Context,
    Extent,
    HookRequest,
    KnownKeys,
    PollBatch,
    nothing_known,
)

MEETINGS_MAX = 10_000
BATCH_BYTES = 8 * 1024 * 1024
MAX_SKEW = timedelta(minutes=5)


class IcsFeedOptions(BaseModel):
    """Settings of one feed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url_env: str | None = Field(None, description="Variable with the feed's address, which is a secret")
    url_file: str | None = Field(None, description="File with the feed's address")
    own_calendar: bool = Field(False, description="Whether it is a calendar of ours, whose word on our meetings counts")
    allow_private: bool = Field(False, description="Whether the address may lie in a private network, and be http")
    every_s: float = Field(900.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    batch_size: int = Field(100, ge=1, le=500, description="Meetings that are made durable together")
    max_feed_bytes: int = Field(10_485_760, ge=1_000, le=33_554_432)
    max_entry_bytes: int = Field(500_000, ge=1_000, le=ICS_BYTES_MAX)
    connect_timeout_s: float = Field(5.0, gt=0, le=60)
    read_timeout_s: float = Field(30.0, gt=0, le=300)
    call_timeout_s: float = Field(60.0, gt=0, le=600, description="For the whole feed")


class IcsFeedChannel:
    """Polls one feed."""

    Options = IcsFeedOptions
    capabilities = ChannelCapabilities(poll=True, deletions=True, census=True)

    def __init__(self, name: str, options: IcsFeedOptions, context: Context) -> None:
        setting = f"channels.{name}.{'url_file' if options.url_file else 'url_env'}"
        if not (options.url_env or options.url_file):
            raise ConfigError("name the variable that holds the feed's address", setting=setting)
        url = _address(context.secret(options.url_env, options.url_file), options.allow_private, setting)
        self.name = name
        self.options = options
        self.account = str(urlsplit(url).hostname)
        self.source = f"{self.account} #{sha256(url.encode()).hexdigest()[:8]}"  # the address itself is a secret
        self._clock = context.clock
        self._own = context.own
        self._live_since = (context.live_since or context.clock()).astimezone(UTC) - MAX_SKEW
        timeouts = Timeouts(options.connect_timeout_s, options.read_timeout_s, options.call_timeout_s)
        self._feed = Feed(url, timeouts, options.max_feed_bytes, options.allow_private, setting, context.observe)

    def verify(self, request: HookRequest) -> Captured:
        """Refuse: a feed calls nobody."""
        raise UnsupportedFeature("a feed takes no requests")

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what is new, changed or gone; the cursor's shape stands in `state`."""
        state = read_state(cursor)
        got = self._feed.get("", "") if state.emptied else self._feed.get(state.etag, state.modified)
        if got is None or (got.digest == state.digest and not state.emptied):
            if state.bad:
                state.bad = ""
                yield PollBatch((), state.told())
            return
        pieces = self._pieces(got)
        if isinstance(pieces, str):
            if pieces != state.bad:
                state.bad = pieces
                bad = Captured(self.account, got.body, f"bad:{got.digest}", fault=pieces)
                yield PollBatch((bad,), state.told())
            return
        yield from self._batches(pieces, got, state)

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield every meeting that wasn't over then, or at the first start, under the key that a poll gives it."""
        got = self._feed.get("", "")
        pieces = () if got is None else self._pieces(got)
        if isinstance(pieces, str):
            raise PermanentError(pieces)
        floor = max(since.astimezone(UTC), self._live_since)
        group: list[Captured] = []
        for piece in pieces:
            if not was_over(self._events(piece), floor):
                group.append(self._captured(piece, 0))
            if len(group) == self.options.batch_size:
                yield PollBatch(tuple(group), {})
                group = []
        if group:
            yield PollBatch(tuple(group), {})

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a meeting, or that it is no longer in the feed."""
        headers = delivery.headers
        if "fault" in headers:
            raise PermanentError(headers["fault"])
        if "vanished" in headers:
            return (cancelled_activity(delivery, _gone(headers), self._own, "it is no longer in the calendar's feed"),)
        how, again = "an entry of a calendar's feed", headers.get("again", "")
        return entry_activities(delivery, self._own, how, self.options.own_calendar, f"again{again}:" if again else "")

    def extent(self, since: datetime) -> Extent:
        """Refuse: what lies in the feed is read by polling."""
        raise UnsupportedFeature("a feed's past shows only what was planned; drop an .ics export of it to read it")

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Refuse: what lies in the feed is read by polling."""
        raise UnsupportedFeature("a feed's past shows only what was planned; drop an .ics export of it to read it")

    def check(self) -> Sequence[str]:
        """Fetch the feed, and see that it is a calendar."""
        try:
            got = self._feed.get("", "")
            pieces = () if got is None else self._pieces(got)
        except SidecarError as error:
            return (f"{self.name}: {error}",)
        return (f"{self.name}: {pieces}",) if isinstance(pieces, str) else ()

    def _pieces(self, got: Got) -> tuple[Piece, ...] | str:
        """The feed's meetings, or why it can't be read."""
        if got.fault:
            return got.fault
        try:
            pieces = cut_pieces(got.body)
        except PermanentError as error:
            return str(error)
        more = f"the feed has more than {MEETINGS_MAX} meetings; publish one with fewer"
        return more if len(pieces) > MEETINGS_MAX else pieces

    def _batches(self, pieces: Sequence[Piece], got: Got, state: State) -> Iterator[PollBatch]:
        batch: list[Captured] = []
        size_bytes = 0
        for captured in self._news(pieces, state):
            if batch and (len(batch) == self.options.batch_size or size_bytes + len(captured.raw) > BATCH_BYTES):
                yield PollBatch(tuple(batch), state.told())
                batch, size_bytes = [], 0
            batch.append(captured)
            size_bytes += len(captured.raw)
        state.etag, state.modified, state.digest, state.bad = got.etag, got.modified, got.digest, ""
        yield PollBatch(tuple(batch), state.told())

    def _news(self, pieces: Sequence[Piece], state: State) -> Iterator[Captured]:
        """What is new, changed or gone. The state is moved on only when the next one is asked for."""
        now, over = self._clock(), set[str]()
        for piece in pieces:
            known = state.items.get(piece.uid)
            is_known = known is not None and known.digest == piece.digest and not known.is_gone
            if piece.digest in state.over or is_known:
                over |= {piece.digest} & state.over
                continue
            events = self._events(piece)
            if was_over(events, self._live_since):
                over.add(piece.digest)
                state.items.pop(piece.uid, None)
                continue
            returns = 0 if known is None else known.returns + known.is_gone
            is_same = known is not None and known.is_gone and known.digest == piece.digest
            yield self._captured(piece, returns if is_same else 0)
            state.items[piece.uid] = Known.of(piece.digest, events, now, returns)
        state.over = over
        yield from self._gone({piece.uid for piece in pieces}, state, now)

    def _gone(self, there: set[str], state: State, now: datetime) -> Iterator[Captured]:
        """The meetings that are no longer there and still lay ahead, if the feed is whole."""
        state.items = {uid: known for uid, known in state.items.items() if not known.is_gone or known.lies_ahead(now)}
        missing = [uid for uid, known in state.items.items() if uid not in there and not known.is_gone]
        was_emptied, state.emptied = state.emptied, bool(missing) and not there
        if "" in there or (state.emptied and not was_emptied):
            return
        state.emptied = False
        for uid in missing:
            known = state.items[uid]
            if known.lies_ahead(now):
                headers = {"vanished": uid, "returns": str(known.returns), **known.when()}
                yield Captured(self.account, b"", f"{_hashed(uid)}:gone:{known.digest}:{known.returns}", headers)
                state.items[uid] = known.gone()
            else:
                state.items.pop(uid)

    def _captured(self, piece: Piece, again: int) -> Captured:
        key = f"{_hashed(piece.uid)}:{piece.digest}" + (f":{again}" if again else "")
        headers = {"again": str(again)} if again else {}
        if len(piece.raw) <= self.options.max_entry_bytes:
            return Captured(self.account, piece.raw, key, headers)
        fault = f"meeting of {len(piece.raw)} bytes; at most {self.options.max_entry_bytes} are read"
        return Captured(self.account, b"", key, headers | {"fault": fault}, fault)

    def _events(self, piece: Piece) -> tuple[Event, ...]:
        """A piece's events; none where it can't be read, which parse will say."""
        if not piece.uid or len(piece.raw) > self.options.max_entry_bytes:
            return ()
        try:
            return read_calendar(piece.raw, self._own.timezone)
        except PermanentError:
            return ()


def _address(text: str, allow_private: bool, setting: str) -> str:
    """The feed's address; webcal is what calendars call https."""
    url = text.strip()
    url = f"https{url[6:]}" if url.lower().startswith("webcal:") else url
    try:
        parts = urlsplit(url)
        is_address = bool(parts.hostname) and not parts.username and parts.scheme in ("https", "http")
    except ValueError:
        parts, is_address = urlsplit(""), False
    if not is_address or not url.isprintable():
        raise ConfigError("this is no address of a feed, such as https://calendar.example.com/...", setting=setting)
    if parts.scheme != "https" and not allow_private:
        raise ConfigError("the address is a secret, so it must be https (or webcal)", setting=setting)
    return url


def _gone(headers: Mapping[str, str]) -> Event:
    """The meeting that has vanished, as the cursor remembered it."""
    start, end = (datetime.fromisoformat(headers[n]) if headers.get(n) else None for n in ("start", "end"))
    returns, is_all_day = int(headers.get("returns", "0")), headers.get("whole_day") == "1"
    zone = headers.get("zone", "")
    return Event(headers["vanished"], "", "", returns, "CANCELLED", start, end, is_all_day, zone)


def _hashed(uid: str) -> str:
    return sha256(uid.encode("utf-8", "surrogatepass")).hexdigest()[:32]
