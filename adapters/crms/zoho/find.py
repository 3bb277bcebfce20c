"""Finds the records that bear an identifier: none, one or all of them, and never a guess.

Addresses, and phone numbers in the ways in which they are likely to be written, are asked for by queries, which don't
lag. A number that a person wrote in a way of their own is looked for by search as well, which may be behind. Each hit
is only a hint: it is read afresh, and what it holds now is compared, a number by what it means and not by its spelling.
"""

from collections.abc import Iterable, Iterator, Sequence

from adapters.crms.zoho import coql
from adapters.crms.zoho.natives import host_of
from adapters.crms.zoho.org import Org
from adapters.crms.zoho.records import Records, Row
from adapters.crms.zoho.vendor import IDENTIFYING, MODULES, chunks, held
from adapters.crms.zoho.wire import rows_in
from adapters.formats.phones import dialled, digits, read_phone, spellings
from sidecar.model import Identifier, Record


class Finder:
    """Looks for records by what identifies them."""

    def __init__(self, org: Org, records: Records, region: str) -> None:
        self._org, self._records, self._region = org, records, region

    def find(self, kind: str, identifiers: Sequence[Identifier]) -> dict[Identifier, list[Record]]:
        """Return all live records that bear each identifier; kinds that a record can't bear find nothing."""
        asked = [i for i in dict.fromkeys(identifiers) if i.kind in IDENTIFYING.get(kind, {}) and i.value.strip()]
        hits = dict.fromkeys(
            ref for what in dict.fromkeys(i.kind for i in asked) for ref in self._hits(kind, what, asked)
        )
        rows = self._records.fetch(kind, hits) if hits else {}
        bearers = {i: [ref for ref, row in rows.items() if self._bears(kind, i, row)] for i in asked}
        needed = {ref for refs in bearers.values() for ref in refs}
        records = {ref: self._records.record(kind, rows[ref]) for ref in needed}
        return {i: [records[ref] for ref in sorted(bearers.get(i, ()), key=int)] for i in identifiers}

    def holders(self, addresses: Iterable[str]) -> dict[str, str]:
        """Return the ref of a contact that has each address, of those that anybody has."""
        asked = [Identifier("email", address) for address in addresses]
        return {i.value: found[0].ref for i, found in self.find("contact", asked).items() if found}

    def _hits(self, kind: str, what: str, asked: Sequence[Identifier]) -> Iterator[str]:
        values = [i.value.strip() for i in asked if i.kind == what]
        known = self._org.catalogue(kind).definitions
        names = [name for name in IDENTIFYING[kind][what] if name in known]
        if what == "domain":
            for value in (value for value in values if coql.can_ask(value)):
                for name in names:
                    yield from self._records.ids(MODULES[kind], f"{name} like {coql.quoted(f'%{value}%')}")
            return
        written = [s for v in values for s in (spellings(v, self._region) if what == "phone" else (v, v.casefold()))]
        sayable = [text for text in dict.fromkeys(written) if coql.can_ask(text)]
        for part in chunks(sayable, coql.VALUES):
            if names:
                yield from self._records.ids(MODULES[kind], coql.either([coql.one_of(name, part) for name in names]))
        if what == "phone":
            for digits in dict.fromkeys(self._national(value) for value in values):
                query = {"phone": digits, "fields": "id"}
                found = self._org.wire.get("search", f"/{MODULES[kind]}/search", query) if len(digits) > 5 else {}
                yield from (held(row, "id") for row in rows_in(found, "data"))

    def _bears(self, kind: str, identifier: Identifier, row: Row) -> bool:
        texts = [held(row, name).strip() for name in IDENTIFYING[kind][identifier.kind]]
        if identifier.kind == "phone":
            return dialled(identifier.value, self._region) in {dialled(text, self._region) for text in texts if text}
        wanted = identifier.value.strip().casefold()
        if identifier.kind == "domain":
            return host_of(wanted) in {host_of(text) for text in texts if text}
        return wanted in {text.casefold() for text in texts}

    def _national(self, phone: str) -> str:
        """Return a number's digits within its country, by which search finds it whatever stands before them."""
        found = read_phone(dialled(phone, self._region), self._region)
        return found.national if found else digits(phone)
