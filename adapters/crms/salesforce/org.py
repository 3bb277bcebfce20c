"""What one Salesforce org is like: who we are in it, its users, stages, and the fields of each object.

All of it is asked for seldom and remembered for a bounded time. A custom field of ours goes by its name without `__c`
(`ai_summary`), every other field by the name that the API gives it. A field that the integration user may not see isn't
there for anybody who asks as that user, and so neither for us.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from adapters.crms.salesforce import values
from adapters.crms.salesforce.faults import Refusal
from adapters.crms.salesforce.natives import DEFAULT, NATIVE, Native
from adapters.crms.salesforce.options import SalesforceOptions
from adapters.crms.salesforce.soql import among, quoted, select
from adapters.crms.salesforce.values import Column
from adapters.crms.salesforce.vendor import (
    AT,
    KEY,
    LEAD_TIE,
    MOST_TRACKED,
    NO,
    OUTCOME,
    TYPES,
    YES,
    Row,
    chunks,
    held,
    object_of,
)
from adapters.crms.salesforce.wire import Wire
from adapters.formats.choices import choices
from adapters.http.remembered import FRESH, Remembered
from sidecar.errors import ConfigError
from sidecar.model import Author, AuthorKind, Value
from sidecar.ports import Clock, FieldSpec, Pipeline

MAX_AUTHORS = 5_000
MACHINES = frozenset(("AutomatedProcess", "CloudIntegrationUser", "SelfService"))
"""Types of users that are no people. Source: User object, read 2026-11; which type a flow's user has isn't told."""
HIDDEN = frozenset(name.casefold() for name in (KEY, AT, OUTCOME, LEAD_TIE))
"""Fields of ours that are no properties of a record."""


@dataclass(frozen=True, slots=True)
class Property:
    """One field under our name: what it may hold, and where Salesforce keeps it."""

    kind: str
    spec: FieldSpec
    columns: Mapping[str, Column]
    native: Native | None = None

    def to_vendor(self, value: Value, row: Row) -> Row:
        """Return the part of a body that writes a value; errors name the property."""
        what = f"{self.kind}.{self.spec.name}"
        if not self.spec.writable:
            raise ConfigError(f"{what}: Salesforce lets the integration user not write it; see its permissions")
        if self.native:
            return self.native.to_vendor(what, self.spec, self.columns, value, row)
        (column,) = self.columns.values()
        return {column.name: values.to_vendor(what, self.spec, column, value)}

    def from_vendor(self, row: Mapping[str, Any]) -> Value:
        """Return the value that a record holds."""
        if self.native:
            return self.native.from_vendor(self.spec, self.columns, row)
        (column,) = self.columns.values()
        return values.from_vendor(self.spec, column, row.get(column.name))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The properties of a kind in one object, by our names; whether our key is there, and is an external id."""

    kind: str
    object: str
    properties: Mapping[str, Property]
    described: Mapping[str, Row]
    at: datetime

    @property
    def names(self) -> Mapping[str, str]:
        """Our names by Salesforce's."""
        return {column: name for name, each in self.properties.items() for column in each.columns}

    @property
    def is_upsertable(self) -> bool:
        """Whether records are made by an upsert on our key.

        Not where the key is unique: there an insert is refused when the record is there already, while an upsert that
        is late would write over what a person has typed since.
        """
        key = self.described.get(KEY, {})
        return bool(key.get("externalId")) and not key.get("unique")

    @property
    def columns(self) -> list[str]:
        """Everything of a record that is read."""
        return [column for column in dict.fromkeys((*self.names, KEY, LEAD_TIE)) if column in self.described]


