"""A look at the CRM for one party: which records are its, what they hold, and whose each value is.

Reading comes in one batch a kind, and history is asked only about properties that hold something which isn't ours, or
a write of ours whose outcome is unknown, so that a party that nobody touched costs one read. A contact or deal that
can't be told apart is a question, never a guess. A merged record is followed; one that was merged into another party's
record says that the two parties are one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sidecar.model import (
    Change,
    Correction,
    Edit,
    Fact,
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
from sidecar.resolve import choose_deal, is_open
from sidecar.sync import DesiredRecord, Look, Observed, RecordPlan, Viewpoint, absent, held_in, observe, ours, same

MAX_MOVES = 5
"""How often a record that was merged, and merged again, is followed at one look."""

Seen = Reading | Posting | Correction


@dataclass(slots=True)
class Sight:
    """What a look at the CRM brought: records by key, the facts to journal, the standing with them taken in.

    `questions` leave open which record is meant; `doubles` only say what somebody should know: that a record too many
    is there, or that a word in a field is nobody's.
    `merged` is set when a record of the party was merged into one of another party: that Reading, and the other party.
    """

    standing: Standing
    looks: dict[str, Look]
    facts: list[Fact]
    questions: list[str]
    doubles: list[str]
    merged: tuple[Reading, str] | None = None


def see(parts: Parts, ledger: Ledger, standing: Standing, wanted: Sequence[DesiredRecord], route: Route) -> Sight:
    """Look at the CRM's records of a party, journaling nothing."""
    return _Eye(parts, ledger, standing, route).see(wanted)


def look_back(
    parts: Parts,
    ledger: Ledger,
    standing: Standing,
    written: Sequence[tuple[RecordPlan, Record]],
    changes: Sequence[Change],
    route: Route,
) -> list[Seen]:
    """Return the facts that say which edits lay between our read and our write, over or beside what we wrote.

    `standing` is as it was planned with.

    Asked only of a CRM that has no conditional write, and a history to tell by.
    """
    for change in changes:
        standing = advance(standing, change)
    return _Eye(parts, ledger, standing, route).look_back(written)


