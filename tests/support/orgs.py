"""A Salesforce ledger on a twin of its own: the other side's hands for the contract, and a way to one for tests."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from adapters.crms.salesforce import SalesforceLedger, SalesforceOptions
from sidecar.model import Value
from tests.support.harnesses import VendorHarness, account
from tests.twins.salesforce import SalesforceTwin

THEIRS = {"email": "Email", "phone": "Phone", "name": "LastName"}
SECOND_S = 1.0
"""Salesforce's times are whole seconds: what happens within one can't be told apart, so each edit takes one."""


@dataclass
class SalesforceHarness(VendorHarness):
    """A ledger on a twin of its own, under a clock that only the test moves."""

    twin: SalesforceTwin = field(init=False)
    ledger: SalesforceLedger = field(init=False)
    lacks: ClassVar[frozenset[tuple[str, str]]] = frozenset((("deal", "currency"),))

    @property
    def untied(self) -> frozenset[str]:
        """With a lead Salesforce ties a meeting to nothing else."""
        return frozenset(("deal",)) if self.options.get("person") == "lead" else frozenset()

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
        return SalesforceLedger("crm", options, self.context(secret))

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


def org(
    base: Path, *, provisioned: bool = True, options: Mapping[str, Any] | None = None, **switches: Any
) -> AbstractContextManager[SalesforceHarness]:
    """Open an org that is provisioned unless told otherwise, and check its twin at the end."""
    return account(SalesforceHarness(base, options or {}, switches), provisioned=provisioned)
