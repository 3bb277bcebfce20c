"""The generic webhook under the contract, with the Standard Webhooks package as the judge of signatures."""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from adapters.channels.webhook import WebhookChannel, WebhookOptions
from sidecar.errors import ConfigError
from sidecar.ports import Captured, HookRequest
from tests.contract.channel import CANARY, NOW, Secrets, WebhookContract, context, door

FIXTURES = Path(__file__).parent.parent / "fixtures" / "webchat_generic"
FIRST = "whsec_" + base64.b64encode(b"the first secret of the contract").decode()
SECOND = "whsec_" + base64.b64encode(b"the second secret of a rotation.").decode()
OTHER = "whsec_" + base64.b64encode(b"the secret of another tenant ...").decode()


@dataclass
class GenericHarness:
    """A webhook with two secrets, called like a sender would call it."""

    base: Path
    fixtures: Path = FIXTURES
    secrets: tuple[str, ...] = (FIRST, SECOND)
    parked: frozenset[str] = frozenset(
        {
            "composed_unknown_type.json",
            "composed_outbound_without_customer.json",
            "composed_time_without_offset.json",
        }
    )
    channel: WebhookChannel = field(init=False)
    sent: int = 0

    def __post_init__(self) -> None:
        self.channel = self.reopen()

    def reopen(self, clock: Callable[[], datetime] = lambda: NOW) -> WebhookChannel:
        """Make the channel anew with both secrets."""
        return self._make(self.secrets, clock)

    def with_secrets(self, *secrets: str) -> WebhookChannel:
        """Make the channel with other secrets."""
        return self._make(secrets, lambda: NOW)

    def _make(self, secrets: tuple[str, ...], clock: Callable[[], datetime]) -> WebhookChannel:
        reader = Secrets(WEB_SECRET=",".join(secrets))
        return WebhookChannel("web", WebhookOptions(secret_env="WEB_SECRET"), context(self.base, reader, clock))

    def body(self) -> bytes:
        """Return a message that no other body repeats."""
        self.sent += 1
        event = json.loads((FIXTURES / "composed_message_created.json").read_bytes())
        event["data"]["message_id"] = f"w-{self.sent}"
        return json.dumps(event, ensure_ascii=False).encode()

    def request(self, body: bytes, at: datetime = NOW, secret: str | None = None) -> HookRequest:
        """Sign a body as the standard says."""
        return signed(f"msg_{self.sent}", str(int(at.timestamp())), body, secret or FIRST)

    def receive(self) -> Captured:
        """Let a new message in by the door."""
        return self.channel.verify(self.request(self.body()))

    def broken(self) -> Captured:
        """Let a signed body in that names no writer and has a time that is none."""
        event = json.loads(self.body())
        event["data"] |= {"sent_at": CANARY, "sender": {"role": CANARY}, CANARY: CANARY}
        return self.channel.verify(self.request(json.dumps(event).encode()))

    def from_fixture(self, path: Path) -> Captured:
        """Let a payload in by the door."""
        return self.channel.verify(self.request(path.read_bytes()))

    def bad(self) -> Mapping[str, HookRequest]:
        """Return requests of which none is what the standard asks for."""
        body = self.body()
        good = self.request(body)
        return {name: HookRequest(headers, body) for name, headers in bad_headers(good.headers, body).items()} | {
            "empty body": HookRequest(good.headers, b""),
            "body serialised anew": HookRequest(good.headers, json.dumps(json.loads(body), indent=1).encode()),
            "body in other escapes": HookRequest(good.headers, json.dumps(json.loads(body)).encode()),
            "body that is not UTF-8": HookRequest(good.headers, b"\xff\xfe\xfd"),
            "body with a byte order mark": HookRequest(good.headers, b"\xef\xbb\xbf" + body),
            "body twice": HookRequest(good.headers, body + body),
        }


