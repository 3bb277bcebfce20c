"""What the contract needs of any recorder of calls: a twin that tells of meetings, and perhaps a door that hints."""

import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sidecar.ports import Captured, Channel, Context, HookRequest
from tests.contract.channel import CANARY, INSTALLED, NOBODY, NOW, Secrets, all_captured, context
from tests.twins.wire.faults import Status

FIXTURES = Path(__file__).parent.parent / "fixtures"
FIRST, SECOND, OTHER = "first-secret-of-the-hook", "second-secret-in-rotation", "secret-of-another-tenant"
RECENT = NOW - timedelta(minutes=90)
MAX_BYTES = 20_000
TALK: Sequence[tuple[str, str]] = (("Ann Lee", "How much is it?"), ("Rita Ray", "Four thousand."))


@dataclass
class RecorderHarness:
    """A channel before its twin; a vendor's own harness says how it is made, and what is laid down of a meeting."""

    twin: Any
    base: Path
    fixtures: Path
    batch_size: int = 3
    secrets: tuple[str, ...] = (FIRST, SECOND)
    parked: frozenset[str] = frozenset()
    hints: frozenset[str] = frozenset()
    greeted: frozenset[str] = frozenset()
    sent: int = 0
    withheld: dict[bytes, tuple[str, int]] = field(default_factory=dict)

    def build(self, given: Mapping[str, Any], told: Context) -> Channel:
        """Make the vendor's channel of these options."""
        raise NotImplementedError

    def laid(self, meeting: Any) -> bytes:
        """Return what is laid down of a meeting."""
        raise NotImplementedError

    def told(self, secrets: tuple[str, ...], token: str) -> dict[str, str]:
        """Return the secrets by their variables."""
        return {"SECRET": ",".join(secrets), "TOKEN": token}

    @property
    def channel(self) -> Any:
        """The account's channel, which may read what is said."""
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
            "batch_size": self.batch_size,
            "max_file_bytes": MAX_BYTES,
            "max_wait_s": 0,
            "transcripts": True,
            **options,
        }
        reader = Secrets(**self.told(secrets, token or self.twin.token))
        return self.build(given, context(self.base, reader, clock))

    def reopen(self, clock: Callable[[], datetime] = lambda: NOW) -> Any:
        """Make the channel anew."""
        return self.made(clock=clock)

    def with_secrets(self, *secrets: str) -> Any:
        """Make the channel with other secrets."""
        return self.made(secrets=secrets)

    def put(self) -> bytes:
        """Let a meeting have been held and heard."""
        self.sent += 1
        return self.laid(self.twin.meets(RECENT + timedelta(seconds=self.sent), TALK, f"Demo {self.sent}"))

    def put_old(self) -> bytes:
        """Let one have been held before the installation."""
        self.sent += 1
        at = INSTALLED - timedelta(days=40) + timedelta(seconds=self.sent)
        return self.laid(self.twin.meets(at, TALK, f"Old demo {self.sent}"))

    def put_withheld(self) -> bytes:
        """Let a meeting have been held whose words the vendor refuses, wherever its question names it."""
        self.sent += 1
        id = self.twin.meets(RECENT + timedelta(seconds=self.sent), TALK, f"Demo {self.sent}")
        raw = self.laid(id)
        self.withheld[raw] = (id, int(RECENT.timestamp()) + self.sent)
        self.twin.fault(Status(500), path=f"/{re.escape(self.words_of(id))}(/|$)", times=None)
        self.twin.fault(Status(500), body=f'"{id}"'.encode(), times=None)
        return raw

    def name_of(self, raw: bytes) -> tuple[str, Mapping[str, str]]:
        """Return the key of a meeting's words, and its headers, as a poll names it that can't fetch them."""
        id, at = self.withheld[raw]
        return f"transcript:{self.words_of(id)}", {"at": str(at)}

    def mend(self) -> None:
        """Let the vendor be well."""
        self.twin.heal()

    def words_of(self, meeting: str) -> str:
        """Return the id of a meeting's words."""
        return meeting

    def put_oversized(self) -> None:
        """Let one have more words than are read."""
        self.twin.meets(RECENT, (("Ann Lee", "x" * MAX_BYTES),))

    def receive(self) -> Captured:
        """Let a meeting come in."""
        raw = self.put()
        return next(one for one in all_captured(self.channel.poll(None)) if one.raw == raw)

    def unreachable(self) -> Any:
        """Return the channel with nobody at the other end."""
        return self.made(base_url=NOBODY)

    def refused(self) -> Any:
        """Return the channel with a wrong token."""
        return self.made(token="wrong-token-of-nobody")

    def from_fixture(self, path: Path) -> Captured:
        """Return a payload as it comes in: by the door if it is a hint, else by the poll."""
        if path.name in self.hints:
            captured: Captured = self.channel.verify(self.request(path.read_bytes()))
            return captured
        meta = json.loads(path.with_name(f"{path.name}.meta.json").read_bytes())
        return Captured(self.channel.name, path.read_bytes(), meta["key"], meta["headers"])

    def body(self) -> bytes:
        """Return what the vendor posts of a meeting."""
        self.sent += 1
        body: bytes = self.twin.webhook(self.twin.meets(RECENT + timedelta(seconds=self.sent), TALK), NOW)
        return body

    def request(self, body: bytes, at: datetime = NOW, secret: str | None = None) -> HookRequest:
        """Sign a body as the vendor does."""
        raise NotImplementedError

    def broken(self) -> Captured:
        """Let a signed body in that is none of the vendor's."""
        captured: Captured = self.channel.verify(self.request(json.dumps([CANARY, {CANARY: CANARY}]).encode()))
        return captured

    def bad(self) -> Mapping[str, HookRequest]:
        """Return requests of which none is what the vendor sends."""
        body = self.body()
        good = self.request(body)
        return {name: HookRequest(headers, body) for name, headers in self.bad_headers(good.headers, body).items()} | {
            "empty body": HookRequest(good.headers, b""),
            "body serialised anew": HookRequest(good.headers, json.dumps(json.loads(body), indent=1).encode()),
            "body that is not UTF-8": HookRequest(good.headers, b"\xff\xfe\xfd"),
            "body with a byte order mark": HookRequest(good.headers, b"\xef\xbb\xbf" + body),
            "body twice": HookRequest(good.headers, body + body),
        }

    def bad_headers(self, good: Mapping[str, str], body: bytes) -> dict[str, dict[str, str]]:
        """Return heads of which none is right for a body."""
        raise NotImplementedError


