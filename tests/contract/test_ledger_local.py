"""The local ledger under the contract: as it comes, and with the abilities taken away that its options can take."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from adapters.crms.local import LocalLedger, LocalOptions
from sidecar.model import Author, AuthorKind, Own, Value
from sidecar.ports import Context, Ledger, View
from tests.contract.ledger import LedgerContract, LedgerHarness

WORKFLOW = Author(AuthorKind.AUTOMATION, "workflow-7", "Nightly tidying")
OPTIONS: dict[str, Any] = {
    "path": "crm.db",
    "owners": {"7": "ann@ours.test", "8": "bob@ours.test"},
    "pipelines": [
        {"ref": "sales", "label": "Sales", "stages": ["new", "booked", "won", "lost"]},
        {"ref": "repairs", "stages": ["asked", "booked", "done"]},
    ],
}


@dataclass
class LocalHarness:
    """A local ledger in a folder of its own, under a clock that only the test moves."""

    base: Path
    options: LocalOptions
    commits: list[str]
    now: datetime = datetime(2026, 1, 5, 9, tzinfo=UTC)
    samples: int = 0
    ledger: LocalLedger = field(init=False)
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
        self.ledger = self.reopen()

    def reopen(self) -> LocalLedger:
        """Open the same file as another process would."""
        context = Context(lambda: self.now, Own(default_region="GB"), self.base, lambda env, file: "")
        return LocalLedger("crm", self.options, context)

    def sample(self, kind: str) -> dict[str, Value]:
        """Return native values that no earlier sample had."""
        self.samples += 1
        number = self.samples
        phone = f"+4420794{number:05d}"
        samples: dict[str, dict[str, Value]] = {
            "contact": {"name": "Ann Ó B.", "email": f"Ann.{number}@x.test", "phone": phone, "do_not_contact": False},
            "company": {"name": "Größe & Söhne", "domain": f"x{number}.test", "phone": phone, "owner": "7"},
            "deal": {
                "name": f"Roof {number}", "pipeline": "repairs", "stage": "asked", "amount": 1250.5,
                "currency": "EUR", "close_date": "2026-02-28", "owner": "8",
            },
            "note": {"body": "Ann asked:\n<b>Thursday</b>?", "at": "2026-01-05T09:00:00+00:00"},
            "task": {
                "title": "Call back", "body": "about the roof", "due": "2026-01-08", "status": "open",
                "owner": "7", "priority": "high",
            },
            "meeting": {
                "title": "Visit", "start": "2026-01-08T10:00:00+00:00", "end": "2026-01-08T11:00:00+00:00",
                "status": "scheduled",
            },
        }  # fmt: skip
        return samples[kind]

    def property(self, name: str) -> str:
        """Return the name itself: this CRM takes ours."""
        return name

    def person_edits(self, kind: str, ref: str, fields: Mapping[str, Value]) -> None:
        """Type into the CRM."""
        self.ledger.edit(kind, ref, fields)

    def automation_edits(self, kind: str, ref: str, fields: Mapping[str, Value]) -> None:
        """Let a workflow of the CRM write."""
        self.ledger.edit(kind, ref, fields, WORKFLOW)

    def person_deletes(self, kind: str, ref: str) -> None:
        """Put a record into the recycle bin."""
        self.ledger.delete(kind, ref)

    def person_merges(self, kind: str, winner: str, loser: str) -> str:
        """Merge two records by hand."""
        return self.ledger.merge(kind, winner, loser).ref

    def members(self, view: View) -> list[str]:
        """Return who is in a list."""
        return [member.ref for member in self.ledger.members(view)]

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def calls(self) -> int:
        """Return how many transactions have been committed, which is what a write costs here."""
        return len(self.commits)

    def calls_for(self, creations: int) -> int:
        """Return one transaction for each row."""
        return creations


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each COMMIT that SQLite itself reports, from connections opened under this fixture."""
    seen: list[str] = []
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        db = connect(*args, **kwargs)
        db.set_trace_callback(lambda sql: seen.append(sql) if sql == "COMMIT" else None)
        return db

    monkeypatch.setattr(sqlite3, "connect", traced)
    return seen


class TestLocalLedger(LedgerContract):
    """As it comes: every capability declared."""

    extra: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def harness(self, tmp_path: Path, commits: list[str]) -> LedgerHarness:
        """A fresh file for each test."""
        return LocalHarness(tmp_path, LocalLedger.Options.model_validate({**OPTIONS, **self.extra}), commits)

    def test_it_is_a_ledger(self, harness: LedgerHarness) -> None:
        """The reference fits the port in shape too; seen to fail with `linked` renamed."""
        assert isinstance(harness.ledger, Ledger)


class TestLocalLedgerWithoutConditions(TestLocalLedger):
    """Without conditional writes, as most vendors are."""

    extra: ClassVar[Mapping[str, Any]] = {"conditional_write": False}


class TestLaggingLocalLedger(TestLocalLedger):
    """With a search that is behind its own writes, as most vendors' are."""

    extra: ClassVar[Mapping[str, Any]] = {"search_lag_s": 30.0, "settle_s": 5.0}
