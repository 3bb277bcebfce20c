"""From a party's news to decisions: infer, then decide, in one transaction.

The input of a run is a query, never a message: matched activities that are in no inference's `because`. So a message
that arrives while its party is being inferred causes another run, and a burst causes one.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256

from sidecar.decide import decide
from sidecar.errors import BudgetSpent, ConfigError, PermanentError
from sidecar.infer import Inferred, reads_whole
from sidecar.infer.wire import wrong_in
from sidecar.journal import Entry, Finish, Touch
from sidecar.model import Activity, Inference, Lease, Match, Prompt, Standing, WorkKey, WorkKind
from sidecar.model.means import INVALID
from sidecar.pipeline.answers import Answers, Remembering
from sidecar.pipeline.asking import Asking
from sidecar.pipeline.parts import Parts
from sidecar.pipeline.purse import Purse
from sidecar.pipeline.selection import Matched, Reading, select, whole_instead
from sidecar.pipeline.unfinished import Unfinished
from sidecar.pipeline.unsaid import Unsaid, unsaid, withdrawals, without

MAX_NEW, MAX_LOOKED_AT = 50, 1_000
SHOWN_DIGITS = 12
SOLO = "/"
"""Separates party and activity in the key of an activity that is retried by itself."""
Whole = Callable[[], Reading | None]
"""Gives a model that doubts the state the whole history, where that has not been read and may be."""


class Relate:
    """The inference of a party."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._journal = parts.journal
        self._purse = Purse(parts)

    def party(self, lease: Lease) -> None:
        """Infer and decide what a party's new activities say; a poison activity is parked alone."""
        party, _, solo = lease.work.key.partition(SOLO)
        standing = self._journal.standing(party)
        pending = self._solo(party, solo) if solo else self._journal.pending(party, MAX_NEW)
        if standing is None or not (pending or (standing.needs_whole and not solo)):
            self._journal.commit(Entry(finish=Finish(lease, "done")))
            return
        pending, news = self._affordable(standing.party, pending)
        is_all = len(news) == len(pending)
        reading = select(self._journal, standing, news, whole=is_all and not solo and reads_whole(standing))
        reading = self._answerable(reading, news)
        if not reading.new:
            self._journal.commit(Entry(finish=Finish(lease, "done")))  # all its activities went to other parties
            return
        whole = partial(whole_instead, self._journal, standing, news) if is_all and not solo else lambda: None
        found = self._infer(reading, news, without(standing, self._unsaid(reading, standing)), lease, whole)
        if found is not None:
            is_tried = reading.whole or reading.given_up  # and had no answer, if this one is about the news alone
            is_stale = standing.needs_whole and not (found.inference.whole or is_tried or solo)
            self._keep(
                found, reading, standing, lease, more=is_stale or not reading.is_last or self._left(pending, found)
            )

    def prompt(self, standing: Standing) -> Prompt:
        """Return the live prompt of the party's route."""
        name = standing.route_in(self._parts.policy).prompt
        prompt = self._parts.prompts.get(name)
        if prompt is None:
            raise ConfigError(
                f"no prompt of that name; there are {', '.join(self._parts.prompts)}", setting=f"prompt {name}"
            )
        return prompt

    def _affordable(self, party: str, pending: list[Matched]) -> tuple[list[Matched], Sequence[Matched]]:
        """Return what is pending, and what of it may be read today; `BudgetSpent` where nothing may.

        Behind the backlog of somebody whose share is spent may stand what others said.
        """
        try:
            return pending, self._purse.affordable(party, pending)
        except BudgetSpent:
            if len(pending) < MAX_NEW:
                raise
            pending = self._journal.pending(party, MAX_LOOKED_AT)
            return pending, self._purse.affordable(party, pending)[:MAX_NEW]

    def _solo(self, party: str, activity: str) -> list[Matched]:
        found = self._journal.get(activity)
        matches = self._journal.effects(activity, "match")
        mine = [m for m in matches if isinstance(m, Match) and m.party == party]
        return [(mine[-1], found)] if mine and isinstance(found, Activity) else []

    def _answerable(self, reading: Reading, news: Sequence[Matched]) -> Reading:
        """Leave out of a history what is known to have no answer: else each reading of it pays to learn that again."""
        if not reading.whole or not reading.new:
            return reading
        tried = self._journal.effects(reading.new[0][1].id, Inference.KIND)
        if all(isinstance(call, Inference) and call.stop == "end" for call in tried):
            return reading
        known = [(m, a) for m, a in reading.new if (m, a) in news or not self._is_poison(m)]
        return replace(reading, new=known) if known else reading

    def _unsaid(self, reading: Reading, standing: Standing) -> Unsaid:
        """What lost its words; only a whole reading shows what is left to be said about it."""
        gone = {activity.id for _, activity in reading.overtaken} if reading.whole and standing.needs_whole else set()
        return unsaid(self._journal, standing, gone)

    def _infer(
        self, reading: Reading, news: Sequence[Matched], standing: Standing, lease: Lease, whole: Whole
    ) -> Inferred | None:
        """Infer; when an answer is unusable, halve the news until the one activity that it is about stands alone."""
        known = self._unfinished(news, standing, lease)
        reading, inferred = self._ask(reading, standing, lease, known, whole)
        asked, waiting = reading, {match.id for match, _ in news}
        while not inferred.usable:
            new = [(match, activity) for match, activity in asked.new if match.id in waiting]
            if asked.is_alone and new:
                self._park(new[0], inferred, standing, lease)
                return None
            booked = self._pass_on(lease, known, inferred)
            asked = self._less(asked, new)
            if not asked.new:
                raise PermanentError(f"of the whole history, {_why(booked)}")
            asked, inferred = self._ask(asked, standing, lease, known)
        because = dict.fromkeys((*inferred.inference.because, *(m.id for m, _ in reading.overtaken if m.id in waiting)))
        return replace(inferred, inference=replace(inferred.inference, because=tuple(because)))

    def _booked(self, inferred: Inferred, lease: Lease) -> Inference:
        """A call that nothing is believed from, booked for its cost as a fact of this run alone."""
        request = f"{inferred.inference.request_sha256}\x00{lease.work.key}\x00{lease.fence}"
        return self._journal.mint(replace(inferred.inference, request_sha256=sha256(request.encode()).hexdigest()))

    def _less(self, asked: Reading, new: Sequence[Matched]) -> Reading:
        """Choose what to ask when a question had no answer: without known poison, then the news alone, then half."""
        if asked.whole:
            known = [(m, a) for m, a in asked.new if (m, a) in new or not self._is_poison(m)]
            if len(known) < len(asked.new) and known:
                return replace(asked, new=known)
        if len(asked.new) == len(new):
            new = new[: max(1, len(new) // 2)]
        return replace(asked, new=new, earlier=(), whole=False, overtaken=())

    def _is_poison(self, match: Match) -> bool:
        """Say whether an activity was read, and never with an answer."""
        read = [i for i in self._journal.effects(match.id, "inference") if isinstance(i, Inference)]
        return bool(read) and all(inference.stop != "end" for inference in read)

    def _ask(
        self,
        reading: Reading,
        standing: Standing,
        lease: Lease,
        known: Unfinished,
        whole: Whole = lambda: None,
    ) -> tuple[Reading, Inferred]:
        parts = self._parts
        llm = Remembering(parts.llm, Answers(), known)
        asking = Asking(llm, parts.policy, parts.own, self._journal.mint, parts.hard)
        return asking.ask(reading, standing, known.prompt, partial(self._pass_on, lease, known), whole)

    def _unfinished(self, news: Sequence[Matched], standing: Standing, lease: Lease) -> Unfinished:
        """Return what is asked before each call of a run: whether it is known, and whether it may be paid."""
        hold = partial(self._purse.hold, standing.party)
        is_solo, is_retry = SOLO in lease.work.key, lease.attempts > 1
        return Unfinished(self.prompt(standing), news, self._journal.effects, hold, is_anew=is_solo, is_retry=is_retry)

    def _pass_on(self, lease: Lease, known: Unfinished, passed: Inferred) -> Inference:
        """Book a call that nothing is believed from, unless a run before this one did."""
        booked = known.taken(passed.inference)
        if booked is None:
            booked = self._booked(passed, lease)
            self._journal.commit(Entry(facts=(booked,), texts=_texts(passed), fence=lease))
        return booked

    def _left(self, pending: Sequence[Matched], inferred: Inferred) -> bool:
        """Say whether news is left that this run did not read."""
        return len(pending) >= MAX_NEW or not {match.id for match, _ in pending} <= set(inferred.inference.because)

    def _park(self, matched: Matched, inferred: Inferred, standing: Standing, lease: Lease) -> None:
        """Keep the unusable inference, park the activity by itself, and let the party go on."""
        match, activity = matched
        read = replace(self._booked(inferred, lease), because=(match.id,))
        if SOLO in lease.work.key:
            self._journal.commit(Entry(facts=(read,), texts=_texts(inferred), fence=lease))
            raise PermanentError(f"again, {_why(read)}")
        self._journal.commit(
            Entry(
                facts=(read,),
                texts=_texts(inferred),
                parks=((WorkKey(WorkKind.PARTY, standing.party + SOLO + activity.id), _why(read)),),
                finish=Finish(lease, "again"),
            )
        )

    def _keep(self, inferred: Inferred, reading: Reading, standing: Standing, lease: Lease, *, more: bool) -> None:
        parts, mint, inference = self._parts, self._journal.mint, inferred.inference
        # A model takes its time, and a person may have spoken meanwhile: rule on what stands now.
        standing = self._journal.standing(standing.party) or standing
        lost = self._unsaid(reading, standing) if inference.whole else Unsaid()
        baseline = parts.llm.capabilities.is_baseline
        believed = without(standing, lost)
        decided = decide(inferred.claims, inference, believed, parts.policy, mint, baseline=baseline, news=reading.news)
        withdrawn = withdrawals(lost, standing, decided.decisions, inference, parts.policy, mint)
        sync = WorkKey(WorkKind.SYNC, standing.party)
        watch = WorkKey(WorkKind.WATCH, standing.party)
        entry = Entry(
            facts=(inference, *inferred.claims, *decided.claims, *withdrawn, *decided.decisions),
            touches=(Touch(sync), Touch(watch)),
            texts=_texts(inferred),
            finish=Finish(lease, "again" if more else "done"),
        )
        self._journal.commit(entry)
        parts.wake([sync, watch])


def _why(inference: Inference) -> str:
    """Say why a booked answer is of no use, and where it can be read."""
    wrong = f", {wrong_in(inference.answer)}" if inference.stop == INVALID else ""
    seen = inference.id[: len("inference-") + SHOWN_DIGITS]
    return f"the model's answer: {inference.stop}{wrong} (see it: sidecar activities --raw {seen})"


def _texts(inferred: Inferred) -> dict[str, str]:
    return {inferred.inference.request["system_sha256"]: inferred.system}
