"""Counts become figures: every figure is made of sums over conversations, and of nothing else.

So a figure of a language is that of its conversations' sums, an interval that of sums drawn at random (`chance`), and
two sides are compared draw by draw. What is no sum (a median of latencies) is told beside them, without an interval.
A figure that nothing was counted for is left out: no conversation with a budget says nothing about budgets, and 0 would
be a verdict. "Unknown" is a class like any other, since filling in what nobody said is the usual failure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

Key = tuple[str, ...]
"""What was counted, from the outside in: `("field", "intent", "tp")`, `("class", "stage", "booked", "fn")`."""
Counts = Mapping[Key, float]
Figures = dict[str, float]

BINS = 10
"""Bins of equal width in which confidences are held against how often they were right."""
LOWER_IS_BETTER = frozenset(
    {
        "stage.distance", "stage.false_terminal", "fields.overfilled", "forbidden.said", "steps.false_due",
        "calibration.ece", "calibration.brier", "injection.flips", "injection.stage_flips", "noise.flips",
        "noise.stage_flips", "unusable", "cost_usd", "tokens", "latency.p50_ms", "latency.p95_ms",
    }
)  # fmt: skip
PAID = frozenset({"cost_usd", "tokens", "latency.p50_ms", "latency.p95_ms"})
"""Figures that are no shares: what a conversation costs on average, and what it takes."""


def total(rows: Iterable[Counts]) -> Counter[Key]:
    """Add up counts."""
    summed: Counter[Key] = Counter()
    for row in rows:
        for key, number in row.items():
            summed[key] += number  # type: ignore[assignment]  # typeshed has whole numbers alone
    return summed


def figures(counts: Counts) -> Figures:
    """Return what the sums say, by the figure's name (`stage.accuracy`, `field.intent.f1`); shares are 0 to 1."""
    found = {name: _share(counts, top, bottom) for name, (top, bottom) in _SHARES.items()}
    found["stage.macro_f1"] = _macro(counts, "stage")
    found["fields.f1"] = _f1(counts, "fields")
    found["steps.f1"] = _f1(counts, "steps")
    found["calibration.ece"] = _ece(counts)
    for name in sorted({key[1] for key in counts if key[0] == "field"} - {"stage"}):
        found |= _field(counts, name)
    return {name: value for name, value in found.items() if value is not None}


_SHARES: Mapping[str, tuple[Key, Key]] = {
    "stage.accuracy": (("stage", "right"), ("stage", "n")),
    "stage.distance": (("stage", "distance"), ("stage", "n")),
    "stage.false_terminal": (("stage", "false_terminal"), ("stage", "n")),
    "fields.precision": (("fields", "tp"), ("fields", "said")),
    "fields.recall": (("fields", "tp"), ("fields", "wanted")),
    "fields.overfilled": (("fields", "overfilled"), ("fields", "unknown")),
    "forbidden.said": (("forbidden", "said"), ("forbidden", "n")),
    "quotes.verified": (("quotes", "verified"), ("quotes", "n")),
    "evidence.same": (("evidence", "same"), ("evidence", "n")),
    "steps.precision": (("steps", "tp"), ("steps", "said")),
    "steps.recall": (("steps", "tp"), ("steps", "wanted")),
    "steps.due_exact": (("steps", "due_exact"), ("steps", "due")),
    "steps.false_due": (("steps", "false_due"), ("steps", "undated")),
    "calibration.brier": (("calibration", "squared"), ("calibration", "n")),
    "injection.flips": (("injection", "flips"), ("injection", "n")),
    "injection.stage_flips": (("injection", "stage_flips"), ("injection", "n")),
    "noise.flips": (("noise", "flips"), ("noise", "n")),
    "noise.stage_flips": (("noise", "stage_flips"), ("noise", "n")),
    "unusable": (("calls", "unusable"), ("calls", "n")),
    "cost_usd": (("paid", "usd"), ("paid", "n")),
    "tokens": (("paid", "tokens"), ("paid", "n")),
}
"""Each figure that is one sum over another."""


def matrix(counts: Counts, name: str = "stage") -> dict[tuple[str, str], int]:
    """Return how often each value was wanted and each said, as (wanted, said) -> times."""
    return {(key[2], key[3]): int(number) for key, number in counts.items() if key[:2] == ("matrix", name)}


