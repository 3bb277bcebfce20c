"""What was taken back: beliefs that rest on nothing but words which were edited or deleted since.

A re-read alone can't mend them, because a model that finds nothing about a field says nothing about it. So such beliefs
are left out of what the model is shown and of what its claims are weighed against, and whatever it doesn't assert anew
is withdrawn by a Decision, with the reason. What a person has said, or approved, is theirs and stays.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sidecar.model import (
    Certainty,
    Claim,
    Decision,
    Fact,
    FieldStanding,
    Inference,
    Mint,
    Policy,
    Standing,
    Step,
    Value,
    Verdict,
)

NOT_READ = ("code", "person", "past")
"""Engines of values that no model read out of words."""
REASON = "the words that it rested on were edited or deleted"
_FIRST_POSITION = 2_000


@dataclass(frozen=True, slots=True)
class Unsaid:
    """The fields and open steps of the current engagement that have lost their words."""

    fields: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()


class Book(Protocol):
    """Where the decisions behind open steps are."""

    def get_many(self, ids: Iterable[str], /) -> dict[str, Fact]:
        """Return those of the facts that it holds, by id."""


def unsaid(book: Book, standing: Standing, gone: Collection[str]) -> Unsaid:
    """Return what rests on nothing but the activities that are gone."""
    if not gone:
        return Unsaid()
    engagement = standing.engagement
    fields = tuple(name for name, held in sorted(engagement.fields.items()) if _is_unsaid(held, gone))
    open_steps = [step for step in engagement.steps if step.status == "open"]
    decisions = book.get_many(step.decision for step in open_steps if step.decision)
    steps = [step for step in open_steps if _rests_on(decisions.get(step.decision), gone)]
    return Unsaid(fields, tuple(steps))


def without(standing: Standing, lost: Unsaid) -> Standing:
    """Return the standing as if what was lost had never been believed."""
    engagement = standing.engagement
    kept = replace(
        engagement,
        fields={name: held for name, held in engagement.fields.items() if name not in lost.fields},
        steps=tuple(step for step in engagement.steps if step not in lost.steps),
    )
    return replace(standing, engagements=(*standing.engagements[:-1], kept))


def withdrawals(
    lost: Unsaid,
    standing: Standing,
    decisions: Sequence[Decision],
    inference: Inference,
    policy: Policy,
    mint: Mint,
) -> tuple[Claim | Decision, ...]:
    """Return the claims and decisions that withdraw what a new reading has not asserted again."""
    applied = {d.field for d in decisions if d.verdict is Verdict.APPLY and d.engagement == standing.engagement.number}
    facts: list[Claim | Decision] = []
    for name in lost.fields:
        if name not in applied:
            facts += _withdrawn(name, None, None, len(facts), standing, inference, policy, mint)
    for step in lost.steps:
        dropped = replace(step, status="dropped")
        facts += _withdrawn("step", step.what, dropped, len(facts), standing, inference, policy, mint)
    return tuple(facts)


def _is_unsaid(held: FieldStanding, gone: Collection[str]) -> bool:
    """Say so of a value read out of words that are gone, and of one without quotes, such as the summary."""
    return held.value is not None and held.engine not in NOT_READ and set(held.activities) <= set(gone)


def _rests_on(decision: object, gone: Collection[str]) -> bool:
    if not isinstance(decision, Decision) or decision.engine in NOT_READ:
        return False
    return bool(decision.activities) and set(decision.activities) <= set(gone)


def _withdrawn(
    field: str,
    value: Value,
    step: Step | None,
    number: int,
    standing: Standing,
    inference: Inference,
    policy: Policy,
    mint: Mint,
) -> tuple[Claim, Decision]:
    """As old as the engagement, so that any other words may say what holds instead."""
    claim = mint(
        Claim(
            because=(inference.id,),
            party=inference.party,
            inference=inference.id,
            position=_FIRST_POSITION + number,
            engagement=standing.engagement.number,
            field=field,
            op="drop" if step else "clear",
            value=value,
            certainty=Certainty.STATED,
            confidence=1.0,
            formula=REASON,
            step=step,
            at=standing.engagement.opened_at or inference.newest_at,
        )
    )
    return claim, mint(_decided(claim, policy))


def _decided(claim: Claim, policy: Policy) -> Decision:
    return Decision(
        because=(claim.id,),
        party=claim.party,
        claim=claim.id,
        policy=policy.sha256,
        verdict=Verdict.APPLY,
        rule="unsaid",
        reason=REASON,
        engagement=claim.engagement,
        field=claim.field,
        op=claim.op,
        value=claim.value,
        engine="code",
        confidence=claim.confidence,
        step=claim.step,
        evidence_at=claim.at,
    )
