"""Zoom's signatures, and the question by which it asks whose address this is.

HMAC-SHA256 in hexadecimal over `v0:timestamp:body`, the body as it came: Zoom's own sample serialises JSON anew, which
is another body. The question is signed like every other request, and is answered only then: who could have any text
signed with the secret could have requests of his own signed. For the same reason only what looks like Zoom's plain
token is. The timestamp is digits alone, so its border can't be moved.

Source: developers.zoom.us "Using webhooks" (verify webhook events; validate your webhook endpoint), read 2026-11: the
question comes when the address is saved and every 72 hours, and is answered within 3 s.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from adapters.formats.signed_hex import check_signature, check_time
from sidecar.errors import RejectedInput
from sidecar.ports import Greeting

STAMP, SIGNATURE = "x-zm-request-timestamp", "x-zm-signature"
VALIDATION = "endpoint.url_validation"
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,200}")


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes], now: datetime) -> None:
    """Refuse a request that none of the secrets signed within the last, or next, 300 s."""
    stamp = headers.get(STAMP, "")
    check_time(STAMP, stamp, now)
    check_signature(SIGNATURE, headers.get(SIGNATURE, ""), "v0=", f"v0:{stamp}:".encode() + body, secrets)


def validation(told: Mapping[str, Any], secret: bytes) -> Greeting:
    """Answer the question whose address this is; the newest secret signs."""
    payload = told.get("payload")
    plain = payload.get("plainToken") if isinstance(payload, dict) else None
    if not isinstance(plain, str) or not _PLAIN.fullmatch(plain):
        raise RejectedInput("payload.plainToken is none of Zoom's", status=400)
    answer = {"plainToken": plain, "encryptedToken": hmac.new(secret, plain.encode(), "sha256").hexdigest()}
    return Greeting(orjson.dumps(answer).decode(), "application/json")


def read_event(body: bytes) -> Mapping[str, Any] | None:
    """Return a body's object with its event, None for what is none."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return told if isinstance(told, dict) and isinstance(told.get("event"), str) else None
