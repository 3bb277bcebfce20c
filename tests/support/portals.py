"""A HubSpot ledger on a twin of its own: the hands of the other side for the contract, and a way to one for tests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from adapters.crms.hubspot import HubSpotLedger, HubSpotOptions
from sidecar.model import Own, Value
from sidecar.ports import Context, FieldSpec
from tests.twins.hubspot import HubSpotTwin

SEARCH_LAG_S = 20.0
PACE: dict[str, Any] = {"burst": 1000, "search_per_s": 1000.0}
"""The twin's clock is the test's, and so are its limits: nobody waits for real seconds."""


@dataclass
class HubSpotHarness:
    """A ledger on a twin of its own, under a clock that only the test moves."""

    base: Path
    options: Mapping[str, Any]
    switches: Mapping[str, Any]
    now: datetime = datetime(2026, 1, 5, 9, tzinfo=UTC)
    samples: int = 0
    twin: HubSpotTwin = field(init=False)
    ledger: HubSpotLedger = field(init=False)
    identifying: Mapping[str, Mapping[str, str]] = field(
        default_factory=lambda: {
            "contact": {"email": "email", "phone": "phone"},
            "company": {"domain": "domain", "phone": "phone"},
        }
    )
    pipeline_property: str = "pipeline"
    stage_property: str = "stage"
    owner_property: str = "owner"

    def __post_init__(self) -> None:
        seconds = count()
        switches = {"search_lag_s": SEARCH_LAG_S, **self.switches}
        self.twin = HubSpotTwin(clock=lambda: self.now, ticks=lambda: float(next(seconds)), **switches).start()
        self.ledger = self.reopen()

    def reopen(self) -> HubSpotLedger:
        """Open the account as another process would."""
        options = HubSpotOptions.model_validate({"base_url": self.twin.url, **PACE, **self.options})
        own = Own(default_region="GB")
        return HubSpotLedger(
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
            "company": {"name": "Größe & Söhne", "domain": f"x{number}.test", "phone": phone, "owner": owner},
            "deal": {
                "name": f"Roof {number}", "pipeline": pipeline.ref, "stage": pipeline.stages[0][0], "amount": 1250.5,
                "currency": "EUR", "close_date": "2026-02-28", "owner": owner,
            },
            "note": {"body": "Ann asked:\n<b>Thursday</b>?", "at": "2026-01-05T09:00:00+00:00"},
            "task": {
                "title": "Call back", "body": "about the <roof> & co", "due": "2026-01-08", "status": "open",
                "owner": owner, "priority": "high",
            },
            "meeting": {
                "title": "Visit", "start": "2026-01-08T10:00:00+00:00", "end": "2026-01-08T11:00:00+00:00",
                "status": "scheduled",
            },
        }  # fmt: skip
        return samples[kind]

    def property(self, name: str) -> str:
        """Return the name itself: HubSpot takes ours."""
        return name

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

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def calls(self) -> int:
        """Return how many write calls were made."""
        return self.twin.calls("batch_create", "batch_update")

    def calls_for(self, creations: int) -> int:
        """Return one call for each hundred of one kind."""
        return -(-creations // 100)


def texts(fields: Mapping[str, Value]) -> dict[str, str]:
    """Return values as HubSpot's screens send them; the suite's properties and identifiers have one name in both."""
    return {name: "" if value is None else str(value) for name, value in fields.items()}


PROPERTIES = (
    FieldSpec("ai_summary", "long_text", "AI summary", max_chars=5_000, ours=True),
    FieldSpec("ai_stage", "enum", "AI stage", options=("enquired", "booked"), ours=True),
    FieldSpec("ai_score", "number", "AI score", ours=True),
)


@contextmanager
def portal(
    base: Path, *, provisioned: bool = True, options: Mapping[str, Any] | None = None, **switches: Any
) -> Iterator[HubSpotHarness]:
    """Open a portal that is provisioned unless told otherwise, and check its twin at the end."""
    harness = HubSpotHarness(base, options or {}, switches)
    try:
        if provisioned:
            harness.ledger.provision({"contact": PROPERTIES, "deal": PROPERTIES}, False)
        yield harness
    finally:
        harness.twin.stop(check=False)
    assert not harness.twin.defects
