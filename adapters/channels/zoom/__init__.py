"""Zoom: recorded meetings and their transcripts, by signed webhooks that hint and a poll that reads.

Zoom posts a webhook four times within 85 minutes and then never again, so what the poll finds is what counts. With
`transcripts` off a recorded meeting comes as a call without a word; with it on as its transcript, or as a call while
Zoom hasn't one.

A webhook about a recording holds a token that opens it for a day. While `transcripts` is off such a webhook is
verified, answered and not kept. While it is on the bytes are kept as they came, like the words themselves; the token in
them is never used and never logged: files are fetched with our own.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import Field

from adapters.channels.zoom.access import AccountCredentials, App
from adapters.channels.zoom.api import Zoom, began
from adapters.channels.zoom.meetings import lay_down, read_hook, read_meeting
from adapters.channels.zoom.signature import VALIDATION, read_event, validation, verify
from adapters.formats.rereads import Found
from adapters.formats.signed_hex import read_secrets
from adapters.http.asking import Manners
from adapters.http.options import Address
from adapters.http.recorded import Recorded, RecordedOptions, checked_name, checked_token
from sidecar.errors import ConfigError, PermanentError, RejectedInput, SidecarError
from sidecar.model import Activity, Delivery
from sidecar.ports import (
    Captured,
    ChannelCapabilities,
    Context,
    Extent,
    Greeting,
    HookRequest,
    KnownKeys,
    PollBatch,
    nothing_known,
)

REMEDY = "has the app the scopes that docs/zoom.md names, and is it activated?"


class ZoomOptions(RecordedOptions):
    """Settings of one account of Zoom."""

    account_id: str = Field(min_length=1, max_length=200, description="The account's id, as the app's page shows it")
    client_id: str = Field(min_length=1, max_length=200, description="The server-to-server app's client id")
    secret_env: str | None = Field(None, description="Variable with the webhook's secret tokens, parted by commas")
    secret_file: str | None = Field(None, description="File with the webhook's secret tokens, one a line")
    client_secret_env: str | None = Field(None, description="Variable with the app's client secret")
    client_secret_file: str | None = Field(None, description="File with the app's client secret")
    hosts: tuple[str, ...] = Field((), max_length=5000, description="Whose meetings count, by address; none is all")
    base_url: Address = Field("https://api.zoom.us", description="Where the API is, without a path")
    login_url: Address = Field("https://zoom.us", description="Where tokens are asked for, without a path")
    max_body_bytes: int = Field(1_000_000, ge=1_000, le=50_000_000)
    own_names: tuple[str, ...] = Field((), max_length=1000, description="Names under which your own people speak")
    every_s: float = Field(900.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    calls_per_s: int = Field(4, ge=1, le=1000, description="Most calls of its API in a second")


class ZoomChannel:
    """Takes Zoom's webhooks as hints, and asks its API for what was recorded."""

    Options = ZoomOptions
    capabilities = ChannelCapabilities(
        webhook=True, poll=True, backfill=True, handshake=True, hints=True, census=True, withholds=True
    )

    def __init__(self, name: str, options: ZoomOptions, context: Context) -> None:
        setting = checked_name(name)
        self.name, self.options, self.account = name, options, options.account_id
        self.source = self.account
        self._own, self._clock = context.own, context.clock
        if not (options.secret_env or options.secret_file):
            raise ConfigError("name the variable that holds the secret token", setting=f"{setting}.secret_env")
        if not (options.client_secret_env or options.client_secret_file):
            raise ConfigError("name the variable that holds the app's secret", setting=f"{setting}.client_secret_env")
        secret = f"{setting}.{'secret_file' if options.secret_file else 'secret_env'}"
        self._secrets = read_secrets(context.secret(options.secret_env, options.secret_file), secret)
        credential = f"{setting}.{'client_secret_file' if options.client_secret_file else 'client_secret_env'}"
        told = context.secret(options.client_secret_env, options.client_secret_file)
        app = App(options.account_id, options.client_id, checked_token(told, credential))
        manners = Manners("Zoom", options.calls_per_s, 1.0, options.max_wait_s, options.timeouts, credential, REMEDY)
        access = AccountCredentials(options.login_url, app, manners, context.clock, context.observe)
        self._zoom = Zoom(options.base_url, access, manners, context.observe)
        self._recorded = Recorded(self.account, self._found, context.clock, context.live_since, options)

    def greet(self, request: HookRequest) -> Greeting | None:
        """Answer Zoom's question whose address this is, and what may not be kept while transcripts are off."""
        if request.method != "POST":
            raise RejectedInput("Zoom asks by POST", status=403)
        self._check(request)
        told = read_event(request.body)
        if told is not None and told["event"] == VALIDATION:
            return validation(told, self._secrets[0])
        if told is not None and "download_token" in told and not self.options.transcripts:
            return Greeting("not kept: transcripts is off")
        return None

    def verify(self, request: HookRequest) -> Captured:
        """Check the signature on the raw bytes; 401 for anything wrong with it, 413 and 415 for what is never read."""
        self._check(request)
        return Captured(account=self.account, raw=request.body, is_hint=True)

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what was recorded since the cursor, never what predates us."""
        yield from self._recorded.poll(cursor)

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a meeting into its activity, and a webhook into none: what it hints at comes by the poll."""
        if "fault" in delivery.headers:
            raise PermanentError(delivery.headers["fault"])
        if "kind" not in delivery.headers:
            read_hook(delivery.raw)
            return ()
        options = self.options
        return (read_meeting(delivery, self._own, options.own_names, trusts_names=options.trusted_speakers),)

    def extent(self, since: datetime) -> Extent:
        """Count what was recorded between then and the first start, by reading it."""
        return self._recorded.extent(since)

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what was recorded between then and the first start, oldest first."""
        yield from self._recorded.backfill(since, cursor)

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield all that was recorded since a time."""
        yield from self._recorded.census(since, known)

    def retrieve(self, key: str, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch what a poll had to leave out."""
        return self._recorded.retrieve(key, headers)

    def check(self) -> Sequence[str]:
        """Ask for what the poll asks for."""
        now = int(self._clock().timestamp())
        try:
            for host in self._hosts():
                next(self._zoom.recordings(host, now - 60, now), None)
                break
        except SidecarError as error:
            return (f"{self.name}: {error}",)
        return ()

    def _check(self, request: HookRequest) -> None:
        if len(request.body) > self.options.max_body_bytes:
            raise RejectedInput(f"body is over {self.options.max_body_bytes} bytes", status=413)
        verify(request.headers, request.body, self._secrets, self._clock())
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise RejectedInput("send the body without Content-Encoding", status=415)

    def _hosts(self) -> Iterator[str]:
        yield from self.options.hosts or self._zoom.hosts()

    def _found(self, since: int, until: int) -> Iterator[Found]:
        for host in self._hosts():
            for meeting in self._zoom.recordings(host, since, until):
                files = list(_transcripts(meeting)) if self.options.transcripts else []
                for file in files:
                    yield Found(began(meeting), f"transcript:{file['id']}", partial(self._words, meeting, file))
                if not files:
                    yield Found(began(meeting), f"call:{meeting['uuid']}", partial(self._call, meeting))

    def _call(self, meeting: Mapping[str, Any]) -> Captured:
        raw = lay_down(meeting, self._zoom.participants(meeting["uuid"]))
        return self._laid(f"call:{meeting['uuid']}", raw, {"kind": "call"})

    def _words(self, meeting: Mapping[str, Any], file: Mapping[str, Any]) -> Captured | None:
        """Fetch a transcript; what may not be fetched is a delivery that says so, and one that is gone none."""
        from adapters.http.fetched import NotAllowedError

        key = f"transcript:{file['id']}"
        try:
            raw = self._zoom.file(str(file.get("download_url") or ""), self.options.max_file_bytes)
        except NotAllowedError as error:
            fault = f"the transcript is not fetched: {error}"
            return Captured(self.account, b"", key, {"kind": "transcript", "fault": fault}, fault)
        if raw is None:
            return None
        about = lay_down(meeting, self._zoom.participants(meeting["uuid"])).decode()
        return self._laid(key, raw, {"kind": "transcript", "meeting": about, "file": str(file["id"])[:200]})

    def _laid(self, key: str, raw: bytes, headers: Mapping[str, str]) -> Captured:
        return Captured(self.account, raw, key, headers)


def _transcripts(meeting: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The files of a meeting that hold its words and are ready; a recording that was paused has several."""
    files = meeting.get("recording_files")
    for file in files if isinstance(files, list) else []:
        is_ready = isinstance(file, dict) and file.get("status", "completed") == "completed"
        if is_ready and file.get("file_type") == "TRANSCRIPT" and isinstance(file.get("id"), str) and file["id"]:
            yield file
