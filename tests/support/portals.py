"""A HubSpot ledger on a twin of its own: the hands of the other side for the contract, and a way to one for tests."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from adapters.crms.hubspot import HubSpotLedger, HubSpotOptions
from sidecar.model import Value
from sidecar.ports import View
from tests.support.harnesses import VendorHarness, account
from tests.twins.hubspot import HubSpotTwin, lists
from tests.twins.hubspot.calls import object_type

SEARCH_LAG_S = 20.0
PACE: dict[str, Any] = {"burst": 1000, "search_per_s": 1000.0}
"""The twin's clock is the test's, and so are its limits: nobody waits for real seconds."""


@dataclass
class HubSpotHarness(VendorHarness):
    """A ledger on a twin of its own, under a clock that only the test moves."""

    twin: HubSpotTwin = field(init=False)
    ledger: HubSpotLedger = field(init=False)

    def __post_init__(self) -> None:
        seconds = count()
        switches = {"search_lag_s": SEARCH_LAG_S, **self.switches}
        self.twin = HubSpotTwin(clock=lambda: self.now, ticks=lambda: float(next(seconds)), **switches).start()
        self.ledger = self.reopen()

    def reopen(self) -> HubSpotLedger:
        """Open the account as another process would."""
        options = HubSpotOptions.model_validate({"base_url": self.twin.url, **PACE, **self.options})
        return HubSpotLedger("crm", options, self.context(self.twin.token))

    def person_edits(self, kind: str, ref: str, fields: Mapping[str, Value]) -> None:
        """Type into HubSpot, and wait until search knows: by search the change feed learns of edits."""
        self.twin.person_edits(kind, ref, texts(fields))
        self.advance(SEARCH_LAG_S)

    def automation_edits(self, kind: str, ref: str, fields: Mapping[str, Value]) -> None:
        """Let a workflow write, and wait likewise."""
        self.twin.automation_edits(kind, ref, texts(fields))
        self.advance(SEARCH_LAG_S)

    def person_deletes(self, kind: str, ref: str) -> None:
        """Put a record into the recycle bin."""
        self.twin.person_deletes(kind, ref)

    def person_merges(self, kind: str, winner: str, loser: str) -> str:
        """Merge two records by hand, and wait until search knows the survivor."""
        survivor = self.twin.person_merges(kind, winner, loser)
        self.advance(SEARCH_LAG_S)
        return survivor

    def members(self, view: View) -> list[str]:
        """Return who is in a list."""
        return lists.members(self.twin.portal, object_type(view.kind), view.name)

    def calls(self) -> int:
        """Return how many write calls were made."""
        return self.twin.calls("batch_create", "batch_update")

    def calls_for(self, creations: int) -> int:
        """Return one call for each hundred of one kind."""
        return -(-creations // 100)


def texts(fields: Mapping[str, Value]) -> dict[str, str]:
    """Return values as HubSpot's screens send them; the suite's properties and identifiers have one name in both."""
    return {name: "" if value is None else str(value) for name, value in fields.items()}


def portal(
    base: Path, *, provisioned: bool = True, options: Mapping[str, Any] | None = None, **switches: Any
) -> AbstractContextManager[HubSpotHarness]:
    """Open a portal that is provisioned unless told otherwise, and check its twin at the end."""
    return account(HubSpotHarness(base, options or {}, switches), provisioned=provisioned)
