"""An account of Twilio's as the contract needs it: its webhooks, which sign, and its API, which a twin answers."""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from adapters.channels.twilio import TwilioChannel
from adapters.channels.twilio.options import TwilioOptions
from adapters.channels.twilio.signature import verify
from adapters.channels.twilio.walk import lay_down
from sidecar.model import Activity
from sidecar.ports import Captured, HookRequest
from tests.contract.channel import CANARY, INSTALLED, NOBODY, NOW, Secrets, context, parsed
from tests.twins.twilio import TOKEN, TwilioTwin
from tests.twins.wire.faults import Status

FIXTURES = Path(__file__).parent.parent / "fixtures" / "twilio"
SECOND, OTHER = "second-token-of-a-rotation", "token-of-another-account"
PUBLIC_URL = "https://crm.example.com/hooks/twilio"
US, ANN, BOB = "+442079460000", "+447700900123", "+447700900456"
RECENT = NOW - timedelta(minutes=30)
MAX_BYTES = 20_000


@dataclass
class TwilioHarness:
    """An account with one number, its webhooks and its API."""

    twin: TwilioTwin
    base: Path
    batch_size: int = 3
    fixtures: Path = FIXTURES
    secrets: tuple[str, ...] = (TOKEN, SECOND)
    parked: frozenset[str] = frozenset()
    hints: frozenset[str] = frozenset({"composed_intelligence_transcript_available.json"})
    sent: int = 0
    withheld: dict[bytes, str] = field(default_factory=dict)

    @property
    def channel(self) -> TwilioChannel:
        """The account's channel."""
        return self.made()

    def reopen(self, clock: Callable[[], datetime] = lambda: NOW) -> TwilioChannel:
        """Make the channel anew."""
        return self.made(clock=clock)

    def with_secrets(self, *secrets: str) -> TwilioChannel:
        """Make the channel with other auth tokens."""
        return self.made(secrets=secrets)

    def made(
        self,
        secrets: tuple[str, ...] = (TOKEN, SECOND),
        clock: Callable[[], datetime] = lambda: NOW,
        **options: Any,
    ) -> TwilioChannel:
        """Make a channel with some options changed; words of calls are kept unless they say else."""
        given = {
            "account_sid": self.twin.account,
            "public_url": PUBLIC_URL,
            "auth_token_env": "TOKEN",
            "base_url": self.twin.url,
            "intelligence_url": self.twin.url,
            "transcripts": True,
            "batch_size": self.batch_size,
            "max_item_bytes": MAX_BYTES,
            "calls_per_s": 1000,
            "max_wait_s": 0,
            "rest_s": 0,
            **options,
        }
        reader = Secrets(TOKEN=",".join(secrets), KEY="a-secret-of-an-api-key")
        return TwilioChannel("twilio", TwilioOptions(**given), context(self.base, reader, clock))

    def at(self) -> datetime:
        """Return a time that nothing has happened at yet."""
        self.sent += 1
        return RECENT + timedelta(seconds=self.sent)

    def put(self) -> bytes:
        """Let the customer send a message, and return what is to be laid down of it."""
        return self.laid(self.twin.texts(ANN, US, f"Is it in stock? ({self.sent})", self.at()))

    def put_old(self) -> bytes:
        """Let the customer have written before the installation."""
        self.sent += 1
        at = INSTALLED - timedelta(days=40) + timedelta(seconds=self.sent)
        return self.laid(self.twin.texts(ANN, US, f"An old question ({self.sent})", at))

    def put_withheld(self) -> bytes:
        """Let the customer send a picture whose row is listed, and whose files Twilio won't tell."""
        sid = self.twin.texts(ANN, US, f"See this ({self.sent})", self.at())
        file = self.twin.attaches(sid, "image/png", b"png")
        self.twin.fault(Status(500), path=f"/Messages/{sid}/Media", times=None)
        row = {**self.twin.messages[sid], "media": [self.twin.files[file][0]]}
        raw = lay_down({"polled": "message", "message": row})
        self.withheld[raw] = sid
        return raw

    def name_of(self, raw: bytes) -> tuple[str, Mapping[str, str]]:
        """Return the key of a message, and its headers, as a poll names it that can't be told its files."""
        body = json.loads(raw)["message"]["body"]
        return f"message:{self.withheld[raw]}:{sha256(body.encode()).hexdigest()[:12]}", {}

    def mend(self) -> None:
        """Let Twilio be well."""
        self.twin.heal()

    def put_oversized(self) -> None:
        """Let a message be larger than the limit."""
        self.twin.texts(ANN, US, "x" * MAX_BYTES, self.at())

    def laid(self, message: str) -> bytes:
        """Return what is to be laid down of a message."""
        return lay_down({"polled": "message", "message": self.twin.messages[message]})

    def body(self) -> bytes:
        """Return a body of JSON, whose every byte is signed by its hash."""
        return self.twin.hint(self.twin.sid("GT"))

    def request(self, body: bytes, at: datetime = NOW, secret: str | None = None) -> HookRequest:
        """Sign a body as Twilio signs JSON."""
        return signed_by_hash(body, secret or TOKEN)

    def posted(self, body: bytes, **headers: str) -> HookRequest:
        """Let Twilio's own validator sign a body, a form or JSON."""
        url, told = self.twin.signed(PUBLIC_URL, body)
        named = {name.lower(): value for name, value in told.items()} | headers
        return HookRequest(named, body, raw_query=urlsplit(url).query)

    def receive(self) -> Captured:
        """Let a new message in by the door."""
        sid = self.twin.texts(ANN, US, f"Can I come on Thursday? ({self.sent})", self.at())
        return self.channel.verify(self.posted(self.twin.webhook(sid)))

    def broken(self) -> Captured:
        """Let a signed form in whose ids are none."""
        form = f"AccountSid={self.twin.account}&MessageSid={CANARY}&Body={CANARY}&From=%2B447700900123"
        return self.channel.verify(self.posted(form.encode()))

    def from_fixture(self, path: Path) -> Captured:
        """Check the signature that stands beside a payload, then let it in by the door, signed for this account.

        Its own token is that of Twilio's documentation, shorter than any that is accepted as a setting.
        """
        meta = json.loads(path.with_name(f"{path.stem}.meta.json").read_bytes())
        public, mark, _ = meta["url"].partition("?bodySHA256=")
        headers, query = {"x-twilio-signature": meta["x_twilio_signature"]}, urlsplit(meta["url"]).query
        verify(headers, path.read_bytes(), query, public if mark else meta["url"], [meta["auth_token"].encode()])
        return self.channel.verify(self.posted(path.read_bytes()))

    def fixture(self, name: str) -> Activity:
        """Return the only activity of a payload."""
        (activity,) = parsed(self.channel, self.from_fixture(FIXTURES / f"composed_{name}.form"))
        return activity

    def unreachable(self) -> TwilioChannel:
        """Return the channel with nobody at the other end."""
        return self.made(base_url=NOBODY, intelligence_url=NOBODY)

    def refused(self) -> TwilioChannel:
        """Return the channel with a key that isn't the account's."""
        return self.made(api_key_sid="SK" + "0" * 32, api_key_secret_env="KEY")

    def bad(self) -> Mapping[str, HookRequest]:
        """Return requests of which none is what Twilio sends."""
        return bad_requests(self)


