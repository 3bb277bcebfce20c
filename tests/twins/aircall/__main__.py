"""`python -m tests.twins.aircall`: the twin as a server of its own, to rehearse with before there is an account.

It prints the settings that lead a sidecar to it, and then reads what people do; the end of input ends it.
"""

from tests.twins.aircall import AircallTwin
from tests.twins.wire.keyboard import parser, printed
from tests.twins.wire.meetings import MeetingKeyboard

SETTINGS = """AIRCALL_TOKEN={token}
AIRCALL_HOOK={hook_secret}
[channels.aircall]
type = "aircall"
api_id = "{api_id}"
token_env = "AIRCALL_TOKEN"
secret_env = "AIRCALL_HOOK"
base_url = "{url}"
transcripts = true
every_s = 5
"""


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    given = parser("aircall", "A company's Aircall", 4224).parse_args(arguments)
    with AircallTwin(port=given.port) as twin:
        told = {name: getattr(twin, name, "") for name in ("token", "hook_secret", "url", "api_id")}
        MeetingKeyboard(twin).cmdloop(printed(SETTINGS.format(**told)))


if __name__ == "__main__":
    main()
