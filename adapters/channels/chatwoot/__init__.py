"""Chatwoot as a hub: its website chat, Telegram, LINE, SMS, Instagram and more, by signed webhooks and by poll.

Both ways lead to the same activities: a message is named by its id in Chatwoot, whoever told us of it first. The
webhook is fast and is sent once; the poll misses nothing and comes a little later. Neither changes anything there.

Chatwoot hands on its own view of a message and not the first provider's, so a channel that is also connected directly
would be told twice: `inboxes` says which of Chatwoot's inboxes count. Files are named and never fetched.

A conversation that is refused while others come is left out by its number.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from adapters.channels.chatwoot.activities import read_activities
from adapters.channels.chatwoot.api import Api, Reached
from adapters.channels.chatwoot.events import read_json
from adapters.channels.chatwoot.signature import read_secrets, verify
from adapters.channels.chatwoot.walk import (
    Bounds,
    Found,
    Place,
    active,
    another_in,
    batches,
    found_in,
    moved,
    read_place,
    retrieved_in,
)
from adapters.formats.withheld import retrieved
from adapters.http.calls import Timeouts
from adapters.http.options import Address, host_of
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

RESERVED_NAMES = {"email", "phone", "domain"}
MAX_SKEW = timedelta(minutes=5)


class ChatwootOptions(BaseModel):
    """Settings of one account of one Chatwoot."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: Address = Field("https://app.chatwoot.com", description="Where Chatwoot is, without a path")
    account_id: int = Field(ge=1, description="The number after /accounts/ in its addresses")
    secret_env: str | None = Field(None, description="Variable with the webhook's secrets, parted by commas")
    secret_file: str | None = Field(None, description="File with the webhook's secrets, one a line")
    token_env: str | None = Field(None, description="Variable with an agent's access token, for the poll")
    token_file: str | None = Field(None, description="File with an agent's access token")
    inboxes: tuple[int, ...] = Field((), max_length=1000, description="Numbers of the inboxes that count; none is all")
    every_s: float = Field(120.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    overlap_s: int = Field(900, ge=60, le=86_400, description="How far back each poll reads again")
    batch_size: int = Field(50, ge=1, le=500, description="Messages that are made durable together")
    max_message_bytes: int = Field(500_000, ge=1_000, le=5_000_000)
    max_body_bytes: int = Field(1_000_000, ge=1_000, le=50_000_000)
    connect_timeout_s: float = Field(5.0, gt=0, le=60)
    read_timeout_s: float = Field(30.0, gt=0, le=300)
    call_timeout_s: float = Field(60.0, gt=0, le=600)
    max_wait_s: float = Field(20.0, ge=0, le=120, description="Most waiting for limits and retries within one call")
    calls_per_s: float = Field(5.0, ge=0.1, le=1000, description="Most calls of its API in a second")


class ChatwootChannel:
    """Takes Chatwoot's webhooks, and asks its API for what they left out."""

    Options = ChatwootOptions
    capabilities = ChannelCapabilities(
        webhook=True, poll=True, backfill=True, edits=True, deletions=True, census=True, withholds=True
    )

    def __init__(self, name: str, options: ChatwootOptions, context: Context) -> None:
        setting = f"channels.{name}"
        if name in RESERVED_NAMES:
            raise ConfigError("this name is taken by a kind of identifier", setting=setting)
        if not (options.secret_env or options.secret_file):
            raise ConfigError("name the variable that holds the webhook's secret", setting=f"{setting}.secret_env")
        if not (options.token_env or options.token_file):
            raise ConfigError("name the variable that holds the access token", setting=f"{setting}.token_env")
        self.name = name
        self.options = options
        self.account = str(options.account_id)
        self.source = f"{host_of(options.base_url)}, account {self.account}"
        self._clock = context.clock
        self._live_since = context.live_since
        secrets = f"{setting}.{'secret_file' if options.secret_file else 'secret_env'}"
        self._secrets = read_secrets(context.secret(options.secret_env, options.secret_file), secrets)
        token = context.secret(options.token_env, options.token_file).strip()
        if not token.isprintable() or not token.isascii():
            raise ConfigError("the token holds what no header can", setting=f"{setting}.token_env")
        timeouts = Timeouts(options.connect_timeout_s, options.read_timeout_s, options.call_timeout_s)
        where = (options.base_url, options.account_id, token, timeouts)
        self._api = Api(Reached(*where, options.max_wait_s, options.calls_per_s, setting), context.observe)
        self._another = another_in(self._api, self._counts)

    def verify(self, request: HookRequest) -> Captured:
        """Check the signature on the raw bytes; 401 for anything wrong with it, 413 and 415 for what is never read."""
        if len(request.body) > self.options.max_body_bytes:
            raise RejectedInput(f"body is over {self.options.max_body_bytes} bytes", status=413)
        verify(request.headers, request.body, self._secrets, self._clock())
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise RejectedInput("send the body without Content-Encoding", status=415)
        return Captured(account=self.account, raw=request.body)

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield the messages since the cursor, never what predates us; the cursor's shape stands in `walk`."""
        place, overlap_s = read_place(cursor), self.options.overlap_s
        installed = self._installed()
        floor = installed if place.until is None else max(installed, place.until - overlap_s)
        conversations = moved(self._api, floor)
        newest = max((active(row) for row in conversations), default=place.until)
        goal = newest if place.goal is None else place.goal  # a poll that was left reaches what it set out for
        found = self._found(conversations, self._bounds(floor), place)
        yield from batches(found, place, self.options.batch_size, goal, overlap_s)

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read one event into its activity, or into none where its inbox doesn't count."""
        if "fault" in delivery.headers:
            raise PermanentError(delivery.headers["fault"])
        return read_activities(delivery, read_json(delivery.raw), self.options.inboxes)

    def extent(self, since: datetime) -> Extent:
        """Count the messages between then and the first start, by reading them; what is withheld counts as one."""
        items = size_bytes = 0
        oldest: int | None = None
        for one in self._older(since, Place()):
            items, size_bytes = items + 1, size_bytes + len(one.captured.raw)
            oldest = one.at if oldest is None else min(oldest, one.at)
        return Extent(items, size_bytes, None if oldest is None else datetime.fromtimestamp(oldest, UTC))

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield the messages between then and the first start; its cursor is shaped like poll's."""
        place = read_place(cursor)
        yield from batches(self._older(since, place), place, self.options.batch_size, None, 0)

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield every message since then as it stands now, so also what was edited or deleted later."""
        floor = int(since.timestamp())
        found = self._found(moved(self._api, floor), self._bounds(floor), Place())
        for batch in batches(found, Place(), self.options.batch_size, None, 0):
            yield PollBatch(batch.captured, {})

    def retrieve(self, key: str, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch what is ours of a conversation that a poll had to leave out; nothing where it is gone."""

        def fetch() -> Sequence[Captured]:
            row = self._api.conversation(int(headers["conversation"]))
            if row is None or not self._counts(row):
                return ()
            return retrieved_in(self._api, self.account, row, self._bounds(int(headers["since"])))

        return retrieved(key, fetch, self._another)

    def check(self) -> Sequence[str]:
        """Ask for what the poll asks for."""
        try:
            self._api.conversations(1)
        except SidecarError as error:
            return (f"{self.name}: {error}",)
        return ()

    def _older(self, since: datetime, place: Place) -> Iterator[Found]:
        floor = int(since.timestamp())
        return self._found(moved(self._api, floor), self._bounds(floor, self._installed()), place)

    def _found(self, conversations: Sequence[Mapping[str, Any]], bounds: Bounds, place: Place) -> Iterator[Found]:
        wanted = [row for row in conversations if self._counts(row)]
        return found_in(self._api, self.account, wanted, bounds, place, self._another)

    def _bounds(self, floor: int, until: int | None = None) -> Bounds:
        return Bounds(floor, until, self.options.max_message_bytes, min(floor, self._installed()))

    def _counts(self, conversation: Mapping[str, Any]) -> bool:
        only = self.options.inboxes
        return not only or conversation.get("inbox_id") in only

    def _installed(self) -> int:
        return int(((self._live_since or self._clock()) - MAX_SKEW).timestamp())
