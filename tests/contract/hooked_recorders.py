"""The doors of Aircall, Dialpad and Gong as the contract needs them: what each posts, and what none of them would."""

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import jwt

from sidecar.ports import HookRequest
from tests.contract.channel import NOW
from tests.contract.recorders import FIRST, OTHER, RECENT, SECOND, RecorderHarness
from tests.twins.dialpad import enveloped
from tests.twins.gong import shown, signing_key

HOOK = "https://sidecar.ours.test/hooks/gong"


class AircallDoor(RecorderHarness):
    """Aircall posts a token within the body and signs nothing."""

    def request(self, body: bytes, at: datetime = NOW, secret: str | None = None) -> HookRequest:
        """Post an event, with a token."""
        told = {**json.loads(body), "token": secret or FIRST}
        return HookRequest({"content-type": "application/json"}, json.dumps(told).encode())

    def vouched(self, secret: str) -> Sequence[HookRequest]:
        """Return events with a token, spelt in several ways."""
        units, word = secret.encode("utf-16-be"), json.dumps(secret)
        escaped = "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
        bodies = (
            f'{{"token":{word},"event":"call.ended"}}',
            f'\r\n {{ "data" : {{"token": 7}},\t"event" : "user.opened", "token" : {word} }} \n',
            f'{{"token":"wrong","token":"{escaped}","event":null}}',
            f'{{"token":"{escaped}"}}',
        )
        return [HookRequest({}, body.encode()) for body in bodies]

    def bad(self) -> Mapping[str, HookRequest]:
        """Return requests of which none is what Aircall sends."""
        good = json.loads(self.body())
        bare = {name: value for name, value in good.items() if name != "token"}
        tokens: list[Any] = [
            "", " ", None, 0, 1, True, False, [], {}, [FIRST], {"a": FIRST}, FIRST[:-1], f"{FIRST} ", f" {FIRST}",
            f"{FIRST}\n", f"{FIRST}\0", FIRST.upper(), FIRST * 2, f"{FIRST},{SECOND}", OTHER, "ключ", "\uff11" * 20,
            FIRST[::-1], "x" * 100_000,
        ]  # fmt: skip
        told: dict[str, Any] = {f"token {token!r:.40}": {**bare, "token": token} for token in tokens}
        told |= {
            "no token": bare,
            "token in the data": {**bare, "data": {"token": FIRST}},
            "token in another case of name": {**bare, "Token": FIRST},
            "a list": [{**bare, "token": FIRST}],
            "a text": FIRST,
        }
        spelt = json.dumps({**bare, "token": FIRST}).encode()
        raw = {
            "empty": b"",
            "cut": spelt[:-1],
            "twice": spelt * 2,
            "byte order mark": b"\xef\xbb\xbf" + spelt,
            "other encoding": spelt.decode().encode("utf-16"),
            "not text": b"\x00\xff",
            "deep": b"[" * 100_000,
            "form": b"token=" + FIRST.encode(),
            "lone surrogate": b'{"token":"\\ud800"}',
            "number": b"1e999999",
            "wrong one last": spelt[:-1] + b',"token":"wrong"}',
        }
        beside = HookRequest({"authorization": FIRST, "x-aircall-token": FIRST}, json.dumps(bare).encode())
        table = {name: HookRequest({}, json.dumps(body).encode()) for name, body in told.items()}
        return table | {f"body: {name}": HookRequest({}, body) for name, body in raw.items()} | {"in a header": beside}


class DialpadDoor(RecorderHarness):
    """Dialpad posts a token and nothing beside it."""

    def told(self, secrets: tuple[str, ...], token: str) -> dict[str, str]:
        """Return the secrets by their variables; these tokens want long ones."""
        return {"SECRET": ",".join(secret + secret for secret in secrets), "TOKEN": token}

    def body(self) -> bytes:
        """Return an event before it is signed."""
        self.sent += 1
        event: bytes = self.twin.event(self.twin.meets(RECENT + timedelta(seconds=self.sent)), NOW)
        return event

    def request(self, body: bytes, at: datetime = NOW, secret: str | None = None) -> HookRequest:
        """Sign an event, which says nothing of when it was signed."""
        return HookRequest({"content-type": "application/jwt"}, enveloped(body, (secret or FIRST) * 2))

    def bad(self) -> Mapping[str, HookRequest]:
        """Return requests of which none is what Dialpad sends."""
        event = self.body()
        good = self.request(event).body
        head, payload, signature = good.split(b".")
        at = int(NOW.timestamp())
        times: list[dict[str, Any]] = [
            {"exp": at - 301}, {"exp": "soon"}, {"exp": None}, {"exp": True}, {"iat": at + 301}, {"iat": []},
            {"nbf": at + 301},
        ]  # fmt: skip
        bodies = {f"times {told}": self.request(json.dumps(told).encode()).body for told in times}
        heads: list[Any] = [
            {}, {"typ": "JWT"}, {"alg": "none"}, {"alg": "hs256"}, {"alg": "HS384"}, {"alg": "RS256"}, {"alg": None},
            {"alg": ["HS256"]}, {"alg": "HS256", "b64": False, "crit": ["b64"]}, [], "HS256",
        ]  # fmt: skip
        bodies |= {f"head {head}": sealed(json.dumps(head).encode(), event) for head in heads}
        bodies |= {
            "another tenant's": enveloped(event, OTHER * 2),
            "without a key": enveloped(event, "", "none"),
            "a longer hash": sealed(b'{"alg":"HS512"}', event, "sha512"),
            "the secret once": enveloped(event, FIRST + "." * 40),
            "head that is none": sealed(b"{", event),
            "plain": event,
            "empty": b"",
            "quoted": json.dumps(good.decode()).encode(),
            "in JSON": json.dumps({"payload": payload.decode(), "signatures": [signature.decode()]}).encode(),
            "a form": b"token=" + good,
            "bearer": b"Bearer " + good,
            "no signature": head + b"." + payload + b".",
            "two parts": head + b"." + payload,
            "four parts": good + b"." + signature,
            "points": b"..",
            "another event": head + b"." + base64.urlsafe_b64encode(b'{"call_id":1}').rstrip(b"=") + b"." + signature,
            "another spelling": good[:-1] + neighbour(good[-1:]),
            "filled up": good + b"=",
            "junk within": good[:-9] + b"!" + good[-9:],
            "a line end": good + b"\n",
            "a space before": b" " + good,
            "cut": good[:-1],
            "twice": good + good,
            "byte order mark": b"\xef\xbb\xbf" + good,
            "other encoding": good.decode().encode("utf-16"),
            "not text": b"\x00\xff.\x00.\x00",
            "deep": b"[" * 100_000,
        }
        table = {name: HookRequest({"content-type": "application/jwt"}, body) for name, body in bodies.items()}
        return table | {"in a header": HookRequest({"authorization": f"Bearer {good.decode()}"}, event)}


