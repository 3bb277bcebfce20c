"""What one Zoho org is like: its id, users, deal pipelines by layout, and the fields of each record kind.

All of it is asked for seldom and remembered for a bounded time. A field goes by its name in the API in small letters:
`AI_text` is `ai_text`. A pipeline goes by its name, and with that of its layout where two layouts have one of that
name; a stage by its own.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from adapters.crms.zoho import values
from adapters.crms.zoho.natives import NATIVE, Native, where_it_is, whether_closed
from adapters.crms.zoho.options import ZohoOptions
from adapters.crms.zoho.values import Definition
from adapters.crms.zoho.vendor import IDENTIFYING, KEY, MODULES, OF, TIES, TYPES, WHAT, Row, held, ref_in
from adapters.crms.zoho.wire import Wire, rows_in
from adapters.formats.choices import choices
from adapters.http.remembered import FRESH, Remembered
from sidecar.errors import ConfigError
from sidecar.model import Value
from sidecar.ports import Clock, FieldSpec, Pipeline

MAX_PAGES = 20
SYSTEM = "__s"
"""How the names of fields end that Zoho keeps for itself (`Locked__s`)."""
COMPUTED = frozenset(("Expected_Revenue",))
"""What Zoho works out from others. Source: help.zoho.com, standard fields of deals, read 2026-11."""


@dataclass(frozen=True, slots=True)
class Property:
    """One field under our name: what it may hold, and where Zoho keeps it."""

    kind: str
    spec: FieldSpec
    native: Native | None = None
    definition: Definition | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Zoho's names of what holds it."""
        return self.native.vendor if self.native else (self.definition.name,) if self.definition else ()

    def to_vendor(self, value: Value, known: Mapping[str, Definition]) -> dict[str, Any]:
        """Return the part of a row that writes a value; errors name the property."""
        what = f"{self.kind}.{self.spec.name}"
        if not self.spec.writable:
            raise ConfigError(f"{what}: Zoho lets nobody write it this way")
        if self.native:
            return self.native.to_vendor(what, self.spec, value, known)
        definition = cast(Definition, self.definition)
        return {definition.name: values.to_vendor(what, self.spec, value, definition)}

    def from_vendor(self, row: Row) -> Value:
        """Return the value that a record holds."""
        if self.native:
            return self.native.from_vendor(row)
        return values.from_vendor(self.spec.type, row.get(cast(Definition, self.definition).name))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The properties of a kind by our names, Zoho's definitions by its own, and the field that holds our key."""

    kind: str
    properties: Mapping[str, Property]
    definitions: Mapping[str, Definition]
    key: str | None
    at: datetime

    @property
    def ours(self) -> Mapping[str, str]:
        """Our names by Zoho's."""
        return {theirs: name for name, each in self.properties.items() for theirs in each.names}

    @property
    def read(self) -> tuple[str, ...]:
        """Zoho's names of all that is read of a record."""
        return self.reading(())

    def reading(self, asked: Sequence[Property]) -> tuple[str, ...]:
        """Return Zoho's names of all that is read of a record, and of some properties that are only counted."""
        read = [each for each in self.properties.values() if not each.spec.counted]
        told = [theirs for each in (*read, *asked) for theirs in each.names]
        found_by = [n for names in IDENTIFYING.get(self.kind, {}).values() for n in names if n in self.definitions]
        ties = [*TIES[self.kind].values(), *([OF] if WHAT in TIES[self.kind].values() else [])]
        system = ("id", "Created_Time", "Modified_Time", "Created_By", "Modified_By")
        return tuple(dict.fromkeys((*system, *told, *found_by, *ties, *((self.key,) if self.key else ()))))


@dataclass(frozen=True, slots=True)
class Place:
    """A pipeline as a layout has it: how we call it, how a deal names it, and which of its stages are ends."""

    ref: str
    label: str
    layout: str
    stages: tuple[tuple[str, str], ...]
    ends: frozenset[str]
    is_default: bool = False


