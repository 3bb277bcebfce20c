"""The hands of the other side: people in the app and on their phones, and other programs with tokens of their own.

They go around limits and the API's refusals of form, and the changelog names them as its authors.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tests.twins.pipedrive import legacy, values
from tests.twins.pipedrive.calls import Call
from tests.twins.pipedrive.company import Author, Company, Record
from tests.twins.pipedrive.fields import Definition, new_code

BROWSER = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/121.0.0.0"
ALIASES = {
    "person": "persons", "contact": "persons", "contacts": "persons", "organization": "organizations",
    "company": "organizations", "companies": "organizations", "deal": "deals", "activity": "activities",
    "task": "activities", "meeting": "activities",
}  # fmt: skip


def person(user_id: int = 1) -> Author:
    """Return who a person in the app is in the changelog."""
    return Author(user_id, "app", BROWSER)


MOBILE = Author(1, "mobile", "Pipedrive/16.0 (iPhone; iOS 18.1)")
AUTOMATION = Author(2, "api", "OtherTool/3.1")
"""Another program, which asks by a token of a person."""


class Hands:
    """What others do in a company; kinds by v2's name, by the singular, or by ours."""

    company: Company

    def person_creates(self, kind: str, held: Mapping[str, Any], by: Author | None = None) -> int:
        """Type a new record in, in v2's words; return its id."""
        with self.company.lock:
            native, custom = values.created(self.company, _kind(kind), dict(held), by or person())
            return self.company.add(_kind(kind), native, custom, by or person()).id

    def person_edits(self, kind: str, id: int, held: Mapping[str, Any], by: Author | None = None) -> None:
        """Type values into a record; custom ones by their codes beside the others, None clears."""
        self.edits(kind, id, held, by or person())

    def automation_edits(self, kind: str, id: int, held: Mapping[str, Any]) -> None:
        """Let another program write values by its own token."""
        self.edits(kind, id, held, AUTOMATION)

    def edits(self, kind: str, id: int, held: Mapping[str, Any], by: Author) -> None:
        """Write values by whomever."""
        with self.company.lock:
            record = self.company.need(_kind(kind), id)
            known = self.company.definitions.get(record.kind, {})
            codes = {name for name in held if name in known and known[name].is_custom}
            body = {name: value for name, value in held.items() if name not in codes}
            for name in {"emails", "phones"} & body.keys():
                body[name] = [row for row in body[name] or [] if row.get("value")]
            body["custom_fields"] = {code: held[code] for code in codes} | dict(body.get("custom_fields") or {})
            self.company.commit(record, *values.changed(self.company, record, body, by), by)

    def person_deletes(self, kind: str, id: int) -> None:
        """Delete a record, or a note."""
        with self.company.lock:
            if kind in ("note", "notes"):
                self.company.notes[id]["active_flag"] = False
                return
            self.company.delete(self.company.need(_kind(kind), id), person())

    def person_restores(self, kind: str, id: int) -> None:
        """Take a record back out of what was deleted."""
        with self.company.lock:
            record = self.company.there(_kind(kind), id)
            assert record.deleted_at, "only what was deleted can be restored"
            record.deleted_at = None
            self.company.commit(record, {}, {}, person())

    def person_merges(self, kind: str, winner: int, loser: int) -> int:
        """Merge two records by hand; return the survivor's id, which is the winner's."""
        with self.company.lock:
            return legacy.merged(Call(self.company, person(), {}), _kind(kind), winner, loser).id

    def person_archives(self, deal: int) -> None:
        """Put a deal into the archive."""
        self.person_edits("deal", deal, {"is_archived": True})

    def person_edits_note(self, id: int, content: str) -> None:
        """Type into a note; nothing will tell who did."""
        with self.company.lock:
            note = self.company.notes[id]
            note |= {"content": content, "update_time": self.company.now().strftime("%Y-%m-%d %H:%M:%S")}

    def adds_field(self, kind: str, name: str, type: str, options: tuple[str, ...] = ()) -> str:
        """Make a custom field by hand; return its code."""
        with self.company.lock:
            of = _kind(kind)
            code = new_code(self.company.switches.company_id, of, self.company.next_id("fields"))
            choices = {self.company.next_id("options"): label for label in options}
            self.company.definitions[of][code] = Definition(code, name, type, True, None, choices)
            return code

    def adds_filter(self, kind: str, fits: Callable[[Record], bool]) -> int:
        """Save a filter by hand; return its id, which lists take as `filter_id`."""
        with self.company.lock:
            id = self.company.next_id("filters")
            self.company.filters[id] = (_kind(kind), fits)
            return id

    # Looking ----------------------------------------------------------------------------------------------------

    def all(self, kind: str) -> list[Record]:
        """Return the live records of a kind, oldest first."""
        with self.company.lock:
            return [each for each in self.company.records[_kind(kind)].values() if not each.deleted_at]

    def value(self, kind: str, id: int, name: str) -> Any:
        """Return what a live record holds under a native name or a custom code."""
        with self.company.lock:
            record = self.company.need(_kind(kind), id)
            return record.values[name] if name in record.values else record.custom.get(name)

    def notes(self) -> list[dict[str, Any]]:
        """Return the notes that aren't deleted, oldest first."""
        with self.company.lock:
            return [dict(note) for note in self.company.notes.values() if note["active_flag"]]


def _kind(name: str) -> str:
    return ALIASES.get(name, name)
