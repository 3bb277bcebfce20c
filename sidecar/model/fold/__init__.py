"""How facts add up to a Standing: one pure step per fact, so that the projection can be kept and can be rebuilt.

The fold judges nothing. Whether a claim is believed was said by its Decision, whose a CRM value is by its Reading; here
that is only written down. Whatever it needs is in the fact itself (a Match also brings its Activity), which is what
makes a rebuilt projection equal to the kept one.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sidecar.model.facts import (
    Activity,
    Alert,
    Change,
    Decision,
    Inference,
    Match,
    Outcome,
    Posting,
    Reading,
    Release,
    Verdict,
)
from sidecar.model.fold.crm import approved, intended, pinned, posted, read, withheld
from sidecar.model.fold.meetings import joined, left, met
from sidecar.model.fold.talk import talked
from sidecar.model.mint import Fact
from sidecar.model.standing import (
    Conversation,
    Engagement,
    FieldStanding,
    Mark,
    OpenAlert,
    RecordSync,
    Standing,
    Suggestion,
)
from sidecar.model.things import Role, Step

KEPT_CONVERSATIONS = 20
KEPT_DONE_STEPS = 8
KEPT_MARKS = 24
SCORE = "score"
EXPIRED = "expired"
"""The rule by which a suggestion that nobody answered is dropped."""


def advance(standing: Standing, fact: Fact, activity: Activity | None = None) -> Standing:
    """Return the standing with one more fact taken in; facts that change no belief leave it as it is."""
    if isinstance(fact, Match):
        return _matched(standing, fact, activity) if activity and fact.outcome is Outcome.PARTY else standing
    step: Callable[[Standing, Any], Standing] | None = _STEPS.get(fact.KIND)
    return step(standing, fact) if step else standing


def absorb(target: Standing, other: Standing, merge: str) -> Standing:
    """Return the target of a merge with everything of the other party; both histories must be read whole again.

    `merge` is the id of the Release that says so.
    """
    other = _owing_else(other, target, merge)
    newer, older = (target, other) if _moved(target) >= _moved(other) else (other, target)
    engagement = replace(
        newer.engagement,
        fields={**older.engagement.fields, **newer.engagement.fields},
        steps=(*older.engagement.steps, *newer.engagement.steps),
    )
    return replace(
        target,
        name=target.name or other.name,
        identifiers=tuple(dict.fromkeys((*target.identifiers, *other.identifiers))),
        known_by={**other.known_by, **target.known_by},
        since=_earliest(target.since, other.since),
        last_activity_at=_latest(target.last_activity_at, other.last_activity_at),
        last_customer_at=_latest(target.last_customer_at, other.last_customer_at),
        last_agent_at=_latest(target.last_agent_at, other.last_agent_at),
        activities=target.activities + other.activities,
        needs_whole=True,
        asked=newer.asked,
        spoke_last=newer.spoke_last,
        engagements=(*newer.engagements[:-1], engagement),
        conversations=_newest((*target.conversations, *other.conversations)),
        records={**other.records, **target.records},
        alerts=(*target.alerts, *other.alerts),
        allowed=tuple(dict.fromkeys((*target.allowed, *other.allowed))),
        absorbed=tuple(dict.fromkeys((*target.absorbed, other.party, *other.absorbed))),
        meetings=joined(target.meetings, other.meetings),
    )


def _owing_else(other: Standing, target: Standing, merge: str) -> Standing:
    """What both owe in the same words is owed once: the other's step is dropped by the merge, which ends its task."""
    owed = [step for step in target.engagement.steps if step.status == "open"]

    def once(step: Step) -> Step:
        is_twice = step.status == "open" and any(step.reads_as(ours) for ours in owed)
        return replace(step, status="dropped", decision=merge) if is_twice else step

    return _with(other, replace(other.engagement, steps=tuple(map(once, other.engagement.steps))))


def _moved(standing: Standing) -> float:
    return standing.last_activity_at.timestamp() if standing.last_activity_at else 0.0


def _latest(a: datetime | None, b: datetime | None) -> datetime | None:
    return max(a, b) if a and b else a or b


def _earliest(a: datetime | None, b: datetime | None) -> datetime | None:
    return min(a, b) if a and b else a or b


def _newest(conversations: tuple[Conversation, ...]) -> tuple[Conversation, ...]:
    return tuple(sorted(conversations, key=lambda c: (c.last_at, c.thread)))[-KEPT_CONVERSATIONS:]


