"""Values that code computes: each names its formula and the facts that it was computed from.

They are plain arithmetic on what is believed, so that anybody can redo them: the score's formula names each of its very
parts, whose weights are the config's. It is a coarse ordering for a work list, not a probability.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sidecar.decide.course import course
from sidecar.decide.values import items
from sidecar.model import SEVERAL, Engagement, Evidence, Policy, Role, Standing, Step, Value

MAX_LISTED = 10


@dataclass(frozen=True, slots=True)
class Computed:
    """One computed value, how, from which facts, and the words that it shows.

    A formula that `is_dated` names days, so it is another one each time; it is said anew only with another value.
    """

    field: str
    value: Value
    formula: str
    causes: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    is_dated: bool = False


def compute(standing: Standing, policy: Policy, at: datetime) -> tuple[Computed, ...]:
    """Compute what follows from a standing at a time: last touch, score, course, next step, review state and others."""
    now = standing.engagement
    values = [
        *_touch(standing),
        _score(now, policy),
        _confidence(now),
        _trajectory(standing, policy, at),
        _open_question(standing),
        *_next_step(now),
        *_review(now),
    ]
    return tuple(v for v in values if v.field in policy.fields)


def _touch(standing: Standing) -> tuple[Computed, ...]:
    """Where and when anybody spoke last, for lists that people work from."""
    last = standing.last_activity_at
    formula = "the newest activity of the relationship"
    day = last.date().isoformat() if last else None
    who = {Role.CUSTOMER.value: "customer", Role.AGENT.value: "us"}.get(standing.spoke_last)
    return (
        Computed("channel", standing.channel or None, formula, ()),
        Computed("last_touch", day, formula, ()),
        Computed("last_speaker", who, "whose words were the last", ()),
    )


def _said(engagement: Engagement, name: str) -> str:
    held = engagement.fields.get(name)
    return str(held.value) if held and held.value is not None else ""


def _decisions(engagement: Engagement, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(engagement.fields[n].decision for n in names if n in engagement.fields)


def score(engagement: Engagement, policy: Policy) -> float:
    """Return 0 to 100: how far along, and the points of what is believed; an end is 100 or 0."""
    return _scored(engagement, policy)[0]


def _score(engagement: Engagement, policy: Policy) -> Computed:
    value, formula = _scored(engagement, policy)
    return Computed("score", value, formula, _decisions(engagement, ("stage", *policy.score.points)))


def _scored(engagement: Engagement, policy: Policy) -> tuple[float, str]:
    """Return the score and the sum that it is.

    An end that needs our own side's word is a win: nobody else may declare one, while anybody may say no.
    """
    stage = engagement.stage or policy.first_stage
    if stage in policy.stages and policy.stages[stage].terminal:
        is_won = policy.stages[stage].needs != "any"
        return (100.0, f"100: {stage} is a win") if is_won else (0.0, f"0: {stage} is an end without one")
    open_stages = [name for name, given in policy.stages.items() if not given.terminal]
    reached = open_stages.index(stage) + 1 if stage in open_stages else 0
    along = policy.score.stage * reached / len(open_stages) if open_stages else 0.0
    parts = list(_points(engagement, policy))
    total = along + sum(points for points, _ in parts)
    value = max(0.0, min(100.0, float(round(total))))
    told = "".join(f" {'-' if points < 0 else '+'} {abs(points):g} {what}" for points, what in parts)
    bound = f" {round(total):g}, so" if value != round(total) else ""
    return value, f"{policy.score.stage:g} x {reached}/{len(open_stages)} stage {stage}{told} ={bound} {value:g}"


def _points(engagement: Engagement, policy: Policy) -> Iterator[tuple[float, str]]:
    """Yield what each believed value is worth, but for what is worth nothing."""
    for name, worth in policy.score.points.items():
        given, said = policy.fields.get(name), _said(engagement, name)
        for value in items(said) if given and given.type == SEVERAL else [said]:
            if worth.get(value):
                yield worth[value], f"{name} {value}"


def _confidence(engagement: Engagement) -> Computed:
    names = [n for n, f in sorted(engagement.fields.items()) if f.engine != "code" and f.value is not None]
    values = [engagement.fields[n].confidence for n in names]
    value = round(sum(values) / len(values), 2) if values else 0.0
    return Computed("confidence", value, f"mean confidence of {', '.join(names)}", _decisions(engagement, names))


def _trajectory(standing: Standing, policy: Policy, at: datetime) -> Computed:
    found = course(standing, score(standing.engagement, policy), policy, at)
    return Computed("trajectory", found.value, found.formula, found.causes, is_dated=True)


def _open_question(standing: Standing) -> Computed:
    """The last question that the other side has not answered, in its own words."""
    asked = standing.asked
    if asked is None:
        return Computed("open_question", None, "nobody waits for an answer", ())
    who = "the customer" if asked.evidence.role is Role.CUSTOMER else "us"
    formula = f"the last question that nobody has answered, asked by {who}"
    words = f"{who}: {' '.join(asked.evidence.quote.split())}"
    return Computed("open_question", words, formula, (asked.evidence.activity,), (asked.evidence,))


def _next_step(engagement: Engagement) -> tuple[Computed, ...]:
    open_steps = sorted((s for s in engagement.steps if s.status == "open"), key=_when)
    first = open_steps[0] if open_steps else None
    causes = (first.decision,) if first else ()
    text = f"{first.who}: {first.what}" if first else None
    due = (first.due or "")[:10] or None if first else None
    formula = "the open step that is due first"
    return (Computed("next_step", text, formula, causes), Computed("next_step_due", due, formula, causes))


def _when(step: Step) -> tuple[bool, str]:
    return (not step.due, step.due or "")


def _review(engagement: Engagement) -> tuple[Computed, ...]:
    waiting = sorted(engagement.suggestions.items())
    lines = [f"{name}: {s.value} ({s.reason})" for name, s in waiting[:MAX_LISTED]]
    causes = tuple(s.decision for _, s in waiting)
    formula = "needs_review while a suggestion waits"
    return (
        Computed("review", "needs_review" if waiting else "ok", formula, causes),
        Computed("suggestions", "\n".join(lines) or None, "the suggestions that wait", causes),
    )
