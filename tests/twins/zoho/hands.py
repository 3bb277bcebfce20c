"""The hands of the other side: people in the CRM and on their phones, workflows, imports, merges and deletions.

They go around limits and tokens but not around what a field can hold, and the timeline names them as its authors.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tests.twins.zoho import catalogue, merging, values
from tests.twins.zoho.fields import NOTHING_CHOSEN, Field
from tests.twins.zoho.org import Author, Entry, Org, Record, Workflow, derived

ALIASES = {
    "contact": "Contacts", "lead": "Leads", "company": "Accounts", "account": "Accounts", "deal": "Deals",
    "task": "Tasks", "meeting": "Events", "note": "Notes",
}  # fmt: skip


class Hands:
    """What others do in an org; modules by name or by our kinds."""

    org: Org

    def person(self, number: int = 1, source: str = "crm_ui") -> Author:
        """Return who a person is in the timeline: the first or second user, in the browser or by `crm_mobile`."""
        return Author(self.org.users[number - 1]["id"], source)

    def person_creates(self, module: str, row: Mapping[str, Any], by: Author | None = None) -> str:
        """Type a new record in, in the API's words; return its id."""
        with self.org.lock:
            of = _module(module)
            written = values.checked(self.org, of, dict(row), 0, None, None)
            return self.org.add(of, written, by or self.person()).id

    def person_edits(self, module: str, id: str, row: Mapping[str, Any], by: Author | None = None) -> None:
        """Type values into a record; None clears, which leaves the label of no choice in a picklist."""
        with self.org.lock:
            record = self._there(module, id)
            fields = self.org.fields[record.module]
            typed = {
                name: NOTHING_CHOSEN if value is None and _is_custom_picklist(fields.get(name)) else value
                for name, value in row.items()
            }  # fmt: skip
            written = values.checked(self.org, record.module, typed, 0, record.values, id)
            self.org.commit(record, written, by or self.person())

    def automation_edits(self, module: str, id: str, row: Mapping[str, Any], by: Author | None = None) -> None:
        """Let a workflow write values, in the name of whoever set it off."""
        author = by or self.person()
        rule = ("Nightly update", self.org.module_ids["Leads"])
        self.person_edits(module, id, row, Author(author.user_id, "workflow", rule))

    def program_edits(self, module: str, id: str, row: Mapping[str, Any]) -> None:
        """Let another program write values by the token of a person."""
        self.person_edits(module, id, row, Author(self.org.users[1]["id"], "crm_api"))

    def person_deletes(self, module: str, id: str) -> None:
        """Delete a record."""
        with self.org.lock:
            self.org.delete(self._there(module, id), self.person().user_id)

    def purges(self, module: str, id: str) -> None:
        """Delete a record for good, so that nothing tells who did."""
        with self.org.lock:
            self.org.delete(self.org.records[_module(module)][id], None)

    def person_restores(self, module: str, id: str) -> None:
        """Take a record back out of the recycle bin."""
        with self.org.lock:
            record = self.org.records[_module(module)][id]
            assert record.deletion and record.deletion.by, "only what is in the recycle bin can be restored"
            record.deletion = None
            record.entries.append(Entry(self.org.next_id(), self.org.now(), "restored", self.person()))
            self.org.snapshot(record)

    def person_merges(self, module: str, winner: str, loser: str, names: tuple[str, ...] = ()) -> str:
        """Merge two records by hand, with these values of the loser's; return the survivor's id."""
        with self.org.lock:
            master, other = self._there(module, winner), self._there(module, loser)
            taken = {name: other.values.get(name) for name in names}
            merging.merged(self.org, master, [other], taken, self.person())
            return master.id

    def person_converts(self, lead: str, account: str | None = None) -> str:
        """Make a contact of a lead, as the CRM does; return the contact's id."""
        with self.org.lock:
            record, by = self._there("Leads", lead), Author(self.person().user_id, "convert")
            known = self.org.fields["Contacts"]
            same = {n: v for n, v in record.values.items() if n in known and not known[n].is_custom}
            contact = self.org.add("Contacts", {**same, **({"Account_Name": account} if account else {})}, by)
            record.converted = {"contact": contact.id, **({"account": account} if account else {})}
            record.entries.append(Entry(self.org.next_id(), self.org.now(), "converted", by))
            self.org.commit(record, {"Converted__s": True}, by, fires=False)
            return contact.id

    # States -----------------------------------------------------------------------------------------------------

    def locks(self, module: str, id: str, is_locked: bool = True) -> None:
        """Lock a record, or open it again."""
        self._there(module, id).is_locked = is_locked

    def waits_for_approval(self, module: str, id: str, waits: bool = True) -> None:
        """Put a record into an approval, or let it out."""
        self._there(module, id).is_waiting = waits

    def enters_blueprint(self, id: str, is_in: bool = True) -> None:
        """Put a deal's stage under a blueprint, or out of it."""
        self._there("Deals", id).in_blueprint = is_in

    def adds_workflow(
        self, module: str, fits: Callable[[Mapping[str, Any]], bool], writes: Mapping[str, Any], name: str = "Rule"
    ) -> str:
        """Save a rule that writes values into records that fit, as soon as something is written to them."""
        with self.org.lock:
            rule = Workflow(self.org.next_id(), name, _module(module), fits, dict(writes))
            self.org.workflows.append(rule)
            return rule.id

    def adds_field(
        self, module: str, label: str, data_type: str = "text", options: tuple[str, ...] = (), unique: bool = False
    ) -> str:
        """Make a custom field by hand; return its api name."""
        with self.org.lock:
            row: dict[str, Any] = {"field_label": label, "data_type": data_type}
            if options:
                row["pick_list_values"] = [{"display_value": each, "actual_value": each} for each in options]
            if unique:
                row["unique"] = {"case_sensitive": False}
            return catalogue.made(self.org, _module(module), row, "$.fields[0]").api_name

    def makes_unique(self, module: str, name: str) -> None:
        """Forbid that two records hold the same value."""
        self.org.fields[_module(module)][name].case_sensitive = False

    def makes_required(self, module: str, name: str) -> None:
        """Make a field of the layout mandatory: a record without it is refused."""
        self.org.fields[_module(module)][name].required = True

    # Looking ----------------------------------------------------------------------------------------------------

    def all(self, module: str) -> list[Record]:
        """Return the live records of a module, oldest first."""
        with self.org.lock:
            return self.org.all(_module(module))

    def value(self, module: str, id: str, name: str) -> Any:
        """Return what a live record holds: lookups as bare ids, times aware."""
        with self.org.lock:
            record = self._there(module, id)
            return derived(record.module, record.values).get(name)

    @property
    def fired(self) -> list[tuple[str, str]]:
        """Return which rules were set off, and by which records."""
        return self.org.fired

    def _there(self, module: str, id: str) -> Record:
        record = self.org.live(_module(module), id)
        assert record, f"{module} {id} isn't there"
        return record


def _module(name: str) -> str:
    return ALIASES.get(name, name)


def _is_custom_picklist(field: Field | None) -> bool:
    return field is not None and field.is_custom and field.data_type == "picklist"
