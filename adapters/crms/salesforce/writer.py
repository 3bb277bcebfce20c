"""Writes records: every row checked before it is sent, sent once, read back, and told truly.

The same key makes one record: it is looked for first, and where our key is unique Salesforce itself refuses a second
one, also when a creation comes through late; it is no upsert, which would run over what a person typed since. Nothing
keeps an address unique, so a person whose address somebody has already is refused by that record's name. A deal is
written in two phases: the record, which brings its first contact with it, then its other contacts. What a row was
refused for is explained by looking: gone, merged, or converted. Every write is read back, because an answer has nothing
but the id.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from adapters.crms.salesforce.faults import GONE, UNSHARED, row_error
from adapters.crms.salesforce.find import Finder
from adapters.crms.salesforce.natives import DEFAULT, NATIVE
from adapters.crms.salesforce.options import SalesforceOptions
from adapters.crms.salesforce.org import Org
from adapters.crms.salesforce.records import Records
from adapters.crms.salesforce.rows import Done, Outcome, Refused, Rows, Sent
from adapters.crms.salesforce.soql import is_id
from adapters.crms.salesforce.vendor import (
    KEY,
    LEAD,
    LEAD_TIE,
    NOTE_SUBJECT,
    ROLE,
    Row,
    held,
    stored_key,
)
from adapters.formats.writes import Results, by_kind, second_bearer
from sidecar.errors import ConfigError, PermanentError, RecordGone, SidecarError, TemporaryError, UnknownOutcome
from sidecar.model import Gone, Identifier, Link, Record, Value
from sidecar.ports import Clock, Create, Failed, Update, Written

Ends = Mapping[Link, Record | Gone]


class Writer:
    """Writes to one org."""

    def __init__(self, org: Org, records: Records, finder: Finder, options: SalesforceOptions, clock: Clock) -> None:
        self._org, self._records, self._finder = org, records, finder
        self._options, self._clock = options, clock
        self._rows = Rows(org)

    def write(self, writes: Sequence[Create | Update]) -> list[Written | Failed]:
        """Write rows, one result each, in their order."""
        return by_kind(writes, self._create, self._update)

    # Creations ------------------------------------------------------------------------------------------------------

    def _create(self, kind: str, mine: Sequence[tuple[int, Create]], results: Results) -> None:
        known = self._records.by_key(kind, [write.key for _, write in mine])
        ends = self._ends([link for _, write in mine for link in write.links])
        first = {write.key: at for at, write in reversed(mine)}
        new = [(at, write) for at, write in mine if first[write.key] == at and write.key not in known]
        rows, later = self._new(new, ends, results)
        by_key = self._org.catalogue(kind).is_upsertable
        outcomes = self._rows.make(rows, by_key=by_key) if rows else {}
        outcomes |= self._made_meanwhile(kind, outcomes, {at: key for key, at in first.items()})
        refs = {at: outcome.ref for at, outcome in outcomes.items() if isinstance(outcome, Done)}
        refs |= {at: held(known[key], "Id") for key, at in first.items() if key in known}
        unroled = self._roles(kind, {at: write for at, write in mine if at in refs}, refs)
        read = self._read_back(kind, list(refs.values()))
        for at in first.values():
            if at in refs:
                results[at] = unroled.get(at) or self._told(kind, refs[at], read)
            elif at in later:
                results[at] = Failed(second_bearer(refs.get(later[at])))
            elif at in outcomes:
                results[at] = Failed(self._why(kind, outcomes[at], ""))
        results |= {at: results[first[write.key]] for at, write in mine if at not in results}

    def _new(
        self, mine: Sequence[tuple[int, Create]], ends: Ends, results: Results
    ) -> tuple[list[Sent], dict[int, int]]:
        """Return the rows to send, and those left for now, each with the row before it that has its address."""
        holders = self._holders([write for _, write in mine])
        rows: list[Sent] = []
        bearing, later = dict[str, int](), dict[int, int]()
        for at, write in mine:
            try:
                row = self._creation(at, write, ends, holders)
            except SidecarError as error:
                results[at] = Failed(error)
                continue
            email = _address(write)
            if email and bearing.setdefault(email, at) != at:
                later[at] = bearing[email]
            else:
                rows.append(row)
        return rows, later

    def _made_meanwhile(
        self, kind: str, outcomes: Mapping[int, Outcome], keys: Mapping[int, str]
    ) -> dict[int, Outcome]:
        """Look for refused rows by their keys: what was made since the look before is made, and no failure."""
        refused = {keys[at]: at for at, outcome in outcomes.items() if isinstance(outcome, Refused)}
        try:
            found = self._records.by_key(kind, list(refused)) if refused else {}
        except SidecarError:
            return {}  # the refusal stands, and the next try looks again
        return {refused[key]: Done(held(row, "Id")) for key, row in found.items()}

    def _creation(self, at: int, write: Create, ends: Ends, holders: Mapping[str, str]) -> Sent:
        kind = write.kind
        if not write.key:
            raise PermanentError(f"a {kind} can't be created under an empty key")
        body = {name: value for name, value in self._body(kind, write.fields, {}).items() if value is not None}
        if (email := _address(write)) in holders:
            raise second_bearer(holders[email])
        sobject = self._org.object(kind)
        body |= self._ties(kind, write.links, ends)
        body = {**self._defaults(write, body), **body}
        body[KEY] = stored_key(kind, write.key)
        return Sent(at, sobject, body)

    def _defaults(self, write: Create, body: Mapping[str, object]) -> Row:
        """Return what Salesforce keeps no record without, where nobody said it."""
        today = self._clock().date()
        kind = write.kind
        if kind == "contact":
            name = str(write.fields.get("email") or write.fields.get("phone") or "?")[:80]
            company = {"Company": "[not provided]"} if self._org.object(kind) == LEAD else {}
            return {"LastName": name, **company}
        if kind == "deal":
            return {"CloseDate": (today + timedelta(days=self._options.close_in_days)).isoformat()}
        if kind == "note":
            return {"Subject": NOTE_SUBJECT, "Status": self._org.task_words()["done"]}
        return {}

    def _holders(self, writes: Sequence[Create]) -> dict[str, str]:
        """Return who has the addresses of people that are to be made."""
        emails = {_address(write) for write in writes} - {""}
        wanted = [Identifier("email", email) for email in sorted(emails)]
        found = self._finder.bearers("contact", wanted) if wanted else {}
        return {identifier.value: refs[0] for identifier, refs in found.items() if refs}

    def _ends(self, links: Sequence[Link]) -> Ends:
        """Read what records are to be tied to."""
        ends: dict[Link, Record | Gone] = {}
        for kind in dict.fromkeys(link.kind for link in links):
            refs = [link.ref for link in dict.fromkeys(links) if link.kind == kind]
            rows = self._records.fetch(kind, refs)
            missing = [ref for ref in refs if ref not in rows]
            moved = self._records.survivors(kind, missing) if missing else {}
            ends |= {Link(kind, ref): Record(kind, ref, {}) for ref in rows}
            ends |= {Link(kind, ref): Gone(kind, ref, moved.get(ref)) for ref in missing}
        return ends

    def _ties(self, kind: str, given: Sequence[Link], ends: Ends, held: Row | None = None) -> Row:
        """Return the fields that tie a record; an activity has one place for a person, and one for what it is about.

        Of a record that is there `held` are its fields: a place that is taken stays so.
        """
        body: Row = {}
        links = sorted(dict.fromkeys(given), key=lambda link: ("contact", "deal", "company").index(link.kind)
                       if link.kind in ("contact", "deal", "company") else 3)  # fmt: skip
        for link in links:
            end = ends[link]
            if isinstance(end, Gone):
                raise RecordGone(f"the {link.kind} {link.ref} that it belongs to is gone", moved_to=end.moved_to)
            for name, ref in self._tie(kind, link, {**(held or {}), **body}).items():
                if not (held or {}).get(name):
                    body.setdefault(name, ref)
        return body

    def _tie(self, kind: str, link: Link, body: Mapping[str, object]) -> Row:
        is_lead = link.ref.startswith("00Q")
        if kind in ("note", "task", "meeting"):
            if link.kind == "contact":
                return {"WhoId": link.ref}
            # With a lead Salesforce takes nothing else; a company stands behind its deal already.
            if link.kind in ("deal", "company"):
                return {} if str(body.get("WhoId", "")).startswith("00Q") else {"WhatId": link.ref}
        if kind == "deal" and link.kind == "contact":
            return {LEAD_TIE: link.ref} if is_lead else {"ContactId": link.ref}
        if link.kind == "company" and kind in ("contact", "deal") and self._org.object(kind) != LEAD:
            return {"AccountId": link.ref}
        raise PermanentError(f"Salesforce ties no {kind} to a {link.kind}")

    def _roles(self, kind: str, writes: Mapping[int, Create], refs: Mapping[int, str]) -> dict[int, Failed]:
        """Make the contact roles of deals that are not there yet; return the rows that lack one."""
        wanted = {
            at: [link.ref for link in write.links if link.kind == "contact" and not link.ref.startswith("00Q")]
            for at, write in writes.items()
        }
        if kind != "deal" or not any(wanted.values()):
            return {}
        tied = {at: people for at, people in wanted.items() if people}
        try:
            there = self._records.people([refs[at] for at in tied])
        except SidecarError:
            unclear = UnknownOutcome("a deal was written, and its contacts can't be read back: look again")
            return {at: Failed(unclear) for at in tied}
        pairs = [
            (at, {"OpportunityId": refs[at], "ContactId": person})
            for at, people in tied.items()
            for person in dict.fromkeys(people)
            if person not in there.get(refs[at], ())
        ]
        sent = [Sent(place, ROLE, body) for place, (_, body) in enumerate(pairs)]
        outcomes = self._rows.make(sent, by_key=False) if sent else {}
        return {
            pairs[place][0]: Failed(self._why("deal", outcome, ""))
            for place, outcome in outcomes.items()
            if not isinstance(outcome, Done)
        }

    # Updates --------------------------------------------------------------------------------------------------------

    def _update(self, kind: str, mine: Sequence[tuple[int, Update]], results: Results) -> None:
        before = self._before(kind, [write for _, write in mine])
        ends = self._ends([link for _, write in mine for link in write.links])
        rows: list[Sent] = []
        for at, write in mine:
            if not is_id(write.ref):  # it would stand in an address
                results[at] = Failed(RecordGone(f"{kind} {write.ref} is gone"))
                continue
            try:
                stands = before.get(write.ref, {})
                body = self._body(kind, write.fields, stands, write.ref)
                body |= self._ties(kind, write.links, ends, stands)
            except SidecarError as error:
                results[at] = Failed(error)
            else:
                rows.append(Sent(at, self._org.object(kind, write.ref), body, write.ref, write.if_version))
        outcomes = self._rows.change([row for row in rows if row.body])
        done = [row.ref for row in rows if isinstance(outcomes.get(row.at, Done(row.ref)), Done)]
        read = self._read_back(kind, done)
        for row in rows:
            outcome = outcomes.get(row.at, Done(row.ref))
            if isinstance(outcome, Done):
                results[row.at] = self._told(kind, row.ref, read)
            else:
                results[row.at] = Failed(self._why(kind, outcome, row.ref))

    def _before(self, kind: str, writes: Sequence[Update]) -> dict[str, Row]:
        """Read what a write can't be checked or composed without."""
        needs = {"deal": {"stage"}, "meeting": {"start", "end", "status"}}.get(kind, set())
        refs = [write.ref for write in writes if needs & set(write.fields) or write.links]
        return self._records.fetch(kind, refs) if refs else {}

    # Both -----------------------------------------------------------------------------------------------------------

    def _body(self, kind: str, fields: Mapping[str, Value], row: Row, ref: str = "") -> Row:
        """Return what writes these fields; each is checked, in the order in which one relies on another."""
        properties = {name: self._org.property(kind, name, ref) for name in fields}
        body: Row = {}
        order = list(NATIVE[kind])
        for name in sorted(fields, key=lambda name: order.index(name) if name in order else len(order)):
            body |= properties[name].to_vendor(fields[name], {**row, **body})
        if kind == "deal":
            self._check_stage(fields, row)
        if kind == "task" and "Status" in body:
            body["Status"] = self._org.task_words()[body["Status"]]
        return body

    def _check_stage(self, fields: Mapping[str, Value], row: Row) -> None:
        """Refuse a stage that the deal's record type doesn't have: the API would take it."""
        ref = fields.get("pipeline") or held(row, "RecordTypeId") or DEFAULT
        pipelines = self._org.pipelines()
        pipeline = next((p for p in pipelines if p.ref == ref), pipelines[0] if len(pipelines) == 1 else None)
        stage = fields.get("stage")
        if stage and pipeline and stage not in {known for known, _ in pipeline.stages}:
            raise PermanentError(f"deal.stage: not a stage of the pipeline {pipeline.ref!r}")

    def _read_back(self, kind: str, refs: Sequence[str]) -> dict[str, Record]:
        """Read what was written; what can't be read is left out, and its outcome is not known."""
        try:
            return self._records.records(kind, list(self._records.fetch(kind, refs).values())) if refs else {}
        except SidecarError:
            return {}

    def _told(self, kind: str, ref: str, read: Mapping[str, Record]) -> Written | Failed:
        if ref in read:
            return Written(read[ref])
        try:
            found = self._records.read(kind, [ref])[ref]
        except SidecarError:
            return Failed(UnknownOutcome(f"a {kind} was written and can't be read back: look again"))
        if isinstance(found, Gone):
            return Failed(RecordGone(f"{kind} {ref} is gone", moved_to=found.moved_to))
        return Written(found)

    def _why(self, kind: str, outcome: Outcome, ref: str) -> Exception:
        """Say why a row was not written."""
        if not isinstance(outcome, Refused):
            return outcome if isinstance(outcome, SidecarError) else TemporaryError("it was written")
        try:
            found = self._records.read(kind, [ref])[ref] if outcome.codes & GONE and ref else None
            if isinstance(found, Gone):
                return RecordGone(f"{kind} {ref} is gone", moved_to=found.moved_to)
            catalogue = self._org.catalogue(kind, ref)
            names = catalogue.names
            told = self._org.described_object(catalogue.object) if outcome.codes & UNSHARED else {}
            if told.get("updateable" if ref else "createable"):  # so it is this record alone, and no other waits for it
                return PermanentError(
                    f"{kind} {ref}: Salesforce lets the integration user not write this record; share it, or leave it"
                )
        except SidecarError:
            names = {}  # it was refused, whatever else can't be read
        error = row_error(kind, outcome.problems, names)
        if isinstance(error, ConfigError):
            self._org.forget()
        return error


def _address(write: Create) -> str:
    """Return the address that a new person would have; empty for none."""
    return str(write.fields.get("email") or "").strip().casefold() if write.kind == "contact" else ""
