"""Gong's webhooks at the door: an automation rule's, with a signed token in a header that names address and body.

The token is signed with a key of Gong's alone, whose public half the rule's page shows; so there is no secret here. The
address in the token is compared with the configured one, lest what was signed for another receiver is posted here, and
the hash with that of the bytes as they came. What is told of a call is Gong's view of it and is never read.

Source: help.gong.io, "Create a webhook rule" and "Prepare your receiving application to receive a webhook - JWT
header", read 2026-11: RS256, the token alone in `Authorization`, claims `webhook_url` and `body_sha256` (hexadecimal);
the key is shown in base64, without the lines that begin and end a PEM. Some senders write `Bearer` before a token.
"""

import hmac
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from adapters.formats.signed_jws import check_times, refused, signed_payload
from adapters.http.options import is_loopback
from sidecar.errors import ConfigError, PermanentError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

HEADER = "authorization"
MAX_TOKEN_CHARS = 8_000
KEY_BITS = 2_048


def verify(
    headers: Mapping[str, str], body: bytes, keys: Sequence["RSAPublicKey"], url: str, now: datetime
) -> Mapping[str, Any]:
    """Check that Gong signed these bytes for this address; `RejectedInput` (401) for anything wrong with that."""
    token = headers.get(HEADER, "").removeprefix("Bearer ")
    if not token or len(token) > MAX_TOKEN_CHARS or not token.isascii():
        raise refused("is missing, or is none")
    try:
        claims = orjson.loads(signed_payload(token.encode(), keys, "RS256"))
    except orjson.JSONDecodeError:
        raise refused("claims nothing") from None
    if not isinstance(claims, dict):
        raise refused("claims nothing")
    if not _is(claims.get("body_sha256"), sha256(body).hexdigest()):
        raise refused("is for another body")
    if not _is(claims.get("webhook_url"), url):
        raise refused("is for another address than public_url")
    check_times(claims, now)
    return claims


def read_event(raw: bytes) -> Mapping[str, Any] | None:
    """Return what a webhook says of its call beside its words; None for what is no webhook of Gong's."""
    try:
        told = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    call = told.get("callData") if isinstance(told, dict) else None
    about = call.get("metaData") if isinstance(call, dict) else None
    return about if isinstance(about, dict) else None


def see(raw: bytes) -> None:
    """Look whether a webhook names a call."""
    if read_event(raw) is None:
        raise PermanentError("body is no webhook of Gong's: it has no callData.metaData")


def read_keys(text: str, setting: str) -> tuple["RSAPublicKey", ...]:
    """Read public keys, each a PEM or its base64 alone, several parted by commas; `ConfigError` on `setting`."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    parts = re.sub(r"-----(BEGIN|END) PUBLIC KEY-----", ",", text).split(",")
    keys = []
    for part in ("".join(part.split()) for part in parts):
        if not part:
            continue
        try:
            key = load_der_public_key(b64decode(part, validate=True))
        except Exception:  # the library names its errors after its own innards
            key = None
        if not isinstance(key, RSAPublicKey) or key.key_size < KEY_BITS:
            raise ConfigError(f"holds what is no public RSA key of {KEY_BITS} bits or more", setting=setting)
        keys.append(key)
    if not keys:
        raise ConfigError("holds no key; without one every webhook would be refused", setting=setting)
    return tuple(keys)


def called(url: str) -> str:
    """Return the address that the rule calls; `ValueError` for one that it couldn't."""
    parts = urlsplit(url)
    if url and (not parts.hostname or parts.username or parts.fragment or parts.path in ("", "/")):
        raise ValueError("public_url is this channel's whole address, such as https://example.com/hooks/gong")
    if url and parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ValueError("Gong calls https alone; http is for a twin on 127.0.0.1")
    return url


def _is(claim: Any, expected: str) -> bool:
    """Compare a claim in constant time."""
    return isinstance(claim, str) and hmac.compare_digest(claim.encode(), expected.encode())
