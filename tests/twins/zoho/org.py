"""The state of one Zoho CRM org, in memory: records with their timeline, fields, users, layouts, what is gone.

Every change of a record goes through `add`, `commit` or `delete`, so that timeline, modification time and what search
will know later are never out of step. Callers hold `lock`. Times are whole seconds, as the vendor's are: an edit in the
same second as our read is under the same modification time. Workflows fire on what is added or committed unless the
caller says otherwise, and what they write bears the name of whoever set them off.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any
from zoneinfo import ZoneInfo

from tests.twins.zoho import fields
from tests.twins.zoho.errors import RowError
from tests.twins.zoho.fields import DISPLAY, MODULES, Field

ORG_PREFIX = 5_725_767_000_000_000_000
"""Ids are 64-bit numbers under the org's prefix: as JSON numbers they would lose their last digits."""
STAGES = (
    ("Qualification", "Open", 10), ("Needs Analysis", "Open", 20), ("Proposal/Price Quote", "Open", 75),
    ("Negotiation/Review", "Open", 90), ("Closed Won", "Closed Won", 100), ("Closed Lost", "Closed Lost", 0),
)  # fmt: skip
PIPELINES = {"Standard (Standard)": STAGES, "Partners": (STAGES[0], STAGES[3], STAGES[4], STAGES[5])}


def _refresh() -> str:
    """Return a refresh token that no other org of this process had: who shares one shares its access token too."""
    return f"1000.{token_hex(16)}"


@dataclass
class Switches:
    """How this org is, and how it behaves where the vendor's documents are silent; change them at any time.

    `refresh_tokens`: refresh token -> which user it acts as, counted from one; `scopes` are what they were granted.
    `search_lag_s`: how far search is behind writes, by the clock. `mixed_status` and `failed_status`: what answers a
    request of which some rows, or all, are refused. `takes_unknown_options`: whether a picklist stores what isn't
    among its choices; `refuses_unknown_fields`: whether a field that isn't there is an error or is dropped in silence.
    `merge_delay_s`: after how long a merge is done. `record_cap`, `custom_field_cap`: most records of the org, and
    fields of a module. `lists_deleted_notes`: whether notes that are gone are listed as other records are.
    `stale_refuses_all`: whether one row that was changed meanwhile refuses the whole request, and not itself alone.
    `tells_credits_on_429`: whether a refusal says what is left. `token_answer_status`: what a refused refresh is
    answered with. `tells_probabilities`: whether the stages' own are among the options of the field, as they may be.
    """

    edition: str = "enterprise"
    users: int = 5
    time_zone: str = "Europe/Berlin"
    currency: str = "EUR"
    client_id: str = "1000.TWIN"
    client_secret: str = "twin0secret"
    refresh_tokens: dict[str, int] = field(default_factory=lambda: {_refresh(): 3, _refresh(): 2})
    scopes: tuple[str, ...] = (
        "ZohoCRM.modules.ALL", "ZohoCRM.settings.ALL", "ZohoCRM.users.READ", "ZohoCRM.org.READ", "ZohoCRM.coql.READ",
        "ZohoCRM.composite_requests.CUSTOM",
    )  # fmt: skip
    search_lag_s: float = 0.0
    mixed_status: int = 207
    failed_status: int = 400
    takes_unknown_options: bool = True
    refuses_unknown_fields: bool = False
    merge_delay_s: float = 0.0
    record_cap: int | None = None
    custom_field_cap: int | None = None
    lists_deleted_notes: bool = True
    stale_refuses_all: bool = False
    tells_credits_on_429: bool = False
    token_answer_status: int = 200
    tells_probabilities: bool = False


@dataclass(frozen=True)
class Author:
    """Who makes a change: as which user, from where (crm_ui, crm_mobile, crm_api, workflow), by which rule."""

    user_id: str
    source: str
    rule: tuple[str, str] | None = None


