"""From decisions to the CRM and back: read, observe, plan, journal the intent, post, journal the confirmation.

The CRM is read as late as possible: nothing stands between the reading that a plan relies on and its writes but the
commit of the intent. What a person changed comes back here too, because each sync begins with a reading. Every fact is
committed under the lease's fence: a run that was overtaken writes nothing more into the book, and the next one resolves
by looking what became of its writes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from sidecar.errors import PermanentError, RecordGone, StaleVersion
from sidecar.journal import CursorSet, Entry, Finish, Touch
from sidecar.model import (
    Activity,
    Claim,
    Decision,
    Evidence,
    Fact,
    Lease,
    Link,
    Reading,
    Record,
    Release,
    Route,
    Standing,
    WorkKey,
    WorkKind,
    advance,
)
from sidecar.pipeline.alerts import DESK, desk, desk_route
from sidecar.pipeline.arrivals import arrived
from sidecar.pipeline.brakes import paused_here
from sidecar.pipeline.heard import heard, unheard
from sidecar.pipeline.hints import touched
from sidecar.pipeline.parts import Parts
from sidecar.pipeline.questions import asked
from sidecar.pipeline.selection import has_no_answer
from sidecar.pipeline.sight import Sight, cause_of, look_back, see
from sidecar.ports import Ledger
from sidecar.sync import (
    NOTED_TODAY,
    DesiredRecord,
    Plan,
    Posted,
    Wording,
    desired,
    lasting,
    links,
    made_on,
    meetings,
    notes,
    plan,
    post,
    stated,
    steered,
    untied,
)

LEDGER = "ledger"
"""Key of the poll that looks for people's edits."""
MEETING = "meeting"
MAX_ROUNDS = 3


