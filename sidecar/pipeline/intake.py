"""From the door to a party: receive or poll, parse, resolve.

The order is what keeps promises: bytes are durable before a sender hears 2xx or a cursor moves; parsing and resolving
run before a party's own work is touched, one delivery at a time, so that one identifier makes one party.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from sidecar.capture import HINT, WITHHELD, capture, newly_read, to_delivery
from sidecar.errors import ConfigError, PermanentError, RejectedInput
from sidecar.journal import CursorSet, Entry, Finish, Overtaken, Receipt, Touch
from sidecar.model import Activity, Delivery, Identifier, Lease, Match, Outcome, Standing, WorkKey, WorkKind
from sidecar.pipeline.brakes import BY_ITSELF
from sidecar.pipeline.listening import to_hear
from sidecar.pipeline.parts import Parts
from sidecar.pipeline.selection import is_appointment, is_at_once
from sidecar.pipeline.sources import SOURCE, another, place_of
from sidecar.pipeline.withheld import retrieve
from sidecar.ports import Captured, Channel, Greeter, Greeting, HookRequest, PollBatch
from sidecar.resolve import identifiers_of, resolve

MAX_WAITING, MAX_RELATED = 200, 2_000
MEETING = "meeting"
POLLED = "polled:"
"""Under this and a channel's name stands when its last poll came to its end."""
TROUBLE = "trouble:"
"""Under this and a channel's name stands what its provider told of our access, until a poll has said it."""
UNREAD_S = 20.0
"""How long an appointment waits for its reading, which may make the deal that it is tied to, before the CRM gets it."""
HINT_QUIET_S, HINT_WAIT_S = 1.0, 10.0
"""A poll that a webhook hints at waits until the hints pause, so that many of them make one poll."""


