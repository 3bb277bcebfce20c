"""What the contract needs of a vendor that posts signed webhooks and can be asked for the same: its twin, its hands."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sidecar.model import Activity
from sidecar.ports import Captured, Context, HookRequest
from tests.contract.channel import CANARY, NOBODY, NOW, Secrets, context, parsed

FIXTURES = Path(__file__).parent.parent / "fixtures"
FIRST, SECOND, OTHER = "first-secret-of-the-hook", "second-secret-in-rotation", "secret-of-another-tenant"
RECENT = NOW - timedelta(minutes=90)
MAX_BYTES = 20_000


@dataclass
class HookedHarness:
    """An account with its webhook and its API; a vendor's own harness says how it is made, signed and used."""

    twin: Any
    base: Path
    fixtures: Path
    batch_size: int = 3
    secrets: tuple[str, ...] = (FIRST, SECOND)
    parked: frozenset[str] = frozenset()
    hints: frozenset[str] = frozenset()
    sent: int = 0
    withheld: dict[bytes, tuple[str, int]] = field(default_factory=dict)

    HEADER = ""

    def build(self, given: Mapping[str, Any], told: Context) -> Any:
        """Make the vendor's channel of these options."""
        raise NotImplementedError

    def signed(self, body: bytes, at: datetime, secret: str) -> str:
        """Return the signature's header."""
        raise NotImplementedError

    def put(self) -> bytes:
        """Let something new happen, and return what is to be laid down of it."""
        raise NotImplementedError

    def body(self) -> bytes:
        """Return what is posted of something new."""
        raise NotImplementedError

    def forged(self, signature: str) -> Mapping[str, str]:
        """Return headers that are nearly right."""
        raise NotImplementedError

    @property
    def channel(self) -> Any:
        """The account's channel."""
        return self.made()

    def made(
        self,
        secrets: tuple[str, ...] = (FIRST, SECOND),
        token: str | None = None,
        clock: Callable[[], datetime] = lambda: NOW,
        **options: Any,
    ) -> Any:
        """Make a channel with some options changed."""
        given = {
            "base_url": self.twin.url,
            "secret_env": "SECRET",
            "token_env": "TOKEN",
            "batch_size": self.batch_size,
            "max_item_bytes": MAX_BYTES,
            "calls_per_minute": 60_000,
            "max_wait_s": 0,
            **options,
        }
        reader = Secrets(SECRET=",".join(secrets), TOKEN=token or self.twin.token)
        return self.build(given, context(self.base, reader, clock))

    def reopen(self, clock: Callable[[], datetime] = lambda: NOW) -> Any:
        """Make the channel anew."""
        return self.made(clock=clock)

    def with_secrets(self, *secrets: str) -> Any:
        """Make the channel with other secrets."""
        return self.made(secrets=secrets)

    def at(self) -> datetime:
        """Return a time that nothing else happened at."""
        self.sent += 1
        return RECENT + timedelta(seconds=self.sent)

    def request(self, body: bytes, at: datetime = NOW, secret: str | None = None) -> HookRequest:
        """Sign a body as the vendor does."""
        return HookRequest({self.HEADER: self.signed(body, at, secret or FIRST)}, body)

    def posted(self, body: bytes) -> tuple[Activity, ...]:
        """Let a body in by the door, and read it."""
        return parsed(self.channel, self.channel.verify(self.request(body)))

    def receive(self) -> Captured:
        """Let something new in by the door."""
        captured: Captured = self.channel.verify(self.request(self.body()))
        return captured

    def from_fixture(self, path: Path) -> Captured:
        """Let a payload in by the door."""
        captured: Captured = self.channel.verify(self.request(path.read_bytes()))
        return captured

    def fixture(self, name: str) -> Activity:
        """Return the only activity of a payload."""
        (activity,) = parsed(self.channel, self.from_fixture(self.fixtures / name))
        return activity

    def unreachable(self) -> Any:
        """Return the channel with nobody at the other end."""
        return self.made(base_url=NOBODY)

    def refused(self) -> Any:
        """Return the channel with a wrong token."""
        return self.made(token="wrong")

    def bad(self) -> Mapping[str, HookRequest]:
        """Return requests of which none is what the vendor sends."""
        body = self.body()
        good = self.request(body)
        signature = good.headers[self.HEADER]
        table = {name: HookRequest({self.HEADER: value}, body) for name, value in self.forged(signature).items()}
        digest = signature[-40:]
        general = {
            "empty": "",
            "spaces": "   ",
            "truncated": signature[:-2],
            "longer": signature + "00",
            "upper case": signature.upper(),
            "not hexadecimal": signature[:-40] + "z" * 40,
            "not ASCII": signature[:-1] + "ключ",
            "wide digits": signature[:-40] + "\uff11" * 40,
            "lone surrogate": signature[:-1] + "\ud800",
            "NUL": f"{signature}\0",
            "line end": f"{signature}\n",
            "space before": f" {signature}",
            "space behind": f"{signature} ",
            "zeros": signature[:-40] + "0" * 40,
            "reversed": signature[:-40] + digest[::-1],
            "twice": f"{signature},{signature}",
            "very long": signature + "0" * 10_000,
            "digits alone": digest,
            "Bearer": f"Bearer {signature}",
            "quoted": f'"{signature}"',
            "another tenant's": self.signed(body, NOW, OTHER),
            "of another body": self.signed(body + b" ", NOW, FIRST),
            "of no body": self.signed(b"", NOW, FIRST),
            "cut short secret": self.signed(body, NOW, FIRST[:-1]),
        }
        table |= {f"signature: {name}": HookRequest({self.HEADER: value}, body) for name, value in general.items()}
        bodies = {
            "empty body": b"",
            "body serialised anew": json.dumps(json.loads(body), indent=1).encode(),
            "body that is not UTF-8": b"\xff\xfe\xfd",
            "body with a byte order mark": b"\xef\xbb\xbf" + body,
            "body twice": body + body,
            "body cut": body[:-1],
            "body with a line end": body + b"\n",
        }
        table |= {name: HookRequest(good.headers, changed) for name, changed in bodies.items()}
        others = ("x-hub-signature-256", "x-signature", "webhook-signature", "authorization", "x-chatwoot-signature")
        table |= {f"another scheme: {name}": HookRequest({name: signature}, body) for name in others}
        return table | {"no headers": HookRequest({}, body)}

    def canary(self, event: dict[str, Any]) -> Captured:
        """Let a signed body in that can't be read."""
        captured: Captured = self.channel.verify(self.request(json.dumps({**event, CANARY: CANARY}).encode()))
        return captured
