"""How far a machine runs: so many steps an example, and so many examples until a planted bug must have been found.

What fails is told as it was found, and not shrunk: shrinking takes minutes, and the steps are short enough to read.
"""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.e2e.human_wins.machine import HumanWins

STEPS = 25
BUDGET = 60
"""How many examples a planted bug may survive; most are found within ten."""


def holds(machine: type[HumanWins], examples: int) -> None:
    """Run so many examples; each must hold."""
    unshrunk = settings(max_examples=examples, stateful_step_count=STEPS, phases=[Phase.generate])
    run_state_machine_as_test(machine, settings=unshrunk)


def notices(machine: type[HumanWins], steps: int = STEPS) -> None:
    """See that the machine fails within its budget."""
    found = settings(
        max_examples=BUDGET, stateful_step_count=steps, phases=[Phase.generate], report_multiple_bugs=False
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=found)