@dataclass(frozen=True)
class Entry:
    """One line of a record's timeline; `history` holds name, old and new, `other` is a record merged into this one."""

    id: str
    at: datetime
    action: str
    by: Author
    history: tuple[tuple[str, Any, Any], ...] = ()
    other: tuple[str, str, str] | None = None


@dataclass(frozen=True)
class Deletion:
    """When and by whom a record went, None where that isn't told any more."""

    at: datetime
    by: str | None


@dataclass
class Record:
    """One record: values under their api names, lookups as bare ids, times aware; timeline oldest first."""

    module: str
    id: str
    created_at: datetime
    modified_at: datetime
    created_by: str
    modified_by: str
    values: dict[str, Any] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    deletion: Deletion | None = None
    is_locked: bool = False
    is_waiting: bool = False
    in_blueprint: bool = False
    converted: dict[str, str] | None = None
    snapshots: list[tuple[datetime, dict[str, Any] | None]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return what a lookup to this record shows."""
        return str(derived(self.module, self.values).get(DISPLAY[self.module]) or "")


@dataclass(frozen=True)
class Workflow:
    """A rule of the org: records of a module that fit get these values as soon as something is written to them."""

    id: str
    name: str
    module: str
    fits: Callable[[Mapping[str, Any]], bool]
    writes: Mapping[str, Any]


class Org:
    """One account."""

    def __init__(self, clock: Callable[[], datetime], switches: Switches) -> None:
        self.clock, self.switches, self.lock = clock, switches, threading.RLock()
        self._last_id = 400_000
        self.records: dict[str, dict[str, Record]] = {module: {} for module in MODULES}
        self.workflows: list[Workflow] = []
        self.fired: list[tuple[str, str]] = []
        self.views: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.fields: dict[str, dict[str, Field]] = fields.native()
        self.fields["Deals"]["Stage"].options = [fields.option(each[0], n, "") for n, each in enumerate(STAGES, 1)]
        labels = (fields.NOTHING_CHOSEN, *PIPELINES)
        self.fields["Deals"]["Pipeline"].options = [fields.option(each, n, "") for n, each in enumerate(labels, 1)]
        for each in [one for of in self.fields.values() for one in of.values()]:
            each.id = self.next_id()
            each.options = [{**choice, "id": self.next_id()} for choice in each.options]
        self.module_ids = {module: self.next_id() for module in MODULES}
        self.layout_ids = {module: self.next_id() for module in MODULES}
        self.pipeline_ids = {name: self.next_id() for name in PIPELINES}
        self.stage_ids = {stage[0]: self.next_id() for stage in STAGES}
        people = (("Ann", "Sales"), ("Bob", "Sales"), ("Side", "Car"))
        self.users = [_user(self.next_id(), *names) for names in people]

    def now(self) -> datetime:
        """Return the clock's time to the second."""
        return self.clock().astimezone(UTC).replace(microsecond=0)

    def told(self, at: datetime) -> str:
        """Return a time as the vendor tells it: with the offset of the org, whatever was written."""
        return at.astimezone(ZoneInfo(self.switches.time_zone)).isoformat(timespec="seconds")

    def next_id(self) -> str:
        """Return the next id; all kinds of things share them."""
        self._last_id += 1
        return str(ORG_PREFIX + self._last_id)

    # Looking up -------------------------------------------------------------------------------------------------

    def live(self, module: str, id: str) -> Record | None:
        """Return a record that isn't deleted."""
        found = self.records[module].get(id)
        return found if found and not found.deletion else None

    def all(self, module: str) -> list[Record]:
        """Return the live records of a module, oldest first."""
        return [each for each in self.records[module].values() if not each.deletion]

    def anywhere(self, id: str) -> Record | None:
        """Return a live record of any module."""
        return next((found for module in MODULES if (found := self.live(module, id))), None)

    def user(self, id: str) -> dict[str, Any] | None:
        """Return a user."""
        return next((user for user in self.users if user["id"] == id), None)

    # Changing ---------------------------------------------------------------------------------------------------

    def add(self, module: str, values: Mapping[str, Any], by: Author, fires: bool = True) -> Record:
        """Make a record."""
        cap = self.switches.record_cap
        if cap is not None and sum(len(self.all(each)) for each in MODULES) >= cap:
            raise RowError("LIMIT_EXCEEDED", "record limit exceeded", {"limit": cap})
        now = self.now()
        held = {name: value for name, value in {"Owner": by.user_id, **values}.items() if value is not None}
        record = Record(module, self.next_id(), now, now, by.user_id, by.user_id, held)
        record.entries.append(Entry(self.next_id(), now, "added", by))
        self.records[module][record.id] = record
        self.snapshot(record)
        self._fire(record, by, fires)
        return record

    def commit(self, record: Record, values: Mapping[str, Any], by: Author, fires: bool = True) -> None:
        """Write values into a record; its modification time moves even if nothing differs."""
        now, old = self.now(), record.values
        held = {name: value for name, value in {**old, **values}.items() if value is not None}
        changed = [(n, old.get(n), v) for n, v in values.items() if not n.startswith("$") and old.get(n) != v]
        if changed:
            record.entries.append(Entry(self.next_id(), now, "updated", by, tuple(changed)))
        # never changed in place: the search index may still hold the old ones
        record.values, record.modified_at, record.modified_by = held, now, by.user_id
        self.snapshot(record)
        self._fire(record, by, fires)

    def delete(self, record: Record, by: str | None) -> None:
        """Put a record into the recycle bin, or without a name where nobody gets it back from."""
        record.deletion = Deletion(self.now(), by)
        self.snapshot(record)

    def _fire(self, record: Record, by: Author, fires: bool) -> None:
        for rule in self.workflows if fires else ():
            if rule.module == record.module and rule.fits(whole(record)):
                self.fired.append((rule.name, record.id))
                self.commit(record, rule.writes, Author(by.user_id, "workflow", (rule.name, rule.id)), fires=False)

    # Search -----------------------------------------------------------------------------------------------------

    def snapshot(self, record: Record) -> None:
        """Tell the search index what a record is now; it will know after the lag."""
        record.snapshots.append((self.clock(), None if record.deletion else whole(record)))

    def indexed(self, record: Record) -> dict[str, Any] | None:
        """Return what search knows of a record, None where it knows of none."""
        until = self.clock() - timedelta(seconds=self.switches.search_lag_s)
        known = [place for place, (at, _) in enumerate(record.snapshots) if at <= until]
        if not known:
            return None
        del record.snapshots[: known[-1]]
        return record.snapshots[0][1]


def whole(record: Record) -> dict[str, Any]:
    """Return all that can be asked about a record, lookups as bare ids and times aware."""
    return {
        **derived(record.module, record.values), "id": record.id, "Created_Time": record.created_at,
        "Modified_Time": record.modified_at, "Created_By": record.created_by, "Modified_By": record.modified_by,
    }  # fmt: skip


def derived(module: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with those that follow from others."""
    if module not in ("Contacts", "Leads"):
        return dict(values)
    names = [values.get(name) for name in ("First_Name", "Last_Name")]
    return {**values, "Full_Name": " ".join(name for name in names if name)}


def _user(id: str, first: str, last: str) -> dict[str, Any]:
    return {
        "id": id, "first_name": first, "last_name": last, "full_name": f"{first} {last}",
        "email": f"{first.lower()}@ours.test", "status": "active", "confirm": True, "type__s": "Regular User",
        "zuid": str(70_000_000 + int(id[-6:])), "role": {"name": "CEO", "id": id[:-6] + "000861"},
        "profile": {"name": "Administrator", "id": id[:-6] + "000497"}, "time_zone": "Europe/Berlin",
        "locale": "en_GB", "created_time": "2025-01-01T09:00:00+01:00",
    }  # fmt: skip
