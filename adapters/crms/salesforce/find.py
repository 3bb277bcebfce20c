"""Finds the records that bear an identifier: none, one or all of them, and never a guess.

Queries don't lag, but texts stand as somebody typed them: a phone number is asked for by its digits with anything
between them, a domain anywhere within a website, and what each hit holds is then compared by what it means. The recycle
bin is asked as well: who was merged into somebody, or a lead that became a contact, still leads there by the address
that only the lost record had.
"""

from collections.abc import Iterator, Mapping, Sequence

from adapters.crms.salesforce.natives import domain_of
from adapters.crms.salesforce.org import Org
from adapters.crms.salesforce.records import Records
from adapters.crms.salesforce.soql import among, like, select
from adapters.crms.salesforce.vendor import MERGEABLE, Row, chunks, held
from adapters.crms.salesforce.wire import Query
from adapters.formats.phones import dialled, read_phone
from sidecar.model import Identifier, Record

BEARING: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Contact": {"email": ("Email",), "phone": ("Phone", "MobilePhone", "HomePhone", "OtherPhone")},
    "Lead": {"email": ("Email",), "phone": ("Phone", "MobilePhone")},
    "Account": {"domain": ("Website",), "phone": ("Phone",)},
}
"""What finds a record, and which fields hold it."""
AT_ONCE = 50
"""How many identifiers one query asks for."""


class Finder:
    """Looks for people and companies by what identifies them."""

    def __init__(self, org: Org, records: Records, region: str) -> None:
        self._org, self._records, self._region = org, records, region

    def find(self, kind: str, identifiers: Sequence[Identifier]) -> dict[Identifier, list[Record]]:
        """Return all live records that bear each identifier; kinds that a record can't bear find nothing."""
        bearers = self.bearers(kind, identifiers)
        rows = self._records.fetch(kind, sorted({ref for refs in bearers.values() for ref in refs}))
        records = self._records.records(kind, list(rows.values()))
        return {i: [records[ref] for ref in bearers.get(i, ()) if ref in records] for i in identifiers}

    def bearers(self, kind: str, identifiers: Sequence[Identifier]) -> dict[Identifier, list[str]]:
        """Return the refs of what bears each identifier, or what its bearer was merged into or became."""
        hits: list[tuple[str, Row]] = []
        for prefix in self._records.samples(kind):
            sobject = self._org.object(kind, prefix)
            asked = [i for i in dict.fromkeys(identifiers) if i.kind in BEARING.get(sobject, {}) and i.value.strip()]
            queries = [self._query(sobject, part) for part in chunks(asked, AT_ONCE)]
            hits += [(sobject, row) for rows in self._org.wire.queries(queries) for row in rows] if queries else []
        lost = [held(row, "Id") for _, row in hits if _is_lost(row)]
        moved = self._records.survivors(kind, lost) if lost else {}
        found: dict[Identifier, list[str]] = {}
        for identifier in dict.fromkeys(identifiers):
            borne = [row for sobject, row in hits if self._bears(sobject, identifier, row)]
            refs = [moved.get(held(row, "Id"), "") if _is_lost(row) else held(row, "Id") for row in borne]
            found[identifier] = sorted({ref for ref in refs if ref})
        return found

    def _query(self, sobject: str, identifiers: Sequence[Identifier]) -> Query:
        fields = [name for names in BEARING[sobject].values() for name in names]
        known = self._org.described(sobject)
        columns = ["Id", "IsDeleted", *(name for name in fields if name in known)]
        columns += ["IsConverted"] if sobject == "Lead" else []
        columns += ["MasterRecordId"] if sobject in MERGEABLE else []
        any_of = " OR ".join(c for i in identifiers for c in self._conditions(sobject, i) if c.split(" ")[0] in known)
        return Query(select(columns, sobject, f"({any_of})"), deleted=True)

    def _conditions(self, sobject: str, identifier: Identifier) -> Iterator[str]:
        for name in BEARING[sobject][identifier.kind]:
            if identifier.kind == "email":
                yield among(name, [identifier.value.strip()])
            elif identifier.kind == "domain":
                yield like(name, identifier.value.strip())
            else:
                yield like(name, *self._digits(identifier.value))

    def _digits(self, phone: str) -> str:
        """Return the digits of a number that are in every spelling of it."""
        found = read_phone(dialled(phone, self._region), self._region)
        return found.national if found else dialled(phone, self._region)

    def _bears(self, sobject: str, identifier: Identifier, row: Row) -> bool:
        texts = [held(row, name) for name in BEARING[sobject].get(identifier.kind, ())]
        wanted = identifier.value.strip()
        if identifier.kind == "phone":
            return dialled(wanted, self._region) in {dialled(text, self._region) for text in texts if text}
        if identifier.kind == "domain":
            return domain_of(wanted) in {domain_of(text) for text in texts if text}
        return bool(wanted) and wanted.casefold() in {text.strip().casefold() for text in texts}


def _is_lost(row: Row) -> bool:
    return bool(row.get("IsDeleted") or row.get("IsConverted"))
