"""The two lists that a rep works from in the CRM: what waits for a person, and who is ready for action.

Declared here once, made by `provision` in each CRM in its own way. They are lists of contacts, because a customer is in
the CRM before there is a deal. Which property stands for a field is the config's; a list whose fields are not there, or
not of contacts, is left out.
"""

from collections.abc import Collection, Mapping, Sequence

from sidecar.app.readiness import wanted_properties
from sidecar.model import REVIEW, SUGGESTIONS, Policy
from sidecar.ports import Condition, FieldSpec, Ledger, View

WAITING, READY = "AI: Waiting for a person", "AI: Ready for action"
READY_SCORE = 30
"""An enquiry alone scores 18; whoever is qualified, or is keen, has more."""
_KIND = "contact"


def provision(ledger: Ledger, policy: Policy, *, dry_run: bool) -> list[str]:
    """Make what the policy needs in a CRM, properties and lists; a line for each thing that is (or would be) made."""
    wanted, views = _needs(ledger, policy)
    return list(ledger.provision(wanted, dry_run, views) if views else ledger.provision(wanted, dry_run))


def deprovision(ledger: Ledger, policy: Policy, *, dry_run: bool, leave: Collection[str] = ()) -> list[str]:
    """Take it away again, but for the properties to `leave` (`contact.ai_stage`); a line for each thing."""
    needed, views = _needs(ledger, policy)
    wanted = {kind: [spec for spec in specs if f"{kind}.{spec.name}" not in leave] for kind, specs in needed.items()}
    return list(ledger.deprovision(wanted, dry_run, views) if views else ledger.deprovision(wanted, dry_run))


def left_to_people(ledger: Ledger, policy: Policy) -> list[str]:
    """Return what an admin makes by hand, because the CRM's API makes no lists."""
    return [] if ledger.capabilities.views else [by_hand(view) for view in wanted_views(policy)]


def _needs(ledger: Ledger, policy: Policy) -> tuple[Mapping[str, Sequence[FieldSpec]], Sequence[View]]:
    can = ledger.capabilities
    return wanted_properties(policy, can.kinds), wanted_views(policy) if can.views else ()


def wanted_views(policy: Policy) -> list[View]:
    """Return the lists that the policy's fields allow."""
    made = (_waiting(policy), _ready(policy))
    return [view for view in made if view is not None]


def by_hand(view: View) -> str:
    """Say what to make by hand where a CRM's API makes no lists."""
    parts = [_said(condition) for condition in view.where]
    order = f", sorted by {view.order}, highest first" if view.order else ""
    return f"{view.name}: {view.kind}s where {' and '.join(parts)}; show {', '.join(view.columns)}{order}"


def _waiting(policy: Policy) -> View | None:
    review = _property(policy, REVIEW)
    columns = _columns(policy, SUGGESTIONS, "stage", "channel", "last_touch")
    return View(WAITING, _KIND, (Condition(review, ("needs_review",)),), columns) if review else None


def _ready(policy: Policy) -> View | None:
    stage, score = _property(policy, "stage"), _property(policy, "score")
    if not stage or not score:
        return None
    ongoing = tuple(name for name, given in policy.stages.items() if not given.terminal)
    where = (Condition(stage, ongoing), Condition(score, at_least=READY_SCORE))
    return View(READY, _KIND, where, _columns(policy, "score", "stage", "next_step", "channel", "last_touch"), score)


def _columns(policy: Policy, *fields: str) -> tuple[str, ...]:
    names = [_property(policy, field) for field in fields]
    return ("name", *(name for name in names if name))


def _property(policy: Policy, field: str) -> str:
    return next(iter(policy.properties(_KIND, field)), "")


def _said(condition: Condition) -> str:
    if condition.at_least is not None:
        return f"{condition.property} is at least {condition.at_least:g}"
    return f"{condition.property} is {' or '.join(condition.one_of)}"
