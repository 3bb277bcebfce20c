"""A channel that polls a recorder of calls: what each of them would otherwise say again.

A vendor's adapter says how calls are listed, how one is read, and by which credentials it is known; whatever follows
from a list of calls is `recorded`'s. The trade-off: a base class, where the house prefers protocols, because without it
each vendor repeats the same eight methods.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from adapters.formats.rereads import Found
from adapters.http.recorded import Recorded, RecordedOptions, checked_name, checked_token
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


class PolledOptions(RecordedOptions):
    """Settings of one whose API is known by one secret."""

    token_env: str | None = None
    token_file: str | None = None


class PolledRecorder:
    """Asks one vendor's API for calls; `found` and `read` are the vendor's."""

    capabilities = ChannelCapabilities(poll=True, backfill=True, census=True, withholds=True)
    source: str

    def __init__(self, name: str, options: PolledOptions, context: Context) -> None:
        setting = checked_name(name)
        self.name, self.own, self.clock, self._told = name, context.own, context.clock, options
        if not (options.token_env or options.token_file):
            raise ConfigError("name the variable that holds the API's secret", setting=f"{setting}.token_env")
        self.credential = f"{setting}.{'token_file' if options.token_file else 'token_env'}"
        self.secret = checked_token(context.secret(options.token_env, options.token_file), self.credential)
        self._recorded = Recorded(name, self.found, context.clock, context.live_since, options)

    def found(self, since: int, until: int) -> Iterator[Found]:
        """Yield what could be laid down of the calls that began between two times, in seconds."""
        raise NotImplementedError

    def read(self, delivery: Delivery) -> Activity:
        """Read what was laid down."""
        raise NotImplementedError

    def verify(self, request: HookRequest) -> Captured:
        """Refuse: it is asked, and posts nothing."""
        raise UnsupportedFeature("this channel polls; nothing is posted to it")

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield the calls since the cursor, never what predates us."""
        yield from self._recorded.poll(cursor)

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a call into its activity."""
        if "fault" in delivery.headers:
            raise PermanentError(delivery.headers["fault"])
        return (self.read(delivery),)

    def extent(self, since: datetime) -> Extent:
        """Count the calls between then and the first start, by reading them."""
        return self._recorded.extent(since)

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield the calls between then and the first start, oldest first."""
        yield from self._recorded.backfill(since, cursor)

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield all calls since a time."""
        yield from self._recorded.census(since, known)

    def retrieve(self, key: str, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch what a poll had to leave out."""
        return self._recorded.retrieve(key, headers)

    def check(self) -> Sequence[str]:
        """Ask for what the poll asks for."""
        now = int(self.clock().timestamp())
        try:
            next(self.found(now - 60, now), None)
        except SidecarError as error:
            return (f"{self.name}: {error}",)
        return ()

    def laid(self, kind: str, call: str, raw: bytes) -> Captured:
        """Return what is kept of a call, under its key; too much of it is a delivery that says so."""
        most = self._told.max_file_bytes
        if len(raw) <= most:
            return Captured(self.name, raw, f"{kind}:{call}", {"kind": kind})
        fault = f"{kind} of {len(raw)} bytes; at most {most} are read"
        return Captured(self.name, b"", f"{kind}:{call}", {"kind": kind, "fault": fault}, fault)
