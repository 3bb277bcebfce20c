"""One party's history, gone through again: the same words in the same pieces, read by somebody else.

Recorded readings say what was read when, so the trial reads those very pieces. What people did meanwhile (approvals,
pins, edits in the CRM) is taken in where it happened, for they would have done it anyway; what our own side believed,
the trial says for itself. Where two parties were merged or one was split, no single history was ever read: there the
words are read in the order of time by both sides, as if it had always been so, and the report counts such parties.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sidecar.errors import PermanentError
from sidecar.journal import Journal
from sidecar.model import (
    EXPIRED,
    Activity,
    Change,
    Claim,
    Correction,
    Decision,
    Fact,
    Inference,
    Match,
    Outcome,
    Reading,
    Release,
    Standing,
    Value,
    advance,
)
from sidecar.pipeline.afresh import ANEW
from sidecar.pipeline.asking import Asking
from sidecar.pipeline.selection import END, MAX_WHOLE, Matched, overtaken
from sidecar.pipeline.selection import Reading as Pieces
from sidecar.pipeline.shadow import Reader, Reread, Shadow
from sidecar.replay.sides import Said, said

MAX_FACTS = 100_000
WAS, NEW, AGAIN = "was", "new", "again"
"""The sides: what is in force, what is on trial, and what is in force asked once more."""
Known = Callable[[Iterable[str]], dict[str, Fact]]
"""Finds facts by id."""
_REJOINED = ("merge", "split", "assign")


@dataclass(frozen=True, slots=True)
class Trial:
    """One recorded reading beside what the sides made of it; a side that gave no usable answer says nothing.

    `is_former` says that the recorded one was read by another version than that in force.
    """

    at: datetime
    inference: str
    was: Said
    sides: Mapping[str, Said]
    unusable: frozenset[str]
    unverified: Mapping[str, tuple[int, int]]
    is_former: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A value that a person put into the CRM, or approved, and what each side believed at that moment."""

    at: datetime
    field: str
    value: Value
    held: Mapping[str, Value]


@dataclass(slots=True)
class Walk:
    """A party's history gone through, beside where it stands in the `book`; `ends` are the standings that each side
    came to by now, of `was` what is in force, and `known` finds their facts."""

    party: str
    book: Standing
    trials: list[Trial] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    ends: dict[str, Standing] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict)
    rejoined: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """What the book holds of one party."""

    party: str
    facts: Sequence[Fact]
    times: Sequence[datetime]
    pairs: Mapping[str, Matched]

    @property
    def inferences(self) -> list[Inference]:
        """All calls, those that were passed on included."""
        return [f for f in self.facts if isinstance(f, Inference)]

    @property
    def readings(self) -> list[Inference]:
        """The inferences that brought something, in the order of the book."""
        return [f for f in self.facts if isinstance(f, Inference) and f.stop == END and self._read(f)]

    def _read(self, inference: Inference) -> bool:
        return any(cause in self.pairs for cause in inference.because)


def history(journal: Journal, party: str) -> History:
    """Return a party's facts in the order of the book, with its activities beside their matches."""
    written = list(journal.written(party=party, limit=MAX_FACTS))
    if len(written) == MAX_FACTS:
        raise PermanentError(f"its history has {MAX_FACTS} facts and more, which is too long to be gone through")
    facts = [w.fact for w in written]
    matches = [f for f in facts if isinstance(f, Match) and f.outcome is Outcome.PARTY]
    activities = journal.get_many(match.activity for match in matches)
    pairs = {m.id: (m, a) for m in matches if isinstance(a := activities.get(m.activity), Activity)}
    return History(party, facts, [w.recorded_at for w in written], pairs)


def rejoined(book: Journal) -> frozenset[str]:
    """Return the parties whose words came from, or went to, another party."""
    releases = (f for f in book.facts((Release.KIND,)) if isinstance(f, Release) and f.action in _REJOINED)
    return frozenset(party for release in releases for party in (release.party, release.other) if party)


def walk(
    book: Journal,
    known: History,
    party: Standing,
    readers: Mapping[str, Reader],
    since: datetime | None,
    now: datetime,
    *,
    reads: bool = False,
    is_rejoined: bool = False,
) -> Walk:
    """Go through a party's history with some readers, anew from readings whose newest words are `since` a time.

    What the book believes is brought to `now` by the reader `was` as the others are. In its stead that reader `reads`
    if told to, if that is free and a former version wrote the book, and of a rejoined party, for which there is no
    history of one piece.
    """
    made = Walk(party.party, book=party, rejoined=is_rejoined)
    if is_rejoined:
        shadows = {name: _as_if_one(book, party, reader) for name, reader in readers.items()}
    else:
        versions, is_free = _versions(readers[WAS]), readers[WAS].llm.capabilities.offline
        reads = reads or (is_free and any(inference.version not in versions for inference in known.readings))
        others = {name: reader for name, reader in readers.items() if reads or name != WAS}
        shadows = _as_read(book, known, since, others, versions, made)
        shadows.setdefault(WAS, Shadow(readers[WAS], party, book.get_many))
    for name, shadow in shadows.items():
        shadow.settle(now)
        made.ends[name], made.known[name] = shadow.standing, shadow.get_many
    return made


