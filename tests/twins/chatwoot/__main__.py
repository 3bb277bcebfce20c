"""`python -m tests.twins.chatwoot`: the twin as a server of its own, to rehearse with before there is an account.

It prints the settings that lead a sidecar to it, and then reads what people do; the end of input ends it. With `--hook`
what they do is posted there as well, signed as Chatwoot signs.
"""

import hmac
import shlex
from datetime import UTC, datetime
from typing import IO

from tests.twins.chatwoot import ChatwootTwin
from tests.twins.wire.keyboard import Keyboard, parser, printed
from tests.twins.wire.posting import post

SECRET = "webhook-secret-of-the-twin"
SETTINGS = """CHATWOOT_SECRET={secret}
CHATWOOT_TOKEN={token}
[channels.chat]
type = "chatwoot"
base_url = "{url}"
account_id = {account}
secret_env = "CHATWOOT_SECRET"
token_env = "CHATWOOT_TOKEN"
every_s = 5
"""


class ChatwootKeyboard(Keyboard):
    """What contacts and our people do."""

    def __init__(self, twin: ChatwootTwin, hook: str, stdout: IO[str] | None = None) -> None:
        super().__init__(twin, stdout)
        self._hook = hook

    def do_begin(self, line: str) -> None:
        """A contact begins a conversation: begin "Ann Lee" ann@customer.test "Is it in stock?"."""
        name, email, words = shlex.split(line)
        number = self.twin.begins(name, email=email)
        self.say(f"conversation {number}")
        self._told(self.twin.says(number, words, datetime.now(UTC)))

    def do_say(self, line: str) -> None:
        """The contact writes: say 41 "Our budget is 4000 pounds"."""
        number, words = shlex.split(line)
        self._told(self.twin.says(int(number), words, datetime.now(UTC)))

    def do_answer(self, line: str) -> None:
        """One of your people writes: answer 41 "Yes, three left"."""
        number, words = shlex.split(line)
        self._told(self.twin.answers(int(number), words, datetime.now(UTC)))

    def do_note(self, line: str) -> None:
        """One of your people leaves a note for colleagues: note 41 "Seems in a hurry"."""
        number, words = shlex.split(line)
        self._told(self.twin.answers(int(number), words, datetime.now(UTC), private=True))

    def do_delete(self, line: str) -> None:
        """Somebody takes a message back: delete 90001."""
        message = int(line)
        self.twin.deletes(message)
        self._told(message, "message_updated")

    def _told(self, message: int, event: str = "message_created") -> None:
        self.say(f"message {message}")
        if self._hook:
            body, stamp = self.twin.webhook(message, event), str(int(datetime.now(UTC).timestamp()))
            digest = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, "sha256").hexdigest()
            headers = {"X-Chatwoot-Timestamp": stamp, "X-Chatwoot-Signature": f"sha256={digest}"}
            self.say(post(self._hook, body, headers))


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    reader = parser("chatwoot", "An account of a Chatwoot", 4234)
    reader.add_argument("--hook", default="", help="where webhooks go, such as http://127.0.0.1:8080/hooks/chat")
    given = reader.parse_args(arguments)
    with ChatwootTwin(port=given.port) as twin:
        told = SETTINGS.format(secret=SECRET, token=twin.token, url=twin.url, account=twin.account)
        ChatwootKeyboard(twin, given.hook).cmdloop(printed(told))


if __name__ == "__main__":
    main()
