"""Which words of a mail the sender wrote anew: without quoted mails, the lines that announce them, and signature.

Who said it counts: a sentence that a customer merely quotes must not become the customer's statement, so each rule
here errs towards "quoted" where the mail says so, and the whole text is kept beside it for people and for the model to
read as context. Rules work on lines and know as little language as they can:

- lines that begin with ">", and places that HTML marks as quoted;
- a line ending in a colon directly before quoted lines, when it holds an address or a time ("... <ann@x.test> wrote:");
- such a line with nothing marked below it, in the wording of `mail-parser-reply` or with address, year and time;
- a block of header lines ("From:", "Sent:", "Subject:" in many languages), as Outlook and forwards write it;
- a line that announces a forward.

The last three are positional: all that follows counts as quoted. Whoever answers inside such a text loses the answers;
where the few own words point at them ("see below in red"), or nothing else is there, the rest is taken as said and a
problem is noted; a forward is never taken back, for nobody answers inside one. The library's expressions are quadratic
in the line's length (0.2 s for 4,000 characters, measured 2026-11), so they only ever see short lines that end in a
colon, and few of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache

from adapters.formats.forwards import announces_forward
from adapters.formats.quote_words import CLOSINGS, INLINE_HINT, LABELS, Role

Span = tuple[int, int]
LANGUAGES = ("en", "de", "fr", "it", "es", "ja", "zh", "nl", "pl", "sv", "da", "cs", "ko")

_CANDIDATES_MAX = 60
_ATTRIBUTION_CHARS_MAX = 300
_SIGNATURE_LINES_MAX = 20
_CLOSING_LINES_MAX = 8
_QUOTE_LINE = re.compile(r"\s{0,3}>")
_ANGLE_ADDRESS = re.compile(r"<[^\s<>@]{1,64}@[^\s<>@]{1,255}>")
_TIME = re.compile(r"\d{1,2}[:.h]\d{2}\b|\d{4}")
_YEAR_AND_TIME = re.compile(r"(?=.{0,300}\b(?:19|20)\d{2})(?=.{0,300}\b\d{1,2}[:.h]\d{2})", re.DOTALL)
_RULED = re.compile(r"\s*(?:[-_=*]{2,}|[-_]{2,}.{3,60}[-_]{2,})\s*")
_LABEL = re.compile(r"[\s>*|]{0,10}([^\W\d_][^:：<>@]{0,28}?)\s{0,3}\*{0,2}\s?[:：]")


class MarkKind(Enum):
    """What a mail program says about a place: quoted, quoted to the end, or the sender's signature."""

    QUOTED = "quoted"
    REST = "rest"
    SIGNATURE = "signature"


@dataclass(frozen=True)
class Mark:
    """A place in the text, in code points, that HTML marks."""

    start: int
    end: int
    kind: MarkKind


@dataclass(frozen=True)
class Reading:
    """`said` and `signature` as code point spans in the text; `problem` says when a rule had to be taken back."""

    said: tuple[Span, ...]
    signature: Span | None = None
    problem: str | None = None


@dataclass
class _Line:
    start: int
    text: str
    kind: MarkKind | None = None  # None: said

    @property
    def blank(self) -> bool:
        return not self.text.strip()


def find_said(text: str, marks: Sequence[Mark] = (), *, is_forward: bool = False) -> Reading:
    """Tell the sender's own words from what is quoted, announced or signed; `is_forward` as its subject says."""
    lines = list(_lines(text))
    _apply_marks(lines, marks)
    for line in lines:
        if line.kind is None and _QUOTE_LINE.match(line.text):
            line.kind = MarkKind.QUOTED
    _quote_attributions(lines)
    kept = _quote_tail(lines)
    is_passed_on = is_forward or any(announces_forward(line.text) for line in lines if line.kind is not None)
    problem = None if is_passed_on else _take_back(lines, kept)
    signature = _find_signature(lines)
    return Reading(tuple(_spans(lines, None)), signature, problem)


def _lines(text: str) -> Iterator[_Line]:
    start = 0
    for line in text.split("\n"):
        yield _Line(start, line)
        start += len(line) + 1


