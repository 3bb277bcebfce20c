"""Decide: claims, the policy and what is believed become Decisions. Pure; the stage machine lives here (`stages`).

Each claim gets one verdict, with the rule that gave it and a reason that a person can read: apply, suggest (a person
may take it), hold (evidence contradicts), reject (it moves nothing). Claims are ruled on one after another, each
against what the ones before it left, so that two hops in one answer are two allowed moves. Whether an applied value is
also written to the CRM is for the mode, and for `sync`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sidecar.decide.computed import compute
from sidecar.decide.stages import Ruling, move
from sidecar.decide.values import canonical, day, taken_in
from sidecar.model import (
    BASELINE,
    EXPIRED,
    OTHERS,
    SEVERAL,
    Certainty,
    Claim,
    Decision,
    FieldPolicy,
    FieldStanding,
    Inference,
    Mint,
    Policy,
    Release,
    Role,
    Standing,
    Step,
    Value,
    Verdict,
    advance,
)

MAX_OPEN_STEPS = 8
_OURS_TO_COMPUTE = "code"
_STEP_THRESHOLD = 0.45


@dataclass(frozen=True, slots=True)
class Decided:
    """The verdicts on an inference's claims, the values computed after them, and the standing that results."""

    claims: tuple[Claim, ...]
    decisions: tuple[Decision, ...]
    standing: Standing


def decide(
    claims: Sequence[Claim],
    inference: Inference,
    standing: Standing,
    policy: Policy,
    mint: Mint,
    *,
    baseline: bool,
    news: Collection[str] | None = None,
) -> Decided:
    """Rule on each claim of an inference, then compute what follows; `baseline` claims yield to everybody else's.

    `news` are the activities that had not been read before; None where all of them are.
    """
    before = standing
    opening = _opening(claims, inference, standing, policy, mint)
    decisions = [opening[1]] if opening else []
    standing = advance(standing, opening[1]) if opening else standing
    for claim in sorted(claims, key=_order):
        ruling = _in_time(_rule(claim, standing, policy, baseline=baseline, news=news), claim, inference, policy)
        decision = mint(_decision(claim, ruling, inference.engine, policy, standing))
        decisions.append(decision)
        standing = advance(standing, decision)
    computed, verdicts, standing = _computed(inference, standing, before, policy, mint, len(claims) + 1)
    extra = (opening[0],) if opening else ()
    return Decided((*extra, *computed), (*decisions, *verdicts), standing)


def _order(claim: Claim) -> tuple[datetime, bool, int]:
    """By time; at the same time stages first, since what else is said belongs to the engagement that they open."""
    return claim.at, claim.field != "stage", claim.position


def refresh(
    inference: Inference, standing: Standing, policy: Policy, mint: Mint, *, first: int, now: datetime | None = None
) -> Decided:
    """Compute anew what follows from a standing that moved without an inference: a verdict, a task that was done, time.

    `inference` is the last one; its claims from position `first` on are free. Without `now`, where it is heading is
    left to news, or to the clock.
    """
    leave = () if now else ("trajectory",)
    computed, verdicts, after = _computed(inference, standing, standing, policy, mint, first, leave, now)
    return Decided(computed, verdicts, after)


def by_person(
    claim: Claim, standing: Standing, policy: Policy, mint: Mint, *, verdict: Verdict, person: str, release: Release
) -> Decision:
    """Return a person's verdict on a suggestion; it needs no threshold and no transition, and says whose it was.

    What is approved rests on the person's word, so it is as new as that.
    """
    closes = bool(
        claim.field == "stage" and str(claim.value) in policy.stages and policy.stages[str(claim.value)].terminal
    )
    ruling = Ruling(verdict, "person", f"{person} said so", closes=closes and verdict is Verdict.APPLY)
    decision = _decision(claim, ruling, "person", policy, standing, by=person, after=release.id)
    return mint(replace(decision, evidence_at=max(claim.at, release.at)))


def _decision(
    claim: Claim,
    ruling: Ruling,
    engine: str,
    policy: Policy,
    standing: Standing,
    *,
    by: str = "policy",
    after: str = "",
) -> Decision:
    given = policy.fields.get(claim.field)
    held = standing.engagement.fields.get(claim.field) if given and given.type == SEVERAL else None
    is_joined = held is not None and held.value is not None and ruling.verdict in (Verdict.APPLY, Verdict.SUGGEST)
    op, value = claim.op, canonical(claim.value, given) if given else claim.value
    quoted = tuple(e.activity for e in claim.evidence)
    if given and held and is_joined:
        value = taken_in(op, value, held.value, given)
        op, quoted = "clear" if value is None else "set", (*held.activities, *quoted)
    return Decision(
        because=(claim.id, *((after,) if after else ()), *((held.decision,) if held and is_joined else ())),
        party=claim.party,
        claim=claim.id,
        policy=policy.sha256,
        verdict=ruling.verdict,
        rule=ruling.rule,
        reason=ruling.reason,
        engagement=claim.engagement,
        field=claim.field,
        op=op,
        value=value,
        engine=engine,
        confidence=claim.confidence,
        step=_dated(claim.step) if claim.step else None,
        evidence_at=claim.at,
        activities=tuple(dict.fromkeys(quoted)),
        opens_engagement=ruling.opens,
        closes_engagement=ruling.closes,
        by=by,
        after=after,
    )


