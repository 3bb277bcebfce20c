"""Reads records: by ref, by our key, by association; and says of a missing one whether it was deleted or merged.

Each reading asks for every property that can be written, since the core compares what it reads with what it may write,
and a property left out would look as if a person had emptied it. A record that isn't there is looked for in the recycle
bin, then among the records that others were merged into. The search behind that lags, so a record which this process
has seen alive counts as gone only after the lag: a merge must never pass for a deletion.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from adapters.crms.hubspot.faults import Refusal, is_missing
from adapters.crms.hubspot.natives import word_in
from adapters.crms.hubspot.options import HubSpotOptions
from adapters.crms.hubspot.portal import Portal
from adapters.crms.hubspot.search import Filter, Search
from adapters.crms.hubspot.shapes import Associations, Ends, Thing, Things
from adapters.crms.hubspot.values import stamp
from adapters.crms.hubspot.vendor import (
    BATCH,
    BODIES,
    KINDS,
    LINK_BATCH,
    LINKED,
    MERGEABLE,
    MERGED_IDS,
    OBJECTS,
    chunks,
)
from adapters.formats.rich_text import token
from sidecar.errors import ConfigError, PermanentError, StaleVersion
from sidecar.model import Gone, Link, Record
from sidecar.ports import Clock

MAX_SEEN = 20_000
MAX_LINK_PAGES = 50
MAX_QUERY_CHARS = 8_000


class Records:
    """Reads records of one account."""

    def __init__(self, portal: Portal, search: Search, options: HubSpotOptions, clock: Clock) -> None:
        self._portal, self._search = portal, search
        self._options, self._clock = options, clock
        self._lock = threading.Lock()
        self._alive: OrderedDict[tuple[str, str], datetime | None] = OrderedDict()
        """Records that this process saw, and since when each has been missing."""

    def read(self, kind: str, refs: Sequence[str]) -> dict[str, Record | Gone]:
        """Return a record or `Gone` for each ref."""
        asked = list(dict.fromkeys(refs))
        things = self._whole(kind, asked)
        found: dict[str, Record | Gone] = dict(self.records(kind, [t for ref, t in things.items() if t.id == ref]))
        moved = {ref: thing.id for ref, thing in things.items() if thing.id != ref}
        found |= {ref: Gone(kind, ref, to) for ref, to in moved.items()}
        found |= self._gone(kind, [ref for ref in asked if ref not in things])
        return {ref: found[ref] for ref in asked}

    def fetch(self, kind: str, refs: Sequence[str], properties: Sequence[str] | None = None) -> dict[str, Thing]:
        """Return the live records by the ref asked for; one that was merged may come back under another id."""
        found = {t.id: t for t in self._batch(kind, [r for r in refs if r.isdigit()], properties)}
        by = {ref: found[ref] for ref in refs if ref in found}
        for thing in found.values():
            by |= {old: thing for old in merged_into(thing) if old in refs and old not in by}
        return by

    def by_property(self, kind: str, name: str, values: Sequence[str]) -> list[Thing]:
        """Return the live records that hold these values in a unique property; this doesn't lag."""
        return self._batch(kind, values, None, name)

    def by_key(self, kind: str, keys: Sequence[str]) -> dict[str, Thing]:
        """Return the live records that were made under these keys: read where the key is unique, else searched for."""
        key = self.key_property(kind)
        asked = [k for k in dict.fromkeys(keys) if k]
        if key is None:
            return self._by_mark(kind, asked)
        if self.is_unique(kind):
            found = self._batch(kind, asked, None, key)
        else:
            refs = self._search.refs(kind, [Filter(key, "IN", tuple(k.lower() for k in asked))]) if asked else []
            found = list(self.fetch(kind, refs).values())
        return self._oldest(found, lambda thing: thing.properties.get(key), asked)

    def key_property(self, kind: str) -> str | None:
        """Return the property that holds our key, None where HubSpot lets none be made; `ConfigError` before all."""
        if self._portal.catalogue(kind).key is not None:
            return self._options.key_property
        if self._portal.catalogue("contact").key is None:
            raise ConfigError(f"{kind}.{self._options.key_property} is not there yet: run `sidecar provision`")
        return None

    def is_unique(self, kind: str) -> bool:
        """Say whether HubSpot itself lets a key be used once only."""
        key = self._portal.catalogue(kind).key
        return key is not None and key.unique

    def linked(self, kind: str, to: Sequence[Link]) -> dict[Link, list[Record]]:
        """Return the live records of a kind that are associated with each live record; others are left out."""
        ends: dict[Link, list[str]] = {}
        for other in dict.fromkeys(link.kind for link in to):
            refs = [link.ref for link in dict.fromkeys(to) if link.kind == other]
            known = self._of_one(other, refs[0], kind) if len(refs) == 1 else None
            if known is None:
                there = [ref for ref, thing in self.fetch(other, refs, ("hs_object_id",)).items() if thing.id == ref]
                known = {**{ref: [] for ref in there}, **self.ends(other, kind, there)}
            ends |= {Link(other, ref): known[ref] for ref in refs if ref in known}
        wanted = list(dict.fromkeys(ref for refs in ends.values() for ref in refs))
        records = self.records(kind, [t for ref, t in self._whole(kind, wanted).items() if t.id == ref])
        return {link: [records[ref] for ref in refs if ref in records] for link, refs in ends.items()}

    def records(self, kind: str, things: Sequence[Thing], *, linked: bool = True) -> dict[str, Record]:
        """Return records by ref, with the associations that matter for their kind."""
        catalogue, zone = self._portal.catalogue(kind), self._portal.zone()
        links = self._links(kind, things) if linked else {}
        self._saw(kind, [thing.id for thing in things])
        found = {}
        for thing in things:
            values = {name: held.from_vendor(thing.properties, zone) for name, held in catalogue.told.items()}
            fields = {name: value for name, value in values.items() if value is not None}
            at = version_of(thing)
            version = stamp(at) if at else None
            found[thing.id] = Record(kind, thing.id, fields, version, links.get(thing.id, ()), at)
        return found

    def gone(self, kind: str, ref: str) -> Gone | None:
        """Say where a record went that HubSpot called missing; None when it is there after all."""
        found = self.read(kind, [ref])[ref]
        return found if isinstance(found, Gone) else None

    # ----------------------------------------------------------------------------------------------------------------

    def _batch(
        self,
        kind: str,
        ids: Sequence[str],
        properties: Sequence[str] | None,
        by: str | None = None,
        archived: bool = False,
    ) -> list[Thing]:
        wanted = list(properties) if properties is not None else list(self._portal.catalogue(kind).readable)
        path, query = self._portal.paths.objects(kind, "batch", "read"), {"archived": "true"} if archived else {}
        found: list[Thing] = []
        for part in chunks(list(dict.fromkeys(ids)), BATCH):
            body = {"inputs": [{"id": ref} for ref in part], "properties": wanted, "propertiesWithHistory": []}
            body |= {"idProperty": by} if by else {}
            try:
                found += self._portal.wire.ask(Things, "batch_read", path, body, query).results
            except Refusal as refusal:
                if not is_missing(refusal.problem):  # how some versions say that none of them is there
                    raise
        return found

    def _whole(self, kind: str, refs: Sequence[str]) -> dict[str, Thing]:
        """Read records in the way that costs least when their associations matter as well."""
        return self._one(kind, refs[0]) if len(refs) == 1 and kind in LINKED else self.fetch(kind, refs)

    def _one(self, kind: str, ref: str) -> dict[str, Thing]:
        """Read one record with its associations, which a batch doesn't give: one call in place of three."""
        properties = self._portal.catalogue(kind).readable
        if sum(map(len, properties)) > MAX_QUERY_CHARS or not ref.isdigit():
            return self.fetch(kind, [ref])
        thing = self._get(kind, ref, properties, LINKED[kind])
        return {ref: thing} if thing else {}

    def _of_one(self, kind: str, ref: str, other: str) -> dict[str, list[str]] | None:
        """Return what one record is associated with in one call, nothing if it isn't there; None when that is cut."""
        thing = self._get(kind, ref, ("hs_object_id",), (other,)) if ref.isdigit() else None
        if thing is None or thing.id != ref:
            return {}
        held = [refs for name, refs in (thing.associations or {}).items() if KINDS.get(name.partition("_")[0]) == other]
        if any(refs.paging is not None for refs in held):
            return None
        return {ref: list(dict.fromkeys(end.id for refs in held for end in refs.results))}

    def _get(self, kind: str, ref: str, properties: Sequence[str], linked: Sequence[str]) -> Thing | None:
        query = {"properties": ",".join(properties), "associations": ",".join(OBJECTS[other] for other in linked)}
        try:
            thing = self._portal.wire.get(Thing, "get", self._portal.paths.objects(kind, ref), query)
        except Refusal as refusal:
            if refusal.status == 404 or is_missing(refusal.problem):
                return None
            raise
        return thing if thing.associations is not None else thing.model_copy(update={"associations": {}})

    def _links(self, kind: str, things: Sequence[Thing]) -> dict[str, tuple[Link, ...]]:
        links: dict[str, list[Link]] = {}
        for thing in things:
            for name, refs in (thing.associations or {}).items():
                other = KINDS.get(name.partition("_")[0])
                if other in LINKED.get(kind, ()):
                    links.setdefault(thing.id, []).extend(Link(str(other), ref.id) for ref in refs.results)
        unread = [t.id for t in things if t.associations is None or any(r.paging for r in t.associations.values())]
        for other in LINKED.get(kind, ()) if unread else ():
            for ref, ends in self.ends(kind, other, unread).items():
                links.setdefault(ref, []).extend(Link(other, end) for end in ends)
        return {ref: tuple(dict.fromkeys(found)) for ref, found in links.items()}

    def ends(self, kind: str, other: str, refs: Sequence[str]) -> dict[str, list[str]]:
        """Return what records are associated with, page by page; those without any are left out."""
        path = self._portal.paths.associations(kind, other)
        found: dict[str, list[str]] = {}
        inputs = [{"id": ref} for ref in refs if ref.isdigit()]
        for _ in range(MAX_LINK_PAGES):
            more: list[dict[str, str]] = []
            for part in chunks(inputs, LINK_BATCH):
                for ends in self._read_ends(path, part):
                    found.setdefault(ends.start.id, []).extend(target.id for target in ends.to)
                    more += [{"id": ends.start.id, "after": ends.after}] if ends.after else []
            inputs = more
            if not inputs:
                return {ref: list(dict.fromkeys(ends)) for ref, ends in found.items()}
        # Time doesn't mend it, and it concerns only whoever asks for these records: a call that others share is parted.
        whose = ", ".join(sorted({row["id"] for row in inputs})[:5])
        raise PermanentError(f"{kind} {whose} has more than {MAX_LINK_PAGES} pages of associated {other} records")

    def _read_ends(self, path: str, inputs: Sequence[Mapping[str, str]]) -> Sequence[Ends]:
        try:
            return self._portal.wire.ask(Associations, "associations", path, {"inputs": list(inputs)}).results
        except Refusal as refusal:
            if is_missing(refusal.problem):
                return ()
            raise

    def _by_mark(self, kind: str, keys: Sequence[str]) -> dict[str, Thing]:
        """Find bodies by the word that stands for a key, where HubSpot lets no property be made."""
        body, words = BODIES.get(kind), {token(key): key for key in keys}
        if body is None or not words:
            return {}
        refs = self._search.refs(kind, *([Filter(body, "CONTAINS_TOKEN", (word,))] for word in words))
        found = list(self.fetch(kind, refs).values())
        by = self._oldest(found, lambda thing: word_in(thing.properties.get(body)), list(words))
        return {words[word]: thing for word, thing in by.items()}

    @staticmethod
    def _oldest(found: Iterable[Thing], mark: Callable[[Thing], str | None], asked: Sequence[str]) -> dict[str, Thing]:
        by: dict[str, Thing] = {}
        for thing in sorted(found, key=lambda t: int(t.id) if t.id.isdigit() else 0):
            held = mark(thing)
            if held in asked:
                by.setdefault(str(held), thing)
        return by

    def _gone(self, kind: str, missing: Sequence[str]) -> dict[str, Record | Gone]:
        if not missing:
            return {}
        binned = {
            t.id for t in self._batch(kind, [r for r in missing if r.isdigit()], ("hs_object_id",), archived=True)
        }
        vanished = [ref for ref in missing if ref not in binned]
        moved = self._survivors(kind, vanished) if kind in MERGEABLE else {}
        for ref in vanished:
            if kind in MERGEABLE and ref not in moved:
                self._wait_for_index(kind, ref)
        return {ref: Gone(kind, ref, moved.get(ref)) for ref in missing}

    def _survivors(self, kind: str, refs: Sequence[str]) -> dict[str, str]:
        definition = self._portal.catalogue(kind).definitions.get(MERGED_IDS)
        asked = [ref for ref in refs if ref.isdigit()]
        if definition is None or not asked:
            return {}
        if definition.type == "enumeration":
            groups = [[Filter(MERGED_IDS, "IN", tuple(part))] for part in chunks(asked, BATCH)]
        else:
            groups = [[Filter(MERGED_IDS, "CONTAINS_TOKEN", (ref,))] for ref in asked]
        survivors = self.fetch(kind, self._search.refs(kind, *groups), (MERGED_IDS,))
        return {ref: thing.id for thing in survivors.values() for ref in merged_into(thing) if ref in asked}

    def _saw(self, kind: str, refs: Iterable[str]) -> None:
        with self._lock:
            for ref in refs:
                self._alive[(kind, ref)] = None
                self._alive.move_to_end((kind, ref))
            while len(self._alive) > MAX_SEEN:
                self._alive.popitem(last=False)

    def _wait_for_index(self, kind: str, ref: str) -> None:
        """Hold back a verdict on a record that vanished without a trace, until a merge would have been found."""
        now, lag = self._clock(), timedelta(seconds=self._options.search_lag_s)
        with self._lock:
            if (kind, ref) not in self._alive:
                return
            since = self._alive[(kind, ref)] or now
            self._alive[(kind, ref)] = since
        if now - since < lag:
            wait_s = (since + lag - now).total_seconds()
            raise StaleVersion(f"{kind} {ref} vanished: merged, or deleted for good?", retry_after_s=wait_s)


def merged_into(thing: Thing) -> tuple[str, ...]:
    """Return the ids of the records that were merged into one."""
    return tuple(ref.strip() for ref in (thing.properties.get(MERGED_IDS) or "").split(";") if ref.strip())


def version_of(thing: Thing) -> datetime | None:
    """Return when a record was last modified, which is its version."""
    return thing.updated_at
