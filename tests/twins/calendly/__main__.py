"""`python -m tests.twins.calendly`: the twin as a server of its own, to rehearse with before there is an account.

It prints the settings that lead a sidecar to it, and then reads what people do; the end of input ends it. With `--hook`
what they do is posted there as well, signed as Calendly signs.
"""

import hmac
import shlex
import time
from datetime import UTC, datetime
from typing import IO

from tests.twins.calendly import CalendlyTwin
from tests.twins.wire.keyboard import Keyboard, parser, printed
from tests.twins.wire.posting import post

KEY = "signing-key-of-the-twin"
SETTINGS = """CALENDLY_KEY={key}
CALENDLY_TOKEN={token}
[channels.calendly]
type = "calendly"
secret_env = "CALENDLY_KEY"
token_env = "CALENDLY_TOKEN"
base_url = "{url}"
every_s = 5
"""


class CalendlyKeyboard(Keyboard):
    """What invitees and hosts do; times are written as 2026-12-01T10:00+00:00."""

    def __init__(self, twin: CalendlyTwin, hook: str, stdout: IO[str] | None = None) -> None:
        super().__init__(twin, stdout)
        self._hook = hook

    def do_book(self, line: str) -> None:
        """Somebody books: book "Ann Lee" ann@customer.test 2026-12-01T10:00+00:00 ["an answer in the form"]."""
        name, email, start, *answers = shlex.split(line)
        asked = [{"question": "What is it about?", "answer": answer, "position": 0} for answer in answers]
        told = {"name": name, "email": email, "questions_and_answers": asked}
        invitee = self.twin.books(datetime.fromisoformat(start), datetime.now(UTC), **told)
        self._post("invitee.created", invitee)
        self.say(invitee)

    def do_move(self, line: str) -> None:
        """An invitee moves: move INV00001 2026-12-02T10:00+00:00."""
        invitee, start = shlex.split(line)
        new = self.twin.moves(invitee, datetime.fromisoformat(start), datetime.now(UTC))
        self._post("invitee.canceled", invitee)
        self._post("invitee.created", new)
        self.say(new)

    def do_cancel(self, line: str) -> None:
        """An invitee calls off: cancel INV00001 ["why"]."""
        invitee, *reason = shlex.split(line)
        self.twin.cancels(invitee, datetime.now(UTC), reason=" ".join(reason))
        self._post("invitee.canceled", invitee)

    def do_miss(self, line: str) -> None:
        """The host marks a no-show: miss INV00001."""
        self.twin.misses(line.strip(), datetime.now(UTC))
        self._post("invitee_no_show.created", line.strip())

    def _post(self, event: str, invitee: str) -> None:
        if self._hook:
            body, stamp = self.twin.webhook(event, invitee, datetime.now(UTC)), str(int(time.time()))
            digest = hmac.new(KEY.encode(), stamp.encode() + b"." + body, "sha256").hexdigest()
            self.say(post(self._hook, body, {"Calendly-Webhook-Signature": f"t={stamp},v1={digest}"}))


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    reader = parser("calendly", "An organization of Calendly's", 4231)
    reader.add_argument("--hook", default="", help="where webhooks go, such as http://127.0.0.1:8080/hooks/calendly")
    given = reader.parse_args(arguments)
    with CalendlyTwin(port=given.port) as twin:
        CalendlyKeyboard(twin, given.hook).cmdloop(printed(SETTINGS.format(key=KEY, token=twin.token, url=twin.url)))


if __name__ == "__main__":
    main()
