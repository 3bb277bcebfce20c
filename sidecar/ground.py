"""Evidence or nothing: finds a quote verbatim in what was said, or says that it isn't there.

A quote is verified only by normalised substring. Normalising forgives what copying does to text (case, accents, quotes,
dashes, white space, invisible characters) and nothing that changes meaning: fuzzy matching accepted a dropped "not" or
400 for 40 in a bench of altered quotes, this accepted none. The place that is stored is in the original text, so that
anybody can check it without this code.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from sidecar.model import Said

MAX_QUOTE_WORDS = 40
MIN_QUOTE_LETTERS = 2
MAX_PART_GAP = 200
_FIRST_UNSPACED = 0x2E80
"""From here on scripts are mostly written without spaces, so that a word boundary can't be asked for."""
_WITHIN = ".,:'-"
"""Marks that may stand within a word or a number."""
_UNSEEN = frozenset(("Cf", "Cc", "Co", "Cn", "Cs"))
_BLANK = frozenset(
    chr(code)
    for first, last in ((0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x3164, 0x3164),
                        (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xE0100, 0xE01EF))
    for code in range(first, last + 1)
)  # fmt: skip
"""Letters and marks that nobody sees: joiners, fillers, variation selectors, of which 256 can carry any hidden text.
Source: Unicode, DerivedCoreProperties, Default_Ignorable_Code_Point, read 2026-11."""
_JOINERS = "\u200c\u200d"

_SAME = str.maketrans(
    {
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "’": "'",
        "‘": "'",
        "‚": "'",
        "`": "'",
        "´": "'",
        "‐": "-",
        "‑": "-",
        "‒": "-",
        "–": "-",
        "—": "-",
        "−": "-",
        "…": "...",
    }
)


@dataclass(frozen=True, slots=True)
class Folded:
    """A text reduced to what must be equal, with the place in the original of each of its characters."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


def find(quote: str, text: str, said: Sequence[Said]) -> tuple[int, int, Said] | None:
    """Return start and end of the quote in the text, within one span that somebody said, or None.

    Parts around an ellipsis must follow each other closely; the place then covers what was left out too.
    """
    parts = [p for p in (fold(part).text.strip() for part in _parts(quote)) if p]
    letters = sum(c.isalnum() for part in parts for c in part)
    if letters < MIN_QUOTE_LETTERS or sum(len(part.split()) for part in parts) > MAX_QUOTE_WORDS:
        return None
    for span in said:
        folded = fold(text[span.start : span.end])
        place = _locate(parts, folded.text)
        if place:
            start, end = place
            return span.start + folded.starts[start], span.start + folded.ends[end - 1], span
    return None


def _parts(quote: str) -> list[str]:
    return quote.translate(_SAME).split("...")


def _locate(parts: Sequence[str], text: str) -> tuple[int, int] | None:
    first: int | None = None
    after = 0
    for part in parts:
        at = _whole_words(part, text, after)
        if at is None or (first is not None and at - after > MAX_PART_GAP):
            return None
        first = at if first is None else first
        after = at + len(part)
    return None if first is None else (first, after)


def _whole_words(part: str, text: str, after: int) -> int | None:
    at = text.find(part, after)
    while at >= 0:
        if _boundary(text, at - 1, at) and _boundary(text, at + len(part) - 1, at + len(part)):
            return at
        at = text.find(part, at + 1)
    return None


def _boundary(text: str, left: int, right: int) -> bool:
    """Say whether a quote may begin or end between two places: not within a word or number, nor at "can" of "can't"."""
    if left < 0 or right >= len(text):
        return True
    a, b = text[left], text[right]
    if b in _WITHIN and a.isalnum() and right + 1 < len(text):
        return not _within(a, b, text[right + 1])
    if a in _WITHIN and b.isalnum() and left:
        return not _within(text[left - 1], a, b) and text[max(0, left - 3) : left] != "non"
    return not (a.isalnum() and b.isalnum() and ord(a) < _FIRST_UNSPACED and ord(b) < _FIRST_UNSPACED)


def _within(before: str, mark: str, after: str) -> bool:
    """Say whether a mark stands within one number (4,500, 10:30), or within one word that it changes (can't)."""
    if mark in ".,:":
        return before.isdigit() and after.isdigit()
    return mark == "'" and before == "n" and after == "t"


def fold(text: str) -> Folded:
    """Fold case, accents, quotes, dashes and white space, and drop invisible characters, keeping each place."""
    kept: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for place, original in enumerate(text):
        for char in unicodedata.normalize("NFKD", original.translate(_SAME)).casefold():
            folded = _kept(char)
            if not folded or (folded == " " and (not kept or kept[-1] == " ")):
                continue
            kept.append(folded)
            starts.append(place)
            ends.append(place + 1)
    return Folded("".join(kept), starts, ends)


def _kept(char: str) -> str:
    if char.isascii():
        return " " if char.isspace() else char if char.isprintable() else ""
    category = unicodedata.category(char)
    if category.startswith("Z") or category == "So":
        return " "
    return "" if category in ("Mn", "Me") or category in _UNSEEN or char in _BLANK else char


def visible(text: str) -> str:
    """Return the text without invisible characters that could hide instructions from a reader (zero-width, tags).

    Unicode's own line and paragraph separators become plain line ends, which no rendering can mistake.
    """
    return "".join(c for c in _plain_ends(text) if not _is_unseen(c))


def legible(text: str) -> str:
    """Return the text as `visible` does, but with the joiners within words that Persian, Hindi and emoji need.

    A joiner counts as one between two characters that are seen and beyond ASCII; a row of them carries something else.
    """
    plain = _plain_ends(text)
    return "".join(c for i, c in enumerate(plain) if not _is_unseen(c) or (c in _JOINERS and _joins(plain, i)))


def _plain_ends(text: str) -> str:
    """Put plain signs in place of Unicode's own line ends and of Braille's empty cell."""
    return text.replace("\u2028", "\n").replace("\u2029", "\n").replace("\u2800", " ")


def _is_unseen(char: str) -> bool:
    if char.isascii():
        return not (char.isprintable() or char in "\n\t")
    return char in _BLANK or unicodedata.category(char) in _UNSEEN


def _joins(text: str, at: int) -> bool:
    around = text[at - 1 : at] + text[at + 1 : at + 2]
    return len(around) == 2 and not any(c.isascii() or _is_unseen(c) for c in around)
