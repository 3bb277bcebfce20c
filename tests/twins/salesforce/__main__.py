"""`python -m tests.twins.salesforce`: the twin as a server of its own, to try the Salesforce path without an account.

It prints the settings that lead a sidecar to it, and then is the keyboard of everybody else who uses the org. The app's
secret is used rather than a key, because it fits on one line.
"""

import shlex
from typing import Any, ClassVar

from tests.twins.salesforce import SalesforceTwin, Status, refused
from tests.twins.salesforce.errors import ApiError
from tests.twins.wire.keyboard import CrmKeyboard, parser, typed

SETTINGS = """SALESFORCE_SECRET={secret}
[crm]
type = "salesforce"
auth = "client_credentials"
client_id = "{key}"
base_url = "{url}"
"""


class SalesforceKeyboard(CrmKeyboard):
    """Kinds are contact, lead, company, deal, task, meeting, or the names of objects; numbers are written #5."""

    refusals: ClassVar[tuple[type[Exception], ...]] = (*CrmKeyboard.refusals, ApiError)

    def do_convert(self, line: str) -> None:
        """A person converts a lead, with a deal if it is named: convert ID [DEAL]."""
        lead, *deal = shlex.split(line)
        self.say(self.twin.person_converts(lead, deal=deal[0] if deal else None))

    def do_track(self, line: str) -> None:
        """The admin turns history on: track KIND FIELD ..."""
        kind, *fields = shlex.split(line)
        self.twin.tracks(kind, *fields)

    def do_sessions(self, line: str) -> None:
        """The admin ends all sessions: sessions."""
        self.twin.end_sessions()

    def do_limit(self, line: str) -> None:
        """The most calls of a day from now on: limit CALLS."""
        self.twin.limits.daily = int(line)

    def values(self, kind: str, pairs: list[str]) -> dict[str, Any]:
        """Return what a line's pairs say: nothing clears, true and false are flags, #5 is a number."""
        return {name: typed(value) for name, value in super().values(kind, pairs).items()}

    def failure(self, status: int) -> Status:
        """Return a refusal as Salesforce writes it."""
        return refused(status, "BY_HAND")


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    given = parser("salesforce", "An org", 4220).parse_args(arguments)
    with SalesforceTwin(port=given.port) as twin:
        switches = twin.switches
        told = SETTINGS.format(secret=switches.consumer_secret, key=switches.consumer_key, url=twin.url)
        SalesforceKeyboard(twin).cmdloop(told)


if __name__ == "__main__":
    main()
