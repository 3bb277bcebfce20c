"""Reads records: by ref, by our key, by what they belong to; all fields that can be written, since the core compares.

Queries see what was committed, so nothing lags. What a ref doesn't find among the living is looked for in the recycle
bin, where a merged record names its survivor; a lead that was converted is gone as well, and moved to its contact. One
call carries up to five queries, so the looks that a step needs are asked together.
"""

from collections.abc import Callable, Mapping, Sequence

from adapters.crms.salesforce.faults import Refusal
from adapters.crms.salesforce.org import Catalogue, Org
from adapters.crms.salesforce.soql import among, is_id, select
from adapters.crms.salesforce.vendor import (
    ACTIVITIES,
    BATCH,
    CONTACT,
    KEY,
    LEAD,
    LEAD_TIE,
    MERGEABLE,
    OPPORTUNITY,
    ROLE,
    STAMP,
    SYSTEM,
    TASK,
    Row,
    chunks,
    held,
    moment,
    stamp,
    stored_key,
)
from adapters.crms.salesforce.wire import Query
from sidecar.errors import ConfigError
from sidecar.model import Gone, Link, Record

MAX_MOVES = 10
TIES: Mapping[str, tuple[str, ...]] = {
    "Contact": ("AccountId",), "Lead": ("IsConverted", "ConvertedContactId"), "Account": (),
    "Opportunity": ("AccountId", "IsClosed"), "Task": ("WhoId", "WhatId", "IsClosed"), "Event": ("WhoId", "WhatId"),
}  # fmt: skip
"""What of an object is read beside its values, because it ties records or says how they are."""
WHATS: Mapping[str, str] = {"deal": "WhatId", "company": "WhatId", "contact": "WhoId"}
_KINDS: Mapping[str, str] = {"001": "company", "003": "contact", "00Q": "contact", "006": "deal"}