def ends(made: Walk) -> bool:
    """Say whether the relationship is over on the new side alone: the change that is the most to be looked at."""
    new = made.ends.get("new", made.ends["was"])
    return new.engagement.closed_at is not None and made.ends["was"].engagement.closed_at is None


def _as_read(
    book: Journal,
    known: History,
    since: datetime | None,
    readers: Mapping[str, Reader],
    versions: Collection[str],
    made: Walk,
) -> dict[str, Shadow]:
    standing, heard = Standing(known.party), list[Matched]()
    shadows: dict[str, Shadow] = {}
    anew, was_anew = _anew(known.facts), False
    due = {i.id for i in known.readings if since is None or i.newest_at >= since}
    claims, decisions = _by_inference(known.facts)
    unanswered, answered, looks = set[str](), set[str](), _Looks()
    for recorded_at, fact in zip(known.times, known.facts, strict=True):
        pair = known.pairs.get(fact.id)
        if isinstance(fact, Inference) and fact.stop != END and not fact.passed_on:
            unanswered.update(fact.request.get("aliases", {}).values())
        if isinstance(fact, Inference) and fact.id in due:
            if not shadows:
                shadows = {name: _begun(reader, standing, book, heard) for name, reader in readers.items()}
            waiting = {held.decision for held in standing.engagement.suggestions.values()}
            for shadow in shadows.values():
                shadow.expire(fact.newest_at, spare=waiting)  # what still waits in the book waits here
            pieces = _pieces(fact, known, heard, answered)
            is_rest = bool(unanswered & {a.id for a in _new(fact, known)})
            rereads = {name: shadow.reread(pieces, is_rest=is_rest) for name, shadow in shadows.items()}
            recorded = claims.get(fact.id, ()), decisions.get(fact.id, ())
            made.trials.append(_trial(fact, recorded, rereads, versions))
        answered.update(_read_by(fact))
        standing = advance(standing, fact, pair[1] if pair else None)
        if pair is not None:
            heard.append(pair)
        made.judged += _judged(fact, looks.believed(fact, shadows), book)
        for shadow in shadows.values():
            _follow(shadow, fact, pair)
            if fact.id in anew and not was_anew:
                shadow.settle(recorded_at)
        was_anew = fact.id in anew
    return shadows


def _begun(reader: Reader, standing: Standing, book: Journal, heard: Sequence[Matched]) -> Shadow:
    """Return a side that goes on from where the party stood, and knows what was said until then."""
    shadow = Shadow(reader, standing, book.get_many)
    shadow.recall(heard)
    return shadow


def _anew(facts: Iterable[Fact]) -> set[str]:
    """Return the decisions that no words brought about: a party was looked at, by the clock or for a person."""
    claims = {fact.id for fact in facts if isinstance(fact, Claim) and fact.formula and fact.position >= ANEW}
    looked = (fact for fact in facts if isinstance(fact, Decision) and fact.by == "policy")
    return {fact.id for fact in looked if fact.claim in claims or fact.rule == EXPIRED}


def _as_if_one(book: Journal, party: Standing, reader: Reader) -> Shadow:
    """Read a rejoined party's words in the order of time; what stands at the end is all that can be compared."""
    shadow = Shadow(reader, Standing(party.party), book.get_many)
    for match, activity in reversed(book.timeline(party.party, MAX_FACTS)):
        shadow.hear(match, activity)
    shadow.read()
    return shadow


def _follow(shadow: Shadow, fact: Fact, pair: Matched | None) -> None:
    """Take in what our own reading didn't bring about."""
    if pair is not None:
        shadow.hear(*pair)
    elif isinstance(fact, Decision):
        if fact.by != "policy":
            shadow.take(fact)
    elif not isinstance(fact, Match | Inference | Claim):
        shadow.take(fact)


def _pieces(inference: Inference, known: History, heard: Sequence[Matched], answered: Collection[str]) -> Pieces:
    """Return what a recorded inference read, as its request names it, and what nobody read any more by then.

    What follows from a Match that an earlier one `answered` was no news to it.
    """
    by_activity = {activity.id: (match, activity) for match, activity in known.pairs.values()}
    shown = list(dict.fromkeys(inference.request.get("aliases", {}).values()))
    read = {activity.id for activity in _new(inference, known)}
    new = [by_activity[a] for a in shown if a in read and a in by_activity]
    earlier = [by_activity[a][1] for a in shown if a not in read and a in by_activity]
    in_time = sorted(heard, key=lambda pair: (pair[1].at, pair[1].id))[-MAX_WHOLE:]
    gone = {activity.id for _, activity in (overtaken(in_time) if inference.whole else ())}
    left_out = [by_activity[a] for a in dict.fromkeys((*gone, *read)) if a not in shown]
    news = frozenset(activity.id for match, activity in new if match.id not in answered)
    return Pieces(new, earlier, inference.whole, left_out, inference.part, inference.parts, news=news)


