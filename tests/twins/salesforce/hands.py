"""The hands of the other side: people in the app, other programs, and the admin, who change an org around the API.

They see every field and are bound by what the platform refuses (required fields, choices, lengths), not by permissions
of the integration user; histories and stamps name them as authors.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.twins.salesforce import converting, tooling, writing
from tests.twins.salesforce.access import Access
from tests.twins.salesforce.org import DuplicateRule, Org, Record, ValidationRule

ALIASES = {"contact": "Contact", "lead": "Lead", "company": "Account", "account": "Account", "deal": "Opportunity",
           "opportunity": "Opportunity", "task": "Task", "note": "Task", "meeting": "Event",
           "event": "Event"}  # fmt: skip
USUAL: dict[str, dict[str, Any]] = {
    "Text": {"length": 255}, "LongTextArea": {"length": 32768, "visibleLines": 3}, "Checkbox": {"defaultValue": False},
    "Number": {"precision": 18, "scale": 2},
}  # fmt: skip
"""What a field's metadata says where a test doesn't."""


class Hands:
    """What others do in an org; kinds by the object's name, or by ours."""

    org: Org

    @property
    def ann(self) -> str:
        """Return the user id of a person who sells."""
        return self.org.users[1]

    @property
    def bob(self) -> str:
        """Return the user id of another person."""
        return self.org.users[2]

    @property
    def robot(self) -> str:
        """Return the user id as whom the org's own automations run."""
        return self.org.users[3]

    @property
    def tool(self) -> str:
        """Return the user id as whom another program writes, which looks like a person's."""
        return self.org.users[4]

    def person_creates(self, kind: str, values: Mapping[str, Any], by: str | None = None) -> str:
        """Type a new record in; return its id."""
        with self.org.lock:
            of = self.org.sobjects[_kind(kind)]
            return writing.create(self._saving(by or self.ann), of, values).id

    def person_edits(self, kind: str, id: str, values: Mapping[str, Any], by: str | None = None) -> None:
        """Type values into a record; None clears."""
        with self.org.lock:
            writing.change(self._saving(by or self.ann), self._live(kind, id), values)

    def automation_edits(self, kind: str, id: str, values: Mapping[str, Any]) -> None:
        """Let a flow of the org write values."""
        self.person_edits(kind, id, values, self.robot)

    def person_deletes(self, kind: str, id: str, by: str | None = None) -> None:
        """Delete a record, and with it what hangs on it."""
        with self.org.lock:
            writing.remove(self._saving(by or self.ann), self._live(kind, id))

    def person_restores(self, kind: str, id: str) -> None:
        """Take a record out of the recycle bin."""
        with self.org.lock:
            found = self.org.there(_kind(kind), id)
            assert found and found.deleted_at, "only what lies in the recycle bin can be restored"
            self.org.restore(found, self.ann)

    def person_purges(self, kind: str, id: str) -> None:
        """Empty a record from the recycle bin: it was never there."""
        with self.org.lock:
            del self.org.records[_kind(kind)][id]

    def person_merges(self, kind: str, winner: str, *losers: str) -> str:
        """Merge up to three records by hand; return the survivor's id, which is the winner's."""
        with self.org.lock:
            converting.merge(self.org, _kind(kind), winner, losers, self.ann)
        return winner

    def person_converts(
        self, lead: str, *, account: str | None = None, contact: str | None = None, deal: str | None = None
    ) -> dict[str, str | None]:
        """Convert a lead to a contact and an account (given ones, or new ones) and, where named, an opportunity.

        Return their ids as `Account`, `Contact` and `Opportunity`.
        """
        with self.org.lock:
            return converting.convert(self.org, lead, account, contact, deal, self.ann)

    def system_touches(self, kind: str, id: str) -> None:
        """Let the platform itself touch a record: `SystemModstamp` moves and `LastModifiedDate` doesn't."""
        with self.org.lock:
            self.org.touch(self._live(kind, id))

    # The admin --------------------------------------------------------------------------------------------------

    def adds_field(self, kind: str, name: str, type: str = "Text", *, granted: bool = True, **metadata: Any) -> str:
        """Make a custom field (`AI_Stage__c`) and grant it to everybody; return its name."""
        full = f"{'Activity' if _kind(kind) in tooling.ACTIVITIES else _kind(kind)}.{name}"
        given = {"label": name.removesuffix("__c").replace("_", " "), "type": type, **USUAL.get(type, {}), **metadata}
        with self.org.lock:
            tooling.make(self.org, full, given, self.ann)
            if granted:
                tooling.grant(self.org, full)
        return name

    def tracks(self, kind: str, *fields: str) -> None:
        """Turn the history of an object on, and that of these fields."""
        with self.org.lock:
            self.org.history.track(_kind(kind), *fields)

    def adds_validation(
        self, kind: str, message: str, wrong: Callable[[Mapping[str, Any]], bool], fields: Sequence[str] = ()
    ) -> None:
        """Forbid what `wrong` says of a record's values."""
        self.org.validation_rules.append(ValidationRule(_kind(kind), message, wrong, tuple(fields)))

    def adds_duplicate_rule(self, kind: str, *fields: str, allows: bool = True) -> None:
        """Let records with the same values in these fields be duplicates; `allows` is an alert, not a block."""
        self.org.duplicate_rules.append(DuplicateRule(_kind(kind), fields, allows))

    def adds_record_type(self, kind: str, name: str, stages: Sequence[str] = ()) -> str:
        """Make a record type; for deals, with the stages of its sales process. Return its id."""
        with self.org.lock:
            values = {
                "Name": name,
                "DeveloperName": name.replace(" ", "_"),
                "SobjectType": _kind(kind),
                "IsActive": True,
            }
            id = self.org.insert("RecordType", values, self.ann).id
            if stages:
                self.org.record_type_stages[id] = list(stages)
            return id

    def locks(self, id: str, times: int = 1) -> None:
        """Let another transaction hold a record, so that the next writes of it are refused."""
        self.org.locked[id] = times

    # Looking ----------------------------------------------------------------------------------------------------

    def all(self, kind: str) -> list[Record]:
        """Return the live records of an object, oldest first."""
        with self.org.lock:
            return list(self.org.every(_kind(kind)))

    def value(self, kind: str, id: str, name: str) -> Any:
        """Return what a live record holds."""
        with self.org.lock:
            return self._live(kind, id).values[name]

    def _live(self, kind: str, id: str) -> Record:
        found = self.org.live(_kind(kind), id)
        assert found, f"no live {kind} {id}"
        return found

    def _saving(self, by: str) -> writing.Saving:
        return writing.Saving(self.org, Access(self.org, by, unbounded=True), allow_save=True)


def _kind(name: str) -> str:
    return ALIASES.get(name, name)
