"""What one Pipedrive company is like: its id, users, pipelines, and the fields of each record kind.

All of it is asked for seldom and remembered for a bounded time. A field's code is 40 hexadecimal digits that differ
from company to company, so a custom field goes by a name that is made of what people see: "AI summary" is
`ai_summary`. What no such name can say stands in the field's own name in parentheses:
"AI long text (ai_long)", "AI visit (UTC)".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from adapters.crms.pipedrive import values
from adapters.crms.pipedrive.natives import MAX_CHARS, NATIVE, Native
from adapters.crms.pipedrive.options import PipedriveOptions
from adapters.crms.pipedrive.vendor import FIELDS, LOST, ME, PIPELINES, STAGES, TYPES, USERS, WON, held
from adapters.crms.pipedrive.wire import Wire, row_in, rows_in
from adapters.formats.choices import choices
from adapters.http.remembered import FRESH, Remembered
from sidecar.errors import ConfigError
from sidecar.model import Value
from sidecar.ports import Clock, FieldSpec, Pipeline

KEY, KEY_LABEL = "ai_sidecar_key", "AI sidecar key"
UTC_MARK = " (UTC)"
MAX_PAGES = 20
_NAMED = re.compile(r"(.*) \(([a-z][a-z0-9_]*)\)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Custom:
    """A custom field: its code, Pipedrive's type of it, and the ids of its options by their labels."""

    code: str
    type: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Property:
    """One field under our name: what it may hold, and where Pipedrive keeps it."""

    kind: str
    spec: FieldSpec
    native: Native | None = None
    custom: Custom | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """Pipedrive's names of what holds it."""
        return self.native.vendor if self.native else (self.custom.code,) if self.custom else ()

    def to_vendor(self, value: Value, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part of a body that writes a value; errors name the property."""
        what = f"{self.kind}.{self.spec.name}"
        if not self.spec.writable:
            raise ConfigError(f"{what}: Pipedrive lets nobody write it this way")
        if self.native:
            return self.native.to_vendor(what, self.spec, value, row)
        custom = cast(Custom, self.custom)
        return {"custom_fields": {custom.code: values.to_vendor(what, self.spec, value, custom.options)}}

    def from_vendor(self, row: Mapping[str, Any]) -> Value:
        """Return the value that a record holds."""
        if self.native:
            return self.native.from_vendor(row)
        custom = cast(Custom, self.custom)
        return values.from_vendor(self.spec.type, (row.get("custom_fields") or {}).get(custom.code), custom.options)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The properties of a kind, by our names, and the code of the field that holds our key."""

    kind: str
    properties: Mapping[str, Property]
    key: str | None
    at: datetime

    @property
    def names(self) -> Mapping[str, str]:
        """Our names by Pipedrive's."""
        return {code: name for name, held in self.properties.items() for code in held.codes}


class Company:
    """One company, remembered; safe to share between threads."""

    def __init__(self, wire: Wire, options: PipedriveOptions, clock: Clock) -> None:
        self.wire = wire
        self._clock = clock
        self._kept = Remembered(clock, options.cache_s)

    def id(self) -> str:
        """Return the company's id."""
        return self._kept.get("me", self._me)

    def pipelines(self) -> Sequence[Pipeline]:
        """Return the pipelines, each with its stages and with the two ends that every pipeline has."""
        return self._kept.get("pipelines", self._pipelines)

    def owners(self) -> Mapping[str, str]:
        """Return the active users, id to e-mail address."""
        return self._kept.get("owners", self._owners)

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

    def forget(self) -> None:
        """Look everything but the company itself up anew."""
        self._kept.forget_all_but("me")

    def definitions(self, kind: str) -> list[dict[str, Any]]:
        """Ask for the custom fields of a kind as Pipedrive defines them."""
        rows = self.wire.rows("fields", FIELDS[kind], {}, MAX_PAGES) if kind in FIELDS else iter(())
        return [row for row in rows if is_custom(row)]

    def _me(self) -> str:
        found = held(row_in(self.wire.get("me", ME)), "company_id")
        if not found:
            raise ConfigError("Pipedrive doesn't say which company the token is for", setting="crm.token_env")
        return found

    def _pipelines(self) -> Sequence[Pipeline]:
        stages: dict[str, list[tuple[str, str]]] = {}
        for row in sorted(self.wire.rows("pipelines", STAGES, {}, MAX_PAGES), key=lambda row: row.get("order_nr") or 0):
            stages.setdefault(held(row, "pipeline_id"), []).append((held(row, "id"), held(row, "name")))
        rows = sorted(self.wire.rows("pipelines", PIPELINES, {}, MAX_PAGES), key=lambda row: row.get("order_nr") or 0)
        ends = ((WON, "Won"), (LOST, "Lost"))
        return tuple(
            Pipeline(held(row, "id"), held(row, "name"), (*stages.get(held(row, "id"), ()), *ends)) for row in rows
        )

    def _owners(self) -> Mapping[str, str]:
        users = rows_in(self.wire.get("users", USERS))
        return {held(user, "id"): held(user, "email") for user in users if user.get("active_flag", True)}

    def _catalogue(self, kind: str) -> Catalogue:
        properties = {name: self._native(kind, name, native) for name, native in NATIVE[kind].items()}
        key = None
        for row in self.definitions(kind):
            custom = _custom(kind, row)
            if custom.spec.name == KEY:
                key = held(row, "field_code")
            elif custom.spec.name not in properties:
                properties[custom.spec.name] = custom
        return Catalogue(kind, properties, key, self._clock())

    def _native(self, kind: str, name: str, native: Native) -> Property:
        options = choices(native.options, self.owners, self.pipelines)
        spec = FieldSpec(name, native.type, native.label, options, MAX_CHARS.get(native.type), native.writable)
        return Property(kind, spec, native=native)


def is_custom(row: Mapping[str, Any]) -> bool:
    """Say whether somebody made a field: its code is 40 hexadecimal digits, where the definition doesn't say so."""
    said = row.get("is_custom_field")
    return bool(said) if said is not None else bool(re.fullmatch(r"[0-9a-f]{40}", held(row, "field_code")))


def name_for(spec: FieldSpec) -> str:
    """Return the name that people see of a field of ours, from which `_spec_of` reads the same specification."""
    label = spec.label or spec.name
    named = label if _slug(label) == spec.name else f"{label} ({spec.name})"
    return named + UTC_MARK if spec.type == "datetime" else named


def _custom(kind: str, row: Mapping[str, Any]) -> Property:
    seen, type_ = held(row, "field_name"), held(row, "field_type")
    is_time = type_ in ("varchar", "varchar_auto", "text") and seen.endswith(UTC_MARK)
    label = seen.removesuffix(UTC_MARK) if is_time else seen
    named = _NAMED.fullmatch(label)
    label, name = named.groups() if named else (label, _slug(label) or held(row, "field_code"))
    options = {held(option, "label"): option.get("id") for option in row.get("options") or ()}
    ours = "datetime" if is_time else TYPES.get(type_, "text")
    if ours == "enum" and set(options) == {values.YES, values.NO}:
        ours = "bool"
    chars = MAX_CHARS["long_text"] if type_ == "text" else MAX_CHARS.get(ours)
    told = tuple(options) if ours == "enum" else ()
    spec = FieldSpec(name, ours, label, told, chars, type_ in TYPES, name.startswith("ai_"))
    return Property(kind, spec, custom=Custom(held(row, "field_code"), type_, options))


def _slug(label: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", label.casefold()).strip("_")
