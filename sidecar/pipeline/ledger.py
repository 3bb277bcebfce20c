"""From decisions to the CRM and back: read, observe, plan, journal the intent, post, journal the confirmation.

The CRM is read as late as possible: nothing stands between the reading that a plan relies on and its writes but the
commit of the intent. What a person changed comes back here too, because each sync begins with a reading.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from sidecar.errors import PermanentError, StaleVersion
from sidecar.journal import CursorSet, Entry, Finish, Touch
from sidecar.model import (
    Activity,
    Change,
    Claim,
    Decision,
    Evidence,
    Lease,
    Reading,
    Route,
    Standing,
    WorkKey,
    WorkKind,
)
from sidecar.pipeline.alerts import DESK, desk, desk_route
from sidecar.pipeline.parts import Parts
from sidecar.pipeline.sight import Sight, see
from sidecar.ports import Ledger
from sidecar.sync import DesiredRecord, Overrun, Plan, Posted, desired, notes, plan, post

LEDGER = "ledger"
"""Key of the poll that looks for people's edits."""


class LedgerSteps:
    """The sync of a party, and the poll for people's edits."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._journal = parts.journal

    def poll(self, lease: Lease) -> None:
        """Touch the sync of each party whose records changed in the CRM."""
        ledger = self._ledger()
        page = ledger.changed(self._journal.cursor(LEDGER, "changed"))
        account = ledger.account()
        parties = {self._journal.linked_party(account, kind, ref) for kind, ref in page.refs}
        keys = [WorkKey(WorkKind.SYNC, party) for party in sorted(p for p in parties if p)]
        self._journal.commit(
            Entry(
                touches=tuple(Touch(key) for key in keys),
                cursors=(CursorSet(LEDGER, "changed", page.cursor),),
                finish=Finish(lease, "done"),
            )
        )
        self._parts.wake(keys)

    def sync(self, lease: Lease) -> None:
        """Bring the CRM nearer to what is believed of a party, and take in what people did there."""
        standing = self.standing(lease.work.key)
        if standing is None or self._parts.ledger is None:
            self._journal.commit(Entry(finish=Finish(lease, "done")))
            return
        sight, made = self.look(standing)
        self._intend(sight, made, lease)
        if made.records:
            self._send(sight, made, lease)
        settled = self._settles_in(sight.standing)
        waits = [s for s in (settled, self._seconds_until(made.wait_until)) if s is not None]
        outcome = Finish(lease, "again", again_s=min(waits)) if waits else Finish(lease, "done")
        self._journal.commit(Entry(finish=outcome))

    def standing(self, key: str) -> Standing | None:
        """Return the standing that a sync is about; an owner's desk has one from the start."""
        held = self._journal.standing(key)
        return held or (Standing(party=key) if key.startswith(DESK) else None)

    def look(self, standing: Standing) -> tuple[Sight, Plan]:
        """Read the CRM and plan, journaling nothing: also what a dry run shows."""
        ledger, parts = self._ledger(), self._parts
        is_desk = standing.party.startswith(DESK)
        route = desk_route(parts, standing.party) if is_desk else parts.policy.route(standing.channel)
        wanted = self._wanted(standing, route)
        sight = see(parts, ledger, standing, wanted, route)
        wanted = self._wanted(sight.standing, route)
        capabilities = ledger.capabilities
        made = plan(
            wanted,
            sight.looks,
            sight.standing,
            parts.policy,
            self._journal.mint,
            ledger=ledger.account(),
            vendor=capabilities.vendor,
            settle_s=capabilities.settle_s,
            now=parts.clock(),
        )
        if sight.questions:
            made = replace(made, records=tuple(r for r in made.records if r.found is not None))
        return sight, made

    def _ledger(self) -> Ledger:
        if self._parts.ledger is None:
            raise PermanentError("no CRM is configured")
        return self._parts.ledger

    def _wanted(self, standing: Standing, route: Route) -> tuple[DesiredRecord, ...]:
        parts = self._parts
        if standing.party.startswith(DESK):
            return desk(parts, standing)
        quotes, threads = self._quotes(standing)
        drafts = notes(standing, quotes, threads, parts.policy, parts.clock(), wait=parts.wait)
        kinds = self._ledger().capabilities.kinds
        wanted = desired(standing, parts.policy, route, drafts, self._journal.mint)
        return tuple(record for record in wanted if record.kind in kinds)

    def _quotes(self, standing: Standing) -> tuple[dict[str, tuple[Evidence, ...]], dict[str, str]]:
        """The evidence behind each believed value, and the conversation of each quoted activity."""
        engagement = standing.engagement
        ids = [f.decision for f in engagement.fields.values()] + [s.decision for s in engagement.steps if s.decision]
        decisions = [d for d in self._journal.get_many(ids).values() if isinstance(d, Decision)]
        found = self._journal.get_many([d.claim for d in decisions])
        claims = {c.id: c for c in found.values() if isinstance(c, Claim)}
        quotes = {d.id: claims[d.claim].evidence for d in decisions if d.claim in claims}
        quoted = sorted({e.activity for evidence in quotes.values() for e in evidence})
        activities = [a for a in self._journal.get_many(quoted).values() if isinstance(a, Activity)]
        return quotes, {a.id: a.thread for a in activities}

    def _intend(self, sight: Sight, made: Plan, lease: Lease) -> None:
        """Journal what was seen and what will be sent, each Change with the Reading that it relies on."""
        relied = {c.reading for c in made.changes}
        kept = {fact.id for fact in sight.facts}
        readings = [look.reading for look in sight.looks.values() if look.reading and look.reading.id in relied - kept]
        facts = (*sight.facts, *readings, *made.changes)
        if facts:
            watch = WorkKey(WorkKind.WATCH, lease.work.key)
            self._journal.commit(Entry(facts=facts, touches=(Touch(watch),), fence=lease))
            self._parts.wake([watch])

    def _send(self, sight: Sight, made: Plan, lease: Lease) -> None:
        parts, ledger = self._parts, self._ledger()
        refs = {key: sync.ref for key, sync in sight.standing.records.items() if sync.ref and not sync.gone}
        refs |= {r.wanted.key: r.found.ref for r in made.records if r.found}
        posted = post(
            made,
            refs,
            ledger,
            self._journal.mint,
            account=ledger.account(),
            party=sight.standing.party,
            still_ours=lambda: self._journal.holds(lease),
            now=parts.clock(),
        )
        if posted.postings:
            self._journal.commit(Entry(facts=tuple(posted.postings)))
        for overrun in posted.overruns:
            self._keep_overrun(overrun, sight.standing.party, lease)
        _raise_first(posted)

    def _keep_overrun(self, overrun: Overrun, party: str, lease: Lease) -> None:
        """Journal what a person wrote between our read and our write, with the intent to put it back.

        The next run sends it: a Change whose value is somebody's hold is a restoration (`sync.plan`).
        """
        mint, now = self._journal.mint, self._parts.clock()
        wanted, record = overrun.plan.wanted, overrun.record
        causes = tuple(change for change, _ in overrun.plan.sent().values())
        reading = mint(
            Reading(
                because=causes,
                party=party,
                ledger=self._ledger().account(),
                kind=record.kind,
                key=wanted.key,
                ref=record.ref,
                engagement=wanted.engagement,
                version=record.version or "",
                values_sha256="overrun",
                holds=overrun.holds,
                follows=max(causes),
                at=now,
            )
        )
        changes = [
            mint(
                Change(
                    because=(reading.id,),
                    party=party,
                    ledger=reading.ledger,
                    kind=record.kind,
                    key=wanted.key,
                    ref=record.ref,
                    engagement=wanted.engagement,
                    field=name,
                    old=record.fields.get(name),
                    new=hold.value,
                    reading=reading.id,
                    at=now,
                )
            )
            for name, hold in overrun.holds.items()
        ]
        self._journal.commit(Entry(facts=(reading, *changes), fence=lease))

    def _settles_in(self, standing: Standing) -> float | None:
        """Seconds until the next conversation has been quiet for long enough to get its note."""
        settle, now = timedelta(seconds=self._parts.policy.notes.settle_s), self._parts.clock()
        if not self._parts.wait or not self._parts.policy.notes.enabled:
            return None
        ahead = [c.last_at + settle for c in standing.conversations if c.last_at + settle > now]
        return (min(ahead) - now).total_seconds() + 1.0 if ahead else None

    def _seconds_until(self, at: datetime | None) -> float | None:
        return max(1.0, (at - self._parts.clock()).total_seconds()) if at else None


def _raise_first(posted: Posted) -> None:
    """Let the worker act upon the first failure; what its neighbours wrote is journaled already."""
    for error in posted.failures.values():
        raise error
    if posted.overruns:
        raise StaleVersion("a person wrote between our read and our write; their value is being restored")