def signed(key: str, timestamp: str, body: bytes, secret: str) -> HookRequest:
    """Sign raw bytes by the standard, for bodies that the judge's own package can't sign (it takes text alone)."""
    secret_bytes = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(secret_bytes, f"{key}.{timestamp}.".encode() + body, "sha256")
    return HookRequest(
        {
            "content-type": "application/json",
            "webhook-id": key,
            "webhook-timestamp": timestamp,
            "webhook-signature": "v1," + base64.b64encode(digest).decode(),
        },
        body,
    )


def bad_headers(good: Mapping[str, str], body: bytes) -> dict[str, dict[str, str]]:
    """Return heads of which none is right for a body."""
    key, stamp, signature = (good[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    encoded = signature.removeprefix("v1,")
    signatures = {
        "empty signature": "",
        "only spaces": "   ",
        "no version": encoded,
        "version without signature": "v1,",
        "version without comma": "v1",
        "upper case version": f"V1,{encoded}",
        "another version": f"v2,{encoded}",
        "asymmetric version": f"v1a,{encoded}",
        "two commas": f"v1,,{encoded}",
        "signature twice in one": f"v1,{encoded},v1,{encoded}",
        "truncated": signature[:-4],
        "without padding": signature.rstrip("="),
        "more padding": signature + "==",
        "upper case": f"v1,{encoded.upper()}",
        "url-safe alphabet": f"v1,{'-_' + encoded[2:]}",
        "hexadecimal": f"v1,{base64.b64decode(encoded).hex()}",
        "not base64": "v1,!!!!",
        "not ASCII": "v1,ключ",
        "lone surrogate": "v1,\ud800",
        "NUL": f"v1,{encoded}\0",
        "line end": f"v1,{encoded}\n",
        "tab instead of space": f"v1,AAAA\tv1,{encoded}",
        "another prefix": f"sha256={encoded}",
        "key of another tenant": signed(key, stamp, body, OTHER).headers["webhook-signature"],
        "signed without the id": signed("", stamp, body, FIRST).headers["webhook-signature"],
        "signed for another time": signed(key, str(int(stamp) - 1), body, FIRST).headers["webhook-signature"],
        "too long": " ".join([f"v1,{'A' * 43}="] * 50) + f" {signature}",
    }
    ids = {"empty id": "", "another id": "msg_other", "id with a full stop": f"{key}.x", "id not ASCII": "é" * 5}
    ids |= {"long id": "m" * 201, "id with a space": f"{key} ", "id with a line end": f"{key}\n"}
    stamps = {
        "empty time": "",
        "time in words": "now",
        "time with a fraction": f"{stamp}.0",
        "time not a number": "nan",
    }
    stamps |= {"infinite time": "inf", "negative time": f"-{stamp}", "signed time": f"+{stamp}", "Thai digits": "๑๗๙"}
    stamps |= {"milliseconds": f"{stamp}000", "huge time": "9" * 400, "underscored time": f"{stamp[:3]}_{stamp[3:]}"}
    stamps |= {"zero": "0", "time with a space": f" {stamp}", "exponent": "1e9"}
    table = {f"signature: {name}": {**good, "webhook-signature": value} for name, value in signatures.items()}
    table |= {f"id: {name}": {**good, "webhook-id": value} for name, value in ids.items()}
    table |= {f"time: {name}": {**good, "webhook-timestamp": value} for name, value in stamps.items()}
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        table[f"no {name}"] = {other: value for other, value in good.items() if other != name}
    table["no headers"] = {}
    table["headers of another scheme"] = {"svix-id": key, "svix-timestamp": stamp, "svix-signature": signature}
    return table


class TestWebhookChannel(WebhookContract):
    """The generic webhook keeps every promise of a channel that is called."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> GenericHarness:
        """Return a webhook that waits for its sender."""
        return GenericHarness(tmp_path)

    def test_the_judge_signs_what_we_accept(self, harness: GenericHarness) -> None:
        """A request signed by the Standard Webhooks package gets in, so ours is not a dialect of its own."""
        body = harness.body()
        signature = Webhook(SECOND).sign("msg_judge", NOW, body.decode())
        headers = {"webhook-id": "msg_judge", "webhook-timestamp": str(int(NOW.timestamp()))}
        captured = harness.channel.verify(HookRequest({**headers, "webhook-signature": signature}, body))
        assert captured.key == "msg_judge"

    def test_a_signature_made_elsewhere_is_accepted(self, harness: GenericHarness) -> None:
        """The recorded request, signed outside this project, verifies over its exact bytes."""
        meta = json.loads((FIXTURES / "composed_message_created.meta.json").read_bytes())
        channel = harness.with_secrets(OTHER, meta.pop("secret"))
        body = (FIXTURES / "composed_message_created.json").read_bytes()
        assert channel.verify(HookRequest(meta, body)).key == meta["webhook-id"]

    def test_one_good_signature_among_others_is_enough(self, harness: GenericHarness) -> None:
        """A sender that changes its key signs with both; unknown versions beside them are no error."""
        request = harness.request(harness.body())
        for others in ("v1a,AAAA {}", "{} v1,AAAA", "garbage {}", "v1, {}"):
            signatures = others.format(request.headers["webhook-signature"])
            headers = {**request.headers, "webhook-signature": signatures}
            assert door(harness.channel, HookRequest(headers, request.body)) is None

    def test_borders_inside_the_signed_text_cant_be_moved(self, harness: GenericHarness) -> None:
        """A body that holds `.time.body` can't be cut there into another request; seen to fail with dots in ids."""
        stamp = str(int(NOW.timestamp()))
        inner = b'{"type":"booking.attended"}'
        outer = signed("msg_1", "1000000000", b"hello." + stamp.encode() + b"." + inner, FIRST)
        forged = {**outer.headers, "webhook-id": "msg_1.1000000000.hello", "webhook-timestamp": stamp}
        assert door(harness.channel, HookRequest(forged, inner)) == 401

    def test_what_is_never_read_is_refused_by_its_own_status(self, harness: GenericHarness) -> None:
        """A body over the limit, or a compressed one, is refused at the door with a status that says so."""
        options = WebhookOptions(secret_env="WEB_SECRET", max_body_bytes=1_000)
        channel = WebhookChannel("web", options, context(harness.base, Secrets(WEB_SECRET=FIRST)))
        assert door(channel, harness.request(b"x" * 1_000)) is None
        assert door(channel, harness.request(b"x" * 1_001)) == 413
        request = harness.request(harness.body())
        for encoding, expected in (("gzip", 415), ("GZIP", 415), ("identity", None), ("", None)):
            headers = {**request.headers, "content-encoding": encoding}
            assert door(harness.channel, HookRequest(headers, request.body)) == expected

    @pytest.mark.parametrize(
        "secret", ["whsec_", "plain text!", "whsec_c2hvcnQ=", base64.b64encode(b"x" * 65).decode()]
    )
    def test_a_weak_or_unreadable_secret_refuses_to_start(self, harness: GenericHarness, secret: str) -> None:
        """A secret that is no base64, or of another length than the standard's, is an error that doesn't show it."""
        with pytest.raises(ConfigError) as caught:
            harness.with_secrets(FIRST, secret)
        assert "channels.web.secret_env" in str(caught.value)
        assert secret == "whsec_" or secret not in str(caught.value)

    def test_secrets_may_stand_in_a_file_one_a_line(self, harness: GenericHarness) -> None:
        """A secret file with several lines holds several secrets."""
        options = WebhookOptions(secret_file="web.secret")
        reader = Secrets(**{"web.secret": f"{FIRST}\n{SECOND}\n"})
        channel = WebhookChannel("web", options, context(harness.base, reader))
        for secret in (FIRST, SECOND):
            assert door(channel, harness.request(harness.body(), secret=secret)) is None

    def test_a_name_that_is_a_kind_of_identifier_is_refused(self, harness: GenericHarness) -> None:
        """A channel called `email` would mix its visitors' ids up with addresses, so it isn't made."""
        for name in ("email", "phone", "domain"):
            with pytest.raises(ConfigError):
                WebhookChannel(name, harness.channel.options, context(harness.base, Secrets(WEB_SECRET=FIRST)))
