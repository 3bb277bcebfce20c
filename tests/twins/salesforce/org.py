"""The state of one Salesforce org, in memory: records, what lies in the recycle bin, histories, and who may see what.

Every change of a record goes through `insert`, `update` or `remove`, so that stamps, histories and indexes are never
out of step. Records are never changed in place, which makes a rollback a matter of keeping the old tables. Callers hold
`lock`. Times are whole seconds, as the vendor's are: two edits within one second can't be told apart by their stamps.
Values are kept as the API tells them (times as text in UTC), so they compare as texts do.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.twins.salesforce import ids
from tests.twins.salesforce.catalogue import HISTORIES, STAGES, standard
from tests.twins.salesforce.derived import derived
from tests.twins.salesforce.errors import ApiError
from tests.twins.salesforce.history import History
from tests.twins.salesforce.schema import Field, SObject
from tests.twins.salesforce.switches import Switches

BIN = timedelta(days=15)
ForeignRule = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Record:
    """One record: its values by field name, and since when it lies in the recycle bin."""

    sobject: str
    id: str
    values: Mapping[str, Any]
    deleted_at: datetime | None = None


@dataclass(frozen=True)
class ValidationRule:
    """What an admin forbids: `wrong` tells whether the values of a record are."""

    sobject: str
    message: str
    wrong: ForeignRule
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class DuplicateRule:
    """Which fields make two records duplicates (all of them, texts without case), and whether saving is possible then.

    `allows` is an alerting rule: the API still refuses, unless the header says `allowSave=true`.
    """

    sobject: str
    fields: tuple[str, ...]
    allows: bool = True
    name: str = "Standard_Duplicate_Rule"


@dataclass
class Checkpoint:
    """The tables as they were."""

    records: dict[str, dict[str, Record]]
    locked: dict[str, int] = field(default_factory=dict)


class Org:
    """One org."""

    def __init__(self, clock: Callable[[], datetime], switches: Switches) -> None:
        self.clock, self.switches, self.lock = clock, switches, threading.RLock()
        self.sobjects: dict[str, SObject] = standard()
        self.records: dict[str, dict[str, Record]] = {name: {} for name in self.sobjects}
        self.history = History(self)
        self.validation_rules: list[ValidationRule] = []
        self.duplicate_rules: list[DuplicateRule] = []
        self.lead_mapping: dict[str, str] = {}
        self.custom_fields: dict[str, dict[str, Any]] = {}
        self.list_views: dict[str, dict[str, Any]] = {}
        self.record_type_stages: dict[str, list[str]] = {}
        self.locked: dict[str, int] = {}
        self.schema_at = self.now()
        self._numbers: dict[str, int] = {}
        self._indexes: dict[tuple[str, str], dict[Any, dict[str, None]]] = {}
        self.id = ids.make("00D", 1)
        self._furnish()

    def _furnish(self) -> None:
        """Put in what a new org has: its users, profile, stages, and the permission set of the profile."""
        self.integration_user = ids.make("005", 1)
        profile = self.insert("Profile", {"Name": "Sales"}, self.integration_user).id
        people = (
            ("Sidecar", "Integration"),
            ("Ann", "Sales"),
            ("Bob", "Sales"),
            (None, "Automated Process"),
            ("Other", "Tool"),
        )
        for first, last in people:
            name = f"{first or 'auto'}.{last}".lower().replace(" ", ".")
            self.insert("User", {
                "FirstName": first, "LastName": last, "Username": f"{name}@roofs.test", "Email": f"{name}@roofs.test",
                "Alias": name[:8], "IsActive": True, "UserType": "Standard", "ProfileId": profile,
                "TimeZoneSidKey": "Europe/London",
            }, self.integration_user)  # fmt: skip
        self.users = list(self.records["User"])
        self.profile_set = self.insert("PermissionSet", {
            "Name": "X00ex0000018ozh", "Label": "Sales", "IsOwnedByProfile": True, "ProfileId": profile,
        }, self.integration_user).id  # fmt: skip
        for place, (name, probability, forecast, outcome) in enumerate(STAGES, 1):
            self.add_stage(name, probability, forecast, outcome, place)
        organisation = self.insert("Organization", {
            "Name": self.switches.name, "InstanceName": "EU42", "IsSandbox": False, "TimeZoneSidKey": "Europe/London",
            "OrganizationType": "Enterprise Edition", "LanguageLocaleKey": "en_US", "DefaultLocaleSidKey": "en_GB",
        }, self.integration_user)  # fmt: skip
        self.id = organisation.id

    def add_stage(self, name: str, probability: float, forecast: str, outcome: str, place: int) -> None:
        """Add a stage of opportunities."""
        self.insert("OpportunityStage", {
            "MasterLabel": name, "ApiName": name, "IsActive": True, "SortOrder": place,
            "DefaultProbability": probability,
            "ForecastCategory": forecast, "ForecastCategoryName": forecast, "IsClosed": outcome != "open",
            "IsWon": outcome == "won",
        }, self.integration_user)  # fmt: skip

    # Time and names ---------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """Return the clock's time to the second."""
        return self.clock().astimezone(UTC).replace(microsecond=0)

    def stamp(self) -> str:
        """Return the time as the API tells it."""
        return wire_time(self.now())

    def sobject(self, name: str) -> SObject | None:
        """Return an object by its name, whatever its case."""
        if name in self.sobjects:
            return self.sobjects[name]
        lowered = name.lower()
        return next((each for each in self.sobjects.values() if each.name.lower() == lowered), None)

    def of_id(self, id: str) -> SObject | None:
        """Return the object that an id belongs to."""
        return next((each for each in self.sobjects.values() if each.prefix == id[:3]), None)

    def new_id(self, prefix: str) -> str:
        """Return an id that nothing had."""
        self._numbers[prefix] = self._numbers.get(prefix, 0) + 1
        return ids.make(prefix, self._numbers[prefix])

    # Looking up -------------------------------------------------------------------------------------------------

    def there(self, sobject: str, id: str) -> Record | None:
        """Return a record, in the recycle bin or not, until it is purged."""
        found = self.records[sobject].get(id)
        return None if found is None or (found.deleted_at and self.now() - found.deleted_at > BIN) else found

    def live(self, sobject: str, id: str) -> Record | None:
        """Return a record that isn't deleted."""
        found = self.records[sobject].get(id)
        return found if found and not found.deleted_at else None

    def every(self, sobject: str) -> Iterable[Record]:
        """Return the live records of an object, oldest first."""
        return [each for each in self.records[sobject].values() if not each.deleted_at]

    def by_value(self, sobject: str, field: Field, value: Any) -> list[Record]:
        """Return the live records that hold a value in a field, found through an index."""
        key = (sobject, field.name)
        if key not in self._indexes:
            self._indexes[key] = {}
            for record in self.records[sobject].values():
                self._enter(key, record, field)
        found = self._indexes[key].get(folded(field, value), {})
        live = (self.live(sobject, id) for id in found)
        return [record for record in live if record]

    def _enter(self, key: tuple[str, str], record: Record, field: Field) -> None:
        self._indexes[key].setdefault(folded(field, record.values.get(field.name)), {})[record.id] = None

    # Changing ---------------------------------------------------------------------------------------------------

    def insert(self, sobject: str, values: Mapping[str, Any], by: str) -> Record:
        """Make a record as a user; what is said of system fields stands, which only imports may."""
        of, now = self.sobjects[sobject], self.stamp()
        stamps: dict[str, Any] = {
            "CreatedDate": now, "CreatedById": by, "LastModifiedDate": now, "LastModifiedById": by,
            "SystemModstamp": now, "IsDeleted": False, "OwnerId": by,
        }  # fmt: skip
        held = {name: stamps.get(name, each.default) for name, each in of.fields.items()} | dict(values)
        held["Id"] = self.new_id(of.prefix)
        record = Record(sobject, held["Id"], derived(self, of, {}, held, set(values)))
        self._put(record)
        self.history.created(record, by)
        return record

    def update(self, record: Record, changes: Mapping[str, Any], by: str) -> Record:
        """Write values into a record as a user; the stamps move even if nothing differs."""
        now = self.stamp()
        held = dict(record.values) | dict(changes)
        for name, value in (("LastModifiedDate", now), ("LastModifiedById", by), ("SystemModstamp", now)):
            if name in held:
                held[name] = value
        of = self.sobjects[record.sobject]
        new = replace(record, values=derived(self, of, record.values, held, set(changes)))
        self._put(new)
        self.history.changed(record, new, by)
        return new

    def touch(self, record: Record, **values: Any) -> Record:
        """Let the system itself change a record: only `SystemModstamp` moves."""
        held = dict(record.values) | values
        if "SystemModstamp" in held:
            held["SystemModstamp"] = self.stamp()
        new = replace(record, values=held)
        self._put(new)
        return new

    def remove(self, record: Record, by: str, master: str | None = None) -> None:
        """Put a record into the recycle bin; `master` is the record that it was merged into."""
        held = dict(record.values) | {"IsDeleted": True}
        for name, value in (
            ("SystemModstamp", self.stamp()),
            ("LastModifiedDate", self.stamp()),
            ("LastModifiedById", by),
        ):
            if name in held:
                held[name] = value
        if master:
            held["MasterRecordId"] = master
        self._put(replace(record, values=held, deleted_at=self.now()))

    def restore(self, record: Record, by: str) -> Record:
        """Take a record out of the recycle bin."""
        back = replace(record, values={**record.values, "IsDeleted": False}, deleted_at=None)
        return self.update(back, {}, by)

    def empty(self, sobject: str, name: str) -> None:
        """Forget what every record held in a field that is no more."""
        for id, record in self.records[sobject].items():
            values = {key: value for key, value in record.values.items() if key != name}
            self.records[sobject][id] = replace(record, values=values)
        self._indexes.pop((sobject, name), None)

    def _put(self, record: Record) -> None:
        table, of = self.records[record.sobject], self.sobjects[record.sobject]
        old = table.get(record.id)
        table[record.id] = record
        for key in [key for key in self._indexes if key[0] == record.sobject]:
            field = of.fields.get(key[1])
            if field is None:
                del self._indexes[key]
                continue
            if old is not None:
                holders = self._indexes[key].get(folded(field, old.values.get(field.name)), {})
                holders.pop(record.id, None)
            self._enter(key, record, field)

    # Transactions and locks -------------------------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """Return the tables as they are."""
        return Checkpoint({name: dict(table) for name, table in self.records.items()})

    def roll_back(self, to: Checkpoint) -> None:
        """Undo everything since a checkpoint."""
        self.records = {name: dict(table) for name, table in to.records.items()}
        self._indexes.clear()

    def check_lock(self, id: str) -> None:
        """Raise while another transaction holds a record; each refusal is one less to come."""
        if self.locked.get(id, 0) > 0:
            self.locked[id] -= 1
            words = f"unable to obtain exclusive access to this record or 1 records: {id}"
            raise ApiError("UNABLE_TO_LOCK_ROW", words, [])


def wire_time(at: datetime) -> str:
    """Return a time as the API tells it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def folded(field: Field, value: Any) -> Any:
    """Return what a value is compared by: texts without case, unless the field minds it."""
    return value.lower() if isinstance(value, str) and not field.caseSensitive else value


def history_of(sobject: str) -> str | None:
    """Return the name of an object's history."""
    return HISTORIES[sobject][0] if sobject in HISTORIES else None