def _matched(standing: Standing, match: Match, activity: Activity) -> Standing:
    late = bool(standing.last_inference and standing.last_activity_at and activity.at < standing.last_activity_at)
    said_by = {said.role for said in activity.said} or {activity.actor.role}
    engagement = standing.engagement
    if engagement.opened_at is None:
        engagement = replace(engagement, opened_at=activity.at, route=match.route)
    return replace(
        met(talked(_with(standing, engagement), activity), match, activity),
        name=standing.name or match.name,
        identifiers=tuple(dict.fromkeys((*standing.identifiers, *match.links))),
        known_by=_introduced(standing, match),
        since=_earliest(standing.since, activity.at),
        last_activity_at=_latest(standing.last_activity_at, activity.at),
        last_customer_at=_latest(standing.last_customer_at, activity.at if Role.CUSTOMER in said_by else None),
        last_agent_at=_latest(standing.last_agent_at, activity.at if Role.AGENT in said_by else None),
        activities=standing.activities + 1,
        needs_whole=standing.needs_whole or late or activity.kind in ("edit", "deletion") or bool(match.after),
        channel=activity.channel,
        route=match.route or standing.route,
        conversations=_newest(_talked(standing.conversations, activity)),
    )


def _introduced(standing: Standing, match: Match) -> dict[str, str]:
    """The Match that first gave the party its name, and each of its identifiers."""
    news = {str(link): match.id for link in match.links}
    if match.name:
        news["name"] = match.id
    return {**news, **standing.known_by}


def _talked(conversations: tuple[Conversation, ...], activity: Activity) -> tuple[Conversation, ...]:
    for held in conversations:
        if held.thread == activity.thread and held.channel == activity.channel:
            moved = replace(
                held,
                first_at=min(held.first_at, activity.at),
                last_at=max(held.last_at, activity.at),
                count=held.count + 1,
            )
            return tuple(moved if c is held else c for c in conversations)
    return (*conversations, Conversation(activity.thread, activity.channel, activity.at, activity.at, 1))


def _with(standing: Standing, engagement: Engagement) -> Standing:
    return replace(standing, engagements=(*standing.engagements[:-1], engagement))


def _inferred(standing: Standing, inference: Inference) -> Standing:
    if not inference.whole:
        return replace(standing, last_inference=inference.id)
    return replace(standing, last_inference=inference.id, needs_whole=False, activities_at_whole=standing.activities)


def _decided(standing: Standing, decision: Decision) -> Standing:
    engagement = standing.engagement
    if decision.opens_engagement and decision.verdict is Verdict.APPLY:
        engagement = Engagement(engagement.number + 1, standing.route, decision.evidence_at)
        standing = replace(standing, engagements=(*standing.engagements, engagement))
    suggestions = {name: s for name, s in engagement.suggestions.items() if name != _slot(decision)}
    if decision.verdict is Verdict.APPLY:
        engagement = _believed(engagement, decision)
    elif decision.verdict in (Verdict.SUGGEST, Verdict.HOLD):
        value, at, verdict = decision.value, decision.evidence_at, decision.verdict.value
        held = Suggestion(value, decision.id, decision.reason, at, verdict, decision.activities, decision.rule)
        suggestions[_slot(decision)] = held
    elif decision.by == "policy" and not _is_over(engagement, decision):
        suggestions = dict(engagement.suggestions)
    standing = _with(standing, replace(engagement, suggestions=suggestions))
    return approved(standing, decision) if decision.by != "policy" and decision.verdict is Verdict.APPLY else standing


def _is_over(engagement: Engagement, decision: Decision) -> bool:
    """Say whether this drops what waits; what came in its place meanwhile has days of its own."""
    waiting = engagement.suggestions.get(_slot(decision))
    return decision.rule == EXPIRED and waiting is not None and waiting.decision == decision.after


def _slot(decision: Decision) -> str:
    return f"step:{decision.step.id}" if decision.step else decision.field


