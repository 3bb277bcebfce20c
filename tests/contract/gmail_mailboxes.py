"""A mailbox of Gmail's as the contract needs it: a twin on a socket, and a channel that somebody let into it."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.channels.gmail import GmailChannel
from adapters.channels.gmail.options import GmailOptions
from sidecar.ports import Captured, Context, HookRequest
from tests.contract.channel import CANARY, INSTALLED, NOBODY, NOW, OWN, Secrets, all_captured
from tests.twins.gmail import AUDIENCE, PUSH_EMAIL, GmailTwin, Mail
from tests.twins.wire.faults import Status

FIXTURES = Path(__file__).parent.parent / "fixtures" / "gmail"
RECENT = NOW - timedelta(minutes=30)
MAX_BYTES = 20_000
TOPIC = "projects/northwind/topics/gmail"
MAILBOX = "sales@ours.test"
UNWELL = Status(500, {"error": {"code": 500, "message": "Backend Error"}}, {"Retry-After": "0"})
PUSHES: Mapping[str, Any] = {
    "topic": TOPIC, "push_audience": AUDIENCE, "push_email": PUSH_EMAIL, "connect_timeout_s": 30.0,
}  # fmt: skip
"""Google's keys are waited for no longer than a connection is, and a twin on a busy machine is no outage."""


class Kept:
    """Tokens in memory, compared and set as the journal does it."""

    def __init__(self) -> None:
        self.held: dict[str, Mapping[str, Any]] = {}

    def load(self, name: str) -> Mapping[str, Any] | None:
        """Return what is kept."""
        return self.held.get(name)

    def save(self, name: str, value: Mapping[str, Any], expected: Mapping[str, Any] | None) -> bool:
        """Keep a value if what is kept is as expected."""
        if self.held.get(name) != expected:
            return False
        self.held[name] = json.loads(json.dumps(dict(value)))
        return True


