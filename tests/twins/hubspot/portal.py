"""The state of one HubSpot account, in memory: records with their history, definitions, associations, what is gone.

Every change of a record goes through `commit`, so that history, the last-modified time, unique values and what the
search index will know later are never out of step. Callers hold `lock`. With `undo` set, each change leaves behind how
to take it back, which is how a batch without trace ids fails whole.
"""

import copy
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.twins.hubspot import definitions
from tests.twins.hubspot.definitions import CREATED, MODIFIED, OBJECTS, Definition
from tests.twins.hubspot.errors import ApiError, not_found
from tests.twins.hubspot.limits import Limits
from tests.twins.hubspot.values import iso

ALL_SCOPES = frozenset(
    {f"crm.{part}.{name}.{verb}" for part in ("objects", "schemas") for name in ("contacts", "companies", "deals")
     for verb in ("read", "write")} | {"crm.objects.owners.read", "automation"}
    | {"crm.lists.read", "crm.lists.write"}
)  # fmt: skip
VERSIONS = frozenset({"v3", "v4", "2026-09"})
BIN = timedelta(days=90)


@dataclass
class Switches:
    """How this portal is, and how it behaves where the vendor's documents are silent; change them at any time.

    `source_id`: what history names as the author of our writes (whether a service key's is an app id is unverified).
    `activity_properties`: whether custom properties may be made on notes, tasks and meetings: "unique" (unique ones
    too), "plain", "none". `unique_conflict`: status of a value that another record's custom unique property holds (400
    has been seen by others, 409 is what e-mail addresses answer). `merged_ids_resolve`: batch reads find a merged
    record by its old id. `keeps_primary_id`: the account is in the beta where a merge keeps the primary's id.
    `all_missing_is_404`: a batch read that finds nothing is a 404, as one integration reports. `repeats_kept`: writing
    the value that is there adds an entry to the history. `search_lag_s`: how far search is behind writes, by the clock.
    """

    portal_id: int = 4242
    account_type: str = "STANDARD"
    time_zone: str = "Europe/Berlin"
    currency: str = "EUR"
    tokens: set[str] = field(default_factory=lambda: {"pat-eu1-twin"})
    scopes: set[str] = field(default_factory=lambda: set(ALL_SCOPES))
    versions: set[str] = field(default_factory=lambda: set(VERSIONS))
    source_id: str | None = "990011"
    source_label: str | None = "CRM sidecar"
    activity_properties: str = "unique"
    unique_conflict: int = 400
    merged_ids_resolve: bool = False
    keeps_primary_id: bool = False
    all_missing_is_404: bool = False
    repeats_kept: bool = False
    search_lag_s: float = 0.0
    custom_property_limit: int = 1_000


@dataclass(frozen=True)
class Source:
    """Who wrote a value, as a property's history tells it."""

    type: str
    id: str | None = None
    label: str | None = None
    user_id: int | None = None


@dataclass(frozen=True)
class Entry:
    """One entry of a property's history; a cleared property is the empty string."""

    value: str
    at: datetime
    source: Source

    def wire(self) -> dict[str, Any]:
        """Return the entry as the API answers it."""
        told = {
            "sourceId": self.source.id, "sourceLabel": self.source.label, "updatedByUserId": self.source.user_id,
        }  # fmt: skip
        known = {key: value for key, value in told.items() if value is not None}
        return {"value": self.value, "timestamp": iso(self.at), "sourceType": self.source.type, **known}


