"""HubSpot's adapter under the contract, against the twin: as it comes, and in the other ways that a portal may be."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hubspot.utils.signature import Signature

from adapters.crms.hubspot import HubSpotLedger
from sidecar.ports import HookRequest, Ledger
from tests.contract.ledger import LedgerContract, LedgerHarness
from tests.support.portals import HubSpotHarness

HOOK_URL = "https://crm.acme.test/hooks/ledger"


class Hooked(HubSpotHarness):
    """A portal whose app sends webhooks, signed by HubSpot's own SDK with the secret that every option reads."""

    def hint(self, kind: str, ref: str) -> HookRequest:
        """Return the request that tells of a person's edit."""
        event = {
            "subscriptionType": f"{kind}.propertyChange", "objectId": int(ref), "changeSource": "CRM_UI",
            "portalId": self.twin.switches.portal_id,
        }  # fmt: skip
        body, stamp = json.dumps([event]), str(int(self.now.timestamp() * 1000))
        signature = Signature.get_signature(self.twin.token, body, "v3", HOOK_URL, "POST", stamp)
        return HookRequest({"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": stamp}, body.encode())


class TestHubSpotLedger(LedgerContract):
    """As it comes: unique keys on every kind, a merge makes a third record, search lags."""

    options: ClassVar[Mapping[str, Any]] = {}
    switches: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[LedgerHarness]:
        """A fresh portal for each test; the twin itself is checked at its end."""
        made = Hooked(tmp_path, self.options, self.switches)
        yield made
        made.twin.stop()

    def test_it_is_a_ledger(self, harness: LedgerHarness) -> None:
        """HubSpot fits the port in shape too; seen to fail with `linked` renamed."""
        assert isinstance(harness.ledger, HubSpotLedger)
        assert isinstance(harness.ledger, Ledger)


class TestOtherHubSpotLedger(TestHubSpotLedger):
    """The other way wherever HubSpot's documents leave it open: each oddity at once, and the numbered version."""

    options: ClassVar[Mapping[str, Any]] = {
        "version": "v3", "app_id": "990011", "automations": True, "hook_url": HOOK_URL, "hook_secret_env": "SECRET",
    }  # fmt: skip
    switches: ClassVar[Mapping[str, Any]] = {
        "activity_properties": "none",
        "unique_conflict": 409,
        "merged_ids_resolve": True,
        "keeps_primary_id": True,
        "all_missing_is_404": True,
        "repeats_kept": True,
    }
