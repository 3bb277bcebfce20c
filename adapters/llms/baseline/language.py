"""Tells the language of a turn by the words and letters that only some languages have; a short one takes its thread's.

Own code, because the good library for this (py3langid) brings numpy, 73 MB, for one question of seven answers that all
have word files here. What has no known word and no telling letter stays undecided: "ok, 10" is in every language.
"""

import re
from collections.abc import Mapping

MIN_CHARS = 15
"""Shorter texts are taken for the conversation's language: they tell too little."""
_LEAD = 0.75
"""A lead of almost one word that no other language has."""
_MAX_HINTS = 3
_HINTS = tuple(
    (re.compile(pattern, re.IGNORECASE), codes.split())
    for pattern, codes in (
        ("ß", "de"), ("[äöü]", "de"), (r"\w(?:ung|heit|keit|lich)\b", "de"), ("sch", "de nl"),
        (r"\w(?:ij|oe|aa|uu)\w", "nl"), (r"n't\b|'(?:ll|ve|re|m)\b", "en"), (r"\b(?:th|wh|kn)\w", "en"),
        ("[ñ¿¡]", "es"), (r"ci[oó]n\b", "es"), ("[íó]", "es pt"), (r"\bll|\w(?:amos|emos)\b", "es pt"),
        ("[ãõ]", "pt"), ("ç", "pt fr"), ("[âê]", "fr pt"), (r"[cç](?:ão|ões)\b|nh|lh", "pt"),
        ("[òì]", "it"), ("[èù]", "it fr"), ("(?:zione|zioni|ità|gli|cch|zz)", "it"),
        ("[œîû]", "fr"), (r"(?:eaux?|ez|ait)\b", "fr"), (r"\b[ldjcnmts]'|\bqu'", "fr it"),
    )
)  # fmt: skip
"""Spellings, and the languages whose they are; each counts as much as a word that only these have."""


def scores(text: str, folded: str, known: Mapping[str, frozenset[str]]) -> dict[str, float]:
    """Return how much speaks for each language; a word or spelling that several share counts for each the less."""
    found = dict.fromkeys(known, 0.0)
    for word in re.findall(r"[^\W\d_]+", folded):
        codes = [code for code, words in known.items() if word in words]
        for code in codes:
            found[code] += 1 / len(codes)
    for pattern, codes in _HINTS:
        times = min(_MAX_HINTS, sum(1 for _ in pattern.finditer(text)))
        for code in codes:
            found[code] += times / (2 * len(codes))
    return found


def best(found: Mapping[str, float]) -> str | None:
    """Return the language for which most speaks, None when nothing does."""
    code = max(found, key=lambda c: found[c])
    return code if found[code] else None


def own_or(usual: str, found: Mapping[str, float], size_chars: int) -> str:
    """Return a turn's own language when far more speaks for it than for its conversation's, else the latter."""
    own = best(found)
    return own if own and size_chars >= MIN_CHARS and found[own] > found[usual] + _LEAD else usual
