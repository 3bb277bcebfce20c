"""`python -m tests.twins.gmail`: the twin as a server of its own, to rehearse with before there is an account.

It prints the settings that lead a sidecar to it, and then reads what people do; the end of input ends it.
"""

import shlex
from email.message import EmailMessage
from email.utils import format_datetime

from tests.support.authorities import KEY
from tests.twins.gmail import GmailTwin
from tests.twins.wire.keyboard import Keyboard, parser, printed

MAILBOX = "sales@northwind.test"
SETTINGS = """TOKENS_KEY={key}
GMAIL_CLIENT_SECRET={secret}
[tokens]
key_env = "TOKENS_KEY"
[channels.gmail]
type = "gmail"
mailbox = "{mailbox}"
client_id = "{client}"
client_secret_env = "GMAIL_CLIENT_SECRET"
base_url = "{url}"
accounts_url = "{url}"
token_url = "{url}"
certs_url = "{url}"
every_s = 5
"""


class GmailKeyboard(Keyboard):
    """Mails are named by the ids that are printed when they come."""

    twin: GmailTwin

    def do_consent(self, line: str) -> None:
        """Be the browser of the mailbox's owner, who says yes: consent ADDRESS. Prints where it is sent to."""
        self.say(self.twin.authority.visit(line.strip()))

    def do_arrives(self, line: str) -> None:
        """A mail comes in: arrives FROM SUBJECT TEXT."""
        sender, subject, text = shlex.split(line)
        self.say(self.twin.arrives(self._mail(sender, MAILBOX, subject, text)))

    def do_sends(self, line: str) -> None:
        """The mailbox's owner sends a mail: sends TO SUBJECT TEXT."""
        to, subject, text = shlex.split(line)
        self.say(self.twin.sends(self._mail(MAILBOX, to, subject, text)))

    def do_deletes(self, line: str) -> None:
        """A mail is deleted for good: deletes ID."""
        self.twin.deletes(line.strip())

    def do_forgets(self, line: str) -> None:
        """Gmail forgets its history so far: forgets."""
        self.twin.forgets()

    def do_withdraws(self, line: str) -> None:
        """The owner takes the access back: withdraws."""
        self.twin.authority.withdraw()

    def _mail(self, sender: str, to: str, subject: str, text: str) -> bytes:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = sender, to, subject
        mail["Date"] = format_datetime(self.twin.clock())
        mail["Message-ID"] = f"<{self.twin.newest}@{sender.rpartition('@')[2]}>"
        mail.set_content(text)
        return mail.as_bytes()


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    given = parser("gmail", "A mailbox", 4229).parse_args(arguments)
    with GmailTwin(MAILBOX, port=given.port) as twin:
        authority = twin.authority
        told = {"key": KEY, "secret": authority.client_secret, "client": authority.client_id}
        GmailKeyboard(twin).cmdloop(printed(SETTINGS.format(url=twin.url, mailbox=MAILBOX, **told)))


if __name__ == "__main__":
    main()
