"""Aircall's webhooks at the door: a token stands in the body, and nothing is signed.

Who knows the token could post anything, so nothing that is posted is believed: a few events say that there is news and
make a poll due. The bytes hold the token, so none of them is kept anywhere; what is written down is that a poll is due,
before Aircall hears 200. A repetition makes no more than that: many hints make one poll. The token must be looked for
in the body, so it is read within bounds before anything is vouched for, and whatever goes wrong with that is the same
401.

Source: developer.aircall.io, "Webhook setup", "A complete guide to Webhooks", read 2026-11: `token`, `event`,
`resource`, `timestamp` and `data`; 5 s to answer; sent up to 50 times, then the webhook is disabled.
"""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from sidecar.errors import RejectedInput
from sidecar.ports import Greeting

NEWS = frozenset({"call.ended", "call.voicemail_left", "call.comm_assets_generated", "transcription.created"})
"""What tells of something that the poll reads; a call that just rings, or a user who goes to lunch, doesn't."""
REMOVED = "integration.deleted"
WITHDRAWN = (
    "the integration was taken away in Aircall; if that was meant, take the channel out of the config, else set it up "
    "again as docs/aircall.md says"
)


def verify(body: bytes, secrets: Sequence[bytes]) -> bytes:
    """Return the event's name of a body that brings one of the secrets; `RejectedInput` (401) for any other."""
    told = _object(body)
    token = told.get("token")
    given = token.encode() if isinstance(token, str) else b""
    matches = [hmac.compare_digest(given, secret) for secret in secrets]
    if not any(matches):
        raise RejectedInput("the body's token matches no secret", status=401)
    event = told.get("event")
    return event.encode() if isinstance(event, str) else b""


def answer(event: bytes) -> Greeting:
    """Return what Aircall hears: always 200; some events are hints, and one is the end of our access."""
    name = event.decode()
    if name == REMOVED:
        return Greeting("heard", is_hint=True, trouble=WITHDRAWN)
    return Greeting("heard", is_hint=name in NEWS)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}
