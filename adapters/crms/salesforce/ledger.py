"""Salesforce as the port has it: one object that puts the parts together, and each promise in its place.

It may not guess and may not resend. Reading is complete and never lags; writing is checked, goes in collections of two
hundred, and is read back. An update that relies on a reading carries it as a condition, as precise as Salesforce's
times are: to the second. Nothing is asked of Salesforce until the first call.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.crms.salesforce.feed import Feed
from adapters.crms.salesforce.find import Finder
from adapters.crms.salesforce.history import Histories
from adapters.crms.salesforce.options import SalesforceOptions
from adapters.crms.salesforce.org import Org
from adapters.crms.salesforce.provision import Provision
from adapters.crms.salesforce.readiness import Readiness
from adapters.crms.salesforce.records import Records
from adapters.crms.salesforce.vendor import BATCH, OBJECTS
from adapters.crms.salesforce.walk import Walk
from adapters.crms.salesforce.wire import Wire
from adapters.crms.salesforce.writer import Writer
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


class SalesforceLedger:
    """One Salesforce org; safe to share between threads."""

    Options = SalesforceOptions

    def __init__(self, name: str, options: SalesforceOptions, context: Context) -> None:
        self.name = name
        self.wire = Wire(options, context)
        self.calls = self.wire.calls
        self._options = options
        self._org = Org(self.wire, options, context.clock)
        self._records = Records(self._org)
        self._finder = Finder(self._org, self._records, context.own.default_region)
        self._histories = Histories(self._org, self._records)
        self._walk = Walk(self._org, self._records, self._histories)
        self._feed = Feed(self._org, context.clock)
        self._writer = Writer(self._org, self._records, self._finder, options, context.clock)
        self._provision = Provision(self._org)
        self._readiness = Readiness(self._org)
        self.capabilities = LedgerCapabilities(
            kinds=frozenset(OBJECTS),
            conditional_write=options.conditional_write,
            history=options.history,
            unique_key=True,
            change_feed=True,
            merges=True,
            owners=True,
            automations=False,
            walk=options.history,
            meetings=True,
            views=True,
            vendor=True,
            search_lag_s=0.0,
            settle_s=options.settle_s,
            batch_size=BATCH,
        )

    def account(self) -> str:
        """Return the organisation's id."""
        return self._org.id()

    def schema(self, kind: str) -> Mapping[str, FieldSpec]:
        """Return the properties of a record kind: Salesforce's own under our names, all others under the API's."""
        self._known(kind)
        return {name: held.spec for name, held in self._org.catalogue(kind).properties.items()}

    def pipelines(self) -> Sequence[Pipeline]:
        """Return a pipeline for each record type of opportunities, or one called `default`, with the org's stages."""
        return self._org.pipelines()

    def owners(self) -> Mapping[str, str]:
        """Return the active users, id to e-mail address."""
        return dict(self._org.owners())

    def find(self, kind: str, identifiers: Sequence[Identifier]) -> Mapping[Identifier, Sequence[Record]]:
        """Return all live records that bear each identifier, or into which its bearer was merged or converted."""
        self._known(kind)
        return self._finder.find(kind, identifiers)

    def find_by_key(self, kind: str, keys: Sequence[str]) -> Mapping[str, Record]:
        """Return the live records that were created under these keys."""
        self._known(kind)
        found = self._records.by_key(kind, keys)
        records = self._records.records(kind, list(found.values()))
        return {key: records[str(row["Id"])] for key, row in found.items()}

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
        """Return the edits of these fields of each live record, oldest first, as far as their history is kept."""
        self._known(kind)
        if not self._options.history:
            raise UnsupportedFeature("field history isn't read: set crm.history = true")
        return self._histories.edits(kind, refs, fields)

    def walk(self, kind: str, cursor: str | None, fields: Sequence[str]) -> Walked:
        """Return up to two hundred live records, in the order of their ids, with who wrote these fields."""
        self._known(kind)
        if not self._options.history:
            raise UnsupportedFeature("field history isn't read: set crm.history = true")
        return self._walk.page(kind, cursor, fields)

    def write(self, writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
        """Write rows, one result each; raises before anything is sent for what no row can cure."""
        for write in writes:
            self._known(write.kind)
            if isinstance(write, Update) and write.if_version is not None and not self._options.conditional_write:
                raise UnsupportedFeature("conditions are off (crm.conditional_write): leave if_version out")
        return self._writer.write(writes)

    def changed(self, cursor: Mapping[str, Any] | None) -> ChangedPage:
        """Return what changed since a cursor; None starts now."""
        return self._feed.changed(cursor)

    def hinted(self, request: HookRequest) -> Sequence[tuple[str, str]]:
        """Refuse: Salesforce sends no requests whose sender could be verified."""
        raise UnsupportedFeature("Salesforce signs no webhooks: what people touch is found by looking")

    def provision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Make the AI-owned fields, the keys, the permission to write them, and the list views that are missing."""
        for kind in (*wanted, *(view.kind for view in views)):
            self._known(kind)
        return self._provision.provision(wanted, dry_run, views)

    def deprovision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Take list views and AI-owned fields away; with the last field also the keys and the permission set."""
        for kind in (*wanted, *(view.kind for view in views)):
            self._known(kind)
        return self._provision.deprovision(wanted, dry_run, views)

    def automations(self, properties: Mapping[str, Sequence[str]]) -> Sequence[str]:
        """Refuse: no API says which fields a flow, a trigger or a rule acts on."""
        raise UnsupportedFeature("Salesforce doesn't tell what acts on a field: look through its flows and triggers")

    def check(self) -> Sequence[str]:
        """Say what is wrong with the session, the user's permissions and the day's calls, with the remedy."""
        return self._readiness.check()

    def _known(self, kind: str) -> None:
        if kind not in OBJECTS:
            raise UnsupportedFeature(f"this ledger has no records of the kind {kind!r}")
