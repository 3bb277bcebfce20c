"""Graph's notifications at the door: the handshake of a new subscription, and whether a notice is Graph's at all.

Graph signs nothing. What it knows and a stranger doesn't is `clientState`, a secret that we gave it with the
subscription and that comes back in every item; so each item is compared, in constant time, before anything is kept, and
one that is wrong refuses the whole. A notice says only that there is news: nothing in it is believed, it makes the
next poll due. The body must be read to find the secret in it; so it is read within bounds, and whatever goes wrong is
the same 401.

What was not signed can be sent again by whoever saw it, and causes no more than a poll.

Source: learn.microsoft.com "Receive change notifications through webhooks" and "Reduce missing subscriptions and change
notifications", read 2026-11.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import orjson

from adapters.http.options import is_loopback
from sidecar.errors import ConfigError, RejectedInput
from sidecar.ports import Greeting, HookRequest

ITEMS_MAX = 1_000
TOKEN_CHARS_MAX = 4_096
STATE_CHARS = (16, 128)
LIFECYCLE = frozenset({"reauthorizationRequired", "subscriptionRemoved", "missed"})


def greet(request: HookRequest) -> Greeting | None:
    """Return the token by which Graph sees that an address is ours; `RejectedInput` (403) for a GET of anybody."""
    if request.method != "POST":
        raise RejectedInput("only Graph's own POST is answered here", status=403)
    token = request.query.get("validationToken")
    if token is None:
        return None
    if not token or len(token) > TOKEN_CHARS_MAX or not token.isprintable():
        raise RejectedInput("validationToken is none of Graph's", status=403)
    return Greeting(token)


def verify(body: bytes, secrets: Sequence[bytes]) -> frozenset[str]:
    """Refuse a body of which any item doesn't bring one of the secrets; return the lifecycle events in it."""
    items = _items(body)
    known = [[hmac.compare_digest(_state(item), secret) for secret in secrets] for item in items]
    if not known or not all(map(any, known)):
        raise RejectedInput("clientState of an item matches no secret", status=401)
    told = (item.get("lifecycleEvent") for item in items)
    return frozenset(event for event in told if isinstance(event, str) and event in LIFECYCLE)


def read_secrets(text: str, setting: str) -> tuple[bytes, ...]:
    """Read secrets parted by commas or white space; `ConfigError` on `setting`. The first goes to new subscriptions."""
    words = re.split(r"[,\s]+", text)
    secrets = tuple(word.encode() for word in words if word)
    if not secrets:
        raise ConfigError("holds no secret; without one every notification would be refused", setting=setting)
    least, most = STATE_CHARS
    if not all(least <= len(secret) <= most and secret.isascii() for secret in secrets):
        raise ConfigError(f"a secret must have {least} to {most} plain characters", setting=setting)
    return secrets


def safe_hook(url: str) -> None:
    """Refuse an address that Graph couldn't call: `ValueError`."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("notification_url is this channel's address, such as https://sidecar.example.com/hooks/mail")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("Graph calls https alone; http is for a twin on 127.0.0.1")


def _items(body: bytes) -> list[Mapping[str, object]]:
    """The items of a notice; none where it is no notice."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    items = data.get("value") if isinstance(data, dict) else None
    if not isinstance(items, list) or len(items) > ITEMS_MAX or not all(isinstance(item, dict) for item in items):
        return []
    return items


def _state(item: Mapping[str, object]) -> bytes:
    state = item.get("clientState")
    return state.encode("utf-8", "replace") if isinstance(state, str) else b""
