"""Files of messages and recordings of calls: fetched by their sids from the account's own API, within bounds.

No address that a webhook names is ever called: a file is named by its sids, and its address is made of the configured
host. Twilio answers with a redirect to where it stores files, an address that is good for some hours; it is followed to
the hosts that are known for it, and our credentials stay behind.

Source: "Media subresource" and "Protect Media Access with HTTP Basic Authentication" (hosts), read 2026-11-23.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from adapters.channels.twilio.api import VERSION, Reached
from adapters.http.calls import CutOffError, NotSentError, Timeouts, number
from adapters.http.options import is_loopback
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.model import Attachment
from sidecar.ports import Media

STORES = ("mms.twiliocdn.com", "media.twiliocdn.com", "s3-external-1.amazonaws.com")
_REF = re.compile(r"message/([SM]M[0-9a-fA-F]{32})/(ME[0-9a-fA-F]{32})|recording/(RE[0-9a-fA-F]{32})")
_TYPES: Mapping[str, tuple[str, ...]] = {
    "image": ("image/",),
    "audio": ("audio/",),
    "voice": ("audio/",),
    "video": ("video/",),
    "document": ("application/", "text/"),
}
_LATER = frozenset({408, 425, 429})


def fetch(attachment: Attachment, reached: Reached, timeouts: Timeouts, max_bytes: int, setting: str) -> Media:
    """Fetch a file whole; `PermanentError` for one that is gone or not allowed, `TemporaryError` while it may come."""
    from adapters.http.fetched import Fetcher

    host = urlsplit(reached.base_url).hostname or ""
    own = (reached.base_url,) if is_loopback(host) else ()
    fetcher = Fetcher((host, *STORES), timeouts, trusted=own, roams=True)
    types = _TYPES.get(attachment.kind, _TYPES["document"])
    try:
        found = fetcher.get(
            _url(attachment.ref, reached), {"Authorization": reached.authorization}, max_bytes, types=types
        )
    except (NotSentError, CutOffError) as error:
        raise TemporaryError(f"Twilio's file didn't come: {error}") from None
    if 200 <= found.status < 300:
        return Media(found.body, found.content_type or attachment.content_type)
    if found.status in (401, 403):
        raise ConfigError(f"answered {found.status} to a file: the credentials may not read it", setting=setting)
    if found.status in _LATER or found.status >= 500:
        raise TemporaryError(
            f"Twilio answered {found.status} to a file", retry_after_s=number(found.headers, "retry-after")
        )
    raise PermanentError(f"Twilio answered {found.status} to a file: it is gone")


def is_recording(attachment: Attachment) -> bool:
    """Say whether a file holds what was said in a call."""
    return not attachment.ref.startswith("message/")


def _url(ref: str, reached: Reached) -> str:
    found = _REF.fullmatch(ref)
    if found is None:
        raise PermanentError("this names no file of Twilio's")
    what = f"Messages/{found[1]}/Media/{found[2]}" if found[1] else f"Recordings/{found[3]}.mp3"
    return f"{reached.base_url}/{VERSION}/Accounts/{reached.account}/{what}"
