"""A person wins through an adapter too, in every order of events, and the machine is no less watchful there."""

import os

import pytest

from tests.e2e.human_wins.machine import VENDORS
from tests.e2e.human_wins.search import holds, notices
from tests.e2e.human_wins.seeds import SEEDS
from tests.support.crms import crm_class

VENDOR_EXAMPLES = int(os.environ.get("VENDOR_EXAMPLES", "0"))
"""How many examples a vendor's CRM gets, at some four seconds each; without a number a few, and one planted bug."""
FEW = 3
FOUND_BY_FEW = {False: "a run-over edit is not put back", True: "blind write"}
"""The planted bug that is soon found, by whether a write can name the version that it relies on."""


@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_a_person_wins_on_a_vendors_crm(vendor: str) -> None:
    """No interleaving loses a person's word through an adapter either; on two of them seen to fail with each seed."""
    holds(VENDORS[vendor], VENDOR_EXAMPLES or FEW)


@pytest.mark.parametrize("vendor", sorted(VENDORS))
@pytest.mark.parametrize("seed", SEEDS)
def test_the_machine_notices_a_planted_bug_on_a_vendors_crm(
    seed: str, vendor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine on a vendor's CRM is no less watchful: with a guard patched away it fails within its budget."""
    if not VENDOR_EXAMPLES and seed != FOUND_BY_FEW[crm_class(vendor).conditional]:
        pytest.skip("takes VENDOR_EXAMPLES=60")
    SEEDS[seed][0](monkeypatch)
    notices(VENDORS[vendor])
