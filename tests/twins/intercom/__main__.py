"""`python -m tests.twins.intercom`: the twin as a server of its own, to rehearse with before there is a workspace.

It prints the settings that lead a sidecar to it, and then reads what people do; the end of input ends it. With `--hook`
what they do is posted there as well, signed as Intercom signs.
"""

import hmac
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Any

from tests.twins.intercom import IntercomTwin
from tests.twins.wire.keyboard import Keyboard, parser, printed
from tests.twins.wire.posting import post

SECRET = "client-secret-of-the-twin"
SETTINGS = """INTERCOM_SECRET={secret}
INTERCOM_TOKEN={token}
[channels.intercom]
type = "intercom"
secret_env = "INTERCOM_SECRET"
token_env = "INTERCOM_TOKEN"
base_url = "{url}"
every_s = 5
"""


class IntercomKeyboard(Keyboard):
    """What contacts and our people do."""

    def __init__(self, twin: IntercomTwin, hook: str, stdout: IO[str] | None = None) -> None:
        super().__init__(twin, stdout)
        self._hook = hook

    def do_begin(self, line: str) -> None:
        """A contact begins a conversation: begin "Ann Lee" ann@customer.test "Is it in stock?"."""
        name, email, words = shlex.split(line)
        contact = self.twin.joins(name, email=email)
        talk = self.twin.begins(contact, words, datetime.now(UTC))
        self._post("conversation.user.created", talk)
        self.say(talk)

    def do_say(self, line: str) -> None:
        """The contact writes: say 5001 "Our budget is 4000 pounds"."""
        talk, words = shlex.split(line)
        self.say(self.twin.says(talk, words, datetime.now(UTC)))
        self._post("conversation.user.replied", talk)

    def do_answer(self, line: str) -> None:
        """One of your people writes: answer 5001 "Yes, three left"."""
        talk, words = shlex.split(line)
        self.say(self.twin.answers(talk, words, datetime.now(UTC)))
        self._post("conversation.admin.replied", talk)

    def do_note(self, line: str) -> None:
        """One of your people leaves a note for colleagues: note 5001 "Seems in a hurry"."""
        talk, words = shlex.split(line)
        self.say(self.twin.notes(talk, words, datetime.now(UTC)))
        self._post("conversation.admin.noted", talk)

    def do_redact(self, line: str) -> None:
        """Somebody takes a message's words away: redact 5001 5002."""
        talk, part = shlex.split(line)
        self.twin.redacts(talk, part, datetime.now(UTC))
        self._post("conversation_part.redacted", talk)

    def _post(self, topic: str, talk: str, item: Mapping[str, Any] | None = None) -> None:
        if self._hook:
            body = self.twin.webhook(topic, talk, datetime.now(UTC), item)
            digest = hmac.new(SECRET.encode(), body, "sha1").hexdigest()
            self.say(post(self._hook, body, {"X-Hub-Signature": f"sha1={digest}"}))


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    reader = parser("intercom", "A workspace of Intercom's", 4232)
    reader.add_argument("--hook", default="", help="where webhooks go, such as http://127.0.0.1:8080/hooks/intercom")
    given = reader.parse_args(arguments)
    with IntercomTwin(port=given.port) as twin:
        IntercomKeyboard(twin, given.hook).cmdloop(
            printed(SETTINGS.format(secret=SECRET, token=twin.token, url=twin.url))
        )


if __name__ == "__main__":
    main()
