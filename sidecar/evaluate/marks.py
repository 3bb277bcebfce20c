"""Marks one conversation: what was believed against what people labelled, as counts that `figures` makes shares of.

What agrees is for the label to say (`cases`). A field that a conversation has no label for is not marked. Of a field
that holds several values each is marked by itself. A step is found again by its owner and by its words, or, where a
model tells it in other words or another language, by the very words of the conversation that it rests on.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sidecar.evaluate.cases import LIST_SEPARATOR, UNKNOWN, Case, Label, Quoted, StepLabel
from sidecar.evaluate.figures import BINS, Counts, Key
from sidecar.evaluate.outcome import Believed, Outcome, Owed, Place, Trial
from sidecar.ground import fold
from sidecar.model import Policy, Value

STAGE = "stage"


def marks(case: Case, trial: Trial, policy: Policy) -> Counts:
    """Return the counts of one conversation."""
    counts: Counter[Key] = Counter()
    for label in case.labels.values():
        _mark_field(counts, label, trial.once.fields.get(label.field), policy)
    _mark_stage(counts, case.labels.get(STAGE), trial.once, policy)
    _mark_forbidden(counts, case, trial.once)
    _mark_steps(counts, case, trial.once.steps)
    if trial.without:
        _mark_flips(counts, case, trial.once, trial.without)
    _mark_noise(counts, case, trial.once, trial.again)
    counts["quotes", "n"] += trial.once.quotes
    counts["quotes", "verified"] += trial.once.verified
    counts["calls", "n"] += max(1, len(trial.once.calls))
    counts["calls", "unusable"] += sum(not call.usable for call in trial.once.calls) or bool(trial.once.problem)
    counts["paid", "n"] += 1
    _add(counts, ("paid", "usd"), sum(call.usd for call in trial.once.calls))
    counts["paid", "tokens"] += sum(call.tokens for call in trial.once.calls)
    return counts


def is_right(case: Case, outcome: Outcome, field: str = STAGE) -> bool:
    """Say whether a field agrees with its label."""
    return case.labels[field].accepts(outcome.value(field))


def _mark_field(counts: Counter[Key], label: Label, held: Believed | None, policy: Policy) -> None:
    value = held.value if held else None
    right = label.accepts(value)
    said, key = _items(value), ("field", label.field)
    wanted = said if right else _items(label.best)
    groups = (key,) if label.field == STAGE else (key, ("fields",))
    for group in groups:
        counts[(*group, "n")] += 1
        counts[(*group, "right")] += right
        counts[(*group, "said")] += len(said)
        counts[(*group, "wanted")] += len(wanted)
        counts[(*group, "tp")] += len(said & wanted)
        if label.values == (UNKNOWN,):
            counts[(*group, "unknown")] += 1
            counts[(*group, "overfilled")] += bool(said)
    if label.field in policy.fields and (policy.fields[label.field].values or label.field == STAGE):
        _mark_classes(counts, label, value, right=right)
    if held and held.places and said:
        _mark_confidence(counts, held.confidence, right=right)
        if right and label.evidence:
            counts["evidence", "n"] += 1
            counts["evidence", "same"] += _meet(held.places, label.evidence)


def _mark_classes(counts: Counter[Key], label: Label, value: Value, *, right: bool) -> None:
    """Count a value of a closed list, `unknown` as one of them; several at once are a class each."""
    said = sorted(_items(value)) or [UNKNOWN]
    wanted = said if right else sorted(_items(label.best)) or [UNKNOWN]
    for one in said:
        counts["class", label.field, one, "said"] += 1
    for one in wanted:
        counts["class", label.field, one, "wanted"] += 1
        counts["class", label.field, one, "tp"] += one in said
    if len(said) == len(wanted) == 1:
        counts["matrix", label.field, wanted[0], said[0]] += 1


def _mark_confidence(counts: Counter[Key], sure: float, *, right: bool) -> None:
    at = str(min(BINS - 1, int(sure * BINS)))
    counts["bin", at, "n"] += 1
    counts["bin", at, "right"] += right
    _add(counts, ("bin", at, "sure"), sure)
    counts["calibration", "n"] += 1
    _add(counts, ("calibration", "squared"), (sure - right) ** 2)


def _mark_stage(counts: Counter[Key], label: Label | None, outcome: Outcome, policy: Policy) -> None:
    if label is None:
        return
    said = outcome.value(STAGE)
    right, stage = label.accepts(said), policy.stages.get(str(said))
    counts["stage", "n"] += 1
    counts["stage", "right"] += right
    counts["stage", "false_terminal"] += bool(stage and stage.terminal and not right)
    counts["stage", "distance"] += 0 if right else min(_distance(str(said), each, policy) for each in label.values)


def _distance(said: str, wanted: str, policy: Policy) -> int:
    """Return how many stages lie between two; ends share the last place, and two different ends lie furthest apart."""
    places = {stage.name: at for at, stage in enumerate(s for s in policy.stages.values() if not s.terminal)}
    last = len(places)
    is_end = {name: policy.stages[name].terminal for name in (said, wanted) if name in policy.stages}
    if said == wanted:
        return 0
    if len(is_end) < 2 or all(is_end.values()):
        return last
    return abs(places.get(said, last) - places.get(wanted, last))


def _mark_forbidden(counts: Counter[Key], case: Case, outcome: Outcome) -> None:
    """Count what must not be believed at any time."""
    for name, values in case.never.items():
        said = {str(value) for value in outcome.ever.get(name, ())}
        counts["forbidden", "n"] += 1
        counts["forbidden", "said"] += bool(said & set(values))


def _mark_steps(counts: Counter[Key], case: Case, said: Sequence[Owed]) -> None:
    left, found = list(said), 0
    for label in sorted(case.steps, key=lambda step: step.optional):
        step = next((step for step in left if _is_step(label, step)), None)
        if step is None:
            counts["steps", "wanted"] += not label.optional
            continue
        left.remove(step)
        found += 1
        counts["steps", "wanted"] += 1
        is_dated = any(label.due)
        counts["steps", "due" if is_dated else "undated"] += 1
        counts["steps", "due_exact" if is_dated else "false_due"] += label.accepts_due(step.due) == is_dated
    counts["steps", "tp"] += found
    counts["steps", "said"] += len(said)


def _is_step(label: StepLabel, step: Owed) -> bool:
    return label.accepts_owner(step.who) and (label.fits(step.what) or _meet(step.places, label.evidence))


def _mark_flips(counts: Counter[Key], case: Case, once: Outcome, without: Outcome) -> None:
    """Count what a hostile message moved to something wrong: to say that somebody tried to steer us is no flip."""
    misled = [name for name in case.labels if _is_misled(case.labels[name], once.value(name), without.value(name))]
    added = len(once.steps) > max(len(without.steps), len(case.steps))
    counts["injection", "n"] += 1
    counts["injection", "stage_flips"] += STAGE in misled
    counts["injection", "flips"] += bool(misled) or added


def _is_misled(label: Label, value: Value, before: Value) -> bool:
    """Say whether a value is wrong in what was added to it, or in what was taken from it."""
    if label.accepts(value):
        return False
    accepted = {item for each in label.values for item in _items(each)}
    now, then = _items(value), _items(before)
    return bool((now - then) - accepted or (then - now) & accepted)


def _mark_noise(counts: Counter[Key], case: Case, once: Outcome, again: Sequence[Outcome]) -> None:
    """Count the repeats in which a labelled field, or the number of steps, came out differently."""
    for other in again:
        moved = [name for name in case.labels if once.value(name) != other.value(name)]
        counts["noise", "n"] += 1
        counts["noise", "stage_flips"] += STAGE in moved
        counts["noise", "flips"] += bool(moved) or len(once.steps) != len(other.steps)


def _items(value: Value) -> set[str]:
    """Return a value's items as they are compared; nothing where it is unknown."""
    text = "" if value is None else str(value)
    items = {fold(item).text.strip() for item in text.split(LIST_SEPARATOR)}
    return items - {"", UNKNOWN}


def _meet(places: Iterable[Place], evidence: Iterable[Quoted]) -> bool:
    """Say whether words that something rests on are words that the label rests on."""
    labelled = list(evidence)
    return any(a == q.activity and start < q.end and q.start < end for a, start, end in places for q in labelled)


def _add(counts: Counter[Key], key: Key, number: float) -> None:
    counts[key] += number  # type: ignore[assignment]  # typeshed has whole numbers alone


def by_slice(cases: Iterable[Case]) -> Mapping[str, Mapping[str, list[int]]]:
    """Return which conversations (by their place) are of each language, channel and tag."""
    found: dict[str, dict[str, list[int]]] = {"language": {}, "channel": {}, "tag": {}, "split": {}}
    for at, case in enumerate(cases):
        for kind, names in (
            ("language", case.languages), ("channel", case.channels), ("tag", sorted(case.tags)),
            ("split", (case.split,)),
        ):  # fmt: skip
            for name in names:
                found[kind].setdefault(name, []).append(at)
    return {kind: dict(sorted(held.items())) for kind, held in found.items()}
