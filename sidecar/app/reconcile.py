"""Counts what a provider holds against the book, and fetches what the book lacks.

A webhook is sent once, a cursor may have been wrong, a journal may have been restored from yesterday: whether nothing
was lost can't be known from our side alone. So everything that the provider holds since a day is taken in hand once
more, under the ids that poll and webhook give it (`Counted.census`). A thing is there if its delivery is, or if all
that it says is, whichever way that came. What was erased keeps its id and is never fetched again.

What costs a call of its own is asked for here before it is fetched, and what the book has is read from the book. So a
run over a large mailbox costs its list, and one that breaks off, on which the provider's list is read anew, goes on
where it broke off; so does a second command after one that was ended, for what it fetched is in the book.

What only the book holds is named and left: it was deleted over there, it never stood there by itself (a receipt, a
handshake), or nobody can be asked about it (what a provider tells by webhook alone, which is counted apart where the
adapter knows it). The trade-off: the ids of what was counted are held in memory, some 300 bytes for each activity, a
channel's whole index is read once, and a thing that changed over there without another name isn't noticed.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Event
from typing import TYPE_CHECKING

from sidecar.capture import capture, newly_read, to_delivery
from sidecar.errors import PermanentError, TemporaryError
from sidecar.journal import Entry, Touch
from sidecar.journal.traffic import Said
from sidecar.model import Activity, Delivery, WorkKey, WorkKind
from sidecar.pipeline.sources import see_source
from sidecar.ports import Captured, Channel, Counted, PartlyCounted, PollBatch

if TYPE_CHECKING:
    from sidecar.app import App

MAX_NAMED = 1_000
MAX_ACTIVITIES = 2_000_000
PAGE = 500
TRIES, MAX_BREAKS = 8, 1_000
"""How often in a row it is asked again without anything new, and how often in all."""
FIRST_WAIT_S, MAX_WAIT_S = 5.0, 300.0
_OF_ITSELF = frozenset({"status", "deletion", "edit", "reaction"})
"""What a provider may hold as a state of a message rather than as something of its own."""

Sleep = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class Named:
    """Something that one side lacks: its delivery or activity, the provider's own name for it, when it was said."""

    id: str
    external_id: str
    kind: str
    at: datetime | None = None


@dataclass(slots=True)
class Findings:
    """What was found: `held` of `counted` things are in the book, `waiting` of them still to be read.

    `missing` were not there, `unread` lie there and now say more than was read of them, `gone` are in the book alone;
    of each at most 1,000 are named, and `more` counts the others. `fetched` of the missing and unread were taken in.
    `unlisted` are in the book, and the provider has no list in which they would stand. `waits_for` is why it isn't
    counted just now. `withheld` of the missing can't be fetched just now, though others can.
    """

    counted: int = 0
    held: int = 0
    waiting: int = 0
    fetched: int = 0
    unlisted: int = 0
    waits_for: str = ""
    withheld: int = 0
    missing: list[Named] = field(default_factory=list)
    unread: list[Named] = field(default_factory=list)
    gone: list[Named] = field(default_factory=list)
    more: dict[str, int] = field(default_factory=dict)

    def number(self, what: str) -> int:
        """Return how many were found of one sort, named or not."""
        return len(getattr(self, what)) + self.more.get(what, 0)

    def add(self, what: str, named: Named) -> None:
        """Take one down."""
        found: list[Named] = getattr(self, what)
        if len(found) < MAX_NAMED:
            found.append(named)
        else:
            self.more[what] = self.more.get(what, 0) + 1

    @property
    def left(self) -> int:
        """How much the book still lacks."""
        return self.number("missing") + self.number("unread") - self.fetched


@dataclass(frozen=True, slots=True)
class _Thing:
    """One thing of the provider's as the book would have it, or as it has it: then nothing was captured now."""

    delivery: str
    key: str
    activities: tuple[Activity, ...]
    captured: Captured | None = None


