"""How far a figure may be chance: intervals and tests that draw conversations at random, always the same ones.

Sixty conversations leave about ten points either way on an accuracy, so no figure is told without its interval, and no
difference without its test. Conversations are drawn and never single values, since values of one conversation stand and
fall together. The seed is fixed: the same answers give the same interval. Where all or none are right each draw says so
too, which would make of ten conversations a certainty: there Wilson's interval stands, of the conversations that count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from random import Random

from sidecar.evaluate.figures import Counts, Figures, Key, base, figures, is_share, total
from sidecar.pipeline.reviews import interval as wilson

DRAWS = 1_000
SEED = 20_261_123
MIN_CASES = 2
_LOW, _HIGH = 0.025, 0.975


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure, and between which bounds it lies with a chance of 95 in 100; `n` conversations were drawn from."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure on two sides, how much the second is above the first, its bounds, and the chance of it by luck (p)."""

    first: float
    second: float
    by: float
    low: float
    high: float
    p: float
    n: int

    @property
    def is_told_apart(self) -> bool:
        """Whether luck alone would bring so much less than once in twenty."""
        return self.p < 0.05


@dataclass(frozen=True, slots=True)
class Sides:
    """McNemar's exact test: of the conversations that one side alone has right, how many are whose; p is two-sided."""

    first_only: int
    second_only: int
    both: int
    neither: int
    p: float


def intervals(rows: Sequence[Counts], *, draws: int = DRAWS, seed: int = SEED) -> dict[str, Interval]:
    """Return each figure of some conversations with its interval (percentile bootstrap)."""
    stands = figures(total(rows))
    drawn: dict[str, list[float]] = {name: [] for name in stands}
    columns = _columns(rows)
    for chosen in _draws(len(rows), draws if len(rows) >= MIN_CASES else 0, seed):
        for name, value in figures(_summed(columns, chosen)).items():
            drawn[name].append(value)
    return {
        name: Interval(value, *(_certain(name, value, rows) or _bounds(drawn[name], value)), len(rows))
        for name, value in stands.items()
    }


def differences(
    first: Sequence[Counts], second: Sequence[Counts], *, draws: int = DRAWS, seed: int = SEED
) -> dict[str, Difference]:
    """Compare two sides that answered the same conversations, in the same order (paired bootstrap)."""
    if len(first) != len(second):
        raise ValueError("two sides are compared on the same conversations")
    one, other = figures(total(first)), figures(total(second))
    shared = [name for name in one if name in other]
    by: dict[str, list[float]] = {name: [] for name in shared}
    left, right = _columns(first), _columns(second)
    for chosen in _draws(len(first), draws if len(first) >= MIN_CASES else 0, seed):
        drawn = figures(_summed(left, chosen)), figures(_summed(right, chosen))
        for name in shared:
            if name in drawn[0] and name in drawn[1]:
                by[name].append(drawn[1][name] - drawn[0][name])
    return {name: _difference(one[name], other[name], by[name], len(first)) for name in shared}


def mcnemar(right: Sequence[tuple[bool, bool]]) -> Sides:
    """Test whether one side is right more often, from whether each side was right on each conversation."""
    first_only = sum(one and not other for one, other in right)
    second_only = sum(other and not one for one, other in right)
    both = sum(one and other for one, other in right)
    apart, less = first_only + second_only, min(first_only, second_only)
    p = min(1.0, 2 * sum(comb(apart, k) for k in range(less + 1)) / 2**apart)
    return Sides(first_only, second_only, both, len(right) - both - apart, p)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the value below which a share of all lies (nearest rank); None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1_000) * len(ordered) // 1_000) - 1))]


def _certain(name: str, value: float, rows: Sequence[Counts]) -> tuple[float, float] | None:
    """Return the bounds of a share that is all or nothing; None for any other figure."""
    if value not in (0.0, 1.0) or not is_share(name):
        return None
    key = base(name)
    number = sum(1 for row in rows if key is None or row.get(key))
    low, high = wilson(round(value * number), number)
    return min(low, value), max(high, value)  # a sum of floats may miss the 1 that it equals


def _difference(first: float, second: float, drawn: Sequence[float], n: int) -> Difference:
    by = second - first
    low, high = _bounds(drawn, by)
    not_above, not_below = (sum(d <= 0 for d in drawn), sum(d >= 0 for d in drawn))
    # One is added to both: a finite number of draws never shows that luck is impossible.
    p = min(1.0, 2 * (min(not_above, not_below) + 1) / (len(drawn) + 1))
    return Difference(first, second, by, low, high, p, n)


def _draws(size: int, draws: int, seed: int) -> list[list[int]]:
    random = Random(seed)  # noqa: S311 - a statistic, no secret
    return [random.choices(range(size), k=size) for _ in range(draws)]


def _columns(rows: Sequence[Counts]) -> Mapping[Key, list[float]]:
    keys = sorted({key for row in rows for key in row})
    return {key: [row.get(key, 0) for row in rows] for key in keys}


def _summed(columns: Mapping[Key, list[float]], chosen: Sequence[int]) -> Counts:
    return {key: sum(map(column.__getitem__, chosen)) for key, column in columns.items()}


def _bounds(drawn: Sequence[float], value: float) -> tuple[float, float]:
    low, high = percentile(drawn, _LOW), percentile(drawn, _HIGH)
    return (value, value) if low is None or high is None else (low, high)


__all__ = [
    "DRAWS", "SEED", "Difference", "Figures", "Interval", "Sides", "differences", "intervals", "mcnemar", "percentile",
]  # fmt: skip