class Org:
    """One org, remembered; safe to share between threads."""

    def __init__(self, wire: Wire, options: ZohoOptions, clock: Clock) -> None:
        self.wire = wire
        self._clock = clock
        self._kept = Remembered(clock, options.cache_s)

    def id(self) -> str:
        """Return the org's id."""
        return self._kept.get("org", self._id)

    def me(self) -> str:
        """Return the id of the user as whom we call."""
        return self._kept.get("me", self._me)

    def pipelines(self) -> Sequence[Pipeline]:
        """Return the pipelines of all layouts, the first layout's first."""
        return tuple(Pipeline(each.ref, each.label, each.stages) for each in self.places())

    def places(self) -> Sequence[Place]:
        """Return the pipelines as layouts have them."""
        return self._kept.get("pipelines", self._places)

    def place_of(self, row: Row) -> Place | None:
        """Return the pipeline that a deal is in."""
        label, layout = held(row, "Pipeline"), ref_in(row.get("Layout"))
        same = [each for each in self.places() if each.label == label]
        return next((each for each in same if each.layout == layout), same[0] if same else None)

    def owners(self) -> Mapping[str, str]:
        """Return the active users, id to e-mail address."""
        return {held(user, "id"): held(user, "email") for user in self._users()}

    def people(self) -> Mapping[str, str]:
        """Return the active users, name to id, where no two have one name: a timeline names them so."""
        names = Counter(held(user, "full_name") for user in self._users())
        return {name: held(u, "id") for u in self._users() if names[name := held(u, "full_name")] == 1}

    def catalogue(self, kind: str) -> Catalogue:
        """Return the properties of a kind."""
        return self._kept.get(f"fields {kind}", lambda: self._catalogue(kind))

    def property(self, kind: str, name: str, value: Value = None) -> Property:
        """Return a property by our name; it, and an option, is looked up once more before it is refused."""
        found = self.catalogue(kind).properties.get(name)
        is_new = bool(found and found.spec.options and value and value not in found.spec.options)
        if (found is None or is_new) and self._clock() - self.catalogue(kind).at > FRESH:
            self.forget()
            found = self.catalogue(kind).properties.get(name)
        if found is None:
            raise ConfigError(f"{kind}.{name}: there is no such field; `sidecar provision` makes the AI-owned ones")
        return found

    def key(self, kind: str) -> str:
        """Return the name of the field that holds our key; `ConfigError` before there is one."""
        name = self.catalogue(kind).key
        if name is None:
            self.forget()
            name = self.catalogue(kind).key
        if name is None:
            raise ConfigError(f"{kind}.{KEY} is not there yet: run `sidecar provision`")
        return name

    def forget(self) -> None:
        """Look everything but the org itself up anew."""
        self._kept.forget_all_but("org", "me")

    def _id(self) -> str:
        found = held(next(iter(rows_in(self.wire.get("org", "/org"), "org")), {}), "id")
        if not found:
            raise ConfigError("Zoho doesn't say which org the token is for", setting="crm.refresh_token_env")
        return found

    def _me(self) -> str:
        users = rows_in(self.wire.get("users", "/users", {"type": "CurrentUser"}), "users")
        return held(next(iter(users), {}), "id")

    def _users(self) -> Sequence[Mapping[str, Any]]:
        asked = {"type": "ActiveUsers"}
        return self._kept.get("users", lambda: list(self.wire.rows("users", "/users", asked, MAX_PAGES, key="users")))

    def _places(self) -> Sequence[Place]:
        layouts = rows_in(self.wire.get("layouts", "/settings/layouts", {"module": "Deals"}), "layouts")
        told: list[tuple[Row, Row]] = []
        for layout in layouts:
            if layout.get("visible", True):
                asked = {"layout_id": held(layout, "id")}
                told += [
                    (layout, p) for p in rows_in(self.wire.get("layouts", "/settings/pipeline", asked), "pipeline")
                ]
        names = Counter(held(pipeline, "actual_value") for _, pipeline in told)
        return tuple(_place(layout, p, names[held(p, "actual_value")] > 1) for layout, p in told)

    def _catalogue(self, kind: str) -> Catalogue:
        told = rows_in(self.wire.get("fields", "/settings/fields", {"module": MODULES[kind]}), "fields")
        definitions = {each.name: each for each in map(_definition, told)}
        natives = dict(NATIVE[kind])
        if kind == "deal":
            natives |= {"pipeline": self._pipeline(), "closed": self._closed()}
        properties = {
            name: self._native(kind, name, native, definitions)
            for name, native in natives.items()
            if not native.optional or native.vendor[0] in definitions
        }
        key, taken = None, {theirs for each in properties.values() for theirs in each.names}
        for definition in definitions.values():
            name = definition.name.casefold()
            if name == KEY:
                key = definition.name
            elif definition.type in TYPES and name not in properties and definition.name not in taken:
                spec = _spec(name, definition)
                if definition.is_custom:
                    properties[name] = Property(kind, spec, definition=definition)
                elif (
                    definition.is_writable and not definition.name.endswith(SYSTEM) and definition.name not in COMPUTED
                ):
                    spec = replace(spec, writable=False, counted=True)
                    properties[name] = Property(kind, spec, definition=definition)
        return Catalogue(kind, properties, definitions, key, self._clock())

    def _native(self, kind: str, name: str, native: Native, definitions: Mapping[str, Definition]) -> Property:
        definition = definitions.get(native.vendor[0])
        options = choices(native.options, self.owners, self.pipelines)
        if options == ("@theirs",):
            options = definition.labels if definition else ()
        is_text = native.type in ("text", "long_text") and len(native.vendor) == 1
        chars = definition.length if is_text and definition else None
        spec = FieldSpec(name, native.type, native.label, options, chars, native.writable)
        return Property(kind, spec, native=native)

    def _pipeline(self) -> Native:
        def to(value: Value) -> Mapping[str, Any]:
            place = next(each for each in self.places() if each.ref == value)
            return {"Pipeline": place.label, "Layout": {"id": place.layout}}

        def back(row: Row) -> Value:
            place = self.place_of(row)
            return place.ref if place else held(row, "Pipeline") or None

        return where_it_is(to, back)

    def _closed(self) -> Native:
        def back(row: Row) -> Value:
            place = self.place_of(row)
            ends = place.ends if place else frozenset(end for each in self.places() for end in each.ends)
            return True if held(row, "Stage") in ends else None

        return whether_closed(back)


