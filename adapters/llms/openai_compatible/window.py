"""Notices a prompt that an endpoint cut in silence, which some do: the answer then is about half of what was asked.

Ollama serves 4,096 tokens on most machines whatever a model can hold, its OpenAI route takes no other number, and a
longer prompt loses its beginning (the rules) without a word (Source: docs.ollama.com/context-length, and its issues
17889 and 10368, read 2026-11). What remains is then as long as the window, or half of it: the count of tokens that
comes back with each answer is looked at for both, and for being too small for so much text.

None of that is proof, and customers write the text, so nobody is accused on suspicion: a list of numbers, at least a
token each and longer than the window would have to be, is sent once. If it comes back uncounted, prompts are cut. The
trade-off: a suspicion costs one more call. A window that was proved large enough is never doubted again.
"""

import threading
from collections.abc import Callable

CHARS_PER_TOKEN = 2.7
MAX_PROBED_TOKENS = 100_000
_TOO_FEW = 0.6
_WEIGHT = 0.2
_ROUND = (1000, 1024)
_NEAR = 8
_SLACK = 64


class Window:
    """What is known of the context of one model behind one endpoint; safe to share between threads.

    `declared_tokens` is what the operator says that fits, None for unknown.
    """

    def __init__(self, declared_tokens: int | None = None) -> None:
        self._declared = declared_tokens
        self._lock = threading.Lock()
        self._chars_per_token = CHARS_PER_TOKEN
        self._proved = 0
        self._refuses = False

    def estimate(self, text: str) -> float:
        """Estimate the tokens of a text by what earlier answers were counted at."""
        return len(text) / self._chars_per_token

    def overflows(self, text: str, room: int) -> bool:
        """Say whether a text certainly leaves no such room in the declared window: each word is a token at least."""
        return self._declared is not None and len(text.split()) + room > self._declared

    def is_whole(self, text: str, counted: int, measure: Callable[[str], int | None]) -> bool:
        """Say whether an endpoint that counted so many tokens read all of a text.

        `measure` sends a text and returns its count, None where the endpoint refuses it as too long.
        """
        if self._refuses or counted * 2 <= self._proved or not self._suspects(text, counted):
            self._learn(text, counted)
            return True
        if counted * 2 + _SLACK > MAX_PROBED_TOKENS:
            return counted >= len(text.split())
        if not self.holds(counted * 2 + _SLACK, measure):
            return False
        self._learn(text, counted)
        return True

    def holds(self, tokens: int, measure: Callable[[str], int | None]) -> bool:
        """Prove that a text of so many tokens is read whole, or refused openly."""
        count = measure(" ".join(str(number) for number in range(tokens, 0, -1)))
        with self._lock:
            if count is None:
                self._refuses = True
            elif count >= tokens:
                self._proved = max(self._proved, count)
            return count is None or count >= tokens

    def _suspects(self, text: str, counted: int) -> bool:
        if counted < max(len(text.split()), _TOO_FEW * self.estimate(text)):
            return True
        if self._declared is not None and counted >= self._declared - _NEAR:
            return True
        return counted > min(_ROUND) and any(min(counted % r, -counted % r) <= _NEAR for r in _ROUND)

    def _learn(self, text: str, counted: int) -> None:
        with self._lock:
            if counted > 0:
                self._chars_per_token += _WEIGHT * (len(text) / counted - self._chars_per_token)