class Intake:
    """The first steps of the walk."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._journal = parts.journal

    def receive(self, channel: str, request: HookRequest) -> Future[Any]:
        """Verify a request on its raw bytes and journal it; the future is done when it is durable.

        It holds a `Greeting` where the sender wants to hear something of its own.
        """
        adapter = self._hooked(channel)
        if isinstance(adapter, Greeter) and (greeting := adapter.greet(request)) is not None:
            return self._greeted(channel, greeting)
        captured = adapter.verify(request)
        delivery = to_delivery(captured, channel, self._parts.clock(), self._journal.mint)
        key = WorkKey(WorkKind.PARSE, delivery.id)
        touches = [Touch(key, if_new=True)]
        if adapter.capabilities.hints:
            touches.append(Touch(WorkKey(WorkKind.POLL, channel), HINT_QUIET_S, HINT_WAIT_S, if_new=True))
        future = self._journal.append(Entry(facts=(delivery,), touches=tuple(touches)))
        future.add_done_callback(lambda done: self._parts.wake([key]) if _is_durable(done) else None)
        return future if captured.answer is None else _then(future, captured.answer)

    def greet(self, channel: str, request: HookRequest) -> Future[Greeting]:
        """Answer a sender that asks whether this address is ours; nothing is kept of it."""
        adapter = self._hooked(channel)
        greeting = adapter.greet(request) if isinstance(adapter, Greeter) else None
        if greeting is None:
            raise RejectedInput("this channel is never asked whether its address is ours", status=405)
        return _done(greeting)

    def poll(self, lease: Lease) -> None:
        """Read what is new on a channel; each batch is durable together with the cursor that follows it."""
        adapter = self._channel(lease.work.key)
        self._say_trouble(lease.work.key)
        for batch in adapter.poll(place_of(self._journal, adapter)):
            self.keep(lease.work.key, batch, "poll")
            self._journal.renew(lease)
        meta = {POLLED + lease.work.key: self._journal.now().isoformat()}
        self._journal.commit(Entry(finish=Finish(lease, "done"), meta=meta))

    def keep(self, channel: str, batch: PollBatch, cursor: str | None) -> int:
        """Journal a batch, and its cursor under a name where one is given; returns how many deliveries were new.

        `ConfigError` where a person has said meanwhile that the channel has moved: it was read at its old source.
        """
        adapter = self._channel(channel)
        source = {SOURCE + channel: adapter.source}
        facts = tuple(self._delivery(channel, captured) for captured in batch.captured)
        keys = [WorkKey(WorkKind.PARSE, fact.id) for fact in facts]
        entry = Entry(
            facts=facts,
            touches=(
                *(
                    Touch(key, if_new=WITHHELD not in fact.headers or cursor is None)
                    for key, fact in zip(keys, facts, strict=True)
                    if not self._is_known_to_be_left(key, fact)
                ),
                *self._come(channel, batch),
            ),
            cursors=() if cursor is None else (CursorSet(channel, cursor, batch.cursor),),
            meta={} if cursor is None else source,
            only_while=source if adapter.source else {},
        )
        try:
            receipt = self._journal.commit(entry)
        except Overtaken:
            raise another(adapter) from None
        batch.committed()
        self._parts.wake(keys)
        return len(receipt.new)

    def parse(self, lease: Lease) -> None:
        """Parse one delivery into its activities."""
        delivery = self._journal.get(lease.work.key)
        if not isinstance(delivery, Delivery):
            raise PermanentError("the delivery is not in the book")
        if WITHHELD in delivery.headers:
            retrieve(self._parts, self._channel(delivery.channel), lease, delivery, self._keep_found)
            return
        activities = capture(delivery, self._channel(delivery.channel), self._journal.mint)
        held = [fact for fact in self._journal.effects(delivery.id, Activity.KIND) if isinstance(fact, Activity)]
        new = newly_read(activities, held)
        key = WorkKey(WorkKind.RESOLVE, delivery.id)
        touches = (Touch(key),) if activities else ()
        unread = () if activities or HINT in delivery.headers else (delivery.channel,)
        self._journal.commit(Entry(facts=new, touches=touches, finish=Finish(lease, "done"), unread=unread))
        self._parts.wake([key])

    def resolve(self, lease: Lease) -> None:
        """Match each activity of a delivery to its party, or say why it has none; then touch the party.

        Two deliveries that need each other may be resolved at the same time, neither seeing the other. So after the
        matches are committed each looks again: whoever commits second finds what the first has left. Only what has just
        found its party is news to others, else two that both wait for a person would look at each other for ever; a try
        that broke off may have kept its news to itself, so the next one tells of all.
        """
        activities = [a for a in self._journal.effects(lease.work.key, "activity") if isinstance(a, Activity)]
        left: list[tuple[Activity, Mapping[Identifier, str]]] = []
        found = list[Activity]()
        for activity in activities:
            if not self._is_matched(activity):
                known = self._known(activity)
                if self._match(activity, known):
                    found.append(activity)
                else:
                    left.append((activity, known))
                self._journal.renew(lease)
        held = self._held(activities if lease.attempts > 1 else found)
        is_news = any(self._known(activity) != known for activity, known in left)
        self._journal.commit(Entry(touches=held, finish=Finish(lease, "again" if is_news else "done")))
        self._parts.wake([touch.work for touch in held])

    def _greeted(self, channel: str, greeting: Greeting) -> Future[Greeting]:
        """Return a future of the answer: done once it is durable that a poll is due, where it is a hint."""
        if not greeting.is_hint:
            return _done(greeting)
        touch = Touch(WorkKey(WorkKind.POLL, channel), HINT_QUIET_S, HINT_WAIT_S)
        told = {TROUBLE + channel: greeting.trouble} if greeting.trouble else {}
        return _then(self._journal.append(Entry(touches=(touch,), meta=told)), greeting)

    def _say_trouble(self, channel: str) -> None:
        """Pause a channel once for what its provider told of our access; the next poll asks whether it is so."""
        if told := self._journal.meta(TROUBLE + channel):
            error = ConfigError(told, setting=f"channels.{channel}")
            self._journal.pause(f"channel:{channel}", BY_ITSELF + str(error))
            self._journal.swap_meta(TROUBLE + channel, told, None)
            raise error

    def _hooked(self, name: str) -> Channel:
        adapter = self._parts.channels.get(name)
        if adapter is None or not adapter.capabilities.webhook:
            raise RejectedInput(f"there is no webhook channel {name!r}", status=404)
        return adapter

    def _channel(self, name: str) -> Channel:
        adapter = self._parts.channels.get(name)
        if adapter is None:
            raise PermanentError(f"the channel {name!r} is not configured any more; add it back, then retry")
        return adapter

    def _keep_found(self, channel: str, batch: PollBatch) -> None:
        self.keep(channel, batch, None)

    def _come(self, channel: str, batch: PollBatch) -> tuple[Touch, ...]:
        """The work of deliveries that stood for what has come now: it looks, and is done."""
        stood = {self._delivery(channel, replace(c, withheld=WITHHELD)).id for c in batch.captured if not c.withheld}
        known = self._journal.known_ids(stood) if stood else ()
        return tuple(Touch(WorkKey(WorkKind.PARSE, id)) for id in sorted(known))

    def _delivery(self, channel: str, captured: Captured) -> Delivery:
        return to_delivery(captured, channel, self._parts.clock(), self._journal.mint)

    def _is_known_to_be_left(self, key: WorkKey, delivery: Delivery) -> bool:
        """Say whether something is withheld whose own work is in hand, or was dismissed.

        That a poll lists it anew is no news of it: with each such touch its tries would begin anew. Once its work is
        done it may be withheld again: then it is asked for, since the cursor passes it.
        """
        return WITHHELD in delivery.headers and self._journal.is_in_hand(key)

    def _is_matched(self, activity: Activity) -> bool:
        matches = self._journal.effects(activity.id, "match")
        return any(isinstance(m, Match) and m.outcome is Outcome.PARTY for m in matches)

    def _known(self, activity: Activity) -> Mapping[Identifier, str]:
        return self._journal.known(identifiers_of(activity, self._parts.own))

    def _match(self, activity: Activity, known: Mapping[Identifier, str]) -> bool:
        """Commit the matches of an activity and say whether it found a party."""
        parts, journal = self._parts, self._journal
        threads = frozenset(journal.thread_parties(activity.channel, activity.account, activity.thread))
        standings = self._standings({*known.values(), *threads})
        related = self._related(activity)
        matches = resolve(
            activity,
            known=known,
            thread_parties=threads,
            own=parts.own,
            relevance=parts.relevance,
            policy=parts.policy,
            standings=standings,
            mint=journal.mint,
            related=related,
        )
        touches = (*self._touches(activity, matches), *to_hear(parts, activity, matches))
        receipt = journal.commit(Entry(facts=matches, touches=touches))
        if receipt.new:
            parts.resolved(activity.channel, matches[0].outcome.value)
        parts.wake([t.work for t in touches if t.quiet_s == 0])
        return bool(touches)

    def _touches(self, activity: Activity, matches: Sequence[Match]) -> tuple[Touch, ...]:
        """The parties that have news now."""
        quiet = 0.0 if is_at_once(activity) else self._parts.quiet_s
        parties = [m.party for m in matches if m.outcome is Outcome.PARTY and m.party]
        touches = [Touch(WorkKey(WorkKind.PARTY, p), quiet, self._parts.max_wait_s) for p in parties]
        if is_appointment(activity):
            touches += [Touch(WorkKey(WorkKind.SYNC, p), UNREAD_S, UNREAD_S) for p in parties]
        return tuple(touches)

    def _held(self, activities: Sequence[Activity]) -> tuple[Touch, ...]:
        """The deliveries without a party that what these activities gave to one may answer.

        They bear an address that is the party's now, or relate to one of these: words of a call that is told later.
        """
        journal, found, waiting = self._journal, list[Match](), set[str]()
        for activity in activities:
            matches = (m for m in journal.effects(activity.id, "match") if isinstance(m, Match))
            settled = [m for m in matches if m.outcome is Outcome.PARTY]
            if settled:
                found += settled
                waiting |= set(journal.orphans(activity.channel, activity.account, activity.external_id, MAX_RELATED))
        links = [link for match in found for link in match.links]
        waiting |= set(journal.waiting(links, MAX_WAITING) if links else ())
        deliveries = {delivery.id for held in sorted(waiting) for delivery in journal.causes(held)}
        return tuple(Touch(WorkKey(WorkKind.RESOLVE, delivery)) for delivery in sorted(deliveries))

    def _standings(self, parties: set[str]) -> Mapping[str, Standing]:
        found: dict[str, Any] = {party: self._journal.standing(party) for party in sorted(parties)}
        return {party: standing for party, standing in found.items() if standing is not None}

    def _related(self, activity: Activity) -> tuple[str, ...]:
        """The parties of what an activity relates to; of a meeting all that were ever asked to it, or to this day."""
        if not activity.relates_to:
            return ()
        names = [activity.relates_to, *([activity.external_id] if activity.kind == MEETING else [])]
        known = [self._journal.versions(activity.channel, activity.account, name) for name in dict.fromkeys(names)]
        ids = [other.id for versions in known for other in versions]
        if activity.kind == MEETING:
            return self._journal.parties_of(ids)
        return next((parties for id in ids if (parties := self._journal.parties_of([id]))), ())


def _done(greeting: Greeting) -> Future[Greeting]:
    future: Future[Greeting] = Future()
    future.set_result(greeting)
    return future


def _then(durable: Future[Receipt], answer: Greeting) -> Future[Greeting]:
    """Return a future of the answer, done when the bytes are durable; it fails as they do."""
    told: Future[Greeting] = Future()

    def tell(done: Future[Receipt]) -> None:
        if done.cancelled():
            told.cancel()
        elif (error := done.exception()) is not None:
            told.set_exception(error)
        else:
            told.set_result(answer)

    durable.add_done_callback(tell)
    return told


def _is_durable(done: Future[Receipt]) -> bool:
    return not done.cancelled() and done.exception() is None
