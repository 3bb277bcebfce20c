"""Loads the languages' word files, once, and refuses a broken one: what rules look for is data, how they look is code.

A file that lacks a table, names an unknown one, or holds a pattern that can never match folded text is a bug of ours,
and is found when it is loaded rather than by what it silently misses.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from adapters.llms.baseline.dates import Grammar
from adapters.llms.baseline.text import Sentence, fold

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl")
_TABLES: Mapping[str, tuple[str, ...]] = {
    "signals": (
        "enquiry", "need", "quantity", "timeframe", "budget", "decider", "booking", "settled", "fixed", "offer",
        "accept", "cancelled", "reschedule", "no_show", "attended", "attended_claim", "chosen", "won", "won_claim",
        "lost",
    ),
    "intent": ("cancel", "complain", "support", "book", "buy", "inform"),
    "sentiment": ("positive", "mild", "negative", "angry"),
    "urgency": ("high", "low"),
    "risks": ("price", "competitor", "delay", "approval"),
    "steps": ("commit", "ours", "promise", "request", "done", "dropped"),
    "actions": ("send", "call", "reply", "meet", "check", "sign", "pay"),
    "manipulation": ("patterns",),
}  # fmt: skip
_PLAIN = (
    "stopwords", "negators", "negates_after", "conditionals", "provisos", "hearsay", "dates", "numbers", "ordinals",
)  # fmt: skip
_GUARDS = ("negators", "conditionals", "provisos", "hearsay")
_NEGATIVE = ("signals.no_show", "signals.cancelled", "signals.lost")
"""What is mostly said with a negation: "nobody came", "we're not going ahead"."""
_REACH_WORDS = 4


@dataclass(frozen=True, slots=True)
class Words:
    """One language: patterns by `table.name`, its guards, its dates."""

    code: str
    stopwords: frozenset[str]
    patterns: Mapping[str, re.Pattern[str]]
    negators: re.Pattern[str]
    conditionals: re.Pattern[str]
    provisos: re.Pattern[str]
    hearsay: re.Pattern[str]
    negates_after: bool
    grammar: Grammar

    def matches(self, name: str, sentence: Sentence) -> Iterator[re.Match[str]]:
        """Yield where a pattern matches, whatever stands around it."""
        return self.patterns[name].finditer(sentence.folded)

    def hit(self, name: str, sentence: Sentence, *, conditional: bool = False) -> re.Match[str] | None:
        """Return the first match that is not negated, quoted nor (unless `conditional` is fine) under a condition."""
        for match in self.matches(name, sentence):
            if self._negated(sentence.folded, match) or _quoted(sentence.folded, match):
                continue
            if conditional or not self.conditionals.search(sentence.folded, 0, match.start()):
                return match
        return None

    def asserted(self, name: str, sentence: Sentence) -> re.Match[str] | None:
        """Return the first match of something that the speaker says to be so, without question, negation, proviso."""
        match = None if sentence.is_question else self.hit(name, sentence)
        if match is None or self.hearsay.search(sentence.folded, 0, match.end()):
            return None
        if name not in _NEGATIVE and self.negators.search(match[0]):
            return None
        after, *later = re.split(r"[,;:.!?]", sentence.folded[match.end() :], maxsplit=2)
        if self.negates_after and self.negators.search(" ".join(after.split()[:_REACH_WORDS])):
            return None
        depends = self.conditionals.search(after) or self.provisos.search(after)
        return None if depends or (later and self.provisos.match(later[0].lstrip())) else match

    def action(self, folded: str) -> str:
        """Return what kind of action a text speaks of, or an empty text."""
        return next((n for n in _TABLES["actions"] if self.patterns[f"actions.{n}"].search(folded)), "")

    def _negated(self, folded: str, match: re.Match[str]) -> bool:
        clause = re.split(r"[,;:.!?]", folded[: match.start()])[-1]
        return bool(self.negators.search(" ".join(clause.split()[-_REACH_WORDS:])))


def _quoted(folded: str, match: re.Match[str]) -> bool:
    """Whether a match stands between quotation marks: words that the speaker only repeats."""
    return folded.count('"', 0, match.start()) % 2 == 1 and '"' in folded[match.end() :]


@cache
def languages() -> Mapping[str, Words]:
    """Return every language by its code."""
    folder = files("adapters.llms.baseline") / "words"
    return {code: _read((folder / f"{code}.toml").read_text(encoding="utf-8"), code) for code in LANGUAGES}


def parse(text: str, code: str) -> Words:
    """Read a word file and all of its patterns; `ValueError` names what is wrong with it."""
    words = _read(text, code)
    for name in words.patterns:
        words.patterns[name]
    return words


class _Patterns(Mapping[str, re.Pattern[str]]):
    """Patterns by name, compiled when first asked for: nobody waits at start for six languages that nobody speaks."""

    def __init__(self, texts: Mapping[str, str], code: str) -> None:
        self._texts, self._code = texts, code
        self._made: dict[str, re.Pattern[str]] = {}

    def __getitem__(self, name: str) -> re.Pattern[str]:
        if name not in self._made:
            self._made[name] = _compiled(self._texts[name], f"{self._code}: {name}")
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def _read(text: str, code: str) -> Words:
    raw = tomllib.loads(text)
    for table, names in {**_TABLES, **dict.fromkeys(_PLAIN, ())}.items():
        if table not in raw:
            raise ValueError(f"{code}: table {table} is missing")
        if names and set(raw[table]) != set(names):
            raise ValueError(f"{code}: {table} should hold {sorted(names)}, not {sorted(raw[table])}")
    unknown = set(raw) - set(_TABLES) - set(_PLAIN)
    if unknown:
        raise ValueError(f"{code}: unknown tables {sorted(unknown)}")
    parts = {
        "action": f"(?:{'|'.join(p for name in _TABLES['actions'] for p in raw['actions'][name])})",
        "weekday": f"(?:{'|'.join(raw['dates']['weekdays'])})",
    }
    texts = {f"{t}.{n}": _joined(raw[t][n], parts, f"{code}: {t}.{n}") for t, ns in _TABLES.items() for n in ns}
    guards = {n: _compiled(_joined(raw[n], parts, f"{code}: {n}"), f"{code}: {n}") for n in _GUARDS}
    return Words(
        code=code,
        stopwords=frozenset(raw["stopwords"]),
        patterns=_Patterns(texts, code),
        **guards,
        negates_after=bool(raw["negates_after"]),
        grammar=_grammar(raw, code),
    )


def _joined(patterns: list[str], parts: Mapping[str, str], where: str) -> str:
    filled = []
    for pattern in patterns:
        plain = re.sub(r"\\.", "", pattern)
        if fold(plain) != plain:
            raise ValueError(f"{where}: {pattern!r} can never match, because text is folded before")
        for name, part in parts.items():
            pattern = pattern.replace("{" + name + "}", part)
        # A pictogram needs no word boundary: people glue it to the word before.
        filled.append(pattern if ord(pattern[0]) > 0x2000 else rf"(?<!\w)(?:{pattern})(?!\w)")
    return "|".join(filled)


def _compiled(pattern: str, where: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{where}: {error}") from error


def _grammar(raw: Mapping[str, Any], code: str) -> Grammar:
    try:
        return Grammar(raw["dates"], raw["numbers"], raw["ordinals"])
    except (KeyError, re.error) as error:
        raise ValueError(f"{code}: dates: {error}") from error
