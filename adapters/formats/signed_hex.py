"""Signatures in hexadecimal over raw bytes, as several vendors send them: an HMAC, a prefix, perhaps a time. Pure.

Every doubt about a request is a 401 and never another error, because a 5xx would be sent again for days. The prefix is
the vendor's, the digits are small letters; compared in constant time, against each of several secrets, so that they can
be changed. A time is in whole seconds and signed with the body.
"""

import hmac
import re
from collections.abc import Sequence
from datetime import datetime

from sidecar.errors import ConfigError, RejectedInput

TOLERANCE_S = 300
MIN_SECRET_CHARS = 16

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_DIGITS = re.compile(r"[0-9a-f]+")
_LENGTHS = {"sha256": 64, "sha1": 40}


def check_signature(
    header: str, given: str, prefix: str, signed: bytes, secrets: Sequence[bytes], algorithm: str = "sha256"
) -> None:
    """Refuse what none of the secrets signed; `header` is the name that the refusal says."""
    digits, length = given.removeprefix(prefix), _LENGTHS[algorithm]
    if not given.startswith(prefix) or len(digits) != length or not _DIGITS.fullmatch(digits):
        raise RejectedInput(f"{header} is missing or is not {prefix} and {length} hexadecimal digits", status=401)
    told = bytes.fromhex(digits)
    matches = [hmac.compare_digest(hmac.digest(secret, signed, algorithm), told) for secret in secrets]
    if not any(matches):
        raise RejectedInput(f"{header} matches no secret", status=401)


def check_time(header: str, given: str, now: datetime) -> None:
    """Refuse a time that is none, or more than 300 s from now."""
    if not _TIMESTAMP.fullmatch(given) or abs(now.timestamp() - int(given)) > TOLERANCE_S:
        raise RejectedInput(f"{header} is missing, or more than {TOLERANCE_S} s from now", status=401)


def read_secrets(text: str, setting: str, *, min_chars: int = MIN_SECRET_CHARS) -> tuple[bytes, ...]:
    """Read secrets parted by commas or white space, as a vendor shows them; `ConfigError` on `setting`."""
    secrets = tuple(word.encode() for word in re.split(r"[,\s]+", text) if word)
    if not secrets:
        raise ConfigError("holds no secret; without one every request would be refused", setting=setting)
    if any(len(secret) < min_chars for secret in secrets):
        raise ConfigError(f"a secret has at least {min_chars} characters", setting=setting)
    return secrets
