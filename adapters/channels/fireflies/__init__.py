"""Fireflies: what its note taker heard in meetings, by a signed webhook that hints and a poll that reads.

The webhook names a meeting and nothing else, and comes only for meetings that the key's owner has; so it makes a poll
due, and the poll asks for what is there. With `transcripts` off a meeting comes as a call without a word: who, when,
how long. With it on, as its transcript, whose delivery is Fireflies' own answer.

The signature covers the bytes alone and no time: an old webhook sent again makes one more poll due and nothing else.
Source: docs.fireflies.ai "Webhooks V2" (`sha256=` and hexadecimal) and "Webhooks" (V1), read 2026-11.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from pydantic import Field

from adapters.channels.fireflies.api import Fireflies, began
from adapters.channels.fireflies.meetings import read_hook, read_meeting
from adapters.formats.rereads import Found, at_hand
from adapters.formats.signed_hex import check_signature, read_secrets
from adapters.http.asking import Api, Manners
from adapters.http.options import Address, host_of
from adapters.http.recorded import Recorded, RecordedOptions, checked_name, checked_token
from sidecar.errors import ConfigError, PermanentError, RejectedInput, SidecarError
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

HEADER = "x-hub-signature"
SECRET_CHARS = 16


class FirefliesOptions(RecordedOptions):
    """Settings of one account of Fireflies."""

    base_url: Address = Field("https://api.fireflies.ai", description="Where the API is, without a path")
    secret_env: str | None = Field(None, description="Variable with the webhook's secrets, parted by commas")
    secret_file: str | None = Field(None, description="File with the webhook's secrets, one a line")
    token_env: str | None = Field(None, description="Variable with the API key")
    token_file: str | None = Field(None, description="File with the API key")
    max_body_bytes: int = Field(1_000_000, ge=1_000, le=50_000_000)
    own_names: tuple[str, ...] = Field((), max_length=1000, description="Names under which your own people speak")
    every_s: float = Field(3600.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    calls_per_minute: int = Field(50, ge=1, le=6000, description="Most calls of its API in a minute")


class FirefliesChannel:
    """Takes Fireflies' webhooks as hints, and asks its API for the meetings."""

    Options = FirefliesOptions
    capabilities = ChannelCapabilities(
        webhook=True, poll=True, backfill=True, hints=True, stamped=False, census=True, withholds=True
    )

    def __init__(self, name: str, options: FirefliesOptions, context: Context) -> None:
        setting = checked_name(name)
        self.name, self.options, self._own = name, options, context.own
        self.source = host_of(options.base_url)  # whose it is there, the key alone says
        if not (options.secret_env or options.secret_file):
            raise ConfigError("name the variable that holds the webhook's secret", setting=f"{setting}.secret_env")
        if not (options.token_env or options.token_file):
            raise ConfigError("name the variable that holds the API key", setting=f"{setting}.token_env")
        secret = f"{setting}.{'secret_file' if options.secret_file else 'secret_env'}"
        self._secrets = read_secrets(
            context.secret(options.secret_env, options.secret_file), secret, min_chars=SECRET_CHARS
        )
        credential = f"{setting}.{'token_file' if options.token_file else 'token_env'}"
        token = checked_token(context.secret(options.token_env, options.token_file), credential)
        manners = Manners(
            "Fireflies", options.calls_per_minute, 60.0, options.max_wait_s, options.timeouts, credential, "see the key"
        )
        headers = {"Authorization": f"Bearer {token}"}
        api = Api(manners, lambda: headers, context.observe)
        self._fireflies = Fireflies(api, options.base_url, credential, context.clock)
        self._recorded = Recorded(self.name, self._found, context.clock, context.live_since, options)
        self._clock = context.clock

    def verify(self, request: HookRequest) -> Captured:
        """Check the signature on the raw bytes; 401 for anything wrong with it, 413 and 415 for what is never read."""
        if len(request.body) > self.options.max_body_bytes:
            raise RejectedInput(f"body is over {self.options.max_body_bytes} bytes", status=413)
        given = request.headers.get(HEADER, "")
        prefix = "sha256=" if given.startswith("sha256=") else ""  # V1 sends the digits alone
        check_signature(HEADER, given, prefix, request.body, self._secrets)
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise RejectedInput("send the body without Content-Encoding", status=415)
        return Captured(account=self.name, raw=request.body, is_hint=True)

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield the meetings since the cursor, never what predates us."""
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
        """Count the meetings between then and the first start, by reading them."""
        return self._recorded.extent(since)

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield the meetings between then and the first start, oldest first."""
        yield from self._recorded.backfill(since, cursor)

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield all meetings since a time."""
        yield from self._recorded.census(since, known)

    def retrieve(self, key: str, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch what a poll had to leave out."""
        return self._recorded.retrieve(key, headers)

    def check(self) -> Sequence[str]:
        """Ask for what the poll asks for."""
        now = int(self._clock().timestamp())
        try:
            next(self._fireflies.listed(now - 60, now), None)
        except SidecarError as error:
            return (f"{self.name}: {error}",)
        return ()

    def _found(self, since: int, until: int) -> Iterator[Found]:
        for row in self._fireflies.listed(since, until):
            call = self._laid("call", row["id"], orjson.dumps({"data": {"transcript": row}}))
            if not self.options.transcripts or row.get("privacy") == "owner":
                yield at_hand(began(row), call)
                continue
            yield Found(began(row), f"transcript:{row['id']}", partial(self._words, row["id"]), otherwise=call)

    def _words(self, meeting: str) -> Captured | None:
        """Return a meeting with its words; None while Fireflies has none of them."""
        found = self._fireflies.whole(meeting)
        if found is None or not found[0].get("sentences"):
            return None
        return self._laid("transcript", meeting, found[1])

    def _laid(self, kind: str, meeting: str, raw: bytes) -> Captured:
        if len(raw) <= self.options.max_file_bytes:
            return Captured(self.name, raw, f"{kind}:{meeting}", {"kind": kind})
        fault = f"{kind} of {len(raw)} bytes; at most {self.options.max_file_bytes} are read"
        return Captured(self.name, b"", f"{kind}:{meeting}", {"kind": kind, "fault": fault}, fault)
