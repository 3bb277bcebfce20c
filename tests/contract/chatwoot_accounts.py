"""An account of Chatwoot as the contract needs it: its webhook, which signs, and its API, which a twin answers."""

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.channels.chatwoot import MAX_SKEW, ChatwootChannel, ChatwootOptions
from adapters.channels.chatwoot.walk import lay_down
from sidecar.model import Activity
from sidecar.ports import Captured, HookRequest
from tests.contract.channel import CANARY, INSTALLED, NOBODY, NOW, Secrets, context, parsed
from tests.twins.chatwoot import ChatwootTwin
from tests.twins.wire.faults import Status

FIXTURES = Path(__file__).parent.parent / "fixtures" / "chatwoot"
FIRST, SECOND, OTHER = "first-secret-of-the-webhook", "second-secret-of-a-rotation", "secret-of-another-tenant"
RECENT = NOW - timedelta(minutes=30)
MAX_BYTES = 20_000


@dataclass
class ChatwootHarness:
    """An account with one conversation, its webhook and its API."""

    twin: ChatwootTwin
    base: Path
    batch_size: int = 3
    fixtures: Path = FIXTURES
    secrets: tuple[str, ...] = (FIRST, SECOND)
    parked: frozenset[str] = frozenset({"composed_message_created_other_account.json"})
    conversation: int = field(init=False)
    sent: int = 0
    withheld: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.conversation = self.twin.begins()

    @property
    def channel(self) -> ChatwootChannel:
        """The account's channel."""
        return self.made()

    def reopen(self, clock: Callable[[], datetime] = lambda: NOW) -> ChatwootChannel:
        """Make the channel anew."""
        return self.made(clock=clock)

    def with_secrets(self, *secrets: str) -> ChatwootChannel:
        """Make the channel with other secrets."""
        return self.made(secrets=secrets)

    def made(
        self,
        secrets: tuple[str, ...] = (FIRST, SECOND),
        token: str | None = None,
        clock: Callable[[], datetime] = lambda: NOW,
        **options: Any,
    ) -> ChatwootChannel:
        """Make a channel with some options changed."""
        given = {
            "base_url": self.twin.url,
            "account_id": self.twin.account,
            "secret_env": "SECRET",
            "token_env": "TOKEN",
            "batch_size": self.batch_size,
            "max_message_bytes": MAX_BYTES,
            "calls_per_s": 1000,
            "max_wait_s": 0,
            **options,
        }
        reader = Secrets(SECRET=",".join(secrets), TOKEN=token or self.twin.token)
        return ChatwootChannel("chat", ChatwootOptions(**given), context(self.base, reader, clock))

    def put(self) -> bytes:
        """Let the contact write, and return what is to be laid down of it."""
        self.sent += 1
        at = RECENT + timedelta(seconds=self.sent)
        return self.laid(self.twin.says(self.conversation, f"Is it in stock? ({self.sent})", at))

    def put_old(self) -> bytes:
        """Let a contact have written before the installation."""
        self.sent += 1
        at = INSTALLED - timedelta(days=40) + timedelta(seconds=self.sent)
        return self.laid(self.twin.says(self.twin.begins("Old Customer"), f"An old question ({self.sent})", at))

    def put_withheld(self) -> bytes:
        """Let a contact begin a conversation whose messages Chatwoot then refuses to tell."""
        self.sent += 1
        at, number = RECENT + timedelta(seconds=self.sent), self.twin.begins()
        raw = self.laid(self.twin.says(number, f"Is it in stock? ({self.sent})", at))
        self.withheld[raw] = (number, int(at.timestamp()))
        self.twin.fault(Status(500, {"error": CANARY}), path=f"/conversations/{number}/messages", times=None)
        return raw

    def name_of(self, raw: bytes) -> tuple[str, Mapping[str, str]]:
        """Return the key of a conversation, and its headers, as a poll names it that can't read it."""
        number, at = self.withheld[raw]
        since = int((INSTALLED - MAX_SKEW).timestamp())
        headers = {"conversation": str(number), "at": str(at), "since": str(since)}
        return f"conversation:{number}:{at}:{since}", headers

    def mend(self) -> None:
        """Let Chatwoot be well."""
        self.twin.heal()

    def put_oversized(self) -> None:
        """Let a message be larger than the limit."""
        self.twin.says(self.conversation, "x" * MAX_BYTES, RECENT)

    def laid(self, message: int) -> bytes:
        """Return what is to be laid down of a message."""
        told, conversation = self.twin.told(message)
        return lay_down(str(self.twin.account), conversation, told)

    def body(self) -> bytes:
        """Return what Chatwoot posts of a message that nobody wrote before."""
        self.sent += 1
        at = RECENT + timedelta(seconds=self.sent)
        return self.twin.webhook(self.twin.says(self.conversation, f"Is it in stock? ({self.sent})", at))

    def request(self, body: bytes, at: datetime = NOW, secret: str | None = None) -> HookRequest:
        """Sign a body as Chatwoot does."""
        return signed(body, str(int(at.timestamp())), secret or FIRST)

    def receive(self) -> Captured:
        """Let a new message in by the door."""
        return self.channel.verify(self.request(self.body()))

    def broken(self) -> Captured:
        """Let a signed body in whose time is none."""
        event = json.loads(self.body())
        event |= {"created_at": CANARY, "message_type": CANARY, CANARY: CANARY}
        return self.channel.verify(self.request(json.dumps(event).encode()))

    def from_fixture(self, path: Path) -> Captured:
        """Let a payload in by the door."""
        return self.channel.verify(self.request(path.read_bytes()))

    def fixture(self, name: str) -> Activity:
        """Return the only activity of a payload."""
        (activity,) = parsed(self.channel, self.from_fixture(FIXTURES / f"composed_{name}.json"))
        return activity

    def unreachable(self) -> ChatwootChannel:
        """Return the channel with nobody at the other end."""
        return self.made(base_url=NOBODY)

    def refused(self) -> ChatwootChannel:
        """Return the channel with a wrong token."""
        return self.made(token="wrong")

    def bad(self) -> Mapping[str, HookRequest]:
        """Return requests of which none is what Chatwoot sends."""
        body = self.body()
        good = self.request(body)
        return {name: HookRequest(headers, body) for name, headers in _bad_headers(good.headers, body).items()} | {
            "empty body": HookRequest(good.headers, b""),
            "body serialised anew": HookRequest(good.headers, json.dumps(json.loads(body), indent=1).encode()),
            "body that is not UTF-8": HookRequest(good.headers, b"\xff\xfe\xfd"),
            "body with a byte order mark": HookRequest(good.headers, b"\xef\xbb\xbf" + body),
            "body twice": HookRequest(good.headers, body + body),
        }