def _apply_marks(lines: list[_Line], marks: Sequence[Mark]) -> None:
    at = 0
    for mark in marks:
        while at < len(lines) and lines[at].start + len(lines[at].text) <= mark.start:
            at += 1
        while at < len(lines) and lines[at].start < mark.end:
            lines[at].kind = mark.kind
            at += 1


def _quote_attributions(lines: list[_Line]) -> None:
    """Mark the line, or up to three wrapped lines, that announce the quoted lines directly below."""
    for at, line in enumerate(lines):
        if line.kind is not MarkKind.QUOTED or line.blank:
            continue
        last = at - 1
        while last >= 0 and at - last <= 3 and lines[last].blank:
            last -= 1
        if last < 0 or lines[last].kind is not None or lines[last].blank:
            continue
        for first in range(last, max(-1, last - 3), -1):
            if lines[first].blank or lines[first].kind is not None:
                break
            if _announces(" ".join(part.text.strip() for part in lines[first : last + 1])):
                for part in lines[first : last + 1]:
                    part.kind = MarkKind.QUOTED
                break


def _announces(words: str) -> bool:
    if len(words) > _ATTRIBUTION_CHARS_MAX or not words.rstrip("* ").endswith((":", "：")):
        return False
    return bool(_ANGLE_ADDRESS.search(words) or _TIME.search(words))


def _quote_tail(lines: list[_Line]) -> set[int]:
    """Mark all below a header block, or below an announcement with nothing marked under it.

    Answers with the lines that stay quoted even if the rest is taken back.
    """
    found = [rule for rule in (_header_block(lines), _forward(lines), _bare_attribution(lines)) if rule is not None]
    if not found:
        return {at for at, line in enumerate(lines) if line.kind is MarkKind.REST and _role(line.text)}
    first, last = min(found)
    for at in range(first, len(lines)):
        if lines[at].kind is None:
            lines[at].kind = MarkKind.REST
    return set(range(first, last + 1))


def _forward(lines: list[_Line]) -> tuple[int, int] | None:
    """The first line that announces a forward."""
    return next(((at, at) for at, line in enumerate(lines) if line.kind is None and announces_forward(line.text)), None)


def _header_block(lines: list[_Line]) -> tuple[int, int] | None:
    """The first run of label lines that names a sender and two more of date, recipient, subject."""
    senders = [at for at, line in enumerate(lines) if line.kind is None and _role(line.text) is Role.FROM]
    for sender in senders[:_CANDIDATES_MAX]:
        at = sender
        while at > 0 and sender - at < 4 and lines[at - 1].kind is None and _role(lines[at - 1].text) is not None:
            at -= 1  # some programs begin with the subject
        roles: set[Role] = set()
        last = at
        for below in range(at, min(len(lines), at + 14)):
            role = _role(lines[below].text)
            if role is not None:
                roles.add(role)
                last = below
        if len(roles) >= 3 and roles & {Role.DATE, Role.SUBJECT}:
            return _with_ruler(lines, at), last
    return None


def _with_ruler(lines: list[_Line], at: int) -> int:
    """Where a block begins with the line above it: "-----Original Message-----", "Begin forwarded message:"."""
    above = at - 1
    while above >= 0 and at - above <= 2 and lines[above].blank:
        above -= 1
    if above < 0 or lines[above].kind is not None:
        return at
    text = lines[above].text.strip()
    announced = 0 < len(text) <= 60 and text.endswith((":", "：")) and " " in text
    return above if len(text) <= 200 and (_RULED.fullmatch(text) or announced) else at


def _role(line: str) -> Role | None:
    label = _LABEL.match(line[:60])
    return LABELS.get(" ".join(label[1].replace("*", "").split()).casefold()) if label else None


def _bare_attribution(lines: list[_Line]) -> tuple[int, int] | None:
    candidates = 0
    for last, line in enumerate(lines):
        if line.kind is not None or len(line.text) > _ATTRIBUTION_CHARS_MAX:
            continue
        if not line.text.rstrip().endswith((":", "：")):
            continue
        candidates += 1
        if candidates > _CANDIDATES_MAX:
            return None
        for first in range(last, max(-1, last - 3), -1):
            if lines[first].blank or lines[first].kind is not None:
                break
            words = " ".join(part.text.strip() for part in lines[first : last + 1])
            if len(words) <= _ATTRIBUTION_CHARS_MAX and _is_attribution(words):
                return first, last
    return None


