"""Where a relationship is heading, and where it broke off: plain arithmetic on what is believed, and the clock.

A trajectory is the change of the score over the last two weeks of talk, and silence overrules it: whom nobody has heard
from for so many days is cooling, whatever was said before. So the clock alone can cool a relationship, and only words
can warm it. Why it stands still has one of a few names, so that a funnel can count them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sidecar.model import Engagement, Policy, Role, Standing

WARMING, STEADY, COOLING = "warming", "steady", "cooling"
WINDOW = timedelta(days=14)
STEP = 5.0
"""How many points of score make a difference."""
WON, LOST, WE_OWE, THEY_OWE, SILENT, NO_SHOW, ACTIVE = (
    "won", "lost", "we_owe_an_answer", "they_owe_an_answer", "silent", "no_show", "active",
)  # fmt: skip
REASONS = (ACTIVE, WE_OWE, THEY_OWE, SILENT, NO_SHOW, LOST, WON)
"""Why a party stands where it stands, the liveliest first."""


@dataclass(frozen=True, slots=True)
class Course:
    """A trajectory, why in words with dates, and the facts that it follows from."""

    value: str
    formula: str
    causes: tuple[str, ...]


def course(standing: Standing, score: float, policy: Policy, at: datetime) -> Course:
    """Return where a relationship is heading at a time; `score` is what it is by then."""
    engagement = standing.engagement
    marks = engagement.marks
    last = (marks[-1].decision,) if marks else ()
    if engagement.closed_at is not None:
        return Course(STEADY, f"it was over on {engagement.closed_at:%Y-%m-%d}", last)
    since = standing.last_customer_at or engagement.opened_at
    if since is not None and at >= since + timedelta(days=policy.cooling_days):
        return Course(COOLING, f"no word from the customer since {since:%Y-%m-%d}: {policy.cooling_days} days", last)
    newest = standing.last_activity_at or at
    before = [mark for mark in marks if mark.at < newest]
    then = next((mark for mark in reversed(before) if mark.at <= newest - WINDOW), before[0] if before else None)
    if then is None:
        return Course(STEADY, f"score {score:g}, and none before", last)
    change = score - then.score
    value = WARMING if change >= STEP else COOLING if change <= -STEP else STEADY
    days = WINDOW.days
    words = f"score {then.score:g} on {then.at:%Y-%m-%d} -> {score:g} on {newest:%Y-%m-%d}: {change:+g} in {days} days"
    return Course(value, f"{words} at most; {STEP:g} make a difference", tuple(dict.fromkeys((then.decision, *last))))


def cools_at(standing: Standing, policy: Policy) -> datetime | None:
    """Return when silence alone will cool it; None when it is over, or has cooled by silence already."""
    engagement = standing.engagement
    since = standing.last_customer_at or engagement.opened_at
    if engagement.closed_at is not None or since is None or "trajectory" not in policy.fields:
        return None
    return since + timedelta(days=policy.cooling_days)


def reason(standing: Standing, policy: Policy, at: datetime) -> str:
    """Return why a party stands where it stands: over, waiting for whom, silent, or still talking."""
    engagement = standing.engagement
    if engagement.closed_at is not None:
        return WON if _is_won(engagement, policy) else LOST
    if any(alert.rule == NO_SHOW for alert in standing.alerts) or "no_show" in _risks(engagement):
        return NO_SHOW
    if standing.asked is not None:
        return WE_OWE if standing.asked.evidence.role is Role.CUSTOMER else THEY_OWE
    cool = cools_at(standing, policy)
    return SILENT if cool is not None and at >= cool else ACTIVE


def _is_won(engagement: Engagement, policy: Policy) -> bool:
    """An end that needs our own side's word is a win: nobody else may declare one, while anybody may say no."""
    stage = policy.stages.get(engagement.stage)
    return stage is not None and stage.needs != "any"


def _risks(engagement: Engagement) -> str:
    held = engagement.fields.get("risks")
    return str(held.value or "").casefold().replace("-", "_").replace(" ", "_") if held else ""
