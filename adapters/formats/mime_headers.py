"""The header section of a mail or of one of its parts: fields, encoded words, addresses, ids, dates.

Written here because the standard library's structured header parser is a gift to whoever writes a hostile mail: with
its default policy 20,000 addresses cost seconds and 5,000 open brackets a RecursionError (measured with CPython 3.11,
2026-11). These scanners walk the bytes once and keep to the few rules that real mail follows.

Nothing here is validated against the full grammar. An address that can't be read is left out and noted, never guessed:
a guessed address would be a wrong identifier.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import groupby
from operator import itemgetter

from adapters.formats.charsets import clean_text, decode_text
from sidecar.errors import PermanentError

HEADERS_BYTES_MAX = 256 * 1024
COMMENT_DEPTH_MAX = 20
IDS_MAX = 100

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_WORD = re.compile(r"=\?([A-Za-z0-9._:+-]{1,40})(?:\*[A-Za-z0-9-]{0,20})?\?([bBqQ])\?([^?]*)\?=")
_ADDRESS_PIECE = re.compile(r'"(?:[^"\\]|\\.)*+"?|<[^<>]*+>?|[(),;:]|[^"<>(),;:]+|>', re.DOTALL)
_ADDRESS = re.compile(r"[^\s@<>\"(),;:\\]{1,64}@[^\s@<>\"(),;:\\]{1,255}")
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,998})>")


@dataclass(frozen=True)
class Address:
    """A mailbox as written; `name` is "" when none was given, `email` keeps its letter case."""

    name: str
    email: str


@dataclass(frozen=True)
class Headers:
    """Unfolded raw values by lower-case name, in the order in which they came."""

    fields: Mapping[str, tuple[str, ...]]
    problems: tuple[str, ...] = ()

    def first(self, name: str) -> str:
        """The first value of a field, "" when there is none."""
        return self.fields.get(name, ("",))[0]


def split_headers(data: bytes) -> tuple[Headers, int]:
    """Read the fields at the start of `data`, and say where the body begins.

    The section ends at a blank line, or at the first line that can't be a field. Raises PermanentError past 256 kB.
    """
    lines: dict[str, list[list[bytes]]] = {}
    last: list[bytes] = []
    at = 0
    while at < len(data):
        end = data.find(b"\n", at, at + HEADERS_BYTES_MAX + 1)
        after = len(data) if end < 0 else end + 1
        field = _FIELD.match(data, at)
        folded = bool(last) and data[at : at + 1] in b" \t"
        if after > HEADERS_BYTES_MAX and (field or folded):
            raise PermanentError(f"headers larger than {HEADERS_BYTES_MAX} bytes")
        line = data[at : min(after, at + HEADERS_BYTES_MAX)].rstrip(b"\r\n")
        if not line:
            return _unfold(lines), after
        if folded:
            last.append(line)
        elif field:
            last = [line[field.end() - at :]]
            lines.setdefault(field[1].decode("ascii").lower(), []).append(last)
        elif at or not line.startswith((b"From ", b">From ")):
            break
        at = after
    return _unfold(lines), at


def decode_words(value: str) -> str:
    """Decode RFC 2047 encoded words; what can't be decoded becomes U+FFFD."""
    if "=?" not in value:
        return clean_text(value)
    pieces: list[str] = []
    held: list[tuple[str, bytes]] = []  # neighbouring words of one charset: a character may be cut between them
    at = 0
    for word in _WORD.finditer(value):
        between = value[at : word.start()]
        at = word.end()
        if between.strip() or not held:
            pieces += _joined(held)
            pieces.append(between)
            held = []
        held.append((word[1].lower(), _word_bytes(word[2], word[3])))
    pieces += _joined(held)
    pieces.append(value[at:])
    return clean_text("".join(pieces))


