"""Requests of people, by way of Meta, to have their data deleted: verified, answered, and left to a person to do.

Meta posts a form with a signed request to the same address, and wants a link and a code by which whoever asked can look
what became of it. The code proves itself, so that the page needs no book: it holds when it was issued and a mark of the
request, signed with the app secret, and nothing of whom it is about. The id in a request is of the app's scope and no
id under which messages come, so nobody can be found by it alone; the request waits, parked, for a person to look.

Source: Meta, "Data Deletion Request Callback", read 2026-11.
"""

import hmac
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from typing import Any
from urllib.parse import parse_qs

import orjson

from sidecar.errors import RejectedInput

FORM = "application/x-www-form-urlencoded"
FIELD, QUERY = "signed_request", "deletion"
MAX_FORM_BYTES = 20_000
_ENCODED = re.compile(r"[A-Za-z0-9_-]{10,}={0,2}\.[A-Za-z0-9_-]{2,}={0,2}")
_CODE = re.compile(r"([0-9a-f]{8})([0-9a-f]{16})([0-9a-f]{24})")


def read_request(body: bytes, secrets: Sequence[bytes]) -> Mapping[str, Any]:
    """Return what a form's signed request says; `RejectedInput` (401) for anything wrong with it."""
    wrong = RejectedInput("no signed request of this app", status=401)
    if len(body) > MAX_FORM_BYTES:
        raise wrong
    try:
        found = parse_qs(body.decode("ascii"), max_num_fields=5).get(FIELD, [])
    except (ValueError, UnicodeDecodeError):
        raise wrong from None
    if len(found) != 1 or not _ENCODED.fullmatch(found[0]):
        raise wrong
    signature, _, payload = found[0].partition(".")
    try:
        given = _decoded(signature)
        matches = [hmac.compare_digest(hmac.digest(secret, payload.encode(), "sha256"), given) for secret in secrets]
        told = orjson.loads(_decoded(payload)) if any(matches) else None
    except ValueError:
        raise wrong from None
    if not isinstance(told, dict) or str(told.get("algorithm", "")).upper() != "HMAC-SHA256" or not told.get("user_id"):
        raise wrong
    return told


def code_of(body: bytes, secret: bytes, issued_at: datetime) -> str:
    """Return the code by which whoever asked may look what became of it; it names nobody."""
    begin = f"{int(issued_at.timestamp()):08x}{hmac.digest(secret, body, 'sha256').hex()[:16]}"
    return begin + _mark(begin, secret)


def answer(code: str, page: str) -> str:
    """Return what Meta wants to hear."""
    return orjson.dumps({"url": f"{page}?{QUERY}={code}", "confirmation_code": code}).decode()


def status_page(code: str, secrets: Sequence[bytes]) -> str:
    """Return the page that a code leads to; `RejectedInput` (404) for one that we didn't give out."""
    found = _CODE.fullmatch(code)
    if not found or not any(hmac.compare_digest(_mark(found[1] + found[2], secret), found[3]) for secret in secrets):
        raise RejectedInput("there is no such request", status=404)
    day = datetime.fromtimestamp(int(found[1], 16), UTC)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Request for deletion</title></head><body>'
        f"<h1>Your request was received</h1><p>On {day:%Y-%m-%d} (UTC) you asked, by way of Meta, to have the data "
        "about you deleted. The people who run this service were told, and delete it by hand.</p>"
        f"<p>To ask how far they are, write to the business that you wrote to, and name this code: "
        f"<code>{escape(code)}</code></p></body></html>"
    )


def refusal(raw: bytes) -> str:
    """Say to whoever runs this what is to be done; it names nobody."""
    mark = sha256(raw).hexdigest()[:12]
    return f"somebody asks by way of Meta to have their data deleted (request {mark}): do it by hand, see docs/meta.md"


def _mark(begin: str, secret: bytes) -> str:
    return hmac.digest(secret, f"deletion:{begin}".encode(), "sha256").hex()[:24]


def _decoded(text: str) -> bytes:
    """Decode base64url, which comes without its padding."""
    bare = text.rstrip("=")
    return urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