class _Eye:
    def __init__(self, parts: Parts, ledger: Ledger, standing: Standing, route: Route) -> None:
        self._parts, self._ledger = parts, ledger
        self._standing = standing
        self._view = Viewpoint(ledger.account(), standing.party, route, cause_of(standing), parts.clock())
        self._sight = Sight(standing, {}, [], [], [])

    def see(self, wanted: Sequence[DesiredRecord]) -> Sight:
        found = self._read(wanted)
        linked: dict[str, str] = {}
        for record in wanted:
            if record.key not in found:
                rule = self._locate(record, found)
                if rule:
                    linked[record.key] = rule
        edits = self._edits(wanted, found)
        for record in wanted:
            if record.key in found:
                at = found[record.key]
                self._observe(record, at, edits.get(at.ref, ()), linked.get(record.key) or self._tied(record))
            else:
                self._miss(record)
        self._ask_about_doubles(wanted)
        return self._sight

    def _ask_about_doubles(self, wanted: Sequence[DesiredRecord]) -> None:
        """After a merge a party may hold two contacts, or two open deals: one is written to, the other is a question.

        Nothing is written to the other, so that nobody's work there is run over, and a person is told that it is stale.
        """
        records, number = self._sight.standing.records, self._standing.engagement.number
        for kind, engagement in (("contact", 0), ("deal", number)):
            keys = {record.key for record in wanted if record.kind == kind}
            kept = {ref for key in keys if key in records and (ref := records[key].ref)}
            others = [r for r in records.values() if r.kind == kind and r.engagement == engagement and not r.gone]
            other = {r.ref for r in others if r.ref and r.key not in keys} - kept
            found = self._ledger.read(kind, sorted(other)).values() if kept and other else ()
            left = [at for at in found if isinstance(at, Record) and (kind == "contact" or self._is_open(at))]
            if left:
                refs = ", ".join(sorted({*kept, *(at.ref for at in left)}))
                self._sight.doubles.append(f"this customer has several {kind}s of ours ({refs}): merge or close one")

    def _is_open(self, deal: Record) -> bool:
        return is_open(deal, self._parts.policy)

    def look_back(self, written: Sequence[tuple[RecordPlan, Record]]) -> list[Seen]:
        updated = [(plan.wanted, record) for plan, record in written if plan.found is not None]
        edits = self._edits([wanted for wanted, _ in updated], {w.key: record for w, record in updated})
        facts: list[Seen] = []
        wrote = {plan.wanted.key: {change.field for change in plan.changes} for plan, _ in written}
        for wanted, record in updated:
            seen = self._judge(wanted, record, edits.get(record.ref, ()), "", is_moved=False)
            news = {*seen.reading.holds, *seen.reading.freed}
            # Beside our write counts as well: whoever asks the CRM what changed takes that version for our own.
            is_beside = bool(news) and news.isdisjoint(wrote[wanted.key])
            if is_beside or any(hold.overrun for hold in seen.reading.holds.values()):
                facts += [*seen.postings, seen.reading, *seen.corrections]
        return facts

    def _read(self, wanted: Sequence[DesiredRecord]) -> dict[str, Record | Gone]:
        """Read the records that have a ref, one call a kind."""
        found: dict[str, Record | Gone] = {}
        for kind in sorted({record.kind for record in wanted}):
            refs = {
                record.key: sync.ref
                for record in wanted
                if record.kind == kind
                and (sync := self._standing.records.get(record.key))
                and sync.ref
                and not sync.gone
            }
            if refs:
                read = self._ledger.read(kind, sorted(set(refs.values())))
                found |= {key: read[ref] for key, ref in refs.items() if ref in read}
        return found

    def _tied(self, record: DesiredRecord) -> str:
        sync = self._standing.records.get(record.key)
        return "a person tied it" if sync and sync.ref and not sync.reading else ""

    def _locate(self, record: DesiredRecord, found: dict[str, Record | Gone]) -> str:
        """Find a record that we have no ref for: by our key when a create may have happened, else by what it is."""
        sync = self._standing.records.get(record.key)
        if sync and sync.gone:
            return ""
        if sync and _may_have_been_made(sync):
            by_key = self._ledger.find_by_key(record.kind, [record.key])
            if record.key in by_key:
                found[record.key] = by_key[record.key]
                return "our own key"
        if record.kind == "contact":
            return self._locate_contact(record, found)
        if record.kind == "deal":
            return self._locate_deal(record, found)
        return ""

    def _locate_contact(self, record: DesiredRecord, found: dict[str, Record | Gone]) -> str:
        identifiers = self._standing.identifiers
        found_by = self._ledger.find("contact", identifiers) if identifiers else {}
        candidates = list({record.ref: record for bearers in found_by.values() for record in bearers}.values())
        if len(candidates) == 1:
            found[record.key] = candidates[0]
            return "the only contact with one of its identifiers"
        if candidates:
            refs = ", ".join(c.ref for c in candidates)
            self._sight.questions.append(
                f"{len(candidates)} contacts bear its identifiers ({refs}): merge them in the CRM"
            )
        return ""

    def _locate_deal(self, record: DesiredRecord, found: dict[str, Record | Gone]) -> str:
        contact = next((r for r in found.values() if r.kind == "contact" and isinstance(r, Record)), None)
        if contact is None:
            return ""
        taken = {r.ref for r in self._standing.records.values() if r.kind == "deal" and r.key != record.key}
        its = Link("contact", contact.ref)
        deals = [d for d in self._ledger.linked("deal", [its]).get(its, ()) if d.ref not in taken]
        contacts = frozenset({contact.ref})
        choice = choose_deal(self._standing, deals, self._parts.policy, self._parts.clock(), contacts=contacts)
        if choice.question:
            self._sight.questions.append(f"several open deals fit: {choice.reason}")
        elif choice.ref:
            found[record.key] = next(d for d in deals if d.ref == choice.ref)
            return choice.reason
        return ""

    def _miss(self, record: DesiredRecord) -> None:
        """Say that a record which we may have made is not there, so that a second try relies on this look."""
        sync = self._standing.records.get(record.key)
        if sync and not sync.gone and _may_have_been_made(sync):
            reading = absent(sync, record, self._view, self._parts.journal.mint)
            self._sight.looks[record.key] = Look(None, reading)

    def _edits(self, wanted: Sequence[DesiredRecord], found: Mapping[str, Record | Gone]) -> dict[str, Sequence[Edit]]:
        """Ask the CRM's history only about properties whose value may not be ours."""
        if not self._ledger.capabilities.history:
            return {}
        edits: dict[str, Sequence[Edit]] = {}
        for kind in sorted({record.kind for record in wanted}):
            doubtful: dict[str, set[str]] = {}
            for record in wanted:
                at = found.get(record.key)
                if record.kind == kind and isinstance(at, Record):
                    sync = self._standing.records.get(record.key) or RecordSync(kind, record.key)
                    names = _doubtful(at, record, sync)
                    if names:
                        doubtful[at.ref] = names
            if doubtful:
                names = set().union(*doubtful.values())
                edits |= self._ledger.history(kind, sorted(doubtful), sorted(names))
        return edits

    def _observe(
        self, record: DesiredRecord, at: Record | Gone, edits: Sequence[Edit], linked_by: str, moves: int = 0
    ) -> None:
        sight = self._sight
        seen = self._judge(record, at, edits, linked_by, is_moved=bool(moves))
        facts: list[Seen] = [*seen.postings, *([seen.reading] if seen.notable else []), *seen.corrections]
        for fact in facts:
            sight.standing = advance(sight.standing, fact)
        sight.facts += facts
        sight.looks[record.key] = Look(at if isinstance(at, Record) else None, seen.reading)
        if isinstance(at, Gone) and at.moved_to and moves < MAX_MOVES:
            self._follow(record, at.kind, at.moved_to, seen.reading, moves + 1)

    def _follow(self, record: DesiredRecord, kind: str, ref: str, moved: Reading, moves: int) -> None:
        owner = self._parts.journal.linked_party(self._view.ledger, kind, ref)
        if owner and owner != self._standing.party:
            self._sight.merged = self._sight.merged or (moved, owner)
            return
        at = self._ledger.read(kind, [ref]).get(ref)
        if at is not None:
            edits = self._edits([record], {record.key: at}).get(ref, ())
            arrived = self._arrived(record.key, at)
            self._observe(record, at, [e for e in edits if e.field not in arrived], "", moves)

    def _arrived(self, key: str, at: Record | Gone) -> set[str]:
        """Properties whose value moved along, after a write of ours whose outcome we hadn't learnt.

        The history there names the person who merged, who typed none of it.
        """
        fields = self._standing.records[key].fields if isinstance(at, Record) else {}
        values = at.fields if isinstance(at, Record) else {}
        return {n for n, held in fields.items() if any(same(values.get(n), value) for value in held.pending.values())}

    def _judge(
        self, record: DesiredRecord, at: Record | Gone, edits: Sequence[Edit], linked_by: str, *, is_moved: bool
    ) -> Observed:
        sync = self._sight.standing.records.get(record.key) or RecordSync(record.kind, record.key)
        mint = self._parts.journal.mint
        return observe(
            at, sync, record, edits, self._view, self._parts.policy, mint, linked_by=linked_by, is_moved=is_moved
        )


def cause_of(standing: Standing) -> tuple[str, ...]:
    """Return the newest fact behind what is believed of a party, as the cause of looking at its records."""
    stage = standing.engagement.fields.get("stage")
    first = next(iter(standing.known_by.values()), "")
    sent = next((f.change for r in standing.records.values() for f in r.fields.values() if f.change), "")
    cause = (stage.decision if stage else "") or standing.last_inference or first or sent
    return (cause,) if cause else ()


def _may_have_been_made(sync: RecordSync) -> bool:
    return any(field.pending for field in sync.fields.values())


def _doubtful(at: Record, wanted: DesiredRecord, sync: RecordSync) -> set[str]:
    """The properties whose value is not plainly ours, or of which a write has an unknown outcome."""
    fields = {name: sync.fields.get(name, FieldSync()) for name in {*sync.fields, *wanted.fields, *wanted.names}}
    doubtful = {name for name, held in fields.items() if held.pending or not ours(held, at.fields.get(name))}
    # What people steer by is theirs, always: only news of it is worth asking who wrote it.
    said = {name: hold.value if (hold := held_in(sync, name)) else None for name in wanted.of_people}
    news = {name for name, value in said.items() if not same(value, at.fields.get(name))}
    return (doubtful - said.keys()) | news
