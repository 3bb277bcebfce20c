"""HubSpot as the port has it: one object that puts the parts together, and each promise in its place.

It may not guess and may not resend. Reading is complete (every writable property) and cheap (batches of 100); writing
is checked, sent once and read back. There is no conditional write in HubSpot, so the history says who wrote, and the
core reads as late as it can. Nothing is asked of HubSpot until the first call.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.crms.hubspot.feed import Feed
from adapters.crms.hubspot.find import Finder
from adapters.crms.hubspot.hints import Hints
from adapters.crms.hubspot.history import Histories
from adapters.crms.hubspot.lists import Lists
from adapters.crms.hubspot.options import HubSpotOptions
from adapters.crms.hubspot.portal import Portal, schema_of
from adapters.crms.hubspot.provision import Provision
from adapters.crms.hubspot.readiness import Readiness
from adapters.crms.hubspot.records import Records
from adapters.crms.hubspot.search import Search
from adapters.crms.hubspot.vendor import BATCH, OBJECTS
from adapters.crms.hubspot.walk import Walk
from adapters.crms.hubspot.wire import Wire
from adapters.crms.hubspot.writer import Writer
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


class HubSpotLedger:
    """One HubSpot account; safe to share between threads."""

    Options = HubSpotOptions

    def __init__(self, name: str, options: HubSpotOptions, context: Context) -> None:
        self.name = name
        wire = Wire(options, context)
        self.calls = wire.calls
        self._portal = Portal(wire, options, context.clock)
        search = Search(self._portal)
        self._records = Records(self._portal, search, options, context.clock)
        self._finder = Finder(self._portal, self._records, search, context.own.default_region)
        self._histories = Histories(self._portal, self._records, search, options)
        self._walk = Walk(self._portal, self._histories, search)
        self._feed = Feed(self._portal, search, options, context.clock)
        self._writer = Writer(self._portal, self._records, self._histories, self._feed, context.clock)
        self._hints = Hints(options, context)
        self._lists = Lists(self._portal)
        self._provision = Provision(self._portal, options)
        self._readiness = Readiness(self._portal, self._histories, options)
        self.capabilities = LedgerCapabilities(
            kinds=frozenset(OBJECTS),
            conditional_write=False,
            history=True,
            unique_key=True,
            change_feed=True,
            merges=True,
            owners=True,
            automations=options.automations,
            walk=True,
            meetings=True,
            views=True,
            hints=self._hints.is_open,
            vendor=True,
            search_lag_s=options.search_lag_s,
            settle_s=options.settle_s,
            batch_size=BATCH,
        )

    def account(self) -> str:
        """Return the portal's id."""
        return self._portal.account().portal

    def schema(self, kind: str) -> Mapping[str, FieldSpec]:
        """Return the properties of a record kind: HubSpot's own under our names, all others under theirs."""
        self._known(kind)
        return schema_of(self._portal.catalogue(kind))

    def pipelines(self) -> Sequence[Pipeline]:
        """Return the deal pipelines, with their stages' internal ids."""
        return self._portal.pipelines()

    def owners(self) -> Mapping[str, str]:
        """Return owners, id to e-mail address."""
        return dict(self._portal.owners())

    def find(self, kind: str, identifiers: Sequence[Identifier]) -> Mapping[Identifier, Sequence[Record]]:
        """Return all live records that bear each identifier."""
        self._known(kind)
        return self._finder.find(kind, identifiers)

    def find_by_key(self, kind: str, keys: Sequence[str]) -> Mapping[str, Record]:
        """Return the live records that were created under these keys."""
        self._known(kind)
        found = self._records.by_key(kind, keys)
        records = self._records.records(kind, list({thing.id: thing for thing in found.values()}.values()))
        return {key: records[thing.id] for key, thing in found.items()}

    def linked(self, kind: str, to: Sequence[Link]) -> Mapping[Link, Sequence[Record]]:
        """Return the live records of a kind that are associated with each live record."""
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

    def walk(self, kind: str, cursor: str | None, fields: Sequence[str]) -> Walked:
        """Return up to a hundred live records, in the order of their ids, with who wrote these fields."""
        self._known(kind)
        return self._walk.page(kind, cursor, fields)

    def write(self, writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
        """Write rows, one result each; raises before anything is sent for what no row can cure."""
        for write in writes:
            self._known(write.kind)
            if isinstance(write, Update) and write.if_version is not None:
                raise UnsupportedFeature("HubSpot has no conditional write: leave if_version out")
        return self._writer.write(writes)

    def changed(self, cursor: Mapping[str, Any] | None) -> ChangedPage:
        """Return what changed since a cursor; None starts now."""
        return self._feed.changed(cursor)

    def hinted(self, request: HookRequest) -> Sequence[tuple[str, str]]:
        """Return what people touched, as a webhook that HubSpot signed names it."""
        return self._hints.named(request, self._portal.known_account())

    def provision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Make the property group, the keys, the AI-owned properties and the lists that are missing."""
        for kind in (*wanted, *(view.kind for view in views)):
            self._known(kind)
        return [*self._provision.provision(wanted, dry_run), *self._lists.furnish(views, dry_run)]

    def deprovision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Take lists and the AI-owned properties away; with the last of them also the keys and the group."""
        for kind in (*wanted, *(view.kind for view in views)):
            self._known(kind)
        return [*self._lists.remove(views, dry_run), *self._provision.deprovision(wanted, dry_run)]

    def automations(self, properties: Mapping[str, Sequence[str]]) -> Sequence[str]:
        """Name the enabled workflows that act on these properties, where the options let them be read."""
        return self._readiness.automations(properties)

    def check(self) -> Sequence[str]:
        """Say what is wrong with token, scopes and limits, with the remedy."""
        return self._readiness.check()

    def _known(self, kind: str) -> None:
        if kind not in OBJECTS:
            raise UnsupportedFeature(f"this ledger has no records of the kind {kind!r}")
