"""The ports: Channel, Ledger, LLM, Engine, Notifier, with the capabilities that an adapter declares.

Protocols, not base classes; sync, not async. The contract suites read the declarations: declared true, the promise
is tested; declared false, the call must raise `UnsupportedFeature`. An adapter module has one class per port with

    def __init__(self, name: str, options: Options, context: Context) -> None

and a pydantic `Options` model as the class attribute `Options`, against which `app` validates the adapter's section of
the config, so that the core knows no vendor's key.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from sidecar.model import (
    Activity,
    Delivery,
    Edit,
    FieldPolicy,
    Gone,
    Identifier,
    Link,
    Notice,
    Own,
    Record,
    StagePolicy,
    Standing,
    Turn,
    Value,
    Walked,
    WorkKey,
)

Clock = Callable[[], datetime]
"""Returns the time as aware UTC; injected, so that tests and replays own it."""

Observe = Callable[[str, int | None, float], None]
"""Told of each HTTP call: the operation (a word of a closed set, never a URL), its status, or None without an answer,
and how many seconds it took."""


def unobserved(operation: str, status: int | None, seconds: float) -> None:
    """Count nothing: whom nobody watches."""


@dataclass(frozen=True, slots=True)
class Context:
    """What every adapter is given: the clock, our side, the folder of the config file, and a reader of secrets.

    `observe(operation, status, seconds)` is told of each call of a vendor's API; it costs nearly nothing, never raises.
    `secret(env, file)` returns the secret named by an `*_env` or `*_file` option and raises `ConfigError` without one.
    Relative paths in options are relative to `base`.
    """

    clock: Clock
    own: Own
    base: Path
    secret: Callable[[str | None, str | None], str]
    installed_at: datetime | None = None
    observe: Observe = unobserved


# Channel ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChannelCapabilities:
    """What a channel can do."""

    webhook: bool = False
    poll: bool = False
    backfill: bool = False
    edits: bool = False
    deletions: bool = False
    bookings: bool = False


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A request at the door, its body whole and raw, header names in lower case."""

    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)


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


# LLM ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LLMCapabilities:
    """What an LLM adapter does, whether it needs a network at all, and the most that its word is worth.

    `confidence_cap` bounds each claim's confidence; `is_baseline` marks rules that yield to any model and any person.
    """

    structured_outputs: bool = False
    caching: bool = False
    offline: bool = False
    deterministic: bool = False
    is_baseline: bool = False
    confidence_cap: float = 1.0