def signed_by_hash(body: bytes, secret: str, url: str = PUBLIC_URL) -> HookRequest:
    """Sign raw bytes as Twilio signs what is no form: by their hash, in the address."""
    query = f"bodySHA256={sha256(body).hexdigest()}"
    return HookRequest({"x-twilio-signature": signature(f"{url}?{query}", secret)}, body, raw_query=query)


def signature(text: str, secret: str = TOKEN, algorithm: str = "sha1") -> str:
    """Return the signature of a text."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), algorithm)).decode()


def bad_requests(harness: TwilioHarness) -> dict[str, HookRequest]:
    """Return forged, bent and misdirected requests, forms and JSON."""
    message = harness.twin.texts(ANN, US, "", harness.at())
    form = harness.posted(harness.twin.webhook(message))
    hashed = harness.request(harness.body())
    table = {f"signature: {name}": _with(form, value) for name, value in _bad_signatures(form).items()}
    table |= {f"JSON signature: {name}": _with(hashed, value) for name, value in _bad_signatures(hashed).items()}
    for where in _ELSEWHERE:
        made = signature(where + _text(form.body))
        table[f"signed for {where}"] = _with(form, made)
    wrong_hash = "bodySHA256=" + "0" * 64
    queries = {
        "a query that isn't configured": "x=1",
        "a query and a hash": f"x=1&{hashed.raw_query}",
        "a hash twice": f"{hashed.raw_query}&{hashed.raw_query}",
        "a wrong hash": wrong_hash,
        "a hash in capitals": hashed.raw_query.upper().replace("BODYSHA256", "bodySHA256"),
        "a short hash": hashed.raw_query[:-1],
        "an empty hash": "bodySHA256=",
        "an encoded name": hashed.raw_query.replace("body", "%62ody"),
    }
    for name, query in queries.items():
        made = signature(f"{PUBLIC_URL}?{query}")
        headers = {"x-twilio-signature": made}
        table[f"address: {name}"] = HookRequest(headers, hashed.body, raw_query=query)
    bodies = {
        "no blank values": form.body.replace(b"&Body=", b""),
        "another value": form.body.replace(b"NumMedia=0", b"NumMedia=1"),
        "one more": form.body + b"&Extra=1",
        "a repeated name with another value": form.body + b"&NumMedia=2",
        "none": b"",
        "too many": b"a=1&" * 2_000,
        "no UTF-8": b"\xff\xfe\xfd",
    }
    table |= {f"form: {name}": HookRequest(form.headers, body) for name, body in bodies.items()}
    table["form: as JSON"] = HookRequest(form.headers, form.body, raw_query=hashed.raw_query)
    table["JSON: as a form"] = HookRequest(hashed.headers, hashed.body)
    table["JSON: another body"] = HookRequest(hashed.headers, hashed.body + b" ", raw_query=hashed.raw_query)
    table["unknown algorithm"] = HookRequest(
        {**form.headers, "x-twilio-webhooks-signature-settings": "key=k,algorithm=MD5"}, form.body
    )
    table["another algorithm"] = HookRequest(
        {**form.headers, "x-twilio-webhooks-signature-settings": "key=k,algorithm=HMAC_SHA256"}, form.body
    )
    table["no headers"] = HookRequest({}, form.body)
    return table


_ELSEWHERE = (
    "http://crm.example.com/hooks/twilio",
    "https://127.0.0.1:8080/hooks/twilio",
    "https://crm.example.com/hooks/twilio/",
    "https://crm.example.com//hooks/twilio",
    "https://crm.example.com/hooks/twilio#rc=3",
    "https://crm.example.com:8443/hooks/twilio",
    "https://evil.example.com/hooks/twilio",
    "",
)


def _with(request: HookRequest, value: str) -> HookRequest:
    return HookRequest({**request.headers, "x-twilio-signature": value}, request.body, raw_query=request.raw_query)


def _text(body: bytes) -> str:
    return "".join(name + value for name, value in sorted(set(parse_qsl(body.decode(), keep_blank_values=True))))


def _bad_signatures(good: HookRequest) -> dict[str, str]:
    given = good.headers["x-twilio-signature"]
    text = PUBLIC_URL + (f"?{good.raw_query}" if good.raw_query else _text(good.body))
    return {
        "empty": "",
        "spaces": "   ",
        "truncated": given[:-2],
        "without padding": given.rstrip("="),
        "longer": given + "AAAA",
        "twice": f"{given}, {given}",
        "lower case": given.lower(),
        "not base64": "!" * 28,
        "not ASCII": "ключ",
        "lone surrogate": "\ud800",
        "NUL": f"{given}\0",
        "hexadecimal": base64.b64decode(given).hex(),
        "zeros": base64.b64encode(bytes(20)).decode(),
        "of another account": signature(text, OTHER),
        "of SHA-256": signature(text, TOKEN, "sha256"),
        "of the address alone": signature(PUBLIC_URL),
        "very long": given + "A" * 10_000,
    }
