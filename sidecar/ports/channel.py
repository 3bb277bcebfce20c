"""The port of channels: sources of raw conversations."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from sidecar.model import Activity, Attachment, Delivery


@dataclass(frozen=True, slots=True)
class ChannelCapabilities:
    """What a channel can do.

    With `handshake` it is a `Greeter`, with `census` a `Counted`, with `media` a `MediaSource`, with `subscriptions` a
    `Subscriber`, with `listens` a `Listener`, with `withholds` a `Retriever`. `hints`: its webhook may say only that
    there is news, so each one also makes a poll due. `stamped`: what its sender signs holds the time, so that an old
    one can be told from a new one.
    `covers_body`: what its sender vouches with covers each byte of the body, so that a changed one is noticed; without
    it who has seen a webhook can write another, and none is believed. `enveloped`: the signed body is the signature.
    """

    webhook: bool = False
    poll: bool = False
    backfill: bool = False
    edits: bool = False
    deletions: bool = False
    bookings: bool = False
    handshake: bool = False
    hints: bool = False
    stamped: bool = True
    covers_body: bool = True
    enveloped: bool = False
    census: bool = False
    media: bool = False
    subscriptions: bool = False
    listens: bool = False
    withholds: bool = False


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A request at the door, its body whole and raw, header names in lower case. A GET has a query and no body.

    `raw_query` is the query as it stood in the address, for those who sign it.
    """

    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    raw_query: str = ""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a sender wants to hear from us, with status 200: the text by which it knows that an address is ours.

    Nothing is kept of what is greeted. With `is_hint` it says that there is news: a poll is due before the sender hears
    this. `trouble` is its word that we have no access any more, for the operator: the next poll pauses the channel with
    it, and the one after asks whether it is so.
    """

    text: str
    content_type: str = "text/plain; charset=utf-8"
    is_hint: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Captured:
    """Raw bytes that a channel vouches for; `key` is the channel's delivery id, or None for the bytes' own hash.

    `fault` is set when the bytes are known to be unreadable (a file that is too large): the delivery is kept, parked.
    `answer` is what the sender hears once they are durable, where "202 accepted" isn't what it understands. `is_hint`:
    it says only that there is news, so that nobody wonders that it brings no activity. `withheld` says why this one
    thing could not be fetched, though another was after it: no bytes, `key` and `headers` to ask for it again.
    """

    account: str
    raw: bytes
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None
    answer: Greeting | None = None
    is_hint: bool = False
    withheld: str | None = None


@dataclass(frozen=True, slots=True)
class PollBatch:
    """Some captured deliveries and the cursor behind them, committed together; then `committed` is called."""

    captured: tuple[Captured, ...]
    cursor: Mapping[str, Any]
    committed: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a backfill would read."""

    items: int
    size_bytes: int
    oldest: datetime | None = None


@runtime_checkable
class Channel(Protocol):
    """One source of raw conversations."""

    name: str
    capabilities: ChannelCapabilities
    source: str
    """What its cursors are of, to be shown: the mailbox, calendar or account, without secrets; "" if they hold nothing.

    The same for as long as a cursor means the same; what a cursor holds apart, such as folders, isn't named.
    """

    def verify(self, request: HookRequest) -> Captured:
        """Check a signed request on its raw bytes before parsing; `RejectedInput` (401) for anything wrong with it."""

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what is new since the cursor in bounded batches; None is a first poll, which begins at install time."""

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a delivery into activities without ids; pure and repeatable. `PermanentError` parks the delivery."""

    def extent(self, since: datetime) -> Extent:
        """Say how much `backfill` would read."""

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield older history, resumable by its own cursor."""

    def check(self) -> Sequence[str]:
        """Try the connection; return what is wrong with the remedy, one line each; nothing when all is well."""


@runtime_checkable
class Greeter(Protocol):
    """What a channel with `handshake` offers beside: its sender first asks whether the address is ours."""

    def greet(self, request: HookRequest) -> Greeting | None:
        """Return what the sender wants to hear, and keep nothing; None for a POST that asks nothing.

        `RejectedInput` (403) for a GET of anybody else. Every POST is shown here before `verify`.
        """


KnownKeys = Callable[[str, Sequence[str]], Collection[str]]
"""Told an account and the keys of deliveries, says which of them need no fetching."""


def nothing_known(account: str, keys: Sequence[str]) -> Collection[str]:
    """Want everything."""
    return ()


@runtime_checkable
class Counted(Protocol):
    """What a channel with `census` offers beside: all that its provider holds, to be counted against the journal."""

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield everything from `since` until now under the ids that poll, webhook and backfill give it.

        What costs a call of its own is first asked of `known`, by the key that it would have, and left out where that
        is known. The batches' cursors are empty and never kept.
        """


@runtime_checkable
class PartlyCounted(Counted, Protocol):
    """What a census offers beside where its provider has no list of some of what it tells."""

    def is_listed(self, activity: Activity) -> bool:
        """Say whether the provider has a list in which an activity would stand."""


@dataclass(frozen=True, slots=True)
class Media:
    """A file as fetched: whole, within the adapter's own bounds of size, type and host."""

    raw: bytes
    content_type: str
    name: str = ""


@runtime_checkable
class MediaSource(Protocol):
    """What a channel with `media` offers beside: the files that its activities name."""

    def media(self, attachment: Attachment) -> Media:
        """Fetch a file. `TemporaryError` while that may still work, `PermanentError` when it is gone or not allowed."""


@runtime_checkable
class Subscriber(Protocol):
    """What a channel with `subscriptions` offers beside: until when its provider will tell it of news."""

    def subscriptions(self, cursor: Mapping[str, Any] | None) -> Mapping[str, datetime]:
        """Return when each subscription ends, by a name that may be shown, as the poll's cursor knows it."""


@runtime_checkable
class Listener(Protocol):
    """What a channel with `listens` offers beside: a line that stays open, on which its provider tells of news."""

    def listen(self, is_over: Callable[[], bool], hint: Callable[[], None]) -> None:
        """Call `hint` at each word of news until it `is_over`, at the latest two seconds after that.

        Returns at once where there is nothing to listen to. `TemporaryError` when the line drops.
        """


@runtime_checkable
class Retriever(Protocol):
    """What a channel with `withholds` offers beside: what its polls had to leave out, by name."""

    def retrieve(self, key: str, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch it under the ids that a poll gives it; nothing when it is gone. `Withheld` while it alone is refused.

        `key` and `headers` are those under which it was left out. Any other error is an outage's.
        """
