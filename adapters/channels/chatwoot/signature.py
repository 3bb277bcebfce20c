"""Chatwoot's signatures, checked on the raw bytes: HMAC-SHA256 in hexadecimal over `timestamp.body`.

Anything wrong with a request is a 401, never another error. The header `X-Chatwoot-Delivery` is not signed, so nothing
hangs on it: a delivery's identity is the hash of its bytes, which a retry repeats. The timestamp is digits alone, so
the first full stop of the signed text is its border and can't be moved.

Source: Chatwoot's webhooks since the secret of each webhook, read 2026-11; older servers sign nothing, and what they
send is refused here: the poll reads them.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from sidecar.errors import ConfigError, RejectedInput

TOLERANCE_S = 300
MIN_SECRET_CHARS = 16

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes], now: datetime) -> None:
    """Refuse a request that none of the secrets signed within the last, or next, 300 s."""
    timestamp = headers.get("x-chatwoot-timestamp", "")
    signature = headers.get("x-chatwoot-signature", "")
    if not _TIMESTAMP.fullmatch(timestamp) or abs(now.timestamp() - int(timestamp)) > TOLERANCE_S:
        raise RejectedInput(f"x-chatwoot-timestamp is missing, or more than {TOLERANCE_S} s from now", status=401)
    if not _SIGNATURE.fullmatch(signature):
        raise RejectedInput("x-chatwoot-signature is missing or is not sha256= and 64 hexadecimal digits", status=401)
    signed, given = timestamp.encode() + b"." + body, bytes.fromhex(signature[7:])
    matches = [hmac.compare_digest(hmac.digest(secret, signed, "sha256"), given) for secret in secrets]
    if not any(matches):
        raise RejectedInput("x-chatwoot-signature matches no secret", status=401)


def read_secrets(text: str, setting: str) -> tuple[bytes, ...]:
    """Read secrets parted by commas or white space, as Chatwoot shows them; `ConfigError` on `setting`."""
    secrets = tuple(word.encode() for word in re.split(r"[,\s]+", text) if word)
    if not secrets:
        raise ConfigError("holds no secret; without one every request would be refused", setting=setting)
    if any(len(secret) < MIN_SECRET_CHARS for secret in secrets):
        raise ConfigError(f"a secret of Chatwoot's has at least {MIN_SECRET_CHARS} characters", setting=setting)
    return secrets
