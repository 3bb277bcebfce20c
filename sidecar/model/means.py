"""What reading and hearing may cost and what is worth more, as admins configure it: hard cases, budgets.

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


HEARD_BY, AUDIO_MS, AUDIO_NANO_USD = "heard_by", "audio_ms", "audio_nano_usd"
"""Headers of a delivery that holds what was heard: by which model, how long the audio is, what that cost."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """So many minutes of audio are heard a day (0 is no bound), at so many US dollars each."""

    daily_minutes: float = 0.0
    usd_per_minute: float = 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent a day, as our time zone has it: by all, on one party, for one sender's words, on hearing."""

    all: Bound = (5.0, 0)
    party: Bound = (1.0, 5_000_000)
    sender: Bound = (1.0, 5_000_000)
    hearing: Hearing = Hearing()
