"""The nouns of an evaluation: a labelled conversation, and what counts as agreeing with its labels.

Two careful people don't always give the same label, so a label is a set of accepted values with the best one first, and
a step may be one that nobody must name. "unknown" is a value like others: to leave a field alone where the words say
nothing is right, and to fill it is a mistake. What agreement means stands here and not with the metrics, because it is
part of what a label says. Nothing here reads a file or asks a model.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from sidecar.ground import fold
from sidecar.model import Activity, Value

UNKNOWN = "unknown"
"""The value of a field about which the words say nothing."""
SPLITS = ("dev", "test")
"""Prompts and rules are tuned on `dev`; `test` is only measured, and nobody tunes on it."""
US, CUSTOMER = "us", "customer"
"""Whose a step is, unless it is a named person's."""
LIST_SEPARATOR = ";"
"""Parts the items of a value that holds several, such as risks; their order says nothing."""

_NUMBER = re.compile(r"\d{1,15}(?:[.,' ]\d{3})*(?:[.,]\d{1,2})?(?!\d)\s?(k\b)?")


@dataclass(frozen=True, slots=True)
class Quoted:
    """Words that carry a label: `number` is the activity's place in its conversation, from 1."""

    number: int
    activity: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Label:
    """What a field holds at the end: the accepted values, best first; the words that say so."""

    field: str
    values: tuple[str, ...]
    evidence: tuple[Quoted, ...] = ()

    @property
    def best(self) -> str:
        """The value that the labeller would have given."""
        return self.values[0]

    def accepts(self, value: Value) -> bool:
        """Say whether a value agrees with the label; None and an empty text are "unknown".

        Words are compared without case and accents. Where a value holds several, as a set. Where the label holds
        amounts ("up to 400 EUR a month"), by these alone.
        """
        return any(_same(accepted, _text(value)) for accepted in self.values)


@dataclass(frozen=True, slots=True)
class Move:
    """One move of the stage, and the words that it rests on."""

    stage: str
    evidence: Quoted


@dataclass(frozen=True, slots=True)
class StepLabel:
    """A step that is open at the end.

    `who` are accepted owners (us, customer, a name); `what` are groups of words, of each of which one must occur;
    `due` are accepted days, None where no day is right. An optional step may be named or left out.
    """

    who: tuple[str, ...]
    what: tuple[tuple[str, ...], ...]
    due: tuple[date | None, ...] = (None,)
    due_text: str = ""
    evidence: tuple[Quoted, ...] = ()
    optional: bool = False

    def fits(self, what: str) -> bool:
        """Say whether a step's words name this step."""
        told = fold(what).text
        return all(any(fold(word).text in told for word in group) for group in self.what)

    def accepts_owner(self, who: str) -> bool:
        """Say whether the step is of the right person."""
        return fold(who).text.strip() in {fold(owner).text.strip() for owner in self.who}

    def accepts_due(self, due: str | None) -> bool:
        """Say whether a step is due on the right day; `due` is an ISO day or time, or empty."""
        return any((due or "")[:10] == (day.isoformat() if day else "") for day in self.due)


@dataclass(frozen=True, slots=True)
class Case:
    """A labelled conversation.

    `activities` are in the order in which they arrived, with times in UTC. `checked_at` is the moment for which the
    labels hold: later than the last activity where somebody fell silent. `never` are values that must not be believed
    at any time. `hostile` are the ids of activities whose absence must change nothing else (`honest` leaves them out).
    """

    id: str
    split: str
    languages: tuple[str, ...]
    timezone: str
    business: str
    tags: frozenset[str]
    activities: tuple[Activity, ...]
    checked_at: datetime
    labels: Mapping[str, Label]
    path: tuple[Move, ...] = ()
    steps: tuple[StepLabel, ...] = ()
    never: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hostile: frozenset[str] = frozenset()
    source: str = ""

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels on which it took place, in order of their first use."""
        return tuple(dict.fromkeys(activity.channel for activity in self.activities))

    @property
    def honest(self) -> tuple[Activity, ...]:
        """The same conversation without the activities that try to steer a model."""
        return tuple(activity for activity in self.activities if activity.id not in self.hostile)


def _text(value: Value) -> str:
    return UNKNOWN if value is None or not str(value).strip() else str(value)


def _same(label: str, value: str) -> bool:
    label, value = fold(label).text.strip(), fold(value).text.strip()
    if UNKNOWN in (label, value):
        return label == value
    amounts = _amounts(label)
    if amounts:
        return amounts == _amounts(value)
    return _items(label) == _items(value)


def _amounts(text: str) -> set[float]:
    return {_amount(found) for found in _NUMBER.finditer(text)}


def _amount(found: re.Match[str]) -> float:
    """Read 12,000 and 12.000 and 12k as the same; what follows a last mark by one or two digits are cents."""
    number = found[0].removesuffix(found[1] or "").strip().replace("'", "").replace(" ", "")
    cents = re.search(r"[.,](\d{1,2})$", number)
    whole = re.sub(r"[.,]", "", number[: cents.start()] if cents else number)
    return (int(whole) + (float(f"0.{cents[1]}") if cents else 0.0)) * (1000 if found[1] else 1)


def _items(text: str) -> set[str]:
    return {item.strip() for item in text.split(LIST_SEPARATOR) if item.strip()}