class Org:
    """One org, remembered; safe to share between threads."""

    def __init__(self, wire: Wire, options: SalesforceOptions, clock: Clock) -> None:
        self.wire, self.options = wire, options
        self._clock = clock
        self._lock = threading.Lock()
        self._kept = Remembered(clock, options.cache_s)
        self._authors: dict[str, Author] = {}

    @property
    def people(self) -> tuple[str, ...]:
        """The objects that hold people."""
        return ("Lead", "Contact") if self.options.person == "lead" else ("Contact",)

    def id(self) -> str:
        """Return the organisation's id."""
        return self.wire.session().org

    def us(self) -> str:
        """Return the integration user's id."""
        return self.wire.session().user

    def object(self, kind: str, ref: str = "") -> str:
        """Return the object of a kind, or of one record of it: a new person is what the options say."""
        if kind == "contact" and not ref:
            return self.people[0]
        return object_of(kind, ref)

    def pipelines(self) -> Sequence[Pipeline]:
        """Return a pipeline for each record type of opportunities, else one for all of the org's stages."""
        return self._kept.get("pipelines", self._pipelines)

    def stages(self) -> Sequence[Row]:
        """Return the stages of opportunities, in use or not, with what moves along with each."""
        return self._kept.get("stages", self._all_stages)

    def owners(self) -> Mapping[str, str]:
        """Return the active users, id to e-mail address."""
        return self._kept.get("owners", self._owners)

    def catalogue(self, kind: str, ref: str = "") -> Catalogue:
        """Return the properties of a kind, in the object that a record of it is in."""
        sobject = self.object(kind, ref)
        return self._kept.get(f"fields {kind} {sobject}", lambda: self._catalogue(kind, sobject))

    def property(self, kind: str, name: str, ref: str = "") -> Property:
        """Return a property by our name; it is looked up once more before it is refused."""
        catalogue = self.catalogue(kind, ref)
        if name not in catalogue.properties and self._clock() - catalogue.at > FRESH:
            self.forget()
            catalogue = self.catalogue(kind, ref)
        if name not in catalogue.properties:
            raise ConfigError(
                f"{kind}.{name}: there is no such field that the integration user may see in {catalogue.object}; "
                "`sidecar provision` makes the AI-owned ones"
            )
        return catalogue.properties[name]

    def described(self, sobject: str) -> Mapping[str, Row]:
        """Return the fields of an object as Salesforce describes them to us; empty for one that we may not see."""
        return self._kept.get(f"describe {sobject}", lambda: _fields_of(self.described_object(sobject)))

    def described_object(self, sobject: str) -> Row:
        """Return what Salesforce says of an object as a whole; empty for one that we may not see."""
        return self._kept.get(f"object {sobject}", lambda: self._described_object(sobject))

    def tracked(self, sobject: str) -> frozenset[str]:
        """Return the fields of an object whose history is kept, by the names that its history rows have."""
        return self._kept.get(f"tracked {sobject}", lambda: self._tracked(sobject))

    def room(self, sobject: str) -> int:
        """Return of how many more fields of an object the history can be kept, as far as Salesforce promises."""
        tracked = self.tracked(sobject)
        return MOST_TRACKED - len(tracked - {"FirstName", "LastName"} if "Name" in tracked else tracked)

    def authors(self, ids: Sequence[str]) -> Mapping[str, Author]:
        """Return who these users are."""
        with self._lock:
            unknown = [ref for ref in dict.fromkeys(ids) if ref not in self._authors]
        us = self.us()
        machines = {name.casefold() for name in self.options.machines}
        for part in chunks(unknown, 200):
            for row in self.wire.query(select(("Id", "Name", "Username", "UserType"), "User", among("Id", part))):
                self._know(_author(row, us, machines))
        return {ref: self._authors.get(ref, Author(AuthorKind.UNKNOWN, ref)) for ref in ids}

    def task_words(self) -> Mapping[str, str]:
        """Return what this org calls an open task, and a completed one."""
        return self._kept.get("task words", self._task_words)

    def forget(self) -> None:
        """Look everything but who we are up anew."""
        self._kept.forget_all_but()

    # ----------------------------------------------------------------------------------------------------------------

    def _know(self, author: Author) -> None:
        with self._lock:
            if len(self._authors) >= MAX_AUTHORS:
                self._authors.clear()
            self._authors[author.ref] = author

    def _described_object(self, sobject: str) -> Row:
        try:
            return cast(Row, self.wire.get("describe", f"sobjects/{sobject}/describe"))
        except Refusal as refusal:
            if refusal.is_missing:
                return {}
            raise

    def _catalogue(self, kind: str, sobject: str) -> Catalogue:
        described = self.described(sobject)
        if not described:
            raise ConfigError(f"the integration user may not see {sobject}: give it read and edit on the object")
        properties = {
            name: self._native(kind, name, native, described)
            for name, native in NATIVE[kind].items()
            if all(column in described for column in native.vendor)
        }
        taken = {column for each in properties.values() for column in each.columns}
        for column, said in described.items():
            if column not in taken and column.casefold() not in HIDDEN and _is_value(said):
                made = _property(kind, said)
                properties.setdefault(made.spec.name, made)
        return Catalogue(kind, sobject, properties, described, self._clock())

    def _native(self, kind: str, name: str, native: Native, described: Mapping[str, Row]) -> Property:
        first = described[native.vendor[0]]
        options = choices(native.options, self.owners, self.pipelines)
        if options == ("@theirs",):
            options = _choices(first)
        is_text = native.type in ("text", "long_text") and len(native.vendor) == 1
        length = first.get("length") or None if is_text else None
        may = native.writable and all(_may_write(described[column]) for column in native.vendor)
        spec = FieldSpec(name, native.type, native.label, options, length, may)
        return Property(kind, spec, {column: _column(described[column]) for column in native.vendor}, native)

    def _pipelines(self) -> Sequence[Pipeline]:
        wanted = ("ApiName", "MasterLabel", "SortOrder")
        soql = select(wanted, "OpportunityStage", "IsActive = true", order="SortOrder", limit=500)
        stages = tuple((held(row, "ApiName"), held(row, "MasterLabel")) for row in self.wire.query(soql))
        types = [
            each
            for each in self.described_object("Opportunity").get("recordTypeInfos", ())
            if each.get("active", True) and each.get("available") and not each.get("master")
        ]
        if not types:
            return (Pipeline(DEFAULT, "Opportunities", stages),)
        return tuple(
            Pipeline(held(each, "recordTypeId"), held(each, "name"), self._stages(held(each, "recordTypeId"), stages))
            for each in types
        )

    def _all_stages(self) -> Sequence[Row]:
        wanted = ("ApiName", "DefaultProbability", "ForecastCategoryName")
        return list(self.wire.query(select(wanted, "OpportunityStage", order="SortOrder", limit=500)))

    def _stages(self, record_type: str, stages: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """Return the stages that a record type allows; all of them where the org doesn't say."""
        path = f"ui-api/object-info/Opportunity/picklist-values/{record_type}/StageName"
        try:
            told = self.wire.get("stages", path)
        except Refusal:
            return stages
        allowed = {held(each, "value") for each in (told or {}).get("values", ())}
        return tuple(stage for stage in stages if stage[0] in allowed) or stages

    def _owners(self) -> Mapping[str, str]:
        is_person = f"UserType = {quoted('Standard')}"
        soql = select(("Id", "Email"), "User", "IsActive = true", is_person, order="Id", limit=10_000)
        return {held(row, "Id"): held(row, "Email") for row in self.wire.query(soql)}

    def _task_words(self) -> Mapping[str, str]:
        known = _choices(self.described("Task").get("Status", {}))
        if {"Not Started", "Completed"} <= set(known):
            return {"open": "Not Started", "done": "Completed"}
        soql = select(("ApiName", "IsClosed", "IsDefault", "SortOrder"), "TaskStatus", order="SortOrder", limit=100)
        rows = sorted(self.wire.query(soql), key=lambda row: not row.get("IsDefault"))
        words = {"done" if row.get("IsClosed") else "open": held(row, "ApiName") for row in reversed(rows)}
        if set(words) != {"open", "done"}:
            raise ConfigError("task.status: the org has no status for open tasks, or none for completed ones")
        return words

    def _tracked(self, sobject: str) -> frozenset[str]:
        of_object = f"EntityDefinition.QualifiedApiName = {quoted(sobject)}"
        rows = self.wire.query(select(("QualifiedApiName", "IsFieldHistoryTracked"), "FieldDefinition", of_object))
        found = {held(row, "QualifiedApiName") for row in rows if row.get("IsFieldHistoryTracked") is True}
        if "Name" in found:
            found |= {"FirstName", "LastName"}
        return frozenset(found)


def _fields_of(told: Row) -> Mapping[str, Row]:
    return {str(each["name"]): each for each in told.get("fields", ()) if each.get("name")}


def _author(row: Mapping[str, Any], us: str, machines: set[str]) -> Author:
    ref, type_ = held(row, "Id"), held(row, "UserType")
    if ref == us:
        kind = AuthorKind.US
    elif type_ in MACHINES or held(row, "Username").casefold() in machines:
        kind = AuthorKind.AUTOMATION
    else:
        kind = AuthorKind.PERSON if type_ == "Standard" else AuthorKind.UNKNOWN
    return Author(kind, ref, held(row, "Name"))


def _may_write(said: Mapping[str, Any]) -> bool:
    return bool(said.get("updateable") or said.get("createable"))


def _is_value(said: Mapping[str, Any]) -> bool:
    """Say whether a field is one that we can write, or read as somebody's value."""
    return said.get("type") in TYPES and bool(said.get("updateable")) and not said.get("calculated")


def _choices(said: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(each.get("value")) for each in said.get("picklistValues") or () if each.get("active", True))


def _column(said: Mapping[str, Any]) -> Column:
    is_flag = said.get("type") == "picklist" and bool(said.get("custom")) and set(_choices(said)) == {YES, NO}
    return Column(str(said["name"]), str(said.get("type")), said.get("length") or 0, said.get("scale") or 0, is_flag)


def _property(kind: str, said: Mapping[str, Any]) -> Property:
    column = _column(said)
    name = ours_of(column.name)
    type_ = "bool" if column.is_flag else TYPES[column.type]
    options = _choices(said) if type_ == "enum" else ()
    length = column.length or None if type_ in ("text", "long_text") else None
    spec = FieldSpec(name, type_, str(said.get("label", "")), options, length, True, name.startswith("ai_"))
    return Property(kind, spec, {column.name: column})


def ours_of(column: str) -> str:
    """Return our name of a field: one of ours goes without the ending of custom fields, and in lower case."""
    return column[:-3].lower() if column.lower().startswith("ai_") and column.endswith("__c") else column
