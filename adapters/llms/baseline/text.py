"""Cuts turns into sentences that rules can match, and keeps each sentence's place, so that quotes are verbatim.

Matching runs on a folded copy (lower case, no accents, plain quotes) that has exactly as many characters as the
original: a place in one is a place in the other. What can't be folded one to one (letters typed as base and combining
mark) stays as it is and may be missed; that was chosen over a map of places for every text.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from adapters.llms.baseline.language import best, own_or, scores
from sidecar.model import Role, Turn

MAX_CHARS = 24_000
MAX_SENTENCES = 600
MAX_QUOTE_WORDS = 25
WRAPPED_CHARS = 50
"""A line that is longer and ends in the middle of a sentence was wrapped by a mailer."""

_SAME = {"’": "'", "‘": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
         "–": "-", "—": "-", "‑": "-", "‐": "-", "−": "-"}  # fmt: skip
_END = re.compile(r"[.!?…]+[\"'»”)\]]*(?=\s|$)|\n+")
_ABBREVIATED = re.compile(
    r"(?:^|[\s(.])(?:mr|mrs|ms|dr|st|no|nr|tel|approx|ca|bzw|inkl|zzgl|hr|fr|sr|sra|dra|ud|uds|mme|av|env|etc|"
    r"mo|di|mi|do|sa|so|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez|dic|z\.\s?b|[a-z])$"
)
_ORDINAL = re.compile(r"(?:^|\D)\d{1,2}$")
_MONTH_START = re.compile(
    r"\s+(?:jan|feb|mar|marz|apr|abr|avr|ene|fev|mai|may|jun|jul|juin|juil|aug|ago|aout|sep|okt|oct|nov|dez|dec|dic)"
)
_SPEAKER = re.compile(r".{1,120}? \((customer|agent|agent, unverified|bot|system)\): ")


class _Fold(dict[int, str]):
    def __missing__(self, code: int) -> str:
        char = chr(code)
        plain = unicodedata.normalize("NFKD", _SAME.get(char, char)).lower()[:1] or char
        self[code] = " " if plain.isspace() and plain != "\n" else plain
        return self[code]


_FOLD = _Fold()


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence: who said it in which turn (`number` counts turns), where, its language and folded copy."""

    turn: Turn
    number: int
    role: Role
    authenticated: bool
    start: int
    end: int
    folded: str
    language: str
    is_new: bool

    @property
    def text(self) -> str:
        """The words as they were written."""
        return self.turn.text[self.start : self.end]

    @property
    def is_question(self) -> bool:
        """Whether it asks."""
        return self.folded.rstrip("\"')] ").endswith("?") or self.folded.startswith("¿")

    def quote(self, at: int = 0) -> str:
        """Return at most 25 words, verbatim, around a place in the sentence."""
        words = list(re.finditer(r"\S+", self.text))
        if len(words) <= MAX_QUOTE_WORDS:
            return self.text
        reached = next((i for i, word in enumerate(words) if word.end() > at), 0)
        first = min(max(0, reached - MAX_QUOTE_WORDS // 3), len(words) - MAX_QUOTE_WORDS)
        return self.text[words[first].start() : words[first + MAX_QUOTE_WORDS - 1].end()]


def fold(text: str) -> str:
    """Fold case, accents, quotes and dashes, one character to one."""
    return text.translate(_FOLD)


def sentences(
    earlier: Sequence[Turn], new: Sequence[Turn], stopwords: Mapping[str, frozenset[str]]
) -> tuple[Sentence, ...]:
    """Return what people said in these turns, in order; machine mail, deletions and status notices are left out."""
    turns = [(turn, False) for turn in earlier] + [(turn, True) for turn in new]
    spoken = [(n, turn, is_new) for n, (turn, is_new) in enumerate(turns) if _speaks(turn)]
    counts = {n: scores(turn.text[:MAX_CHARS], fold(turn.text[:MAX_CHARS]), stopwords) for n, turn, _ in spoken}
    usual = best({code: sum(c[code] for c in counts.values()) for code in stopwords}) or next(iter(stopwords))
    found = []
    for number, turn, is_new in spoken:
        language = own_or(usual, counts[number], len(turn.text))
        found += _of_turn(turn, number, language, is_new)
    return tuple(found)


def _speaks(turn: Turn) -> bool:
    return not turn.automated and turn.kind not in ("deletion", "status")


def _of_turn(turn: Turn, number: int, language: str, is_new: bool) -> list[Sentence]:
    found = []
    folded = fold(turn.text[:MAX_CHARS])
    for begin, stop, role, authenticated in _pieces(turn):
        for start, end in _split(folded, begin, stop):
            found.append(Sentence(turn, number, role, authenticated, start, end, folded[start:end], language, is_new))
            if len(found) >= MAX_SENTENCES:
                return found
    return found


def _pieces(turn: Turn) -> Iterator[tuple[int, int, Role, bool]]:
    """Yield the spans of a turn by speaker: with several, each line names its own; a customer's stays a customer's."""
    text = turn.text[:MAX_CHARS]
    if not _SPEAKER.match(text):
        yield 0, len(text), turn.role, turn.authenticated
        return
    is_shared = turn.kind in ("transcript", "call", "meeting") or turn.role is not Role.CUSTOMER
    role, authenticated = Role.CUSTOMER, False
    start = 0
    for line in text.splitlines(keepends=True):
        named = _SPEAKER.match(line)
        if named and is_shared:
            role = Role(named[1].split(",")[0])
            authenticated = role in (Role.AGENT, Role.SYSTEM) and not named[1].endswith("unverified")
        yield start + (named.end() if named else 0), start + len(line), role, authenticated
        start += len(line)


def _split(folded: str, begin: int, stop: int) -> Iterator[tuple[int, int]]:
    start = begin
    for mark in _END.finditer(folded, begin, stop):
        if _goes_on(folded, start, mark, stop):
            continue
        yield from _trimmed(folded, start, mark.end())
        start = mark.end()
    yield from _trimmed(folded, start, stop)


def _goes_on(folded: str, start: int, mark: re.Match[str], stop: int) -> bool:
    """Whether a full stop or line end is none: an abbreviation, a German ordinal, a line that a mailer wrapped."""
    before = folded[max(start, mark.start() - WRAPPED_CHARS - 1) : mark.start()]
    after = folded[mark.end() : min(mark.end() + 12, stop)]
    if mark[0] == "\n":
        return len(before.rstrip()) > WRAPPED_CHARS and before.rstrip()[-1:].isalnum() and after[:1].isalnum()
    if mark[0] != ".":
        return False
    return bool(_ABBREVIATED.search(before)) or bool(_ORDINAL.search(before) and _MONTH_START.match(after))


def _trimmed(folded: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    part = folded[start:end]
    left = len(part) - len(part.lstrip())
    right = len(part.rstrip())
    if any(c.isalnum() for c in part):
        yield start + left, start + right
