"""A Zoho CRM ledger on a twin of its own: the hands of the other side for the contract, and a way to one for tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from adapters.crms.zoho import ZohoLedger, ZohoOptions
from sidecar.model import Value
from sidecar.ports import Context, View
from tests.support.harnesses import VendorHarness
from tests.twins.zoho import ZohoTwin

THEIRS = {"name": "Last_Name", "email": "Email", "phone": "Phone"}
"""What a person types into a contact's own fields."""


@dataclass
class ZohoHarness(VendorHarness):
    """A ledger on a twin of its own, under a clock that only the test moves.

    Zoho's times are whole seconds, so a person takes one before an edit and one behind it: within one second nobody
    could tell which came first.
    """

    twin: ZohoTwin = field(init=False)
    ledger: ZohoLedger = field(init=False)
    tied: frozenset[str] = frozenset(("note",))
    single: frozenset[str] = frozenset(("note",))
    lacks: ClassVar[frozenset[tuple[str, str]]] = frozenset((("deal", "currency"),))

    def __post_init__(self) -> None:
        self.twin = ZohoTwin(clock=lambda: self.now, **self.switches).start()
        self.ledger = self.reopen()

    def reopen(self) -> ZohoLedger:
        """Open the org as another process would, but for the access token, which all ledgers of a process share."""
        given = {
            "accounts_url": self.twin.url, "client_id": self.twin.switches.client_id, "deletions_every_s": 0,
            **self.options,
        }  # fmt: skip
        return ZohoLedger("crm", ZohoOptions.model_validate(given), self._context())

    def _context(self) -> Context:
        secrets = {
            "ZOHO_CLIENT_SECRET": self.twin.switches.client_secret,
            "ZOHO_REFRESH_TOKEN": self.twin.refresh_token,
        }
        return replace(self.context(""), secret=lambda env, file: secrets[str(env)])

    def person_edits(self, kind: str, ref: str, fields: Mapping[str, Value]) -> None:
        """Type into Zoho."""
        self.advance(1)
        self.twin.person_edits(kind, ref, self._theirs(kind, fields))
        self.advance(1)

    def automation_edits(self, kind: str, ref: str, fields: Mapping[str, Value]) -> None:
        """Let a workflow write."""
        self.twin.automation_edits(kind, ref, self._theirs(kind, fields))

    def _theirs(self, kind: str, fields: Mapping[str, Value]) -> dict[str, Any]:
        """Return values under Zoho's names of the fields."""
        known = self.twin.org.fields[self.twin.all(kind)[0].module]
        named = {name.casefold(): name for name in known}
        return {THEIRS.get(name) or named[name]: value for name, value in fields.items()}

    def person_deletes(self, kind: str, ref: str) -> None:
        """Delete a record."""
        self.twin.person_deletes(kind, ref)

    def person_merges(self, kind: str, winner: str, loser: str) -> str:
        """Merge two records by hand."""
        return self.twin.person_merges(kind, winner, loser)

    def members(self, view: View) -> list[str]:
        """Return who is in a list, as the twin shows it."""
        (shown,) = [each for each in self.twin.org.views.values() if each["name"] == view.name]
        query = {"cvid": shown["id"], "fields": "id"}
        return [str(row["id"]) for row in self.ledger.wire.get("list", f"/{shown['module']}", query)["data"]]

    def calls(self) -> int:
        """Return how many write calls were made."""
        return self.ledger.calls["write"]

    def calls_for(self, creations: int) -> int:
        """Return one call for each hundred."""
        return -(-creations // 100)
