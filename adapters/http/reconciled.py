"""A channel that is posted signed webhooks and polls for the same: what each vendor of that kind would say again.

A webhook is fast and may be lost; a poll misses nothing and comes a little later. A vendor's adapter says how a request
is signed, what changed in a span of time, and how a delivery is read; it gives both ways the same ids. Cursors are
those of `rereads`: each poll reads an overlap again and lays down what it hasn't yet.

The trade-off: a base class, where the house prefers protocols, because without it each vendor repeats ten methods.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from adapters.formats.rereads import Found, another_of, counted, in_order, measured, newer, older, read_place
from adapters.formats.signed_hex import read_secrets
from adapters.formats.withheld import Another
from adapters.http.asking import Manners
from adapters.http.calls import Timeouts
from adapters.http.recorded import AHEAD_S, checked_name, checked_token
from sidecar.errors import ConfigError, PermanentError, RejectedInput, SidecarError
from sidecar.model import Activity, Delivery
from sidecar.ports import Captured, Context, Extent, HookRequest, KnownKeys, PollBatch, nothing_known

MAX_SKEW = timedelta(minutes=5)
LOOKED_BACK_S = 7 * 86_400


class ReconciledOptions(BaseModel):
    """Settings that all of them have."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    secret_env: str | None = Field(None, description="Variable with the webhook's secrets, parted by commas")
    secret_file: str | None = Field(None, description="File with the webhook's secrets, one a line")
    token_env: str | None = Field(None, description="Variable with the API's token, for the poll")
    token_file: str | None = Field(None, description="File with the API's token")
    every_s: float = Field(300.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    overlap_s: int = Field(3600, ge=60, le=30 * 86_400, description="How far back each poll reads again")
    batch_size: int = Field(50, ge=1, le=500, description="Deliveries that are made durable together")
    max_item_bytes: int = Field(500_000, ge=1_000, le=5_000_000, description="Larger ones of a poll are parked")
    max_body_bytes: int = Field(1_000_000, ge=1_000, le=50_000_000)
    connect_timeout_s: float = Field(5.0, gt=0, le=60)
    read_timeout_s: float = Field(30.0, gt=0, le=300)
    call_timeout_s: float = Field(60.0, gt=0, le=600)
    max_wait_s: float = Field(20.0, ge=0, le=120, description="Most waiting for limits and retries within one call")
    calls_per_minute: int = Field(50, ge=1, le=60_000, description="Most calls of its API in a minute")


class Reconciled:
    """One account of one vendor; `signed`, `found` and `read` are the vendor's."""

    VENDOR = ""
    REMEDY = ""
    source: str

    def __init__(self, name: str, options: ReconciledOptions, context: Context) -> None:
        setting = checked_name(name)
        self.name, self.account, self.own, self.clock = name, name, context.own, context.clock
        self._told, self._live_since = options, context.live_since
        if not (options.secret_env or options.secret_file):
            raise ConfigError("name the variable that holds the webhook's secret", setting=f"{setting}.secret_env")
        if not (options.token_env or options.token_file):
            raise ConfigError("name the variable that holds the API's token", setting=f"{setting}.token_env")
        secret = f"{setting}.{'secret_file' if options.secret_file else 'secret_env'}"
        self.secrets = read_secrets(context.secret(options.secret_env, options.secret_file), secret)
        credential = f"{setting}.{'token_file' if options.token_file else 'token_env'}"
        self.token = checked_token(context.secret(options.token_env, options.token_file), credential)
        timeouts = Timeouts(options.connect_timeout_s, options.read_timeout_s, options.call_timeout_s)
        pace = (options.calls_per_minute, 60.0, options.max_wait_s, timeouts)
        self.manners = Manners(self.VENDOR, *pace, credential, self.REMEDY)

    def signed(self, request: HookRequest) -> None:
        """Refuse a request that none of the secrets signed."""
        raise NotImplementedError

    def key_of(self, body: bytes) -> str | None:
        """Return the vendor's own id of a delivery, None where it has none."""
        return None

    def found(self, since: int, until: int) -> Iterator[Found]:
        """Yield what changed from one time until before another, in seconds."""
        raise NotImplementedError

    def read(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a webhook, or what a poll laid down."""
        raise NotImplementedError

    def verify(self, request: HookRequest) -> Captured:
        """Check the signature on the raw bytes; 401 for anything wrong with it, 413 and 415 for what is never read."""
        if len(request.body) > self._told.max_body_bytes:
            raise RejectedInput(f"body is over {self._told.max_body_bytes} bytes", status=413)
        self.signed(request)
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise RejectedInput("send the body without Content-Encoding", status=415)
        return Captured(account=self.account, raw=request.body, key=self.key_of(request.body))

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what changed since the cursor, never what predates us; the cursor's shape stands in `rereads`."""
        place, overlap_s = read_place(cursor), self._told.overlap_s
        found = self.found(place.floor(self._installed(), overlap_s), self._ahead())
        yield from newer(found, self.account, place, overlap_s, self._told.batch_size)

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a delivery into its activities."""
        if "fault" in delivery.headers:
            raise PermanentError(delivery.headers["fault"])
        return self.read(delivery)

    def extent(self, since: datetime) -> Extent:
        """Count what changed last between then and the first start, by reading it."""
        found = measured(self._older(since), self.account)
        oldest = None if found.oldest is None else datetime.fromtimestamp(found.oldest, UTC)
        return Extent(found.items, found.size_bytes, oldest)

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what changed last between then and the first start, oldest first."""
        yield from older(self._older(since), self.account, cursor, self._told.batch_size)

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield all that changed since a time, as it stands now."""
        found = self.found(int(since.timestamp()), self._ahead())
        yield from counted(found, self.account, known, self._told.batch_size)

    def check(self) -> Sequence[str]:
        """Ask for what the poll asks for."""
        now = int(self.clock().timestamp())
        try:
            next(self.found(now - 60, now + AHEAD_S), None)
        except SidecarError as error:
            return (f"{self.name}: {error}",)
        return ()

    def laid(self, key: str, raw: bytes) -> Captured:
        """Return what is kept of a thing, under its key; too much of it is a delivery that says so."""
        most, headers = self._told.max_item_bytes, {"polled": "1"}
        if len(raw) <= most:
            return Captured(self.account, raw, key, headers)
        fault = f"{len(raw)} bytes; at most {most} are read"
        return Captured(self.account, b"", key, {**headers, "fault": fault}, fault)

    def another(self) -> Another:
        """Return what says whether something of the last days can be had."""
        ahead = self._ahead()
        return another_of(self.found, max(self._installed(), ahead - AHEAD_S - LOOKED_BACK_S), ahead)

    def since(self) -> int:
        """Return from when on what happens is ours, in seconds."""
        return self._installed()

    def _older(self, since: datetime) -> list[Found]:
        return in_order(self.found(int(since.timestamp()), self._installed()))

    def _installed(self) -> int:
        return int(((self._live_since or self.clock()) - MAX_SKEW).timestamp())

    def _ahead(self) -> int:
        return int(self.clock().timestamp()) + AHEAD_S
