"""Mailboxes by their providers' own interfaces: Gmail, which tells of deletions, and Microsoft 365 by Graph."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.utils import format_datetime
from itertools import count

from adapters.channels.gmail import GmailChannel
from sidecar.app import App
from tests.day.people import Person
from tests.day.provider import Provider, by_settings
from tests.support.authorities import KEY
from tests.twins.gmail import GmailTwin
from tests.twins.gmail.__main__ import SETTINGS as GMAIL
from tests.twins.graph import GraphTwin
from tests.twins.graph.__main__ import SETTINGS as GRAPH
from tests.twins.wire.faults import Status


@dataclass
class Writing(Provider):
    """What people do with a mailbox, whichever it is."""

    polled: bool = True
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    came: dict[int, list[str]] = field(default_factory=dict)

    @property
    def acts(self) -> Mapping[str, Callable[[Person, str, datetime], None]]:
        """Say, answer, delete."""
        return {"say": self.say, "answer": self.answer, "delete": self.delete}

    def say(self, person: Person, text: str, at: datetime) -> None:
        """A customer writes."""
        id = self.receives(self._mail(person.email, self.mailbox, text, at), at)
        self.came.setdefault(person.number, []).append(id)
        self.happened(id, "mail", f"email:{person.email}")

    def answer(self, person: Person, text: str, at: datetime) -> None:
        """One of our people writes."""
        id = self.sends(self._mail(self.mailbox, person.email, text, at), at)
        self.happened(id, "mail", f"email:{person.email}")

    def delete(self, person: Person, text: str, at: datetime) -> None:
        """One of our people deletes what came last, for good."""
        if came := self.came.get(person.number):
            id = came.pop()
            self.deletes(id)
            self.fleeting |= {(id, "mail"), (id, "deletion")}  # what came and went between two polls was never told

    def receives(self, raw: bytes, at: datetime) -> str:
        """Let a mail come in; return its id there."""
        raise NotImplementedError

    def sends(self, raw: bytes, at: datetime) -> str:
        """Let one of our people send a mail; return its id there."""
        raise NotImplementedError

    def deletes(self, id: str) -> None:
        """Delete a mail."""
        raise NotImplementedError

    @property
    def mailbox(self) -> str:
        """Its address."""
        raise NotImplementedError

    def _mail(self, sender: str, to: str, text: str, at: datetime) -> bytes:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = sender, to, "About your offer"
        mail["Date"], mail["Message-ID"] = format_datetime(at), f"<{self.name}-{next(self.numbers)}@mail.test>"
        mail.set_content(text)
        return mail.as_bytes()


@dataclass
class Gmail(Writing):
    """A mailbox of Google's."""

    _: KW_ONLY
    twin: GmailTwin

    def __post_init__(self) -> None:
        super().__post_init__()
        authority = self.twin.authority
        told = {"key": KEY, "secret": authority.client_secret, "client": authority.client_id, "url": self.twin.url}
        self.config, self.env = by_settings(GMAIL, mailbox=self.mailbox, **told)
        self.config += "\nmax_wait_s = 0"

    def connect(self, app: App) -> None:
        """Be the mailbox's owner, who says yes."""
        channel = app.channel(self.channel)
        assert isinstance(channel, GmailChannel)
        consent = channel.consent()
        consent.take(self.twin.authority.visit(consent.invite(8765).address))

    def outage(self, *, is_away: bool) -> None:
        """Answer 503, or no more."""
        if is_away:
            self.twin.fault(Status(503, {"error": {"code": 503}}), times=None)
        else:
            self.twin.heal()

    @property
    def mailbox(self) -> str:
        """Its address."""
        return self.twin.mailbox

    def receives(self, raw: bytes, at: datetime) -> str:
        """Let a mail come in."""
        return self.twin.arrives(raw, at)

    def sends(self, raw: bytes, at: datetime) -> str:
        """Let its owner send a mail."""
        return self.twin.sends(raw, at)

    def deletes(self, id: str) -> None:
        """Delete a mail for good."""
        self.twin.deletes(id)
        self.happened(id, "deletion")


@dataclass
class Office(Writing):
    """A mailbox of Microsoft's, whose mails are named by their Message-ID, and where a deletion is no news."""

    _: KW_ONLY
    twin: GraphTwin
    there: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        twin = self.twin
        told = {"tenant": twin.tenant, "client_id": twin.client_id, "secret": twin.client_secret, "url": twin.url}
        self.config, self.env = by_settings(GRAPH, mailbox=self.mailbox, **told)
        kept = [line for line in self.config.splitlines() if not line.startswith(("notification_url", "client_state"))]
        self.config = "\n".join([*kept, "max_wait_s = 0", "calls_per_s = 1000"])

    def outage(self, *, is_away: bool) -> None:
        """Answer 503, or no more."""
        if is_away:
            self.twin.fault(Status(503, {"error": {"code": "serviceNotAvailable"}}), times=None)
        else:
            self.twin.heal()

    @property
    def mailbox(self) -> str:
        """Its address."""
        return self.twin.mailbox

    def receives(self, raw: bytes, at: datetime) -> str:
        """Let a mail come in."""
        return self._laid(raw, self.twin.receives(raw, at))

    def sends(self, raw: bytes, at: datetime) -> str:
        """Let its owner send a mail."""
        return self._laid(raw, self.twin.sends(raw, at))

    def deletes(self, id: str) -> None:
        """Delete a mail for good."""
        self.twin.deletes(self.there.pop(id))

    def _laid(self, raw: bytes, there: str) -> str:
        id = str(message_from_bytes(raw)["Message-ID"]).strip("<>")
        self.there[id] = there
        return id
