"""What the channels of those who record calls have in common: consent, how a list of calls is read, and how often.

A recorder of calls is polled, whatever it posts: its webhooks may be lost and hold little. Each adapter here says how
the calls of a span of time are listed and what is laid down of one; polls, backfills and counts follow from that. What
is said in calls is read only where the operator says that it may be: the option is off until then, and then nothing
that holds words is asked for. The trade-off: a backfill counts what it would read by reading it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from adapters.formats.rereads import Found, Listed, counted, in_order, measured, newer, older, read_place, retrieved_of
from adapters.http.calls import Timeouts
from sidecar.errors import ConfigError
from sidecar.ports import Captured, Clock, Extent, KnownKeys, PollBatch

MAX_SKEW = timedelta(minutes=5)
AHEAD_S = 86_400
SLICE_S = 28 * 86_400
"""A backfill reads so much at once; some vendors list a month at most."""
RESERVED_NAMES = frozenset({"email", "phone", "domain"})


class RecordedOptions(BaseModel):
    """Settings that all of them have."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    transcripts: bool = Field(
        False, description="Whether what is said in calls may be read and kept; off until you know that it may"
    )
    trusted_speakers: bool = Field(False, description="Whether a speaker's name is proof of who spoke")
    overlap_days: int = Field(7, ge=1, le=60, description="How far back each poll looks for what came late")
    batch_size: int = Field(20, ge=1, le=500, description="Deliveries that are made durable together")
    max_file_bytes: int = Field(10_000_000, ge=1_000, le=25_000_000, description="Larger transcripts are parked")
    connect_timeout_s: float = Field(5.0, gt=0, le=60)
    read_timeout_s: float = Field(30.0, gt=0, le=300)
    call_timeout_s: float = Field(60.0, gt=0, le=600)
    max_wait_s: float = Field(20.0, ge=0, le=120, description="Most waiting for limits and retries within one call")

    @property
    def timeouts(self) -> Timeouts:
        """Return the time-outs of one call."""
        return Timeouts(self.connect_timeout_s, self.read_timeout_s, self.call_timeout_s)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Reads the calls of one account, as `listed` tells them."""

    account: str
    listed: Listed
    clock: Clock
    live_since: datetime | None
    options: RecordedOptions

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what is new since the cursor, and what of the last days came late."""
        overlap_s, place = self.options.overlap_days * 86_400, read_place(cursor)
        found = self.listed(place.floor(self._installed(), overlap_s), self._ahead())
        yield from newer(found, self.account, place, overlap_s, self.options.batch_size)

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what was recorded from a time until the first start, oldest first."""
        yield from older(self._older(since), self.account, cursor, self.options.batch_size)

    def census(self, since: datetime, known: KnownKeys) -> Iterator[PollBatch]:
        """Yield what was recorded from a time until now, but for what is known."""
        found = self.listed(int(since.timestamp()), self._ahead())
        yield from counted(found, self.account, known, self.options.batch_size)

    def retrieve(self, key: str, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch what a poll had to leave out; whether another can be had, the days of a poll's overlap show."""
        ahead = self._ahead()
        return retrieved_of(self.listed, key, headers, ahead - AHEAD_S - self.options.overlap_days * 86_400, ahead)

    def extent(self, since: datetime) -> Extent:
        """Count what a backfill would read, by reading it."""
        found = measured(self._older(since), self.account)
        oldest = None if found.oldest is None else datetime.fromtimestamp(found.oldest, since.tzinfo)
        return Extent(found.items, found.size_bytes, oldest)

    def _older(self, since: datetime) -> Iterator[Found]:
        start, end = int(since.timestamp()), self._installed()
        for begin in range(start, end, SLICE_S):
            yield from in_order(self.listed(begin, min(begin + SLICE_S, end)))

    def _installed(self) -> int:
        return int(((self.live_since or self.clock()) - MAX_SKEW).timestamp())

    def _ahead(self) -> int:
        return int(self.clock().timestamp()) + AHEAD_S


def checked_name(name: str) -> str:
    """Return the setting of a channel; `ConfigError` for a name that is a kind of identifier."""
    if name in RESERVED_NAMES:
        raise ConfigError("this name is taken by a kind of identifier", setting=f"channels.{name}")
    return f"channels.{name}"


def checked_token(text: str, setting: str) -> str:
    """Return a token that a header can hold; `ConfigError` for any other."""
    token = text.strip()
    if not token or not token.isprintable() or not token.isascii():
        raise ConfigError("is empty, or holds what no header can", setting=setting)
    return token
