"""One mail's bytes as one `Mail`: who wrote to whom, when, in which thread, which words, and what came with it.

Every mail channel uses this reading, so that the same mail seen twice is the same activity. It is deterministic and
its `text` never changes for the same bytes: quotes point into it by code point. The text stays whole (quoted mails,
signature, zero-width and tag characters included); `said` says which spans the sender wrote anew, and making it safe
for a prompt is the inference stage's work. Only line ends, NUL and lone surrogates are changed, because they can't be
stored.

HTML is read before plain text, because quoted parts are marked there; the plain text serves when HTML has no words.
Attachments are named and hashed, never opened. Bounds: 25 MB, 256 kB of headers per part, 100 parts, 20 levels, 200
recipients, a million characters of text; past them a PermanentError names the figure (text alone is cut, and says so).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from adapters.formats.charsets import clean_text, decode_text
from adapters.formats.forwards import is_forward
from adapters.formats.mime_headers import (
    Address,
    Headers,
    decode_words,
    read_addresses,
    read_date,
    read_ids,
    split_headers,
)
from adapters.formats.mime_parts import Part, read_parts
from adapters.formats.quotes import Mark, Span, find_said
from sidecar.errors import PermanentError

__all__ = ["Address", "Attachment", "CalendarPart", "Mail", "parse_mail"]

MAIL_BYTES_MAX = 25 * 1024 * 1024
RECIPIENTS_MAX = 200
TEXT_CHARS_MAX = 1_000_000
_CALENDAR_TYPES = ("text/calendar", "application/ics")
_KNOWN = ("from", "to", "date", "message-id", "subject", "received", "return-path", "content-type", "mime-version")
_ONCE = ("from", "subject", "date", "message-id", "in-reply-to", "references", "reply-to")
_NO_PERSON = re.compile(
    r"(?:no|do.?not|never).?reply|ne.?pas.?r[eé]pondre|mailer-daemon|postmaster|bounces?\b|notifications?\b",
    re.IGNORECASE,
)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)


@dataclass(frozen=True)
class Attachment:
    """A part that is not read as text; `name` is the sender's, "" if none, and is data, never a path."""

    name: str
    mime: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class CalendarPart:
    """An invitation in the mail: its iCalendar bytes and METHOD ("REQUEST", "CANCEL", ... or "")."""

    name: str
    method: str
    content: bytes


@dataclass(frozen=True)
class Mail:
    """What one mail says. Ids stand without angle brackets; spans are code points in `text`.

    `thread_root` is the first of `references`, else `in_reply_to`, else the mail's own id, else "sha256:" and the hash
    of its bytes. `automated` is the reason why no person wrote this, None for a person; with the reason "list: ..." a
    person may have written to a group address. Calendar parts are attachments as well.
    """

    message_id: str | None
    in_reply_to: str | None
    references: tuple[str, ...]
    thread_root: str
    subject: str
    date: datetime | None
    from_: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    text: str
    said: tuple[Span, ...]
    signature: Span | None
    automated: str | None
    attachments: tuple[Attachment, ...]
    calendar_parts: tuple[CalendarPart, ...]
    problems: tuple[str, ...]


def parse_mail(raw: bytes) -> Mail:
    """Read an RFC 822 mail. Raises PermanentError when it is no mail, or is built to exhaust its reader."""
    if len(raw) > MAIL_BYTES_MAX:
        raise PermanentError(f"mail of {len(raw)} bytes; at most {MAIL_BYTES_MAX}")
    data = raw if b"\n" in raw else raw.replace(b"\r", b"\n")
    headers, body_at = split_headers(data)
    if not any(name in headers.fields for name in _KNOWN):
        raise PermanentError("not an e-mail: no header field such as From or Date at its beginning")
    problems = list(headers.problems)
    problems += [f"{len(headers.fields[name])} {name} fields: the first one used" for name in _repeated(headers)]
    people = {name: _addresses(headers, name, problems) for name in ("from", "reply-to", "to", "cc")}
    if (recipients := len(people["to"]) + len(people["cc"])) > RECIPIENTS_MAX:
        raise PermanentError(f"{recipients} recipients; at most {RECIPIENTS_MAX}")
    body = _Body()
    body.read(read_parts(headers, data[body_at:]))
    text, marks = body.layout()
    subject = " ".join(decode_words(headers.first("subject")).split())
    reading = find_said(text, marks, is_forward=is_forward(subject))
    date = read_date(headers.first("date"))
    notes = [*body.problems, reading.problem or "", "" if date else "no readable date"]
    message_id, in_reply_to, references, root = _thread(headers, raw)
    return Mail(
        message_id=message_id,
        in_reply_to=in_reply_to,
        references=references,
        thread_root=root,
        subject=subject,
        date=date,
        from_=people["from"],
        to=people["to"],
        cc=people["cc"],
        reply_to=people["reply-to"],
        text=text,
        said=reading.said,
        signature=reading.signature,
        automated=_automated(headers, people["from"]),
        attachments=tuple(body.attachments),
        calendar_parts=tuple(body.calendar_parts),
        problems=tuple(dict.fromkeys(note for note in problems + notes if note)),
    )


