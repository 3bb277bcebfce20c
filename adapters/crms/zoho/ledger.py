"""Zoho CRM as the port has it: one object that puts the parts together, and each promise in its place.

It may not guess and may not resend. A write goes under the version that it relies on, which is a time to the second: an
edit in the very second of the last one can't be told from it. Zoho tells nobody what was merged into what, so a merged
record is gone, and is found again by what identifies it. Nothing is asked of Zoho until the first call.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.crms.zoho.feed import Feed
from adapters.crms.zoho.find import Finder
from adapters.crms.zoho.history import Histories
from adapters.crms.zoho.options import ZohoOptions
from adapters.crms.zoho.org import Org
from adapters.crms.zoho.provision import Provision
from adapters.crms.zoho.records import Records
from adapters.crms.zoho.vendor import BATCH, MODULES
from adapters.crms.zoho.views import Views
from adapters.crms.zoho.walk import Walk
from adapters.crms.zoho.wire import Wire
from adapters.crms.zoho.writer import Writer
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


class ZohoLedger:
    """One org of Zoho CRM; safe to share between threads."""

    Options = ZohoOptions

    def __init__(self, name: str, options: ZohoOptions, context: Context) -> None:
        self.name = name
        self.wire = Wire(options, context)
        self.calls = self.wire.calls
        self._org = Org(self.wire, options, context.clock)
        self._records = Records(self._org, options, context.clock)
        self._finder = Finder(self._org, self._records, context.own.default_region)
        self._histories = Histories(self._org, self._records)
        self._feed = Feed(self._org, self._records, options, context.clock)
        self._writer = Writer(self._org, self._records, self._finder)
        self._walk = Walk(self._org, self._records, self._histories)
        self._provision = Provision(self._org, Views(self._org), options)
        self.capabilities = LedgerCapabilities(
            kinds=frozenset(MODULES),
            conditional_write=True,
            history=True,
            unique_key=True,
            change_feed=True,
            merges=False,
            owners=True,
            automations=False,
            walk=True,
            meetings=True,
            views=True,
            vendor=True,
            search_lag_s=0.0,
            settle_s=options.settle_s,
            batch_size=BATCH,
        )

    def account(self) -> str:
        """Return the org's id."""
        return self._org.id()

    def schema(self, kind: str) -> Mapping[str, FieldSpec]:
        """Return the properties of a record kind: Zoho's own under our names, custom ones by their API names."""
        self._known(kind)
        return {name: each.spec for name, each in self._org.catalogue(kind).properties.items()}

    def pipelines(self) -> Sequence[Pipeline]:
        """Return the deal pipelines of all layouts; a pipeline and a stage go by what they are called in Zoho."""
        return self._org.pipelines()

    def owners(self) -> Mapping[str, str]:
        """Return the active users, id to e-mail address."""
        return dict(self._org.owners())

    def find(self, kind: str, identifiers: Sequence[Identifier]) -> Mapping[Identifier, Sequence[Record]]:
        """Return all live records that bear each identifier, as the database has them."""
        self._known(kind)
        return self._finder.find(kind, identifiers)

    def find_by_key(self, kind: str, keys: Sequence[str]) -> Mapping[str, Record]:
        """Return the live records that were created under these keys; notes of the last days only."""
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
        """Return the edits of these fields of each live record, oldest first."""
        self._known(kind)
        return self._histories.edits(kind, refs, fields)

    def write(self, writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
        """Write rows, one result each; raises before anything is sent for what no row can cure."""
        for write in writes:
            self._known(write.kind)
        return self._writer.write(writes)

    def changed(self, cursor: Mapping[str, Any] | None) -> ChangedPage:
        """Return what changed since a cursor; None starts now."""
        return self._feed.changed(cursor)

    def walk(self, kind: str, cursor: str | None, fields: Sequence[str]) -> Walked:
        """Return some live records with who wrote these fields; a call for each record."""
        self._known(kind)
        return self._walk.page(kind, cursor, fields)

    def hinted(self, request: HookRequest) -> Sequence[tuple[str, str]]:
        """Refuse: a notification of Zoho's bears a token in its body, and no signature."""
        raise UnsupportedFeature("Zoho signs none of its notifications: the change feed alone tells of edits")

    def provision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Make the AI-owned fields, the keys and the lists that are missing."""
        for kind in (*wanted, *(view.kind for view in views)):
            self._known(kind)
        return self._provision.provision(wanted, dry_run, views)

    def deprovision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Take the lists and the AI-owned fields away; with the last field also the keys."""
        for kind in (*wanted, *(view.kind for view in views)):
            self._known(kind)
        return self._provision.deprovision(wanted, dry_run, views)

    def automations(self, properties: Mapping[str, Sequence[str]]) -> Sequence[str]:
        """Refuse: what acts upon a field is spread over more of Zoho's settings than its API lists."""
        raise UnsupportedFeature("Zoho's API lists no whole of what acts upon a field; our writes set off no workflow")

    def check(self) -> Sequence[str]:
        """Say what is wrong with the token, its rights, the pipelines and the day's credits, with the remedy."""
        return self._provision.check()

    def _known(self, kind: str) -> None:
        if kind not in MODULES:
            raise UnsupportedFeature(f"this ledger has no records of the kind {kind!r}")