def _dated(step: Step) -> Step:
    """A due date that is none stays in the step's words alone: a CRM would refuse the whole task for it."""
    return replace(step, due=step.due if step.due and day(step.due) else None)


def _rule(claim: Claim, standing: Standing, policy: Policy, *, baseline: bool, news: Collection[str] | None) -> Ruling:
    if claim.step:
        return _rule_step(claim, claim.step, standing)
    field = policy.fields.get(claim.field)
    if field is None:
        return Ruling(Verdict.REJECT, "unknown_field", f"{claim.field} is not configured")
    held = standing.engagement.fields.get(claim.field)
    return (
        _ungrounded(claim, field)
        or _unfit(claim, field)
        or _former(claim, standing)
        or _yields(claim, held, baseline=baseline)
        or _spoken(claim, field)
        or _weighed(claim, field, standing, policy, news)
    )


def _ungrounded(claim: Claim, field: FieldPolicy) -> Ruling | None:
    if claim.problem:
        return Ruling(Verdict.REJECT, "unverified", claim.problem)
    if field.grounding == "quoted" and not claim.verified:
        return Ruling(Verdict.REJECT, "unverified", "no quote of it was found in what was said")
    if field.grounding == "computed" and not claim.formula:
        return Ruling(Verdict.REJECT, "computed_field", f"{field.name} is computed, not asserted")
    return None


def _unfit(claim: Claim, field: FieldPolicy) -> Ruling | None:
    if claim.op == "conflict":
        return Ruling(Verdict.HOLD, "contradiction", "the evidence contradicts what is believed")
    if claim.op == "clear":
        if field.name == "stage":
            return Ruling(Verdict.REJECT, "invalid_value", "a stage can't be cleared")
        return None
    if claim.value is None or canonical(claim.value, field) is None:
        number = "some" if field.type == SEVERAL else "one"
        wanted = f"{number} of {', '.join(field.values)}" if field.values else f"a {field.type}"
        return Ruling(Verdict.REJECT, "invalid_value", f"the value is not {wanted}")
    return None


def _former(claim: Claim, standing: Standing) -> Ruling | None:
    """What was said before an engagement began belongs to the one before it, which a whole reading shows again."""
    engagement = standing.engagement
    if engagement.number > 1 and engagement.opened_at is not None and claim.at < engagement.opened_at:
        return Ruling(Verdict.REJECT, "former_engagement", "it was said before this engagement began")
    return None


def _yields(claim: Claim, held: FieldStanding | None, *, baseline: bool) -> Ruling | None:
    """What stands and is newer or somebody else's stays; a first stage that nobody's words gave is in no way newer."""
    if held is None:
        return None
    is_event = claim.role is Role.SYSTEM and claim.authenticated
    if baseline and not is_event and held.engine not in (BASELINE, _OURS_TO_COMPUTE):
        return Ruling(Verdict.REJECT, "baseline_yields", "the baseline never overwrites a model's or a person's value")
    if held.engine in OTHERS and claim.at <= held.evidence_at:
        return Ruling(Verdict.REJECT, "older_than_person", "what stands in the CRM is newer than this evidence")
    opening = claim.field == "stage" and not held.activities and held.engine not in OTHERS
    if claim.at < held.evidence_at and not opening:
        return Ruling(Verdict.REJECT, "older_evidence", "what is believed rests on newer evidence")
    return None


def _spoken(claim: Claim, field: FieldPolicy) -> Ruling | None:
    if claim.role is None:
        return None
    if claim.role not in field.asserted_by:
        return Ruling(Verdict.REJECT, "speaker", f"{field.name} is not for a {claim.role.value} to say")
    if claim.role is Role.BOT:
        return Ruling(Verdict.SUGGEST, "bot", "a bot's word waits for a person or a booking system")
    return None


def _weighed(
    claim: Claim, field: FieldPolicy, standing: Standing, policy: Policy, news: Collection[str] | None
) -> Ruling:
    if field.name == "stage":
        value = canonical(claim.value, field)
        if str(value) not in policy.stages:
            return Ruling(Verdict.REJECT, "invalid_value", "no such stage is configured")
        return move(claim, standing.engagement, policy, news)
    if claim.confidence < field.threshold:
        return Ruling(Verdict.SUGGEST, "threshold", f"confidence {claim.confidence} is below {field.threshold}")
    return Ruling(Verdict.APPLY, "policy", "grounded, allowed and sure enough")


