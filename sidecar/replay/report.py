"""What a replay found, counted: how often the trial says something else, by field, beside how often mere chance would.

A model words things anew each time, so a difference proves nothing by itself. Where some parties were read once more by
the prompt and model in force, the share of fields that differ then is the noise, and only what exceeds it is the
change's doing. What people put right in the CRM is the best judge there is: each side is told how often it agrees.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sidecar.errors import PermanentError
from sidecar.model import Value
from sidecar.replay.sides import Difference
from sidecar.replay.walk import AGAIN, NEW, WAS, Trial, Walk, ends

FORMAT = 1
MAX_DIFFERENCES = 2_000
"""How many are kept in full; all are counted."""


@dataclass(frozen=True, slots=True)
class Version:
    """What reads and decides on one side."""

    prompts: Mapping[str, str]
    engine: str
    model: str
    effort: str
    policy: str


@dataclass(slots=True)
class FieldCount:
    """One field: readings in which a side spoke of it, how many of these differ and by wording alone, likewise by mere
    chance, CRM values that would differ, and of the values that people judged, how many each side held."""

    name: str
    spoken: int = 0
    changed: int = 0
    worded: int = 0
    noise_spoken: int = 0
    noise_changed: int = 0
    crm: int = 0
    judged: int = 0
    agreed_was: int = 0
    agreed_new: int = 0


@dataclass(slots=True)
class Report:
    """A whole replay. `ended` are parties whose relationship would be over; `unverified` is (count, of) by side.

    `former` are readings of the book by another version than that in force, which `was` shows all the same.
    """

    id: str
    at: datetime
    since: datetime | None
    was: Version
    new: Version
    parties: int = 0
    rejoined: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    readings: int = 0
    former: int = 0
    unusable: int = 0
    unverified: dict[str, tuple[int, int]] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    fields: list[FieldCount] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    noise_readings: int = 0
    is_deterministic: bool = False
    asked: int = 0
    reused: int = 0
    tokens: int = 0
    usd: float = 0.0
    estimated_usd: float = 0.0
    is_part: bool = False
    format: int = FORMAT

    @property
    def left_out(self) -> int:
        """How many differences were counted and not kept in full."""
        return sum(self.kinds.values()) - len(self.differences)


class Tally:
    """Counts parties as they are gone through, from several threads, and forgets them; `end` puts them in order."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lock = Lock()
        self._counts: dict[str, FieldCount] = {}
        self._kinds: Counter[str] = Counter()
        self._found: list[tuple[int, Difference]] = []
        self._ended: list[tuple[int, str]] = []

    def add(self, number: int, made: Walk, found: Sequence[Difference], noise: Sequence[tuple[str, str]]) -> None:
        """Count the `number`-th party, with its differences, and the noise as (field, kind) of its readings."""
        with self._lock:
            self._report.parties += 1
            self._report.rejoined += made.rejoined
            if ends(made):
                self._ended.append((number, made.party))
            for trial in made.trials:
                _tried(self._report, trial, self._of)
            for name, _ in noise:
                self._of(name).noise_changed += 1
            for judged in made.judged:
                row = self._of(judged.field)
                row.judged += 1
                row.agreed_was += alike(judged.held.get(WAS), judged.value)
                row.agreed_new += alike(judged.held.get(NEW), judged.value)
            for difference in found:
                _count(self._of(difference.field), difference)
                self._kinds[difference.kind] += 1
            self._found += [(number, difference) for difference in found]
            if len(self._found) > 2 * MAX_DIFFERENCES:
                self._keep()

    def failed(self, party: str, why: str) -> None:
        """Name a party that could not be read."""
        with self._lock:
            self._report.failed[party] = why

    def end(self) -> None:
        """Put everything into the report, in an order that no thread chose."""
        report = self._report
        self._keep()
        report.differences = [difference for _, difference in self._found]
        report.ended = [party for _, party in sorted(self._ended)]
        report.failed = dict(sorted(report.failed.items()))
        report.fields = sorted(self._counts.values(), key=lambda row: (-row.changed - row.crm, row.name))
        report.kinds = dict(self._kinds)

    def _keep(self) -> None:
        self._found = sorted(self._found, key=lambda found: found[0])[:MAX_DIFFERENCES]

    def _of(self, name: str) -> FieldCount:
        return self._counts.setdefault(name, FieldCount(name))


def _tried(report: Report, trial: Trial, of: Callable[[str], FieldCount]) -> None:
    report.readings += 1
    report.unusable += NEW in trial.unusable
    report.former += trial.is_former
    for side in (WAS, NEW):
        held, more = report.unverified.get(side, (0, 0)), trial.unverified.get(side, (0, 0))
        report.unverified[side] = (held[0] + more[0], held[1] + more[1])
    for name in {*trial.was, *trial.sides.get(NEW, {})}:
        of(name).spoken += 1
    if not trial.is_former and AGAIN in trial.sides:
        report.noise_readings += 1
        for name in {*trial.was, *trial.sides[AGAIN]}:
            of(name).noise_spoken += 1


def _count(row: FieldCount, difference: Difference) -> None:
    if difference.kind == "crm":
        row.crm += 1
    elif difference.is_wording:
        row.worded += 1
    else:
        row.changed += 1


def alike(a: Value, b: Value) -> bool:
    """Say whether two values are the same to a person."""
    return str("" if a is None else a).strip().casefold() == str("" if b is None else b).strip().casefold()


def faults(report: Report, max_drop: float) -> list[str]:
    """Say by what the trial is worse than what is in force by more than `max_drop` (a share); nothing if it isn't."""
    found = []
    was, new = (_share(*report.unverified.get(side, (0, 0))) for side in (WAS, NEW))
    if new - was > max_drop:
        found.append(f"quotes that nobody said: {new:.1%}, was {was:.1%}")
    if _share(report.unusable, report.readings) > max_drop:
        found.append(f"answers that can't be used: {report.unusable} of {report.readings}")
    judged = sum(row.judged for row in report.fields)
    before, after = (sum(getattr(row, name) for row in report.fields) for name in ("agreed_was", "agreed_new"))
    if _share(before, judged) - _share(after, judged) > max_drop:
        found.append(f"values that people put in: {after} of {judged} held, was {before}")
    if report.parties and len(report.ended) / report.parties > max_drop:
        found.append(f"relationships that would be over: {len(report.ended)} of {report.parties}")
    if report.failed:
        found.append(f"parties that could not be read: {len(report.failed)}")
    if report.is_part:
        found.append("it read some of the parties alone: replay it without --limit and --party")
    return found


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def as_data(report: Report) -> dict[str, Any]:
    """Return a report as plain data, which `from_data` reads back."""
    data: dict[str, Any] = _ADAPTER.dump_python(report, mode="json")
    return {**data, "left_out": report.left_out}


def from_data(data: dict[str, Any]) -> Report:
    """Read a report; `PermanentError` for what is none."""
    try:
        return _ADAPTER.validate_python({k: v for k, v in data.items() if k != "left_out"})
    except ValidationError:
        raise PermanentError("this is no report of a replay, or one of another version: replay it again") from None


def version_id(*parts: object) -> str:
    """Return the id under which a comparison's answers and report are kept: what is compared, and nothing else."""
    from hashlib import sha256

    return sha256(repr([asdict(p) if isinstance(p, Version) else p for p in parts]).encode()).hexdigest()[:12]


_ADAPTER: TypeAdapter[Report] = TypeAdapter(Report)
