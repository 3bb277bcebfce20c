"""`python -m tests.twins.zoom`: the twin as a server of its own, to rehearse with before there is an account.

It prints the settings that lead a sidecar to it, and then reads what people do; the end of input ends it.
"""

from tests.twins.wire.keyboard import parser, printed
from tests.twins.wire.meetings import MeetingKeyboard
from tests.twins.zoom import ZoomTwin

SETTINGS = """ZOOM_SECRET={hook_secret}
ZOOM_CLIENT_SECRET={token}
[channels.meetings]
type = "zoom"
account_id = "{account}"
client_id = "{client}"
secret_env = "ZOOM_SECRET"
client_secret_env = "ZOOM_CLIENT_SECRET"
base_url = "{url}"
login_url = "{url}"
transcripts = true
"""


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    given = parser("zoom", "A Zoom account", 4221).parse_args(arguments)
    with ZoomTwin(port=given.port) as twin:
        told = {name: getattr(twin, name) for name in ("hook_secret", "token", "account", "client", "url")}
        MeetingKeyboard(twin).cmdloop(printed(SETTINGS.format(**told)))


if __name__ == "__main__":
    main()
