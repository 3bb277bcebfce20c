"""Signatures of JSON Web Tokens: one algorithm, several keys, and a payload that may be anything. Pure.

Every doubt about a token is a 401 and never another error, because a 5xx would be sent again for days. Base64 leaves
room: unused bits of a last character, and characters that a lenient reader passes over. Where a token is the whole body
it would have as many spellings as somebody likes, each a delivery of its own; so what isn't spelt as the standard says
is refused. Times count where there are any: what ends has ended five minutes later, and nothing comes from the future.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from sidecar.errors import RejectedInput

TOLERANCE_S = 300
_PART = re.compile(rb"[A-Za-z0-9_-]*")


def signed_payload(token: bytes, keys: Sequence[Any], algorithm: Literal["HS256", "RS256"]) -> bytes:
    """Return what one of the keys signed, as it came; `RejectedInput` (401) for what none of them did."""
    import jwt

    parts = token.split(b".")
    if len(parts) != 3 or not all(_is_spelt_well(part) for part in parts):
        raise refused("is none")
    judge = jwt.PyJWS(algorithms=[algorithm])
    found: list[bytes] = []
    for key in keys:
        try:
            found.append(judge.decode_complete(token, key, algorithms=[algorithm])["payload"])
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
    if not found:
        raise refused("is signed with another key, or in another way")
    return found[0]


def check_times(claims: Mapping[str, Any], now: datetime) -> None:
    """Refuse a token that has ended or comes from the future, as far as it says when."""
    at = now.timestamp()
    for name, sign in (("exp", 1), ("nbf", -1), ("iat", -1)):
        if name not in claims:
            continue
        told = claims[name]
        if not isinstance(told, int | float) or isinstance(told, bool) or sign * (at - told) > TOLERANCE_S:
            raise refused("is out of time")


def refused(why: str) -> RejectedInput:
    """Return the refusal of a token."""
    return RejectedInput(f"the token {why}", status=401)


def _is_spelt_well(part: bytes) -> bool:
    """Say whether a part is spelt in the one way in which its bytes are written."""
    if len(part) % 4 == 1 or not _PART.fullmatch(part):
        return False
    return urlsafe_b64encode(urlsafe_b64decode(part + b"=" * (-len(part) % 4))).rstrip(b"=") == part
