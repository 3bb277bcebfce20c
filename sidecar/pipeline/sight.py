"""A look at the CRM for one party: which records are its, what they hold, and whose each value is.

Reading comes in one batch a kind, and history is asked only about properties that hold something which isn't ours,
so that a party that nobody touched costs one read. A contact or deal that can't be told apart is a question, never a
guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sidecar.model import (
    Correction,
    Edit,
    FieldSync,
    Gone,
    Link,
    Posting,
    Reading,
    Record,
    RecordSync,
    Route,
    Standing,
    advance,
)
from sidecar.pipeline.parts import Parts
from sidecar.ports import Ledger
from sidecar.resolve import choose_deal
from sidecar.sync import DesiredRecord, Look, observe, ours

Seen = Reading | Posting | Correction


@dataclass(slots=True)
class Sight:
    """What a look at the CRM brought: records by key, the facts to journal, the standing with them taken in."""

    standing: Standing
    looks: dict[str, Look]
    facts: list[Seen]
    questions: list[str]


def see(parts: Parts, ledger: Ledger, standing: Standing, wanted: Sequence[DesiredRecord], route: Route) -> Sight:
    """Look at the CRM's records of a party, journaling nothing."""
    return _Eye(parts, ledger).see(standing, wanted, route)


class _Eye:
    def __init__(self, parts: Parts, ledger: Ledger) -> None:
        self._parts, self._ledger = parts, ledger

    def see(self, standing: Standing, wanted: Sequence[DesiredRecord], route: Route) -> Sight:
        ledger = self._ledger
        sight = Sight(standing, {}, [], [])
        cause = self._cause(standing)
        linked: dict[str, str] = {}
        found = self._read(standing, wanted, ledger)
        for record in wanted:
            if record.key not in found:
                rule = self._locate(record, standing, found, ledger, sight)
                if rule:
                    linked[record.key] = rule
        edits = self._edits(standing, wanted, found, ledger)
        for record in wanted:
            if record.key in found:
                at = found[record.key]
                self._observe(record, at, edits.get(at.ref, ()), sight, route, cause, linked.get(record.key, ""))
        return sight

    def _cause(self, standing: Standing) -> tuple[str, ...]:
        stage = standing.engagement.fields.get("stage")
        first = next(iter(standing.known_by.values()), "")
        sent = next((f.change for r in standing.records.values() for f in r.fields.values() if f.change), "")
        cause = (stage.decision if stage else "") or standing.last_inference or first or sent
        return (cause,) if cause else ()

    def _read(self, standing: Standing, wanted: Sequence[DesiredRecord], ledger: Ledger) -> dict[str, Record | Gone]:
        """Read the records that have a ref, one call a kind; a merged one is followed once."""
        found: dict[str, Record | Gone] = {}
        for kind in sorted({record.kind for record in wanted}):
            refs = {
                record.key: sync.ref
                for record in wanted
                if record.kind == kind and (sync := standing.records.get(record.key)) and sync.ref and not sync.gone
            }
            if refs:
                read = ledger.read(kind, sorted(set(refs.values())))
                found |= {key: read[ref] for key, ref in refs.items() if ref in read}
        return found

    def _locate(
        self, record: DesiredRecord, standing: Standing, found: dict[str, Record | Gone], ledger: Ledger, sight: Sight
    ) -> str:
        """Find a record that we have no ref for: by our key when a create may have happened, else by what it is."""
        sync = standing.records.get(record.key)
        if sync and sync.gone:
            return ""
        if sync and any(field.pending for field in sync.fields.values()):
            by_key = ledger.find_by_key(record.kind, [record.key])
            if record.key in by_key:
                found[record.key] = by_key[record.key]
                return "our own key"
        if record.kind == "contact":
            return self._locate_contact(record, standing, found, ledger, sight)
        if record.kind == "deal":
            return self._locate_deal(record, standing, found, ledger, sight)
        return ""

    def _locate_contact(
        self, record: DesiredRecord, standing: Standing, found: dict[str, Record | Gone], ledger: Ledger, sight: Sight
    ) -> str:
        candidates = ledger.find("contact", standing.identifiers) if standing.identifiers else ()
        if len(candidates) == 1:
            found[record.key] = candidates[0]
            return "the only contact with one of its identifiers"
        if candidates:
            refs = ", ".join(c.ref for c in candidates)
            sight.questions.append(f"{len(candidates)} contacts bear its identifiers ({refs}): merge them in the CRM")
        return ""

    def _locate_deal(
        self, record: DesiredRecord, standing: Standing, found: dict[str, Record | Gone], ledger: Ledger, sight: Sight
    ) -> str:
        contact = next((r for r in found.values() if r.kind == "contact" and isinstance(r, Record)), None)
        if contact is None:
            return ""
        taken = {r.ref for r in standing.records.values() if r.kind == "deal" and r.key != record.key}
        deals = [d for d in ledger.linked("deal", Link("contact", contact.ref)) if d.ref not in taken]
        choice = choose_deal(
            standing,
            deals,
            self._parts.policy,
            self._parts.clock(),
            contacts=frozenset({contact.ref}),
            owners=ledger.owners() if ledger.capabilities.owners else None,
        )
        if choice.question:
            sight.questions.append(f"several open deals fit: {choice.reason}")
        elif choice.ref:
            found[record.key] = next(d for d in deals if d.ref == choice.ref)
            return choice.reason
        return ""

    def _edits(
        self,
        standing: Standing,
        wanted: Sequence[DesiredRecord],
        found: Mapping[str, Record | Gone],
        ledger: Ledger,
    ) -> dict[str, Sequence[Edit]]:
        """Ask the CRM's history only about properties that hold something which isn't ours."""
        if not ledger.capabilities.history:
            return {}
        edits: dict[str, Sequence[Edit]] = {}
        for kind in sorted({record.kind for record in wanted}):
            foreign: dict[str, set[str]] = {}
            for record in wanted:
                at = found.get(record.key)
                if record.kind == kind and isinstance(at, Record):
                    sync = standing.records.get(record.key) or RecordSync(kind, record.key)
                    names = _foreign(at, record, sync)
                    if names:
                        foreign[at.ref] = names
            if foreign:
                names = set().union(*foreign.values())
                edits |= ledger.history(kind, sorted(foreign), sorted(names))
        return edits

    def _observe(
        self,
        record: DesiredRecord,
        at: Record | Gone,
        edits: Sequence[Edit],
        sight: Sight,
        route: Route,
        cause: tuple[str, ...],
        linked_by: str,
    ) -> None:
        sync = sight.standing.records.get(record.key) or RecordSync(record.kind, record.key)
        seen = observe(
            at,
            sync,
            record,
            edits,
            route,
            self._parts.journal.mint,
            ledger=self._ledger.account(),
            party=sight.standing.party,
            because=cause,
            linked_by=linked_by,
            now=self._parts.clock(),
        )
        facts: list[Seen] = [*seen.postings, *seen.corrections]
        if seen.notable:
            facts.insert(0, seen.reading)
        for fact in facts:
            sight.standing = advance(sight.standing, fact)
        sight.facts += facts
        sight.looks[record.key] = Look(at if isinstance(at, Record) else None, seen.reading)


def _foreign(at: Record, wanted: DesiredRecord, sync: RecordSync) -> set[str]:
    """The properties whose value is neither ours nor what we would write."""
    names = {*sync.fields, *wanted.fields, *wanted.names}
    return {name for name in names if not ours(sync.fields.get(name, FieldSync()), at.fields.get(name))}
