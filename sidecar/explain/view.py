"""Everything that one link shows, read from the book in a bounded number of look-ups.

A link to one field shows the conversations that it is quoted from and no others; a link to all of a party's fields
shows all of them. Nothing here is HTML, and nothing is cut that isn't said to be.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sidecar.errors import PermanentError
from sidecar.explain.chain import Explanation, Node, fields_by_property, find, nodes, of_belief, of_property, walk
from sidecar.explain.past import AMONG, SCANNED, Asked, Event, author, past
from sidecar.explain.refused import STEP, Refusal
from sidecar.explain.talk import Talk, evidence_of, talk
from sidecar.journal import Journal
from sidecar.links import Linked
from sidecar.model import (
    OTHERS,
    Activity,
    Claim,
    Decision,
    Evidence,
    FieldStanding,
    FieldSync,
    Policy,
    RecordSync,
    Standing,
    Suggestion,
    Value,
    Verdict,
)
from sidecar.sync.desired import task_key

MAX_FIELDS = 60


@dataclass(frozen=True, slots=True)
class Place:
    """A property of a CRM record that the field goes to: what is there as far as we know, and whose it is."""

    record: str
    property: str
    state: str
    value: Value = None
    at: datetime | None = None
    is_ours: bool = True


@dataclass(frozen=True, slots=True)
class Told:
    """One field: what is believed, what waits for a person, where it went, and the numbers of its quotes.

    `ours` is what had been read out of the words before a person set another value, `refused` the last proposal that
    came to nothing.
    """

    name: str
    value: Value
    held: FieldStanding | None = None
    waiting: Suggestion | None = None
    note: str = ""
    places: tuple[Place, ...] = ()
    numbers: tuple[int, ...] = ()
    ours: Value = None
    refused: Refusal | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What a page shows: one field with its chain and its past, or all fields of a party, with neither."""

    linked: Linked
    party: str
    name: str
    fields: tuple[Told, ...]
    talk: Talk
    zone: ZoneInfo
    chain: tuple[Node, ...] = ()
    events: tuple[Event, ...] = ()
    is_all: bool = True

    @property
    def until(self) -> date:
        """The first day on which the link doesn't hold any more."""
        return self.linked.until


def view(journal: Journal, account: str, policy: Policy, linked: Linked, zone: ZoneInfo) -> View:
    """Return what a link shows; `PermanentError` when the book doesn't know it, or no more."""
    standing, sync = find(journal, account, linked.record)
    name = standing.name or next((i.value for i in standing.identifiers), standing.party)
    if linked.field:
        return _one(journal, standing, sync, policy, View(linked, standing.party, name, (), _SILENCE, zone))
    return _all(journal, standing, View(linked, standing.party, name, (), _SILENCE, zone))


def became(journal: Journal, account: str, policy: Policy, record: str, name: str) -> tuple[tuple[Event, ...], bool]:
    """Return what became of a field of a record, or of a party, newest first, and whether that is all."""
    standing, sync = find(journal, account, record)
    return past(journal, standing, _asked(journal, sync, policy, name))


_SILENCE = Talk((), (), whole=True, activities=0)


def _one(journal: Journal, standing: Standing, sync: RecordSync | None, policy: Policy, bare: View) -> View:
    asked = _asked(journal, sync, policy, bare.linked.field)
    told, chain = _explained(journal, standing, sync, bare.linked, asked)
    before = _before(journal, standing, told)
    if before:
        told, chain = replace(told, ours=before.value), _without_repeats((*chain, *walk(journal, before)))
    facts = list(_once(chain))
    claims = (node.detail for node in facts if node.kind == Claim.KIND)
    spoken = talk(journal, standing, evidence_of(claims), [node.id for node in facts if node.kind == Activity.KIND])
    events, is_all = past(journal, standing, asked)
    numbers = tuple(q.number for q in spoken.quotes)
    return replace(
        bare, fields=(replace(told, numbers=numbers),), talk=spoken, chain=chain, events=events, is_all=is_all
    )


def _asked(journal: Journal, sync: RecordSync | None, policy: Policy, name: str) -> Asked:
    """Find the field behind a property, and the properties behind a field."""
    if name.startswith(STEP):
        step = name.removeprefix(STEP)
        key = task_key(step, journal.mint)
        return Asked("", step, frozenset((key, written) for written in ("status", "title", "due")))
    targets = fields_by_property(policy)
    if sync is not None:
        return Asked(targets.get((sync.kind, name), ""), "", frozenset({(sync.kind, name)}))
    return Asked(name, "", frozenset(place for place, field in targets.items() if field == name))


def _explained(
    journal: Journal, standing: Standing, sync: RecordSync | None, linked: Linked, asked: Asked
) -> tuple[Told, tuple[Node, ...]]:
    """Explain by the property that was asked for, else by what is believed and by its write, where there was one."""
    name = asked.field or linked.field
    held, waiting = _believed(standing, name)
    places = tuple(_places(standing, asked))
    found = sync.fields.get(linked.field) if sync else None
    believed = _belief(journal, standing, linked.record, name)
    if sync and found:
        told = of_property(journal, standing, sync, linked.field, found)
        note = told.note if not found.hold else ""
        chain = _joined(told.chain, believed, None if found.hold else held)
        refused = believed.refused if believed else None
        return Told(name, told.value, held, waiting, note, places, refused=refused), chain
    if believed is None:
        raise PermanentError(f"nothing is known of {linked.field!r}")
    written = _written(journal, standing, asked, believed.value)
    note = "" if held or waiting else believed.note
    shown = Told(name, believed.value, held, waiting, note, places, refused=believed.refused)
    return shown, _joined(written, believed, held)


