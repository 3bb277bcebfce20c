"""`python -m tests.twins.gong`: the twin as a server of its own, to rehearse with before there is an account.

It prints the settings that lead a sidecar to it, and then reads what people do; the end of input ends it.
"""

from tests.twins.gong import GongTwin
from tests.twins.wire.keyboard import parser
from tests.twins.wire.meetings import MeetingKeyboard

SETTINGS = """GONG_SECRET={token}
[channels.gong]
type = "gong"
access_key = "{key}"
token_env = "GONG_SECRET"
base_url = "{url}"
transcripts = true
every_s = 5
"""


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    given = parser("gong", "A Gong company", 4223).parse_args(arguments)
    with GongTwin(port=given.port) as twin:
        MeetingKeyboard(twin).cmdloop(SETTINGS.format(token=twin.token, key=twin.key, url=twin.url))


if __name__ == "__main__":
    main()
