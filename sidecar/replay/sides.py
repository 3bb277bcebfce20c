"""What two readings of the same words say, field by field, and where they differ.

A difference of wording is no difference of substance: a model words a summary anew each time that it is asked. So text
is compared too, and counted apart. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sidecar.model import SEVERAL, Claim, Decision, Policy, Value, Verdict

STEP = "step"
_EVER = datetime.max.replace(tzinfo=UTC)
_WORDED = ("text", "long_text")


@dataclass(frozen=True, slots=True)
class Cell:
    """One statement: what it says, what became of it and by which rule, and the words that it rests on.

    Of what code computed, `rule` is empty and `reason` its formula.
    """

    value: Value
    op: str
    verdict: str
    rule: str
    reason: str
    quotes: tuple[str, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class Difference:
    """One field on which two sides differ at one reading (`kind` claim or decision) or in the CRM at the end (crm).

    `was` is what the book holds, `new` what the trial says; empty for nothing. `is_wording` says that only texts
    differ, `kept` why the CRM would not show it: a person's value stands there.
    """

    party: str
    name: str
    at: datetime
    kind: str
    field: str
    was: tuple[Cell, ...]
    new: tuple[Cell, ...]
    is_wording: bool = False
    record: str = ""
    kept: str = ""


Said = Mapping[str, tuple[Cell, ...]]
"""Statements by field, in the order in which they were made; those about next steps under `step`."""


def said(claims: Iterable[Claim], decisions: Iterable[Decision]) -> Said:
    """Return what a reading said and what was decided on it; what code computed from it is no statement."""
    ruled: dict[str, Decision] = {}
    for decision in decisions:
        ruled.setdefault(decision.claim, decision)
    found: dict[str, tuple[Cell, ...]] = {}
    for claim in sorted(claims, key=lambda c: c.position):
        if not claim.formula or claim.field == "summary":
            name = STEP if claim.step else claim.field
            found[name] = (*found.get(name, ()), _cell(claim, ruled.get(claim.id)))
    return found


def compare(was: Said, new: Said, policy: Policy) -> Iterator[tuple[str, str, bool]]:
    """Yield (field, kind, is_wording) for each field on which two readings differ: by claim, else by decision."""
    for name in sorted({*was, *new}):
        before, after = (_ordered(side.get(name, ()), name, policy) for side in (was, new))
        is_worded = name != STEP and _is_worded(name, policy)
        if [_claimed(c, name) for c in before] != [_claimed(c, name) for c in after]:
            yield name, "claim", is_worded and len(before) == len(after)
        elif [c.verdict for c in before] != [c.verdict for c in after]:
            yield name, "decision", False


def _ordered(cells: Sequence[Cell], name: str, policy: Policy) -> Sequence[Cell]:
    """Put what stands side by side in an order of its own; of a field with one value the last word counts."""
    given = policy.fields.get(name)
    is_set = name == STEP or (given is not None and given.type == SEVERAL)
    return sorted(cells, key=lambda cell: (_claimed(cell, name), cell.verdict)) if is_set else cells


def at_once(differences: Iterable[Difference]) -> list[tuple[Difference, tuple[str, ...]]]:
    """Put together what differs alike in several records of one party, with their properties' names, in that order."""
    found: dict[object, tuple[Difference, list[str]]] = {}
    for one in differences:
        key = (replace(one, record="", at=_EVER), one.record.partition(".")[2]) if one.record else id(one)
        found.setdefault(key, (one, []))[1].extend([one.record] if one.record else [])
    return [(one, tuple(records)) for one, records in found.values()]


def quoted(cells: Sequence[Cell]) -> str:
    """Return the words behind some statements, in one line."""
    return " · ".join(dict.fromkeys(quote for cell in cells for quote in cell.quotes))


def _cell(claim: Claim, decision: Decision | None) -> Cell:
    return Cell(
        value=_step(claim) if claim.step else claim.value,
        op=claim.op,
        verdict=(decision.verdict if decision else Verdict.REJECT).value,
        rule=decision.rule if decision else "",
        reason=decision.reason if decision else "",
        quotes=tuple(e.quote for e in claim.evidence),
        confidence=claim.confidence,
    )


def _step(claim: Claim) -> str:
    step = claim.step
    if step is None:
        return ""
    return f"{step.who}: {step.what}" + (f" (by {step.due or step.due_text})" if step.due or step.due_text else "")


def _claimed(cell: Cell, name: str) -> tuple[str, str]:
    """What makes two statements the same; of a step its wording doesn't, for that is another one each time."""
    value = "" if cell.value is None else str(cell.value).strip().casefold()
    if name == STEP:
        who, _, rest = value.partition(":")
        value = f"{who} {rest[rest.rfind(' (by ') :] if ' (by ' in rest else ''}"
    return cell.op, value


def _is_worded(name: str, policy: Policy) -> bool:
    given = policy.fields.get(name)
    return name == "summary" or (given is not None and given.type in _WORDED and not given.values)
