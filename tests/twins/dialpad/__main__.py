"""`python -m tests.twins.dialpad`: the twin as a server of its own, to rehearse with before there is an account.

It prints the settings that lead a sidecar to it, and then reads what people do; the end of input ends it.
"""

from tests.twins.dialpad import DialpadTwin
from tests.twins.wire.keyboard import parser, printed
from tests.twins.wire.meetings import MeetingKeyboard

SETTINGS = """DIALPAD_TOKEN={token}
DIALPAD_HOOK={hook_secret}
[channels.dialpad]
type = "dialpad"
token_env = "DIALPAD_TOKEN"
secret_env = "DIALPAD_HOOK"
base_url = "{url}"
transcripts = true
every_s = 5
"""


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    given = parser("dialpad", "A company's Dialpad", 4225).parse_args(arguments)
    with DialpadTwin(port=given.port) as twin:
        told = {name: getattr(twin, name, "") for name in ("token", "hook_secret", "url")}
        MeetingKeyboard(twin).cmdloop(printed(SETTINGS.format(**told)))


if __name__ == "__main__":
    main()
