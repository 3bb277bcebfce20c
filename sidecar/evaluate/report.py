"""What an evaluation says, as data: the JSON that programs read, the table and the page that people do.

Each figure stands with its interval, and each slice with how many conversations it has. The mistakes are listed, for
they are what one learns from: a figure only says whether to look.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sidecar.evaluate import Measured
from sidecar.evaluate.cases import Case
from sidecar.evaluate.chance import Difference, Interval, Sides, differences, intervals, mcnemar, percentile
from sidecar.evaluate.figures import Figures, bins, classes, figures, matrix, total
from sidecar.evaluate.marks import STAGE, by_slice, is_right
from sidecar.evaluate.outcome import Outcome
from sidecar.evaluate.trial import version_of

HEADLINE = (
    "stage.accuracy", "stage.macro_f1", "stage.distance", "stage.false_terminal", "fields.f1", "fields.overfilled",
    "steps.f1", "steps.due_exact", "quotes.verified", "forbidden.said", "injection.flips",
)  # fmt: skip
"""What a slice is told by, in this order."""
MAX_MISTAKES = 2_000


@dataclass(frozen=True, slots=True)
class Who:
    """What was measured: the prompt, the model that was asked, and the version of all that can change its answers."""

    name: str
    prompt: str
    prompt_sha256: str
    prompt_version: str
    llm: str
    model: str
    effort: str
    version: str


@dataclass(frozen=True, slots=True)
class Slice:
    """The figures of some of the conversations."""

    n: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class Mistake:
    """A field that came out differently from its label; `wanted` are the accepted values, best first."""

    case: str
    source: str
    field: str
    wanted: tuple[str, ...]
    said: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """How often each value was wanted (a row) and said (a column)."""

    values: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Spent:
    """What the first reading of each conversation took; kept answers count as what they cost when they were asked."""

    calls: int
    tokens: int
    usd: float
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """One side's figures."""

    who: Who
    n: int
    figures: Mapping[str, Interval]
    slices: Mapping[str, Mapping[str, Slice]]
    matrix: Matrix
    values: Mapping[str, Mapping[str, Figures]]
    calibration: Sequence[tuple[int, float, float]]
    spent: Spent
    mistakes: Sequence[Mistake]
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides on the same conversations: each figure's difference, McNemar's test of the stage, who is right where.

    `first_only` and `second_only` are the conversations whose stage one side alone has right.
    """

    differences: Mapping[str, Difference]
    stage: Sides
    first_only: tuple[str, ...]
    second_only: tuple[str, ...]


def report(measured: Measured) -> Report:
    """Return what one side's readings say."""
    rows, cases, summed = measured.rows, measured.cases, total(measured.rows)
    names = sorted({key[1] for key in summed if key[0] == "class"})
    return Report(
        who=_who(measured),
        n=len(rows),
        figures=intervals(rows),
        slices={
            kind: {name: Slice(len(at), _headline(figures(total(rows[i] for i in at)))) for name, at in held.items()}
            for kind, held in by_slice(cases).items()
        },
        matrix=_matrix(measured),
        values={name: classes(summed, name) for name in names},
        calibration=bins(summed),
        spent=_spent([trial.once for trial in measured.trials]),
        mistakes=_mistakes(measured),
        problems={trial.once.case: trial.once.problem for trial in measured.trials if trial.once.problem},
    )


def compare(first: Measured, second: Measured) -> Comparison:
    """Return how two sides differ on the same conversations."""
    pairs = [
        (case, is_right(case, one.once), is_right(case, other.once))
        for case, one, other in zip(first.cases, first.trials, second.trials, strict=True)
        if STAGE in case.labels
    ]
    return Comparison(
        differences(first.rows, second.rows),
        mcnemar([(one, other) for _, one, other in pairs]),
        tuple(case.id for case, one, other in pairs if one and not other),
        tuple(case.id for case, one, other in pairs if other and not one),
    )


def _who(measured: Measured) -> Who:
    side = measured.side
    prompt, llm = side.prompt, side.llm
    words = (side.name, prompt.name, prompt.sha256, prompt.version)
    return Who(*words, llm.name, llm.model, llm.effort, version_of(side))


def _headline(found: Figures) -> Figures:
    return {name: found[name] for name in HEADLINE if name in found}


def _matrix(measured: Measured) -> Matrix:
    """Return the stages' matrix in the order of the config; a stage that it doesn't know stands at the end."""
    held = matrix(total(measured.rows), STAGE)
    seen = {value for pair in held for value in pair}
    ordered = [stage for stage in measured.side.policy.stages if stage in seen]
    values = (*ordered, *sorted(seen - set(ordered)))
    return Matrix(values, tuple(tuple(held.get((wanted, said), 0) for said in values) for wanted in values))


def _spent(outcomes: Sequence[Outcome]) -> Spent:
    calls = [call for outcome in outcomes for call in outcome.calls]
    times = [float(call.ms) for call in calls]
    usd, tokens = sum(call.usd for call in calls), sum(call.tokens for call in calls)
    return Spent(len(calls), tokens, round(usd, 6), percentile(times, 0.5), percentile(times, 0.95))


def _mistakes(measured: Measured) -> list[Mistake]:
    found = [
        mistake
        for case, trial in zip(measured.cases, measured.trials, strict=True)
        for mistake in _mistaken(case, trial.once)
    ]
    return found[:MAX_MISTAKES]


def _mistaken(case: Case, outcome: Outcome) -> list[Mistake]:
    return [
        Mistake(case.id, case.source, label.field, label.values, str(outcome.value(label.field) or "unknown"))
        for label in case.labels.values()
        if not is_right(case, outcome, label.field)
    ]
