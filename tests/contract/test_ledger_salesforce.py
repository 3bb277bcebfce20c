"""Salesforce's adapter under the contract, against the twin: as it comes, and in the other ways that orgs are."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from adapters.crms.salesforce import SalesforceLedger
from sidecar.ports import Ledger
from tests.contract.ledger import LedgerContract, LedgerHarness
from tests.support.orgs import SalesforceHarness


class TestSalesforceLedger(LedgerContract):
    """As it comes: people are contacts, histories are kept, an update names the state that it relies on."""

    options: ClassVar[Mapping[str, Any]] = {}
    switches: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[LedgerHarness]:
        """A fresh org for each test; the twin itself is checked at its end."""
        made = SalesforceHarness(tmp_path, self.options, self.switches)
        yield made
        made.twin.stop()

    def test_it_is_a_ledger(self, harness: LedgerHarness) -> None:
        """Salesforce fits the port in shape too."""
        assert isinstance(harness.ledger, SalesforceLedger)
        assert isinstance(harness.ledger, Ledger)


class TestOtherSalesforceLedger(TestSalesforceLedger):
    """People are leads, nobody's history is read, conditions are off, and the org is odd wherever it may be."""

    options: ClassVar[Mapping[str, Any]] = {
        "person": "lead", "history": False, "conditional_write": False, "auth": "client_credentials",
    }  # fmt: skip
    switches: ClassVar[Mapping[str, Any]] = {
        "activity_external_ids": False,
        "collection_field": "row",
        "line_ends": "\n",
        "untracked_history": "missing",
    }
