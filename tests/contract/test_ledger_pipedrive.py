"""Pipedrive's adapter under the contract, against the twin: as it comes, and in the other ways that companies are."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from adapters.crms.pipedrive import PipedriveLedger
from sidecar.ports import Ledger
from tests.contract.ledger import LedgerContract, LedgerHarness
from tests.support.pipedrives import PipedriveHarness


class TestPipedriveLedger(LedgerContract):
    """As it comes: nothing is unique, a merge leaves no trace, search lags and remembers what was deleted."""

    options: ClassVar[Mapping[str, Any]] = {}
    switches: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[LedgerHarness]:
        """A fresh company for each test; the twin itself is checked at its end."""
        made = PipedriveHarness(tmp_path, self.options, self.switches)
        yield made
        made.twin.stop()

    def test_it_is_a_ledger(self, harness: LedgerHarness) -> None:
        """Pipedrive fits the port in shape too; seen to fail with `linked` renamed."""
        assert isinstance(harness.ledger, PipedriveLedger)
        assert isinstance(harness.ledger, Ledger)


class TestOtherPipedriveLedger(TestPipedriveLedger):
    """The other way wherever Pipedrive's documents leave it open: each oddity at once."""

    switches: ClassVar[Mapping[str, Any]] = {
        "index_keeps_deleted": False,
        "deleted_is_404": True,
        "field_search": "items",
    }
