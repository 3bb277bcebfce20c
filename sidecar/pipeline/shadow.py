"""Reads a party's activities in order into a standing that nobody keeps: what eval and replay try prompts out on.

It infers and decides with the very functions of a running sidecar and chooses what is read as that would, but holds
everything in memory: there is no journal that it could write, and no ledger that it could post to. What it can't know
is when people would have edited the CRM; `take` lets a caller who does know say so.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sidecar.decide import decide, refresh
from sidecar.decide.expiry import expired
from sidecar.infer import Inferred, reads_whole
from sidecar.model import (
    Activity,
    Claim,
    Decision,
    Fact,
    Inference,
    Match,
    Mint,
    Own,
    Policy,
    Prompt,
    Standing,
    Suggestion,
    advance,
)
from sidecar.model.means import Hard
from sidecar.pipeline.asking import Asking
from sidecar.pipeline.selection import Matched, Reading, select, whole_instead
from sidecar.pipeline.unsaid import Unsaid, unsaid, withdrawals, without
from sidecar.ports import LLM

COMPUTED_ANEW = 20_000
"""The position of claims that are computed when nothing was read: behind those of any reading."""
MAX_RUNS = 1_000
"""Runs in a row without an end: more than the activities of any reading, so only a fault reaches it."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Everything that can change an answer, and the mint that names what follows from it."""

    prompt: Prompt
    policy: Policy
    own: Own
    llm: LLM
    mint: Mint
    hard: Hard = field(default_factory=Hard)


@dataclass(frozen=True, slots=True)
class Reread:
    """One reading: what was read, what the model asserted, what was decided, and where the party stood thereafter.

    `is_usable` is false when the model refused, was cut off or answered something else; then nothing is decided.
    """

    reading: Reading
    inference: Inference
    claims: tuple[Claim, ...]
    decisions: tuple[Decision, ...]
    standing: Standing
    is_usable: bool


