"""Google's pushes at the door: a message without a body, known by a token that nobody else can know.

Google signs nothing; it sends back the token that we gave it with the channel. So each channel has a token of its own:
an HMAC of the channel's id under a secret of ours. That needs no memory, so a message that comes before the answer to
`watch` is known as well, and a token that was seen says nothing of another channel's. A push says only that there is
news: nothing in it is believed, it makes the next poll due.

What was not signed can be sent again by whoever saw it, and causes no more than a poll.

Source: developers.google.com "Calendar API: Push notifications", as known 2026-11: X-Goog-Channel-ID, -Token,
-Resource-ID, -Resource-State (sync, exists, not_exists), -Message-Number, -Channel-Expiration; the channel's id has at
most 64 characters, its token 256.
"""

import hmac
import re
from collections.abc import Sequence
from hashlib import sha256

from sidecar.errors import ConfigError, RejectedInput
from sidecar.ports import Captured, HookRequest

MAX_PUSH_BYTES = 65_536
SECRET_CHARS_MIN = 16
_ID = re.compile(r"[A-Za-z0-9_+/=-]{1,64}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)
_STATE = re.compile(r"[a-z_]{1,30}", re.ASCII)
_KEPT = {"state": "resource-state", "number": "message-number", "channel": "channel-id", "resource": "resource-id"}


def verify(request: HookRequest, account: str, secrets: Sequence[bytes]) -> Captured:
    """Return what a push brings; `RejectedInput` (401) for one that isn't Google's answer to a channel of ours."""
    told = {name: request.headers.get(f"x-goog-{name}", "") for name in ("channel-token", *_KEPT.values())}
    if len(request.body) > MAX_PUSH_BYTES:
        raise RejectedInput(f"a push is no larger than {MAX_PUSH_BYTES} bytes", status=413)
    id = told["channel-id"]
    given = told["channel-token"].encode("utf-8", "surrogatepass")
    known = [hmac.compare_digest(given, token(secret, id).encode()) for secret in secrets]
    is_well_formed = _ID.fullmatch(id) and _NUMBER.fullmatch(told["message-number"])
    if not any(known) or not is_well_formed or not _STATE.fullmatch(told["resource-state"]):
        raise RejectedInput("the channel's token is none of ours", status=401)
    headers = {name: told[header] for name, header in _KEPT.items() if _is_plain(told[header])}
    key = f"push:{id}:{told['message-number']}"
    return Captured(account, request.body, key, {"google": "push", **headers}, is_hint=True)


def token(secret: bytes, channel_id: str) -> str:
    """Return the token of one channel."""
    return hmac.new(secret, channel_id.encode("utf-8", "surrogatepass"), sha256).hexdigest()


def read_secrets(text: str, setting: str) -> tuple[bytes, ...]:
    """Read secrets parted by commas or white space; `ConfigError` on `setting`. The first is for new channels."""
    secrets = tuple(word.encode() for word in re.split(r"[,\s]+", text) if word)
    if not secrets or any(len(secret) < SECRET_CHARS_MIN for secret in secrets):
        raise ConfigError(f"a secret must have at least {SECRET_CHARS_MIN} characters", setting=setting)
    return secrets


def _is_plain(text: str) -> bool:
    return 0 < len(text) <= 200 and text.isascii() and text.isprintable()
