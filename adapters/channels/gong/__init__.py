"""Gong: calls that it recorded, by a poll.

Gong's own webhooks are rules that an administrator writes, and tell less than its API; so it is asked. Transcripts come
hours or days after a call: each poll looks back two weeks for them. With `transcripts` off a call comes without a word;
with it on as its transcript, or as a call until Gong has one. What is private in Gong comes without words always.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import Field

from adapters.channels.gong.api import Gong, began
from adapters.channels.gong.meetings import lay_down, read_meeting
from adapters.formats.rereads import Found, at_hand
from adapters.http.asking import Api, Manners
from adapters.http.options import Address
from adapters.http.recorded import Recorded, RecordedOptions, checked_name, checked_token
from sidecar.errors import ConfigError, PermanentError, SidecarError, UnsupportedFeature
from sidecar.model import Activity, Delivery
from sidecar.ports import Captured, ChannelCapabilities, Context, Extent, HookRequest, PollBatch

REMEDY = "are access_key and its secret a pair, and may it read calls (extensive) and transcripts?"


class GongOptions(RecordedOptions):
    """Settings of one company's Gong."""

    access_key: str = Field(min_length=1, max_length=500, description="The access key, as Gong's API page shows it")
    token_env: str | None = Field(None, description="Variable with the access key's secret")
    token_file: str | None = Field(None, description="File with the access key's secret")
    base_url: Address = Field("https://api.gong.io", description="Where the API is, as Gong's API page shows it")
    workspace_id: str = Field("", max_length=40, description="Whose calls count; empty for all workspaces")
    overlap_days: int = Field(14, ge=1, le=60, description="How far back each poll looks for what came late")
    own_names: tuple[str, ...] = Field((), max_length=1000, description="Names under which your own people speak")
    every_s: float = Field(1800.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    calls_per_s: int = Field(2, ge=1, le=1000, description="Most calls of its API in a second; Gong allows 3")
    calls_per_day: int = Field(8000, ge=10, le=1_000_000, description="Most calls in a day; Gong allows 10,000")


class GongChannel:
    """Asks Gong's API for calls."""

    Options = GongOptions
    capabilities = ChannelCapabilities(poll=True, backfill=True, census=True)

    def __init__(self, name: str, options: GongOptions, context: Context) -> None:
        setting = checked_name(name)
        self.name, self.options, self._own, self._clock = name, options, context.own, context.clock
        if not (options.token_env or options.token_file):
            raise ConfigError("name the variable that holds the key's secret", setting=f"{setting}.token_env")
        credential = f"{setting}.{'token_file' if options.token_file else 'token_env'}"
        secret = checked_token(context.secret(options.token_env, options.token_file), credential)
        known = base64.b64encode(f"{options.access_key}:{secret}".encode()).decode()
        headers = {"Authorization": f"Basic {known}"}
        manners = Manners("Gong", options.calls_per_s, 1.0, options.max_wait_s, options.timeouts, credential, REMEDY)
        api = Api(manners, lambda: headers, context.observe)
        self._gong = Gong(api, options.base_url, options.workspace_id, options.calls_per_day, context.clock)
        self._recorded = Recorded(self._found, context.clock, context.installed_at, options)

    def verify(self, request: HookRequest) -> Captured:
        """Refuse: Gong is asked, and calls nobody."""
        raise UnsupportedFeature("Gong is polled; it posts nothing here")

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield the calls since the cursor, never what predates us."""
        yield from self._recorded.poll(cursor)

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a call into its activity."""
        if "fault" in delivery.headers:
            raise PermanentError(delivery.headers["fault"])
        options = self.options
        return (read_meeting(delivery, self._own, options.own_names, trusts_names=options.trusted_speakers),)

    def extent(self, since: datetime) -> Extent:
        """Count the calls between then and the installation, by reading them."""
        return self._recorded.extent(since)

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield the calls between then and the installation, oldest first."""
        yield from self._recorded.backfill(since, cursor)

    def census(self, since: datetime) -> Iterator[PollBatch]:
        """Yield all calls since a time."""
        yield from self._recorded.census(since)

    def check(self) -> Sequence[str]:
        """Ask for what the poll asks for."""
        now = int(self._clock().timestamp())
        try:
            next(self._gong.listed(now - 60, now), None)
        except SidecarError as error:
            return (f"{self.name}: {error}",)
        return ()

    def _found(self, since: int, until: int) -> Iterator[Found]:
        for row in self._gong.listed(since, until):
            about = row["metaData"]
            call = self._laid("call", about["id"], lay_down(row, None))
            if not self.options.transcripts or about.get("isPrivate") is True:
                yield at_hand(began(row), call)
            else:
                yield Found(began(row), f"transcript:{about['id']}", partial(self._words, row), otherwise=call)

    def _words(self, row: dict[str, Any]) -> Captured | None:
        transcript = self._gong.words(row["metaData"]["id"])
        return (
            None if transcript is None else self._laid("transcript", row["metaData"]["id"], lay_down(row, transcript))
        )

    def _laid(self, kind: str, call: str, raw: bytes) -> Captured:
        if len(raw) <= self.options.max_file_bytes:
            return Captured(self.name, raw, f"{kind}:{call}", {"kind": kind})
        fault = f"{kind} of {len(raw)} bytes; at most {self.options.max_file_bytes} are read"
        return Captured(self.name, b"", f"{kind}:{call}", {"kind": kind, "fault": fault}, fault)
