"""The promises of the Ledger port, numbered: every CRM's adapter inherits them in a few lines.

An adapter's test class gives a fixture `harness`: its ledger, on an account that nobody else uses, and the hands that
the suite needs on the other side (a person, an automation, the clock, a count of calls). The suite reads the declared
capabilities: declared true, the promise is tested; declared false, the call must raise `UnsupportedFeature`. It relies
on nothing but the port, names no vendor's property, and makes AI-owned properties of every type for its own use.

Seeds in the docstrings are the bugs in the local ledger under which the test was seen to fail.
"""

import pytest

from tests.contract.ledger.crm import PROPERTIES, Crm, LedgerHarness
from tests.contract.ledger.hinting import HintingContract
from tests.contract.ledger.listing import ListingContract
from tests.contract.ledger.meetings import MeetingContract
from tests.contract.ledger.reading import ReadingContract
from tests.contract.ledger.walking import WalkingContract
from tests.contract.ledger.writing import WritingContract

__all__ = ["LedgerContract", "LedgerHarness"]


class LedgerContract(
    WritingContract, ReadingContract, ListingContract, WalkingContract, HintingContract, MeetingContract
):
    """Inherit, and give the fixture `harness`."""

    @pytest.fixture
    def crm(self, harness: LedgerHarness) -> Crm:
        """The CRM under contract, with a property of every type on contacts."""
        harness.ledger.provision({"contact": PROPERTIES}, False)
        return Crm(harness)