def hexadecimal(secret: str, signed: bytes, hash: str = "sha256") -> str:
    """Return an HMAC in hexadecimal."""
    return hmac.new(secret.encode(), signed, hash).hexdigest()


def bad_signatures(header: str, prefix: str, good: Mapping[str, str], others: Mapping[str, str]) -> dict[str, Any]:
    """Return heads whose signature is wrong; `others` are more of them by name."""
    right = good[header]
    digits = right.removeprefix(prefix)
    wrong = {
        "empty": "",
        "spaces": "   ",
        "prefix alone": prefix or "0",
        "upper case prefix": f"{(prefix or 'SHA256=').upper()}{digits}",
        "another hash": f"sha1={digits[:40]}",
        "another hash's digits": digits[:40],
        "twice": f"{right},{right}",
        "twice with a space": f"{right}, {right}",
        "truncated": right[:-2],
        "one digit short": right[:-1],
        "longer": right + "00",
        "upper case": prefix + digits.upper() + "A" * (digits.upper() == digits),
        "not hexadecimal": prefix + "z" * 64,
        "not ASCII": prefix + "ключ",
        "wide digits": prefix + "\uff11" * 64,
        "lone surrogate": prefix + "\ud800",
        "NUL": f"{right}\0",
        "line end": f"{right}\n",
        "space before": f" {right}",
        "tab behind": f"{right}\t",
        "another version": f"v1={digits}",
        "two prefixes": f"{prefix or 'sha256='}sha256={digits}",
        "zeros": prefix + "0" * 64,
        "ones": prefix + "f" * 64,
        "base64": prefix + "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
        "very long": right + "0" * 10_000,
        "quoted": f'"{right}"',
        "reversed": prefix + digits[::-1],
        "with 0x": f"{prefix}0x{digits[2:]}",
        "with a dash": f"{prefix}-{digits[1:]}",
        "with underscores": f"{prefix}{digits[:31]}_{digits[32:]}",
        "null": "null",
        "brackets": f"[{right}]",
        "semicolon": f"{right};",
        **others,
    }
    heads = {f"signature: {name}": {**good, header: value} for name, value in wrong.items()}
    heads |= {f"no {name}": {other: value for other, value in good.items() if other != name} for name in good}
    return heads | {"no headers": {}, "another scheme": {"x-hub-signature-256": right}}
