"""Reviews: which of the values that we posted a person has judged, and how. What a correction rate is counted from.

A value is *reviewed* once a person has corrected it, has put it back, or has edited something else of its record after
it was posted and left it as it was. Silence is no review: nobody can tell a value that was approved by being left alone
from one that nobody looked at. A value counts once, by the last word on it. An automation's edit is nobody's review,
and so is an edit that the CRM's history names no author for. Values that a person chose (by approving a suggestion, by
writing them elsewhere, by a rollback) are not ours to be judged; what people said to suggestions is counted apart.

All of this is read from the book. It journals nothing, and costs as much as people have edited.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt

from sidecar.journal import Journal, Written
from sidecar.model import (
    AuthorKind,
    Change,
    Claim,
    Correction,
    Decision,
    Fact,
    Hold,
    Inference,
    Match,
    Policy,
    Posting,
    Reading,
    Release,
)
from sidecar.sync import same

KINDS = (Reading.KIND, Correction.KIND)
"""The facts that a review is read from."""
DEFINITION = (
    "a value that we posted is reviewed once a person corrected it, put it back, or edited something else of its "
    "record later and left it; it counts once, by the last word; automations, unknown authors and silence count nothing"
)
Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Origin:
    """What a value was read by: prompt, model, and the version of all of it; without a prompt, our own rules."""

    prompt: str = ""
    prompt_sha256: str = ""
    model: str = "rules"
    version: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """A person's word on one posted value, `change` its Change; `field` is ours, or record.property where none is."""

    change: str
    field: str
    origin: Origin
    posted_at: datetime
    at: datetime
    corrected: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's answer to a suggestion, which was no value of the CRM's yet, or to a value that was sampled."""

    field: str
    origin: Origin
    at: datetime
    approved: bool


@dataclass(frozen=True, slots=True)
class _Word:
    """A person's word before it is known what the value was made by."""

    change: str
    at: datetime
    corrected: bool


def reviews(journal: Journal, written: Sequence[Written], policy: Policy) -> list[Review]:
    """Return what some Readings and Corrections say about values of ours, in the order of the book."""
    postings: dict[str, list[tuple[int, Posting]]] = {}
    words: list[_Word] = []
    for row in written:
        if isinstance(row.fact, Correction):
            words += [_Word(c, row.fact.at, True) for c in row.fact.because if c.startswith(Change.KIND + "-")]
        elif isinstance(row.fact, Reading) and _by_people(row.fact, policy):
            party = row.fact.party or ""
            if party not in postings:
                found = journal.written((Posting.KIND,), party)
                postings[party] = [(w.seq, w.fact) for w in found if isinstance(w.fact, Posting)]
            words += _left(row.fact, policy, (p for seq, p in postings[party] if seq < row.seq))
    return _reviewed(journal, words, policy)


def answers(journal: Journal, written: Sequence[Written]) -> list[Answer]:
    """Return what some Releases say about suggestions."""
    return _answered(journal, written, "approve", "reject")


def samples(journal: Journal, written: Sequence[Written]) -> list[Answer]:
    """Return what some Releases say about values that were drawn for a person to judge, looked at or not."""
    return _answered(journal, written, "confirm", "refute")


def interval(count: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson's score interval, which holds for few and for none, too)."""
    if not of:
        return 0.0, 1.0
    share, z2 = count / of, Z_95 * Z_95
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z_95 / (1 + z2 / of) * sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def _answered(journal: Journal, written: Sequence[Written], yes: str, no: str) -> list[Answer]:
    said = [w.fact for w in written if isinstance(w.fact, Release) and w.fact.action in (yes, no)]
    decisions = journal.get_many({c for release in said for c in release.because})
    origins = _origins(journal, decisions.values())
    return [
        Answer(release.field, origins[cause], release.at, release.action == yes)
        for release in said
        for cause in release.because
        if cause in origins
    ]


def _by_people(reading: Reading, policy: Policy) -> dict[str, Hold]:
    """What people wrote into a record, as a Reading has it, by property; whoever only steers us reviews nothing."""
    if reading.gone:
        return {}
    said = {**reading.holds, **reading.freed}
    persons = {name: hold for name, hold in said.items() if hold.author.kind is AuthorKind.PERSON}
    return {name: hold for name, hold in persons.items() if name not in policy.of_people}


def _left(reading: Reading, policy: Policy, postings: Iterable[Posting]) -> Iterable[_Word]:
    """Yield a word on each value of ours that a person put back, or left when editing something else of the record."""
    said, current = _by_people(reading, policy), {p.field: p for p in postings if p.key == reading.key}
    for name, posting in current.items():
        edits = [hold.at for other, hold in said.items() if other != name]
        if name in reading.freed:
            edits = [reading.freed[name].at] if name in said else []
        stands = name not in reading.holds and same(reading.values.get(name), posting.value)
        if stands and edits and max(edits) >= posting.at:
            yield _Word(posting.change, max(edits), False)


def _reviewed(journal: Journal, words: Sequence[_Word], policy: Policy) -> list[Review]:
    changes = {c.id: c for c in journal.get_many({w.change for w in words}).values() if isinstance(c, Change)}
    causes = journal.get_many({cause for change in changes.values() for cause in change.because})
    origins = _origins(journal, causes.values())
    names = _names(policy)
    found = []
    for word in words:
        change = changes.get(word.change)
        origin = _origin(change, causes, origins) if change else None
        if change and origin:
            name = names.get((change.kind, change.field), f"{change.kind}.{change.field}")
            found.append(Review(change.id, name, origin, change.at, word.at, word.corrected))
    return found


def _origin(change: Change, causes: Mapping[str, Fact], origins: Mapping[str, Origin]) -> Origin | None:
    """What a Change's value was made by; None where a person, or a rollback, chose it."""
    if any(isinstance(causes.get(cause), Release) for cause in change.because):
        return None
    return next((origins[cause] for cause in change.because if cause in origins), None)


def _origins(journal: Journal, causes: Iterable[Fact]) -> dict[str, Origin]:
    """Return what values were made by, by the Decision or Match that they follow from; a person's own have none."""
    found = {cause.id: Origin() for cause in causes if isinstance(cause, Match)}
    decisions = {d.id: d for d in causes if isinstance(d, Decision) and d.by == "policy"}
    claims = journal.get_many({d.claim for d in decisions.values()})
    inferences = journal.get_many({c.inference for c in claims.values() if isinstance(c, Claim)})
    for decision in decisions.values():
        claim = claims.get(decision.claim)
        inference = inferences.get(claim.inference) if isinstance(claim, Claim) else None
        if isinstance(inference, Inference):
            found[decision.id] = _read_by(inference)
    return found


def _names(policy: Policy) -> dict[tuple[str, str], str]:
    names = {(t.kind, t.property): field.name for field in policy.fields.values() for t in field.targets}
    return {**names, ("deal", "stage"): "stage"}


def _read_by(inference: Inference) -> Origin:
    return Origin(inference.prompt, inference.prompt_sha256, inference.model, inference.version)
