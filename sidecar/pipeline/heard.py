"""What people say to us in the fields of their CRM: accept all, reject all, and what in a record stays as it is.

A Reading shows what stands there and by whom; here that becomes what a command would have made of it, with the Reading
as its cause, in the same commit. Only a person answers suggestions, and only those that the record showed when they
did: what came later was not what they meant. An answer is no value: it is given back, so that the field can say `ok`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sidecar.decide import by_person
from sidecar.decide.expiry import ends_at
from sidecar.journal import Journal
from sidecar.model import (
    ACCEPT_ALL,
    ANSWERS,
    REVIEW,
    SUGGESTIONS,
    AuthorKind,
    Change,
    Decision,
    Fact,
    Hold,
    Policy,
    Posting,
    Reading,
    Release,
    Standing,
    Suggestion,
    Value,
    Verdict,
    advance,
)
from sidecar.pipeline.afresh import afresh
from sidecar.pipeline.people import claim_of
from sidecar.sync import held_in, pins

SOMEBODY = "somebody in the CRM"


@dataclass(slots=True)
class Heard:
    """What follows from what people said, and the standing with it taken in."""

    standing: Standing
    facts: list[Fact]

    def add(self, *facts: Fact) -> None:
        """Take facts in."""
        for fact in facts:
            self.standing = advance(self.standing, fact)
        self.facts += facts


def heard(journal: Journal, policy: Policy, before: Standing, after: Standing, facts: Sequence[Fact]) -> Heard:
    """Return what follows from new Readings; `after` is the standing with all of the facts, `before` without them."""
    said = Heard(after, [])
    readings = [fact for fact in facts if isinstance(fact, Reading) and not fact.gone]
    pinned = {key: _held(before, key, policy.pin_property) for key in {reading.key for reading in readings}}
    for reading in readings:
        if policy.pin_property in reading.holds:
            hold = reading.holds[policy.pin_property]
            said.add(*_pins(journal, policy, reading, hold, pinned[reading.key]))
            pinned[reading.key] = hold.value
    answers = [(hold, name, reading) for reading in readings for name, hold in _answers(policy, reading)]
    for hold, name, reading in sorted(answers, key=lambda answer: answer[0].at):
        _answer(journal, policy, said, reading, name, hold)
    if answers:
        anew = afresh(journal, policy, said.standing)
        said.facts += [*anew.claims, *anew.decisions]
        said.standing = anew.standing
    return said


def unheard(policy: Policy, standing: Standing) -> list[str]:
    """Return what somebody should know: an answer that nobody can have meant, a name that pins nothing."""
    lines = []
    for record in (r for r in standing.records.values() if not r.gone and r.kind in ("contact", "deal")):
        for name in policy.properties(record.kind, REVIEW):
            hold = held_in(record, name)
            if hold and hold.value in ANSWERS and hold.author.kind is not AuthorKind.PERSON:
                what = f"{record.kind} {record.ref}: {name} was set to {hold.value}"
                lines.append(f"{what}, and not by a person: only a person's word counts")
        pin = held_in(record, policy.pin_property)
        for word in pins(pin.value if pin else None, _names(policy, record.kind))[1]:
            what = f"{record.kind} {record.ref}: {policy.pin_property} names {word[:60]!r}"
            lines.append(f"{what}, which is no field here")
    return lines


def _held(standing: Standing, key: str, name: str) -> Value:
    hold = held_in(standing.records.get(key), name)
    return hold.value if hold else None


def _pins(journal: Journal, policy: Policy, reading: Reading, hold: Hold, before: Value) -> Iterator[Release]:
    """Yield what to leave alone from now on, and what to take back."""
    names = _names(policy, reading.kind)
    old, new = pins(before, names)[0], pins(hold.value, names)[0]
    for name in sorted(old ^ new):
        yield _release(journal, reading, hold, "pin" if name in new else "release", name)


def _names(policy: Policy, kind: str) -> dict[str, str]:
    """Return our field for each property of a kind that we may write."""
    return {name: field for field in (*policy.fields, "stage") for name in policy.properties(kind, field)}


def _answers(policy: Policy, reading: Reading) -> Iterator[tuple[str, Hold]]:
    for name in policy.properties(reading.kind, REVIEW):
        hold = reading.holds.get(name)
        if hold and hold.value in ANSWERS and hold.author.kind is AuthorKind.PERSON:
            yield name, hold


def _answer(journal: Journal, policy: Policy, said: Heard, reading: Reading, name: str, hold: Hold) -> None:
    """Rule on each suggestion that the record showed, and give the review field back to us."""
    verdict = Verdict.APPLY if hold.value == ACCEPT_ALL else Verdict.REJECT
    action = "approve" if verdict is Verdict.APPLY else "reject"
    shown = _shown(journal, policy, reading, hold)
    for slot, waiting in sorted(said.standing.engagement.suggestions.items()):
        was_open = (slot, waiting.value) in shown and hold.at < ends_at(waiting, policy)
        claim = claim_of(journal, waiting) if was_open else None
        if claim is None:
            continue
        release = _release(journal, reading, hold, action, slot, waiting)
        person = release.by
        said.add(release)
        ruled = by_person(claim, said.standing, policy, journal.mint, verdict=verdict, person=person, release=release)
        said.add(ruled)
    said.add(_release(journal, reading, hold, "release", name))


def _shown(journal: Journal, policy: Policy, reading: Reading, hold: Hold) -> set[tuple[str, Value]]:
    """Return the suggestions that the record showed at the time of an edit, as (slot, value)."""
    names = policy.properties(reading.kind, SUGGESTIONS)
    written = journal.written((Posting.KIND,), reading.party)
    postings = [row.fact for row in written if isinstance(row.fact, Posting)]
    ours = [p for p in postings if p.key == reading.key and p.field in names and p.at <= hold.at]
    change = journal.get(ours[-1].change) if ours else None
    return set(_waited(journal, change.because)) if isinstance(change, Change) else set()


def _waited(journal: Journal, causes: Iterable[str]) -> Iterator[tuple[str, Value]]:
    for decision in journal.get_many(causes).values():
        if isinstance(decision, Decision) and decision.verdict in (Verdict.SUGGEST, Verdict.HOLD):
            yield f"step:{decision.step.id}" if decision.step else decision.field, decision.value


def _release(
    journal: Journal, reading: Reading, hold: Hold, action: str, name: str, waiting: Suggestion | None = None
) -> Release:
    """What a person said with a field; its time is that of their edit, and one edit says a thing once."""
    return journal.mint(
        Release(
            because=(*((waiting.decision,) if waiting else ()), reading.id),
            party=reading.party,
            nonce=f"{reading.id}/{action}/{name}",
            action=action,
            by=hold.author.name or hold.author.ref or SOMEBODY,
            field=name,
            kind="" if waiting else reading.kind,
            key="" if waiting else reading.key,
            value=waiting.value if waiting else hold.value,
            at=hold.at,
        )
    )