class Records:
    """Reads records of one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def read(self, kind: str, refs: Sequence[str]) -> dict[str, Record | Gone]:
        """Return a record or `Gone` for each ref."""
        asked = list(dict.fromkeys(refs))
        rows = self.fetch(kind, asked)
        found: dict[str, Record | Gone] = dict(self.records(kind, list(rows.values())))
        missing = [ref for ref in asked if ref not in rows]
        moved = self.survivors(kind, missing) if missing else {}
        return {ref: found.get(ref) or Gone(kind, ref, moved.get(ref)) for ref in asked}

    def fetch(self, kind: str, refs: Sequence[str]) -> dict[str, Row]:
        """Return the live records by ref; a converted lead is none."""
        asked = [ref for ref in dict.fromkeys(refs) if is_id(ref)]

        def queries() -> list[Query]:
            return [
                Query(select(self.columns(kind, part[0]), sobject, among("Id", part)))
                for sobject, mine in self.by_object(kind, asked).items()
                for part in chunks(mine, BATCH)
            ]

        rows = self._rows(queries) if asked else []
        by = {held(row, "Id"): row for row in rows if self.is_live(kind, row)}
        return {ref: by[ref] for ref in asked if ref in by}

    def _rows(self, queries: Callable[[], Sequence[Query]]) -> list[Row]:
        """Return the rows of all queries."""
        return [row for rows in answers(self._org, queries) for row in rows]

    def by_object(self, kind: str, refs: Sequence[str]) -> dict[str, list[str]]:
        """Part refs by the object that their records are in."""
        parted: dict[str, list[str]] = {}
        for ref in refs:
            parted.setdefault(self._org.object(kind, ref), []).append(ref)
        return parted

    def columns(self, kind: str, ref: str = "") -> list[str]:
        """Return what is read of a record of a kind."""
        catalogue = self._org.catalogue(kind, ref)
        ties = TIES[catalogue.object]
        return list(dict.fromkeys((*SYSTEM, *ties, *catalogue.columns)))

    def by_key(self, kind: str, keys: Sequence[str]) -> dict[str, Row]:
        """Return the live records that were made under these keys; of several under one, the oldest."""
        asked = [key for key in dict.fromkeys(keys) if key]
        if not asked:
            return {}
        self.check_key(kind)
        stored = {stored_key(kind, key): key for key in asked}

        def queries() -> list[Query]:
            return [
                Query(select(self.columns(kind, at), self._org.object(kind, at), among(KEY, part)))
                for part in chunks(list(stored), BATCH)
                for at in self.samples(kind)
            ]

        rows = self._rows(queries)
        by = {key: _first(rows, KEY, text) for text, key in stored.items()}
        return self.alive(kind, {key: row for key, row in by.items() if row is not None})

    def alive(self, kind: str, rows: Mapping[str, Row]) -> dict[str, Row]:
        """Return the rows that are records; in the place of a converted lead the contact that it became."""
        became = {key: held(row, "ConvertedContactId") for key, row in rows.items() if row.get("IsConverted")}
        there = self.fetch(kind, list(became.values())) if became else {}
        live = {key: row for key, row in rows.items() if self.is_live(kind, row)}
        return live | {key: there[ref] for key, ref in became.items() if ref in there}

    def samples(self, kind: str) -> tuple[str, ...]:
        """Return, for each object that records of a kind may be in, the beginning of its refs."""
        if kind != "contact":
            return ("",)
        return ("00Q", "003") if self._org.options.person == "lead" else ("003",)

    def check_key(self, kind: str) -> None:
        """Raise `ConfigError` before records of a kind can hold our key."""
        sobject = self._org.object(kind)
        if KEY not in self._org.described(sobject):
            self._org.forget()
        if KEY not in self._org.described(sobject):
            raise ConfigError(f"{kind}: {sobject}.{KEY} isn't there, or can't be seen: run `sidecar provision`")

    def linked(self, kind: str, to: Sequence[Link]) -> dict[Link, list[Record]]:
        """Return the live records of a kind that belong to each live record, or that it belongs to."""
        found: dict[Link, list[Record]] = {}
        for other in dict.fromkeys(link.kind for link in to):
            there = self.fetch(other, [link.ref for link in to if link.kind == other])
            refs = self._ends(kind, other, there) if there else {}
            wanted = list(dict.fromkeys(ref for ends in refs.values() for ref in ends))
            rows = self.fetch(kind, wanted) if wanted else {}
            records = self.records(kind, list(rows.values()))
            for link in dict.fromkeys(to):
                if link.kind == other and link.ref in there:
                    found[link] = [records[ref] for ref in refs.get(link.ref, ()) if ref in records]
        return found

    def records(self, kind: str, rows: Sequence[Row]) -> dict[str, Record]:
        """Return records by ref, with what they are tied to; empty fields are left out."""
        deals = [held(row, "Id") for row in rows] if kind == "deal" else []
        people = self.people(deals) if deals else {}
        return {held(row, "Id"): self._record(kind, row, people.get(held(row, "Id"), ())) for row in rows}

    def people(self, deals: Sequence[str]) -> dict[str, list[str]]:
        """Return the contacts of each deal, the primary one first."""
        found: dict[str, list[str]] = {}
        for part in chunks(deals, BATCH):
            of = among("OpportunityId", part)
            for row in self._org.wire.query(select(("Id", "OpportunityId", "ContactId", "IsPrimary"), ROLE, of)):
                ends = found.setdefault(held(row, "OpportunityId"), [])
                ends.insert(0 if row.get("IsPrimary") else len(ends), held(row, "ContactId"))
        return found

    def survivors(self, kind: str, refs: Sequence[str]) -> dict[str, str]:
        """Return where records went that are gone: to what they were merged into, or became."""
        moved: dict[str, str] = {}
        where = {ref: ref for ref in refs if is_id(ref)}
        for _ in range(MAX_MOVES):
            nexts = self._moves(kind, list(dict.fromkeys(where.values())))
            where = {ref: nexts[at] for ref, at in where.items() if at in nexts}
            if not where:
                break
            moved |= where
        return moved

    def is_live(self, kind: str, row: Row) -> bool:
        """Say whether a row is a record of a kind: notes and tasks are one object, which the key tells apart."""
        if row.get("IsDeleted") or row.get("IsConverted"):
            return False
        return self._org.object(kind) != TASK or (kind == "note") == is_note(row)

    # ----------------------------------------------------------------------------------------------------------------

    def _moves(self, kind: str, refs: Sequence[str]) -> dict[str, str]:
        moves: dict[str, str] = {}
        for sobject, mine in self.by_object(kind, refs).items():
            if sobject not in MERGEABLE:
                continue
            columns = ("Id", "MasterRecordId", *(("IsConverted", "ConvertedContactId") if sobject == LEAD else ()))
            for part in chunks(mine, BATCH):
                for row in self._org.wire.query(select(columns, sobject, among("Id", part)), deleted=True):
                    onward = held(row, "MasterRecordId") or held(row, "ConvertedContactId")
                    if onward:
                        moves[held(row, "Id")] = onward
        return moves

    def _record(self, kind: str, row: Row, people: Sequence[str]) -> Record:
        catalogue = self._org.catalogue(kind, held(row, "Id"))
        values = {name: each.from_vendor(row) for name, each in catalogue.properties.items()}
        fields = {name: value for name, value in values.items() if value is not None}
        at = moment(held(row, STAMP))
        return Record(kind, held(row, "Id"), fields, stamp(at), tuple(_links(catalogue, row, people)), at)

    def _ends(self, kind: str, other: str, there: Mapping[str, Row]) -> dict[str, list[str]]:
        """Return the refs of a kind that each of these records is tied to."""
        up = {ref: _named(kind, row) for ref, row in there.items()}
        if kind == "contact" and other == "deal":
            return self._people_of(there)
        if any(up.values()):
            return up
        found: dict[str, list[str]] = {}
        for tie, row in self._below(kind, other, list(there)):
            ends = found.setdefault(held(row, tie), [])
            ref = held(row, "OpportunityId") or held(row, "Id")
            if ref not in ends:
                ends.append(ref)
        return found

    def _people_of(self, deals: Mapping[str, Row]) -> dict[str, list[str]]:
        """Return the contacts of deals, and the leads that they came from, or what those became."""
        people = self.people(list(deals))
        leads = {ref: held(row, LEAD_TIE) for ref, row in deals.items() if held(row, LEAD_TIE)}
        became = self.survivors("contact", list(leads.values())) if leads else {}
        found = {ref: list(people.get(ref, ())) for ref in deals}
        for ref, lead in leads.items():
            found[ref].append(became.get(lead, lead))
        return {ref: list(dict.fromkeys(ends)) for ref, ends in found.items()}

    def _below(self, kind: str, other: str, refs: Sequence[str]) -> list[tuple[str, Row]]:
        """Ask for the records of a kind that name these records of another, each with the field that names it."""
        asked: list[tuple[str, str, tuple[str, ...]]] = []
        sobject = self._org.object(kind)
        if kind == "deal" and other == "contact":
            asked.append(("ContactId", ROLE, ("Id", "OpportunityId")))
            if LEAD_TIE in self._org.described(OPPORTUNITY):
                asked.append((LEAD_TIE, OPPORTUNITY, ("Id",)))
        elif sobject in ACTIVITIES:
            asked.append((WHATS[other], sobject, ("Id",)))
        elif other == "company" and kind in ("contact", "deal"):
            asked.append(("AccountId", CONTACT if kind == "contact" else OPPORTUNITY, ("Id",)))
        found: list[tuple[str, Row]] = []
        for tie, of, columns in asked:
            for part in chunks(refs, BATCH):
                rows = self._org.wire.query(select((*columns, tie), of, among(tie, part), order="Id"))
                found += [(tie, row) for row in rows]
        return found


def is_note(row: Row) -> bool:
    """Say whether a task is a note of ours."""
    return held(row, KEY).startswith(stored_key("note", ""))


def _first(rows: Sequence[Row], name: str, text: str) -> Row | None:
    mine = (row for row in rows if held(row, name).casefold() == text.casefold())
    return min(mine, key=lambda row: held(row, "Id"), default=None)


def _named(kind: str, row: Row) -> list[str]:
    """Return the refs of a kind that a row names."""
    named = [held(row, name) for name in ("AccountId", "WhoId", "WhatId")]
    return [ref for ref in named if _KINDS.get(ref[:3]) == kind]


def _links(catalogue: Catalogue, row: Row, people: Sequence[str]) -> list[Link]:
    refs = [*people, held(row, LEAD_TIE), *(held(row, name) for name in ("AccountId", "WhoId", "WhatId"))]
    links = [Link(_KINDS[ref[:3]], ref) for ref in refs if ref[:3] in _KINDS]
    return list(dict.fromkeys(links))


def answers(org: Org, queries: Callable[[], Sequence[Query]]) -> list[list[Row]]:
    """Return each query's rows; asked anew where a field that we remember is there no more, or can't be seen."""
    try:
        return org.wire.queries(queries())
    except Refusal as refusal:
        if "INVALID_FIELD" not in refusal.codes:
            raise
    org.forget()
    try:
        return org.wire.queries(queries())
    except Refusal as refusal:
        if "INVALID_FIELD" not in refusal.codes:
            raise
        raise ConfigError("a field of ours isn't there, or can't be seen: `sidecar check` names it") from None
