"""Counts what a provider holds against the book, and fetches what the book lacks.

A webhook is sent once, a cursor may have been wrong, a journal may have been restored from yesterday: whether nothing
was lost can't be known from our side alone. So everything that the provider holds since a day is taken in hand once
more, under the ids that poll and webhook give it (`Counted.census`). A thing is there if its delivery is, or if all
that it says is, whichever way that came. What was erased keeps its id and is never fetched again.

What only the book holds is named and left: it was deleted over there, it never stood there by itself (a receipt, a
handshake), or nobody can be asked about it (what a provider tells by webhook alone). Nothing is remembered between two
runs, so a run that was interrupted is begun again. The trade-off: the ids of what was counted are held in memory, some
200 bytes for each activity, and a channel's whole index is read once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sidecar.capture import capture, to_delivery
from sidecar.errors import PermanentError
from sidecar.journal import Entry, Touch
from sidecar.model import Activity, Delivery, WorkKey, WorkKind
from sidecar.pipeline.sources import see_source
from sidecar.ports import Captured, Channel, Counted, PollBatch

if TYPE_CHECKING:
    from sidecar.app import App

MAX_NAMED = 1_000
MAX_ACTIVITIES = 2_000_000
PAGE = 500
_OF_ITSELF = frozenset({"status", "deletion", "edit", "reaction"})
"""What a provider may hold as a state of a message rather than as something of its own."""


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
    """

    counted: int = 0
    held: int = 0
    waiting: int = 0
    fetched: int = 0
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
    """One thing of the provider's, as the book would have it."""

    captured: Captured
    delivery: Delivery
    activities: tuple[Activity, ...]


def reconcile(
    app: "App",
    name: str,
    since: datetime,
    *,
    fetch: bool,
    told: Callable[[Findings], None] = lambda findings: None,
) -> Findings:
    """Count a channel since a time, and fetch what is missing if so asked."""
    adapter, findings = app.channel(name), Findings()
    if not isinstance(adapter, Counted):
        raise PermanentError(f"what {name} holds can't be counted")
    see_source(app.journal, adapter)
    ids: set[str] = set()
    names: set[tuple[str, str]] = set()
    for batch in adapter.census(since):
        things = [_thing(app, adapter, captured) for captured in batch.captured]
        ids.update(activity.id for thing in things for activity in thing.activities)
        names.update((a.account, a.external_id) for thing in things for a in thing.activities)
        if len(ids) > MAX_ACTIVITIES:
            raise PermanentError(f"more than {MAX_ACTIVITIES} activities; choose a later day")
        _compare(app, things, findings, fetch=fetch)
        told(findings)
    for gone in _gone(app, name, since, ids, names):
        findings.add("gone", gone)
    return findings


def _thing(app: "App", adapter: Channel, captured: Captured) -> _Thing:
    delivery = to_delivery(captured, adapter.name, app.clock(), app.journal.mint)
    try:
        return _Thing(captured, delivery, capture(delivery, adapter, app.journal.mint))
    except PermanentError:
        return _Thing(captured, delivery, ())  # it is parked, or will be; that it is there can be counted


def _compare(app: "App", things: Sequence[_Thing], findings: Findings, *, fetch: bool) -> None:
    """Hold some things against the book, and take in what it lacks."""
    journal = app.journal
    known = journal.known_ids([i for t in things for i in (t.delivery.id, *(a.id for a in t.activities))])
    undone = journal.undone([WorkKey(WorkKind.PARSE, t.delivery.id) for t in things])
    missing, unread = [], []
    findings.counted += len(things)
    for thing in things:
        is_said = all(activity.id in known for activity in thing.activities)
        if thing.delivery.id not in known and not (is_said and thing.activities):
            missing.append(thing)
            findings.add("missing", _named(thing))
        elif thing.delivery.id in known and thing.delivery.id in undone:
            findings.waiting += 1
        elif not is_said:
            unread.append(thing)
            findings.add("unread", _named(thing))
        findings.held += thing.delivery.id in known or (is_said and bool(thing.activities))
    if fetch and missing:
        channel = missing[0].delivery.channel
        app.pipeline.intake.keep(channel, PollBatch(tuple(t.captured for t in missing), {}), None)
    if fetch and unread:
        journal.commit(Entry(touches=tuple(Touch(WorkKey(WorkKind.PARSE, t.delivery.id)) for t in unread)))
    findings.fetched += len(missing) + len(unread) if fetch else 0


def _named(thing: _Thing) -> Named:
    if not thing.activities:
        return Named(thing.delivery.id, thing.delivery.key, "delivery")
    first = thing.activities[0]
    return Named(first.id, first.external_id, first.kind, first.at)


def _gone(app: "App", name: str, since: datetime, ids: set[str], names: set[tuple[str, str]]) -> Iterator[Named]:
    """Yield what is in the book alone, a page of its index at a time."""
    after = ("", "")
    while page := app.journal.said_on(name, since, after, PAGE):
        for said in page:
            account, activity = said.account, said.activity
            is_there = (account, said.external_id) in names or (account, said.relates_to) in names
            if activity not in ids and not is_there and said.kind not in _OF_ITSELF:
                yield Named(activity, said.external_id, said.kind, said.at)
        after = page[-1].account, page[-1].activity
