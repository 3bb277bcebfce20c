"""The local ledger under the contract: as it comes, and with the abilities taken away that its options can take."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from adapters.crms.local import LocalLedger
from sidecar.model import Author, AuthorKind, Value
from sidecar.ports import Ledger, View
from tests.contract.ledger import LedgerContract, LedgerHarness
from tests.support.harnesses import VendorHarness

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
class LocalHarness(VendorHarness):
    """A local ledger in a folder of its own, under a clock that only the test moves."""

    commits: list[str] = field(default_factory=list)
    ledger: LocalLedger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = self.reopen()

    def reopen(self) -> LocalLedger:
        """Open the same file as another process would."""
        return LocalLedger("crm", LocalLedger.Options.model_validate(self.options), self.context(""))

    def sample(self, kind: str) -> dict[str, Value]:
        """Return native values that no earlier sample had; here with a flag and a capital in the address."""
        values = super().sample(kind)
        if kind == "contact":
            values |= {"email": str(values["email"]).capitalize(), "do_not_contact": False}
        return values

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
        return LocalHarness(tmp_path, {**OPTIONS, **self.extra}, {}, commits=commits)

    def test_it_is_a_ledger(self, harness: LedgerHarness) -> None:
        """The reference fits the port in shape too; seen to fail with `linked` renamed."""
        assert isinstance(harness.ledger, Ledger)


class TestLocalLedgerWithoutConditions(TestLocalLedger):
    """Without conditional writes, as most vendors are."""

    extra: ClassVar[Mapping[str, Any]] = {"conditional_write": False}


class TestLaggingLocalLedger(TestLocalLedger):
    """With a search that is behind its own writes, as most vendors' are."""

    extra: ClassVar[Mapping[str, Any]] = {"search_lag_s": 30.0, "settle_s": 5.0}
