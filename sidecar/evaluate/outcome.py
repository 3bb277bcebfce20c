"""What a reader made of one labelled conversation: what it believed at the end, and what its answers were like.

It is plain data, so that two readers can be compared without asking anybody twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.model import Value

Place = tuple[str, int, int]
"""A span of an activity's text: its id, start, end."""


@dataclass(frozen=True, slots=True)
class Believed:
    """A field's value at the end: how sure, and in which words; without words it was computed."""

    value: Value
    confidence: float
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Owed:
    """A next step that is open at the end; `due` is an ISO day or time, or None."""

    who: str
    what: str
    due: str | None
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One question to the model: `usable` is false when nothing could be read out of its answer."""

    model: str
    usable: bool
    tokens: int
    usd: float
    ms: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """One conversation, read to its end.

    `ever` holds each value that a field had at any time. `quotes` counts the claims that need words, `verified` those
    whose words were found. `problem` says why it could not be read; then nothing was believed.
    """

    case: str
    fields: Mapping[str, Believed]
    ever: Mapping[str, tuple[Value, ...]]
    steps: tuple[Owed, ...] = ()
    quotes: int = 0
    verified: int = 0
    calls: tuple[Call, ...] = ()
    problem: str = ""

    def value(self, field: str) -> Value:
        """Return what a field holds; None when it holds nothing."""
        held = self.fields.get(field)
        return held.value if held else None


@dataclass(frozen=True, slots=True)
class Trial:
    """A conversation as it was read: once, without its hostile words where it has some, and again where asked."""

    once: Outcome
    without: Outcome | None = None
    again: tuple[Outcome, ...] = ()

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call that was made for it."""
        others = (*((self.without,) if self.without else ()), *self.again)
        return (*self.once.calls, *(call for outcome in others for call in outcome.calls))