def reconcile(
    app: "App",
    name: str,
    since: datetime,
    *,
    fetch: bool,
    told: Callable[[Findings], None] = lambda findings: None,
    sleep: Sleep | None = None,
) -> Findings:
    """Count a channel since a time, and fetch what is missing if so asked."""
    adapter = app.channel(name)
    if not isinstance(adapter, Counted):
        raise PermanentError(f"what {name} holds can't be counted")
    see_source(app.journal, adapter)
    count = _Count(app, adapter, told, fetch=fetch)
    _all(adapter, since, count, sleep or Event().wait)
    for gone in count.gone(since):
        count.findings.add("gone", gone)
    return count.findings


def _all(adapter: Counted, since: datetime, count: "_Count", sleep: Sleep) -> None:
    """Count everything; after an outage the list is read anew, of which what was counted isn't fetched again."""
    tries = 0
    for _ in range(MAX_BREAKS):
        before = count.number
        try:
            for batch in adapter.census(since, count.known):
                count.take(batch)
            return
        except TemporaryError as error:
            tries = 1 if count.number > before else tries + 1
            if tries == TRIES:
                raise
            count.waits(str(error))
            sleep(min(MAX_WAIT_S, max(error.retry_after_s or 0.0, FIRST_WAIT_S * 2 ** (tries - 1))))
            count.waits("")
    raise TemporaryError("it broke off too often", retry_after_s=MAX_WAIT_S)


