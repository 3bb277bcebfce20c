"""What reading may cost and what is worth more, as admins configure it: hard cases for the stronger model, budgets.

They are no part of the policy and of its hash, since they say nothing about what may be written, only who is asked, and
when.
"""

from collections.abc import Collection
from dataclasses import dataclass

CONFLICT, TERMINAL, UNVERIFIED, TRANSITION = "conflict", "terminal", "unverified", "transition"
REFUSAL, TRUNCATED, INVALID = "refusal", "truncated", "invalid"
REASONS = (CONFLICT, TERMINAL, UNVERIFIED, TRANSITION, REFUSAL, TRUNCATED, INVALID)
"""Why a case is hard, the first that holds; the last three are answers that are none."""


@dataclass(frozen=True, slots=True)
class Hard:
    """What is asked of the stronger model: for these `reasons`, of which `unverified` is about `key_fields` alone."""

    reasons: Collection[str] = REASONS
    key_fields: Collection[str] = ("stage",)


Bound = tuple[float, int]
"""So many US dollars and so many tokens a day; 0 is no bound."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent a day, as our time zone has it: by all, on one party, for the words of one sender."""

    all: Bound = (5.0, 0)
    party: Bound = (1.0, 5_000_000)
    sender: Bound = (1.0, 5_000_000)
