"""What became of a field: what was read out of the words, what we wrote, and what people made of it, newest first.

Only a party's newest facts are looked through, so that the history of one field costs the same however long the
relationship is; where that wasn't all, the end says so. An automation's edit is told as one, never as a person's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from types import EllipsisType
from typing import Any

from sidecar.journal import Journal
from sidecar.model import (
    Author,
    AuthorKind,
    Correction,
    Decision,
    Fact,
    Posting,
    Reading,
    Release,
    Standing,
    Value,
    Verdict,
)

SCANNED, AMONG = 800, 10_000
"""Facts that are read for each party, those merged into it included, and facts of any kind among which they are."""
MAX_MERGED = 5
MAX_ROWS = 50
BELIEVED, PUT_RIGHT, FOUND = "believed", "put right in the CRM", "found in the CRM"
_KINDS = ("decision", "posting", "correction", "reading", "release")
_VERDICTS: Mapping[Verdict, str] = {
    Verdict.APPLY: BELIEVED,
    Verdict.SUGGEST: "suggested to a person",
    Verdict.HOLD: "held for a person",
    Verdict.REJECT: "turned down",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a field: `what` in words, `who` did it, the value afterwards, why."""

    at: datetime
    what: str
    who: str
    value: Value = None
    why: str = ""
    place: str = ""
    by_person: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """Which field's past is meant: a field of ours, a step's id, and the CRM's properties by kind of record, or key."""

    field: str
    step: str = ""
    properties: Set[tuple[str, str]] = frozenset()


def past(journal: Journal, standing: Standing, asked: Asked) -> tuple[tuple[Event, ...], bool]:
    """Return what happened to a field, newest first, and whether that is all that ever did."""
    events: dict[Event, int] = {}  # with the place in the book of the first fact that tells it
    is_all = len(standing.absorbed) <= MAX_MERGED
    for party in (standing.party, *standing.absorbed[:MAX_MERGED]):
        facts, are_all = journal.lately(party, _KINDS, SCANNED, AMONG)
        is_all = is_all and are_all
        for written in facts:
            events |= dict.fromkeys(_events(written.fact, written.recorded_at, asked), written.seq)
    put_right = {(e.at, e.place) for e in events if e.what == PUT_RIGHT}
    told_once = (e for e in events if e.what != FOUND or (e.at, e.place) not in put_right)
    newest = list(_news(sorted(told_once, key=lambda e: (e.at, events[e]))))[::-1]
    return tuple(newest[:MAX_ROWS]), is_all and len(newest) <= MAX_ROWS


def _news(events: Iterable[Event]) -> Iterator[Event]:
    """Leave out what was believed already: each conversation says again what it was about."""
    believed: Value | EllipsisType = ...
    for event in events:
        if event.what == BELIEVED:
            if event.value == believed:
                continue
            believed = event.value
        yield event


def author(given: Author) -> str:
    """Return who wrote a value, in words."""
    kinds = {AuthorKind.PERSON: "a person", AuthorKind.AUTOMATION: "an automation", AuthorKind.US: "the sidecar"}
    kind = kinds.get(given.kind, "somebody")
    return given.name or (f"{kind} ({given.ref})" if given.ref else kind)


def _events(fact: Fact, written_at: datetime, asked: Asked) -> Iterator[Event]:
    for kind, tell in _TELLERS.items():
        if isinstance(fact, kind):
            yield from tell(fact, written_at, asked)


def _decided(fact: Decision, written_at: datetime, asked: Asked) -> Iterator[Event]:
    mine = fact.step is not None and fact.step.id == asked.step if asked.step else fact.field == asked.field
    if mine:
        by_person = fact.by != "policy"
        who = fact.by if by_person else "the policy"
        yield Event(written_at, _VERDICTS[fact.verdict], who, fact.value, fact.reason, by_person=by_person)


def _posted(fact: Posting, _: datetime, asked: Asked) -> Iterator[Event]:
    if asked.properties & {(fact.kind, fact.field), (fact.key, fact.field)}:
        place = f"{fact.kind} {fact.ref}, {fact.field}"
        yield Event(fact.at, "written to the CRM", "the sidecar", fact.value, place=place)


def _corrected(fact: Correction, _: datetime, asked: Asked) -> Iterator[Event]:
    if (fact.kind, fact.field) in asked.properties:
        place = f"{fact.kind} {fact.ref}, {fact.field}"
        yield Event(
            fact.at, PUT_RIGHT, author(fact.author), fact.theirs, f"ours was {fact.ours}", place, by_person=True
        )


def _read(fact: Reading, _: datetime, asked: Asked) -> Iterator[Event]:
    """Tell whose values stood in the way of ours; a correction is told by its own fact."""
    place = f"{fact.kind} {fact.ref}"
    for held, what in ((fact.holds, FOUND), (fact.freed, "given back to the sidecar")):
        for name, hold in held.items():
            if asked.properties & {(fact.kind, name), (fact.key, name)}:
                person = hold.author.kind is AuthorKind.PERSON
                yield Event(hold.at, what, author(hold.author), hold.value, place=f"{place}, {name}", by_person=person)


def _released(fact: Release, _: datetime, asked: Asked) -> Iterator[Event]:
    named = {asked.field, *(name for _, name in asked.properties)} - {""}
    if fact.field in named and fact.action in ("pin", "release", "approve", "reject", "rollback"):
        yield Event(fact.at, fact.action, fact.by, fact.value, fact.reason, by_person=True)


_TELLERS: Mapping[type[Fact], Callable[[Any, datetime, Asked], Iterator[Event]]] = {
    Decision: _decided,
    Posting: _posted,
    Correction: _corrected,
    Reading: _read,
    Release: _released,
}
