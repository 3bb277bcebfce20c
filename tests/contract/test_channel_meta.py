"""Meta's webhooks under the contract; a signature made outside this project judges ours."""

import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.meta import MetaChannel, MetaOptions
from adapters.channels.meta.signature import verify
from sidecar.errors import ConfigError, RejectedInput
from sidecar.ports import Captured, Greeter, Greeting, HookRequest
from tests.contract.channel import CANARY, NOW, PollContract, Secrets, WebhookContract, context, door
from tests.contract.meta_pages import PagesHarness
from tests.twins.meta import MetaTwin

FIXTURES = Path(__file__).parent.parent / "fixtures" / "meta"
FIRST, SECOND, OTHER = "11111111aaaaaaaa22222222bbbbbbbb", "33333333cccccccc44444444dddddddd", "5" * 32
TOKEN = "a-token-for-the-address-check"


def envelope(*messages: Mapping[str, Any]) -> bytes:
    """Return a request of WhatsApp with messages, in the escaped form that Meta signs."""
    metadata = {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "messages": messages}
    entry = {"id": "102290129340398", "changes": [{"value": value, "field": "messages"}]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}, separators=(",", ":"))
    return body.replace("/", "\\/").encode()


def text(id: str, words: str = "Grüße a/b") -> dict[str, Any]:
    """Return a message of a customer in WhatsApp's form."""
    stamp = str(int(NOW.timestamp()))
    return {"from": "447700900123", "id": id, "timestamp": stamp, "type": "text", "text": {"body": words}}


@dataclass
class MetaHarness:
    """One Meta app with two secrets, called like Meta would call it."""

    base: Path
    fixtures: Path = FIXTURES
    secrets: tuple[str, ...] = (FIRST, SECOND)
    parked: frozenset[str] = frozenset()
    channel: MetaChannel = field(init=False)
    sent: int = 0

    def __post_init__(self) -> None:
        self.channel = self.reopen()

    def reopen(self, clock: Callable[[], datetime] = lambda: NOW) -> MetaChannel:
        """Make the channel anew with both secrets."""
        return self._make(self.secrets, clock)

    def with_secrets(self, *secrets: str) -> MetaChannel:
        """Make the channel with other secrets."""
        return self._make(secrets, lambda: NOW)

    def _make(self, secrets: tuple[str, ...], clock: Callable[[], datetime]) -> MetaChannel:
        reader = Secrets(META_SECRET=",".join(secrets), META_TOKEN=TOKEN)
        options = MetaOptions(secret_env="META_SECRET", verify_token_env="META_TOKEN")
        return MetaChannel("meta", options, context(self.base, reader, clock))

    def body(self) -> bytes:
        """Return a message that no other body repeats."""
        self.sent += 1
        return envelope(text(f"wamid.{self.sent}"))

    def request(self, body: bytes, at: datetime = NOW, secret: str | None = None) -> HookRequest:
        """Sign a body as Meta does; the time is no part of it."""
        digest = hmac.digest((secret or FIRST).encode(), body, "sha256").hex()
        return HookRequest({"content-type": "application/json", "x-hub-signature-256": f"sha256={digest}"}, body)

    def receive(self) -> Captured:
        """Let a new message in by the door."""
        return self.channel.verify(self.request(self.body()))

    def broken(self) -> Captured:
        """Let a signed body in whose only message has a time that is none."""
        message = {**text("wamid.broken"), "timestamp": CANARY, CANARY: CANARY}
        return self.channel.verify(self.request(envelope(message)))

    def from_fixture(self, path: Path) -> Captured:
        """Let a payload in by the door."""
        return self.channel.verify(self.request(path.read_bytes()))

    def bad(self) -> Mapping[str, HookRequest]:
        """Return requests of which none is signed as Meta signs."""
        body = self.body()
        good = self.request(body)
        signature = good.headers["x-hub-signature-256"]
        headers = {
            name: {**good.headers, "x-hub-signature-256": value} for name, value in _bad(signature, body).items()
        }
        headers["no header"] = {"content-type": "application/json"}
        headers["the older header"] = {"x-hub-signature": signature}
        sha1 = hmac.digest(FIRST.encode(), body, "sha1").hex()
        headers["the older scheme"] = {"x-hub-signature": f"sha1={sha1}"}
        bodies = {
            "empty body": b"",
            "body serialised anew": json.dumps(json.loads(body)).encode(),
            "body without escapes": json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":")).encode(),
            "slashes without escapes": body.replace(b"\\/", b"/"),
            "body that is not UTF-8": b"\xff\xfe\xfd",
            "body with a byte order mark": b"\xef\xbb\xbf" + body,
            "body twice": body + body,
        }
        return {name: HookRequest(value, body) for name, value in headers.items()} | {
            name: HookRequest(good.headers, value) for name, value in bodies.items()
        }


def _bad(signature: str, body: bytes) -> dict[str, str]:
    digest = signature.removeprefix("sha256=")
    return {
        "empty": "",
        "only spaces": "   ",
        "no scheme": digest,
        "scheme alone": "sha256=",
        "scheme without sign": f"sha256{digest}",
        "upper case scheme": f"SHA256={digest}",
        "another scheme": f"sha512={digest}",
        "the older scheme's name": f"sha1={digest}",
        "upper case": f"sha256={digest.upper()}" if digest.upper() != digest else "sha256=",
        "cut": signature[:-1],
        "longer": signature + "0",
        "zeros": "sha256=" + "0" * 64,
        "twice": f"{signature},{signature}",
        "twice, as the door joins them": f"{signature}, {signature}",
        "a wrong one first": f"sha256={'0' * 64}, {signature}",
        "space before": f" {signature}",
        "space after": f"{signature} ",
        "space within": f"sha256= {digest}",
        "line end": f"{signature}\n",
        "NUL": f"{signature}\0",
        "not ASCII": "sha256=ключ",
        "other digits": "sha256=" + "๑" * 64,
        "lone surrogate": "sha256=\ud800",
        "no hexadecimal": "sha256=" + "g" * 64,
        "quoted": f'sha256="{digest}"',
        "prefix in hexadecimal": f"sha256=0x{digest[2:]}",
        "key of another app": "sha256=" + hmac.digest(OTHER.encode(), body, "sha256").hex(),
        "empty key": "sha256=" + hmac.digest(b"", body, "sha256").hex(),
        "hash without key": "sha256=" + sha256(body).hexdigest(),
        "both secrets as one": "sha256=" + hmac.digest(f"{FIRST},{SECOND}".encode(), body, "sha256").hex(),
        "too long": "sha256=" + "a" * 60_000,
    }


