"""Rollback: what we wrote in the CRM is put back as it was, wherever nobody has edited it since.

It goes by the book: each Change of a batch says what stood before it, so the value to put back is what stood before the
first of them in an unbroken row of our own writes. A value that somebody else holds now, that a person approved or put
back, or that is pinned or paused is left, with the reason; a record that we made stays, because making it undone would
be deleting. The intent is journaled before the CRM is called: a Release that keeps what was believed until now from
being written again, and a Change that names it. So a run that died is simply run again, and a second run finds nothing
to do. It works under the leases of the parties' syncs, as many parties at a time as share a call to the CRM.

A mode is not needed to restore, and the breakers don't count a rollback out: its changes are changes.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from sidecar.errors import PermanentError, SidecarError, TemporaryError
from sidecar.journal import Entry, Finish, Journal, Touch
from sidecar.model import (
    REVIEW,
    SUGGESTIONS,
    TIE,
    Change,
    Decision,
    Fact,
    FieldSync,
    Lease,
    Posting,
    RecordSync,
    Release,
    Route,
    Standing,
    Value,
    WorkKey,
    WorkKind,
)
from sidecar.pipeline.brakes import LEDGER_SCOPE, paused_here
from sidecar.pipeline.ledger import LedgerSteps
from sidecar.pipeline.parts import Parts
from sidecar.pipeline.sight import Sight, look_back, see
from sidecar.pipeline.together import share
from sidecar.ports import Ledger
from sidecar.sync import EVERYTHING, DesiredRecord, Look, Plan, RecordPlan, ours, post, same

ROLLBACK = "rollback"
LEASE_S = 120.0
MAX_TOGETHER = 100
_DETACHED = ("note", "task", "meeting")
"""Kinds of records that can be looked at when they are wanted no more: nothing else is told from their fields."""


@dataclass(frozen=True, slots=True)
class Restored:
    """One value of the CRM, `now` and as it was `before`; `left` says why it is not put back, else it is empty.

    A record that we made, or that can't be looked at, is left as a whole: its `field` is empty.
    """

    party: str
    name: str
    record: str
    ref: str | None
    field: str
    now: Value
    before: Value
    left: str = ""


Batch = Mapping[str, Sequence[Change]]
"""Changes of ours by the party that they concern, oldest first."""


def batch(
    journal: Journal,
    *,
    since: datetime | None = None,
    last: int | None = None,
    party: str | None = None,
    beside: str | None = None,
) -> Batch:
    """Return our Changes: since a time, the last so many, of a party, meant in one sync with `beside`, a Change's id.

    Those of earlier rollbacks are none.
    """
    one = journal.get(beside) if beside else None
    if beside and not isinstance(one, Change):
        raise PermanentError(f"there is no change {beside!r}: `sidecar explain` shows their ids")
    party = one.party if isinstance(one, Change) else party
    found: deque[Change] = deque(maxlen=last)
    for fact in journal.facts((Change.KIND,), party):
        if not isinstance(fact, Change) or (since and fact.at < since):
            continue
        if (not isinstance(one, Change) or fact.at == one.at) and not _is_rollback(journal, fact):
            found.append(fact)
    parties: dict[str, list[Change]] = {}
    for change in found:
        parties.setdefault(journal.live_party(change.party or ""), []).append(change)
    return parties


def rollback(parts: Parts, changes: Batch, by: str, *, dry_run: bool) -> Iterator[list[Restored]]:
    """Put each party's values back and yield what became of them; a paused CRM is a `PermanentError`.

    An error ends it with the parties that share their calls with the one that had it; they have ended, too.
    """

    def restore(party: str, ledger: Ledger) -> list[Restored]:
        of = replace(parts, ledger=ledger)
        return _Party(of, ledger, party, changes[party], by).restore(dry_run=dry_run)

    if parts.ledger is None:
        raise PermanentError("no CRM is configured")
    parties, size = list(changes), max(1, min(parts.ledger.capabilities.batch_size, MAX_TOGETHER))
    for start in range(0, len(parties), size):
        held = parts.journal.paused().get(LEDGER_SCOPE)
        if held is not None:
            raise PermanentError(f"the ledger is paused ({held.reason}): `sidecar resume {LEDGER_SCOPE}` first")
        group = [partial(restore, party) for party in parties[start : start + size]]
        for ended in share(parts.ledger, group):
            yield ended.result()


def _is_rollback(journal: Journal, change: Change) -> bool:
    releases = [cause for cause in change.because if cause.startswith(Release.KIND + "-")]
    found = journal.get_many(releases).values() if releases else ()
    return any(isinstance(release, Release) and release.action == ROLLBACK for release in found)


class _Party:
    """The rollback of one party."""

    def __init__(self, parts: Parts, ledger: Ledger, party: str, made: Sequence[Change], by: str) -> None:
        self._parts, self._journal, self._ledger, self._by = parts, parts.journal, ledger, by
        self._party, self._steps = party, LedgerSteps(parts)
        self._made: dict[str, list[Change]] = {}
        for change in made:
            self._made.setdefault(change.key, []).append(change)
        self._rows: list[Restored] = []
        self._facts: list[Fact] = []

    def restore(self, *, dry_run: bool) -> list[Restored]:
        lease = None if dry_run else self._claim()
        try:
            standing = self._steps.standing(self._party)
            if standing is not None:
                self._look_and_write(standing, lease)
        finally:
            if lease is not None and self._journal.holds(lease):
                self._journal.commit(Entry(finish=Finish(lease, "again")))
        return self._rows

    def _claim(self) -> Lease:
        key = WorkKey(WorkKind.SYNC, self._party)
        self._journal.commit(Entry(touches=(Touch(key),)))
        leases = self._journal.claim([key], LEASE_S)
        if not leases:
            raise TemporaryError(f"the sync of {self._party} is under way, or waits for the CRM")
        return leases[0]

    def _look_and_write(self, standing: Standing, lease: Lease | None) -> None:
        route = self._steps.route(standing)
        sight = see(self._parts, self._ledger, standing, self._wanted(standing, route), route)
        if sight.merged:
            self._leave(standing, "", None, "its record was merged into another customer's: the next sync follows")
            return
        plans = [plan for key in self._made if (plan := self._planned(sight, key, route))]
        if lease is None or not plans:
            return
        self._intend(sight, plans, lease)
        refs = {plan.wanted.key: plan.found.ref for plan in plans if plan.found}
        posted = post(
            Plan(tuple(plans), ()),
            refs,
            self._ledger,
            self._journal.mint,
            still_ours=lambda: self._journal.holds(lease),
            now=self._parts.clock(),
        )
        facts: list[Fact] = [*posted.postings]
        run_over: list[Fact] = []
        capabilities = self._ledger.capabilities
        if capabilities.history and not capabilities.conditional_write:
            changes = [change for plan in plans for change in plan.changes]
            run_over += look_back(self._parts, self._ledger, sight.standing, posted.written, changes, route)
        if facts or run_over:
            self._journal.commit(Entry(facts=(*facts, *run_over), fence=lease))
        for plan, error in posted.failures:
            self._failed(plan, error)
        if run_over:
            self._steps.sync(lease)  # a person wrote meanwhile: theirs is put back at once

    def _wanted(self, standing: Standing, route: Route) -> list[DesiredRecord]:
        """The records to look at: with the meaning of their fields, so that nothing that people did there is lost."""
        wanted = {record.key: record for record in self._steps.wanted(standing, route)}
        found = []
        for key, changes in self._made.items():
            sync = standing.records.get(key)
            if sync is None or not sync.ref or sync.gone:
                self._leave(standing, changes[0].kind, changes[0].ref, "it is not in the CRM any more, or never was")
            elif any(change.ref is None for change in changes):
                self._leave(standing, sync.kind, sync.ref, "we made this record: delete it in the CRM if it must go")
            elif key in wanted:
                found.append(wanted[key])
            elif sync.kind in _DETACHED:
                found.append(DesiredRecord(sync.kind, key, sync.engagement, {}))
            else:
                self._leave(standing, sync.kind, sync.ref, "it belongs to an earlier engagement, which is over")
        return found

    def _planned(self, sight: Sight, key: str, route: Route) -> RecordPlan | None:
        look, sync = sight.looks.get(key), sight.standing.records.get(key)
        if look is None or sync is None or look.reading is None:
            return None
        if look.found is None:
            self._leave(sight.standing, sync.kind, sync.ref, "it is not in the CRM any more")
            return None
        wanted = next(r for r in self._wanted_again(sight.standing, sync, route) if r.key == key)
        paused = paused_here(self._journal.paused(), route)
        changes = []
        for name in dict.fromkeys(change.field for change in self._made[key]):
            made = [change for change in self._made[key] if change.field == name]
            if name == TIE:
                self._leave(sight.standing, sync.kind, sync.ref, "what we tied stays tied: untie it in the CRM")
                continue
            state, current = sync.fields.get(name, FieldSync()), look.found.fields.get(name)
            start = self._start(made, state)
            before = start.old if start else None
            if start and same(current, before):
                continue
            meaning = wanted.fields[name].name if name in wanted.fields else wanted.names.get(name, "")
            left = paused.get(EVERYTHING) or paused.get(meaning) or self._left(state, current, start, made, sync)
            if not left and meaning in (REVIEW, SUGGESTIONS) and before not in (None, "", "ok"):
                left = "it would show people an answer or a suggestion of before"
            row = Restored(self._party, sight.standing.name, sync.kind, sync.ref, name, current, before, left)
            self._rows.append(row)
            if not left:
                changes.append(self._change(look, sync, name, before, made[-1]))
        return RecordPlan(wanted, look.found, tuple(changes)) if changes else None

    def _wanted_again(self, standing: Standing, sync: RecordSync, route: Route) -> list[DesiredRecord]:
        return [*self._steps.wanted(standing, route), DesiredRecord(sync.kind, sync.key, sync.engagement, {})]

    def _start(self, made: Sequence[Change], state: FieldSync) -> Change | None:
        """Return the first of the unbroken row of our writes that ends in what stands now; None when there is none."""
        row = [change for change in made if state.freed_at is None or change.at > state.freed_at]
        if not row:
            return None
        start = row[-1]
        for earlier in reversed(row[:-1]):
            written = [p.value for p in self._journal.effects(earlier.id, Posting.KIND) if isinstance(p, Posting)]
            if not any(same(start.old, value) for value in (earlier.new, earlier.old, *written)):
                break
            start = earlier
        return start

    def _left(
        self, state: FieldSync, current: Value, start: Change | None, made: Sequence[Change], sync: RecordSync
    ) -> str:
        """Return why a value is not put back; empty when it is."""
        if start is None:
            return "a person put it back, or gave it to us"
        if state.pinned:
            return "pinned by a person"
        if state.hold is not None or not ours(state, current):
            return "somebody else's value stands in the CRM"
        last = self._journal.get(state.change) if state.change else None
        if isinstance(last, Change) and last.at > made[-1].at and not _is_rollback(self._journal, last):
            return "we wrote it anew after that"
        settled = timedelta(seconds=self._ledger.capabilities.settle_s)
        if state.pending and sync.sent_at and sync.sent_at + settled > self._parts.clock():
            return "an earlier write is settling: run it again in a moment"
        causes = self._journal.get_many(made[-1].because).values()
        if any(isinstance(cause, Decision) and cause.by != "policy" for cause in causes):
            return "a person approved it"
        return ""

    def _change(self, look: Look, sync: RecordSync, name: str, before: Value, last: Change) -> Change:
        """Return the Change that puts a value back; its Release and the Reading that it relies on go before it."""
        found, reading, mint, now = look.found, look.reading, self._journal.mint, self._parts.clock()
        assert found is not None and reading is not None  # noqa: S101  asked by whoever calls
        release = mint(
            Release(
                because=(last.id,),
                party=self._party,
                nonce=mint.id(ROLLBACK, last.id),
                action=ROLLBACK,
                by=self._by,
                kind=sync.kind,
                key=sync.key,
                field=name,
                value=before,
                at=now,
            )
        )
        change = Change(
            because=(release.id, last.id, reading.id),
            party=self._party,
            ledger=last.ledger,
            kind=sync.kind,
            key=sync.key,
            ref=found.ref,
            engagement=sync.engagement,
            field=name,
            old=found.fields.get(name),
            new=before,
            reading=reading.id,
            at=now,
        )
        self._facts += [release, mint(change)]
        return mint(change)

    def _intend(self, sight: Sight, plans: Sequence[RecordPlan], lease: Lease) -> None:
        known = {fact.id for fact in sight.facts}
        looks = (sight.looks[plan.wanted.key].reading for plan in plans)
        readings = [reading for reading in looks if reading and reading.id not in known]
        keys = [WorkKey(WorkKind.WATCH, self._party)]
        if sight.standing.needs_whole:
            keys.append(WorkKey(WorkKind.PARTY, self._party))
        facts = (*sight.facts, *readings, *self._facts)
        self._journal.commit(Entry(facts=facts, touches=tuple(map(Touch, keys)), fence=lease))

    def _failed(self, plan: RecordPlan, error: Exception) -> None:
        if not isinstance(error, SidecarError) or plan.found is None:
            raise error
        names, ref = plan.fields(), plan.found.ref
        self._rows = [
            replace(row, left=f"the CRM did not take it: {error}") if row.ref == ref and row.field in names else row
            for row in self._rows
        ]

    def _leave(self, standing: Standing, kind: str, ref: str | None, why: str) -> None:
        self._rows.append(Restored(self._party, standing.name, kind, ref, "", None, None, why))