def _place(layout: Row, pipeline: Row, is_ambiguous: bool) -> Place:
    label = held(pipeline, "actual_value")
    told = pipeline.get("maps")
    stages = [stage for stage in told if isinstance(stage, dict)] if isinstance(told, list) else []
    stages.sort(key=lambda stage: stage.get("sequence_number") or 0)
    named = tuple((held(s, "actual_value"), held(s, "display_value") or held(s, "actual_value")) for s in stages)
    ends = frozenset(held(s, "actual_value") for s in stages if held(s, "forecast_type").startswith("Closed"))
    ref = f"{label} ({held(layout, 'name')})" if is_ambiguous else label
    return Place(ref, label, held(layout, "id"), named, ends, pipeline.get("default") is True)


def _definition(row: Row) -> Definition:
    told = row.get("pick_list_values")
    choices = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
    options = tuple((held(c, "id"), held(c, "actual_value")) for c in choices if c.get("type", "used") == "used")
    length, places = row.get("length"), row.get("decimal_place")
    return Definition(
        held(row, "api_name"),
        held(row, "data_type"),
        held(row, "field_label") or held(row, "display_label"),
        held(row, "id"),
        length if isinstance(length, int) and length > 0 else None,
        places if isinstance(places, int) else None,
        options,
        bool(row.get("custom_field")),
        not (row.get("read_only") or row.get("field_read_only")) and _may_write(row),
        tuple((held(c, "actual_value"), c["probability"]) for c in choices if isinstance(c.get("probability"), int)),
    )


def _may_write(row: Row) -> bool:
    """Say whether a field can be written at all, by a form or a program: some are there to be read alone."""
    may = row.get("operation_type")
    return not isinstance(may, dict) or not may or any(may.values())


def _spec(name: str, definition: Definition) -> FieldSpec:
    type_ = TYPES[definition.type]
    if type_ == "enum" and set(definition.labels) == {values.YES, values.NO}:
        type_ = "bool"
    options = definition.labels if type_ == "enum" else ()
    chars = definition.length if type_ in ("text", "long_text") else None
    return FieldSpec(name, type_, definition.label, options, chars, definition.is_writable, name.startswith("ai_"))
