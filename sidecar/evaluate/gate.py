"""A gate: figures that must hold before a prompt or a model is adopted, or before a build passes.

It is either floors that somebody wrote down (`stage.accuracy=0.7`; a ceiling where less is better), or a former report,
than which nothing may be worse by more than so much. Cost and speed are nobody's floor here: they are told, not gated.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from sidecar.errors import ConfigError, PermanentError
from sidecar.evaluate.figures import PAID, lower_is_better
from sidecar.evaluate.report import HEADLINE, Report

MAX_FILE_BYTES = 64_000_000
GATED = (*HEADLINE, "calibration.ece")


@dataclass(frozen=True, slots=True)
class Fall:
    """A figure that is worse than allowed: what it is, what it was to be at least (or at most), and why."""

    figure: str
    is_now: float | None
    bound: float
    why: str

    def __str__(self) -> str:
        held = "was not measured" if self.is_now is None else f"is {self.is_now:.3f}"
        side = "at most" if lower_is_better(self.figure) else "at least"
        return f"{self.figure} {held}, {side} {self.bound:.3f} is asked ({self.why})"


def floors(written: list[str]) -> Mapping[str, float]:
    """Read `FIGURE=NUMBER` as a person typed them."""
    found: dict[str, float] = {}
    for one in written:
        name, _, number = one.partition("=")
        try:
            found[name.strip()] = _finite(number)
        except ValueError:
            raise PermanentError(f"write FIGURE=NUMBER, such as stage.accuracy=0.7, and not {one!r}") from None
    return found


def held_to(report: Report, bounds: Mapping[str, float]) -> list[Fall]:
    """Return which figures break floors (or ceilings); one that was not measured breaks its own."""
    unknown = [name for name in bounds if name in PAID]
    if unknown:
        raise PermanentError(f"{unknown[0]} is no share and can't be gated")
    return [_fall(report, name, bound, "a floor") for name, bound in bounds.items() if _is_worse(report, name, bound)]


def held_against(report: Report, split: str, file: Path, max_drop: float) -> list[Fall]:
    """Return which figures are worse than in a former report's JSON by more than `max_drop`.

    What there is nothing to count for any more (no steps, since no step is labelled and none was claimed) can't be.
    """
    if not isfinite(max_drop):
        raise PermanentError(f"{max_drop} is no number by which something may be worse")
    former = _former(file, split)
    found = []
    for name in GATED:
        if name in former and name in report.figures:
            bound = former[name] + (max_drop if lower_is_better(name) else -max_drop)
            if _is_worse(report, name, bound):
                found.append(_fall(report, name, bound, f"it was {former[name]:.3f}, and {max_drop:g} may be lost"))
    return found


def _finite(number: Any) -> float:
    """Return a number; `ValueError` for one that nothing is below or above, with which every gate would be open."""
    value = float(number)
    if not isfinite(value):
        raise ValueError(f"{value} bounds nothing")
    return value


def _is_worse(report: Report, name: str, bound: float) -> bool:
    held = report.figures.get(name)
    if held is None:
        return True
    slack = 1e-9  # a sum of floats may miss what it equals
    return held.value > bound + slack if lower_is_better(name) else held.value < bound - slack


def _fall(report: Report, name: str, bound: float, why: str) -> Fall:
    held = report.figures.get(name)
    return Fall(name, held.value if held else None, bound, why)


def _former(file: Path, split: str) -> Mapping[str, float]:
    """Return the figures of a former report; `ConfigError` for a file that is none, or one of another split."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(f"{file} is too large for a report")
        told: Any = json.loads(file.read_bytes())
        if told["split"] != split:
            raise ConfigError(f"{file} is a report on the split {told['split']!r}, not {split!r}")
        return {name: _finite(held["value"]) for name, held in told["report"]["figures"].items()}
    except OSError as error:
        raise ConfigError(f"{file} can't be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigError(f"{file} is no report: write one with `sidecar eval ... --json > {file.name}`") from None