def _thread(headers: Headers, raw: bytes) -> tuple[str | None, str | None, tuple[str, ...], str]:
    own = next(iter(read_ids(headers.first("message-id"))), None)
    before = next(iter(read_ids(headers.first("in-reply-to"))), None)
    references = read_ids(headers.first("references"))
    first = references[0] if references else None
    return own, before, references, first or before or own or f"sha256:{hashlib.sha256(raw).hexdigest()}"


def _repeated(headers: Headers) -> Iterator[str]:
    return (name for name in _ONCE if len(headers.fields.get(name, ())) > 1)


def _addresses(headers: Headers, name: str, problems: list[str]) -> tuple[Address, ...]:
    values = headers.fields.get(name, ())
    found, unreadable = read_addresses(values[:1] if name in _ONCE else values)
    problems += (f"header {name}: {problem}" for problem in unreadable)
    return found


@dataclass(frozen=True)
class _Piece:
    """The text of one part, and its marked places."""

    text: str
    marks: tuple[Mark, ...] = ()


@dataclass
class _Body:
    """Collects a mail's text, attachments and invitations from its tree of parts."""

    pieces: list[_Piece] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    calendar_parts: list[CalendarPart] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def read(self, root: Part) -> None:
        self.pieces = self._pieces(root, at_root=True)

    def layout(self) -> tuple[str, tuple[Mark, ...]]:
        """The pieces as one text, a blank line between two, and their marks moved along."""
        text, marks = "", list[Mark]()
        for piece in self.pieces:
            text += "\n\n" if text else ""
            marks += (Mark(m.start + len(text), m.end + len(text), m.kind) for m in piece.marks)
            text += piece.text
        if len(text) > TEXT_CHARS_MAX:
            self.problems.append(f"text of {len(text)} characters: cut after {TEXT_CHARS_MAX}")
            text = text[:TEXT_CHARS_MAX]
        return text, tuple(mark for mark in marks if mark.start < len(text))

    def _pieces(self, part: Part, at_root: bool = False) -> list[_Piece]:
        """The readable pieces below a part; recursion is bounded by the parts' depth."""
        if not part.children:
            return self._leaf(part, at_root)
        self.problems += part.problems
        if part.mime == "multipart/encrypted":
            self.problems.append("encrypted: its text can't be read")
        if part.mime != "multipart/alternative":
            return [piece for child in part.children for piece in self._pieces(child)]
        pages = [child for child in part.children if _holds_html(child)]
        others = [child for child in part.children if child not in pages]
        chosen: list[_Piece] = []
        for child in [*reversed(pages), *others]:
            if chosen and child.mime in ("text/plain", "text/html"):
                continue  # the same words again
            found = self._pieces(child)
            chosen = chosen or found
        return chosen

    def _leaf(self, part: Part, at_root: bool) -> list[_Piece]:
        content = part.decoded()
        named = bool(part.filename) and not at_root
        readable = part.mime in ("text/plain", "text/html") or part.mime.startswith("multipart/")
        if not readable or named or part.disposition == "attachment":
            self._attach(part, content)
            return []
        charset = part.parameter("charset") or (_meta_charset(content) if part.mime == "text/html" else None)
        decoded, problem = decode_text(content, charset)
        self.problems += part.problems + ([f"text: {problem}"] if problem else [])
        text = clean_text(decoded)
        if part.mime != "text/html":
            return [_Piece(text.strip("\n"))] if text.strip() else []
        from adapters.formats.html import render_html

        page = render_html(text)
        self.problems += page.problems
        return [_Piece(clean_text(page.text), page.marks)] if page.text.strip() else []

    def _attach(self, part: Part, content: bytes) -> None:
        self.problems += part.problems
        digest = hashlib.sha256(content).hexdigest()
        self.attachments.append(Attachment(part.filename, part.mime, len(content), digest))
        if part.mime in _CALENDAR_TYPES:
            method = part.parameter("method").upper()[:20]
            self.calendar_parts.append(CalendarPart(part.filename, method, content))


def _holds_html(part: Part) -> bool:
    return part.mime == "text/html" or any(_holds_html(child) for child in part.children)


def _meta_charset(content: bytes) -> str | None:
    found = _META_CHARSET.search(content, 0, 2_048)
    return found[1].decode("ascii") if found else None


def _automated(headers: Headers, senders: tuple[Address, ...]) -> str | None:
    """Why this was not written by a person (RFC 3834 and common practice); what may be a group's mail comes last."""
    submitted = headers.first("auto-submitted").split(";")[0].strip().lower()
    if submitted and submitted != "no":
        return f"auto-submitted: {submitted[:40]}"
    if headers.first("content-type").lower().lstrip().startswith("multipart/report"):
        return "multipart/report"
    if headers.fields.get("return-path") and headers.first("return-path").replace(" ", "") == "<>":
        return "empty return path"
    if "x-autoreply" in headers.fields or "x-autorespond" in headers.fields:
        return "auto-reply header"
    if any(_NO_PERSON.match(sender.email.partition("@")[0]) for sender in senders):
        return "noreply sender"
    precedence = headers.first("precedence").lower()
    if precedence in ("bulk", "junk", "auto_reply"):
        return f"bulk: precedence {precedence}"
    if "list-id" in headers.fields or precedence == "list":
        return "list: list-id" if "list-id" in headers.fields else "list: precedence list"
    return None
