"""Pipedrive as the port has it: one object that puts the parts together, and each promise in its place.

It may not guess and may not resend. Pipedrive has no conditional write, so the changelog says who wrote, and the core
reads as late as it can. It keeps no list of what was merged into what: a merged record is gone, and is found again by
what identifies it. Nothing is asked of Pipedrive until the first call.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.crms.pipedrive.account import Company
from adapters.crms.pipedrive.feed import Feed
from adapters.crms.pipedrive.find import Finder
from adapters.crms.pipedrive.history import Histories
from adapters.crms.pipedrive.memory import Memory
from adapters.crms.pipedrive.options import PipedriveOptions
from adapters.crms.pipedrive.provision import Provision
from adapters.crms.pipedrive.records import Records
from adapters.crms.pipedrive.vendor import BATCH, PATHS
from adapters.crms.pipedrive.walk import Walk
from adapters.crms.pipedrive.wire import Wire
from adapters.crms.pipedrive.writer import Writer
from sidecar.errors import UnsupportedFeature
from sidecar.model import Edit, Gone, Identifier, Link, Record, Walked
from sidecar.ports import (
    ChangedPage,
    Context,
    Create,
    Failed,
    FieldSpec,
    HookRequest,
    LedgerCapabilities,
    Pipeline,
    Update,
    View,
    Written,
)

NO_VIEWS = "Pipedrive's filters want a field's number, which its API v2 doesn't tell: make the filter by hand"


class PipedriveLedger:
    """One Pipedrive company; safe to share between threads."""

    Options = PipedriveOptions

    def __init__(self, name: str, options: PipedriveOptions, context: Context) -> None:
        self.name = name
        self.wire = Wire(options, context)
        self.calls = self.wire.calls
        memory = Memory(context.clock)
        self._company = Company(self.wire, options, context.clock)
        self._records = Records(self._company, memory, options, context.clock)
        self._finder = Finder(self._company, self._records, memory, context.own.default_region)
        self._histories = Histories(self._company, self._records)
        self._walk = Walk(self._company, self._histories)
        self._feed = Feed(self._company, self._records, memory, options, context.clock)
        self._writer = Writer(self._company, self._records, self._finder, memory)
        self._provision = Provision(self._company, options)
        self.capabilities = LedgerCapabilities(
            kinds=frozenset(PATHS),
            conditional_write=False,
            history=True,
            unique_key=True,
            change_feed=True,
            merges=False,
            owners=True,
            automations=False,
            walk=True,
            vendor=True,
            meetings=True,
            search_lag_s=options.search_lag_s,
            settle_s=options.settle_s,
            batch_size=BATCH,
        )

    def account(self) -> str:
        """Return the company's id."""
        return self._company.id()

    def schema(self, kind: str) -> Mapping[str, FieldSpec]:
        """Return the properties of a record kind: Pipedrive's own under our names, all others by what people see."""
        self._known(kind)
        return {name: held.spec for name, held in self._company.catalogue(kind).properties.items()}

    def pipelines(self) -> Sequence[Pipeline]:
        """Return the deal pipelines, each with its stages' ids, and with `won` and `lost`."""
        return self._company.pipelines()

    def owners(self) -> Mapping[str, str]:
        """Return the active users, id to e-mail address."""
        return dict(self._company.owners())

    def find(self, kind: str, identifiers: Sequence[Identifier]) -> Mapping[Identifier, Sequence[Record]]:
        """Return all live records that bear each identifier, as far as search knows of them."""
        self._known(kind)
        return self._finder.find(kind, identifiers)

    def find_by_key(self, kind: str, keys: Sequence[str]) -> Mapping[str, Record]:
        """Return the live records that were created under these keys; notes and activities of the last days only."""
        self._known(kind)
        return {key: self._records.record(kind, row) for key, row in self._records.by_key(kind, keys).items()}

    def linked(self, kind: str, to: Sequence[Link]) -> Mapping[Link, Sequence[Record]]:
        """Return the live records of a kind that belong to each live record."""
        self._known(kind)
        for link in to:
            self._known(link.kind)
        return self._records.linked(kind, to)

    def read(self, kind: str, refs: Sequence[str]) -> Mapping[str, Record | Gone]:
        """Return a record for each ref, or `Gone`; empty properties are left out of a record's fields."""
        self._known(kind)
        return self._records.read(kind, refs)

    def history(self, kind: str, refs: Sequence[str], fields: Sequence[str]) -> Mapping[str, Sequence[Edit]]:
        """Return the edits of these fields of each live record, oldest first; none of notes and activities."""
        self._known(kind)
        return self._histories.edits(kind, refs, fields)

    def write(self, writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
        """Write rows, one result each; raises before anything is sent for what no row can cure."""
        for write in writes:
            self._known(write.kind)
            if isinstance(write, Update) and write.if_version is not None:
                raise UnsupportedFeature("Pipedrive has no conditional write: leave if_version out")
        return self._writer.write(writes)

    def changed(self, cursor: Mapping[str, Any] | None) -> ChangedPage:
        """Return what changed since a cursor; None starts now."""
        return self._feed.changed(cursor)

    def walk(self, kind: str, cursor: str | None, fields: Sequence[str]) -> Walked:
        """Return some live records, in the order of their ids, with who wrote these fields: 20 tokens a record."""
        self._known(kind)
        return self._walk.page(kind, cursor, fields)

    def hinted(self, request: HookRequest) -> Sequence[tuple[str, str]]:
        """Refuse: the change feed alone tells of edits."""
        raise UnsupportedFeature("Pipedrive signs none of its webhooks")

    def provision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Make the AI-owned fields and the keys that are missing."""
        if views:
            raise UnsupportedFeature(NO_VIEWS)
        for kind in wanted:
            self._known(kind)
        return self._provision.provision(wanted, dry_run)

    def deprovision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Take the AI-owned fields away; with the last of them also the keys."""
        if views:
            raise UnsupportedFeature(NO_VIEWS)
        for kind in wanted:
            self._known(kind)
        return self._provision.deprovision(wanted, dry_run)

    def automations(self, properties: Mapping[str, Sequence[str]]) -> Sequence[str]:
        """Refuse: Pipedrive's API shows no automations."""
        raise UnsupportedFeature("Pipedrive's API doesn't list automations: look through them in Pipedrive")

    def check(self) -> Sequence[str]:
        """Say what is wrong with the token, its rights and the day's budget, with the remedy."""
        return self._provision.check()

    def _known(self, kind: str) -> None:
        if kind not in PATHS:
            raise UnsupportedFeature(f"this ledger has no records of the kind {kind!r}")
