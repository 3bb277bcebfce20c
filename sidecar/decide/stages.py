"""The stage machine: from where to where, on whose word, with what evidence.

Every move is one allowed transition that rests on evidence of its own. Attending, winning and whatever else the policy
marks need the word of our side or of a system: what a customer writes can't win or attend a deal. Such a word moves
when it is news, and by itself only then: a model that obeys a customer finds old words of ours to quote for anything.
What said so when it was news, and had to wait for a person or another stage, may still be taken up.
Evidence from after the end of an engagement opens a new one; nothing reopens the old.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sidecar.model import Claim, Engagement, Policy, Role, Verdict

OLD_WORDS = "old_words"
AS_NEWS = frozenset(("transition", "one_hop", "threshold"))
"""The rules by which words wait that were seen to be news before."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict with the rule that gave it, and what it does to the engagement."""

    verdict: Verdict
    rule: str
    reason: str
    opens: bool = False
    closes: bool = False


def move(claim: Claim, engagement: Engagement, policy: Policy, news: Collection[str] | None = None) -> Ruling:
    """Rule on a claim that the engagement is now in another stage; `claim.value` is a stage that exists.

    `news` are the activities that nobody had read before this claim was made; None where all of them are.
    """
    target = policy.stages[str(claim.value)]
    opens = engagement.closed_at is not None
    if opens and claim.at <= (engagement.closed_at or claim.at):
        return Ruling(Verdict.REJECT, "after_closure", "the engagement had ended by then")
    if opens and target.terminal:
        return Ruling(Verdict.SUGGEST, "after_closure", "the engagement has ended; a person may open a new one")
    current = policy.first_stage if opens else engagement.stage or policy.first_stage
    if current not in policy.stages:
        return Ruling(Verdict.SUGGEST, "unknown_stage", f"{current} is a stage of the CRM that no route maps")
    held = None if opens else engagement.fields.get("stage")
    if target.name == current:
        return Ruling(Verdict.APPLY, "same_stage", f"it still is {current}", opens=opens)
    if target.needs != "any" and not _is_new(claim, engagement, news):
        return Ruling(Verdict.SUGGEST, OLD_WORDS, f"{target.name} needs words that had not been read before")
    if target.name not in policy.stages[current].to:
        return Ruling(Verdict.SUGGEST, "transition", f"{current} may not be followed by {target.name}")
    if held and set(held.activities) and {e.activity for e in claim.evidence} <= set(held.activities):
        return Ruling(Verdict.SUGGEST, "one_hop", f"the same words already moved it to {current}")
    if not _may_say(claim, target.needs):
        needed = "our own side or a system" if target.needs == "seller" else "a system"
        return Ruling(Verdict.SUGGEST, "speaker", f"{target.name} needs the word of {needed}")
    if claim.confidence < target.threshold:
        return Ruling(Verdict.SUGGEST, "threshold", f"confidence {claim.confidence} is below {target.threshold}")
    return Ruling(Verdict.APPLY, "transition", f"{current} to {target.name}", opens=opens, closes=target.terminal)


def _is_new(claim: Claim, engagement: Engagement, news: Collection[str] | None) -> bool:
    """Say whether a claim rests on words that are news, or said the same when they were, and had to wait."""
    rests = {evidence.activity for evidence in claim.evidence}
    waiting = engagement.suggestions.get("stage")
    if news is None or not rests.isdisjoint(news):
        return True
    waits = waiting is not None and waiting.value == claim.value and waiting.rule in AS_NEWS
    return waits and waiting is not None and not rests.isdisjoint(waiting.activities)


def _may_say(claim: Claim, needs: str) -> bool:
    if needs == "any":
        return True
    system = claim.role is Role.SYSTEM and claim.authenticated
    return system or (needs == "seller" and claim.role is Role.AGENT and claim.authenticated)
