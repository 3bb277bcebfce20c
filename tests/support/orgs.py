"""A Salesforce ledger on a twin of its own: the other side's hands for the contract, and a way to one for tests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.crms.salesforce import SalesforceLedger, SalesforceOptions
from sidecar.model import Own, Value
from sidecar.ports import Context, FieldSpec
from tests.twins.salesforce import SalesforceTwin

THEIRS = {"email": "Email", "phone": "Phone", "name": "LastName"}
SECOND_S = 1.0
"""Salesforce's times are whole seconds: what happens within one can't be told apart, so each edit takes one."""


@dataclass
class SalesforceHarness:
    """A ledger on a twin of its own, under a clock that only the test moves."""

    base: Path
    options: Mapping[str, Any]
    switches: Mapping[str, Any]
    now: datetime = datetime(2026, 1, 5, 9, tzinfo=UTC)
    samples: int = 0
    twin: SalesforceTwin = field(init=False)
    ledger: SalesforceLedger = field(init=False)
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
        self.twin = SalesforceTwin(clock=lambda: self.now, **self.switches).start()
        for kind in ("contact", "lead", "company", "deal"):
            self.twin.tracks(kind)
        self.ledger = self.reopen()

    def reopen(self) -> SalesforceLedger:
        """Open the org as another process would."""
        given = {
            "base_url": self.twin.url,
            "client_id": self.twin.switches.consumer_key,
            "username": self.twin.switches.username,
            "machines": (self.twin.value("User", self.twin.robot, "Username"),),
            **self.options,
        }
        options = SalesforceOptions.model_validate(given)
        secret = self.twin.private_key if options.auth == "jwt" else self.twin.switches.consumer_secret
        own = Own(default_region="GB")
        return SalesforceLedger("crm", options, Context(lambda: self.now, own, self.base, lambda env, file: secret))

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
                "close_date": "2026-02-28", "owner": owner,
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
        """Return the name itself: the adapter takes ours."""
        return name

    def person_edits(self, kind: str, ref: str, fields: Mapping[str, Value]) -> None:
        """Type into Salesforce, a second after what was before and a second before what comes."""
        self._edits(kind, ref, fields, self.twin.ann)

    def automation_edits(self, kind: str, ref: str, fields: Mapping[str, Value]) -> None:
        """Let a flow write."""
        self._edits(kind, ref, fields, self.twin.robot)

    def _edits(self, kind: str, ref: str, fields: Mapping[str, Value], by: str) -> None:
        self.advance(SECOND_S)
        self.twin.person_edits(self._object(kind, ref), ref, theirs(fields), by)
        self.advance(SECOND_S)

    @staticmethod
    def _object(kind: str, ref: str) -> str:
        return "lead" if ref.startswith("00Q") else kind

    def person_deletes(self, kind: str, ref: str) -> None:
        """Put a record into the recycle bin."""
        self.twin.person_deletes(self._object(kind, ref), ref)

    def person_merges(self, kind: str, winner: str, loser: str) -> str:
        """Merge two records by hand."""
        return self.twin.person_merges(self._object(kind, winner), winner, loser)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def calls(self) -> int:
        """Return how many write calls were made."""
        return self.ledger.calls["write"]

    def calls_for(self, creations: int) -> int:
        """Return one call for each two hundred of one kind."""
        return -(-creations // 200)


def theirs(fields: Mapping[str, Value]) -> dict[str, Any]:
    """Return values as Salesforce's screens send them; a flag is a list with Yes and No."""
    flags: dict[Any, Any] = {True: "Yes", False: "No"}
    return {
        THEIRS.get(name, f"{name}__c" if name.startswith("ai_") else name): (
            flags[value] if isinstance(value, bool) else value
        )
        for name, value in fields.items()
    }


PROPERTIES = (
    FieldSpec("ai_summary", "long_text", "AI summary", max_chars=5_000, ours=True),
    FieldSpec("ai_stage", "enum", "AI stage", options=("enquired", "booked"), ours=True),
    FieldSpec("ai_score", "number", "AI score", ours=True),
)


@contextmanager
def org(
    base: Path, *, provisioned: bool = True, options: Mapping[str, Any] | None = None, **switches: Any
) -> Iterator[SalesforceHarness]:
    """Open an org that is provisioned unless told otherwise, and check its twin at the end."""
    harness = SalesforceHarness(base, options or {}, switches)
    try:
        if provisioned:
            harness.ledger.provision({"contact": PROPERTIES, "deal": PROPERTIES}, False)
        yield harness
    finally:
        harness.twin.stop(check=False)
    assert not harness.twin.defects