def _believed(engagement: Engagement, decision: Decision) -> Engagement:
    if decision.step:
        step = replace(decision.step, decision=decision.id, at=decision.evidence_at, activities=decision.activities)
        return replace(engagement, steps=_stepped(engagement.steps, step))
    fields = dict(engagement.fields)
    if decision.op == "clear" and decision.by == "policy" and decision.field not in engagement.fields:
        return engagement
    if decision.field == SCORE and isinstance(decision.value, int | float):
        engagement = replace(engagement, marks=_marked(engagement.marks, decision, float(decision.value)))
    fields[decision.field] = FieldStanding(
        None if decision.op == "clear" else decision.value,
        decision.id,
        decision.engine,
        decision.confidence,
        decision.evidence_at,
        decision.activities,
    )
    closed_at = decision.evidence_at if decision.closes_engagement else engagement.closed_at
    reached = engagement.reached
    if decision.field == "stage" and not decision.closes_engagement:
        closed_at, reached = None, str(decision.value or reached)
    return replace(engagement, fields=fields, closed_at=closed_at, reached=reached)


def _marked(marks: tuple[Mark, ...], decision: Decision, score: float) -> tuple[Mark, ...]:
    """Note what the score became; words of one time have one."""
    others = tuple(mark for mark in marks if mark.at != decision.evidence_at)
    return (*others, Mark(decision.evidence_at, score, decision.id))[-KEPT_MARKS:]


def _stepped(steps: tuple[Step, ...], step: Step) -> tuple[Step, ...]:
    if any(s.id == step.id for s in steps):
        steps = tuple(step if s.id == step.id else s for s in steps)
    else:
        steps = (*steps, step)
    ended = [s for s in steps if s.status != "open"]
    dropped = {s.id for s in ended[:-KEPT_DONE_STEPS]}
    return tuple(s for s in steps if s.id not in dropped)


def _alerted(standing: Standing, alert: Alert) -> Standing:
    others = tuple(a for a in standing.alerts if (a.rule, a.about) != (alert.rule, alert.about))
    if alert.state == "open":
        opened = OpenAlert(alert.id, alert.rule, alert.about, alert.rank, alert.reason, alert.at, alert.engagement)
        others = (*others, opened)
    return replace(standing, alerts=others)


def _released(standing: Standing, release: Release) -> Standing:
    if release.action in ("assign", "split") and release.other == standing.party:
        return _without(standing, release)
    if release.action == "create":
        return replace(standing, allowed=tuple(dict.fromkeys((*standing.allowed, standing.permit(release.kind)))))
    if release.action == "tie":
        record = RecordSync(release.kind, release.field, str(release.value), standing.engagement.number)
        return replace(standing, records={**standing.records, release.field: record})
    if release.action == "rollback" and release.key in standing.records:
        return withheld(standing, release)
    return pinned(standing, release) if release.action in ("pin", "release") else standing


def _without(standing: Standing, release: Release) -> Standing:
    """Withdraw what rests on nothing but activities that turned out to be another party's; their steps are dropped."""
    gone = frozenset(release.activities)

    def stays(held: FieldStanding | Suggestion | Step) -> bool:
        return not held.activities or not gone.issuperset(held.activities)

    def ended(step: Step) -> Step:
        return step if stays(step) or step.status != "open" else replace(step, status="dropped", decision=release.id)

    engagements = tuple(
        replace(
            e,
            fields={name: held for name, held in e.fields.items() if stays(held)},
            suggestions={name: held for name, held in e.suggestions.items() if stays(held)},
            steps=tuple(map(ended, e.steps)),
        )
        for e in standing.engagements
    )
    asked = None if standing.asked and standing.asked.evidence.activity in gone else standing.asked
    return replace(
        _unmerged(standing, release) if release.key else standing,
        engagements=engagements,
        activities=max(0, standing.activities - len(gone)),
        asked=asked,
        needs_whole=True,
        meetings=left(standing.meetings, gone, release.id, release.at),
    )


def _unmerged(standing: Standing, release: Release) -> Standing:
    """Give back what a merge that is undone had brought: the name and identifiers that the other's matches told."""
    brought = {known for known, match in standing.known_by.items() if match in release.because}
    return replace(
        standing,
        name="" if "name" in brought else standing.name,
        identifiers=tuple(identifier for identifier in standing.identifiers if str(identifier) not in brought),
        known_by={known: match for known, match in standing.known_by.items() if known not in brought},
        absorbed=tuple(party for party in standing.absorbed if party != release.key),
    )


_STEPS: Mapping[str, Callable[[Standing, Any], Standing]] = {
    Inference.KIND: _inferred,
    Decision.KIND: _decided,
    Reading.KIND: read,
    Change.KIND: intended,
    Posting.KIND: posted,
    Alert.KIND: _alerted,
    Release.KIND: _released,
}