class TestMetaChannel(WebhookContract):
    """Meta's webhooks keep every promise of a channel that is called, but for the window, which Meta doesn't sign."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> MetaHarness:
        """Return a channel that waits for Meta."""
        return MetaHarness(tmp_path)

    def test_a_signature_made_elsewhere_is_accepted(self) -> None:
        """The escaped bytes of Meta's wire verify as they are; seen to fail with the body serialised anew."""
        body = (FIXTURES / "messenger" / "signed_wire_bytes.bin").read_bytes()
        meta = json.loads((FIXTURES / "messenger" / "signed_wire_bytes.meta.json").read_bytes())
        headers = {"x-hub-signature-256": meta["X-Hub-Signature-256"]}
        verify(headers, body, [b"of another app", meta["app_secret"].encode()])
        with pytest.raises(RejectedInput):
            verify(headers, json.dumps(json.loads(body)).encode(), [meta["app_secret"].encode()])

    def test_the_address_check_is_answered_to_who_knows_the_token(self, harness: MetaHarness) -> None:
        """The challenge comes back for the right token alone, and only as plain letters and digits."""
        channel = harness.channel
        assert isinstance(channel, Greeter)
        good = {"hub.mode": "subscribe", "hub.verify_token": TOKEN, "hub.challenge": "1158201444"}
        assert channel.greet(HookRequest({}, b"", good, "GET")) == Greeting("1158201444")
        wrong = [{key: value for key, value in good.items() if key != name} for name in good]
        for change in (
            {"hub.verify_token": TOKEN[:-1]}, {"hub.verify_token": TOKEN + "x"}, {"hub.verify_token": "ключ\ud800"},
            {"hub.verify_token": FIRST}, {"hub.mode": "unsubscribe"}, {"hub.challenge": "<script>"},
            {"hub.challenge": "1" * 129}, {"hub.challenge": "1\n"},
        ):  # fmt: skip
            wrong.append({**good, **change})
        for query in wrong:
            with pytest.raises(RejectedInput) as caught:
                channel.greet(HookRequest({}, b"", query, "GET"))
            assert caught.value.status == 403

    def test_no_address_check_raises_anything_else(self, harness: MetaHarness) -> None:
        """Whatever stands in the query, it is greeted in plain letters or is a 403."""
        names = st.sampled_from(["hub.mode", "hub.verify_token", "hub.challenge"])
        values = st.text(max_size=40) | st.sampled_from(
            ["subscribe", TOKEN, "115", "\ud800", "<b>", "1\r\nset-cookie: a"]
        )

        @given(st.dictionaries(names, values))
        def ask(query: dict[str, str]) -> None:
            try:
                greeting = harness.channel.greet(HookRequest({}, b"", query, "GET"))
            except RejectedInput as refused:
                assert refused.status == 403
                return
            assert query["hub.verify_token"] == TOKEN
            assert greeting is not None and greeting.text.isascii()
            assert greeting.text.replace("-", "a").replace("_", "a").isalnum()

        ask()

    def test_without_a_token_nobody_is_greeted(self, harness: MetaHarness) -> None:
        """Where no token is configured, an empty one is none; seen to fail with the empty text as a token."""
        options = MetaOptions(secret_env="META_SECRET")
        channel = MetaChannel("meta", options, context(harness.base, Secrets(META_SECRET=FIRST)))
        for token in ("", TOKEN):
            query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1"}
            with pytest.raises(RejectedInput):
                channel.greet(HookRequest({}, b"", query, "GET"))

    def test_what_is_never_read_is_refused_by_its_own_status(self, harness: MetaHarness) -> None:
        """A body over the limit, or a compressed one, is refused at the door with a status that says so."""
        options = MetaOptions(secret_env="META_SECRET", max_body_bytes=1_000)
        channel = MetaChannel("meta", options, context(harness.base, Secrets(META_SECRET=FIRST)))
        assert door(channel, harness.request(b"x" * 1_000)) is None
        assert door(channel, harness.request(b"x" * 1_001)) == 413
        request = harness.request(harness.body())
        assert door(harness.channel, HookRequest({**request.headers, "content-encoding": "gzip"}, request.body)) == 415

    @pytest.mark.parametrize("secret", ["short", "not plain é" * 3, "x" * 201])
    def test_a_weak_secret_refuses_to_start(self, harness: MetaHarness, secret: str) -> None:
        """A secret too short to be an app's, or of odd letters, is an error that doesn't show it."""
        with pytest.raises(ConfigError) as caught:
            harness.with_secrets(FIRST, secret)
        assert "channels.meta.secret_env" in str(caught.value)
        assert secret not in str(caught.value)


class TestMetaPages(PollContract):
    """What is asked of pages and their Instagram accounts keeps every promise of a channel that asks."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[PagesHarness]:
        """Return a channel with a page that a twin hands out."""
        with MetaTwin() as twin:
            yield PagesHarness(twin, tmp_path)
