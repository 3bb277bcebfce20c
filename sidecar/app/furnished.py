"""What this journal knows to have made in somebody else's CRM, so that nothing of theirs is ever taken away.

Few CRMs let an API say who made a property, and an admin may have made one under a name of ours long before us, with
data in it. So what `provision` makes is noted when it is there, never before, and only what is noted goes again: what a
crash or another journal left unnoted stays, and is named for a person to judge. Our own local CRM has no other maker.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sidecar.app.readiness import wanted_properties
from sidecar.app.worklists import deprovision, provision
from sidecar.journal import Journal
from sidecar.model import Policy
from sidecar.ports import FieldSpec, Ledger

MADE = "provisioned"
"""The journal's setting that holds the names (`contact.ai_stage`) of what was made."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What is (or would be) taken away, a line each, and the names of what stays because we didn't make it."""

    lines: tuple[str, ...]
    left: tuple[str, ...]


def furnish(ledger: Ledger, policy: Policy, journal: Journal, *, dry_run: bool) -> list[str]:
    """Make what the policy needs in a CRM, and note which properties were not there before; a line for each thing."""
    wanted = wanted_properties(policy, ledger.capabilities.kinds)
    before = _there(ledger, wanted)
    try:
        return provision(ledger, policy, dry_run=dry_run)
    finally:
        if not dry_run and (news := _there(ledger, wanted) - before):
            _note(journal, made(journal) | news)


def clear(ledger: Ledger, policy: Policy, journal: Journal, *, dry_run: bool, unnoted: bool = False) -> Cleared:
    """Take away again what was made here; `unnoted` also takes what an adapter believes to be ours without a note."""
    wanted = wanted_properties(policy, ledger.capabilities.kinds)
    is_free = unnoted or not ledger.capabilities.vendor
    there, ours = _there(ledger, wanted), made(journal)
    names = {f"{kind}.{spec.name}" for kind, specs in wanted.items() for spec in specs}
    left = frozenset() if is_free else names - ours  # also what we can't see
    lines = deprovision(ledger, policy, dry_run=dry_run, leave=left)
    if not dry_run:
        _note(journal, ours - (there - _there(ledger, wanted)))
    return Cleared(tuple(lines), tuple(sorted(left & there)))


def made(journal: Journal) -> frozenset[str]:
    """Return the names of the properties that are noted as made here."""
    return frozenset(json.loads(journal.meta(MADE) or "[]"))


def _note(journal: Journal, names: Collection[str]) -> None:
    journal.set_meta(MADE, json.dumps(sorted(names)))


def _there(ledger: Ledger, wanted: Mapping[str, Sequence[FieldSpec]]) -> frozenset[str]:
    """Return the names of what the CRM has of what is wanted."""
    held = {kind: ledger.schema(kind) for kind in wanted}
    return frozenset(f"{kind}.{s.name}" for kind, specs in wanted.items() for s in specs if s.name in held[kind])
