"""What the harnesses of vendors' ledgers share: a clock that only the test moves, and values that no sample had before.

A harness of a vendor adds its twin, its ledger, and the hands of the people who work in that CRM.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from sidecar.model import Own, Value
from sidecar.ports import Context, FieldSpec, Ledger

PROPERTIES = (
    FieldSpec("ai_summary", "long_text", "AI summary", max_chars=5_000, ours=True),
    FieldSpec("ai_stage", "enum", "AI stage", options=("enquired", "booked"), ours=True),
    FieldSpec("ai_score", "number", "AI score", ours=True),
)


@dataclass
class VendorHarness:
    """A ledger on a twin of its own, under a clock that only the test moves."""

    base: Path
    options: Mapping[str, Any]
    switches: Mapping[str, Any]
    now: datetime = datetime(2026, 1, 5, 9, tzinfo=UTC)
    samples: int = 0
    twin: Any = field(init=False)
    ledger: Ledger = field(init=False)
    identifying: Mapping[str, Mapping[str, str]] = field(
        default_factory=lambda: {
            "contact": {"email": "email", "phone": "phone"},
            "company": {"domain": "domain", "phone": "phone"},
        }
    )
    pipeline_property: str = "pipeline"
    stage_property: str = "stage"
    owner_property: str = "owner"

    lacks: ClassVar[frozenset[tuple[str, str]]] = frozenset()
    """Native properties, as (kind, name), that this vendor doesn't have."""

    def context(self, token: str) -> Context:
        """Return what a ledger is built with: this clock, this folder, a token for each secret."""
        return Context(lambda: self.now, Own(default_region="GB"), self.base, lambda env, file: token)

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
                "status": "scheduled", "owner": owner,
            },
        }  # fmt: skip
        return {name: value for name, value in samples[kind].items() if (kind, name) not in self.lacks}

    def property(self, name: str) -> str:
        """Return the name itself: the adapter takes ours."""
        return name

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


H = TypeVar("H", bound=VendorHarness)


@contextmanager
def account(harness: H, *, provisioned: bool = True) -> Iterator[H]:
    """Lend a harness, with AI-owned properties unless told otherwise, and check its twin at the end."""
    try:
        if provisioned:
            harness.ledger.provision({"contact": PROPERTIES, "deal": PROPERTIES}, False)
        yield harness
    finally:
        harness.twin.stop(check=False)
    assert not harness.twin.defects
