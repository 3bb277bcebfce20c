"""What would be written to the CRM if nothing but the mode stood in the way: each value, and the rung that it takes.

A look journals nothing and writes nothing. What was seen is planned twice by the very code that a sync plans with: as
the ladder stands, and as if all of it had been climbed. So in shadow one sees what the sidecar would do, and each value
says at which rung it would be done. Parties are looked at together, since a CRM counts its calls.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

from sidecar.errors import ConfigError, PermanentError, SidecarError, TemporaryError
from sidecar.model import Mode, Policy, Record, Rungs, Standing, Value
from sidecar.pipeline.ledger import LedgerSteps
from sidecar.pipeline.parts import Parts
from sidecar.pipeline.sight import Sight
from sidecar.pipeline.together import Together
from sidecar.ports import Ledger
from sidecar.sync import DesiredRecord, Plan, RecordPlan, rung_for

TOGETHER = 32


@dataclass(frozen=True, slots=True)
class Would:
    """One value that would be written, or would not and why; its fields are the keys of the JSON.

    `at` is the lowest rung at which a value would be written that only the mode keeps back; else it is empty. `ours` is
    the field of ours that the property stands for, `new_record` says that the record would be made.
    """

    party: str
    name: str
    record: str
    key: str
    ref: str | None
    field: str
    ours: str
    old: Value
    new: Value
    refused: str
    at: str = ""
    new_record: bool = False


def preview(
    parts: Parts, standings: Iterable[Standing], told: Callable[[int], None] = lambda looked: None
) -> Iterator[Would]:
    """Yield what syncs of these parties would write under `parts`, and would not; `told` hears how many were seen."""
    ledger, looked, left = parts.ledger, 0, iter(standings)
    if ledger is None:
        raise PermanentError("no CRM is configured")
    size = max(1, min(TOGETHER, ledger.capabilities.batch_size))
    with ThreadPoolExecutor(size, thread_name_prefix="preview") as pool:
        while some := list(islice(left, size)):
            together = Together(ledger, len(some))

            def look(standing: Standing, together: Together = together) -> list[Would]:
                try:
                    return _looked(parts, together.member(), standing)
                finally:
                    together.leave()

            for rows in pool.map(look, some):
                yield from rows
            looked += len(some)
            told(looked)


def below_the_top(policy: Policy) -> bool:
    """Say whether the mode keeps anything back that the policy could write."""
    fields = (None, *policy.fields.values())
    return any(policy.mode_for(route, field) is not Mode.AUTO for route in policy.routes for field in fields)


def _looked(parts: Parts, ledger: Ledger, standing: Standing) -> list[Would]:
    """Look at one party; what only concerns it is said in its place, and everybody else's look goes on."""
    steps = LedgerSteps(replace(parts, ledger=ledger))
    top = LedgerSteps(replace(parts, ledger=ledger, policy=_climbed(parts.policy), rungs=Rungs))
    try:
        sight, asked = steps.see(standing)
        return list(_rows(sight, steps.planned(sight, asked), top.planned(sight, asked), parts.policy))
    except (ConfigError, TemporaryError):
        raise
    except SidecarError as error:
        name = standing.name or standing.party
        return [Would(standing.party, name, "", "", None, "", "", None, None, str(error))]


def _climbed(policy: Policy) -> Policy:
    """Return the policy as if every mode were the highest."""
    fields = {name: replace(field, mode=None) for name, field in policy.fields.items()}
    return replace(policy, mode=Mode.AUTO, fields=fields, routes=tuple(replace(r, mode=None) for r in policy.routes))


def _rows(sight: Sight, now: Plan, top: Plan, policy: Policy) -> Iterator[Would]:
    standing = sight.standing
    found: dict[str, Record] = {key: look.found for key, look in sight.looks.items() if look.found}
    ours = {(t.kind, t.property): f.name for f in policy.fields.values() for t in f.targets} | {
        ("deal", "stage"): "stage"
    }

    def would(record: DesiredRecord | None, kind: str, key: str, field: str, new: Value, **more: str) -> Would:
        held = found.get(key)
        return Would(
            party=standing.party,
            name=standing.name or standing.party,
            record=kind,
            key=key,
            ref=held.ref if held else None,
            field=field,
            ours=ours.get((kind, field), ""),
            old=held.fields.get(field) if held else None,
            new=new,
            refused=more.get("refused", ""),
            at=more.get("at", ""),
            new_record=record is not None and held is None,
        )

    written = {(change.key, change.field) for change in now.changes}
    reasons = {(r.key, r.field): r.reason for r in now.refused}
    plans = {record.wanted.key: record for record in top.records}
    for record in top.records:
        wanted = record.wanted
        for field, value in ((change.field, change.new) for change in record.changes):
            if (wanted.key, field) in written:
                yield would(wanted, wanted.kind, wanted.key, field, value)
            else:
                refused = reasons.get((wanted.key, field)) or reasons.get((wanted.key, "")) or "its mode"
                at = _rung(record, field, plans).value
                yield would(wanted, wanted.kind, wanted.key, field, value, refused=refused, at=at)
    for other in top.refused:
        yield would(None, other.kind, other.key, other.field, other.value, refused=other.reason)
    for question in sight.questions:
        yield would(None, "", "", "", None, refused=question)


def _rung(record: RecordPlan, field: str, plans: dict[str, RecordPlan]) -> Mode:
    """Return the rung that a value takes: that of its property, its record, and the new record that this is tied to."""
    is_new = record.found is None
    takes = [rung_for(record.wanted, field, is_new=is_new), rung_for(record.wanted, is_new=is_new)]
    tied: Sequence[str] = record.wanted.links[:1] if is_new else ()
    takes += [rung_for(plans[key].wanted, is_new=True) for key in tied if key in plans and plans[key].found is None]
    return max(takes, key=lambda mode: mode.height)
