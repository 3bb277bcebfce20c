"""`python -m tests.twins.fireflies`: the twin as a server of its own, to rehearse with before there is an account.

It prints the settings that lead a sidecar to it, and then reads what people do; the end of input ends it.
"""

from tests.twins.fireflies import FirefliesTwin
from tests.twins.wire.keyboard import parser, printed
from tests.twins.wire.meetings import MeetingKeyboard

SETTINGS = """FIREFLIES_SECRET={hook_secret}
FIREFLIES_KEY={token}
[channels.notes]
type = "fireflies"
secret_env = "FIREFLIES_SECRET"
token_env = "FIREFLIES_KEY"
base_url = "{url}"
transcripts = true
"""


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    given = parser("fireflies", "A Fireflies account", 4222).parse_args(arguments)
    with FirefliesTwin(port=given.port) as twin:
        told = {name: getattr(twin, name) for name in ("hook_secret", "token", "url")}
        MeetingKeyboard(twin).cmdloop(printed(SETTINGS.format(**told)))


if __name__ == "__main__":
    main()
