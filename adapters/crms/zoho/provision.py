"""Makes and takes away the fields that are ours and the lists for people, and says what is wrong with access.

A field of ours is known by its name in the API, which Zoho makes of its first label and never changes. None is turned
into another type, options are added and never taken, and what a person made isn't touched. Five fields go in a call.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from adapters.crms.zoho.faults import row_error
from adapters.crms.zoho.options import ZohoOptions
from adapters.crms.zoho.org import Org, Property
from adapters.crms.zoho.values import NO, YES, Definition
from adapters.crms.zoho.vendor import (
    KEY,
    KEY_LABEL,
    KEYED,
    LARGE_CHARS,
    MODULES,
    OUTCOME,
    OUTCOME_LABEL,
    OUTCOMES,
    RICH_CHARS,
    SMALL_CHARS,
    TEXT_CHARS,
    UPSERTED,
    chunks,
)
from adapters.crms.zoho.views import Views
from adapters.formats.furnish import lacked
from sidecar.errors import ConfigError, SidecarError, TemporaryError
from sidecar.ports import FieldSpec, View

PATH, MADE_AT_ONCE, PLACES, HELP_CHARS = "/settings/fields", 5, 4, 255
MEETING = "meeting"
LOW = 0.2
_TYPES: Mapping[str, str] = {
    "enum": "picklist", "bool": "picklist", "number": "double", "date": "date", "datetime": "datetime",
}  # fmt: skip


class Provision:
    """Furnishes one org."""

    def __init__(self, org: Org, views: Views, options: ZohoOptions) -> None:
        self._org, self._views, self._options = org, views, options

    def provision(self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View]) -> list[str]:
        """Make what is missing; `ConfigError` before anything is made where a field is of another type, or theirs."""
        self._org.forget()
        for kind, specs in wanted.items():
            self._check(kind, specs)
        lines = [line for kind, specs in wanted.items() for line in self._furnish(kind, specs, dry_run)]
        for kind in KEYED if wanted else ():
            missing = self._lacking(kind)
            lines += [f"make {kind} field {row['field_label']!r}" for row in missing]
            if missing and not dry_run:
                self._make(kind, missing)
        self._org.forget()
        names = {kind: frozenset(spec.name for spec in specs) for kind, specs in wanted.items()}
        return lines + self._views.furnish(views, names, dry_run=dry_run)

    def deprovision(self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View]) -> list[str]:
        """Take our lists and fields away, these with their values; with the last of them also the keys."""
        self._org.forget()
        lines = self._views.remove(views, dry_run=dry_run)
        left, taken = 0, list[tuple[str, Property]]()
        for kind in KEYED:
            names = {spec.name for spec in wanted.get(kind, ())}
            ours = [each for each in self._org.catalogue(kind).properties.values() if each.spec.ours]
            taken += [(kind, each) for each in ours if each.spec.name in names]
            left += sum(each.spec.name not in names for each in ours)
        for kind, each in taken:
            lines.append(self._take(kind, each.definition.ref if each.definition else "", each.spec.name, dry_run))
        if not left and any(wanted.values()):  # also where an earlier run got no further than the last field
            for kind in reversed(KEYED):
                catalogue = self._org.catalogue(kind)
                named = {KEY: catalogue.key or "", OUTCOME: OUTCOME if kind == MEETING else ""}
                for name, theirs in named.items():
                    if theirs in catalogue.definitions:
                        lines.append(self._take(kind, catalogue.definitions[theirs].ref, name, dry_run))
        self._org.forget()
        return lines

    def check(self) -> list[str]:
        """Say what is wrong with the token, its scopes, the user's profile, the pipelines and the day's credits."""
        seen = dict[str, None]()
        for attempt in self._attempts():
            try:
                attempt()
            except SidecarError as error:
                seen[str(error)] = None
                if isinstance(error, TemporaryError) or not self._org.wire.calls["org"] or "the token (" in str(error):
                    return list(seen)  # the others would only meet the same
        if not seen and not self._org.places():
            seen["no layout of Deals has a pipeline: make one in Zoho's settings"] = None
        if not seen and self._org.catalogue(MEETING).key and self._lacking(MEETING):
            seen[f"nothing says how a meeting stands: `sidecar provision` makes {OUTCOME_LABEL!r}"] = None
        left = self._org.wire.credits.left
        if left is not None and left < self._options.reserve / LOW:
            seen[f"{left} API credits are left to the whole org: raise crm.every_s, or buy more"] = None
        return list(seen)

    def _attempts(self) -> Iterator[Callable[[], object]]:
        wire = self._org.wire
        yield self._org.id
        yield self._org.me
        yield self._org.owners
        yield self._org.places
        for kind, module in MODULES.items():
            yield lambda kind=kind: self._org.catalogue(kind)  # type: ignore[misc]
            asked = {"fields": "id", "per_page": "1"}
            yield lambda module=module, asked=asked: wire.get("list", f"/{module}", asked)  # type: ignore[misc]
        query = "select id from Contacts where id is not null"
        yield lambda: next(wire.ask("query", query, 1), None)

    def _check(self, kind: str, specs: Sequence[FieldSpec]) -> None:
        if specs and kind not in KEYED:
            raise ConfigError(f"{kind}: Zoho lets no fields be made for it; choose targets on contact or deal")
        for spec in specs:
            held = self._org.catalogue(kind).properties.get(spec.name)
            if held is None and not spec.name.startswith("ai_"):
                raise ConfigError(f"{kind}.{spec.name}: a field that is made here is named ai_...")
            if held is not None and held.spec.type != _told(spec):
                raise ConfigError(f"{kind}.{spec.name} exists as {held.spec.type}, and {spec.type} is wanted")
            if held is not None:
                lacked(kind, held.spec, spec)

    def _lacking(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the fields that nobody asked for and that a kind hasn't got yet, as they are made."""
        catalogue = self._org.catalogue(kind)
        rows: list[Mapping[str, Any]] = [] if catalogue.key else [_key_field(kind)]
        return rows if kind != MEETING or OUTCOME in catalogue.definitions else [*rows, _OUTCOME_FIELD]

    def _furnish(self, kind: str, specs: Sequence[FieldSpec], dry_run: bool) -> Iterator[str]:
        properties = self._org.catalogue(kind).properties
        missing = [spec for spec in specs if spec.name not in properties]
        yield from (f"make {kind} field {spec.name} ({spec.type})" for spec in missing)
        if not dry_run:
            for part in chunks(missing, MADE_AT_ONCE):
                self._make(kind, [_row(spec) for spec in part])
        for spec in specs:
            held = properties.get(spec.name)
            lacking = lacked(kind, held.spec, spec) if held else ()
            if held and held.definition and lacking:
                yield f"add to {kind} field {spec.name}: {', '.join(lacking)}"
                if not dry_run:
                    self._add(kind, held.definition, lacking)

    def _make(self, kind: str, rows: Sequence[Mapping[str, Any]]) -> None:
        query = {"module": MODULES[kind]}
        told = self._org.wire.send("provision", "POST", PATH, {"fields": list(rows)}, query=query, rows="fields")
        self._done(kind, told)

    def _add(self, kind: str, held: Definition, labels: Sequence[str]) -> None:
        stand = [{"id": ref, "display_value": label, "actual_value": label} for ref, label in held.options]
        row = {"pick_list_values": [*stand, *_choices(labels)]}
        query, path = {"module": MODULES[kind]}, f"{PATH}/{held.ref}"
        self._done(kind, self._org.wire.send("provision", "PATCH", path, {"fields": [row]}, query=query, rows="fields"))

    def _take(self, kind: str, ref: str, name: str, dry_run: bool) -> str:
        if not dry_run:
            query, path = {"module": MODULES[kind]}, f"{PATH}/{ref}"
            self._done(kind, self._org.wire.send("remove", "DELETE", path, None, query=query, rows="fields"))
        return f"remove {kind} field {name}"

    def _done(self, kind: str, told: Sequence[Mapping[str, Any]]) -> None:
        for row in told:
            if row.get("status") == "error":
                self._org.forget()
                raise ConfigError(f"a field could not be made or taken: {row_error(kind, '', row, {})}")


