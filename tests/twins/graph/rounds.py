"""Rounds of delta: what has changed since a token, in pages that come as unhandily as Graph's may.

No order, an empty page within, an item twice, partial items for updates: each round has some of it, from a fixed seed.
Tokens are opaque and may all die at once, in any of the shapes that Graph has for that.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Rows = Callable[[int | None], list[dict[str, Any]]]
"""Returns the rows of a scope: all of them, or those that changed since a number."""
SHAPES = ("gone", "syncStateNotFound", "resyncRequired")


class DeadError(Exception):
    """A token isn't known any more; the shape says how that is told."""

    def __init__(self, shape: str) -> None:
        super().__init__(shape)
        self.shape = shape


@dataclass
class _Round:
    scope: str
    pages: list[list[dict[str, Any]]]
    since: int


@dataclass
class Rounds:
    """The tokens that were given out."""

    dice: random.Random = field(default_factory=lambda: random.Random(7))
    tokens: dict[str, tuple[_Round, int]] = field(default_factory=dict)
    dead: dict[str, str] = field(default_factory=dict)
    given: int = 0

    def first(self, scope: str, rows: Rows, now: int, size: int) -> tuple[list[dict[str, Any]], str, bool]:
        """Begin a scope: the first page, the next token, and whether that is for the next round."""
        return self._page(_Round(scope, self._pages(rows(None), size), now), 0)

    def next(self, token: str, scope: str, rows: Rows, now: int, size: int) -> tuple[list[dict[str, Any]], str, bool]:
        """Go on from a token."""
        if token in self.dead:
            raise DeadError(self.dead[token])
        turn, page = self.tokens[token]
        assert turn.scope == scope, "a token is asked for another collection"
        if page < len(turn.pages):
            return self._page(turn, page)
        return self._page(_Round(scope, self._pages(rows(turn.since), size), now), 0)

    def expire(self, shape: str) -> None:
        """Let all tokens die."""
        assert shape in SHAPES
        self.dead |= dict.fromkeys(self.tokens, shape)
        self.tokens.clear()

    def _page(self, turn: _Round, page: int) -> tuple[list[dict[str, Any]], str, bool]:
        self.given += 1
        token = f"opaque{self.given:06d}"
        self.tokens[token] = (turn, page + 1)
        return turn.pages[page], token, page + 1 == len(turn.pages)

    def _pages(self, rows: list[dict[str, Any]], size: int) -> list[list[dict[str, Any]]]:
        told = [*rows, self.dice.choice(rows)] if rows else []
        self.dice.shuffle(told)
        pages = [told[at : at + size] for at in range(0, len(told), size)]
        return [*pages[:1], [], *pages[1:], []] if pages else [[]]
