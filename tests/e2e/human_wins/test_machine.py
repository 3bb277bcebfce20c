"""A person wins over the sidecar, in every order of events, and what nobody touched stays the sidecar's."""

import os

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.e2e.human_wins.machine import VENDORS, CarefulCrm, HastyCrm, HumanWins
from tests.e2e.human_wins.seeds import SEEDS
from tests.support.crms import crm_class

STEPS = 25
EXAMPLES = 30
BUDGET = 60
"""How many examples a planted bug may survive; most are found within ten."""
VENDOR_EXAMPLES = int(os.environ.get("VENDOR_EXAMPLES", "0"))
"""How many examples a vendor's CRM gets, at some four seconds each; without a number a few, and one planted bug."""
FEW = 3
FOUND_BY_FEW = {False: "a run-over edit is not put back", True: "blind write"}
"""The planted bug that is soon found, by whether a write can name the version that it relies on."""


@pytest.mark.parametrize("machine", [CarefulCrm, HastyCrm])
def test_a_person_wins_and_nothing_else_is_locked(machine: type[HumanWins]) -> None:
    """No interleaving loses a person's word or locks what nobody touched; seen to fail with each seed below."""
    examples = min(EXAMPLES, settings().max_examples)
    unshrunk = settings(max_examples=examples, stateful_step_count=STEPS, phases=[Phase.generate])
    run_state_machine_as_test(machine, settings=unshrunk)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_machine_notices_a_planted_bug(seed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each guard is needed: with it patched away the machine fails within its budget."""
    plant, machine = SEEDS[seed]
    plant(monkeypatch)
    found = settings(
        max_examples=BUDGET, stateful_step_count=STEPS, phases=[Phase.generate], report_multiple_bugs=False
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=found)


@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_a_person_wins_on_a_vendors_crm(vendor: str) -> None:
    """No interleaving loses a person's word through an adapter either; seen to fail with each seed below."""
    few = settings(max_examples=VENDOR_EXAMPLES or FEW, stateful_step_count=STEPS, phases=[Phase.generate])
    run_state_machine_as_test(VENDORS[vendor], settings=few)


@pytest.mark.parametrize("vendor", sorted(VENDORS))
@pytest.mark.parametrize("seed", SEEDS)
def test_the_machine_notices_a_planted_bug_on_a_vendors_crm(
    seed: str, vendor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine on a vendor's CRM is no less watchful: with a guard patched away it fails within its budget."""
    if not VENDOR_EXAMPLES and seed != FOUND_BY_FEW[crm_class(vendor).conditional]:
        pytest.skip("takes VENDOR_EXAMPLES=60")
    SEEDS[seed][0](monkeypatch)
    found = settings(
        max_examples=BUDGET, stateful_step_count=STEPS, phases=[Phase.generate], report_multiple_bugs=False
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(VENDORS[vendor], settings=found)
