"""Standard Webhooks signatures, checked on the raw bytes.

Anything wrong with a request is the sender's to mend: every doubt is a 401, never another error, because a 5xx would be
sent again for days. The check is ours and not the `standardwebhooks` package's: that one decodes the body before it has
verified it, asks the system's clock, and raises four kinds of errors on bad input. The tests hold it as the judge.

An id may hold no full stop. The signed text is `id.timestamp.body`, so an id with one could move the borders and pass
off the middle of an old body, which a customer may have written, as a body of its own.

Source: Standard Webhooks 1.0, 2026-11-22: HMAC-SHA256, secrets of 24 to 64 bytes, several signatures in one header.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from sidecar.errors import ConfigError, RejectedInput

TOLERANCE_S = 300
MAX_HEADER_CHARS = 2_000
PREFIX = "whsec_"
SECRET_BYTES = (24, 64)

_ID = re.compile(r"[A-Za-z0-9_:-]{1,200}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes], now: datetime) -> str:
    """Return the id of a request that one of the secrets signed within the last, or next, 300 s."""
    delivery = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "")
    if not _ID.fullmatch(delivery):
        raise RejectedInput("webhook-id is missing or is not 1 to 200 of A-Z a-z 0-9 _ : -", status=401)
    if not _TIMESTAMP.fullmatch(timestamp) or abs(now.timestamp() - int(timestamp)) > TOLERANCE_S:
        raise RejectedInput(f"webhook-timestamp is missing, or more than {TOLERANCE_S} s from now", status=401)
    if not signatures or len(signatures) > MAX_HEADER_CHARS:
        raise RejectedInput("webhook-signature is missing or too long", status=401)
    given = [signature.encode(errors="replace") for signature in signatures.split(" ")]
    signed = f"{delivery}.{timestamp}.".encode() + body
    matches = [hmac.compare_digest(_sign(secret, signed), signature) for secret in secrets for signature in given]
    if not any(matches):
        raise RejectedInput("webhook-signature matches no secret", status=401)
    return delivery


def read_secrets(text: str, setting: str) -> tuple[bytes, ...]:
    """Read secrets parted by commas or white space, base64 with or without `whsec_`; `ConfigError` on `setting`."""
    secrets = tuple(_read_secret(word, setting) for word in re.split(r"[,\s]+", text) if word)
    if not secrets:
        raise ConfigError("holds no secret; without one every request would be refused", setting=setting)
    return secrets


def _read_secret(word: str, setting: str) -> bytes:
    encoded = word.removeprefix(PREFIX)
    try:
        secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(f"a secret is base64, as a rule with {PREFIX} before it", setting=setting) from None
    low, high = SECRET_BYTES
    if not low <= len(secret) <= high:
        raise ConfigError(f"a secret has {low} to {high} bytes, this one {len(secret)}", setting=setting)
    return secret


def _sign(secret: bytes, signed: bytes) -> bytes:
    return b"v1," + base64.b64encode(hmac.digest(secret, signed, "sha256"))
