"""From a dropped file to captured deliveries: one, or one for every mail of an mbox, or a fault that says why not.

The bytes of a refused file are left in it and not taken in: whatever it is, it is no conversation that we can read, and
what is not stored needs no erasing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from adapters.channels.maildrop.folder import META_SUFFIX, Dropped, Folder, Unreadable
from adapters.channels.maildrop.meta import META_BYTES_MAX, read_meta, to_header
from adapters.formats.mbox import split_mbox
from sidecar.errors import PermanentError
from sidecar.ports import Captured

MAIL = ".eml"
MAILBOX = ".mbox"
TRANSCRIPTS = (".vtt", ".srt", ".txt", ".json")
CALENDAR = ".ics"
KNOWN = (MAIL, MAILBOX, *TRANSCRIPTS, CALENDAR)
_PLAINLY_A_SUFFIX = re.compile(r"\.[a-z0-9]{1,4}")
"""Others aren't said: what stands behind a full stop may be somebody's name."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a file may be."""

    max_file_bytes: int
    max_mbox_bytes: int


@dataclass(frozen=True, slots=True)
class Item:
    """A delivery, and whether its file ends with it; a refused file holds nothing that can be taken."""

    captured: Captured
    is_last: bool = True
    is_refused: bool = False


def read_file(folder: Folder, file: Dropped, meta: Dropped | None, account: str, limits: Limits) -> Iterator[Item]:
    """Yield what is in a file; nothing when it has changed since it was listed, for then its time comes later."""
    if file.suffix not in KNOWN:
        kind = f"{file.suffix} files" if _PLAINLY_A_SUFFIX.fullmatch(file.suffix) else "files of this name's kind"
        yield _refused(file, account, f"{kind} are not read; {', '.join(KNOWN)} are")
        return
    is_mailbox = file.suffix == MAILBOX
    try:
        data = folder.read(file, limits.max_mbox_bytes if is_mailbox else limits.max_file_bytes)
        beside = folder.read(meta, META_BYTES_MAX) if meta else b""
        if data is None or beside is None:
            return
        if is_mailbox:
            yield from _mails(file, data, account, limits)
        else:
            yield _whole(file, data, to_header(read_meta(beside)) if meta else None, account)
    except (Unreadable, PermanentError) as error:
        yield _refused(file, account, str(error))


def meta_of(file: Dropped, by_name: Mapping[str, Dropped]) -> Dropped | None:
    """Return the file beside a transcript that tells about it."""
    if file.suffix not in TRANSCRIPTS:
        return None
    return by_name.get(file.name[: -len(file.suffix)] + META_SUFFIX)


def _whole(file: Dropped, data: bytes, meta: str | None, account: str) -> Item:
    headers = _headers(file)
    if meta is None:
        return Item(Captured(account, data, None, headers))
    key = sha256(data + b"\0" + meta.encode()).hexdigest()  # told otherwise, the same bytes are another delivery
    return Item(Captured(account, data, key, headers | {"meta": meta}))


def _mails(file: Dropped, data: bytes, account: str, limits: Limits) -> Iterator[Item]:
    headers = _headers(file)
    held: Captured | None = None  # one behind, because only the last of them ends the file
    for mail in split_mbox(data):
        if held:
            yield Item(held, is_last=False)
        if len(mail) > limits.max_file_bytes:
            held = _fault(file, account, f"mail of {len(mail)} bytes; at most {limits.max_file_bytes} are read", mail)
        else:
            held = Captured(account, mail, None, headers)
    if held:
        yield Item(held)


def _refused(file: Dropped, account: str, reason: str) -> Item:
    return Item(_fault(file, account, reason), is_refused=True)


def _fault(file: Dropped, account: str, reason: str, mail: bytes = b"") -> Captured:
    """A delivery without bytes: those stay in the file, in `refused/` or `done/`."""
    key = sha256(mail).hexdigest() if mail else f"{file.shown}:{file.size_bytes}:{file.mtime_ns}"
    return Captured(account, b"", key, _headers(file) | {"fault": reason}, reason)


def _headers(file: Dropped) -> dict[str, str]:
    headers = {"name": file.shown, "suffix": file.suffix}
    try:
        headers["mtime"] = datetime.fromtimestamp(file.mtime_ns / 1e9, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return headers  # a time outside of the calendar says nothing
    return headers
