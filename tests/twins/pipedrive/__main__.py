"""`python -m tests.twins.pipedrive`: the twin as a server of its own, to try the Pipedrive path without an account.

It prints the settings that lead a sidecar to it, and then is the keyboard of everybody else who uses the company.
Fields go by their names, as people see them, and choices by their labels: codes and numbers are the API's alone.
"""

from typing import Any, ClassVar

from tests.twins.pipedrive import PipedriveTwin, Status, refused
from tests.twins.pipedrive.errors import ApiError
from tests.twins.pipedrive.fields import Definition
from tests.twins.pipedrive.hands import ALIASES
from tests.twins.wire.keyboard import CrmKeyboard, parser, typed

SETTINGS = """PIPEDRIVE_TOKEN={token}
[crm]
type = "pipedrive"
base_url = "{url}"
"""
ROWS = {"email": "emails", "phone": "phones"}


class PipedriveKeyboard(CrmKeyboard):
    """Kinds are contact, company, deal, task, meeting, note; names those of fields ("AI Stage"); numbers are #5."""

    refusals: ClassVar[tuple[type[Exception], ...]] = (*CrmKeyboard.refusals, ApiError)

    def do_show(self, line: str) -> None:
        """The live records with what they hold: show KIND."""
        if line.strip() not in ("note", "notes"):
            super().do_show(line)
            return
        for note in self.twin.notes():
            self.say(f"{note['id']} {note['content']}")

    def do_note(self, line: str) -> None:
        """A person types into a note: note ID TEXT."""
        id, _, text = line.partition(" ")
        self.twin.person_edits_note(int(id), text)

    def do_limit(self, line: str) -> None:
        """The tokens of a day from now on: limit TOKENS."""
        self.twin.limits.daily_tokens = int(line)

    def key(self, id: str) -> int:
        """Return an id as a number."""
        return int(id)

    def held(self, record: Any) -> dict[str, Any]:
        """Return what a record holds, custom fields by their names and choices by their labels."""
        known: dict[str, Definition] = self.twin.company.definitions.get(record.kind, {})
        custom = {known[code].name: known[code].options.get(value, value) for code, value in record.custom.items()}
        return record.values | custom

    def values(self, kind: str, pairs: list[str]) -> dict[str, Any]:
        """Return what a line's pairs say: nothing clears, true and false are flags, #5 is a number."""
        known: dict[str, Definition] = self.twin.company.definitions.get(ALIASES.get(kind, kind), {})
        named = {of.name.casefold(): of for of in known.values() if of.is_custom}
        given: dict[str, Any] = {}
        for name, text in super().values(kind, pairs).items():
            value = typed(text, int)
            field = named.get(name.casefold())
            if name in ROWS:
                given[ROWS[name]] = [{"value": value, "primary": True}] if value else []
            elif field is None:
                given[name] = value
            else:
                given[field.code] = {label: id for id, label in field.options.items()}.get(str(value), value)
        return given

    def failure(self, status: int) -> Status:
        """Return a refusal as Pipedrive writes it."""
        return refused(status)


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    given = parser("pipedrive", "A company", 4230).parse_args(arguments)
    with PipedriveTwin(port=given.port) as twin:
        PipedriveKeyboard(twin).cmdloop(SETTINGS.format(token=twin.token, url=twin.url))


if __name__ == "__main__":
    main()
