"""A calendar by CalDAV (RFC 4791, 6578), polled by plain HTTP and never changed.

The server says what has changed since its sync token; each changed entry is then read by itself, because only so its
bytes come as they lie there. Where the token is refused, or the server knows none, everything is listed, and the ETags
in the cursor say what is new: so a token that was lost costs a listing and never an entry. What the listing lacks was
deleted; since nobody says why, that is a removal and no cancellation.

An entry that is refused while others come is left out by name, and each poll asks for it again: until it is read nobody
knows its UID, by which its removal is told.

What was over before the first start is history and isn't read, and tasks are no meetings. Our own calendar is a
system's word only on what our side has begun: an invitation can be laid into it by anybody who writes a mail.

The trade-off: the cursor holds ETag and UID of every entry, so a calendar has at most 20,000.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adapters.channels.caldav.dav import Access, Dav, Listing
from adapters.formats.calendar_activity import entry_activities, removal_activity
from adapters.formats.ics import ICS_BYTES_MAX, read_calendar
from adapters.formats.ics_series import was_over
from adapters.formats.withheld import Sieve, Turns, first_of, retrieved
from adapters.http.options import is_loopback
from sidecar.errors import ConfigError, PermanentError, SidecarError, Unanswered, UnsupportedFeature
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

ENTRIES_MAX = 20_000
BATCH_BYTES = 32 * 1024 * 1024
MAX_SKEW = timedelta(minutes=5)
AGAIN, AGAIN_MAX = "?", 10
"""What stands before the ETag of an entry that was refused, and how many of these a poll asks for again."""

Items = dict[str, list[str]]
News = tuple[str, list[str] | None, Captured | None]
"""The path of an entry, what the cursor remembers of it from now on, and what it brings."""


class CaldavOptions(BaseModel):
    """Settings of one calendar."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str = Field(min_length=1, max_length=2_000, description="Address of the calendar itself")
    username: str = Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f:]+$")
    password_env: str | None = Field(None, description="Variable with the password")
    password_file: str | None = Field(None, description="File with the password")
    every_s: float = Field(300.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    timeout_s: float = Field(30.0, ge=1, le=300, description="Seconds to wait for the server, at each step")
    batch_size: int = Field(50, ge=1, le=500, description="Entries that are made durable together")
    max_entry_bytes: int = Field(ICS_BYTES_MAX, ge=1_000, le=ICS_BYTES_MAX)

    @field_validator("url")
    @classmethod
    def _safe(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.username or parts.query or parts.fragment or not parts.hostname:
            raise ValueError("it is the calendar's address and nothing else, such as https://dav.example.com/ann/work/")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
            raise ValueError("the password is sent there, so it must be https; http is for 127.0.0.1 alone")
        return f"{url.rstrip('/')}/"


class CaldavChannel:
    """Polls one calendar."""

    Options = CaldavOptions
    capabilities = ChannelCapabilities(poll=True, deletions=True, census=True, withholds=True)

    def __init__(self, name: str, options: CaldavOptions, context: Context) -> None:
        setting = f"channels.{name}"
        if not (options.password_env or options.password_file):
            raise ConfigError("name the variable that holds the password", setting=f"{setting}.password_env")
        self.name = name
        self.options = options
        parts = urlsplit(options.url)
        self.source = self.account = f"{options.username}@{parts.netloc.lower()}{parts.path}"
        self._own = context.own
        self._live_since = (context.live_since or context.clock()).astimezone(UTC) - MAX_SKEW
        password = context.secret(options.password_env, options.password_file)
        self._access = Access(options.url, options.username, password, options.timeout_s, setting)
        self._turns, self._came = Turns(AGAIN_MAX), ""

    def verify(self, request: HookRequest) -> Captured:
        """Refuse: a CalDAV server calls nobody."""
        raise UnsupportedFeature("a calendar takes no requests")

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what is new or gone; the cursor is `{"token": text, "items": {path: [etag, uid]}}`."""
        yield from self._changed(cursor)

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield every entry that wasn't over by then, nor before the first start: a calendar's past is never read."""
        for batch in self._changed(None, since, known):
            yield PollBatch(batch.captured, {})

    def retrieve(self, key: str, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch an entry that a poll had to leave out; one that has another ETag since then comes by the poll."""
        path, etag = headers["path"], headers["etag"]
        with Dav(self._access) as dav:
            there = dav.listing("").there
            if there.get(path) != etag:
                return ()

            def fetch() -> Sequence[Captured]:
                told: dict[str, News] = {}
                self._fetched(dav, path, etag, self._live_since, told)
                return [captured for _, _, captured in told.values() if captured]

            return retrieved(key, fetch, lambda but: self._another(dav, there, but))

    def _changed(
        self, cursor: Mapping[str, Any] | None, since: datetime | None = None, known: KnownKeys = nothing_known
    ) -> Iterator[PollBatch]:
        token, items = _read(cursor)
        since = max(self._live_since, since) if since else self._live_since
        with Dav(self._access) as dav:
            listing = dav.listing(token)
            if len(listing.there) > ENTRIES_MAX:
                text = f"the calendar has more than {ENTRIES_MAX} entries; name one with fewer"
                raise ConfigError(text, setting=f"channels.{self.name}.url")
            batch: list[Captured] = []
            size_bytes, has_news = 0, listing.token != token
            for path, entry, captured in self._news(dav, listing, items, since, known):
                if captured and batch and (len(batch) == self.options.batch_size or size_bytes > BATCH_BYTES):
                    yield PollBatch(tuple(batch), _cursor(token, items))
                    batch, size_bytes = [], 0
                if captured:
                    batch.append(captured)
                    size_bytes += len(captured.raw)
                items.pop(path, None)
                items |= {path: entry} if entry else {}
                has_news = True
            if has_news:
                yield PollBatch(tuple(batch), _cursor(listing.token, items))

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read the events of an entry, or that it was removed."""
        if "fault" in delivery.headers:
            raise PermanentError(delivery.headers["fault"])
        how = "an entry of our own calendar, by its server"
        if "removed" in delivery.headers:
            return (removal_activity(delivery, delivery.headers["removed"], how),)
        return entry_activities(delivery, self._own, how, authenticated=True)

    def extent(self, since: datetime) -> Extent:
        """Refuse: what lies in the calendar is read by polling."""
        raise UnsupportedFeature("a calendar's past shows only what was planned; drop an .ics export of it to read it")

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Refuse: what lies in the calendar is read by polling."""
        raise UnsupportedFeature("a calendar's past shows only what was planned; drop an .ics export of it to read it")

    def check(self) -> Sequence[str]:
        """Log in, and see that the address is a calendar's."""
        try:
            with Dav(self._access) as dav:
                if not dav.is_calendar():
                    return [f"{self.name}: the address is no calendar's; name the calendar itself, not its folder"]
        except SidecarError as error:
            return [f"{self.name}: {error}"]
        return []

    def _news(
        self, dav: Dav, listing: Listing, items: Mapping[str, Sequence[str]], since: datetime, known: KnownKeys
    ) -> Iterator[News]:
        """What has changed; what was refused before is asked for again when all else was."""
        if listing.is_whole:
            gone = [path for path in items if path not in listing.there]
        else:
            gone = [path for path in listing.gone if path in items and path not in listing.there]
        removed = {path: items[path] for path in gone}
        seen = {path: etag.removeprefix(AGAIN) for path, (etag, _) in items.items()}
        new = {path: etag for path, etag in listing.there.items() if seen.get(path) != etag}
        left = [p for p, (etag, _) in items.items() if etag.startswith(AGAIN) and p not in new and p not in removed]
        yield from self._sifted(dav, listing, new, items, since, known)
        for path, (etag, uid) in removed.items():
            headers = {"path": path, "removed": uid}
            yield path, None, Captured(self.account, b"", f"{path}:removed:{etag}", headers) if uid else None
        told: dict[str, News] = {}
        for path in self._turns.next(left):
            try:
                self._fetched(dav, path, seen[path], since, told)
            except Unanswered:
                break
            except SidecarError:
                continue
        yield from told.values()

    def _sifted(
        self,
        dav: Dav,
        listing: Listing,
        new: Mapping[str, str],
        items: Mapping[str, Sequence[str]],
        since: datetime,
        known: KnownKeys,
    ) -> Iterator[News]:
        """What is new, and by name what is refused alone."""
        told: dict[str, News] = {}

        held = set(known(self.account, [_key(path, etag) for path, etag in new.items()]))

        def others(but: Collection[str]) -> bool:
            read = {path: etag for path, (etag, _) in items.items() if not etag.startswith(AGAIN)}
            read |= {path: etag for path, etag in new.items() if _key(path, etag) in held}
            rest = dict(reversed(listing.there.items()))  # what is tried comes from the other end
            return self._another(dav, read | rest, but)

        sieve = Sieve(others)

        def brought() -> Iterator[Captured]:
            for path, etag in new.items():
                if (key := _key(path, etag)) not in held:
                    named = Captured(self.account, b"", key, {"path": path, "etag": etag})
                    yield from sieve.tried(partial(self._fetched, dav, path, etag, since, told), named)
            yield from sieve.settled()

        for one in brought():
            path = one.headers["path"]
            uid = items[path][1] if path in items else ""
            yield (path, [AGAIN + one.headers["etag"], uid], one) if one.withheld else told.pop(str(one.key))

    def _fetched(self, dav: Dav, path: str, etag: str, since: datetime, told: dict[str, News]) -> Captured | None:
        """An entry as it is now, noted under its key; None when it was deleted since it was listed."""
        content = dav.entry(path, self.options.max_entry_bytes)
        if content is None:
            return None
        self._came, key = path, _key(path, etag)
        uid, captured = self._entry(path, etag, content, since)
        told[key] = path, [etag, uid], captured
        return captured or Captured(self.account, b"", key, {"path": path})

    def _another(self, dav: Dav, there: Mapping[str, str], but: Collection[str]) -> bool:
        """Say whether an entry but some can be read; the one that came last is asked for first."""
        fetches = {
            _key(path, there[path]): partial(self._fetched, dav, path, there[path], self._live_since, {})
            for path in sorted(there, key=lambda path: path != self._came)
        }
        return first_of(fetches, but)

    def _entry(self, path: str, etag: str, content: bytes | int, since: datetime) -> tuple[str, Captured | None]:
        """An entry's UID and what it brings; nothing when it is no meeting, or was over by then."""
        key, headers = _key(path, etag), {"path": path}
        if isinstance(content, int):
            fault = f"entry of more than {content} bytes; no more are read"
            return "", Captured(self.account, b"", key, headers | {"fault": fault}, fault)
        if b"BEGIN:VEVENT" not in content.upper():
            return "", None
        try:
            events = read_calendar(content, self._own.timezone)
        except PermanentError:
            return "", Captured(self.account, content, key, headers)  # parse says why
        return ("", None) if was_over(events, since) else (events[0].uid, Captured(self.account, content, key, headers))


def _key(path: str, etag: str) -> str:
    return f"{path}:{etag}"


def _read(cursor: Mapping[str, Any] | None) -> tuple[str, Items]:
    """Read a cursor; one that can't be read counts as lost."""
    token, items = (cursor or {}).get("token"), (cursor or {}).get("items")
    if not isinstance(token, str) or not isinstance(items, Mapping):
        return "", {}
    known = {path: list(entry) for path, entry in items.items() if isinstance(entry, Sequence) and len(entry) == 2}
    return token, known


def _cursor(token: str, items: Items) -> dict[str, Any]:
    return {"token": token, "items": {path: list(entry) for path, entry in items.items()}}
