"""Finds the records that bear an identifier: none, one or all of them, and never a guess.

An address is read as a unique property, which doesn't lag; second addresses, phones and domains are searched for, all
kinds of them together in as few searches as fit. Search is only a hint of where to look: each hit is read afresh, and
what it holds now is compared with the identifier, a phone number by the number that it means and not by its spelling.
"""

from collections.abc import Iterator, Mapping, Sequence

from adapters.crms.hubspot.portal import Portal
from adapters.crms.hubspot.records import Records
from adapters.crms.hubspot.search import Filter, Search
from adapters.crms.hubspot.shapes import Thing
from adapters.formats.phones import dialled, digits, read_phone, spellings
from sidecar.model import Identifier, Record

IDENTIFYING: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "contact": {"email": ("email", "hs_additional_emails"), "phone": ("phone", "mobilephone")},
    "company": {"domain": ("domain", "hs_additional_domains"), "phone": ("phone",)},
}
"""What finds a record of a kind, and which vendor properties hold it."""

_LISTS = frozenset(("hs_additional_emails", "hs_additional_domains"))
_CALCULATED = ("hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number")
"""HubSpot's own reading of a number: its digits without the country's code, as far as it can tell that.

Source: search guide, read 2026-11.
"""


class Finder:
    """Looks for records by what identifies them."""

    def __init__(self, portal: Portal, records: Records, search: Search, region: str) -> None:
        self._portal, self._records, self._search = portal, records, search
        self._region = region

    def find(self, kind: str, identifiers: Sequence[Identifier]) -> dict[Identifier, list[Record]]:
        """Return all live records that bear each identifier; kinds that a record can't bear find nothing."""
        asked = [i for i in dict.fromkeys(identifiers) if i.kind in IDENTIFYING.get(kind, {}) and i.value.strip()]
        things = self._by_address(kind, [i.value for i in asked if i.kind == "email"]) if kind == "contact" else {}
        addresses = {address for thing in things.values() for address in self._held(kind, "email", thing)}
        groups = list(self._groups(kind, [i for i in asked if i.kind != "email" or _plain(i.value) not in addresses]))
        hits = [ref for ref in self._search.refs(kind, *groups) if ref not in things] if groups else []
        fresh = self._records.fetch(kind, hits) if hits else {}
        things |= {thing.id: thing for thing in fresh.values()}
        bearers = {i: [t.id for t in things.values() if self._bears(kind, i, t)] for i in asked}
        needed = {ref for refs in bearers.values() for ref in refs}
        records = self._records.records(kind, [thing for ref, thing in things.items() if ref in needed])
        return {i: [records[ref] for ref in sorted(bearers.get(i, ()), key=_by_number)] for i in identifiers}

    def _by_address(self, kind: str, addresses: Sequence[str]) -> dict[str, Thing]:
        found = self._records.by_property(kind, "email", [_plain(a) for a in addresses]) if addresses else []
        return {thing.id: thing for thing in found}

    def _groups(self, kind: str, identifiers: Sequence[Identifier]) -> Iterator[Sequence[Filter]]:
        """Yield the conditions under which a record may bear one of the identifiers."""
        definitions = self._portal.catalogue(kind).definitions
        phones = [i.value for i in identifiers if i.kind == "phone"]
        if phones:
            national = tuple(dict.fromkeys(s for phone in phones for s in self._national(phone)))
            is_read = bool(national) and any(name in definitions for name in _CALCULATED)
            written = self._dialled if is_read else self._spellings  # a body holds few numbers in all their spellings
            spellings = tuple(dict.fromkeys(s for phone in phones for s in written(phone)))
            for name in IDENTIFYING[kind]["phone"]:
                if name in definitions:
                    yield [Filter(name, "IN", spellings)]
            for name in _CALCULATED:
                if name in definitions and national:
                    yield [Filter(name, "IN", national)]
        names = [_plain(i.value) for i in identifiers if i.kind in ("domain", "email")]
        if kind == "company" and names:
            yield [Filter("domain", "IN", tuple(names))]
        second = "hs_additional_emails" if kind == "contact" else "hs_additional_domains"
        if names and second in definitions and definitions[second].type == "enumeration":
            yield [Filter(second, "IN", tuple(names))]
        elif second in definitions:
            yield from ([Filter(second, "CONTAINS_TOKEN", (name,))] for name in names)

    def _bears(self, kind: str, identifier: Identifier, thing: Thing) -> bool:
        wanted = dialled(identifier.value, self._region) if identifier.kind == "phone" else _plain(identifier.value)
        return wanted in self._held(kind, identifier.kind, thing)

    def _held(self, kind: str, what: str, thing: Thing) -> set[str]:
        held: set[str] = set()
        for name in IDENTIFYING[kind][what]:
            text = thing.properties.get(name) or ""
            parts = text.split(";") if name in _LISTS else [text]
            held |= {dialled(p, self._region) if what == "phone" else _plain(p) for p in parts if p.strip()}
        return held

    def _dialled(self, phone: str) -> Iterator[str]:
        """Yield what HubSpot's own reading of a number may not see through: its digits with the country's code."""
        yield from dict.fromkeys((dialled(phone, self._region), dialled(phone, self._region).lstrip("+")))

    def _spellings(self, phone: str) -> Iterator[str]:
        return spellings(phone, self._region)

    def _national(self, phone: str) -> Iterator[str]:
        if found := read_phone(dialled(phone, self._region), self._region):
            yield found.national
            yield digits(found.home)


def _plain(text: str) -> str:
    return text.strip().casefold()


def _by_number(ref: str) -> tuple[int, str]:
    return (int(ref) if ref.isdigit() else 0, ref)
