"""Bugs to be planted: each patches one guard away, and the machine must notice within its budget.

An invariant is believed only when its seeded bug makes the test fail. The patches live here, so that the product needs
no switches.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from sidecar.model import FieldClass, Record, RecordSync
from sidecar.sync import DesiredRecord
from sidecar.sync.whose import Whose, same
from tests.e2e.human_wins.machine import CarefulCrm, HastyCrm, HumanWins

Seed = Callable[[pytest.MonkeyPatch], None]

# Fetched by name, because packages export functions under the names of their modules.
DECIDE, LEDGER = import_module("sidecar.decide"), import_module("sidecar.pipeline.ledger")
OBSERVE, PLAN, WHOSE = (import_module(f"sidecar.sync.{name}") for name in ("observe", "plan", "whose"))


def blind_write(patch: pytest.MonkeyPatch) -> None:
    """Write whatever stands in the CRM."""
    patch.setattr(PLAN, "ours", lambda sync, current: True)


def no_hold_on_clear(patch: pytest.MonkeyPatch) -> None:
    """Take an emptied property for one that nobody has filled."""
    respect = WHOSE._Property._respect

    def careless(self: Any, verdict: Whose) -> None:
        if not same(self._current, None):
            respect(self, verdict)

    patch.setattr(WHOSE._Property, "_respect", careless)
    compare = PLAN.ours
    patch.setattr(PLAN, "ours", lambda sync, current: same(current, None) or compare(sync, current))


def noresume(patch: pytest.MonkeyPatch) -> None:
    """Forget what was meant to be written when the process died."""
    judge = OBSERVE.whose

    def forgetful(found: Record, sync: RecordSync, *rest: Any) -> Whose:
        fields = {name: replace(held, pending={}) for name, held in sync.fields.items()}
        return judge(found, replace(sync, fields=fields), *rest)

    patch.setattr(OBSERVE, "whose", forgetful)


def identity_as_state(patch: pytest.MonkeyPatch) -> None:
    """Let newer messages overrule the name that a person gave."""
    wanted = LEDGER.desired

    def overruling(standing: Any, *rest: Any) -> tuple[DesiredRecord, ...]:
        return tuple(
            replace(
                record,
                fields={
                    name: replace(field, cls=FieldClass.STATE, evidence_at=standing.last_activity_at)
                    if field.cls is FieldClass.IDENTITY
                    else field
                    for name, field in record.fields.items()
                },
            )
            for record in wanted(standing, *rest)
        )

    patch.setattr(LEDGER, "desired", overruling)


def no_evidence_time(patch: pytest.MonkeyPatch) -> None:
    """Believe what was read last, however old it is."""
    patch.setattr(DECIDE, "_yields", lambda claim, held, *, baseline: None)
    patch.setattr(PLAN._Planner, "_held", lambda self, field, hold: "")


def no_restoring(patch: pytest.MonkeyPatch) -> None:
    """Overlook that a person gave a property back."""
    _judged(patch, lambda verdict: replace(verdict, freed={}))


def no_putting_back(patch: pytest.MonkeyPatch) -> None:
    """Overlook an edit that came between our read and our write."""
    patch.setattr(WHOSE._Property, "_run_over", lambda self, before, change: None)


def one_try(patch: pytest.MonkeyPatch) -> None:
    """Take a write of unknown outcome for one that is still on its way, for ever."""
    patch.setattr(PLAN._Planner, "_settling", lambda self, sync: any(f.pending for f in sync.fields.values()))


def deletion_ignored(patch: pytest.MonkeyPatch) -> None:
    """Make a record again under another key when a person has deleted it."""
    wanted = LEDGER.desired

    def stubborn(standing: Any, *rest: Any) -> tuple[DesiredRecord, ...]:
        records = standing.records
        return tuple(
            replace(r, key=r.key + "-again") if r.key in records and records[r.key].gone else r
            for r in wanted(standing, *rest)
        )

    patch.setattr(LEDGER, "desired", stubborn)


def _judged(patch: pytest.MonkeyPatch, change: Callable[[Whose], Whose]) -> None:
    judge = OBSERVE.whose
    patch.setattr(OBSERVE, "whose", lambda *given: change(judge(*given)))


SEEDS: Mapping[str, tuple[Seed, type[HumanWins]]] = {
    "blind write": (blind_write, HastyCrm),
    "no hold on clear": (no_hold_on_clear, CarefulCrm),
    "noresume": (noresume, CarefulCrm),
    "identity treated as state": (identity_as_state, HastyCrm),
    "evidence time ignored": (no_evidence_time, CarefulCrm),
    "restoring not recognised": (no_restoring, CarefulCrm),
    "a run-over edit is not put back": (no_putting_back, HastyCrm),
    "one try and no more": (one_try, HastyCrm),
    "deletion ignored": (deletion_ignored, CarefulCrm),
}
"""Each planted bug, and the machine that finds it sooner."""
