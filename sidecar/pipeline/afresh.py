"""What is computed from beliefs, anew: also when a person, the clock, and no inference has changed them.

Computed values hang on the last inference, as claims of their own behind those that it made.
"""

from datetime import datetime

from sidecar.decide import Decided, refresh
from sidecar.journal import Journal
from sidecar.model import Inference, Policy, Standing

ANEW = 100_000
"""Positions from here on are claims that were computed anew."""
STRIDE = 64
"""More than there are computed values: each look has positions of its own, whatever it finds to say."""


def afresh(journal: Journal, policy: Policy, standing: Standing, now: datetime | None = None) -> Decided:
    """Compute score, next step and others from what is believed; nothing where nothing changes.

    Only who says what time it is hears where the relationship is heading by then.
    """
    inference = journal.get(standing.last_inference) if standing.last_inference else None
    if not isinstance(inference, Inference):
        return Decided((), (), standing)
    made = refresh(inference, standing, policy, journal.mint, first=ANEW, now=now)
    if not made.decisions:
        return made
    first = ANEW + STRIDE * len(journal.effects(inference.id, "claim"))
    return refresh(inference, standing, policy, journal.mint, first=first, now=now)