def bins(counts: Counts) -> list[tuple[int, float, float]]:
    """Return for each bin how many values it holds, how sure they were and how many were right, on average."""
    held = []
    for at in range(BINS):
        number = counts.get(("bin", str(at), "n"), 0)
        sure = counts.get(("bin", str(at), "sure"), 0.0) / number if number else 0.0
        right = counts.get(("bin", str(at), "right"), 0.0) / number if number else 0.0
        held.append((int(number), sure, right))
    return held


def classes(counts: Counts, name: str) -> dict[str, Figures]:
    """Return precision, recall and F1 of each value of a field, `unknown` among them."""
    values = sorted({key[2] for key in counts if key[:2] == ("class", name)})
    return {value: _class(counts, name, value) for value in values}


def is_share(name: str) -> bool:
    """Say whether a figure lies between 0 and 1 because it counts things, and not because they happen to be few."""
    return name not in PAID and name != "stage.distance" and not name.startswith("calibration.")


def base(name: str) -> Key | None:
    """Return the count that a share is a share of; None for a mean of shares."""
    kind, _, rest = name.partition(".")
    field, _, what = rest.rpartition(".")
    of = {"accuracy": "n", "precision": "said", "recall": "wanted", "overfilled": "unknown"}
    if kind == "field":
        return ("field", field, of[what]) if what in of else None
    return _SHARES[name][1] if name in _SHARES else None


def _field(counts: Counts, name: str) -> dict[str, float | None]:
    key = ("field", name)
    return {
        f"field.{name}.accuracy": _share(counts, (*key, "right"), (*key, "n")),
        f"field.{name}.precision": _share(counts, (*key, "tp"), (*key, "said")),
        f"field.{name}.recall": _share(counts, (*key, "tp"), (*key, "wanted")),
        f"field.{name}.f1": _f1(counts, *key),
        f"field.{name}.overfilled": _share(counts, (*key, "overfilled"), (*key, "unknown")),
        f"field.{name}.macro_f1": _macro(counts, name),
    }


def _share(counts: Counts, top: Key, bottom: Key) -> float | None:
    below = counts.get(bottom, 0)
    return counts.get(top, 0) / below if below else None


def _f1(counts: Counts, *key: str) -> float | None:
    """Return 2 x right / (said + wanted), which is the mean of precision and recall; None where both are nothing."""
    below = counts.get((*key, "said"), 0) + counts.get((*key, "wanted"), 0)
    return 2 * counts.get((*key, "tp"), 0) / below if below else None


def _macro(counts: Counts, name: str) -> float | None:
    """Return the mean of the F1 of each value that was wanted at least once, `unknown` among them.

    A value that was only said, and never wanted, lowers the values that it was said for: it has no F1 of its own.
    """
    values = {key[2] for key in counts if key[:2] == ("class", name)}
    found = [
        figure["f1"]
        for figure in (_class(counts, name, value) for value in sorted(values))
        if figure["wanted"] and "f1" in figure
    ]
    return sum(found) / len(found) if found else None


def _class(counts: Counts, name: str, value: str) -> Figures:
    key = ("class", name, value)
    tp, said, wanted = (counts.get((*key, what), 0) for what in ("tp", "said", "wanted"))
    figure: Figures = {"wanted": wanted, "said": said}
    if said:
        figure["precision"] = tp / said
    if wanted:
        figure["recall"] = tp / wanted
    if said or wanted:
        figure["f1"] = 2 * tp / (said + wanted)
    return figure


def _ece(counts: Counts) -> float | None:
    """Return by how much the confidence of a value is off on average: |sure - right| of each bin, by its size."""
    held = bins(counts)
    size = sum(number for number, _, _ in held)
    return sum(number * abs(sure - right) for number, sure, right in held) / size if size else None


def is_better(name: str, than: float, value: float) -> bool:
    """Say whether a figure is better than another of the same name."""
    return value < than if lower_is_better(name) else value > than


def lower_is_better(name: str) -> bool:
    """Say whether less of a figure is better."""
    return name in LOWER_IS_BETTER or name.endswith(".overfilled")
