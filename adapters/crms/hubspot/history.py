"""Who wrote what, and when: HubSpot's property history, told as edits of our properties, oldest first.

Whose a write is, is read from its source type (`vendor.AUTHORS`). An app's writes are all of one type, so ours are told
by `sourceId`, which is configured, or learnt from writes that only we can have made: the key property of a record that
we created, else our own write read back. Until it is known, an app's write is nobody's: to take another app's, or a
person's, for ours would let us overwrite it. Whether a service key has such an id is not documented (2026-11); where an
entry has none, the app's label is taken in its place.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from itertools import groupby

from adapters.crms.hubspot.options import HubSpotOptions
from adapters.crms.hubspot.portal import Portal, Property
from adapters.crms.hubspot.records import Records
from adapters.crms.hubspot.search import Filter, Search
from adapters.crms.hubspot.shapes import Thing, Things, Written
from adapters.crms.hubspot.vendor import AUTHORS, HISTORY_BATCH, INTEGRATION, SOURCES, chunks
from sidecar.errors import SidecarError
from sidecar.model import Author, AuthorKind, Edit, Source, Value

US = "Sidecar"
MAX_TRIES = 5
"""How often a write of ours is read back to learn our own hand, where HubSpot doesn't name it."""
_KEY = re.compile(r"[a-z]+-[0-9a-f]{32}")
"""The shape of our keys, which nobody else writes."""


