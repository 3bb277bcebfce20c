"""The port of ledgers: the customer's CRM, read and written record by record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from sidecar.model import Edit, Gone, Identifier, Link, Record, Value, Walked
from sidecar.ports.channel import HookRequest


@dataclass(frozen=True, slots=True)
class LedgerCapabilities:
    """What a CRM can do, and the figures that the contract suite holds it to.

    `settle_s`: how long after an unknown outcome a look is conclusive. `search_lag_s`: how long until search finds a
    created record. `batch_size`: records per call. `vendor`: somebody else's CRM, so its safe defaults hold.
    `views`: lists for people can be made in it. `meetings`: appointments are records of it, each with how it stands.
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
    views: bool = False
    meetings: bool = False
    hints: bool = False
    vendor: bool = True
    search_lag_s: float = 0.0
    settle_s: float = 0.0
    batch_size: int = 100


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A property of a CRM record kind: type is text, long_text, enum, number, date, datetime, bool.

    `help` tells people what to do with it, where a CRM has a place for that; it is never read back. `counted` is a
    property that people fill in and that only `walk` tells of: it is in no record, and can't be written.
    """

    name: str
    type: str = "text"
    label: str = ""
    options: tuple[str, ...] = ()
    max_chars: int | None = None
    writable: bool = True
    ours: bool = False
    help: str = field(default="", compare=False)
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """A property holds one of these values, or, where `at_least` is given, a number that is no smaller."""

    property: str
    one_of: tuple[str, ...] = ()
    at_least: float | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A list that people work from: the live records of a kind that meet all conditions.

    `order` is one of the columns, highest first. One condition at most names several values, which is as much as the
    least of the CRMs can say. A view is known by its name: one that is there is left as it is, whoever changed it.
    """

    name: str
    kind: str
    where: tuple[Condition, ...]
    columns: tuple[str, ...]
    order: str = ""


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
    """Change only the named fields; None clears. With `if_version` a stale version is a conflict.

    `links` are added to a note, task or meeting, which is left as it is where it is tied to a record of that kind, or
    where the CRM's one place for such a tie is taken.
    """

    kind: str
    ref: str
    fields: Mapping[str, Value]
    if_version: str | None = None
    links: tuple[Link, ...] = ()


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

    def hinted(self, request: HookRequest) -> Sequence[tuple[str, str]]:
        """Verify a webhook of the CRM on its raw bytes; return the records that it names, as (kind, ref).

        `RejectedInput` for anything that isn't the CRM's. May not wait: it is called by the web edge's loop.
        """

    def provision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Create the missing AI-owned properties and views; idempotent; return what was (or would be) done.

        A line for each. The properties of a kind come in the order of how much it matters that their history is kept,
        where a CRM keeps that of some only. Views name properties as `wanted` does. What the API can't set of a view
        (its columns, its order) is said in its line, for an admin to do by hand; `UnsupportedFeature` for any where
        none can be made.
        """

    def deprovision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Take views, AI-owned properties and what only we use away again; idempotent; a line for each thing taken."""

    def automations(self, properties: Mapping[str, Sequence[str]]) -> Sequence[str]:
        """Name what in the CRM would act when these properties, by record kind, are written; one line each."""

    def check(self) -> Sequence[str]:
        """Say what is wrong with access, with the remedy; nothing when all is well."""
