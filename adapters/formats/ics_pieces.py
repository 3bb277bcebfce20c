"""A whole calendar cut into one small calendar for each UID, in the bytes as they stood.

A feed holds all meetings of years in one file; what is kept of it, and named, and compared, is one meeting with its
exceptions. A piece is the calendar's own head, the zones that its events name, and the events, each line as it was
sent. Its digest leaves DTSTAMP out: servers put the time of the download there (Google, seen in its published feeds),
and every meeting would seem to have changed at every look.

The trade-off: a meeting that nothing but its DTSTAMP tells from an earlier state is that earlier state.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from sidecar.errors import PermanentError

EVENTS_MAX = 20_000
LINES_MAX = 1_000_000
DEPTH_MAX = 5
ZONES_MAX = 200
_WORD = re.compile(rb"\s*(BEGIN|END)\s*:\s*([A-Za-z0-9-]{1,60})\s*", re.IGNORECASE)
_UID = re.compile(rb"UID(?:;[^:]{0,200})?:(.*)", re.IGNORECASE | re.DOTALL)
_TZID = re.compile(rb"TZID=\"?([^;:\"\r\n]{1,200})", re.IGNORECASE)
_STAMP = re.compile(rb"DTSTAMP[;:]", re.IGNORECASE)
_FOLD = re.compile(rb"\r?\n[ \t]|\r[ \t]")


@dataclass(frozen=True, slots=True)
class Piece:
    """One meeting with its exceptions: its UID as written or "", its bytes, and a hash of what it says."""

    uid: str
    raw: bytes
    digest: str


@dataclass(slots=True)
class _Read:
    head: list[bytes] = field(default_factory=list)
    zones: dict[bytes, bytes] = field(default_factory=dict)
    events: list[list[bytes]] = field(default_factory=list)


def cut_pieces(content: bytes) -> tuple[Piece, ...]:
    """Cut a calendar into its meetings, in the order of their first events; none where it is empty.

    Raises PermanentError when it is no calendar, ends in the middle, or holds more than is read.
    """
    read = _read(content.removeprefix(b"\xef\xbb\xbf"))
    grouped: dict[bytes, list[list[bytes]]] = {}
    for number, event in enumerate(read.events):
        uid = next((match[1].strip() for line in event if (match := _UID.fullmatch(line.rstrip(b"\r\n")))), b"")
        grouped.setdefault(uid or b"\x00%d" % number, []).append(event)
    return tuple(_piece(uid, events, read) for uid, events in grouped.items())


def _read(content: bytes) -> _Read:
    read, path, block = _Read(), list[str](), list[bytes]()
    for count, line in enumerate(_logical(content)):
        if count >= LINES_MAX:
            raise PermanentError(f"the calendar has more than {LINES_MAX} lines")
        word = _WORD.fullmatch(_FOLD.sub(b"", line))
        part = word[2].decode("ascii").upper() if word else ""
        if count == 0 and (not word or part != "VCALENDAR" or word[1].upper() != b"BEGIN"):
            raise PermanentError("not a calendar: it doesn't begin with BEGIN:VCALENDAR")
        _enter(path, part if word and word[1].upper() == b"BEGIN" else "")
        if len(path) > 1:
            block.append(line)
        elif path == ["VCALENDAR"] and not word:
            read.head.append(line)
        if word and word[1].upper() == b"END" and _leave(path, part):
            _keep(read, part, block)
            block = []
    if path or not content.strip():
        raise PermanentError("the calendar ends in the middle")
    return read


def _enter(path: list[str], part: str) -> None:
    path += [part] if part else []
    if len(path) > DEPTH_MAX:
        raise PermanentError(f"the calendar is nested more than {DEPTH_MAX} deep")


def _leave(path: list[str], part: str) -> bool:
    """Leave a part, and say whether it was one of the calendar's own."""
    if not path or path.pop() != part:
        raise PermanentError("the calendar's parts don't end as they begin")
    return len(path) == 1


def _logical(content: bytes) -> Iterator[bytes]:
    """The lines with their ends, those that are folded whole."""
    held: list[bytes] = []
    for line in content.splitlines(keepends=True):
        if held and line[:1] not in (b" ", b"\t"):
            yield b"".join(held)
            held = []
        if held or line.strip():
            held.append(line)
    if held:
        yield b"".join(held)


def _keep(read: _Read, part: str, block: list[bytes]) -> None:
    if part == "VEVENT":
        read.events.append(block)
        if len(read.events) > EVENTS_MAX:
            raise PermanentError(f"the calendar has more than {EVENTS_MAX} events")
    elif part == "VTIMEZONE" and len(read.zones) < ZONES_MAX:
        named = next((line.partition(b":")[2].strip() for line in block if line.upper().startswith(b"TZID")), b"")
        read.zones.setdefault(named, b"".join(block))


def _piece(uid: bytes, events: Sequence[Sequence[bytes]], read: _Read) -> Piece:
    body = b"".join(b"".join(event) for event in events)
    named = dict.fromkeys(_TZID.findall(body))
    zones = b"".join(read.zones[name] for name in named if name in read.zones)
    ended = b"\r\n" if b"\r\n" in body else b"\n"
    raw = b"BEGIN:VCALENDAR" + ended + b"".join(read.head) + zones + body + b"END:VCALENDAR" + ended
    said = [_FOLD.sub(b"", line).strip() for event in events for line in event if not _STAMP.match(line)]
    methods = [line.strip().upper() for line in read.head if line.upper().startswith(b"METHOD")]
    digest = sha256(b"\n".join([*methods, *said])).hexdigest()[:16]
    return Piece("" if uid.startswith(b"\x00") else uid.decode("utf-8", "replace"), raw, digest)
