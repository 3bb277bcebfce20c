"""A mail's body cut into its parts, with every bound checked while cutting.

The standard library's parser recurses once per nesting level and builds every part before anyone can count them
(1,000 nested parts end in RecursionError, 100,000 parts cost seconds). This one cuts at the delimiter lines of RFC
2046 itself, counts first and cuts later, and leaves only the fields' parameters to the library, on short values.
A message inside the message (message/rfc822) stays closed: it is an attachment, not this sender's words.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from email.utils import collapse_rfc2231_value

from adapters.formats.mime_headers import Headers, decode_base64, decode_words, split_headers
from sidecar.errors import PermanentError

PARTS_MAX = 100
DEPTH_MAX = 20
_VALUE_CHARS_MAX = 4096  # the library's parameter parser is quadratic
_NEAR_MISSES_MAX = 400  # lines that only begin like a delimiter: an outer boundary may begin an inner one


@dataclass
class Part:
    """One part: its fields, and either its children or its own bytes, still in their transfer encoding."""

    headers: Headers
    content: bytes
    children: list[Part] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._fields = Message()
        for name in ("content-type", "content-disposition"):
            if value := self.headers.first(name)[:_VALUE_CHARS_MAX]:
                self._fields[name] = value
        self.mime = _safely(self._fields.get_content_type) or "text/plain"
        self.disposition = _safely(self._fields.get_content_disposition) or ""

    def parameter(self, name: str) -> str:
        """A parameter of Content-Type, "" when absent or unreadable."""
        return _safely(lambda: collapse_rfc2231_value(self._fields.get_param(name) or "")) or ""

    @property
    def filename(self) -> str:
        """The name that the sender gave to a file: data, never a path."""
        name = decode_words(_safely(lambda: self._fields.get_filename("")) or "")
        return "".join(char for char in name if char.isprintable())[:255]

    def decoded(self) -> bytes:
        """The part's bytes without their transfer encoding; what was damaged is noted in `problems`."""
        encoding = self.headers.first("content-transfer-encoding").split(";")[0].strip().lower()
        if encoding == "base64":
            data, whole = decode_base64(self.content)
            if not whole:
                self.problems.append("damaged base64: read as far as possible")
            return data
        if encoding == "quoted-printable":
            return binascii.a2b_qp(self.content)
        if encoding not in ("", "7bit", "8bit", "binary"):
            self.problems.append(f"unknown transfer encoding {encoding[:40]!a}: taken as it is")
        return self.content


def read_parts(headers: Headers, body: bytes) -> Part:
    """Cut a body into its tree of parts. Raises PermanentError past 100 parts or 20 levels."""
    root = Part(headers, body)
    count = 1
    level = [root]
    for depth in range(DEPTH_MAX + 1):
        below: list[Part] = []
        for part in level:
            pieces = _cut(part)
            count += len(pieces)
            if count > PARTS_MAX:
                raise PermanentError(f"{count} parts or more; at most {PARTS_MAX}")
            for piece in pieces:
                inner, at = split_headers(piece)
                part.children.append(Part(inner, piece[at:], problems=list(inner.problems)))
            below += part.children
        if not below:
            return root
        if depth == DEPTH_MAX:
            break
        level = below
    raise PermanentError(f"parts nested more than {DEPTH_MAX} deep")


def _cut(part: Part) -> list[bytes]:
    if not part.mime.startswith("multipart/"):
        return []
    boundary = part.parameter("boundary").strip()[:200].encode("utf-8", "replace")
    if not boundary:
        part.problems.append("multipart without a boundary: read as text")
        return []
    delimiter = b"\n--" + boundary
    body = b"\n" + part.content
    if (count := body.count(delimiter)) > _NEAR_MISSES_MAX:
        raise PermanentError(f"{count} parts or more; at most {PARTS_MAX}")
    pieces: list[bytes] = []
    start, at = -1, body.find(delimiter)
    while at >= 0:
        end = body.find(b"\n", at + 1)
        rest = body[at + len(delimiter) : len(body) if end < 0 else end].strip(b" \t\r")
        if rest in (b"", b"--"):
            if start >= 0:
                pieces.append(body[start:at].removesuffix(b"\r"))
            start = -1 if rest or end < 0 else end + 1
            if rest:
                break
        at = body.find(delimiter, at + 1)
    if start >= 0:
        pieces.append(body[start:])
    if not pieces:
        part.problems.append("multipart without its delimiter lines: read as text")
    return pieces


def _safely(read: Callable[[], str | None]) -> str | None:
    """The library raises many things on parameters that nobody should have written; none of them is worth a mail."""
    try:
        return read()
    except (ValueError, LookupError, TypeError, AssertionError):
        return None