class _Count:
    """What was counted of one channel until now."""

    def __init__(self, app: "App", adapter: Channel, told: Callable[[Findings], None], *, fetch: bool) -> None:
        self._app, self._adapter, self._told, self._fetch = app, adapter, told, fetch
        self.findings = Findings()
        self._seen = set[str]()
        self._ids, self._names = set[str](), set[tuple[str, str]]()

    @property
    def number(self) -> int:
        """How many things were counted."""
        return len(self._seen)

    def waits(self, reason: str) -> None:
        """Tell why nothing can be counted just now, or that it can again."""
        self.findings.waits_for = reason
        self._told(self.findings)

    def take(self, batch: PollBatch) -> None:
        """Count what was fetched."""
        self._count([self._captured(captured) for captured in batch.captured])

    def known(self, account: str, keys: Sequence[str]) -> Collection[str]:
        """Count those of some deliveries that the book has, as it has them, and return the keys that are counted."""
        journal, name = self._app.journal, self._adapter.name
        ids = {key: journal.mint.id(Delivery.KIND, name, account, key) for key in keys}
        new = [key for key, id in ids.items() if id not in self._seen]
        for start in range(0, len(new), PAGE):
            page = new[start : start + PAGE]
            there = journal.known_ids([ids[key] for key in page])
            self._ids |= journal.effect_ids(there, Activity.KIND)
            self._count([self._held(ids[key], key) for key in page if ids[key] in there])
        return [key for key, id in ids.items() if id in self._seen]

    def gone(self, since: datetime) -> Iterator[Named]:
        """Yield what is in the book alone, a page of its index at a time."""
        journal, after = self._app.journal, ("", "")
        while page := journal.said_on(self._adapter.name, since, after, PAGE):
            yield from self._compared([said for said in page if self._is_alone(said)])
            after = page[-1].account, page[-1].activity

    def _captured(self, captured: Captured) -> _Thing:
        app, adapter = self._app, self._adapter
        delivery = to_delivery(replace(captured, withheld=None), adapter.name, app.clock(), app.journal.mint)
        return _Thing(delivery.id, delivery.key, () if captured.withheld else self._read(delivery), captured)

    def _held(self, id: str, key: str) -> _Thing:
        """A thing that is in the book; of what was erased nothing is known but its name."""
        try:
            delivery = self._app.journal.get(id)
        except PermanentError:
            delivery = None  # its bytes are damaged, as `sidecar verify` says; that it is there can be counted
        return _Thing(id, key, self._read(delivery) if isinstance(delivery, Delivery) else ())

    def _read(self, delivery: Delivery) -> tuple[Activity, ...]:
        try:
            return capture(delivery, self._adapter, self._app.journal.mint)
        except PermanentError:
            return ()  # it is parked, or will be; that it is there can be counted

    def _count(self, things: Sequence[_Thing]) -> None:
        things = [thing for thing in {t.delivery: t for t in things}.values() if thing.delivery not in self._seen]
        if not things:
            return
        self._ids.update(activity.id for thing in things for activity in thing.activities)
        self._names.update((a.account, a.external_id) for thing in things for a in thing.activities)
        if max(len(self._ids), len(self._seen)) > MAX_ACTIVITIES:
            raise PermanentError(f"more than {MAX_ACTIVITIES} activities; choose a later day")
        self._compare(things)
        self._seen.update(thing.delivery for thing in things)
        self._told(self.findings)

    def _compare(self, things: Sequence[_Thing]) -> None:
        """Hold some things against the book, and take in what it lacks."""
        journal, findings = self._app.journal, self.findings
        known = journal.known_ids([i for t in things for i in (t.delivery, *(a.id for a in t.activities))])
        undone = journal.undone([WorkKey(WorkKind.PARSE, thing.delivery) for thing in things])
        missing, unread, waiting = list[_Thing](), list[_Thing](), 0
        for thing in things:
            is_there = thing.delivery in known
            is_said = all(activity.id in known for activity in thing.activities)
            if not is_there and not (is_said and thing.activities):
                missing.append(thing)
            elif is_there and thing.delivery in undone:
                waiting += 1
            elif not is_said and self._says_more(thing):
                unread.append(thing)
        if self._fetch:
            self._take_in(missing, unread)
        findings.counted += len(things)
        findings.held += len(things) - len(missing)
        findings.waiting += waiting
        withheld = sum(bool(thing.captured and thing.captured.withheld) for thing in missing)
        findings.withheld += withheld
        findings.fetched += len(missing) - withheld + len(unread) if self._fetch else 0
        for sort, found in (("missing", missing), ("unread", unread)):
            for thing in found:
                findings.add(sort, _named(thing))

    def _says_more(self, thing: _Thing) -> bool:
        """Say whether the book has words of it that nobody read; a former reader may have named some otherwise."""
        journal, ours = self._app.journal, self._held(thing.delivery, thing.key)
        try:
            held = journal.effects(thing.delivery, Activity.KIND)
        except PermanentError:
            return True  # something of it is damaged, as `sidecar verify` says
        new = newly_read(ours.activities, [fact for fact in held if isinstance(fact, Activity)])
        return not journal.known_ids([activity.id for activity in new]).issuperset(activity.id for activity in new)

    def _take_in(self, missing: Sequence[_Thing], unread: Sequence[_Thing]) -> None:
        app = self._app
        if captured := tuple(thing.captured for thing in missing if thing.captured):
            app.pipeline.intake.keep(self._adapter.name, PollBatch(captured, {}), None)
        if unread:
            touches = tuple(Touch(WorkKey(WorkKind.PARSE, thing.delivery)) for thing in unread)
            app.journal.commit(Entry(touches=touches))

    def _is_alone(self, said: Said) -> bool:
        named = {(said.account, said.external_id), (said.account, said.relates_to)}
        return said.activity not in self._ids and not named & self._names and said.kind not in _OF_ITSELF

    def _compared(self, alone: Sequence[Said]) -> Iterator[Named]:
        """Yield those with which a list could be compared; the others are counted."""
        adapter = self._adapter
        facts = self._app.journal.get_many([s.activity for s in alone]) if isinstance(adapter, PartlyCounted) else {}
        for said in alone:
            fact = facts.get(said.activity)
            if isinstance(adapter, PartlyCounted) and not (isinstance(fact, Activity) and adapter.is_listed(fact)):
                self.findings.unlisted += 1
            else:
                yield Named(said.activity, said.external_id, said.kind, said.at)


def _named(thing: _Thing) -> Named:
    if not thing.activities:
        return Named(thing.delivery, thing.key, "delivery")
    first = thing.activities[0]
    return Named(first.id, first.external_id, first.kind, first.at)
