"""Notices a prompt that an endpoint cut in silence, which some do: the answer then is about half of what was asked.

Ollama serves 4,096 tokens on most machines whatever a model can hold, its OpenAI route takes no other number, and a
longer prompt loses its beginning (the rules) without a word: it is cut to the window, or by newer versions to half of
it. Source: docs.ollama.com/context-length, and Ollama's issues 17889 and 10368; read 2026-11.

So the count of tokens that comes back with each answer is looked at: is it too small for so much text, or as round as
windows are? That is no proof, and customers write the text, so nobody is accused on suspicion: a suspected question is
counted once more in two halves, and halves that are more than the whole were cut from it. The trade-off: a suspicion
costs as much again as the question, seldom, and never again for questions half as long; and who sets a window that is
not round, and says so in no setting, may have questions cut by a little that nobody notices.
"""

import threading
from collections.abc import Callable

Measure = Callable[[str], int | None]
"""Sends a text and returns what it is counted at, None where the endpoint refuses it as too long."""

CHARS_PER_TOKEN = 2.7
_WORDS = ("the", "of", "and", "to", "in", "is", "it", "on", "as", "at")
"""A token each, for every tokenizer."""

_TOO_FEW = 0.6
_WEIGHT = 0.2
_ROUND = (1000, 1024)
_NEAR = 8
_SEAM = 2
"""Tokens that a text may be more when it is parted within a word."""


class Window:
    """What is known of the context of one model behind one endpoint; safe to share between threads.

    `declared_tokens` is what the operator says that fits, None for unknown.
    """

    def __init__(self, declared_tokens: int | None = None) -> None:
        self._declared = declared_tokens
        self._lock = threading.Lock()
        self._chars_per_token = CHARS_PER_TOKEN
        self._proved = 0

    def estimate(self, text: str) -> float:
        """Estimate the tokens of a text by what earlier answers were counted at."""
        return len(text) / self._chars_per_token

    def overflows(self, text: str, room: int) -> bool:
        """Say whether a text certainly leaves no such room in the declared window: each word is a token at least."""
        return self._declared is not None and len(text.split()) + room > self._declared

    def is_whole(self, text: str, counted: int, measure: Measure) -> bool:
        """Say whether an endpoint that counted so many tokens read all of a text."""
        if self._suspects(text, counted):
            if _is_more(text, counted, measure):
                return False
            with self._lock:
                self._proved = max(self._proved, counted)
        if counted > 0:
            with self._lock:
                self._chars_per_token += _WEIGHT * (len(text) / counted - self._chars_per_token)
        return True

    def holds(self, tokens: int, measure: Measure) -> bool:
        """Say whether a text of so many tokens is read whole, or refused openly."""
        count = measure(" ".join(_WORDS[number % len(_WORDS)] for number in range(tokens)))
        return count is None or count >= tokens

    def _suspects(self, text: str, counted: int) -> bool:
        if 2 * counted <= self._proved:  # a window that small was found to hold more
            return False
        if counted < max(len(text.split()), _TOO_FEW * self.estimate(text)):
            return True
        if self._declared is not None and counted >= self._declared - _NEAR:
            return True
        return counted > min(_ROUND) and any(min(counted % r, -counted % r) <= _NEAR for r in _ROUND)


def _is_more(text: str, counted: int, measure: Measure) -> bool:
    """Whether a text is counted at more in two halves, without what each call adds, than it was as a whole."""
    middle = len(text) // 2
    counts = [measure(part) for part in (text[:middle], text[middle:], _WORDS[0])]
    first, second, frame = (count if count is not None else 0 for count in counts)
    return first + second - 2 * max(frame - 1, 0) > counted + _SEAM
