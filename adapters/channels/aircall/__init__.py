"""Aircall: telephone calls and their transcripts, by webhooks that hint and a poll that reads.

Aircall signs none of its webhooks: a token stands in the body, and who has seen one can write any other. So nothing is
taken from a webhook but that there is news, nothing of it is kept, and the API is asked, which tells the same. A list
holds ten thousand calls at most, so a busy span is asked for in halves. With `transcripts` off a call comes without a
word; with it on as its transcript, or as a call while there is none. When the integration is taken away in Aircall, a
webhook says so or its key is refused: either pauses the channel and tells the operator.

Source: developer.aircall.io, read 2026-11: 50 calls a page, `from` and `to` in seconds, 60 calls of the API a minute.
"""

import base64
from collections.abc import Iterator
from functools import partial
from typing import Any

from pydantic import Field

from adapters.channels.aircall import hooks
from adapters.channels.aircall.calls import lay_down, read_call
from adapters.formats.rereads import Found, at_hand
from adapters.formats.signed_hex import read_secrets
from adapters.http.asking import Api, Ask, Manners, rows
from adapters.http.hinted import HintedOptions, HintedRecorder
from adapters.http.options import Address, host_of
from adapters.http.patience import Again
from sidecar.errors import PermanentError, TemporaryError, UnsupportedFeature
from sidecar.model import Activity, Delivery
from sidecar.ports import Captured, ChannelCapabilities, Context, Greeting, HookRequest

PAGE, LISTED_MAX = 50, 10_000
REMEDY = "are api_id and its token a pair, and does the plan have transcripts (else transcripts = false)?"


class AircallOptions(HintedOptions):
    """Settings of one company's Aircall."""

    api_id: str = Field(min_length=1, max_length=200, description="The API id, as Aircall's page of keys shows it")
    token_env: str | None = Field(None, description="Variable with the API token")
    token_file: str | None = Field(None, description="File with the API token")
    secret_env: str | None = Field(None, description="Variable with the webhook's tokens, parted by commas")
    secret_file: str | None = Field(None, description="File with the webhook's tokens, one a line")
    base_url: Address = Field("https://api.aircall.io", description="Where the API is, without a path")
    overlap_days: int = Field(2, ge=1, le=60, description="How far back each poll looks for what came late")
    every_s: float = Field(300.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    calls_per_minute: int = Field(50, ge=1, le=6000, description="Most calls of its API in a minute; Aircall allows 60")


class AircallChannel(HintedRecorder):
    """Asks Aircall's API for calls, and takes its webhooks as hints."""

    Options = AircallOptions
    capabilities = ChannelCapabilities(
        webhook=True,
        poll=True,
        backfill=True,
        handshake=True,
        hints=True,
        stamped=False,
        covers_body=False,
        census=True,
        withholds=True,
    )
    options: AircallOptions

    def __init__(self, name: str, options: AircallOptions, context: Context) -> None:
        super().__init__(name, options, context)
        self.options = options
        self.source = host_of(options.base_url)  # whose it is there, the key alone says
        known = base64.b64encode(f"{options.api_id}:{self.secret}".encode()).decode()
        headers = {"Authorization": f"Basic {known}"}
        waits = (options.max_wait_s, options.timeouts)
        manners = Manners("Aircall", options.calls_per_minute, 60.0, *waits, self.credential, REMEDY)
        self._api = Api(manners, lambda: headers, context.observe)
        self._secrets: tuple[bytes, ...] = ()
        if options.secret_env or options.secret_file:
            setting = f"channels.{name}.{'secret_file' if options.secret_file else 'secret_env'}"
            self._secrets = read_secrets(context.secret(options.secret_env, options.secret_file), setting)
        self.takes_hooks = bool(self._secrets)

    def checked(self, request: HookRequest) -> bytes:
        """Return the name of the event in a body that brings the webhook's token."""
        return hooks.verify(request.body, self._secrets)

    def heard(self, told: bytes) -> Greeting:
        """Answer every webhook: its bytes hold the token, so none is kept."""
        return hooks.answer(told)

    def verify(self, request: HookRequest) -> Captured:
        """Refuse: `greet` answers every webhook, or refuses it."""
        raise UnsupportedFeature("nothing of Aircall's webhooks is kept")

    def see(self, raw: bytes) -> None:
        """Refuse: none is kept."""
        raise PermanentError("it is no call of Aircall's")

    def found(self, since: int, until: int) -> Iterator[Found]:
        """Yield what could be laid down of the calls that ended and began between two times."""
        for row in self._listed(since, until):
            began, id = row.get("started_at"), row["id"]
            if not isinstance(began, int):
                raise Again("Aircall lists a call without a time")
            if row.get("status") != "done" or not since <= began < until:
                continue
            call = self.laid("call", str(id), lay_down(row, None))
            has_words = row.get("answered_at") is not None or row.get("voicemail")
            if self.options.transcripts and has_words:
                yield Found(began, f"transcript:{id}", partial(self._words, row), otherwise=call)
            else:
                yield at_hand(began, call)

    def read(self, delivery: Delivery) -> Activity:
        """Read what was laid down."""
        return read_call(delivery, self.own, trusts_names=self.options.trusted_speakers)

    def _listed(self, since: int, until: int) -> Iterator[dict[str, Any]]:
        page = 1
        while page <= LISTED_MAX // PAGE:
            span = {"from": str(since), "to": str(until), "order": "asc", "fetch_contact": "true"}
            query = {**span, "page": str(page), "per_page": str(PAGE)}
            reply = self._api.ask(Ask("calls", f"{self.options.base_url}/v1/calls", query=query))
            found = rows(reply, "calls", "Aircall")
            meta = reply.data.get("meta")
            total = meta.get("total") if isinstance(meta, dict) else None
            if page == 1 and isinstance(total, int) and total > LISTED_MAX:
                yield from self._halves(since, until)
                return
            yield from found
            if not isinstance(meta, dict) or not meta.get("next_page_link"):
                return
            page += 1

    def _halves(self, since: int, until: int) -> Iterator[dict[str, Any]]:
        middle = (since + until) // 2
        if middle in (since, until):
            raise TemporaryError("Aircall lists more calls of one second than can be read", retry_after_s=3600.0)
        yield from self._listed(since, middle)
        yield from self._listed(middle + 1, until)

    def _words(self, row: dict[str, Any]) -> Captured | None:
        url = f"{self.options.base_url}/v1/calls/{int(row['id'])}/transcription"
        reply = self._api.ask(Ask("transcription", url, may_lack=(404,)))
        if reply.status == 404:
            return None
        told = reply.data.get("transcription") if isinstance(reply.data, dict) else None
        content = told.get("content") if isinstance(told, dict) else None
        if not isinstance(content, dict):
            raise Again("Aircall's answer holds no transcription")
        return self.laid("transcript", str(row["id"]), lay_down(row, content)) if content.get("utterances") else None
