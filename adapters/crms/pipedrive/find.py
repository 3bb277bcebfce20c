"""Finds the records that bear an identifier: none, one or all of them, and never a guess.

Search is only a hint of where to look: each hit is read afresh, and what it holds now is compared with the identifier,
a phone number by the number that it means and not by its spelling. Pipedrive has no field for a company's domain, so a
company is found by nothing but its links.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.crms.pipedrive.account import Company
from adapters.crms.pipedrive.memory import Memory
from adapters.crms.pipedrive.natives import listed
from adapters.crms.pipedrive.records import Records
from adapters.crms.pipedrive.vendor import BATCH, PATHS, held
from adapters.crms.pipedrive.wire import rows_in
from adapters.formats.phones import dialled, read_phone
from sidecar.model import Identifier, Record

FIELDS: Mapping[str, str] = {"email": "emails", "phone": "phones"}
"""What finds a person, and which field holds it."""


class Finder:
    """Looks for persons by what identifies them."""

    def __init__(self, company: Company, records: Records, memory: Memory, region: str) -> None:
        self._company, self._records, self._memory = company, records, memory
        self._region = region

    def find(self, kind: str, identifiers: Sequence[Identifier]) -> dict[Identifier, list[Record]]:
        """Return all live records that bear each identifier; kinds that a record can't bear find nothing."""
        asked = [i for i in dict.fromkeys(identifiers) if kind == "contact" and i.kind in FIELDS and i.value.strip()]
        hits = list(dict.fromkeys(ref for identifier in asked for ref in self._hits(identifier)))
        rows = self._records.fetch(kind, hits) if hits else {}
        bearers = {i: [ref for ref, row in rows.items() if self._bears(i, row)] for i in asked}
        self._memory.looked(kind, [str(i) for i in asked if i.kind == "email" and not bearers[i]])
        records = {ref: self._records.record(kind, rows[ref]) for refs in bearers.values() for ref in refs}
        return {i: [records[ref] for ref in sorted(bearers.get(i, ()), key=int)] for i in identifiers}

    def holder(self, email: str, lately: Sequence[dict[str, Any]]) -> str | None:
        """Return the ref of a person who has an address, among those of late and those that search knows."""
        address = Identifier("email", email.strip().casefold())
        found = next((held(row, "id") for row in lately if self._bears(address, row)), None)
        if found is None and not self._memory.absent("contact", str(address)):
            found = next((record.ref for record in self.find("contact", [address])[address]), None)
        return found

    def _hits(self, identifier: Identifier) -> Iterator[str]:
        is_phone = identifier.kind == "phone"
        terms = list(self._spellings(identifier.value)) if is_phone else [identifier.value.strip()]
        for term in terms:
            query = {"term": term, "fields": identifier.kind, "limit": str(BATCH)}
            query |= {} if is_phone else {"exact_match": "true"}
            answer = self._company.wire.get("search", f"{PATHS['contact']}/search", query)
            for row in rows_in(answer):
                yield held(row.get("item") or row, "id")

    def _bears(self, identifier: Identifier, row: Mapping[str, Any]) -> bool:
        values = [str(each["value"]) for each in listed(row, FIELDS[identifier.kind])]
        if identifier.kind == "phone":
            return dialled(identifier.value, self._region) in {dialled(value, self._region) for value in values}
        return identifier.value.strip().casefold() in {value.strip().casefold() for value in values}

    def _spellings(self, phone: str) -> Iterator[str]:
        """Yield parts that are in most spellings of a number: its digits within the country, run together and apart."""
        found = read_phone(dialled(phone, self._region), self._region)
        parts = (found.national, found.abroad.partition(" ")[2]) if found else (dialled(phone, self._region),)
        yield from dict.fromkeys(part for part in parts if part)
