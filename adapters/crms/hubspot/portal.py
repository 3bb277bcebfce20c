"""What one HubSpot account is like: its id and time zone, pipelines, owners, and the properties of each record kind.

All of it is asked for seldom and remembered for a bounded time, because it costs calls and changes by an admin's hand.
A name or an option that isn't known is looked up once more before it is refused, so that what an admin has just made
works at once. A `Catalogue` gives each property of a kind its name of ours, its type, and the way to and from HubSpot.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from adapters.crms.hubspot.natives import CODECS, NATIVE, Codec, Held, Native
from adapters.crms.hubspot.options import HubSpotOptions
from adapters.crms.hubspot.shapes import Account, Definition, Definitions, Owners, Pipelines
from adapters.crms.hubspot.values import TEXT_CHARS
from adapters.crms.hubspot.vendor import MERGED_IDS, Paths
from adapters.crms.hubspot.wire import Wire
from adapters.formats.choices import choices
from adapters.http.remembered import FRESH, Remembered
from sidecar.errors import ConfigError, TemporaryError
from sidecar.model import Value
from sidecar.ports import Clock, FieldSpec, Pipeline

MAX_OWNER_PAGES = 100
_TYPES: Mapping[str, str] = {
    "number": "number", "bool": "bool", "date": "date", "datetime": "datetime", "enumeration": "enum",
}  # fmt: skip
_LONG = frozenset(("textarea", "html"))
_ALWAYS: Mapping[str, tuple[str, ...]] = {
    "contact": ("lastmodifieddate", "hs_additional_emails", "mobilephone"),
    "company": ("hs_lastmodifieddate", "hs_additional_domains"),
}


@dataclass(frozen=True, slots=True)
class Property:
    """One property under our name: what it may hold, where HubSpot keeps it, and the way there and back."""

    kind: str
    spec: FieldSpec
    vendor: tuple[str, ...]
    codec: Codec

    def to_vendor(self, value: Value, zone: tzinfo) -> dict[str, str]:
        """Return the vendor properties that a value is written as; errors name the property."""
        what = f"{self.kind}.{self.spec.name}"
        if not self.spec.writable:
            raise ConfigError(f"{what}: HubSpot lets nobody write it")
        return self.codec.to_vendor(what, self.spec, value, self.vendor, zone)

    def from_vendor(self, held: Held, zone: tzinfo) -> Value:
        """Return the value that vendor properties hold."""
        return self.codec.from_vendor(self.spec, held, self.vendor, zone)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The properties of a kind, by our names.

    `told` are those that a record's fields show: all that can be written, and HubSpot's own that we have a name for.
    `readable` are the vendor's properties that each reading asks for.
    """

    kind: str
    properties: Mapping[str, Property]
    told: Mapping[str, Property]
    definitions: Mapping[str, Definition]
    readable: tuple[str, ...]
    key: Definition | None
    at: datetime

    def find(self, name: str) -> Property | None:
        """Return a property by our name."""
        return self.properties.get(name)

    def unknown(self, name: str) -> ConfigError:
        """Return the error for a name that isn't there, with ours where HubSpot's was used."""
        ours = next((own for own, held in self.properties.items() if name in held.vendor), None)
        remedy = f"it is called {ours!r} here" if ours else "`sidecar provision` makes the AI-owned ones"
        return ConfigError(f"{self.kind}.{name}: there is no such property; {remedy}")


