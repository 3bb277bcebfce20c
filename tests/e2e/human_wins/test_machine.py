"""A person wins over the sidecar, in every order of events, and what nobody touched stays the sidecar's."""

import pytest
from hypothesis import settings

from tests.e2e.human_wins.machine import CarefulCrm, HastyCrm, HumanWins
from tests.e2e.human_wins.search import holds

PART = 5
"""One example in so many of the profile's: each is a life of 25 steps, and takes two seconds."""


@pytest.mark.parametrize("machine", [CarefulCrm, HastyCrm])
def test_a_person_wins_and_nothing_else_is_locked(machine: type[HumanWins]) -> None:
    """No interleaving loses a person's word or locks what nobody touched; seen to fail with each planted bug."""
    holds(machine, settings().max_examples // PART)
