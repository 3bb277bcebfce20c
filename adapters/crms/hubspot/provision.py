"""Makes what the sidecar needs in an account, and takes it away again: a property group, our keys, AI-owned properties.

Everything of ours lies in one group, which is how it is told from the account's own. A property that exists is never
turned into another; options are added and never taken. Whether notes, tasks and meetings may have properties of ours
is not documented (2026-11), so it is tried: a unique key, else a plain one, else none and the body carries a mark. The
contacts' key is made last, and so says that all of this was done.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from adapters.crms.hubspot.faults import Refusal
from adapters.crms.hubspot.options import HubSpotOptions
from adapters.crms.hubspot.portal import Catalogue, Portal
from adapters.crms.hubspot.shapes import Definition, Groups, Shape
from adapters.crms.hubspot.vendor import KEYED
from adapters.formats.furnish import lacked
from sidecar.errors import ConfigError, UnknownOutcome
from sidecar.ports import FieldSpec

LABEL = "AI sidecar"
WRITTEN_BY_US = "Written by the AI sidecar from conversations. What a person enters here stands."
MUST_BE_UNIQUE = frozenset(("contact", "company", "deal"))
_MADE_AS: Mapping[str, tuple[str, str]] = {
    "text": ("string", "text"),
    "long_text": ("string", "textarea"),
    "enum": ("enumeration", "select"),
    "number": ("number", "number"),
    "date": ("date", "date"),
    "datetime": ("datetime", "date"),
    "bool": ("bool", "booleancheckbox"),
}
_FLAGS = (("Yes", "true"), ("No", "false"))
_LIKE = {"long_text": "text"}
"""HubSpot keeps both as a string: they differ only in the box that people type into."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to be done to a kind, and the line that says so."""

    kind: str
    line: str
    do: Callable[[], None]


