"""The state of one Pipedrive company, in memory: records with their changelog, fields, users, what is gone.

Every change of a record goes through `commit`, so that changelog, update time and what search will know later are never
out of step. Callers hold `lock`. Times are whole seconds, as the vendor's are: two edits within one second can't be
told apart by their update time, and a second look at a record may find it changed under the same one.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.twins.pipedrive import fields
from tests.twins.pipedrive.errors import ApiError, invalid, not_found
from tests.twins.pipedrive.fields import Definition

PURGED_AFTER = timedelta(days=30)
KINDS = {"persons": "Person", "organizations": "Organization", "deals": "Deal", "activities": "Activity"}
V1_KEYS = {"emails": "email", "phones": "phone", "label_ids": "label"}
"""What the changelog, which is v1, calls what v2 calls otherwise; a deal's owner is its `user_id` besides."""
UNLOGGED = frozenset({
    "first_name", "last_name", "stage_change_time", "marked_as_done_time", "creator_user_id", "origin", "archive_time",
    "local_won_date", "local_lost_date", "local_close_date",
})  # fmt: skip


@dataclass
class Switches:
    """How this company is, and how it behaves where the vendor's documents are silent; change them at any time.

    `tokens`: API token -> user id; `bearers` likewise, of OAuth apps. `search_lag_s`: how far search is behind writes,
    by the clock; `index_keeps_deleted`: what is deleted is found until then, too. `deleted_is_404`: reading one deleted
    record is a 404 instead of a record with `is_deleted`. `activity_person_id`: whether writing it is "refused" or
    "ignored". `field_search`: whether itemSearch/field answers ids with values ("flat") or items ("items").
    `v1_entities`: what persons, deals and so on answer under v1, "gone" or "missing". `unpaid`: 402 for everything.
    `features_off`: 415 for notes, leads or webhooks. `entity_cap`: most open deals, 403 above it.
    """

    company_id: int = 77001
    name: str = "Roofs & Co"
    domain: str = "roofs"
    currency: str = "EUR"
    tokens: dict[str, int] = field(default_factory=lambda: {"twin0token": 1, "other0token": 2})
    bearers: dict[str, int] = field(default_factory=dict)
    search_lag_s: float = 0.0
    index_keeps_deleted: bool = True
    deleted_is_404: bool = False
    activity_person_id: str = "refused"
    field_search: str = "flat"
    v1_entities: str = "gone"
    contact_sync: bool = False
    unpaid: bool = False
    features_off: set[str] = field(default_factory=set)
    entity_cap: int | None = None
    webhook_limit: int = 40


@dataclass(frozen=True)
class Author:
    """Who makes a change: as which user, from where (app, mobile, api), by which program."""

    user_id: int
    source: str
    user_agent: str | None = None


@dataclass(frozen=True)
class Edit:
    """One line of the changelog."""

    id: int
    key: str
    old: Any
    new: Any
    at: datetime
    by: Author


@dataclass
class Record:
    """One record: values under their v2 names, custom values under their codes, changelog oldest first."""

    kind: str
    id: int
    added_at: datetime
    updated_at: datetime
    values: dict[str, Any] = field(default_factory=dict)
    custom: dict[str, Any] = field(default_factory=dict)
    edits: list[Edit] = field(default_factory=list)
    deleted_at: datetime | None = None
    snapshots: list[tuple[datetime, dict[str, Any] | None]] = field(default_factory=list)