class LedgerSteps:
    """The sync of a party, and the poll for people's edits."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._journal = parts.journal

    def poll(self, lease: Lease) -> None:
        """Touch the sync of each party whose records changed in the CRM."""
        ledger = self._ledger()
        page = ledger.changed(self._journal.cursor(LEDGER, "changed"))
        keys = touched(self._parts, page.refs)
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
        for _ in range(MAX_ROUNDS):
            sight, made = self.look(standing)
            if sight.merged:
                self._unite(sight, *sight.merged, lease)
                return
            self._intend(sight, made, lease)
            is_run_over = self._send(sight, made, lease)
            if not is_run_over and not self._made_late(made, lease.work.key):
                self._end(sight, made, lease)
                return
            standing = self.standing(lease.work.key) or standing
        raise StaleVersion("people go on writing between our reads and our writes; theirs are put back first")

    def standing(self, key: str) -> Standing | None:
        """Return the standing that a sync is about; an owner's desk has one from the start."""
        held = self._journal.standing(key)
        return held or (Standing(party=key) if key.startswith(DESK) else None)

    def look(self, standing: Standing) -> tuple[Sight, Plan]:
        """Read the CRM and plan, journaling nothing."""
        sight, asked = self.see(standing)
        return sight, self.planned(sight, asked)

    def see(self, standing: Standing) -> tuple[Sight, frozenset[str]]:
        """Read the CRM, journaling nothing; returns what was seen, and the keys of the records that were looked for."""
        route = self.route(standing)
        wanted = self.wanted(standing, route)
        sight = see(self._parts, self._ledger(), standing, wanted, route)
        said = heard(self._journal, self._parts.policy, standing, sight.standing, sight.facts)
        sight.standing, sight.facts = said.standing, [*sight.facts, *said.facts]
        sight.doubles += unheard(self._parts.policy, said.standing)
        return sight, frozenset(record.key for record in wanted)

    def planned(self, sight: Sight, asked: frozenset[str]) -> Plan:
        """Plan from what was seen: also what a dry run shows."""
        ledger, parts = self._ledger(), self._parts
        route = self.route(sight.standing)
        wanted = self.wanted(sight.standing, route)
        capabilities = ledger.capabilities
        made = plan(
            tuple(record for record in wanted if record.key in asked),
            sight.looks,
            sight.standing,
            parts.policy,
            self._journal.mint,
            ledger=ledger.account(),
            vendor=capabilities.vendor,
            settle_s=capabilities.settle_s,
            now=parts.clock(),
            paused=paused_here(self._journal.paused(), route),
        )
        if sight.questions:
            made = replace(made, records=tuple(r for r in made.records if r.found is not None))
        if any(
            record.key not in asked for record in wanted
        ):  # what a person wrote made us want more than we looked for
            made = replace(made, wait_until=made.wait_until or parts.clock())
        return made

    def route(self, standing: Standing) -> Route:
        """Return the way that a standing's records go."""
        is_desk = standing.party.startswith(DESK)
        return desk_route(self._parts, standing.party) if is_desk else standing.route_in(self._parts.policy)

    def _ledger(self) -> Ledger:
        if self._parts.ledger is None:
            raise PermanentError("no CRM is configured")
        return self._parts.ledger

    def wanted(self, standing: Standing, route: Route) -> tuple[DesiredRecord, ...]:
        """Return the records that a party would like to have."""
        parts = self._parts
        if standing.party.startswith(DESK):
            return desk(parts, standing)
        quotes, threads = self._quotes(standing)
        links, party, now = parts.links, standing.party, parts.clock()
        wording = Wording(quotes, lambda name: links.url(party, name, now) if links else "")
        drafts = notes(standing, wording, threads, parts.policy, now, wait=parts.wait)
        kinds = self._ledger().capabilities.kinds
        policy, mint = parts.policy_now(), self._journal.mint
        wanted = desired(standing, policy, route, drafts, mint, self._today(), wording)
        if standing.meetings and self._ledger().capabilities.meetings:
            fields = self._ledger().schema(MEETING)
            wanted += meetings(standing, wanted, policy, route, mint, now, wording, fields, self._hosts(standing))
        if links:
            wanted = lasting(wanted, standing, partial(links.alike, now=now))
        return tuple(record for record in steered(wanted, standing, parts.policy) if record.kind in kinds)

    def _hosts(self, standing: Standing) -> dict[str, str]:
        """The CRM's users by their addresses, where somebody of ours has an appointment."""
        ledger = self._ledger()
        if not ledger.capabilities.owners or not any(meeting.host for meeting in standing.meetings):
            return {}
        return {email.casefold(): ref for ref, email in ledger.owners().items()}

    def _quotes(self, standing: Standing) -> tuple[dict[str, tuple[Evidence, ...]], dict[str, str]]:
        """The evidence behind each value or meeting, and the conversation of each quoted activity."""
        engagement = standing.engagement
        ids = [f.decision for f in engagement.fields.values()] + [s.decision for s in engagement.steps if s.decision]
        ids += [waiting.decision for waiting in engagement.suggestions.values()]
        decisions = [d for d in self._journal.get_many(ids).values() if isinstance(d, Decision)]
        found = self._journal.get_many([d.claim for d in decisions])
        claims = {c.id: c for c in found.values() if isinstance(c, Claim)}
        quotes = {d.id: claims[d.claim].evidence for d in decisions if d.claim in claims}
        quoted = {e.activity for evidence in quotes.values() for e in evidence} | {
            m.timed_in for m in standing.meetings
        }
        found = self._journal.get_many(sorted(quoted))
        activities = {a.id: a for a in found.values() if isinstance(a, Activity)}
        quotes |= {m.timed_by: stated(activities[m.timed_in]) for m in standing.meetings if m.timed_in in activities}
        return quotes, {a.id: a.thread for a in activities.values()}

    def _intend(self, sight: Sight, made: Plan, lease: Lease) -> None:
        """Journal what was seen and what will be sent, each Change with the Reading that it relies on."""
        relied = {c.reading for c in made.changes}
        kept = {fact.id for fact in sight.facts}
        readings = [look.reading for look in sight.looks.values() if look.reading and look.reading.id in relied - kept]
        cause = next(iter(cause_of(sight.standing)), "")
        questions = asked(
            sight.standing, [*sight.questions, *sight.doubles], cause, self._journal.mint, self._parts.clock()
        )
        facts = (*sight.facts, *readings, *made.changes, *questions)
        if facts:
            keys = [WorkKey(WorkKind.WATCH, lease.work.key)]
            if questions:
                keys.append(WorkKey(WorkKind.SYNC, DESK + self.route(sight.standing).owner))
            if sight.standing.needs_whole and not has_no_answer(self._journal, sight.standing):
                keys.append(WorkKey(WorkKind.PARTY, lease.work.key))
            with self._parts.room(len(made.changes)):
                self._journal.commit(Entry(facts=facts, touches=tuple(Touch(key) for key in keys), fence=lease))
            self._parts.wake(keys)
            arrived(self._parts, sight.facts)

    def _unite(self, sight: Sight, moved: Reading, owner: str, lease: Lease) -> None:
        """A person merged two parties' records in the CRM: that is their word that the parties are one."""
        release = Release(
            because=(moved.id,),
            party=owner,
            nonce=moved.id,
            action="merge",
            by="the CRM",
            other=sight.standing.party,
            reason="their records were merged in the CRM",
            at=self._parts.clock(),
        )
        keys = [WorkKey(WorkKind.PARTY, owner), WorkKey(WorkKind.SYNC, owner)]
        facts = (*sight.facts, self._journal.mint(release))
        touches = tuple(Touch(key) for key in keys)
        self._journal.commit(Entry(facts=facts, touches=touches, finish=Finish(lease, "done")))
        self._parts.wake(keys)

    def _send(self, sight: Sight, made: Plan, lease: Lease) -> bool:
        """Send a plan and journal what came of it; says whether people's edits were run over and wait for us."""
        if not made.records:
            return False
        parts, ledger = self._parts, self._ledger()
        refs = {key: sync.ref for key, sync in sight.standing.records.items() if sync.ref and not sync.gone}
        refs |= {r.wanted.key: r.found.ref for r in made.records if r.found}
        posted = post(
            made,
            refs,
            ledger,
            self._journal.mint,
            still_ours=lambda: self._journal.holds(lease),
            now=parts.clock(),
        )
        facts: list[Fact] = [*posted.postings]
        run_over: list[Fact] = []
        if ledger.capabilities.history and not ledger.capabilities.conditional_write:
            route = self.route(sight.standing)
            run_over += look_back(parts, ledger, sight.standing, posted.written, made.changes, route)
            run_over += self._heard_back(sight.standing, run_over)
        facts += [*run_over, *self._gone(posted, refs)]
        if facts:
            self._journal.commit(Entry(facts=tuple(facts), fence=lease))
            arrived(parts, facts)
        _raise_first(posted)
        return bool(run_over)

    def _made_late(self, made: Plan, party: str) -> bool:
        """Say whether a deal was made that something is to be tied to which was there before it."""
        if not any(r.wanted.kind == "deal" and r.found is None for r in made.records):
            return False
        standing = self.standing(party)
        return standing is not None and any(untied(r, standing) for r in self.wanted(standing, self.route(standing)))

    def _heard_back(self, before: Standing, facts: Sequence[Fact]) -> list[Fact]:
        """What follows from what people said between our read and our write."""
        after = before
        for fact in facts:
            after = advance(after, fact)
        return heard(self._journal, self._parts.policy, before, after, facts).facts

    def _gone(self, posted: Posted, refs: Mapping[str, str]) -> list[Reading]:
        """Readings of records that we had made, and that a person deleted before we knew that we had."""
        known = {**refs, **{made.wanted.key: record.ref for made, record in posted.written}}
        gone = [(made, error) for made, error in posted.failures if isinstance(error, RecordGone) and not made.found]
        return [
            self._journal.mint(
                Reading(
                    because=tuple(change.id for change in made.changes),
                    party=made.changes[0].party,
                    ledger=made.changes[0].ledger,
                    kind=made.wanted.kind,
                    key=made.wanted.key,
                    ref="",
                    engagement=made.wanted.engagement,
                    values_sha256="gone",
                    gone=True,
                    moved_to=error.moved_to,
                    follows=made.changes[0].id,
                    at=self._parts.clock(),
                )
            )
            for made, error in gone
            if self._are_there(links(made, known))
        ]

    def _are_there(self, associated: Sequence[Link]) -> bool:
        """Say whether what a record was to be tied to is in the CRM: else that went, and not the record itself."""
        return all(isinstance(self._ledger().read(a.kind, [a.ref]).get(a.ref), Record) for a in associated)

    def _end(self, sight: Sight, made: Plan, lease: Lease) -> None:
        settled, tomorrow = self._settles_in(sight.standing), self._tomorrow_in(sight.standing, made)
        waits = [s for s in (settled, tomorrow, self._seconds_until(made.wait_until)) if s is not None]
        unsettled = self._seconds_until(made.wait_until)  # whoever can't wait for quiet has to wait for this
        again = Finish(lease, "again", again_s=min(waits), not_before_s=unsettled) if waits else None
        outcome = again or Finish(lease, "done")
        self._journal.commit(Entry(finish=outcome))

    def _settles_in(self, standing: Standing) -> float | None:
        """Seconds until the next conversation has been quiet for long enough to get its note."""
        settle, now = timedelta(seconds=self._parts.policy.notes.settle_s), self._parts.clock()
        if not self._parts.wait or not self._parts.policy.notes.enabled:
            return None
        ahead = [c.last_at + settle for c in standing.conversations if c.last_at + settle > now]
        return (min(ahead) - now).total_seconds() + 1.0 if ahead else None

    def _tomorrow_in(self, standing: Standing, made: Plan) -> float | None:
        """Seconds until another note may be new, where one waits for that because today's has been made."""
        today = self._today()
        has_todays = any(r.wanted.kind == "note" and r.found is None for r in made.records) or any(
            r.kind == "note" and made_on(r, today) for r in standing.records.values()
        )
        if not self._parts.wait or not has_todays or not any(r.reason == NOTED_TODAY for r in made.refused):
            return None
        midnight = (today + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return self._seconds_until(midnight)

    def _today(self) -> datetime:
        return self._parts.clock().astimezone(ZoneInfo(self._parts.own.timezone))

    def _seconds_until(self, at: datetime | None) -> float | None:
        return max(1.0, (at - self._parts.clock()).total_seconds()) if at else None


def _raise_first(posted: Posted) -> None:
    """Let the worker act upon the first failure; what its neighbours wrote is journaled already."""
    for _, error in posted.failures:
        if isinstance(error, RecordGone):
            raise StaleVersion("a record went while we wrote: look again") from error
        raise error