def _in_time(ruling: Ruling, claim: Claim, inference: Inference, policy: Policy) -> Ruling:
    """What was too old to wait for a person when the newest words were said is not suggested again."""
    waits = ruling.verdict in (Verdict.SUGGEST, Verdict.HOLD)
    if waits and claim.at + timedelta(days=policy.suggestion_days) <= inference.newest_at:
        why = f"a suggestion whose words are {policy.suggestion_days} days old is over"
        return Ruling(Verdict.REJECT, EXPIRED, why)
    return ruling


def _rule_step(claim: Claim, step: Step, standing: Standing) -> Ruling:
    steps = standing.engagement.steps
    known = next((s for s in steps if s.id == step.id), None)
    if claim.problem or not claim.verified:
        return Ruling(Verdict.REJECT, "unverified", claim.problem or "no quote of it was found in what was said")
    former = _former(claim, standing)
    if former:
        return former
    if claim.role is Role.BOT:
        return Ruling(Verdict.SUGGEST, "bot", "a bot's word waits for a person or a booking system")
    if known is None and any(step.reads_as(s) for s in steps):
        return Ruling(Verdict.REJECT, "known_step", "the same step is known already")
    if known and known.status != "open" and step.status == "open":
        return Ruling(Verdict.REJECT, "ended_step", "that step was done or dropped")
    if known and known.at and claim.at < known.at:
        return Ruling(Verdict.REJECT, "older_evidence", "what is believed of that step rests on newer evidence")
    if known is None and sum(s.status == "open" for s in steps) >= MAX_OPEN_STEPS:
        return Ruling(Verdict.HOLD, "too_many_steps", f"{MAX_OPEN_STEPS} steps are open already")
    if claim.confidence < _STEP_THRESHOLD:
        return Ruling(Verdict.SUGGEST, "threshold", f"confidence {claim.confidence} is below {_STEP_THRESHOLD}")
    return Ruling(Verdict.APPLY, "policy", "somebody said that it is to be done")


def _opening(
    claims: Sequence[Claim], inference: Inference, standing: Standing, policy: Policy, mint: Mint
) -> tuple[Claim, Decision] | None:
    """A relationship that nobody gave a stage begins in the first one: that the conversation exists shows it.

    It is as old as the oldest claim, so that it stands in nobody's way.
    """
    if "stage" in standing.engagement.fields or "stage" not in policy.fields:
        return None
    formula = "the first stage, because a conversation began"
    claim = _code_claim(inference, standing, 1_000, "stage", policy.first_stage, formula, ())
    began = min((c.at for c in claims), default=inference.newest_at)
    claim = mint(replace(claim, at=min(began, standing.engagement.opened_at or began)))
    ruling = Ruling(Verdict.APPLY, "first_stage", formula)
    return claim, mint(_decision(claim, ruling, inference.engine, policy, standing))


def _code_claim(
    inference: Inference,
    standing: Standing,
    position: int,
    field: str,
    value: Value,
    formula: str,
    causes: Sequence[str],
) -> Claim:
    return Claim(
        because=tuple(dict.fromkeys((inference.id, *causes))),
        party=inference.party,
        inference=inference.id,
        position=position,
        engagement=standing.engagement.number,
        field=field,
        op="clear" if value is None else "set",
        value=value,
        certainty=Certainty.STATED,
        confidence=1.0,
        formula=formula,
        at=inference.newest_at,
    )


def _computed(
    inference: Inference,
    standing: Standing,
    before: Standing,
    policy: Policy,
    mint: Mint,
    first: int,
    leave: Collection[str] = (),
    now: datetime | None = None,
) -> tuple[tuple[Claim, ...], tuple[Decision, ...], Standing]:
    claims, decisions = [], []
    at = now or inference.newest_at
    told = {computed.field: computed.formula for computed in compute(before, policy, at)}
    for i, computed in enumerate(compute(standing, policy, at)):
        held = standing.engagement.fields.get(computed.field)
        is_told = computed.is_dated or computed.formula == told.get(computed.field)  # others may have the same sum
        if computed.field in leave or (computed.value == (held.value if held else None) and (is_told or not held)):
            continue
        if held and held.engine in OTHERS and inference.newest_at <= held.evidence_at:
            continue
        given = computed.field, computed.value, computed.formula, computed.causes
        claim = mint(replace(_code_claim(inference, standing, first + i, *given), evidence=computed.evidence))
        ruling = Ruling(Verdict.APPLY, "computed", computed.formula)
        decision = mint(_decision(claim, ruling, _OURS_TO_COMPUTE, policy, standing))
        claims.append(claim)
        decisions.append(decision)
        standing = advance(standing, decision)
    return tuple(claims), tuple(decisions), standing
