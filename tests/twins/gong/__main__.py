"""`python -m tests.twins.gong`: the twin as a server of its own, to rehearse with before there is an account.

It prints the settings that lead a sidecar to it, and then reads what people do; the end of input ends it.
"""

import shlex

from tests.twins.gong import GongTwin
from tests.twins.wire.keyboard import parser, printed
from tests.twins.wire.meetings import MeetingKeyboard

SETTINGS = """GONG_SECRET={token}
GONG_RULE_KEY={public_key}
[channels.gong]
type = "gong"
access_key = "{key}"
token_env = "GONG_SECRET"
public_url = "{hook_url}"
public_key_env = "GONG_RULE_KEY"
base_url = "{url}"
transcripts = true
every_s = 5
"""


class GongKeyboard(MeetingKeyboard):
    """Those who meet, and the rule that tells of it."""

    def do_hook(self, line: str) -> None:
        """Post what a rule posts of a call, signed for that address: hook ID ADDRESS."""
        _, self.twin.hook_url = shlex.split(line)
        super().do_hook(line)


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    given = parser("gong", "A Gong company", 4223).parse_args(arguments)
    with GongTwin(port=given.port) as twin:
        told = {name: getattr(twin, name) for name in ("token", "key", "url", "hook_url", "public_key")}
        GongKeyboard(twin).cmdloop(printed(SETTINGS.format(**told)))


if __name__ == "__main__":
    main()
