"""`python -m tests.twins.hubspot`: the twin as a server of its own, to try the HubSpot path without an account.

It prints the settings that lead a sidecar to it, and then is the keyboard of everybody else who uses the portal: each
line on standard input is a person's edit, a workflow's, or a failure. All is in memory; the end of input ends it.
"""

import argparse
import cmd
import shlex

from tests.twins.hubspot import HubSpotTwin, Status
from tests.twins.hubspot.errors import ApiError

SETTINGS = """HUBSPOT_TOKEN={token}
[crm]
type = "hubspot"
token_env = "HUBSPOT_TOKEN"
base_url = "{url}"
"""


class Keyboard(cmd.Cmd):
    """One line, one deed; `help` lists them. Kinds are contact, company, deal, note, task, meeting."""

    prompt = ""
    use_rawinput = False

    def __init__(self, twin: HubSpotTwin) -> None:
        super().__init__()
        self.twin = twin

    def onecmd(self, line: str) -> bool:
        """Do what a line says; what can't be done is said and changes nothing."""
        try:
            return super().onecmd(line)
        except (ApiError, AssertionError, KeyError, ValueError) as error:
            self._say(f"refused: {error!r}")
            return False
        finally:
            self.stdout.flush()

    def do_create(self, line: str) -> None:
        """A person types a record in: create KIND PROPERTY=VALUE ..."""
        kind, *pairs = shlex.split(line)
        self._say(self.twin.person_creates(kind, _values(pairs)))

    def do_edit(self, line: str) -> None:
        """A person types values into a record; nothing after = clears: edit KIND ID PROPERTY=VALUE ..."""
        kind, id, *pairs = shlex.split(line)
        self.twin.person_edits(kind, id, _values(pairs))

    def do_automate(self, line: str) -> None:
        """A workflow writes: automate KIND ID PROPERTY=VALUE ..."""
        kind, id, *pairs = shlex.split(line)
        self.twin.automation_edits(kind, id, _values(pairs))

    def do_flow(self, line: str) -> None:
        """Somebody makes a workflow: flow KIND NAME."""
        kind, name = shlex.split(line)
        self._say(self.twin.adds_flow(name, kind))

    def do_delete(self, line: str) -> None:
        """A person puts a record into the recycle bin: delete KIND ID."""
        self.twin.person_deletes(*shlex.split(line))

    def do_merge(self, line: str) -> None:
        """A person merges two records: merge KIND WINNER LOSER."""
        kind, winner, loser = shlex.split(line)
        self._say(self.twin.person_merges(kind, winner, loser))

    def do_show(self, line: str) -> None:
        """The live records with what they hold: show KIND."""
        for record in self.twin.all(line.strip()):
            held = {name: value for name, value in sorted(record.values.items()) if value}
            self._say(f"{record.id} {held}")

    def do_calls(self, line: str) -> None:
        """How often each operation was asked for: calls."""
        for name, count in self.twin.log.counts.most_common():
            self._say(f"{count} {name}")

    def do_fail(self, line: str) -> None:
        """Answer every request so until `heal`: fail STATUS."""
        self.twin.fault(Status(int(line), {"status": "error", "message": "by hand", "category": "BY_HAND"}), times=None)

    def do_scopes(self, line: str) -> None:
        """The only ones that the key has from now on: scopes SCOPE ..."""
        self.twin.switches.scopes = set(shlex.split(line))

    def do_tokens(self, line: str) -> None:
        """The only keys that are accepted from now on: tokens TOKEN ..."""
        self.twin.switches.tokens = set(shlex.split(line))

    def do_heal(self, line: str) -> None:
        """Take all failures away: heal."""
        self.twin.heal()

    def do_down(self, line: str) -> None:
        """Refuse connections: down."""
        self.twin.down()

    def do_up(self, line: str) -> None:
        """Accept them again: up."""
        self.twin.up()

    def do_EOF(self, line: str) -> bool:  # noqa: N802
        """End."""
        return True

    def preloop(self) -> None:
        """Let a reader at the other end of a pipe see the settings at once."""
        self.stdout.flush()

    def _say(self, text: str) -> None:
        self.stdout.write(f"{text}\n")

    def emptyline(self) -> bool:
        """Do nothing, where the library would do the last line again."""
        return False


def _values(pairs: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.twins.hubspot", description="A HubSpot account to try with.")
    parser.add_argument("--port", type=int, default=4210, help="on 127.0.0.1; 0 takes any free one")
    parser.add_argument("--portal", type=int, default=4242, help="the account's id")
    parser.add_argument("--search-lag", type=float, default=5.0, help="seconds that search is behind")
    given = parser.parse_args(arguments)
    with HubSpotTwin(port=given.port, portal_id=given.portal, search_lag_s=given.search_lag) as twin:
        Keyboard(twin).cmdloop(SETTINGS.format(token=twin.token, url=twin.url))


if __name__ == "__main__":
    main()