def _is_attribution(words: str) -> bool:
    if not _TIME.search(words):
        return False
    if _ANGLE_ADDRESS.search(words) and _YEAR_AND_TIME.search(words):
        return True
    return any(pattern.match(words) for pattern in _wordings())


@cache
def _wordings() -> tuple[re.Pattern[str], ...]:
    """How mail programs announce a quote, language by language, as `mail-parser-reply` has collected it."""
    from mailparser_reply.constants import MAIL_LANGUAGES

    return tuple(re.compile(MAIL_LANGUAGES[code]["wrote_header"], re.IGNORECASE) for code in LANGUAGES)


@cache
def _device_lines() -> re.Pattern[str]:
    """ "Sent from my phone" and its like, from the same collection."""
    from mailparser_reply.constants import MAIL_LANGUAGES

    patterns = [MAIL_LANGUAGES[code]["sent_from"] for code in LANGUAGES if MAIL_LANGUAGES[code]["sent_from"]]
    return re.compile(rf"\s{{0,3}}(?:{'|'.join(patterns)})", re.IGNORECASE)


def _take_back(lines: list[_Line], kept: set[int]) -> str | None:
    """Undo a positional rule where it would swallow what the sender wrote."""
    rest = [at for at, line in enumerate(lines) if line.kind is MarkKind.REST and at not in kept]
    said = " ".join(line.text for line in lines if line.kind is None).strip()
    if not rest:
        return None
    everything = sum(len(line.text) for line in lines)
    answered_inside = len(said) < everything / 5 and INLINE_HINT.search(said[:2_000].casefold())
    block = any(_role(lines[at].text) is Role.FROM for at in kept)
    only_announced = not said and bool(kept) and not block
    if not (answered_inside or only_announced):
        return None
    for at in rest:
        lines[at].kind = None
    return "answers may stand inside the quoted text: all of it taken as said"


def _find_signature(lines: list[_Line]) -> Span | None:
    """Mark signatures at the end of each run of own lines; the first one's span is the answer."""
    run: list[_Line] = []
    spoken = False
    for line in [*lines, _Line(0, "", MarkKind.QUOTED)]:
        if line.kind is None:
            run.append(line)
            continue
        if run:
            _mark_signature([part for part in run if not part.blank], spoken)
            spoken = spoken or any(part.kind is None and not part.blank for part in run)
            run = []
    spans = list(_spans(lines, MarkKind.SIGNATURE))
    return spans[0] if spans else None


def _mark_signature(run: list[_Line], spoken: bool) -> None:
    for at in range(max(0, len(run) - 1 - _SIGNATURE_LINES_MAX), len(run)):
        line = run[at]
        below = len(run) - at - 1
        delimiter = line.text.rstrip() in ("--", "—")
        device = below <= 1 and len(line.text) <= 100 and _device_lines().match(line.text)
        if delimiter or device or ((at or spoken) and _closes(line.text, run[at + 1 :])):
            for part in run[at:]:
                part.kind = MarkKind.SIGNATURE
            return


def _closes(line: str, below: Sequence[_Line]) -> bool:
    """Whether a line is nothing but a closing ("Best regards,"), with a few short lines below it."""
    if len(line) > 60 or len(below) > _CLOSING_LINES_MAX:
        return False
    words = " ".join(line.strip().rstrip(",.!，。！ ").split()).casefold()
    return words in CLOSINGS and all(len(part.text) <= 100 for part in below)


def _spans(lines: Sequence[_Line], kind: MarkKind | None) -> Iterator[Span]:
    """Runs of one kind, blank lines inside included, without the white space around them."""
    start = end = -1
    for line in lines:
        if line.blank:
            continue
        if line.kind is kind:
            indent = len(line.text) - len(line.text.lstrip())
            start = line.start + indent if start < 0 else start
            end = line.start + len(line.text.rstrip())
        elif start >= 0:
            yield start, end
            start = -1
    if start >= 0:
        yield start, end