def _row(spec: FieldSpec) -> dict[str, Any]:
    type_ = _vendor_type(spec)
    row: dict[str, Any] = {"field_label": _label(spec), "data_type": type_}
    if type_ == "textarea":
        room = spec.max_chars or LARGE_CHARS
        size = "small" if room <= SMALL_CHARS else "large" if room <= LARGE_CHARS else "rich_text"
        chars = {"small": SMALL_CHARS, "large": LARGE_CHARS, "rich_text": RICH_CHARS}[size]
        row |= {"textarea": {"type": size}, "length": chars}
    if type_ == "text":
        row["length"] = TEXT_CHARS
    if type_ == "double":
        row["decimal_place"] = PLACES
    if type_ == "picklist":
        row["pick_list_values"] = _choices(_labels(spec))
    if spec.help:
        row["tooltip"] = {"name": "static_text", "value": spec.help[:HELP_CHARS]}
    return row


def _key_field(kind: str) -> dict[str, Any]:
    row: dict[str, Any] = {"field_label": KEY_LABEL, "data_type": "text", "length": TEXT_CHARS}
    return row | ({"unique": {"case_sensitive": True}} if kind in UPSERTED else {})


def _choices(labels: Sequence[str]) -> list[dict[str, str]]:
    return [{"display_value": label, "actual_value": label} for label in labels]


def _labels(spec: FieldSpec) -> tuple[str, ...]:
    return (YES, NO) if spec.type == "bool" else spec.options


def _label(spec: FieldSpec) -> str:
    """Return the label of which Zoho makes the name that we want: that of the specification, or the name itself."""
    if "_".join(spec.label.casefold().split()) == spec.name:
        return spec.label
    return "AI " + spec.name.removeprefix("ai_").replace("_", " ")


def _vendor_type(spec: FieldSpec) -> str:
    is_short = spec.type == "text" and (spec.max_chars or TEXT_CHARS) <= TEXT_CHARS
    return "text" if is_short else _TYPES.get(spec.type, "textarea")


def _told(spec: FieldSpec) -> str:
    """Return the type as which a field of this specification reads back."""
    return "long_text" if _vendor_type(spec) == "textarea" else spec.type


_OUTCOME_FIELD: Mapping[str, Any] = {
    "field_label": OUTCOME_LABEL, "data_type": "picklist", "pick_list_values": _choices(OUTCOMES),
}  # fmt: skip