@dataclass(frozen=True, slots=True)
class Question:
    """One inference: the rendered prompt for a model, and the same as data for rules and estimates.

    `system` never changes between parties (it is cached); `user` holds state and activities between boundaries.
    `schema` is the constant wire schema of operations. `now` is the newest activity's time (rule 9 of the house).
    """

    system: str
    user: str
    schema: Mapping[str, Any]
    max_tokens: int
    now: datetime
    timezone: str
    standing: Standing
    earlier: tuple[Turn, ...]
    new: tuple[Turn, ...]
    fields: tuple[FieldPolicy, ...]
    stages: tuple[StagePolicy, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the text (JSON of the wire schema), why it stopped (end, refusal, truncated), what it cost."""

    text: str
    model: str
    stop: str
    request_id: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0
    duration_ms: int = 0


@runtime_checkable
class LLM(Protocol):
    """Something that reads a conversation and answers in the wire schema."""

    name: str
    model: str
    capabilities: LLMCapabilities

    def infer(self, question: Question) -> Answer:
        """Answer one question; refusal and truncation are answers, time-outs and 429 are `TemporaryError`."""

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """Estimate the cost of reading so many characters in so many calls."""

    def check(self) -> Sequence[str]:
        """Say what is wrong with key, model or endpoint, with the remedy; nothing when all is well."""


# Ledger -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LedgerCapabilities:
    """What a CRM can do, and the figures that the contract suite holds it to.

    `settle_s`: how long after an unknown outcome a look is conclusive. `search_lag_s`: how long until search finds a
    created record. `batch_size`: records per call. `vendor`: somebody else's CRM, so its safe defaults hold.
    """

    kinds: frozenset[str]
    conditional_write: bool = False
    history: bool = False
    unique_key: bool = False
    change_feed: bool = False
    merges: bool = False
    owners: bool = False
    automations: bool = False
    walk: bool = False
    vendor: bool = True
    search_lag_s: float = 0.0
    settle_s: float = 0.0
    batch_size: int = 100


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A property of a CRM record kind: type is text, long_text, enum, number, date, datetime, bool."""

    name: str
    type: str = "text"
    label: str = ""
    options: tuple[str, ...] = ()
    max_chars: int | None = None
    writable: bool = True
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A deal pipeline and its stages, first to last, as (id, label)."""

    ref: str
    label: str
    stages: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Create:
    """Make a record. The same `key` twice makes one record; `links` associate it."""

    kind: str
    key: str
    fields: Mapping[str, Value]
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """Change only the named fields; None clears. With `if_version` a stale version is a conflict."""

    kind: str
    ref: str
    fields: Mapping[str, Value]
    if_version: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A write that happened, with the record as read back."""

    record: Record


@dataclass(frozen=True, slots=True)
class Failed:
    """A write of a batch that did not happen, or whose outcome is unknown (`UnknownOutcome`); its neighbours stand."""

    error: Exception


@dataclass(frozen=True, slots=True)
class ChangedPage:
    """Records that changed since a cursor, as (kind, ref), and the next cursor."""

    refs: tuple[tuple[str, str], ...]
    cursor: Mapping[str, Any]


@runtime_checkable
class Ledger(Protocol):
    """The customer's CRM. Field names are the CRM's own properties; values are canonical (`model.Value`)."""

    name: str
    capabilities: LedgerCapabilities

    def account(self) -> str:
        """Return the CRM account's id, to which the journal is bound."""

    def schema(self, kind: str) -> Mapping[str, FieldSpec]:
        """Return the properties of a record kind."""

    def pipelines(self) -> Sequence[Pipeline]:
        """Return the deal pipelines."""

    def owners(self) -> Mapping[str, str]:
        """Return owners, ref to e-mail address."""

    def find(self, kind: str, identifiers: Sequence[Identifier]) -> Mapping[Identifier, Sequence[Record]]:
        """Return none, one or all records that bear an identifier, for each identifier asked about; never a guess."""

    def find_by_key(self, kind: str, keys: Sequence[str]) -> Mapping[str, Record]:
        """Return the records that were created under these idempotency keys."""

    def linked(self, kind: str, to: Sequence[Link]) -> Mapping[Link, Sequence[Record]]:
        """Return the records of a kind that are associated with each record (the deals of a contact) that is there."""

    def read(self, kind: str, refs: Sequence[str]) -> Mapping[str, Record | Gone]:
        """Read records by ref; a deleted or merged one comes back as `Gone`."""

    def history(self, kind: str, refs: Sequence[str], fields: Sequence[str]) -> Mapping[str, Sequence[Edit]]:
        """Return the edits of these fields, oldest first, each with its author."""

    def walk(self, kind: str, cursor: str | None, fields: Sequence[str]) -> Walked:
        """Return some live records of a kind, with who wrote these fields; all of them by cursors from None to None."""

    def write(self, writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
        """Write a batch, row by row: one result per write, in order. Raises only when nothing was sent."""

    def changed(self, cursor: Mapping[str, Any] | None) -> ChangedPage:
        """Return what changed since a cursor; None starts now."""

    def provision(self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool) -> Sequence[str]:
        """Create the missing AI-owned properties; idempotent; return what was (or would be) done, one line each."""

    def deprovision(self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool) -> Sequence[str]:
        """Take the AI-owned properties away again, and what only we use; idempotent; one line for each thing taken."""

    def automations(self, properties: Mapping[str, Sequence[str]]) -> Sequence[str]:
        """Name what in the CRM would act when these properties, by record kind, are written; one line each."""

    def check(self) -> Sequence[str]:
        """Say what is wrong with access, with the remedy; nothing when all is well."""


# Engine -------------------------------------------------------------------------------------------------------------

Handler = Callable[[WorkKey], None]
Due = Callable[[int], Sequence[WorkKey]]


@runtime_checkable
class Engine(Protocol):
    """Carries keys of work that is due now to a handler; what it loses, repeats or reorders must not matter."""

    name: str

    def wake(self, keys: Sequence[WorkKey]) -> None:
        """Hint, after a commit, that these keys are due; best effort, never raises."""

    def serve(self, handler: Handler, due: Due, concurrency: int) -> None:
        """Run the handler for woken and due keys, in so many threads, until `stop`; `due(limit)` scans the rows."""

    def stop(self, grace_s: float) -> bool:
        """Take no more, wait so many seconds for what runs; true when all of it ended."""


@runtime_checkable
class Notifier(Protocol):
    """Brings notices to those who operate the sidecar."""

    name: str

    def tell(self, notice: Notice) -> None:
        """Hand one notice over; time-outs and outages are `TemporaryError`, a refusal is a `ConfigError`."""

    def check(self) -> Sequence[str]:
        """Say what is wrong, with the remedy, without sending anything; nothing when all is well."""
