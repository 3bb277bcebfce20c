"""A mailbox on a real IMAP server: it posts nothing, and what lies in it can be asked for at any time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from itertools import count

from tests.contract.imap_servers import PASSWORD, Server
from tests.day.people import Person
from tests.day.provider import Provider
from tests.support.gate import Gate

USER = "desk@ours.test"
CONFIG = """type = "imap"
host = "127.0.0.1"
port = {port}
tls = false
username = "{user}"
password_env = "DAY_IMAP_PASSWORD"
sent_folders = ["Sent"]
timeout_s = 10"""


@dataclass
class Mailbox(Provider):
    """The inbox and the sent mail of one of our people; some mails lie in both, or come twice."""

    _: KW_ONLY
    server: Server
    gate: Gate
    polled: bool = True
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    last: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.config = CONFIG.format(port=self.gate.port, user=USER)
        self.env = {"DAY_IMAP_PASSWORD": PASSWORD}
        with self.server.hand(USER) as hand:
            hand.create("Sent")

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """Say, answer, and a mail that comes twice."""
        return {"say": self.say, "answer": self.answer, "echo": self.echo}

    def outage(self, *, is_away: bool) -> None:
        """Refuse connections, or no more."""
        self.gate.shut(is_shut=is_away)

    def say(self, person: Person, text: str, at: datetime) -> None:
        """A customer writes."""
        id, raw = self._mail(f"{person.name} <{person.email}>", USER, text, at, person)
        self.server.append(USER, "INBOX", raw, at)
        self.happened(id, "mail", f"email:{person.email}")

    def answer(self, person: Person, text: str, at: datetime) -> None:
        """One of our people writes."""
        id, raw = self._mail(USER, f"{person.name} <{person.email}>", text, at, person)
        self.server.append(USER, "Sent", raw, at)
        self.happened(id, "mail", f"email:{person.email}")

    def echo(self, person: Person, text: str, at: datetime) -> None:
        """A customer's mail arrives twice, as by a list and directly."""
        id, raw = self._mail(f"{person.name} <{person.email}>", USER, text, at, person)
        for _ in range(2):
            self.server.append(USER, "INBOX", raw, at)
        self.happened(id, "mail", f"email:{person.email}")

    def _mail(self, sender: str, to: str, text: str, at: datetime, person: Person) -> tuple[str, bytes]:
        id = f"day-{next(self.numbers)}@mail.test"
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = sender, to, f"About your offer {person.number}"
        mail["Date"], mail["Message-ID"] = format_datetime(at), f"<{id}>"
        if before := self.last.get(person.number):
            mail["In-Reply-To"] = mail["References"] = f"<{before}>"
        self.last[person.number] = id
        mail.set_content(text)
        return id, mail.as_bytes()
