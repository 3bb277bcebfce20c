"""What people say by the AI's own fields is heard in every order of events, and wins like everything else of theirs."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.e2e.human_wins.steered import Steered, SteeredHasty, SteeredHubSpot


@pytest.mark.parametrize(("machine", "examples"), [(Steered, 14), (SteeredHasty, 4), (SteeredHubSpot, 1)])
def test_a_person_wins_by_fields_too(machine: type[Steered], examples: int) -> None:
    """No interleaving loses what a person accepted, listed or muted."""
    unshrunk = settings(max_examples=examples, stateful_step_count=25, phases=[Phase.generate])
    run_state_machine_as_test(machine, settings=unshrunk)
