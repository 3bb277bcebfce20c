"""The machine is watchful: it notices each guard that is patched away."""

import pytest

from tests.e2e.human_wins.search import notices
from tests.e2e.human_wins.seeds import SEEDS


@pytest.mark.parametrize("seed", SEEDS)
def test_the_machine_notices_a_planted_bug(seed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each guard is needed: with it patched away the machine fails within its budget."""
    plant, machine = SEEDS[seed]
    plant(monkeypatch)
    notices(machine)
