"""`python -m tests.twins.zoho`: the twin as a server of its own, to try the Zoho CRM path without an account.

It prints the settings that lead a sidecar to it, and then is the keyboard of everybody else who uses the org.
"""

import shlex
from typing import Any, ClassVar

from tests.twins.wire.keyboard import CrmKeyboard, parser, typed
from tests.twins.zoho import Status, ZohoTwin, refused
from tests.twins.zoho.errors import ApiError, RowError

SETTINGS = """ZOHO_CLIENT_SECRET={secret} ZOHO_REFRESH_TOKEN={refresh}
[crm]
type = "zoho"
client_id = "{client}"
accounts_url = "{url}"
"""


class ZohoKeyboard(CrmKeyboard):
    """Kinds are contact, company, deal, task, meeting, note, or modules; names are api names; numbers are #5."""

    refusals: ClassVar[tuple[type[Exception], ...]] = (*CrmKeyboard.refusals, ApiError, RowError)

    def do_program(self, line: str) -> None:
        """Another program writes by a person's token: program KIND ID NAME=VALUE ..."""
        kind, id, *pairs = shlex.split(line)
        self.twin.program_edits(kind, id, self.values(kind, pairs))

    def do_lock(self, line: str) -> None:
        """A person locks a record: lock KIND ID."""
        kind, id = shlex.split(line)
        self.twin.locks(kind, id)

    def values(self, kind: str, pairs: list[str]) -> dict[str, Any]:
        """Return what a line's pairs say: nothing clears, true and false are flags, #5 is a number."""
        return {name: typed(value) for name, value in super().values(kind, pairs).items()}

    def failure(self, status: int) -> Status:
        """Return a refusal as Zoho writes it."""
        return refused(status, "BY_HAND")


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    given = parser("zoho", "An org", 4240).parse_args(arguments)
    with ZohoTwin(port=given.port) as twin:
        switches = twin.switches
        told = SETTINGS.format(
            secret=switches.client_secret, refresh=twin.refresh_token, client=switches.client_id, url=twin.url
        )
        ZohoKeyboard(twin).cmdloop(told)


if __name__ == "__main__":
    main()
