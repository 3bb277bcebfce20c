"""HubSpot's adapter under the contract, against the twin: as it comes, and in the other ways that a portal may be."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from adapters.crms.hubspot import HubSpotLedger
from sidecar.ports import Ledger
from tests.contract.ledger import LedgerContract, LedgerHarness
from tests.support.portals import HubSpotHarness


class TestHubSpotLedger(LedgerContract):
    """As it comes: unique keys on every kind, a merge makes a third record, search lags."""

    options: ClassVar[Mapping[str, Any]] = {}
    switches: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[LedgerHarness]:
        """A fresh portal for each test; the twin itself is checked at its end."""
        made = HubSpotHarness(tmp_path, self.options, self.switches)
        yield made
        made.twin.stop()

    def test_it_is_a_ledger(self, harness: LedgerHarness) -> None:
        """HubSpot fits the port in shape too; seen to fail with `linked` renamed."""
        assert isinstance(harness.ledger, HubSpotLedger)
        assert isinstance(harness.ledger, Ledger)


class TestOtherHubSpotLedger(TestHubSpotLedger):
    """The other way wherever HubSpot's documents leave it open: each oddity at once, and the numbered version."""

    options: ClassVar[Mapping[str, Any]] = {"version": "v3", "app_id": "990011", "automations": True}
    switches: ClassVar[Mapping[str, Any]] = {
        "activity_properties": "none",
        "unique_conflict": 409,
        "merged_ids_resolve": True,
        "keeps_primary_id": True,
        "all_missing_is_404": True,
        "repeats_kept": True,
    }