@dataclass
class GmailHarness:
    """A mailbox, the channel that reads it, and its hands."""

    twin: GmailTwin
    base: Path
    batch_size: int = 3
    fixtures: Path = FIXTURES
    parked: frozenset[str] = frozenset()
    hints: frozenset[str] = frozenset({"composed_pubsub_push.json"})
    tokens: Kept = field(default_factory=Kept)
    put_count: int = 0

    def __post_init__(self) -> None:
        self.let_in(self.twin.access())
        self.secrets: tuple[str, ...] = (self.twin.authority.client_secret, *self.twin.authority.refreshes)

    def let_in(self, refresh: str) -> None:
        """Let somebody have connected the channel, long ago."""
        until = (NOW - timedelta(days=1)).isoformat()
        self.tokens.held["mail"] = {"access": "old", "expires_at": until, "refresh": refresh, "scopes": []}

    @property
    def channel(self) -> GmailChannel:
        """The mailbox's channel."""
        return self.made()

    def reopen(self, clock: Callable[[], datetime] = lambda: NOW) -> GmailChannel:
        """Make the channel anew."""
        return self.made(clock=clock)

    def made(self, clock: Callable[[], datetime] = lambda: NOW, url: str = "", **options: Any) -> GmailChannel:
        """Make a channel with some options changed."""
        url = url or self.twin.url
        given = {
            "mailbox": MAILBOX,
            "client_id": self.twin.authority.client_id,
            "client_secret_env": "SECRET",
            "base_url": url,
            "accounts_url": url,
            "token_url": url,
            "certs_url": url,
            "batch_size": self.batch_size,
            "max_message_bytes": MAX_BYTES,
            "units_per_s": 5000,
            "max_wait_s": 5,
            **options,
        }
        secrets = Secrets(SECRET=self.twin.authority.client_secret)
        context = Context(clock, OWN, self.base, secrets, INSTALLED, tokens=self.tokens)
        return GmailChannel("mail", GmailOptions(**given), context)

    def mail(self, number: int | None = None, body: str = "Is it in stock?", **headers: str) -> bytes:
        """Return the bytes of a mail that nobody wrote before."""
        self.put_count += 1
        number = self.put_count if number is None else number
        told = {
            "From": "Bob Example <bob@customer.test>",
            "To": MAILBOX,
            "Subject": "The blue one",
            "Date": "Sun, 22 Nov 2026 09:30:00 +0000",
            "Message-ID": f"<m{number}@customer.test>",
            "Content-Type": "text/plain; charset=utf-8",
            **headers,
        }
        lines = [f"{name}: {value}" for name, value in told.items()]
        return "\r\n".join([*lines, "", f"{body} ({number})", ""]).encode()

    def put(self) -> bytes:
        """Let a customer write."""
        raw = self.mail()
        self.twin.arrives(raw, RECENT + timedelta(seconds=self.put_count))
        return raw

    def put_old(self) -> bytes:
        """Let a customer have written before the installation."""
        raw = self.mail()
        self.twin.arrives(raw, INSTALLED - timedelta(days=40) + timedelta(seconds=self.put_count))
        return raw

    def put_withheld(self) -> bytes:
        """Let a customer write, and Gmail answer 500 to that mail."""
        raw = self.put()
        self.twin.fault(UNWELL, path=f"messages/{self._id(raw)}", times=None)
        return raw

    def name_of(self, raw: bytes) -> tuple[str, Mapping[str, str]]:
        """Return the key of a mail, and its headers, as a poll names it that can't fetch it."""
        return f"mail:{self._id(raw)}", {"gmail": "mail", "id": self._id(raw)}

    def mend(self) -> None:
        """Let Gmail be well."""
        self.twin.heal()

    def _id(self, raw: bytes) -> str:
        return next(mail.id for mail in self.twin.mails.values() if mail.raw == raw)

    def put_oversized(self) -> None:
        """Let a mail be larger than the limit."""
        self.twin.arrives(self.mail(body="x" * MAX_BYTES), RECENT)

    def receive(self) -> Captured:
        """Let a mail come in by a poll."""
        self.put()
        return all_captured(self.channel.poll(None))[-1]

    def broken(self) -> Captured:
        """Let something come in that is no mail."""
        self.twin.mails.clear()
        self.twin.arrives(f"{CANARY}\r\n\r\n{CANARY}\r\n".encode(), RECENT)
        return all_captured(self.channel.poll(None))[-1]

    def from_fixture(self, path: Path) -> Captured:
        """Let a payload come in the way it comes."""
        told = json.loads(path.read_bytes())
        if path.name == "composed_message_raw.json":
            return self._message(told)
        if path.name == "composed_history_page.json":
            return self._history(told)
        if path.name == "composed_pubsub_push.json":
            return self.pushed(path.read_bytes())
        return self._forgotten(told)

    def pushed(self, body: bytes, **changed: Any) -> Captured:
        """Let a push in by the door, once the poll has fetched Google's keys."""
        channel = self.made(**PUSHES)
        all_captured(channel.poll(None))
        return channel.verify(HookRequest({"authorization": f"Bearer {self.twin.token(**changed)}"}, body))

    def _message(self, told: Mapping[str, Any]) -> Captured:
        at = datetime.fromtimestamp(int(told["internalDate"]) / 1000, UTC)
        raw = urlsafe_b64decode(told["raw"] + "==")
        self.twin.mails[told["id"]] = Mail(told["id"], raw, set(told["labelIds"]), at)
        found = [c for batch in self.channel.census(at - timedelta(hours=1)) for c in batch.captured]
        return next(captured for captured in found if captured.key == f"mail:{told['id']}")

    def _history(self, told: Mapping[str, Any]) -> Captured:
        """Let the page of history be what is new since some time; its last record tells of a deletion."""
        self.twin.records = [(int(row["id"]), dict(row)) for row in told["history"]]
        self.twin.jump(int(told["historyId"]))
        cursor = {"history": str(int(told["history"][0]["id"]) - 1), "crawl": None, "watch": None}
        return all_captured(self.channel.poll(cursor))[-1]

    def _forgotten(self, told: Mapping[str, Any]) -> Captured:
        """Let Gmail answer that its history reaches back no longer."""
        raw = self.put()
        self.twin.fault(Status(404, told), path="/history", times=1)
        found = all_captured(self.channel.poll({"history": "1", "crawl": None, "watch": None}))
        return next(captured for captured in found if captured.raw == raw)

    def unreachable(self) -> GmailChannel:
        """Return the channel with nobody at the other end."""
        return self.made(url=NOBODY, max_wait_s=0)

    def refused(self) -> GmailChannel:
        """Return the channel whose access was taken back."""
        self.twin.authority.withdraw()
        return self.made()
