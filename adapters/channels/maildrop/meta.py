"""What a transcript doesn't say about itself: who is the customer, who is ours, when it was, what it was about.

It may stand in the transcript (a WebVTT NOTE, header lines of a plain text) or, for files that should stay as they are,
in a file beside it: `call.meta.toml` for `call.vtt`. Example:

    date = 2026-11-20T09:30:00Z
    subject = "First call"
    customer = "Ann Lee <ann@example.org>, +44 7700 900123"
    agent = ["Bob Müller <bob@ours.example>"]
    call-id = "CA123"

The file beside wins, key by key. An unknown key is an error, because a misspelt `agent` would make our words a
customer's.
"""

import json
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from adapters.formats.transcript import META_KEYS
from sidecar.errors import PermanentError

META_BYTES_MAX = 16 * 1024
VALUES_MAX = 20
VALUE_CHARS_MAX = 500

Meta = Mapping[str, tuple[str, ...]]


def read_meta(raw: bytes) -> Meta:
    """Read a meta file; `PermanentError` says what is wrong without quoting it."""
    if len(raw) > META_BYTES_MAX:
        raise PermanentError(f"meta file of {len(raw)} bytes; at most {META_BYTES_MAX}")
    try:
        table = tomllib.loads(raw.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        raise PermanentError('the meta file is no TOML; write lines such as customer = "Ann Lee"') from None
    unknown = len(table.keys() - set(META_KEYS))
    if unknown:
        raise PermanentError(f"the meta file has {unknown} unknown keys; known are {', '.join(META_KEYS)}")
    return {key: _values(key, value) for key, value in table.items()}


def to_header(meta: Meta) -> str:
    """Put a meta file's content into one line, the same for the same content."""
    return json.dumps({key: list(values) for key, values in meta.items()}, sort_keys=True, ensure_ascii=False)


def from_header(header: str) -> Meta:
    """Read what `to_header` wrote."""
    return {key: tuple(values) for key, values in json.loads(header).items()}


def read_time(meta: Meta, timezone: str) -> datetime | None:
    """Return the `date` as aware UTC: local if it has no offset, noon if it has no time. None when unreadable."""
    for value in meta.get("date", ())[:1]:
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            return None
        if len(value) <= len("2026-W47-7"):
            at = datetime.combine(at, time(12))
        try:
            return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(timezone))).astimezone(UTC)
        except OverflowError:
            return None
    return None


def _values(key: str, value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    if len(items) > VALUES_MAX:
        raise PermanentError(f"{len(items)} values of {key} in the meta file; at most {VALUES_MAX}")
    return tuple(_text(key, item) for item in items)


def _text(key: str, item: Any) -> str:
    text = item.isoformat() if isinstance(item, datetime | date) else item
    if not isinstance(text, str) or not text.strip() or len(text) > VALUE_CHARS_MAX:
        raise PermanentError(f"{key} in the meta file: write text of at most {VALUE_CHARS_MAX} characters")
    return " ".join(text.replace("\0", "").split())