def _joined(written: tuple[Node, ...], believed: Explanation | None, held: FieldStanding | None) -> tuple[Node, ...]:
    """Join the chain of a write with what waits; why the same is `held` still would be said twice."""
    beliefs = believed.chain if believed else ()
    return _without_repeats((*written, *(r for r in beliefs if not (written and held and r.id == held.decision))))


def _before(journal: Journal, standing: Standing, told: Told) -> Decision | None:
    """Return what was believed of a field before a person set it, if that was another value."""
    if told.held is None or told.held.engine not in OTHERS:
        return None
    facts, _ = journal.lately(standing.party, [Decision.KIND], SCANNED, AMONG)
    ours = (f for f in (written.fact for written in facts) if isinstance(f, Decision) and f.field == told.name)
    found = next((f for f in ours if f.verdict is Verdict.APPLY and f.by == "policy"), None)
    return found if found and found.value != told.held.value else None


def _believed(standing: Standing, name: str) -> tuple[FieldStanding | None, Suggestion | None]:
    for engagement in reversed(standing.engagements):
        held, waiting = engagement.fields.get(name), engagement.suggestions.get(name)
        if held or waiting:
            return held, waiting
    return None, None


def _belief(journal: Journal, standing: Standing, record: str, name: str) -> Explanation | None:
    try:
        return of_belief(journal, standing, record, name)
    except PermanentError:
        return None


def _places(standing: Standing, asked: Asked) -> Iterator[Place]:
    for record in standing.records.values():
        if record.ref and not record.gone:
            for name, found in record.fields.items():
                if asked.properties & {(record.kind, name), (record.key, name)}:
                    yield _place(f"{record.kind}:{record.ref}", name, found)


def _place(record: str, name: str, found: FieldSync) -> Place:
    if found.hold:
        state = f"{author(found.hold.author)} wrote this; the sidecar leaves it"
        return Place(record, name, state, found.hold.value, found.hold.at, is_ours=False)
    if found.pinned:
        return Place(record, name, "pinned by a person: the sidecar leaves it", found.posted, is_ours=False)
    if found.pending:
        return Place(record, name, "sent, not confirmed yet", next(iter(found.pending.values())))
    if found.was_posted:
        return Place(record, name, "written by the sidecar and read back", found.posted)
    return Place(record, name, "nothing written yet")


def _written(journal: Journal, standing: Standing, asked: Asked, value: Value) -> tuple[Node, ...]:
    """Return the chain behind the first write of what is believed, if it stands in the CRM."""
    for record in standing.records.values():
        for name, found in record.fields.items() if record.ref and not record.gone else ():
            is_it = asked.properties & {(record.kind, name), (record.key, name)}
            if is_it and found.change and not found.hold and found.posted == value and not asked.step:
                return of_property(journal, standing, record, name, found).chain
    return ()


def _once(chain: Iterable[Node]) -> Iterator[Node]:
    seen: set[str] = set()
    for node in nodes(tuple(chain)):
        if node.id not in seen:
            seen.add(node.id)
            yield node


def _without_repeats(chain: Iterable[Node]) -> tuple[Node, ...]:
    """Leave out roots that stand in the chain of an earlier root."""
    kept: list[Node] = []
    for root in chain:
        if root.id not in {node.id for node in nodes(tuple(kept))}:
            kept.append(root)
    return tuple(kept)


def _all(journal: Journal, standing: Standing, bare: View) -> View:
    engagement = standing.engagement
    names = list(dict.fromkeys((*engagement.fields, *engagement.suggestions)))[:MAX_FIELDS]
    rows = [(name, engagement.fields.get(name), engagement.suggestions.get(name)) for name in names]
    decisions = {name: [f.decision for f in (held, waiting) if f] for name, held, waiting in rows}
    steps = [step for step in engagement.steps if step.status == "open"][: MAX_FIELDS - len(names)]
    decisions |= {f"{STEP}{step.id}": [step.decision] for step in steps}
    quotes = {name: tuple(_evidence(journal, ids)) for name, ids in decisions.items()}
    spoken = talk(journal, standing, (e for found in quotes.values() for e in found), all_threads=True)
    numbers = {q.evidence: q.number for q in spoken.quotes}
    fields = [Told(name, held.value if held else None, held, waiting) for name, held, waiting in rows]
    fields += [Told(f"{STEP}{step.id}", step.what) for step in steps]
    told = (replace(f, numbers=tuple(numbers[e] for e in quotes[f.name] if e in numbers)) for f in fields)
    return replace(bare, fields=tuple(told), talk=spoken)


def _evidence(journal: Journal, decisions: Iterable[str]) -> Iterator[Evidence]:
    for decision in decisions:
        for claim in journal.causes(decision):
            if isinstance(claim, Claim):
                yield from claim.evidence
