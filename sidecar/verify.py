"""Verify: is the book what it says it is? Each quote stands where its claim says, each text re-derives from its bytes.

Anybody can run it at any time; it trusts nothing that was computed before. A fault is named by its fact's id, without
the words themselves.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sidecar.capture import capture
from sidecar.errors import SidecarError
from sidecar.journal import Journal
from sidecar.model import Activity, Claim, Decision, Delivery, Posting, Verdict
from sidecar.ports import Channel


@dataclass(frozen=True, slots=True)
class Fault:
    """One fact that isn't what it says."""

    fact: str
    problem: str


def verify(journal: Journal, channels: Mapping[str, Channel]) -> Iterator[Fault]:
    """Yield every fault of the book: deliveries, activities, claims, decisions, postings."""
    for fact in journal.facts(kinds=("delivery",)):
        if isinstance(fact, Delivery):
            yield from _delivery(journal, fact, channels)
    for fact in journal.facts(kinds=("claim",)):
        if isinstance(fact, Claim):
            yield from _claim(journal, fact)
    for fact in journal.facts(kinds=("decision", "posting")):
        if isinstance(fact, Decision | Posting):
            yield from _rests(journal, fact)


def _delivery(journal: Journal, delivery: Delivery, channels: Mapping[str, Channel]) -> Iterator[Fault]:
    try:
        whole = journal.get(delivery.id)
    except SidecarError as error:
        yield Fault(delivery.id, str(error))
        return
    held = {a.id: a for a in journal.effects(delivery.id, "activity") if isinstance(a, Activity)}
    channel = channels.get(delivery.channel)
    if not held or channel is None or not isinstance(whole, Delivery):
        return
    try:
        again = {a.id: a for a in capture(whole, channel, journal.mint)}
    except SidecarError as error:
        yield Fault(delivery.id, f"it was read once and can't be read any more ({type(error).__name__})")
        return
    for activity_id, activity in held.items():
        if activity_id not in again:
            yield Fault(activity_id, "it no longer follows from its delivery")
        elif (again[activity_id].text, again[activity_id].said) != (activity.text, activity.said):
            yield Fault(activity_id, "its text doesn't re-derive from its raw bytes")


def _claim(journal: Journal, claim: Claim) -> Iterator[Fault]:
    for evidence in claim.evidence:
        activity = journal.get(evidence.activity)
        if not isinstance(activity, Activity):
            yield Fault(claim.id, f"its evidence {evidence.activity} is not in the book")
        elif activity.text[evidence.start : evidence.end] != evidence.quote:
            yield Fault(claim.id, f"its quote is not at its place in {evidence.activity}")
        elif activity.said and not any(s.start <= evidence.start and evidence.end <= s.end for s in activity.said):
            yield Fault(claim.id, f"its quote lies outside what was said in {evidence.activity}")


def _rests(journal: Journal, fact: Decision | Posting) -> Iterator[Fault]:
    """What was applied rests on a verified quote or a formula, and what was posted on a cause."""
    if isinstance(fact, Decision):
        claim = journal.get(fact.claim)
        grounded = isinstance(claim, Claim) and (claim.verified or bool(claim.formula))
        if fact.verdict is Verdict.APPLY and not grounded:
            yield Fault(fact.id, "it applies a claim without evidence")
        return
    change = journal.get(fact.change)
    if change is None or not change.because:
        yield Fault(fact.id, "nothing explains it")
