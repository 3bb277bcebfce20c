"""`python -m tests.twins.calcom`: the twin as a server of its own, to rehearse with before there is an account.

It prints the settings that lead a sidecar to it, and then reads what people do; the end of input ends it. With `--hook`
what they do is posted there as well, signed as Cal.com signs.
"""

import hmac
import shlex
from datetime import UTC, datetime
from typing import IO

from tests.twins.calcom import CalcomTwin
from tests.twins.wire.keyboard import Keyboard, parser, printed
from tests.twins.wire.posting import post

SECRET = "webhook-secret-of-the-twin"
SETTINGS = """CALCOM_SECRET={secret}
CALCOM_TOKEN={token}
[channels.calcom]
type = "calcom"
secret_env = "CALCOM_SECRET"
token_env = "CALCOM_TOKEN"
base_url = "{url}"
every_s = 5
"""


class CalcomKeyboard(Keyboard):
    """What visitors and hosts do; times are written as 2026-12-01T10:00+00:00."""

    def __init__(self, twin: CalcomTwin, hook: str, stdout: IO[str] | None = None) -> None:
        super().__init__(twin, stdout)
        self._hook = hook

    def do_book(self, line: str) -> None:
        """Somebody books: book "Ann Lee" ann@customer.test 2026-12-01T10:00+00:00 ["notes in the form"]."""
        name, email, start, *notes = shlex.split(line)
        answers = {"notes": " ".join(notes)} if notes else {}
        told = {"name": name, "email": email, "answers": answers}
        uid = self.twin.books(datetime.fromisoformat(start), datetime.now(UTC), **told)
        self._post("BOOKING_CREATED", uid)
        self.say(uid)

    def do_move(self, line: str) -> None:
        """A booking is moved: move bk00001 2026-12-02T10:00+00:00."""
        uid, start = shlex.split(line)
        new = self.twin.moves(uid, datetime.fromisoformat(start), datetime.now(UTC))
        self._post("BOOKING_RESCHEDULED", new)
        self.say(new)

    def do_cancel(self, line: str) -> None:
        """The visitor calls off: cancel bk00001 ["why"]."""
        uid, *reason = shlex.split(line)
        who = self.twin.bookings[uid]["attendees"][0]["email"]
        self.twin.cancels(uid, datetime.now(UTC), by=who, reason=" ".join(reason))
        self._post("BOOKING_CANCELLED", uid)

    def do_miss(self, line: str) -> None:
        """The host marks a no-show: miss bk00001."""
        self.twin.misses(line.strip(), datetime.now(UTC))
        self._post("BOOKING_NO_SHOW_UPDATED", line.strip())

    def _post(self, event: str, uid: str) -> None:
        if self._hook:
            body = self.twin.webhook(event, uid, datetime.now(UTC))
            digest = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
            self.say(post(self._hook, body, {"X-Cal-Signature-256": digest}))


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    reader = parser("calcom", "A user of Cal.com", 4233)
    reader.add_argument("--hook", default="", help="where webhooks go, such as http://127.0.0.1:8080/hooks/calcom")
    given = reader.parse_args(arguments)
    with CalcomTwin(port=given.port) as twin:
        CalcomKeyboard(twin, given.hook).cmdloop(
            printed(SETTINGS.format(secret=SECRET, token=twin.token, url=twin.url))
        )


if __name__ == "__main__":
    main()