@dataclass
class Record:
    """One CRM record: values as stored, history newest first, and what search will see from when."""

    type: str
    id: str
    created_at: datetime
    updated_at: datetime
    values: dict[str, str] = field(default_factory=dict)
    history: dict[str, list[Entry]] = field(default_factory=dict)
    archived_at: datetime | None = None
    snapshots: list[tuple[datetime, dict[str, str]]] = field(default_factory=list)

    def wire(
        self, properties: list[str], history: list[str] | None = None, values: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the record as the API answers it, with these properties and the histories of those."""
        held = self.values if values is None else values
        names = dict.fromkeys([*(properties or definitions.DEFAULTS[self.type]), *_always(self.type)])
        body: dict[str, Any] = {
            "id": self.id, "properties": {name: held.get(name) for name in names},
            "createdAt": iso(self.created_at), "updatedAt": iso(self.updated_at), "archived": bool(self.archived_at),
        }  # fmt: skip
        if self.archived_at:
            body["archivedAt"] = iso(self.archived_at)
        if history:
            told = {name: [entry.wire() for entry in self.history.get(name, [])] for name in history}
            body["propertiesWithHistory"] = {name: entries for name, entries in told.items() if entries}
        return body


class Portal:
    """One account."""

    def __init__(self, clock: Callable[[], datetime], switches: Switches, limits: Limits, seed: int) -> None:
        self.clock, self.switches, self.limits, self.random = clock, switches, limits, random.Random(seed)
        self.lock = threading.RLock()
        self.records: dict[str, dict[str, Record]] = {name: {} for name in OBJECTS}
        self.merged: dict[str, dict[str, str]] = {name: {} for name in OBJECTS}
        self.unique: dict[tuple[str, str], dict[str, str]] = {}
        self.definitions = {name: definitions.native(name) for name in OBJECTS}
        self.groups: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in OBJECTS}
        self.pipelines = definitions.pipelines()
        self.owners: list[dict[str, Any]] = []
        self.flows: list[dict[str, Any]] = []
        self.lists: dict[str, dict[str, Any]] = {}
        self.rules: list[Any] = []
        self.links: dict[tuple[str, str], dict[str, dict[str, set[int]]]] = {}
        self.undo: list[Callable[[], None]] | None = None
        self._last = datetime(1970, 1, 1, tzinfo=UTC)
        self._next_id = 50_000
        self._add_people()

    def _add_people(self) -> None:
        for object_type in OBJECTS:
            name = f"{OBJECTS[object_type][1].lower()}information"
            self.groups[object_type][name] = group(name, f"{OBJECTS[object_type][1]} information")
        born = iso(self.clock())
        for id, first, user in (("7", "Ann", 101), ("8", "Bob", 102)):
            self.owners.append({
                "id": id, "email": f"{first.lower()}@ours.test", "firstName": first, "lastName": "Sales",
                "userId": user, "userIdIncludingInactive": user, "createdAt": born, "updatedAt": born,
                "archived": False, "teams": [], "type": "PERSON",
            })  # fmt: skip
        for held in self.pipelines:
            for thing in (held, *held["stages"]):
                thing |= {"createdAt": born, "updatedAt": born}

    def stamp(self) -> datetime:
        """Return the time of a change: the clock's to the millisecond, and later than any change before it."""
        now = self.clock().astimezone(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self._last = max(now, self._last + timedelta(milliseconds=1))
        return self._last

    def new_id(self) -> str:
        """Return an id that no record ever had."""
        self._next_id += 1
        return str(self._next_id)

    def correlation_id(self) -> str:
        """Return an id for an error; the seed decides it."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def definition(self, object_type: str, name: str) -> Definition | None:
        """Return a property that is there, not one that was deleted."""
        found = self.definitions[object_type].get(name)
        return found if found and not found.archived_at else None

    def live(self, object_type: str, id: str) -> Record | None:
        """Return a record that is neither archived nor merged away."""
        found = self.records[object_type].get(id)
        return found if found and not found.archived_at else None

    def shown(self, record: Record, archived: bool) -> bool:
        """Tell whether a record is seen by those who ask for live ones, or for what lies in the recycle bin."""
        if record.archived_at is None:
            return not archived
        return archived and self.clock() < record.archived_at + BIN

    def need(self, object_type: str, id: str) -> Record:
        """Return a live record, or raise the 404."""
        found = self.live(object_type, id)
        if found is None:
            raise not_found(f"Object not found.  objectId are usually numeric: {object_type} {id}")
        return found

    def by_property(self, object_type: str, name: str, value: str) -> Record | None:
        """Return the live record whose unique property has this value."""
        id = self.unique.get((object_type, name), {}).get(value.strip().lower())
        found = self.live(object_type, id) if id else None
        # A secondary address makes an address taken, and doesn't find its contact by id property.
        return found if found and (found.values.get(name) or "").lower() == value.strip().lower() else None

    def is_unique(self, object_type: str, name: str) -> bool:
        """Tell whether a property finds one record."""
        found = self.definition(object_type, name)
        return bool(found and (found.unique or found.is_email))

    # Changing ---------------------------------------------------------------------------------------------------

    def add(self, object_type: str, values: dict[str, str | None], source: Source) -> Record:
        """Make a record."""
        at = self.stamp()
        record = Record(object_type, self.new_id(), at, at)
        self.records[object_type][record.id] = record
        self.note(lambda: self._forget(record))
        record.values |= {"hs_object_id": record.id, CREATED[object_type]: iso(at)}
        self.commit(record, values, source)
        return record

    def commit(self, record: Record, values: dict[str, str | None], source: Source) -> None:
        """Write values into a record; None clears. Its last-modified time moves even if nothing differs."""
        self.remember(record)
        at = self.stamp()
        self.unindex(record)
        held = dict(record.values)  # never changed in place: the search index may still hold the old one
        for name, value in values.items():
            if held.get(name) != value or (self.switches.repeats_kept and value is not None):
                record.history.setdefault(name, []).insert(0, Entry(value or "", at, source))
            held[name] = value or ""
        record.values = {name: value for name, value in held.items() if value} | {MODIFIED[record.type]: iso(at)}
        record.updated_at = at
        self.index(record)
        self.snapshot(record)

    def archive(self, record: Record) -> None:
        """Put a record into the recycle bin; its unique values are free again."""
        self.remember(record)
        self.unindex(record)
        record.archived_at = self.stamp()

    def restore(self, record: Record) -> None:
        """Take a record out of the recycle bin."""
        record.archived_at = None
        self.index(record)
        self.commit(record, {}, Source("CRM_UI"))

    def remember(self, record: Record) -> None:
        """Leave behind how to take back the next change of a record."""
        if self.undo is None:
            return
        before = copy.copy(record.__dict__) | {
            "snapshots": list(record.snapshots),
            "history": {name: list(entries) for name, entries in record.history.items()},
        }  # fmt: skip

        def take_back() -> None:
            self.unindex(record)
            record.__dict__.update(before)
            self.index(record)

        self.undo.append(take_back)

    def note(self, take_back: Callable[[], None]) -> None:
        """Leave behind how to take back what was just done."""
        if self.undo is not None:
            self.undo.append(take_back)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """All of what is done in here, or none of it if it is refused."""
        self.undo = []
        try:
            yield
        except ApiError:
            for take_back in reversed(self.undo):
                take_back()
            raise
        finally:
            self.undo = None

    def _forget(self, record: Record) -> None:
        self.unindex(record)
        self.records[record.type].pop(record.id, None)

    # Looking up -------------------------------------------------------------------------------------------------

    def unique_values(self, record_type: str, values: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what of these values nobody else may have, as (property, value in lower case)."""
        for name, value in values.items():
            if value and self.is_unique(record_type, name):
                yield name, value.lower()
        if record_type == "contacts":
            for address in (values.get("hs_additional_emails") or "").split(";"):
                if address:
                    yield "email", address.lower()

    def holder(self, object_type: str, name: str, value: str) -> str | None:
        """Return the id of the live record that holds a unique value."""
        return self.unique.get((object_type, name), {}).get(value)

    def index(self, record: Record) -> None:
        """Let a record's unique values find it."""
        if not record.archived_at:
            for name, value in self.unique_values(record.type, record.values):
                self.unique.setdefault((record.type, name), {}).setdefault(value, record.id)

    def unindex(self, record: Record) -> None:
        """Let a record's unique values find it no more."""
        for name, value in self.unique_values(record.type, record.values):
            held = self.unique.get((record.type, name), {})
            if held.get(value) == record.id:
                del held[value]

    def snapshot(self, record: Record) -> None:
        """Tell the search index what a record holds now; it will know after the lag."""
        if not self.switches.search_lag_s:
            record.snapshots.clear()
        record.snapshots.append((self.clock(), record.values))

    def indexed(self, record: Record) -> dict[str, str] | None:
        """Return what search knows of a record, None before it knows it."""
        if record.archived_at:
            return None
        until = self.clock() - timedelta(seconds=self.switches.search_lag_s)
        known = [place for place, (at, _) in enumerate(record.snapshots) if at <= until]
        if not known:
            return None
        del record.snapshots[: known[-1]]
        return record.snapshots[0][1]


def group(name: str, label: str, display_order: int = -1) -> dict[str, Any]:
    """Return a property group as the API answers it."""
    return {"name": name, "label": label, "displayOrder": display_order, "archived": False}


def _always(object_type: str) -> tuple[str, ...]:
    return (CREATED[object_type], MODIFIED[object_type], "hs_object_id")