@dataclass
class Shadow:
    """One party, read by one reader. `known` finds facts of a book that the standing rests on, where there is one."""

    reader: Reader
    standing: Standing
    known: Callable[[Iterable[str]], dict[str, Fact]] = lambda ids: {}
    _heard: list[Matched] = field(default_factory=list)
    _read: set[str] = field(default_factory=set)
    _made: dict[str, Fact] = field(default_factory=dict)
    _anew: int = 0

    def hear(self, match: Match, activity: Activity) -> None:
        """Take in that an activity is this party's; `read` or `reread` will read it."""
        self.standing = advance(self.standing, match, activity)
        self._heard.append((match, activity))

    def recall(self, past: Sequence[Matched]) -> None:
        """Know of activities that the standing holds already, in order of time, so that they can be read again."""
        self._heard[:0] = past
        self._read |= {match.id for match, _ in past}

    def take(self, fact: Fact) -> None:
        """Take in what somebody else did: a person's word, what the CRM held."""
        self.standing = advance(self.standing, fact)
        self._made[fact.id] = fact

    def read(self) -> list[Reread]:
        """Read all that was heard and not read yet, in as many runs as a sidecar would need."""
        done: list[Reread] = []
        while pending := [pair for pair in self._in_time() if pair[0].id not in self._read]:
            if len(done) >= MAX_RUNS:
                raise RuntimeError("a party's news never ended")
            reading = select(self, self.standing, pending, whole=reads_whole(self.standing))
            done.append(self.reread(reading))
            self._note(reading)
        return done

    def reread(self, reading: Reading, *, is_rest: bool = False) -> Reread:
        """Read exactly this; who doubts the state is given the whole history, and a hard case the stronger model.

        Of the rest of a question that had no answer the whole history is part, so it isn't given for that.
        """
        before, lost = self.standing, self._unsaid(reading)
        reader = self.reader
        asking = Asking(reader.llm, reader.policy, reader.own, reader.mint, reader.hard)
        whole = (lambda: None) if is_rest else partial(self._whole, reading)
        asked, inferred = asking.ask(reading, without(before, lost), reader.prompt, self._passed, whole)
        if asked is not reading:
            reading, lost = asked, self._unsaid(asked)
        self._note(reading)
        if not inferred.usable:
            return Reread(reading, inferred.inference, (), (), before, False)
        return self._decided(reading, inferred, lost)

    def _note(self, reading: Reading) -> None:
        """Know what was read: a long activity is when its last part is."""
        if reading.is_last:
            self._read |= {match.id for match, _ in (*reading.new, *reading.overtaken)}

    def _whole(self, reading: Reading) -> Reading | None:
        new = {match.id for match, _ in reading.new}
        pending = [(m, a) for m, a in self._in_time() if m.id not in self._read or m.id in new]
        return whole_instead(self, self.standing, pending)

    def _passed(self, inferred: Inferred) -> Inference:
        """Keep in mind a call that nothing is believed from."""
        self._made[inferred.inference.id] = inferred.inference
        return inferred.inference

    def settle(self, now: datetime) -> None:
        """Drop suggestions that nobody answered in time, and compute anew what follows from what is believed."""
        self.expire(now)
        policy, mint = self.reader.policy, self.reader.mint
        last = self.get_many([self.standing.last_inference]).get(self.standing.last_inference)
        if isinstance(last, Inference):
            made = refresh(last, self.standing, policy, mint, first=COMPUTED_ANEW + self._anew, now=now)
            self._anew += len(made.claims)
            for fact in (*made.claims, *made.decisions):
                self.take(fact)

    def expire(self, now: datetime, spare: Collection[str] = ()) -> None:
        """Drop suggestions that nobody answered in time, but for those whose decisions are to be spared."""
        policy, mint = self.reader.policy, self.reader.mint
        for dropped in expired(self.standing, policy, now, mint, self._claim):
            if dropped.after not in spare:
                self.take(dropped)

    def _claim(self, waiting: Suggestion) -> Claim | None:
        decision = self.get_many([waiting.decision]).get(waiting.decision)
        claim = self.get_many([decision.claim]).get(decision.claim) if isinstance(decision, Decision) else None
        return claim if isinstance(claim, Claim) else None

    def _decided(self, reading: Reading, inferred: Inferred, lost: Unsaid) -> Reread:
        policy, mint, before, inference = self.reader.policy, self.reader.mint, self.standing, inferred.inference
        baseline = self.reader.llm.capabilities.is_baseline
        believed, news = without(before, lost), reading.news
        decided = decide(inferred.claims, inference, believed, policy, mint, baseline=baseline, news=news)
        withdrawn = withdrawals(lost, before, decided.decisions, inference, policy, mint)
        facts = (inference, *inferred.claims, *decided.claims, *withdrawn, *decided.decisions)
        for fact in facts:
            self.take(fact)
        claims = tuple(fact for fact in facts if isinstance(fact, Claim))
        decisions = tuple(fact for fact in facts if isinstance(fact, Decision))
        return Reread(reading, inference, claims, decisions, self.standing, True)

    def _unsaid(self, reading: Reading) -> Unsaid:
        is_due = reading.whole and self.standing.needs_whole
        return unsaid(self, self.standing, {a.id for _, a in reading.overtaken} if is_due else set())

    # What a reading asks of a party's past ----------------------------------------------------------------------------

    def timeline(self, party: str, limit: int, before: datetime | None = None) -> list[Matched]:
        """Return the activities that were heard, newest first, those before a time."""
        found = [(m, a) for m, a in self._in_time() if before is None or a.at < before]
        return found[::-1][:limit]

    def effects(self, fact_id: str, kind: str | None = None) -> list[Fact]:
        """Return the facts (of a kind) that were made here and follow from a fact."""
        return [f for f in self._made.values() if fact_id in f.because and kind in (None, f.KIND)]

    def versions(self, channel: str, account: str, external_id: str, limit: int = 200) -> list[Activity]:
        """Return an activity and those that relate to it, oldest first."""
        here = [a for _, a in self._in_time() if (a.channel, a.account) == (channel, account)]
        return [a for a in here if external_id in (a.external_id, a.relates_to)][:limit]

    def get_many(self, ids: Iterable[str]) -> dict[str, Fact]:
        """Return facts that were made here, or are known."""
        wanted = list(ids)
        found = {i: self._made[i] for i in wanted if i in self._made}
        return {**self.known(i for i in wanted if i not in found), **found}

    def _in_time(self) -> list[Matched]:
        return sorted(self._heard, key=lambda pair: (pair[1].at, pair[1].id))
