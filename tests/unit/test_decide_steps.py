"""Verdicts on next steps: what was agreed later stands, in whichever order the messages come in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sidecar.decide import decide
from sidecar.model import (
    Certainty,
    Claim,
    Engagement,
    Evidence,
    Inference,
    Mint,
    Policy,
    Role,
    StagePolicy,
    Standing,
    Step,
    Verdict,
)

MINT = Mint(b"k" * 32)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
POLICY = Policy(fields={}, stages={"enquired": StagePolicy("enquired")})
VISIT = Step("step-1", "Appointment: visit", "us", due="2026-11-26T10:00", decision="decision-1", at=NOON)


def test_a_late_message_does_not_undo_what_was_agreed_after_it() -> None:
    """An older "I can't come" leaves the new appointment standing; seen to fail without the rule."""
    dropped = replace(VISIT, status="dropped")
    late, now = (_verdict(dropped, NOON + timedelta(minutes=minutes)) for minutes in (-25, 25))
    assert late == (Verdict.REJECT, "older_evidence", "open")
    assert now == (Verdict.APPLY, "policy", "dropped")


def _verdict(step: Step, said_at: datetime) -> tuple[Verdict, str, str]:
    """Return verdict and rule for a claim that ends the visit, and the visit's status after it."""
    inference = _inference()
    claim = MINT(
        Claim(
            because=(inference.id,),
            party="party-1",
            inference=inference.id,
            position=0,
            engagement=1,
            field="step",
            op="drop",
            value=step.what,
            certainty=Certainty.STRONGLY_IMPLIED,
            confidence=0.6,
            evidence=(Evidence("activity-1", 0, 5, "Sorry", at=said_at),),
            verified=True,
            step=step,
            role=Role.CUSTOMER,
            at=said_at,
        )
    )
    standing = Standing(party="party-1", engagements=(Engagement(steps=(VISIT,)),))
    decided = decide((claim,), inference, standing, POLICY, MINT, baseline=True)
    decision = decided.decisions[0]
    return decision.verdict, decision.rule, decided.standing.engagement.steps[0].status


def _inference() -> Inference:
    return MINT(
        Inference(
            because=("match-1",),
            party="party-1",
            request_sha256="0",
            engagement=1,
            engine="test",
            model="test",
            prompt="relationship",
            prompt_sha256="0",
            request={},
            answer="{}",
            stop="end",
            newest_at=NOON,
        )
    )
