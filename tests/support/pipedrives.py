"""A Pipedrive ledger on a twin of its own: the hands of the other side for the contract, and a way to one for tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.crms.pipedrive import PipedriveLedger, PipedriveOptions
from sidecar.model import Own, Value
from sidecar.ports import Context
from tests.contract.ledger.crm import PROPERTIES
from tests.twins.pipedrive import PipedriveTwin

THEIRS = {"contact": "persons", "company": "organizations", "deal": "deals"}
SEARCH_LAG_S = 20.0
PACE: dict[str, Any] = {"burst": 1000, "search_burst": 1000, "deletions_every_s": 0}
"""The twin's clock is the test's, and so are its limits: nobody waits for real seconds."""


@dataclass
class PipedriveHarness:
    """A ledger on a twin of its own, under a clock that only the test moves."""

    base: Path
    options: Mapping[str, Any]
    switches: Mapping[str, Any]
    now: datetime = datetime(2026, 1, 5, 9, tzinfo=UTC)
    samples: int = 0
    twin: PipedriveTwin = field(init=False)
    ledger: PipedriveLedger = field(init=False)
    identifying: Mapping[str, Mapping[str, str]] = field(
        default_factory=lambda: {"contact": {"email": "email", "phone": "phone"}}
    )
    pipeline_property: str = "pipeline"
    stage_property: str = "stage"
    owner_property: str = "owner"
    tied: frozenset[str] = frozenset(("note",))

    def __post_init__(self) -> None:
        switches = {"search_lag_s": SEARCH_LAG_S, **self.switches}
        self.twin = PipedriveTwin(clock=lambda: self.now, **switches).start()
        self.twin.limits.unlimited_bursts = True
        self.ledger = self.reopen()

    def reopen(self) -> PipedriveLedger:
        """Open the company as another process would."""
        given = {"base_url": self.twin.url, "search_lag_s": SEARCH_LAG_S, **PACE, **self.options}
        options = PipedriveOptions.model_validate(given)
        own = Own(default_region="GB")
        return PipedriveLedger(
            "crm", options, Context(lambda: self.now, own, self.base, lambda env, file: self.twin.token)
        )

    def sample(self, kind: str) -> dict[str, Value]:
        """Return native values that no earlier sample had."""
        self.samples += 1
        number = self.samples
        phone = f"+4420794{number:05d}"
        pipeline = self.ledger.pipelines()[0]
        owner = next(iter(self.ledger.owners()))
        samples: dict[str, dict[str, Value]] = {
            "contact": {"name": "Ann Ó B.", "email": f"ann.{number}@x.test", "phone": phone, "owner": owner},
            "company": {"name": "Größe & Söhne", "owner": owner},
            "deal": {
                "name": f"Roof {number}", "pipeline": pipeline.ref, "stage": pipeline.stages[0][0], "amount": 1250.5,
                "currency": "EUR", "close_date": "2026-02-28", "owner": owner,
            },
            "note": {"body": "Ann asked:\n<b>Thursday</b>?", "at": "2026-01-05T09:00:00+00:00"},
            "task": {
                "title": "Call back", "body": "about the <roof> & co", "due": "2026-01-08", "status": "open",
                "owner": owner,
            },
            "meeting": {
                "title": "Visit", "start": "2026-01-08T10:00:00+00:00", "end": "2026-01-08T11:00:00+00:00",
                "status": "scheduled",
            },
        }  # fmt: skip
        return samples[kind]

    def property(self, name: str) -> str:
        """Return the name itself: the adapter takes ours."""
        return name

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

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def calls(self) -> int:
        """Return how many write calls were made."""
        return self.ledger.calls["write"] + self.ledger.calls["write_note"]

    def calls_for(self, creations: int) -> int:
        """Return one call for each."""
        return creations