class Company:
    """One account."""

    def __init__(self, clock: Callable[[], datetime], switches: Switches) -> None:
        self.clock, self.switches, self.lock = clock, switches, threading.RLock()
        self.records: dict[str, dict[int, Record]] = {kind: {} for kind in KINDS}
        self.definitions: dict[str, dict[str, Definition]] = fields.native()
        self.notes: dict[int, dict[str, Any]] = {}
        self.leads: dict[str, dict[str, Any]] = {}
        self.webhooks: dict[int, dict[str, Any]] = {}
        self.outbox: list[tuple[int, dict[str, Any]]] = []
        self.filters: dict[int, tuple[str, Callable[[Record], bool]]] = {}
        self.users = [_user(1, "Ann Sales", "ann@ours.test", 1), _user(2, "Bob Sales", "bob@ours.test", 0)]
        self.pipelines, self.stages = _pipelines()
        self._ids: dict[str, int] = {}

    def now(self) -> datetime:
        """Return the clock's time to the second."""
        return self.clock().astimezone(UTC).replace(microsecond=0)

    def next_id(self, of: str) -> int:
        """Return the next id of a kind of thing; each kind counts for itself."""
        self._ids[of] = self._ids.get(of, 100 * (1 + len(self._ids))) + 1
        return self._ids[of]

    # Looking up -------------------------------------------------------------------------------------------------

    def live(self, kind: str, id: int) -> Record | None:
        """Return a record that isn't deleted."""
        found = self.records[kind].get(id)
        return found if found and not found.deleted_at else None

    def there(self, kind: str, id: int) -> Record:
        """Return a record, deleted or not, until it is purged; raise the 404 after."""
        found = self.records[kind].get(id)
        if found is None or (found.deleted_at and self.now() - found.deleted_at > PURGED_AFTER):
            raise not_found(KINDS[kind])
        return found

    def need(self, kind: str, id: int) -> Record:
        """Return a live record, or raise the 404."""
        if found := self.live(kind, id):
            return found
        raise not_found(KINDS[kind])

    def user(self, id: int) -> dict[str, Any]:
        """Return a user, or raise the 400."""
        for user in self.users:
            if user["id"] == id:
                return user
        raise invalid(f"owner_id: user {id} does not exist")

    # Changing ---------------------------------------------------------------------------------------------------

    def add(self, kind: str, values: Mapping[str, Any], custom: Mapping[str, Any], by: Author) -> Record:
        """Make a record; the changelog says nothing of it."""
        cap = self.switches.entity_cap
        if kind == "deals" and cap is not None and len([x for x in self.records[kind].values() if _open(x)]) >= cap:
            raise ApiError(403, "Open deals limit reached", "ERR_ENTITY_LIMIT_REACHED")
        now = self.now()
        record = Record(kind, self.next_id(kind), now, now, dict(values), _set(custom))
        self.records[kind][record.id] = record
        self.snapshot(record)
        self.announce(kind, "create", record, None, by)
        return record

    def commit(self, record: Record, values: Mapping[str, Any], custom: Mapping[str, Any], by: Author) -> None:
        """Write values into a record; its update time moves even if nothing differs."""
        now, before = self.now(), dict(record.values)
        held, theirs = dict(record.values), dict(record.custom)
        for name, value in values.items():
            if name not in UNLOGGED:
                self._log(record, _v1(record.kind, name), held.get(name), value, now, by)
            held[name] = value
        for code, value in custom.items():
            self._log(record, code, theirs.get(code), value, now, by)
            theirs[code] = value
        # never changed in place: the search index may still hold the old ones
        record.values, record.custom, record.updated_at = held, _set(theirs), now
        self.snapshot(record)
        self.announce(record.kind, "change", record, before, by)

    def delete(self, record: Record, by: Author) -> None:
        """Put a record where it can be restored from for thirty days."""
        record.deleted_at = record.updated_at = self.now()
        self.snapshot(record)
        self.announce(record.kind, "delete", None, record.values, by, record.id)

    def _log(self, record: Record, key: str, old: Any, new: Any, at: datetime, by: Author) -> None:
        if old != new and record.kind != "activities":
            record.edits.append(Edit(self.next_id("edits"), key, fields.as_text(old), fields.as_text(new), at, by))

    # Search and webhooks ----------------------------------------------------------------------------------------

    def snapshot(self, record: Record) -> None:
        """Tell the search index what a record is now; it will know after the lag."""
        gone = record.deleted_at is not None
        now = self.clock()
        if gone and not self.switches.index_keeps_deleted:
            record.snapshots = [(now - timedelta(seconds=self.switches.search_lag_s), None)]
        else:
            record.snapshots.append((now, None if gone else {**record.values, "custom": record.custom}))

    def indexed(self, record: Record) -> dict[str, Any] | None:
        """Return what search knows of a record, None where it knows of none."""
        until = self.clock() - timedelta(seconds=self.switches.search_lag_s)
        known = [place for place, (at, _) in enumerate(record.snapshots) if at <= until]
        if not known:
            return None
        del record.snapshots[: known[-1]]
        return record.snapshots[0][1]

    def announce(
        self, kind: str, action: str, record: Record | None, before: Any, by: Author, id: int | None = None
    ) -> None:
        """Put into the outbox what each webhook that is subscribed would be sent; nobody signs it."""
        entity = KINDS[kind].lower()
        for hook in self.webhooks.values():
            if hook["event_object"] in (entity, "*") and hook["event_action"] in (action, "*"):
                number = record.id if record else id
                self.outbox.append((hook["id"], {
                    "data": {"id": number, **record.values, "custom_fields": record.custom} if record else None,
                    "previous": before,
                    "meta": {
                        "id": f"{hook['id']}-{len(self.outbox) + 1}", "action": action, "entity": entity,
                        "entity_id": str(number), "company_id": str(self.switches.company_id), "version": "2.0",
                        "user_id": str(by.user_id), "change_source": by.source, "is_bulk_edit": False, "attempt": 1,
                        "correlation_id": f"c-{len(self.outbox) + 1}", "timestamp": self.clock().isoformat(),
                        "webhook_id": str(hook["id"]),
                    },
                }))  # fmt: skip


def time2(at: datetime | None) -> str | None:
    """Return a time as v2 tells it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def time1(at: datetime) -> str:
    """Return a time as v1 tells it."""
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _set(custom: Mapping[str, Any]) -> dict[str, Any]:
    return {code: value for code, value in custom.items() if value is not None}


def _v1(kind: str, name: str) -> str:
    return "user_id" if (kind, name) == ("deals", "owner_id") else V1_KEYS.get(name, name)


def _open(record: Record) -> bool:
    return record.deleted_at is None and record.values["status"] == "open"


def _user(id: int, name: str, email: str, is_admin: int) -> dict[str, Any]:
    return {
        "id": id, "name": name, "email": email, "active_flag": True, "is_admin": is_admin, "default_currency": "EUR",
        "locale": "en_GB", "lang": 1, "timezone_name": "Europe/Berlin", "timezone_offset": "+01:00", "role_id": 1,
        "created": "2025-01-01 00:00:00", "modified": "2025-01-01 00:00:00",
    }  # fmt: skip


def _pipelines() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    born = "2025-01-01T00:00:00Z"
    pipelines = [
        {"id": id, "name": name, "order_nr": id, "is_deleted": False, "is_deal_probability_enabled": False,
         "add_time": born, "update_time": born, "is_selected": id == 1}
        for id, name in ((1, "Sales"), (2, "Partners"))
    ]  # fmt: skip
    named = [(1, name) for name in ("Lead In", "Visit booked", "Offer made", "Negotiation")]
    named += [(2, name) for name in ("First talk", "Signed")]
    stages = [
        {"id": id, "order_nr": id, "name": name, "is_deleted": False, "deal_probability": 100, "pipeline_id": pipeline,
         "is_deal_rot_enabled": False, "days_to_rotten": None, "add_time": born, "update_time": None}
        for id, (pipeline, name) in enumerate(named, 1)
    ]  # fmt: skip
    return pipelines, stages
