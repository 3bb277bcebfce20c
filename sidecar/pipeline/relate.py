"""From a party's news to decisions: infer, then decide, in one transaction.

The input of a run is a query, never a message: matched activities that are in no inference's `because`. So a message
that arrives while its party is being inferred causes another run, and a burst causes one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sidecar.decide import decide
from sidecar.errors import BudgetSpent, ConfigError, PermanentError
from sidecar.infer import EARLIER, MAX_WHOLE_CHARS, WHOLE_CHARS, Inferred, infer, reads_whole
from sidecar.journal import Entry, Finish, Touch
from sidecar.model import Activity, Lease, Match, Prompt, Standing, WorkKey, WorkKind
from sidecar.pipeline.parts import Parts

MAX_NEW = 50
MAX_WHOLE = 300
SOLO = "/"
"""Separates party and activity in the key of an activity that is retried by itself."""

Matched = tuple[Match, Activity]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one run reads: the activities to infer from, those before them, and whether that is the whole history."""

    new: Sequence[Matched]
    earlier: Sequence[Activity]
    whole: bool


class Relate:
    """The inference of a party."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._journal = parts.journal

    def party(self, lease: Lease) -> None:
        """Infer and decide what a party's new activities say; a poison activity is parked alone."""
        party, _, solo = lease.work.key.partition(SOLO)
        standing = self._journal.standing(party)
        pending = self._journal.pending(party, MAX_NEW)
        if solo:
            pending = self._solo(party, solo)
        if standing is None or not (pending or (standing.needs_whole and not solo)):
            self._journal.commit(Entry(finish=Finish(lease, "done")))
            return
        self._within_budget()
        reading = self.reading(standing, pending, whole=not solo and reads_whole(standing))
        inferred = self._infer(reading, pending, standing, lease)
        if inferred is not None:
            self._keep(inferred, standing, lease, more=self._left(pending, inferred))

    def reading(self, standing: Standing, pending: Sequence[Matched], *, whole: bool) -> Reading:
        """Choose what a run reads: a short or doubled history whole, else the news after the last few words."""
        news = {activity.id for _, activity in pending}
        if whole:
            history = _current(list(reversed(self._journal.timeline(standing.party, MAX_WHOLE))))
            if standing.needs_whole or _chars(history) <= WHOLE_CHARS or standing.activities_at_whole:
                return Reading(_newest(history, MAX_WHOLE_CHARS), (), True)
        before = self._journal.timeline(standing.party, EARLIER, before=min(a.at for _, a in pending))
        earlier = [a for _, a in reversed(before) if a.id not in news]
        return Reading(_current(pending), earlier, False)

    def prompt(self, standing: Standing) -> Prompt:
        """Return the live prompt of the party's route."""
        name = self._parts.policy.route(standing.channel).prompt
        prompt = self._parts.prompts.get(name)
        if prompt is None:
            raise ConfigError(
                f"no prompt of that name; there are {', '.join(self._parts.prompts)}", setting=f"prompt {name}"
            )
        return prompt

    def _solo(self, party: str, activity: str) -> list[Matched]:
        found = self._journal.get(activity)
        matches = self._journal.effects(activity, "match")
        mine = [m for m in matches if isinstance(m, Match) and m.party == party]
        return [(mine[-1], found)] if mine and isinstance(found, Activity) else []

    def _within_budget(self) -> None:
        if self._parts.llm.capabilities.offline:
            return
        now = self._parts.clock().astimezone(ZoneInfo(self._parts.own.timezone))
        if self._journal.spent_usd(now.date()) >= self._parts.daily_usd:
            raise BudgetSpent(
                f"llm.daily_usd = {self._parts.daily_usd} is spent; records wait until tomorrow",
                retry_after_s=_until_tomorrow(now),
            )

    def _infer(self, reading: Reading, pending: Sequence[Matched], standing: Standing, lease: Lease) -> Inferred | None:
        """Infer; when an answer is unusable, halve the news until the one activity that it is about stands alone."""
        inferred = self._ask(reading, standing)
        if inferred.usable:
            because = dict.fromkeys((*inferred.inference.because, *(match.id for match, _ in pending)))
            return replace(inferred, inference=replace(inferred.inference, because=tuple(because)))
        new = _current(pending)
        if not new:
            self._journal.commit(Entry(facts=(inferred.inference,), finish=Finish(lease, "done")))
            return None
        if len(reading.new) <= len(new):
            new = new[: max(1, len(new) // 2)]
        while True:
            inferred = self._ask(Reading(new, (), False), standing)
            if inferred.usable:
                return inferred
            if len(new) == 1:
                self._park(new[0], inferred, standing, lease)
                return None
            new = new[: len(new) // 2]

    def _ask(self, reading: Reading, standing: Standing) -> Inferred:
        parts = self._parts
        return infer(
            reading.new,
            reading.earlier,
            standing,
            self.prompt(standing),
            parts.policy,
            parts.own,
            parts.llm,
            self._journal.mint,
            whole=reading.whole,
        )

    def _left(self, pending: Sequence[Matched], inferred: Inferred) -> bool:
        """Say whether news is left that this run did not read."""
        return len(pending) >= MAX_NEW or not {match.id for match, _ in pending} <= set(inferred.inference.because)

    def _park(self, matched: Matched, inferred: Inferred, standing: Standing, lease: Lease) -> None:
        """Keep the unusable inference, park the activity by itself, and let the party go on."""
        stop, activity = inferred.inference.stop, matched[1]
        if SOLO in lease.work.key:
            self._journal.commit(Entry(facts=(inferred.inference,)))
            raise PermanentError(f"the model's answer about this activity was unusable again: {stop}")
        self._journal.commit(
            Entry(
                facts=(inferred.inference,),
                parks=((WorkKey(WorkKind.PARTY, standing.party + SOLO + activity.id), f"the model's answer: {stop}"),),
                finish=Finish(lease, "again"),
            )
        )

    def _keep(self, inferred: Inferred, standing: Standing, lease: Lease, *, more: bool) -> None:
        parts = self._parts
        baseline = parts.llm.capabilities.is_baseline
        decided = decide(
            inferred.claims, inferred.inference, standing, parts.policy, self._journal.mint, baseline=baseline
        )
        sync = WorkKey(WorkKind.SYNC, standing.party)
        watch = WorkKey(WorkKind.WATCH, standing.party)
        system = inferred.inference.request["system_sha256"]
        entry = Entry(
            facts=(inferred.inference, *inferred.claims, *decided.claims, *decided.decisions),
            touches=(Touch(sync), Touch(watch)),
            texts={system: inferred.system},
            finish=Finish(lease, "again" if more else "done"),
        )
        self._journal.commit(entry)
        parts.wake([sync, watch])


def _current(history: Sequence[Matched]) -> list[Matched]:
    """Drop what was deleted and put the newest version in an edited activity's place."""
    edits = {a.relates_to: (m, a) for m, a in history if a.kind == "edit" and a.relates_to}
    deleted = {a.relates_to for _, a in history if a.kind == "deletion"}
    kept: list[Matched] = []
    for match, activity in history:
        if activity.kind in ("edit", "deletion") and any(a.external_id == activity.relates_to for _, a in history):
            continue
        if activity.external_id in deleted and activity.kind != "deletion":
            continue
        kept.append(edits.get(activity.external_id, (match, activity)))
    return kept or list(history[-1:])


def _chars(history: Sequence[Matched]) -> int:
    return sum(said.end - said.start for _, activity in history for said in activity.said)


def _newest(history: Sequence[Matched], max_chars: int) -> list[Matched]:
    kept: list[Matched] = []
    chars = 0
    for match, activity in reversed(history):
        chars += _chars([(match, activity)])
        if kept and chars > max_chars:
            break
        kept.append((match, activity))
    return kept[::-1]


def _until_tomorrow(now: datetime) -> float:
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - now).total_seconds() + 1.0
