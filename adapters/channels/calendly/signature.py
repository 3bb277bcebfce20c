"""Calendly's signatures: `t=seconds,v1=digits`, HMAC-SHA256 in hexadecimal over `t.body`, the body as it came.

Anything wrong with a request is a 401, never another error. The time is digits alone, so the first full stop of what is
signed is its border and can't be moved.

Source: developer.calendly.com, "Webhook signatures", read 2026-11.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from adapters.formats.signed_hex import check_signature, check_time
from sidecar.errors import RejectedInput

HEADER = "calendly-webhook-signature"
_FORM = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes], now: datetime) -> None:
    """Refuse a request that none of the keys signed within the last, or next, 300 s."""
    found = _FORM.fullmatch(headers.get(HEADER, ""))
    if found is None:
        raise RejectedInput(f"{HEADER} is missing or is not t=seconds,v1=64 hexadecimal digits", status=401)
    stamp, digits = found.groups()
    check_time(HEADER, stamp, now)
    check_signature(HEADER, digits, "", stamp.encode() + b"." + body, secrets)
