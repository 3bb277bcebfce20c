"""Makes and takes away the fields that are ours, and says what is wrong with access.

A field of ours is known by its name, which begins with "AI": Pipedrive lets nothing else be told about a field. None is
ever turned into another type, options are added and never taken, and what a person made isn't touched.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from adapters.crms.pipedrive import values
from adapters.crms.pipedrive.account import KEY, KEY_LABEL, Company, name_for
from adapters.crms.pipedrive.options import PipedriveOptions
from adapters.crms.pipedrive.vendor import FIELDS, KEYED, PATHS, VARCHAR_CHARS
from adapters.crms.pipedrive.wire import Wire
from adapters.formats.furnish import lacked
from sidecar.errors import ConfigError, SidecarError
from sidecar.ports import FieldSpec

LOW = 0.1
_KEY_FIELD = {"field_name": KEY_LABEL, "field_type": "varchar"}
_TYPES: Mapping[str, str] = {
    "enum": "enum", "bool": "enum", "number": "double", "date": "date", "datetime": "varchar",
}  # fmt: skip


class Provision:
    """Furnishes one company."""

    def __init__(self, company: Company, options: PipedriveOptions) -> None:
        self._company, self._options = company, options

    def provision(self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool) -> list[str]:
        """Make the fields that are missing; `ConfigError` before anything is made where one is of another type."""
        self._company.forget()
        for kind, specs in wanted.items():
            self._check(kind, specs)
        lines = [
            line for kind, specs in wanted.items() for spec in specs for line in self._furnish(kind, spec, dry_run)
        ]
        for kind in KEYED:
            if self._company.catalogue(kind).key is None:
                lines.append(f"make {kind} field {KEY_LABEL!r}")
                if not dry_run:
                    self._company.wire.send("provision", "POST", FIELDS[kind], _KEY_FIELD)
        self._company.forget()
        return lines

    def deprovision(self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool) -> list[str]:
        """Take our fields away with their values; with the last of them also the keys."""
        self._company.forget()
        lines: list[str] = []
        left = 0
        for kind in KEYED:
            names = {spec.name for spec in wanted.get(kind, ())}
            ours = [each for each in self._company.catalogue(kind).properties.values() if each.spec.ours]
            taken = [each for each in ours if each.spec.name in names]
            left += len(ours) - len(taken)
            lines += [self._take(kind, each.codes[0], each.spec.name, dry_run) for each in taken]
        if not left and any(wanted.values()):  # also where an earlier run got no further than the last field
            keys = [(kind, key) for kind in KEYED if (key := self._company.catalogue(kind).key)]
            lines += [self._take(kind, key, KEY, dry_run) for kind, key in reversed(keys)]
        self._company.forget()
        return lines

    def check(self) -> list[str]:
        """Say what is wrong with the token, its rights and the day's budget, with the remedy."""
        wire, seen = self._company.wire, dict[str, None]()
        for attempt in self._attempts(wire):
            try:
                attempt()
            except SidecarError as error:
                seen[str(error)] = None
                if wire.calls["me"] and "token (" in str(error):
                    break
        left = wire.budget.left
        if left is not None and left < self._options.reserve / LOW:
            seen[f"{left} tokens of this day are left to the whole company: raise crm.every_s, or buy more"] = None
        return list(seen)

    def _attempts(self, wire: Wire) -> Iterator[Callable[[], object]]:
        yield self._company.id
        for path in dict.fromkeys(PATHS.values()):
            yield lambda path=path: wire.get("list", path, {"limit": "1"})  # type: ignore[misc]
        for kind in PATHS:
            yield lambda kind=kind: self._company.catalogue(kind)  # type: ignore[misc]

    def _check(self, kind: str, specs: Sequence[FieldSpec]) -> None:
        if specs and kind not in FIELDS:
            raise ConfigError(f"{kind}: Pipedrive lets no fields be made for it; choose targets on contact or deal")
        for spec in specs:
            held = self._company.catalogue(kind).properties.get(spec.name)
            if held is None and not spec.name.startswith("ai_"):
                raise ConfigError(f"{kind}.{spec.name}: a field that is made here is named ai_...")
            if held is not None and held.spec.type != _told(spec):
                raise ConfigError(f"{kind}.{spec.name} exists as {held.spec.type}, and {spec.type} is wanted")
            if held is not None:
                lacked(kind, held.spec, spec)

    def _furnish(self, kind: str, spec: FieldSpec, dry_run: bool) -> Iterator[str]:
        held = self._company.catalogue(kind).properties.get(spec.name)
        if held is None:
            options = [values.YES, values.NO] if spec.type == "bool" else list(spec.options)
            yield f"make {kind} field {spec.name} ({spec.type})"
            if not dry_run:
                body = {"field_name": name_for(spec), "field_type": _vendor_type(spec)}
                given = {"options": [{"label": label} for label in options]} if options else {}
                self._company.wire.send("provision", "POST", FIELDS[kind], body | given)
        elif missing := lacked(kind, held.spec, spec):
            yield f"add to {kind} field {spec.name}: {', '.join(missing)}"
            if not dry_run:
                path = f"{FIELDS[kind]}/{held.codes[0]}/options"
                self._company.wire.send("provision", "POST", path, [{"label": label} for label in missing])

    def _take(self, kind: str, code: str, name: str, dry_run: bool) -> str:
        if not dry_run:
            self._company.wire.send("remove", "DELETE", f"{FIELDS[kind]}/{code}")
        return f"remove {kind} field {name}"


def _vendor_type(spec: FieldSpec) -> str:
    is_short = spec.type == "text" and (spec.max_chars or VARCHAR_CHARS) <= VARCHAR_CHARS
    return "varchar" if is_short else _TYPES.get(spec.type, "text")


def _told(spec: FieldSpec) -> str:
    """Return the type as which a field of this specification reads back."""
    return "long_text" if _vendor_type(spec) == "text" else spec.type
