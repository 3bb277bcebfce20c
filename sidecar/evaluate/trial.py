"""Reads a labelled conversation as a running sidecar would have: activity by activity, in the order of arrival.

What is read together follows the config: words that come within `quiet_s` of each other are one question, a booking is
read at once. Nothing is kept and nothing can be posted (`pipeline.shadow`). What a machine sent is read by nobody, as
in the running sidecar. A conversation that breaks its reader is an outcome too: it believed nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256

from sidecar.errors import PermanentError
from sidecar.evaluate.answers import Counted, Kept
from sidecar.evaluate.cases import Case
from sidecar.evaluate.outcome import Believed, Outcome, Owed, Place, Trial
from sidecar.model import (
    Activity,
    Claim,
    Decision,
    Engagement,
    Match,
    Mint,
    Own,
    Policy,
    Prompt,
    Standing,
    Value,
)
from sidecar.model import Outcome as Whose
from sidecar.model.means import Hard
from sidecar.pipeline.asking import Asking
from sidecar.pipeline.selection import is_at_once
from sidecar.pipeline.shadow import Reader, Reread, Shadow
from sidecar.ports import LLM

_MINT = Mint(sha256(b"an evaluation").digest())
"""Always the same, so that the same question has the same name and an answer that is known is found again."""


@dataclass(frozen=True, slots=True)
class Side:
    """What is measured: a prompt over a model, under a policy; `hard` says what the stronger model is asked."""

    name: str
    prompt: Prompt
    policy: Policy
    own: Own
    llm: LLM
    hard: Hard = field(default_factory=Hard)
    quiet_s: float = 60.0
    max_wait_s: float = 900.0


def tried(side: Side, case: Case, kept: Kept, *, repeat: int = 1) -> Trial:
    """Read a conversation; with hostile words once more without them, and `repeat` - 1 times more for the noise."""
    once = _read(side, case, case.activities, kept)
    without = _read(side, case, case.honest, kept) if case.hostile and case.honest else None
    again = tuple(_read(side, case, case.activities, kept.again(number)) for number in range(1, repeat))
    return Trial(once, without, again)


def version_of(side: Side) -> str:
    """Return the version of what is measured, in our time zone: a conversation's own is part of what it says."""
    return Asking(side.llm, side.policy, side.own, _MINT, side.hard).versions(side.prompt)[0]


def _read(side: Side, case: Case, activities: Sequence[Activity], kept: Kept) -> Outcome:
    llm = kept.over(side.llm)
    own = replace(side.own, timezone=case.timezone)
    reader = Reader(side.prompt, side.policy, own, llm, _MINT, side.hard)
    shadow = Shadow(reader, Standing(_MINT.id("party", case.id)))
    done: list[Reread] = []
    ever: dict[str, tuple[Value, ...]] = {}
    try:
        for together in _readings(activities, side):
            for activity in together:
                shadow.hear(_match(activity, shadow.standing.party, side.policy), activity)
            for reread in shadow.read():
                done.append(reread)
                for name, held in reread.standing.engagement.fields.items():
                    ever[name] = tuple(dict.fromkeys((*ever.get(name, ()), held.value)))
    except PermanentError as error:
        return Outcome(case.id, {}, {}, calls=llm.calls, problem=str(error))
    return _outcome(case, shadow.standing.engagement, done, ever, llm)


def _readings(activities: Sequence[Activity], side: Side) -> Iterator[list[Activity]]:
    """Yield what is read together; a late activity arrives when the one before it did."""
    waiting: list[Activity] = []
    since: datetime | None = None
    now: datetime | None = None
    for activity in activities:
        if activity.automated:
            continue
        arrived = max(now, activity.at) if now else activity.at
        if waiting and now and since and _is_due(now, since, arrived, waiting[-1], side):
            yield waiting
            waiting, since = [], None
        waiting.append(activity)
        since, now = since or arrived, arrived
    if waiting:
        yield waiting


def _is_due(now: datetime, since: datetime, arrived: datetime, last: Activity, side: Side) -> bool:
    """Say whether what waits was read before the next activity arrived."""
    due = min(now + timedelta(seconds=side.quiet_s), since + timedelta(seconds=side.max_wait_s))
    return is_at_once(last) or arrived > due


def _match(activity: Activity, party: str, policy: Policy) -> Match:
    route = policy.route(activity.channel).name
    return _MINT(
        Match(
            because=(activity.id,),
            party=party,
            activity=activity.id,
            outcome=Whose.PARTY,
            rule="labelled",
            route=route,
        )
    )


def _outcome(
    case: Case, engagement: Engagement, done: Sequence[Reread], ever: dict[str, tuple[Value, ...]], llm: Counted
) -> Outcome:
    claims = {claim.id: claim for reread in done for claim in reread.claims}
    decisions = {decision.id: decision for reread in done for decision in reread.decisions}
    quoted = [claim for claim in claims.values() if not claim.formula and claim.field != "summary"]
    return Outcome(
        case=case.id,
        fields={
            name: Believed(held.value, held.confidence, _places(held.decision, decisions, claims))
            for name, held in engagement.fields.items()
            if held.value is not None
        },
        ever=ever,
        steps=tuple(
            Owed(step.who, step.what, step.due, _places(step.decision, decisions, claims))
            for step in engagement.steps
            if step.status == "open"
        ),
        quotes=len(quoted),
        verified=sum(claim.verified for claim in quoted),
        calls=llm.calls,
    )


def _places(decision: str, decisions: dict[str, Decision], claims: dict[str, Claim]) -> tuple[Place, ...]:
    ruled = decisions.get(decision)
    claim = claims.get(ruled.claim) if ruled else None
    return tuple((e.activity, e.start, e.end) for e in claim.evidence) if claim else ()
