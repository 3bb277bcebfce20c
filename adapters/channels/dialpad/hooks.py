"""Dialpad's events at the door: the whole body is a token that Dialpad signed with the secret of its webhook.

Without a secret Dialpad posts plain JSON, which anybody could; so that is refused. A secret has 32 characters at least,
as the standard of these tokens demands of its algorithm (RFC 7518, 3.2). What Dialpad signs says nothing of when it was
signed; where it does say so, that counts.

Source: developers.dialpad.com, "Event Subscriptions" (JWT, HS256) and "Webhook Delivery Failures", read 2026-11: 5 s to
answer, a 5xx is sent again after 2, 4 and 8 s, a 4xx never.
"""

from base64 import urlsafe_b64decode
from collections.abc import Sequence
from datetime import datetime

import orjson

from adapters.formats.signed_jws import check_times, signed_payload
from sidecar.errors import PermanentError

SECRET_CHARS = 32


def verify(body: bytes, secrets: Sequence[bytes], now: datetime) -> bytes:
    """Return the event that a body holds; `RejectedInput` (401) where none of the secrets signed it."""
    told = signed_payload(body, secrets, "HS256")
    try:
        claims = orjson.loads(told)
    except orjson.JSONDecodeError:
        return told  # it is kept, and parked by `see`
    if isinstance(claims, dict):
        check_times(claims, now)
    return told


def see(raw: bytes) -> None:
    """Look whether a token holds an event, whichever it is; nothing else is read in it."""
    part = raw.split(b".")[1] if raw.count(b".") == 2 else b""
    try:
        event = orjson.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except ValueError:
        event = None
    if not isinstance(event, dict) or not event:
        raise PermanentError("body is no event of Dialpad's")
