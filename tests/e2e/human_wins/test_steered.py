"""What people say by the AI's own fields is heard in every order of events, and wins like everything else of theirs."""

import pytest

from tests.e2e.human_wins.search import holds
from tests.e2e.human_wins.steered import Steered, SteeredHasty, SteeredHubSpot


@pytest.mark.parametrize(("machine", "examples"), [(Steered, 10), (SteeredHasty, 3), (SteeredHubSpot, 1)])
def test_a_person_wins_by_fields_too(machine: type[Steered], examples: int) -> None:
    """Nothing accepted, listed or muted is lost; seen to fail with a mute ignored, a list or an answer not heard."""
    holds(machine, examples)
