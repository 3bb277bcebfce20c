"""One stored party, read by a prompt that is not in force: what it would say, in seconds, before a replay is worth it.

The whole history (the newest part of it, where it is very long) is read in one question by somebody who knows nothing
of the party yet, and the policy rules on what is claimed. Nothing of it is kept, and nothing can be posted. What is in
force stands beside it as it stands now, which people and the CRM had a hand in too: to see what the prompt alone would
have changed is what `replay` is for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sidecar.errors import PermanentError
from sidecar.evaluate.answers import Kept, Purse
from sidecar.evaluate.trial import Side
from sidecar.journal import Journal
from sidecar.model import Claim, Decision, Standing, Value
from sidecar.pipeline.selection import select
from sidecar.pipeline.shadow import Reader, Reread, Shadow


@dataclass(frozen=True, slots=True)
class Said:
    """Words that a claim quotes, and in which activity they stand."""

    activity: str
    quote: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A claim, what the policy makes of it, and what is in force in its place."""

    field: str
    op: str
    value: Value
    certainty: str
    confidence: float
    verified: bool
    quotes: tuple[Said, ...]
    verdict: str
    rule: str
    reason: str
    in_force: Value


@dataclass(frozen=True, slots=True)
class Beside:
    """A field's value, as it is in force and as it would be."""

    field: str
    in_force: Value
    would_be: Value

    @property
    def differs(self) -> bool:
        """Whether the two are not the same."""
        return self.in_force != self.would_be


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a prompt would say about a party; `usable` is false when the model's answer was none."""

    party: str
    name: str
    prompt: str
    prompt_sha256: str
    model: str
    activities: int
    left_out: int
    statements: tuple[Statement, ...]
    fields: tuple[Beside, ...]
    usable: bool
    calls: int
    tokens: int
    usd: float
    ms: int


def attempt(journal: Journal, standing: Standing, side: Side, max_usd: float) -> Attempt:
    """Ask what a side would say about a party; `PermanentError` where nobody said anything."""
    reading = select(journal, replace(standing, needs_whole=True), (), whole=True) if standing.activities else None
    if reading is None or not reading.new:
        raise PermanentError("nobody has said anything yet that could be read")
    llm = Kept(Purse(max_usd)).over(side.llm)
    reader = Reader(side.prompt, side.policy, side.own, llm, journal.mint, side.hard)
    shadow = Shadow(reader, Standing(standing.party, name=standing.name), journal.get_many)
    for match, activity in reading.new:
        shadow.hear(match, activity)
    done = shadow.reread(replace(reading, news=None))
    calls = llm.calls
    return Attempt(
        party=standing.party,
        name=standing.name,
        prompt=side.prompt.name,
        prompt_sha256=side.prompt.sha256,
        model=done.inference.model,
        activities=len(reading.new),
        left_out=max(0, standing.activities - len(reading.new) - len(reading.overtaken)),
        statements=tuple(_statements(done, standing)),
        fields=_beside(side, standing, done.standing),
        usable=done.is_usable,
        calls=len(calls),
        tokens=sum(call.tokens for call in calls),
        usd=round(sum(call.usd for call in calls), 6),
        ms=sum(call.ms for call in calls),
    )


def _statements(done: Reread, standing: Standing) -> Sequence[Statement]:
    """Return what the model claimed, in the order of its answer; what code computes is not its word."""
    ruled: dict[str, Decision] = {decision.claim: decision for decision in done.decisions}
    said = [claim for claim in done.claims if claim.id in ruled and (claim.field == "summary" or not claim.formula)]
    return [_statement(claim, ruled[claim.id], standing) for claim in sorted(said, key=lambda claim: claim.position)]


def _statement(claim: Claim, decision: Decision, standing: Standing) -> Statement:
    return Statement(
        field=claim.field,
        op=claim.op,
        value=claim.value
        if claim.step is None
        else f"{claim.step.who}: {claim.step.what} {claim.step.due or ''}".strip(),
        certainty=claim.certainty.value,
        confidence=claim.confidence,
        verified=claim.verified,
        quotes=tuple(Said(evidence.activity, evidence.quote) for evidence in claim.evidence),
        verdict=decision.verdict.value,
        rule=decision.rule,
        reason=decision.reason,
        in_force=_value(standing, claim.field),
    )


def _beside(side: Side, was: Standing, now: Standing) -> tuple[Beside, ...]:
    names = [name for name, field in side.policy.fields.items() if field.grounding == "quoted" or name == "summary"]
    both = (Beside(name, _value(was, name), _value(now, name)) for name in names)
    return tuple(one for one in both if (one.in_force, one.would_be) != (None, None))


def _value(standing: Standing, field: str) -> Value:
    held = standing.engagement.fields.get(field)
    return held.value if held else None