def _read_by(fact: Fact) -> tuple[str, ...]:
    """Return the Matches whose activities have been read once this is in the book."""
    return fact.because if isinstance(fact, Inference) and fact.part == fact.parts else ()


def _new(inference: Inference, known: History) -> list[Activity]:
    """Return the activities that an inference was about."""
    return [known.pairs[cause][1] for cause in inference.because if cause in known.pairs]


def _trial(
    inference: Inference,
    recorded: tuple[Sequence[Claim], Sequence[Decision]],
    rereads: Mapping[str, Reread],
    versions: Collection[str],
) -> Trial:
    """Return what each side said; who `was` in force has read it anew, or what the book holds stands for it."""
    sides = {name: (reread.claims, reread.decisions) for name, reread in rereads.items()}
    told = {name: said(*side) for name, side in {WAS: recorded, **sides}.items()}
    return Trial(
        at=inference.newest_at,
        inference=inference.id,
        was=told.pop(WAS),
        sides=told,
        unusable=frozenset(name for name, reread in rereads.items() if not reread.is_usable),
        unverified={name: _unverified(claims) for name, (claims, _) in {WAS: recorded, **sides}.items()},
        is_former=WAS not in rereads and inference.version not in versions,
    )


def _versions(reader: Reader) -> frozenset[str]:
    """Name what an inference of a reader is made by: the model that is asked first, or the stronger one."""
    asking = Asking(reader.llm, reader.policy, reader.own, reader.mint, reader.hard)
    return frozenset(asking.versions(reader.prompt))


def _unverified(claims: Iterable[Claim]) -> tuple[int, int]:
    """Of the claims that quote, how many quote what nobody said."""
    quoting = [claim for claim in claims if not claim.formula]
    return sum(not claim.verified for claim in quoting), len(quoting)


class _Looks:
    """What the sides believed until we looked at the CRM: a person's value that was seen then judges that."""

    def __init__(self) -> None:
        self._before: dict[str, Mapping[str, Standing]] = {}

    def believed(self, fact: Fact, shadows: Mapping[str, Shadow]) -> Mapping[str, Standing]:
        """Return what each side believes when a fact comes; upon a Correction, before the look that it rests on."""
        held = {name: shadow.standing for name, shadow in shadows.items()}
        if isinstance(fact, Reading) and fact.holds:
            self._before[fact.id] = held
        return self._before.get(fact.reading, held) if isinstance(fact, Correction) else held


def _judged(fact: Fact, believed: Mapping[str, Standing], book: Journal) -> Iterator[Judged]:
    """Yield a person's word on a value of ours, and what every side believed when it was said."""
    name, value = "", None
    if isinstance(fact, Correction):
        changes = [c for c in book.get_many(fact.because).values() if isinstance(c, Change)]
        name = next((_field(change, book) for change in changes), "")
        value = fact.theirs
    elif isinstance(fact, Decision) and fact.by != "policy" and fact.step is None and fact.verdict.value == "apply":
        name, value = fact.field, fact.value
    if name and believed and isinstance(fact, Correction | Decision):
        at = fact.at if isinstance(fact, Correction) else fact.evidence_at
        held = {side: _held(standing, name) for side, standing in believed.items()}
        yield Judged(at, name, value, {"was": fact.ours if isinstance(fact, Correction) else fact.value, **held})


def _field(change: Change, book: Journal) -> str:
    """Return our field behind a Change of the CRM's."""
    causes = book.get_many(change.because).values()
    return next((fact.field for fact in causes if isinstance(fact, Decision)), "")


def _held(standing: Standing, name: str) -> Value:
    """What a side believed, or had proposed."""
    held = standing.engagement.suggestions.get(name) or standing.engagement.fields.get(name)
    return held.value if held else None


def _by_inference(facts: Iterable[Fact]) -> tuple[dict[str, list[Claim]], dict[str, list[Decision]]]:
    claims: dict[str, list[Claim]] = {}
    decisions: dict[str, list[Decision]] = {}
    of: dict[str, str] = {}
    for fact in facts:
        if isinstance(fact, Claim):
            claims.setdefault(fact.inference, []).append(fact)
            of[fact.id] = fact.inference
        elif isinstance(fact, Decision) and fact.by == "policy" and fact.rule != EXPIRED and fact.claim in of:
            decisions.setdefault(of[fact.claim], []).append(fact)
    return claims, decisions