def read_addresses(values: Iterable[str]) -> tuple[tuple[Address, ...], tuple[str, ...]]:
    """The mailboxes in some address fields, and what could not be read.

    Raises PermanentError for comments nested deeper than 20.
    """
    found: list[Address] = []
    unreadable = 0
    for value in values:
        for entry in _entries(value):
            address = _address(entry)
            if address is not None:
                found.append(address)
            elif any(piece.startswith("<") or "@" in piece for piece in entry):
                unreadable += 1
    return tuple(found), (f"{unreadable} unreadable addresses: left out",) if unreadable else ()


def read_ids(value: str) -> tuple[str, ...]:
    """Message ids without their angle brackets; of more than 100, the first and the newest."""
    ids = tuple(_MESSAGE_ID.findall(value)) or tuple(word for word in value.split() if "@" in word and len(word) < 999)
    return ids if len(ids) <= IDS_MAX else ids[:1] + ids[1 - IDS_MAX :]


def read_date(value: str) -> datetime | None:
    """The moment in a Date field as aware UTC; None when it names none. A date without a zone counts as UTC."""
    try:
        moment = parsedate_to_datetime(value[:200])
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _unfold(lines: Mapping[str, list[list[bytes]]]) -> Headers:
    fields: dict[str, tuple[str, ...]] = {}
    problems: list[str] = []
    for name, values in lines.items():
        texts = []
        for value in values:
            text, problem = decode_text(b"".join(value), None)
            texts.append(clean_text(text).replace("\n", " ").strip())
            if problem:
                problems.append(f"header {name}: {problem}")
        fields[name] = tuple(texts)
    return Headers(fields, tuple(problems[:10]))


def _word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(data.replace(b"\n", b" "), header=True)
    return decode_base64(data)[0]


def decode_base64(data: bytes) -> tuple[bytes, bool]:
    """Decode base64 as far as it can be read; False when something had to be left out."""
    compact = data.translate(None, b" \t\r\n")
    try:
        return binascii.a2b_base64(compact, strict_mode=True), True
    except binascii.Error:
        kept = compact.translate(None, _NOT_BASE64)
        return binascii.a2b_base64(kept[: len(kept) - (len(kept) % 4 == 1)] + b"=="), False


def _joined(held: Iterable[tuple[str, bytes]]) -> Iterable[str]:
    for charset, run in groupby(held, key=itemgetter(0)):
        yield decode_text(b"".join(data for _, data in run), charset)[0]


def _entries(value: str) -> Iterable[list[str]]:
    """Split an address field into its entries' pieces, comments left out."""
    depth, entry = 0, list[str]()
    for piece in _ADDRESS_PIECE.findall(value):
        if piece == "(":
            depth += 1
            if depth > COMMENT_DEPTH_MAX:
                raise PermanentError(f"header comments nested {value.count('(')} deep; at most {COMMENT_DEPTH_MAX}")
        elif piece == ")":
            depth = max(0, depth - 1)
        elif depth:
            continue
        elif piece in ",;":
            yield entry
            entry = []
        elif piece == ":":
            entry = []  # a group's name, or a route
        else:
            entry.append(piece)
    yield entry


def _address(pieces: list[str]) -> Address | None:
    """One mailbox from its pieces: `Name <mailbox>`, `"Name" <mailbox>`, or a bare mailbox."""
    bracketed = next((piece.strip("<> \t") for piece in pieces if piece.startswith("<") and "@" in piece), None)
    if bracketed is not None:
        if not _ADDRESS.fullmatch(bracketed):
            return None
        words = [_unquoted(piece) for piece in pieces if not piece.startswith(("<", ">"))]
        return Address(" ".join(decode_words("".join(words)).split()), bracketed)
    if any(piece.startswith(('"', "<")) for piece in pieces):
        return None  # `"Ann Lee"@host` and the like: legal, unheard of, and easily misread
    bare = [word for word in " ".join(pieces).split() if _ADDRESS.fullmatch(word)]
    return Address("", bare[0]) if len(bare) == 1 else None


def _unquoted(piece: str) -> str:
    if not piece.startswith('"'):
        return piece
    return re.sub(r"\\(.)", r"\1", piece.strip('"'))
