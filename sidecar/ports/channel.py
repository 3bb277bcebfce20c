"""The port of channels: sources of raw conversations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from sidecar.model import Activity, Delivery


@dataclass(frozen=True, slots=True)
class ChannelCapabilities:
    """What a channel can do."""

    webhook: bool = False
    poll: bool = False
    backfill: bool = False
    edits: bool = False
    deletions: bool = False
    bookings: bool = False
    handshake: bool = False


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A request at the door, its body whole and raw, header names in lower case. A GET has a query and no body."""

    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Greeting:
    """The plain text by which a sender recognises that an address is ours."""

    text: str


@dataclass(frozen=True, slots=True)
class Captured:
    """Raw bytes that a channel vouches for; `key` is the channel's delivery id, or None for the bytes' own hash.

    `fault` is set when the bytes are known to be unreadable (a file that is too large): the delivery is kept, parked.
    """

    account: str
    raw: bytes
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None


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
    """What a channel with `handshake` offers beside: its sender asks by GET whether the address is ours."""

    def greet(self, request: HookRequest) -> Greeting:
        """Return what the sender wants to hear, and keep nothing; `RejectedInput` (403) for anybody else."""
