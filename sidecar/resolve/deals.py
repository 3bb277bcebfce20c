"""Which open deal an engagement belongs to: chosen by signals that are shown, else a question, never a tie-break.

Two deals of one customer look alike to a machine, and a stage written to the wrong one is worse than a question asked.
So a deal is chosen only when it is good enough by itself and stands clear of the runner-up; recency and company weigh
too little to set two deals apart. Closed deals and deals of another engagement are never chosen: what happens after
closure suggests a new deal. A deal in another pipeline than the route's is shown, and can't win.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sidecar.model import Activity, Candidate, Policy, Record, RecordSync, Role, Route, Standing
from sidecar.resolve.names import words

THRESHOLD = 0.5
"""What a deal must reach: the customer's own deal does, one that merely is of the same company doesn't."""
MARGIN = 0.15
"""How far the runner-up must be behind: a matching subject does it, or pipeline with owner; recency alone doesn't."""

CONTACT, WORDS, PIPELINE, OWNER, COMPANY, RECENT = 50, 20, 10, 10, 5, 5
OTHER_PIPELINE = -50
RECENT_DAYS = 30
MAX_ACTIVITIES = 20
MAX_CHARS = 2_000
MIN_WORD_CHARS = 4
_SAY_NOTHING = frozenset(
    ("deal", "deals", "project", "projekt", "projet", "proyecto", "opportunity", "order", "auftrag", "pedido", "sale",
     "sales", "from", "with", "para", "pour", "company", "gmbh", "limited", "test", "open", "neue", "nuevo", "nouveau")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DealProperties:
    """What the CRM calls a deal's properties; `closed` is a flag, for those that have one."""

    name: str = "name"
    stage: str = "stage"
    pipeline: str = "pipeline"
    owner: str = "owner"
    closed: str = "closed"


@dataclass(frozen=True, slots=True)
class DealChoice:
    """The deal, if exactly one is clear; every candidate, best first; whether a person must be asked, and why."""

    ref: str | None
    candidates: tuple[Candidate, ...]
    question: bool
    reason: str


@dataclass(frozen=True, slots=True)
class _Setting:
    """What the deals are compared with."""

    route: Route
    contacts: frozenset[str]
    companies: frozenset[str]
    agents: frozenset[str]
    said: frozenset[str]
    idle: frozenset[str]
    owners: Mapping[str, str]
    names: DealProperties
    now: datetime


def choose_deal(
    standing: Standing,
    deals: Sequence[Record],
    policy: Policy,
    now: datetime,
    *,
    activities: Sequence[Activity] = (),
    contacts: frozenset[str] = frozenset(),
    owners: Mapping[str, str] | None = None,
    closed_stages: frozenset[str] = frozenset(),
    names: DealProperties = DealProperties(),
) -> DealChoice:
    """Choose the open deal of the current engagement.

    `activities` are the engagement's, in any order; `contacts` are refs of the party's contact that its standing may
    not hold yet; `owners` maps the CRM's owners to their e-mail addresses; `closed_stages` are the CRM's stages that
    end a deal, beside those to which a route maps a terminal stage.
    """
    elsewhere = {r.ref for r in _held(standing, "deal") if r.engagement != standing.engagement.number}
    its = [d for d in deals if d.kind == "deal" and d.ref not in elsewhere]
    open_deals = [d for d in its if is_open(d, policy, closed_stages, names)]
    if not open_deals:
        return DealChoice(None, (), False, "no open deal")
    newest = sorted(activities, key=lambda a: (a.at, a.id))[-MAX_ACTIVITIES:]
    setting = _Setting(
        route=_route(standing, newest, policy),
        contacts=contacts | {record.ref for record in _held(standing, "contact") if record.ref},
        companies=frozenset(record.ref for record in _held(standing, "company") if record.ref),
        agents=_agents(newest),
        said=frozenset(word for activity in newest for word in _said(activity)),
        idle=_SAY_NOTHING | words(standing.name),
        owners=owners or {},
        names=names,
        now=now,
    )
    candidates = tuple(sorted((_candidate(deal, setting) for deal in open_deals), key=lambda c: (-c.score, c.ref)))
    tied = standing.record("deal", standing.engagement.number)
    if tied and any(deal.ref == tied.ref for deal in open_deals):
        return DealChoice(tied.ref, candidates, False, "already the deal of this engagement")
    return _clear_winner(candidates)


def _clear_winner(candidates: tuple[Candidate, ...]) -> DealChoice:
    best, behind = candidates[0], candidates[1].score if len(candidates) > 1 else 0.0
    if best.score < THRESHOLD:
        return DealChoice(None, candidates, True, f"no deal reaches {THRESHOLD}")
    if round(best.score - behind, 2) < MARGIN:
        return DealChoice(None, candidates, True, f"two deals are within {MARGIN} of each other")
    return DealChoice(best.ref, candidates, False, "; ".join(best.signals))


def is_open(
    deal: Record,
    policy: Policy,
    closed_stages: frozenset[str] = frozenset(),
    names: DealProperties = DealProperties(),
) -> bool:
    """Say whether a deal has not ended: neither by its own flag, nor by a stage that stands for an end."""
    closed = closed_stages | _closed_stages(policy)
    return deal.fields.get(names.closed) not in (True, "true", "True", 1) and (
        str(deal.fields.get(names.stage)) not in closed
    )


def _closed_stages(policy: Policy) -> frozenset[str]:
    terminal = [stage.name for stage in policy.stages.values() if stage.terminal]
    return frozenset(route.stages.get(stage, stage) for route in policy.routes for stage in terminal)


def _candidate(deal: Record, setting: _Setting) -> Candidate:
    points: list[tuple[int, str]] = []
    linked = {kind: frozenset(link.ref for link in deal.links if link.kind == kind) for kind in ("contact", "company")}
    if linked["contact"] & setting.contacts:
        points.append((CONTACT, "same contact"))
    if linked["company"] & setting.companies:
        points.append((COMPANY, "same company"))
    shared = (words(_text(deal, setting.names.name)) & setting.said) - setting.idle
    if any(len(word) >= MIN_WORD_CHARS or word.isdigit() for word in shared):
        points.append((WORDS, f"words: {', '.join(sorted(shared))}"))
    points += [*_pipeline(deal, setting), *_owner(deal, setting), *_recent(deal, setting)]
    score = max(0, min(100, sum(point for point, _ in points))) / 100
    return Candidate(deal.ref, score, tuple(f"{signal} ({point:+d})" for point, signal in points))


def _pipeline(deal: Record, setting: _Setting) -> list[tuple[int, str]]:
    wanted, held = setting.route.pipeline, _text(deal, setting.names.pipeline)
    if not wanted or not held:
        return []
    return [(PIPELINE, "same pipeline")] if wanted == held else [(OTHER_PIPELINE, "another pipeline")]


def _owner(deal: Record, setting: _Setting) -> list[tuple[int, str]]:
    owner = _text(deal, setting.names.owner)
    if not owner:
        return []
    is_here = setting.owners.get(owner, "").casefold() in setting.agents
    return [(OWNER, "same owner")] if is_here or owner == setting.route.owner else []


def _recent(deal: Record, setting: _Setting) -> list[tuple[int, str]]:
    is_recent = deal.updated_at is not None and (setting.now - deal.updated_at).days < RECENT_DAYS
    return [(RECENT, f"changed in the last {RECENT_DAYS} days")] if is_recent else []


def _route(standing: Standing, activities: Sequence[Activity], policy: Policy) -> Route:
    if standing.engagement.route or standing.route or not activities:
        return standing.route_in(policy)
    newest = activities[-1]
    ours = frozenset(i.value.casefold() for p in newest.participants if p.own for i in p.identifiers)
    return policy.route(newest.channel, ours)


def _held(standing: Standing, kind: str) -> list[RecordSync]:
    return [record for record in standing.records.values() if record.kind == kind and record.ref and not record.gone]


def _agents(activities: Sequence[Activity]) -> frozenset[str]:
    people = [p.identifiers for a in activities for p in a.participants if p.own]
    people += [a.actor.identifiers for a in activities if a.actor.role is Role.AGENT]
    return frozenset(i.value.casefold() for identifiers in people for i in identifiers if i.kind == "email")


def _said(activity: Activity) -> frozenset[str]:
    """The words by which people name a matter: the subject, and what was said in the activity."""
    spoken = " ".join(activity.text[said.start : said.end] for said in activity.said[:MAX_ACTIVITIES])
    return words(f"{activity.subject} {activity.attributes.get('title', '')} {spoken[:MAX_CHARS]}")


def _text(deal: Record, name: str) -> str:
    value = deal.fields.get(name)
    return "" if value is None else str(value)