class Provision:
    """Furnishes one account."""

    def __init__(self, portal: Portal, options: HubSpotOptions) -> None:
        self._portal, self._options = portal, options

    def provision(self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool) -> list[str]:
        """Make what is missing, and say so; `ConfigError`, before anything is made, for what can't be."""
        self._portal.forget()
        steps = [step for kind, specs in wanted.items() for step in self._properties(kind, specs)]
        is_done = self._portal.catalogue("contact").key is not None
        steps += [self._key(kind) for kind in KEYED if not is_done and self._portal.catalogue(kind).key is None]
        if not dry_run:
            for kind in dict.fromkeys(step.kind for step in steps):
                self._group(kind)
            for step in steps:
                step.do()
            self._portal.forget()
        return [step.line for step in steps]

    def deprovision(self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool) -> list[str]:
        """Take away the AI-owned properties among these; with the last of them also our keys and groups."""
        self._portal.forget()
        going = {kind: self._ours(kind, {spec.name for spec in specs}) for kind, specs in wanted.items()}
        staying = any(set(self._ours(kind)) - set(going.get(kind, ())) for kind in KEYED)
        steps = [(f"remove {kind}.{name}", kind, name) for kind, names in going.items() for name in names]
        keyed = [] if staying else [kind for kind in KEYED if self._portal.catalogue(kind).key is not None]
        steps += [
            (f"remove {kind}.{self._options.key_property}", kind, self._options.key_property)
            for kind in reversed(keyed)
        ]
        grouped = [] if staying else [kind for kind in KEYED if self._has_group(kind)]
        if not dry_run:
            for _, kind, name in steps:
                self._gone_is_fine("remove_property", self._portal.paths.properties(kind, name))
            for kind in grouped:
                path = self._portal.paths.properties(kind, "groups", self._options.group)
                self._gone_is_fine("remove_group", path)
            self._portal.forget()
        return [line for line, _, _ in steps] + [
            f"remove the group {self._options.group} of {kind}" for kind in grouped
        ]

    # ----------------------------------------------------------------------------------------------------------------

    def _properties(self, kind: str, specs: Sequence[FieldSpec]) -> list[Step]:
        catalogue = self._portal.catalogue(kind)
        found = (self._property(catalogue, spec) for spec in {spec.name: spec for spec in specs}.values())
        return [step for step in found if step is not None]

    def _property(self, catalogue: Catalogue, spec: FieldSpec) -> Step | None:
        kind, name = catalogue.kind, f"{catalogue.kind}.{spec.name}"
        held = catalogue.find(spec.name)
        if held is None:
            options = f": {', '.join(spec.options)}" if spec.options else ""
            body = self._new(name, spec)
            return Step(kind, f"create {name} ({spec.type}{options})", partial(self._make, kind, body))
        if _LIKE.get(held.spec.type, held.spec.type) != _LIKE.get(spec.type, spec.type):
            raise ConfigError(
                f"{name} exists as {held.spec.type}, and {spec.type} is wanted: choose another name for it"
            )
        missing = lacked(kind, held.spec, spec)
        if not missing:
            return None
        wider = _widened(catalogue.definitions[held.vendor[0]], missing)
        return Step(kind, f"add {', '.join(missing)} to {name}", partial(self._widen, kind, spec.name, wider))

    def _new(self, name: str, spec: FieldSpec) -> dict[str, Any]:
        if spec.type not in _MADE_AS:
            raise ConfigError(f"{name}: no such type as {spec.type!r}; there are {', '.join(sorted(_MADE_AS))}")
        if spec.type == "enum" and not spec.options:
            raise ConfigError(f"{name}: an enum needs options")
        type_, field_type = _MADE_AS[spec.type]
        options = [(o.replace("_", " ").capitalize(), o) for o in dict.fromkeys(spec.options)]
        listed = options if spec.type == "enum" else list(_FLAGS) if spec.type == "bool" else []
        return {
            "name": spec.name,
            "label": spec.label or "AI " + spec.name.removeprefix("ai_").replace("_", " "),
            "type": type_,
            "fieldType": field_type,
            "groupName": self._options.group,
            "description": spec.help or WRITTEN_BY_US,
            "options": [_option(place, label, value) for place, (label, value) in enumerate(listed)],
            "formField": False,
        }

    def _key(self, kind: str) -> Step:
        body = {
            "name": self._options.key_property,
            "label": "AI sidecar key",
            "type": "string",
            "fieldType": "text",
            "groupName": self._options.group,
            "description": "By this the AI sidecar knows the records that it made. Never edit it.",
            "options": [],
            "formField": False,
        }
        line = f"create {kind}.{self._options.key_property} (key)"
        return Step(kind, line, partial(self._make_key, kind, body))

    def _make_key(self, kind: str, body: Mapping[str, Any]) -> None:
        try:
            self._make(kind, {**body, "hasUniqueValue": True})
        except ConfigError:
            if kind in MUST_BE_UNIQUE:
                raise
            try:
                self._make(kind, body)
            except ConfigError:
                return  # then the body of each such record carries a mark, and search finds it

    def _make(self, kind: str, body: Mapping[str, Any]) -> None:
        try:
            self._portal.wire.change(Shape, "create_property", "POST", self._portal.paths.properties(kind), dict(body))
        except Refusal as refusal:
            if refusal.status != 409:  # it exists, which is what was wanted
                raise ConfigError(f"{kind}.{body['name']} can't be made: {refusal}") from None
        except UnknownOutcome:
            self._portal.forget()
            if str(body["name"]) not in self._portal.catalogue(kind).definitions:
                raise

    def _widen(self, kind: str, name: str, options: Sequence[Mapping[str, Any]]) -> None:
        path = self._portal.paths.properties(kind, name)
        self._portal.wire.change(Shape, "change_property", "PATCH", path, {"options": list(options)})

    def _group(self, kind: str) -> None:
        if self._has_group(kind):
            return
        body = {"name": self._options.group, "label": LABEL, "displayOrder": -1}
        try:
            path = self._portal.paths.properties(kind, "groups")
            self._portal.wire.change(Shape, "create_group", "POST", path, body)
        except Refusal as refusal:
            if refusal.status != 409 and kind in MUST_BE_UNIQUE:
                raise ConfigError(f"the property group {self._options.group} can't be made: {refusal}") from None

    def _has_group(self, kind: str) -> bool:
        path = self._portal.paths.properties(kind, "groups")
        return any(group.name == self._options.group for group in self._portal.wire.get(Groups, "groups", path).results)

    def _gone_is_fine(self, operation: str, path: str) -> None:
        try:
            self._portal.wire.remove(operation, path)
        except Refusal as refusal:
            if refusal.status != 404:
                raise ConfigError(f"{path.rpartition('/')[2]} can't be removed: {refusal}") from None

    def _ours(self, kind: str, names: set[str] | None = None) -> list[str]:
        catalogue: Catalogue = self._portal.catalogue(kind)
        return [
            name for name, held in catalogue.properties.items() if held.spec.ours and (names is None or name in names)
        ]


def _widened(held: Definition, missing: Sequence[str]) -> list[dict[str, Any]]:
    known = [option.model_dump(exclude_none=True) for option in held.options]
    added = [_option(len(known) + i, o.replace("_", " ").capitalize(), o) for i, o in enumerate(missing)]
    return [*known, *added]


def _option(place: int, label: str, value: str) -> dict[str, Any]:
    return {"label": label, "value": value, "displayOrder": place, "hidden": False}
