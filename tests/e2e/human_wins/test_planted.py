"""The machine is watchful: it notices each guard that is patched away."""

import pytest

from tests.e2e.human_wins.search import STEPS, notices
from tests.e2e.human_wins.seeds import SEEDS

LONGER = {"no hold on clear": 40}
"""How many steps an example has whose bug shows only at the end of a longer story."""


@pytest.mark.parametrize("seed", SEEDS)
def test_the_machine_notices_a_planted_bug(seed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each guard is needed: with it patched away the machine fails within its budget."""
    plant, machine = SEEDS[seed]
    plant(monkeypatch)
    notices(machine, LONGER.get(seed, STEPS))
