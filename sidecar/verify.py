"""Verify: is the book what it says it is? Each quote stands where its claim says, each text re-derives from its bytes.

Anybody can run it at any time; it trusts nothing that was computed before. Bytes that don't match their hashes are
named first; then what can still be read is redone, because somebody who changes words can change a hash as well. A
fault is named by its fact's id, without the words themselves.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sidecar.capture import capture, what_it_says
from sidecar.errors import SidecarError
from sidecar.journal import Journal
from sidecar.model import Activity, Claim, Decision, Delivery, Fact, Posting, Verdict
from sidecar.ports import Channel

MAX_DAMAGED = 10_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One fact that isn't what it says."""

    fact: str
    problem: str


def verify(journal: Journal, channels: Mapping[str, Channel]) -> Iterator[Fault]:
    """Yield every fault of the book: damaged bytes, then deliveries, activities, claims, decisions, postings."""
    damaged = set()
    for line in journal.faults(MAX_DAMAGED):
        fact_id, _, problem = line.partition(": ")
        damaged.add(fact_id)
        yield Fault(fact_id, problem)
    for fact in journal.sound(("delivery",)):
        if isinstance(fact, Delivery) and fact.id not in damaged:
            yield from _delivery(journal, fact, channels)
    for fact in journal.sound(("claim",)):
        if isinstance(fact, Claim):
            yield from _claim(journal, fact)
    for fact in journal.sound(("decision", "posting")):
        if isinstance(fact, Decision | Posting):
            yield from _rests(journal, fact)


def _delivery(journal: Journal, delivery: Delivery, channels: Mapping[str, Channel]) -> Iterator[Fault]:
    """What was read out of a delivery must be read out of its bytes again."""
    channel = channels.get(delivery.channel)
    try:
        whole = journal.get(delivery.id)
        held = {a.id: a for a in journal.effects(delivery.id, "activity") if isinstance(a, Activity)}
    except SidecarError:
        return  # one of them is damaged, which was said
    if not held or channel is None or not isinstance(whole, Delivery):
        return
    try:
        again = {a.id: a for a in capture(whole, channel, journal.mint)}
    except SidecarError as error:
        yield Fault(delivery.id, f"it was read once and can't be read any more ({type(error).__name__})")
        return
    named_anew = {what_it_says(a) for a in again.values()}
    for activity_id, activity in held.items():
        if activity_id not in again:
            # A former reader may have told versions of the same thing apart otherwise; what it read has to be the same.
            if what_it_says(activity) not in named_anew:
                yield Fault(activity_id, "it no longer follows from its delivery")
        elif what_it_says(again[activity_id]) != what_it_says(activity):
            yield Fault(activity_id, "its words, or who said them, don't re-derive from its raw bytes")


def _claim(journal: Journal, claim: Claim) -> Iterator[Fault]:
    for evidence in claim.evidence:
        activity = _readable(journal, evidence.activity)
        if not isinstance(activity, Activity):
            yield Fault(claim.id, f"its evidence {evidence.activity} can't be read in the book")
        elif activity.text[evidence.start : evidence.end] != evidence.quote:
            yield Fault(claim.id, f"its quote is not at its place in {evidence.activity}")
        elif activity.said and not any(s.start <= evidence.start and evidence.end <= s.end for s in activity.said):
            yield Fault(claim.id, f"its quote lies outside what was said in {evidence.activity}")


def _rests(journal: Journal, fact: Decision | Posting) -> Iterator[Fault]:
    """What was applied rests on a verified quote or a formula, and what was posted on a cause."""
    if isinstance(fact, Decision):
        claim = _readable(journal, fact.claim)
        grounded = isinstance(claim, Claim) and ((claim.verified and bool(claim.evidence)) or bool(claim.formula))
        if fact.verdict is Verdict.APPLY and not grounded:
            yield Fault(fact.id, "it applies a claim without evidence")
        return
    change = _readable(journal, fact.change)
    if change is None or not change.because:
        yield Fault(fact.id, "nothing explains it")


def _readable(journal: Journal, fact_id: str) -> Fact | None:
    try:
        return journal.get(fact_id)
    except SidecarError:
        return None
