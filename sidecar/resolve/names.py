"""What people are called: the best of the names that a channel gives, and how far two names agree.

A name never joins two parties; it only tells whether a shared telephone is one person's or two people's. So the
comparison has four answers, of which only `same` counts as agreement, and what can't be compared says so.
"""

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum

MAX_CHARS = 120
_HONORIFICS = frozenset(
    ("mr", "mrs", "ms", "miss", "dr", "prof", "herr", "frau", "sr", "sra", "don", "dona", "mme", "mlle",
     "monsieur", "madame")
)  # fmt: skip
_QUOTES = "\"'“”„«»‘’ "


class Agreement(StrEnum):
    """How far two names agree."""

    SAME = "same"
    COMPATIBLE = "compatible"
    DIFFERENT = "different"
    UNCLEAR = "unclear"


def best_name(names: Iterable[str]) -> str:
    """Return the name with the most words among those that are names at all, else an empty text."""
    shown = sorted({name for name in map(_shown, names) if name}, key=lambda n: (-len(_words(n)), -len(n), n))
    return shown[0] if shown else ""


def compare(a: str, b: str) -> Agreement:
    """Compare two names: `Lee, Ann` and `ann lee` are the same, `Ann` and `A. Lee` compatible with either."""
    left, right = _words(_shown(a)), _words(_shown(b))
    if not left or not right:
        return Agreement.UNCLEAR
    if sorted(left) == sorted(right):
        return Agreement.SAME
    if _fits(left, right) or _fits(right, left):
        return Agreement.COMPATIBLE
    return Agreement.DIFFERENT


def words(text: str) -> frozenset[str]:
    """Return the words of a text in one spelling: small letters, without accents."""
    return frozenset(re.findall(r"\w+", _plain(text)))


def _shown(name: str) -> str:
    visible = "".join(c for c in name if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    tidy = " ".join(visible.split()).strip(_QUOTES)[:MAX_CHARS].strip()
    is_address = "@" in tidy or not any(c.isalpha() for c in tidy)
    return "" if is_address else tidy


def _words(name: str) -> list[str]:
    spoken = [word for word in re.split(r"[\W_]+", _plain(name)) if word]
    return [word for word in spoken if word not in _HONORIFICS] or spoken


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()


def _fits(few: list[str], many: list[str]) -> bool:
    """Say whether each word of the one stands in the other, be it as an initial."""
    left = list(many)
    for word in sorted(few, key=len, reverse=True):
        match = next((m for m in left if m == word), None) or next((m for m in left if _is_initial(word, m)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _is_initial(a: str, b: str) -> bool:
    return (len(a) == 1 and b.startswith(a)) or (len(b) == 1 and a.startswith(b))
