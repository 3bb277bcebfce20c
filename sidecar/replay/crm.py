"""Which values of the CRM would be others, if the trial had been in force: what is wanted there, on both sides.

It asks the CRM nothing. Where a person's value stands, the book knows, and the difference says that it stays.
"""

from collections.abc import Iterator
from datetime import datetime

from sidecar.model import AuthorKind, Claim, Decision, Mint, Policy, Standing, Verdict
from sidecar.replay.sides import Cell, Difference
from sidecar.replay.walk import Known, Walk
from sidecar.sync import DesiredField, DesiredRecord, desired

KINDS = ("contact", "deal")
_NEVER_SHOWN = ("suggestions",)
"""A list of what waits, whose parts are compared by themselves."""


def in_crm(made: Walk, old_policy: Policy, policy: Policy, mint: Mint, now: datetime) -> Iterator[Difference]:
    """Yield the properties of contact and deal for which another value would be wanted."""
    if "new" not in made.ends:
        return
    was = made.ends["was"]
    before, after = _wanted(was, old_policy, mint, now), _wanted(made.ends["new"], policy, mint, now)
    for kind in KINDS:
        old, wanted = before.get(kind), after.get(kind)
        names = {*(old.fields if old else ()), *(wanted.fields if wanted else ())}
        for name in sorted(names):
            a, b = (record.fields.get(name) if record else None for record in (old, wanted))
            if (a.value if a else None) == (b.value if b else None) or (a or b).name in _NEVER_SHOWN:  # type: ignore[union-attr]  # one of them is there
                continue
            cells = _cells(a, made.known["was"]), _cells(b, made.known["new"])
            yield _difference(was, f"{kind}.{name}", b or a, cells, _kept(made.book, (old or wanted), name), now)


def _wanted(standing: Standing, policy: Policy, mint: Mint, now: datetime) -> dict[str, DesiredRecord]:
    records = desired(standing, policy, standing.route_in(policy), (), mint, now)
    return {record.kind: record for record in records if record.kind in KINDS}


def _difference(
    was: Standing,
    record: str,
    shown: DesiredField | None,
    cells: tuple[tuple[Cell, ...], tuple[Cell, ...]],
    kept: str,
    now: datetime,
) -> Difference:
    return Difference(
        party=was.party,
        name=was.name or was.party,
        at=(shown.evidence_at if shown else None) or was.last_activity_at or now,
        kind="crm",
        field=shown.name if shown else "",
        was=cells[0],
        new=cells[1],
        is_wording=bool(shown and shown.name in ("summary", "next_step")),
        record=record,
        kept=kept,
    )


def _cells(field: DesiredField | None, known: Known) -> tuple[Cell, ...]:
    if field is None or field.value is None:
        return ()
    quotes, formula = list[str](), ""
    confidence = 0.0
    for decision in known(field.because).values():
        claim = known([decision.claim]).get(decision.claim) if isinstance(decision, Decision) else None
        if isinstance(claim, Claim):
            quotes += [evidence.quote for evidence in claim.evidence]
            confidence, formula = claim.confidence, "" if claim.field == "summary" else claim.formula
    return (Cell(field.value, "set", Verdict.APPLY.value, "", formula, tuple(quotes), confidence),)


def _kept(standing: Standing, wanted: DesiredRecord | None, name: str) -> str:
    record = standing.records.get(wanted.key) if wanted else None
    held = record.fields.get(name) if record else None
    if held is None:
        return ""
    if held.pinned:
        return "it is pinned"
    is_theirs = held.hold is not None and held.hold.author.kind is AuthorKind.PERSON
    return "a person's value stands there" if is_theirs else ""