def signed(body: bytes, timestamp: str, secret: str) -> HookRequest:
    """Sign raw bytes as Chatwoot does."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, "sha256").hexdigest()
    return HookRequest({"x-chatwoot-timestamp": timestamp, "x-chatwoot-signature": f"sha256={digest}"}, body)


def _bad_headers(good: Mapping[str, str], body: bytes) -> dict[str, dict[str, str]]:
    stamp, signature = good["x-chatwoot-timestamp"], good["x-chatwoot-signature"]
    digest = signature.removeprefix("sha256=")
    signatures = {
        "empty": "",
        "spaces": "   ",
        "no prefix": digest,
        "prefix alone": "sha256=",
        "upper case prefix": f"SHA256={digest}",
        "another hash": f"sha1={digest[:40]}",
        "twice": f"{signature},{signature}",
        "truncated": signature[:-2],
        "longer": signature + "00",
        "upper case": f"sha256={digest.upper()}" if digest.upper() != digest else "sha256=",
        "not hexadecimal": "sha256=" + "z" * 64,
        "not ASCII": "sha256=ключ",
        "wide digits": "sha256=" + "\uff11" * 64,
        "lone surrogate": "sha256=\ud800",
        "NUL": f"{signature}\0",
        "line end": f"{signature}\n",
        "space before": f" {signature}",
        "version": f"v1={digest}",
        "zeros": "sha256=" + "0" * 64,
        "another tenant's": signed(body, stamp, OTHER).headers["x-chatwoot-signature"],
        "without the time": f"sha256={hmac.new(FIRST.encode(), body, 'sha256').hexdigest()}",
        "for another time": signed(body, str(int(stamp) - 1), FIRST).headers["x-chatwoot-signature"],
        "very long": signature + "0" * 10_000,
    }
    stamps = {
        "empty": "",
        "in words": "now",
        "with a fraction": f"{stamp}.0",
        "nan": "nan",
        "infinite": "inf",
        "negative": f"-{stamp}",
        "signed": f"+{stamp}",
        "Thai digits": "๑๗๙",
        "milliseconds": f"{stamp}000",
        "huge": "9" * 400,
        "underscored": f"{stamp[:3]}_{stamp[3:]}",
        "zero": "0",
        "with a space": f" {stamp}",
        "exponent": "1e9",
        "ISO": NOW.isoformat(),
    }
    table = {f"signature: {name}": {**good, "x-chatwoot-signature": value} for name, value in signatures.items()}
    table |= {f"time: {name}": {**good, "x-chatwoot-timestamp": value} for name, value in stamps.items()}
    table |= {f"no {name}": {other: value for other, value in good.items() if other != name} for name in good}
    table["no headers"] = {}
    table["another scheme"] = {"x-hub-signature-256": signature}
    return table
