"""`python -m tests.twins.hubspot`: the twin as a server of its own, to try the HubSpot path without an account.

It prints the settings that lead a sidecar to it, and then is the keyboard of everybody else who uses the portal: each
line on standard input is a person's edit, a workflow's, or a failure. All is in memory; the end of input ends it.
"""

import shlex
from typing import ClassVar

from tests.twins.hubspot import HubSpotTwin, Status
from tests.twins.hubspot.errors import ApiError
from tests.twins.wire.keyboard import CrmKeyboard, parser

SETTINGS = """HUBSPOT_TOKEN={token}
[crm]
type = "hubspot"
token_env = "HUBSPOT_TOKEN"
base_url = "{url}"
"""


class HubSpotKeyboard(CrmKeyboard):
    """Kinds are contact, company, deal, note, task, meeting; names are those of properties."""

    refusals: ClassVar[tuple[type[Exception], ...]] = (*CrmKeyboard.refusals, ApiError)

    def do_flow(self, line: str) -> None:
        """Somebody makes a workflow: flow KIND NAME."""
        kind, name = shlex.split(line)
        self.say(self.twin.adds_flow(name, kind))

    def do_scopes(self, line: str) -> None:
        """The only ones that the key has from now on: scopes SCOPE ..."""
        self.twin.switches.scopes = set(shlex.split(line))

    def do_tokens(self, line: str) -> None:
        """The only keys that are accepted from now on: tokens TOKEN ..."""
        self.twin.switches.tokens = set(shlex.split(line))

    def failure(self, status: int) -> Status:
        """Return a refusal as HubSpot writes it."""
        return Status(status, {"status": "error", "message": "by hand", "category": "BY_HAND"})


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    reads = parser("hubspot", "A HubSpot account", 4210)
    reads.add_argument("--portal", type=int, default=4242, help="the account's id")
    reads.add_argument("--search-lag", type=float, default=5.0, help="seconds that search is behind")
    given = reads.parse_args(arguments)
    with HubSpotTwin(port=given.port, portal_id=given.portal, search_lag_s=given.search_lag) as twin:
        HubSpotKeyboard(twin).cmdloop(SETTINGS.format(token=twin.token, url=twin.url))


if __name__ == "__main__":
    main()
