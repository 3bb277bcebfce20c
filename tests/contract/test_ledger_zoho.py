"""Zoho's adapter under the contract, against the twin: as it comes, and in the other ways that orgs are."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from adapters.crms.zoho import ZohoLedger
from sidecar.ports import Ledger
from tests.contract.ledger import LedgerContract, LedgerHarness
from tests.support.zoho_orgs import ZohoHarness


class TestZohoLedger(LedgerContract):
    """As it comes: unknown fields are dropped in silence, search lags, an emoji of four bytes is lost."""

    options: ClassVar[Mapping[str, Any]] = {}
    switches: ClassVar[Mapping[str, Any]] = {"search_lag_s": 30.0}

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[LedgerHarness]:
        """A fresh org for each test; the twin itself is checked at its end."""
        made = ZohoHarness(tmp_path, self.options, self.switches)
        yield made
        made.twin.stop()

    def test_it_is_a_ledger(self, harness: LedgerHarness) -> None:
        """Zoho fits the port in shape too."""
        assert isinstance(harness.ledger, ZohoLedger)
        assert isinstance(harness.ledger, Ledger)


class TestOtherZohoLedger(TestZohoLedger):
    """The other way wherever Zoho's documents leave it open, and the smallest edition: each oddity at once."""

    switches: ClassVar[Mapping[str, Any]] = {
        "edition": "free",
        "mixed_status": 200,
        "failed_status": 202,
        "takes_unknown_options": False,
        "refuses_unknown_fields": True,
        "time_zone": "Asia/Kolkata",
        "stale_refuses_all": True,
        "lists_deleted_notes": False,
    }
