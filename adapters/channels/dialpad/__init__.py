"""Dialpad: telephone calls and their transcripts, by signed events that hint and a poll that reads.

The list holds concluded calls alone, newest first, and tells what Dialpad's events tell, so the events may be lost.
With `transcripts` off a call comes without a word; with it on as its transcript, or as a call while there is none.

Source: developers.dialpad.com (`GET /api/v2/call`, `/api/v2/transcripts/{call_id}`), read 2026-11: 1200 calls a minute
each; the list wants a company administrator's key.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

from pydantic import Field

from adapters.channels.dialpad import hooks
from adapters.channels.dialpad.calls import is_spoken, lay_down, millis, read_call
from adapters.formats.rereads import Found, at_hand
from adapters.formats.signed_hex import read_secrets
from adapters.http.asking import Api, Ask, Manners, rows
from adapters.http.hinted import HintedOptions, HintedRecorder
from adapters.http.options import Address, host_of
from adapters.http.patience import Again
from sidecar.errors import TemporaryError
from sidecar.model import Activity, Delivery
from sidecar.ports import Captured, ChannelCapabilities, Context, HookRequest

MAX_PAGES = 2_000
REMEDY = "is it a company administrator's key, with the scope calls:list?"


class DialpadOptions(HintedOptions):
    """Settings of one company's Dialpad."""

    token_env: str | None = Field(None, description="Variable with a company administrator's API key")
    token_file: str | None = Field(None, description="File with a company administrator's API key")
    secret_env: str | None = Field(None, description="Variable with the webhook's secrets, parted by commas")
    secret_file: str | None = Field(None, description="File with the webhook's secrets, one a line")
    base_url: Address = Field("https://dialpad.com", description="Where the API is, without a path")
    overlap_days: int = Field(2, ge=1, le=60, description="How far back each poll looks for what came late")
    every_s: float = Field(300.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    calls_per_s: int = Field(10, ge=1, le=1000, description="Most calls of its API in a second; Dialpad allows 20")


class DialpadChannel(HintedRecorder):
    """Asks Dialpad's API for calls, and takes its events as hints."""

    Options = DialpadOptions
    capabilities = ChannelCapabilities(
        webhook=True,
        poll=True,
        backfill=True,
        handshake=True,
        hints=True,
        stamped=False,
        enveloped=True,
        census=True,
        withholds=True,
    )
    options: DialpadOptions

    def __init__(self, name: str, options: DialpadOptions, context: Context) -> None:
        super().__init__(name, options, context)
        self.options = options
        self.source = host_of(options.base_url)  # whose it is there, the key alone says
        headers = {"Authorization": f"Bearer {self.secret}"}
        waits = (options.max_wait_s, options.timeouts)
        manners = Manners("Dialpad", options.calls_per_s, 1.0, *waits, self.credential, REMEDY)
        self._api = Api(manners, lambda: headers, context.observe)
        self._secrets: tuple[bytes, ...] = ()
        if options.secret_env or options.secret_file:
            setting = f"channels.{name}.{'secret_file' if options.secret_file else 'secret_env'}"
            told = context.secret(options.secret_env, options.secret_file)
            self._secrets = read_secrets(told, setting, min_chars=hooks.SECRET_CHARS)
        self.takes_hooks = bool(self._secrets)

    def checked(self, request: HookRequest) -> bytes:
        """Return the event that a body holds, if Dialpad signed it."""
        return hooks.verify(request.body, self._secrets, self.clock())

    def see(self, raw: bytes) -> None:
        """Look whether a body holds an event."""
        hooks.see(raw)

    def found(self, since: int, until: int) -> Iterator[Found]:
        """Yield what could be laid down of the concluded calls that began between two times."""
        for row in self._listed(since, until):
            began_ms, id = millis(row.get("date_started")), str(row["call_id"])
            if began_ms is None:
                raise Again("Dialpad lists a call without a time")
            if not since <= began_ms // 1000 < until:
                continue
            call = self.laid("call", id, lay_down(row, None))
            if self.options.transcripts and millis(row.get("date_connected")):
                yield Found(began_ms // 1000, f"transcript:{id}", partial(self._words, row), otherwise=call)
            else:
                yield at_hand(began_ms // 1000, call)

    def read(self, delivery: Delivery) -> Activity:
        """Read what was laid down."""
        return read_call(delivery, self.own, trusts_names=self.options.trusted_speakers)

    def _listed(self, since: int, until: int) -> Iterator[dict[str, Any]]:
        span = {"started_after": str(since * 1000 - 1), "started_before": str(until * 1000)}
        cursor = ""
        for _ in range(MAX_PAGES):
            query = {**span, **({"cursor": cursor} if cursor else {})}
            reply = self._api.ask(Ask("calls", f"{self.options.base_url}/api/v2/call", query=query))
            told = reply.data
            if isinstance(told, dict) and not told.keys() - {"cursor"}:
                return  # an empty collection leaves its list out
            yield from rows(reply, "items", "Dialpad", needs="call_id")
            cursor = told.get("cursor") or ""
            if not isinstance(cursor, str) or not cursor:
                return
        raise TemporaryError("Dialpad lists more calls than can be read at once", retry_after_s=3600.0)

    def _words(self, row: dict[str, Any]) -> Captured | None:
        url = f"{self.options.base_url}/api/v2/transcripts/{quote(str(row['call_id']), safe='')}"
        reply = self._api.ask(Ask("transcript", url, may_lack=(404,)))
        if reply.status == 404:
            return None
        told = reply.data if isinstance(reply.data, dict) else None
        if told is None or not isinstance(told.get("lines", []), list):
            raise Again("Dialpad's answer holds no transcript")
        lines = [line for line in told.get("lines", []) if is_spoken(line)]
        return self.laid("transcript", str(row["call_id"]), lay_down(row, lines)) if lines else None
