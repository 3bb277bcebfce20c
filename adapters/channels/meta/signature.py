"""Who may speak as Meta: the signature over raw bytes, and the token of the address check.

Every doubt is the sender's error, never another one, because a 5xx would be sent again for days. The signature holds
no time, so an old request can be played again; it yields the same ids and adds nothing. Secrets are compared as bytes
and in constant time; a header that isn't ASCII would make `compare_digest` raise on text.

Source: Meta, "Webhooks: validating payloads", "Verification requests", 2026-11-22.
"""

import hmac
import re
from collections.abc import Mapping, Sequence

from sidecar.errors import ConfigError, RejectedInput

SECRET_CHARS = (16, 200)
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{1,128}")


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> None:
    """Return when one of the app secrets signed the body; else `RejectedInput` (401)."""
    signature = headers.get("x-hub-signature-256", "")
    if not _SIGNATURE.fullmatch(signature):
        raise RejectedInput("x-hub-signature-256 is missing or is not sha256= and 64 hexadecimal digits", status=401)
    given = signature.encode()
    matches = [hmac.compare_digest(sign(secret, body), given) for secret in secrets]
    if not any(matches):
        raise RejectedInput("x-hub-signature-256 matches no app secret", status=401)


def sign(secret: bytes, body: bytes) -> bytes:
    """Return the value of the header for a body."""
    return b"sha256=" + hmac.digest(secret, body, "sha256").hex().encode()


def greet(query: Mapping[str, str], tokens: Sequence[bytes]) -> str:
    """Return the challenge of an address check that knows the token; else `RejectedInput` (403).

    What is echoed is held to plain letters and digits, so that nobody can put words into our mouth.
    """
    given = query.get("hub.verify_token", "").encode(errors="replace")
    matches = [hmac.compare_digest(token, given) for token in tokens]
    challenge = query.get("hub.challenge", "")
    if not any(matches) or query.get("hub.mode") != "subscribe" or not _CHALLENGE.fullmatch(challenge):
        raise RejectedInput("the address check names no token of ours, or has no challenge", status=403)
    return challenge


def read_secrets(text: str, setting: str) -> tuple[bytes, ...]:
    """Read secrets parted by commas or white space; `ConfigError` on `setting`, without showing them."""
    words = [word for word in re.split(r"[,\s]+", text) if word]
    if not words:
        raise ConfigError("holds no secret; without one every request would be refused", setting=setting)
    low, high = SECRET_CHARS
    for word in words:
        if not (word.isascii() and word.isprintable() and low <= len(word) <= high):
            raise ConfigError(f"a secret has {low} to {high} plain characters, this one {len(word)}", setting=setting)
    return tuple(word.encode() for word in words)