class GongDoor(RecorderHarness):
    """Gong signs a token with a key of its own, here one for each secret's name."""

    def told(self, secrets: tuple[str, ...], token: str) -> dict[str, str]:
        """Return the public keys by their variable."""
        keys = (shown(signing_key(secret)) if secret.strip(" ,") else secret for secret in secrets)
        return {"SECRET": ",".join(keys), "TOKEN": token}

    def request(self, body: bytes, at: datetime = NOW, secret: str | None = None) -> HookRequest:
        """Sign a body for our address, without a time."""
        return HookRequest({"authorization": token_of(claims_of(body), secret or FIRST)}, body)

    def bad_headers(self, good: Mapping[str, str], body: bytes) -> dict[str, dict[str, str]]:
        """Return heads of which none is right for a body."""
        right, claims, at = good["authorization"], claims_of(body), int(NOW.timestamp())
        digest = claims["body_sha256"]
        urls = (
            f"{HOOK}/",
            HOOK.replace("https", "http"),
            HOOK.upper(),
            "",
            None,
            [HOOK],
            "https://evil.test/hooks/gong",
        )
        digests = ("", None, [digest], digest.upper(), digest[:-1], f"{digest} ", sha256(b"").hexdigest(), 7)
        times: list[dict[str, Any]] = [
            {"exp": at - 301}, {"exp": "soon"}, {"exp": True}, {"iat": at + 301}, {"nbf": at + 301},
        ]  # fmt: skip
        tokens = {f"url {url}": token_of({**claims, "webhook_url": url}) for url in urls}
        tokens |= {f"digest {told}": token_of({**claims, "body_sha256": told}) for told in digests}
        tokens |= {f"times {told}": token_of({**claims, **told}) for told in times}
        public, payload = shown(signing_key(FIRST)), json.dumps(claims).encode()
        tokens |= {
            "another tenant's": token_of(claims, OTHER),
            "without a key": jwt.encode(claims, "", algorithm="none"),
            "the public key as a secret": jwt.encode(claims, public, algorithm="HS256"),
            "a longer hash": jwt.encode(claims, signing_key(FIRST), algorithm="RS512"),
            "another padding": jwt.encode(claims, signing_key(FIRST), algorithm="PS256"),
            "claims of a list": signed([claims]),
            "claims of a text": signed("claims"),
            "no claims": signed({}),
            "half the claims": signed({"body_sha256": digest}),
            "the claims alone": payload.decode(),
            "empty": "",
            "a space": " ",
            "Bearer": "Bearer ",
            "two spaces": f"Bearer  {right}",
            "Basic": f"Basic {right}",
            "twice": f"{right}, {right}",
            "cut": right[:-1],
            "longer": f"{right}AAAA",
            "filled up": f"{right}==",
            "no signature": right.rpartition(".")[0] + ".",
            "two parts": right.rpartition(".")[0],
            "four parts": f"{right}.{right}",
            "not ASCII": f"{right}é",
            "wide digits": "\uff11" * 40,
            "lone surrogate": "\ud800",
            "NUL": f"{right}\0",
            "line end": f"{right}\n",
            "very long": right + "A" * 10_000,
        }
        heads = {f"token: {name}": {**good, "authorization": token} for name, token in tokens.items()}
        return heads | {"no headers": {}, "another header": {"x-gong-signature": right}}


def claims_of(body: bytes) -> dict[str, Any]:
    """Return what Gong signs of a body."""
    return {"webhook_url": HOOK, "body_sha256": sha256(body).hexdigest()}


def token_of(claims: Mapping[str, Any], name: str = FIRST) -> str:
    """Sign claims with the key of a name."""
    return signed(dict(claims), name)


def signed(payload: Any, name: str = FIRST) -> str:
    """Sign whatever can be written as JSON."""
    return jwt.PyJWS().encode(json.dumps(payload).encode(), signing_key(name), algorithm="RS256")


def sealed(head: bytes, payload: bytes, digest: str = "sha256") -> bytes:
    """Sign a head of our own making with the right secret."""
    told = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (head, payload))
    return told + b"." + base64.urlsafe_b64encode(hmac.digest((FIRST * 2).encode(), told, digest)).rstrip(b"=")


def neighbour(character: bytes) -> bytes:
    """Return the character that differs in a bit which nobody reads at the end of 32 bytes."""
    order = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return bytes([order[order.index(character) ^ 1]])
