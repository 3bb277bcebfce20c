"""When a suggestion is over: no answer is no approval, and a question that nobody took up is not asked for ever. Pure.

The days count from the words that a suggestion rests on, and not from when they were read, so that reading a history
again revives nothing. That it is over is a Decision like any other, with the rule that says so: the book can be rebuilt
without a clock, and shows why a suggestion went.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sidecar.model import EXPIRED, Claim, Decision, Mint, Policy, Standing, Suggestion, Verdict


def expired(
    standing: Standing, policy: Policy, now: datetime, mint: Mint, claim_of: Callable[[Suggestion], Claim | None]
) -> tuple[Decision, ...]:
    """Return the Decisions that drop what nobody answered in time; `claim_of` finds the claim behind a suggestion."""
    found = []
    for suggestion in standing.engagement.suggestions.values():
        claim = claim_of(suggestion) if ends_at(suggestion, policy) <= now else None
        if claim is not None:
            found.append(mint(_dropped(claim, suggestion, policy)))
    return tuple(found)


def ends_at(suggestion: Suggestion, policy: Policy) -> datetime:
    """Return the moment from which a suggestion is over."""
    return suggestion.at + timedelta(days=policy.suggestion_days)


def next_end(standing: Standing, policy: Policy, now: datetime) -> datetime | None:
    """Return when the next suggestion will be over, None when none waits for that."""
    ends = (ends_at(suggestion, policy) for suggestion in standing.engagement.suggestions.values())
    return min((end for end in ends if end > now), default=None)


def _dropped(claim: Claim, suggestion: Suggestion, policy: Policy) -> Decision:
    return Decision(
        because=(claim.id, suggestion.decision),
        party=claim.party,
        claim=claim.id,
        policy=policy.sha256,
        verdict=Verdict.REJECT,
        rule=EXPIRED,
        reason=f"nobody answered within {policy.suggestion_days} days of the words",
        engagement=claim.engagement,
        field=claim.field,
        op=claim.op,
        value=suggestion.value,
        engine="code",
        confidence=claim.confidence,
        step=claim.step,
        evidence_at=claim.at,
        activities=suggestion.activities,
        after=suggestion.decision,
    )
