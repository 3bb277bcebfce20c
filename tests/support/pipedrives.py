"""A Pipedrive ledger on a twin of its own: the hands of the other side for the contract, and a way to one for tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.crms.pipedrive import PipedriveLedger, PipedriveOptions
from sidecar.model import Value
from tests.contract.ledger.crm import PROPERTIES
from tests.support.harnesses import VendorHarness
from tests.twins.pipedrive import PipedriveTwin

THEIRS = {"contact": "persons", "company": "organizations", "deal": "deals"}
SEARCH_LAG_S = 20.0
PACE: dict[str, Any] = {"burst": 1000, "search_burst": 1000, "deletions_every_s": 0}
"""The twin's clock is the test's, and so are its limits: nobody waits for real seconds."""


@dataclass
class PipedriveHarness(VendorHarness):
    """A ledger on a twin of its own, under a clock that only the test moves."""

    twin: PipedriveTwin = field(init=False)
    ledger: PipedriveLedger = field(init=False)
    identifying: Mapping[str, Mapping[str, str]] = field(
        default_factory=lambda: {"contact": {"email": "email", "phone": "phone"}}
    )
    tied: frozenset[str] = frozenset(("note",))

    lacks = frozenset((("company", "domain"), ("company", "phone"), ("task", "priority")))

    def __post_init__(self) -> None:
        switches = {"search_lag_s": SEARCH_LAG_S, **self.switches}
        self.twin = PipedriveTwin(clock=lambda: self.now, **switches).start()
        self.twin.limits.unlimited_bursts = True
        self.ledger = self.reopen()

    def reopen(self) -> PipedriveLedger:
        """Open the company as another process would."""
        given = {"base_url": self.twin.url, "search_lag_s": SEARCH_LAG_S, **PACE, **self.options}
        options = PipedriveOptions.model_validate(given)
        return PipedriveLedger("crm", options, self.context(self.twin.token))

    def person_edits(self, kind: str, ref: str, fields: Mapping[str, Value]) -> None:
        """Type into Pipedrive."""
        self.twin.person_edits(kind, int(ref), self._theirs(kind, fields))

    def _theirs(self, kind: str, fields: Mapping[str, Value]) -> dict[str, Any]:
        """Return values as Pipedrive's screens send them."""
        known = self.twin.company.definitions[THEIRS[kind]].values()
        labels = {spec.name: spec.label for spec in PROPERTIES}
        sent: dict[str, Any] = {}
        for name, value in fields.items():
            if name in ("email", "phone"):
                sent[f"{name}s"] = [{"value": value, "primary": True}]
                continue
            (made,) = (each for each in known if each.is_custom and each.name.startswith(labels[name]))
            ids = {label: number for number, label in made.options.items()}
            sent[made.code] = ids[str(value)] if ids and value is not None else value
        return sent

    def automation_edits(self, kind: str, ref: str, fields: Mapping[str, Value]) -> None:
        """Let another tool write."""
        self.twin.automation_edits(kind, int(ref), self._theirs(kind, fields))

    def person_deletes(self, kind: str, ref: str) -> None:
        """Delete a record."""
        self.twin.person_deletes(kind, int(ref))

    def person_merges(self, kind: str, winner: str, loser: str) -> str:
        """Merge two records by hand."""
        return str(self.twin.person_merges(kind, int(winner), int(loser)))

    def calls(self) -> int:
        """Return how many write calls were made."""
        return self.ledger.calls["write"] + self.ledger.calls["write_note"]

    def calls_for(self, creations: int) -> int:
        """Return one call for each."""
        return creations