class Histories:
    """Reads property histories, and knows which of their writes are ours."""

    def __init__(self, portal: Portal, records: Records, search: Search, options: HubSpotOptions) -> None:
        self._portal, self._records, self._search, self._options = portal, records, search, options
        self._lock = threading.Lock()
        self._us: set[str] = {options.app_id} - {""}
        self._learnt: set[str] = set()
        self._looked = False
        self._tries = 0

    @property
    def learnt(self) -> frozenset[str]:
        """The source ids that our own writes were seen to have."""
        return frozenset(self._learnt)

    def edits(self, kind: str, refs: Sequence[str], names: Sequence[str]) -> dict[str, list[Edit]]:
        """Return the edits of these properties of each live record; a value written again is no edit."""
        held = [self._portal.property(kind, name) for name in dict.fromkeys(names)]
        vendor = list(dict.fromkeys(v for one in held for v in one.vendor))
        things = self._read(kind, list(dict.fromkeys(refs)), vendor)
        if not self._us:
            self._look_for_us()
        return {ref: [edit for edit, _ in self._edits(thing, held)] for ref, thing in things.items()}

    def told(self, kind: str, refs: Sequence[str], held: Sequence[Property]) -> dict[str, Thing]:
        """Return records with the values and the histories of these properties."""
        names = list(dict.fromkeys(v for one in held for v in one.vendor))
        return self._read(kind, refs, names, values=True)

    def sourced(self, thing: Thing, held: Sequence[Property]) -> list[tuple[Edit, Source]]:
        """Return the edits of a record that was read so, each with its source."""
        return [
            (edit, Source.US if edit.author.kind is AuthorKind.US else SOURCES.get(entry.source_type, Source.UNKNOWN))
            for edit, entry in self._edits(thing, held)
        ]

    def look_everywhere(self) -> None:
        """Look once among all that we may have made for what tells our hand: who counts reads what nobody else does."""
        if not self._us:
            self._look_for_us(("contact", "deal", "note", "task"))

    def learn(self, kind: str, ref: str, wrote: Mapping[str, str]) -> None:
        """Read one write of ours back, to know our own hand from other apps'; once per process."""
        if self._learnt or not wrote or self._tries >= MAX_TRIES:
            return
        self._tries += 1
        try:
            thing = self._read(kind, [ref], list(wrote)[:5]).get(ref)
        except SidecarError:
            return  # the write stands, and the next one tells as well
        for name, value in wrote.items():
            newest = next(iter((thing.history or {}).get(name, ())), None) if thing else None
            if newest and newest.value == value and (hand := _hand(newest)):
                self._is_ours(hand)
                return

    def _read(self, kind: str, refs: Sequence[str], vendor: Sequence[str], *, values: bool = False) -> dict[str, Thing]:
        key = self._portal.catalogue(kind).key
        asked = [*vendor, *((key.name,) if key and not self._us and key.name not in vendor else ())]
        path = self._portal.paths.objects(kind, "batch", "read")
        found: dict[str, Thing] = {}
        for part in chunks([ref for ref in refs if ref.isdigit()], HISTORY_BATCH):
            inputs = [{"id": ref} for ref in part]
            told = list(vendor) if values else ["hs_object_id"]
            body = {"inputs": inputs, "properties": told, "propertiesWithHistory": asked}
            page = self._portal.wire.ask(Things, "history", path, body)
            found |= {thing.id: thing for thing in page.results if thing.id in part}
        for thing in found.values():
            self._learn_from_key(thing)
        return found

    def _learn_from_key(self, thing: Thing) -> None:
        if self._us:
            return
        for entry in (thing.history or {}).get(self._options.key_property, ()):
            if _KEY.fullmatch(entry.value or "") and (hand := _hand(entry)):
                self._is_ours(hand)

    def _look_for_us(self, kinds: Sequence[str] = ("contact", "deal")) -> None:
        """Look once for any record that we made, when nothing else tells who we are."""
        with self._lock:
            if self._looked:
                return
            self._looked = True
        for kind in kinds:
            key = self._portal.catalogue(kind).key
            if key is None or self._us:
                continue
            made = self._search.page(kind, {
                "filterGroups": [{"filters": [Filter(key.name, "HAS_PROPERTY").body()]}],
                "properties": ["hs_object_id"],
                "limit": 1,
            })  # fmt: skip
            self._read(kind, [thing.id for thing in made.results], [])

    def _is_ours(self, hand: str) -> None:
        with self._lock:
            self._us.add(hand)
            self._learnt.add(hand)

    def _edits(self, thing: Thing, held: Sequence[Property]) -> list[tuple[Edit, Written]]:
        edits = [edit for one in held for edit in self._of(thing, one)]
        return sorted(edits, key=lambda edit: edit[0].at)

    def _of(self, thing: Thing, held: Property) -> list[tuple[Edit, Written]]:
        """Tell the edits, each with its entry, of a property that may be two of HubSpot's, written together."""
        zone = self._portal.zone()
        entries = [(e, name) for name in held.vendor for e in reversed((thing.history or {}).get(name, ()))]
        now: dict[str, str | None] = {}
        last: Value = None
        edits: list[tuple[Edit, Written]] = []
        for at, group in groupby(sorted(entries, key=lambda e: e[0].at), key=lambda e: e[0].at):
            for writes in _in_turn(list(group)):
                changed = [entry for entry, name in writes if now.get(name) != entry.value]
                now |= {name: entry.value for entry, name in writes}
                value = held.from_vendor(now, zone)
                if value != last:
                    entry = (changed or [writes[0][0]])[-1]
                    edits.append((Edit(held.spec.name, value, at, self._author(entry)), entry))
                last = value
        return edits

    def _author(self, entry: Written) -> Author:
        kind = AUTHORS.get(entry.source_type, AuthorKind.UNKNOWN)
        if entry.source_type == INTEGRATION:
            if _hand(entry) in self._us:
                return Author(AuthorKind.US, entry.source_id, entry.label or US)
            kind = AuthorKind.AUTOMATION if self._us else AuthorKind.UNKNOWN
        ref = entry.user or entry.source_id
        return Author(kind, f"userId:{ref}" if ref.isdigit() and kind is AuthorKind.PERSON else ref, entry.label)


def _hand(entry: Written) -> str:
    """Return what names the app that wrote an entry: its id, where there is none its label; empty for no app's."""
    if entry.source_type != INTEGRATION:
        return ""
    return entry.source_id or (f"label:{entry.label}" if entry.label else "")


def _in_turn(entries: Sequence[tuple[Written, str]]) -> list[list[tuple[Written, str]]]:
    """Part entries of one instant into writes: a property that occurs again begins another one."""
    writes: list[list[tuple[Written, str]]] = [[]]
    for entry, name in entries:
        if any(name == other for _, other in writes[-1]):
            writes.append([])
        writes[-1].append((entry, name))
    return writes
