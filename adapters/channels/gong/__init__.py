"""Gong: calls that it recorded, by webhooks of a rule that hint and a poll that reads.

Gong's own webhooks are rules that an administrator writes, and tell less than its API; so it is asked. Transcripts come
hours or days after a call: each poll looks back two weeks for them. With `transcripts` off a call comes without a word;
with it on as its transcript, or as a call until Gong has one. What is private in Gong comes without words always, and a
webhook about it isn't kept.
"""

import base64
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from adapters.channels.gong import hooks
from adapters.channels.gong.api import Gong, began
from adapters.channels.gong.meetings import lay_down, read_meeting
from adapters.formats.rereads import Found, at_hand
from adapters.http.asking import Api, Manners
from adapters.http.hinted import HEARD, HintedOptions, HintedRecorder
from adapters.http.options import Address, host_of
from sidecar.errors import ConfigError
from sidecar.model import Activity, Delivery
from sidecar.ports import Captured, ChannelCapabilities, Context, Greeting, HookRequest

REMEDY = "are access_key and its secret a pair, and may it read calls (extensive) and transcripts?"


class GongOptions(HintedOptions):
    """Settings of one company's Gong."""

    access_key: str = Field(min_length=1, max_length=500, description="The access key, as Gong's API page shows it")
    token_env: str | None = Field(None, description="Variable with the access key's secret")
    token_file: str | None = Field(None, description="File with the access key's secret")
    public_url: Annotated[str, AfterValidator(hooks.called)] = Field(
        "", description="The whole address that the rule's webhook calls; empty without webhooks"
    )
    public_key_env: str | None = Field(None, description="Variable with the rule's public key, or several with commas")
    public_key_file: str | None = Field(None, description="File with the rule's public key, or several")
    base_url: Address = Field("https://api.gong.io", description="Where the API is, as Gong's API page shows it")
    workspace_id: str = Field("", max_length=40, description="Whose calls count; empty for all workspaces")
    overlap_days: int = Field(14, ge=1, le=60, description="How far back each poll looks for what came late")
    own_names: tuple[str, ...] = Field((), max_length=1000, description="Names under which your own people speak")
    every_s: float = Field(1800.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    calls_per_s: int = Field(2, ge=1, le=1000, description="Most calls of its API in a second; Gong allows 3")
    calls_per_day: int = Field(8000, ge=10, le=1_000_000, description="Most calls in a day; Gong allows 10,000")


class GongChannel(HintedRecorder):
    """Asks Gong's API for calls, and takes its webhooks as hints."""

    Options = GongOptions
    capabilities = ChannelCapabilities(
        webhook=True, poll=True, backfill=True, handshake=True, hints=True, stamped=False, census=True, withholds=True
    )
    options: GongOptions

    def __init__(self, name: str, options: GongOptions, context: Context) -> None:
        super().__init__(name, options, context)
        self.options = options
        self.source = f"{host_of(options.base_url)}, workspace {options.workspace_id or 'all'}"
        known = base64.b64encode(f"{options.access_key}:{self.secret}".encode()).decode()
        headers = {"Authorization": f"Basic {known}"}
        waits = (options.max_wait_s, options.timeouts)
        manners = Manners("Gong", options.calls_per_s, 1.0, *waits, self.credential, REMEDY)
        api = Api(manners, lambda: headers, context.observe)
        self._gong = Gong(api, options.base_url, options.workspace_id, options.calls_per_day, context.clock)
        self._keys: tuple[Any, ...] = ()
        if options.public_key_env or options.public_key_file:
            setting = f"channels.{name}.{'public_key_file' if options.public_key_file else 'public_key_env'}"
            self._keys = hooks.read_keys(context.secret(options.public_key_env, options.public_key_file), setting)
            if not options.public_url:
                raise ConfigError("name the address that the rule calls", setting=f"channels.{name}.public_url")
        self.takes_hooks = bool(self._keys)

    def checked(self, request: HookRequest) -> bytes:
        """Return the body, if Gong signed it for our address."""
        hooks.verify(request.headers, request.body, self._keys, self.options.public_url, self.clock())
        return request.body

    def heard(self, told: bytes) -> Greeting | None:
        """Answer what is private in Gong, and whatever may hold words that may not be read."""
        about = hooks.read_event(told) or {}
        return HEARD if about.get("isPrivate") is True else super().heard(told)

    def see(self, raw: bytes) -> None:
        """Look whether a webhook names a call."""
        hooks.see(raw)

    def found(self, since: int, until: int) -> Iterator[Found]:
        """Yield what could be laid down of the calls that began between two times."""
        for row in self._gong.listed(since, until):
            about = row["metaData"]
            call = self.laid("call", about["id"], lay_down(row, None))
            if not self.options.transcripts or about.get("isPrivate") is True:
                yield at_hand(began(row), call)
            else:
                yield Found(began(row), f"transcript:{about['id']}", partial(self._words, row), otherwise=call)

    def read(self, delivery: Delivery) -> Activity:
        """Read what was laid down."""
        options = self.options
        return read_meeting(delivery, self.own, options.own_names, trusts_names=options.trusted_speakers)

    def _words(self, row: dict[str, Any]) -> Captured | None:
        transcript = self._gong.words(row["metaData"]["id"])
        return None if transcript is None else self.laid("transcript", row["metaData"]["id"], lay_down(row, transcript))