class Portal:
    """One account, remembered; safe to share between threads."""

    def __init__(self, wire: Wire, options: HubSpotOptions, clock: Clock) -> None:
        self.wire = wire
        self.paths = Paths(options.version)
        self._options = options
        self._clock = clock
        self._kept = Remembered(clock, options.cache_s)

    def account(self) -> Account:
        """Return the account that the token belongs to."""

        def look() -> Account:
            found = self.wire.get(Account, "account", self.paths.account("details"))
            self.wire.zone = _zone(found.zone)
            return found

        return self._kept.get("account", look)

    def known_account(self) -> str:
        """Return the portal's id without waiting for it: empty while nobody has asked."""
        held = self._kept.known("account")
        return held.portal if isinstance(held, Account) else ""

    def zone(self) -> tzinfo:
        """Return the account's time zone."""
        return _zone(self.account().zone)

    def pipelines(self) -> Sequence[Pipeline]:
        """Return the deal pipelines, in the order in which people see them."""
        return self._kept.get("pipelines", self._pipelines)

    def owners(self) -> Mapping[str, str]:
        """Return the owners who can be given records, id to e-mail address."""
        return self._kept.get("owners", self._owners)

    def catalogue(self, kind: str) -> Catalogue:
        """Return the properties of a kind."""
        return self._kept.get(f"catalogue {kind}", lambda: self._catalogue(kind))

    def property(self, kind: str, name: str) -> Property:
        """Return a property by our name, looked up once more before it is refused."""
        found = self.catalogue(kind)
        if found.find(name) is None and self._refreshed(kind, found):
            found = self.catalogue(kind)
        held = found.find(name)
        if held is None:
            raise found.unknown(name)
        return held

    def checked(self, kind: str, name: str, value: Value) -> dict[str, str]:
        """Return the vendor properties that a value is written as, with options that an admin has just added."""
        held = self.property(kind, name)
        is_new = bool(held.spec.options and isinstance(value, str) and value and value not in held.spec.options)
        if is_new and self._refreshed(kind, self.catalogue(kind)):
            held = self.property(kind, name)
        return held.to_vendor(value, self.zone())

    def forget(self) -> None:
        """Look everything up anew."""
        self._kept.forget_all_but()

    def _refreshed(self, kind: str, found: Catalogue) -> bool:
        if self._clock() - found.at <= FRESH:
            return False
        self._kept.forget(f"catalogue {kind}", "pipelines", "owners")
        return True

    def _pipelines(self) -> Sequence[Pipeline]:
        found = self.wire.get(Pipelines, "pipelines", self.paths.pipelines()).results
        return tuple(
            Pipeline(p.id, p.label, tuple((s.id, s.label) for s in sorted(p.stages, key=lambda s: s.order)))
            for p in sorted(found, key=lambda p: p.order)
        )

    def _owners(self) -> Mapping[str, str]:
        owners: dict[str, str] = {}
        query = {"limit": "100"}
        for _ in range(MAX_OWNER_PAGES):
            page = self.wire.get(Owners, "owners", self.paths.owners(), query)
            owners |= {owner.id: owner.email or "" for owner in page.results}
            if not page.paging or not page.paging.next or not page.paging.next.after:
                return owners
            query["after"] = page.paging.next.after
        raise TemporaryError(f"HubSpot lists owners beyond {MAX_OWNER_PAGES} pages")

    def _catalogue(self, kind: str) -> Catalogue:
        found = self.wire.get(Definitions, "properties", self.paths.properties(kind)).results
        definitions = {d.name: d for d in found if not d.archived}
        key = definitions.pop(self._options.key_property, None)
        properties: dict[str, Property] = {}
        for name, native in NATIVE[kind].items():
            if all(vendor in definitions for vendor in native.vendor):
                properties[name] = self._native(kind, name, native, definitions)
        taken = {vendor for held in properties.values() for vendor in held.vendor}
        for definition in definitions.values():
            if definition.name not in taken and definition.name not in properties:
                properties[definition.name] = self._custom(kind, definition)
        told = {name: held for name, held in properties.items() if held.spec.writable or name in NATIVE[kind]}
        readable = dict.fromkeys(vendor for held in told.values() for vendor in held.vendor)
        always = (*_ALWAYS.get(kind, ("hs_lastmodifieddate",)), MERGED_IDS)
        readable |= dict.fromkeys(name for name in always if name in definitions)
        if key:
            readable[key.name] = None
        defined = {d.name: d for d in found}
        return Catalogue(kind, properties, told, defined, tuple(readable), key, self._clock())

    def _native(self, kind: str, name: str, native: Native, definitions: Mapping[str, Definition]) -> Property:
        listed = definitions[native.vendor[0]]
        options = choices(native.options, self.owners, self.pipelines)
        if options == ("@theirs",):
            options = tuple(option.value for option in listed.options)
        max_chars = TEXT_CHARS if native.type in ("text", "long_text") else None
        type_ = native.type if options or native.type != "enum" or "@theirs" not in native.options else "text"
        spec = FieldSpec(name, type_, native.label, options, max_chars, native.writable)
        return Property(kind, spec, native.vendor, CODECS[native.codec])

    def _custom(self, kind: str, definition: Definition) -> Property:
        type_ = _TYPES.get(definition.type, "long_text" if definition.field_type in _LONG else "text")
        if type_ == "enum" and definition.field_type == "booleancheckbox":
            type_ = "bool"
        if type_ == "enum" and (definition.field_type == "checkbox" or not definition.options):
            type_ = "text"  # several options at once, or options that are kept elsewhere: HubSpot checks them
        spec = FieldSpec(
            name=definition.name,
            type=type_,
            label=definition.label,
            options=tuple(option.value for option in definition.options) if type_ == "enum" else (),
            max_chars=TEXT_CHARS if type_ in ("text", "long_text") else None,
            writable=not (definition.calculated or (definition.meta is not None and definition.meta.read_only_value)),
            ours=definition.group == self._options.group,
        )
        return Property(kind, spec, (definition.name,), CODECS["plain"])


def schema_of(catalogue: Catalogue) -> Mapping[str, FieldSpec]:
    """Return a kind's properties as the port tells them."""
    return {name: held.spec for name, held in catalogue.properties.items()}


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError):
        return UTC
