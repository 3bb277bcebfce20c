"""The cursor of a poll that reads the last days again, because what it looks for comes late. Pure.

A transcript is there hours or days after its call, in no order. So each poll lists the calls since the newest one that
it knows, less an overlap, and lays down what it hasn't yet: a thing is known by its key. A cursor is
`{"until": seconds, "seen": [digests of keys]}`: the newest call so far, and what of the overlap was laid down. Mid-poll
it holds what was laid down until then, so a poll that is left goes on where it stood. One that is lost costs a
repetition under the same keys. A backfill reads a closed past once and in order, so its cursor is a place:
`{"at": seconds, "key": key}`.

What is refused while another thing comes is laid down as withheld, by its key, beside what is laid down instead of it.

The trade-off: the cursor grows with the calls of the overlap, 19 bytes each.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import chain, islice
from typing import Any

from adapters.formats.withheld import Another, Sieve, first_of, retrieved
from sidecar.errors import SidecarError, TemporaryError
from sidecar.ports import Captured, KnownKeys, PollBatch

SEEN_MAX = 50_000
OTHERS = 5
"""How many things that are there are asked for again to see whether anything can be had."""
NOTHING = Captured("", b"", "")
"""Answered, and there is nothing yet."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something that could be laid down: of a call at a time in seconds, by its key.

    `fetch` is asked for what isn't known yet, and answers None while there is nothing to fetch. Until then `otherwise`
    is laid down, under a key of its own: that there was a call at all. What `is_at_hand` is asked of nobody. `within`
    is what it is a part of, if that is asked for as a whole, and `since` from when on what happened in it is wanted.
    """

    at: int
    key: str
    fetch: Callable[[], Captured | None]
    otherwise: Captured | None = None
    is_at_hand: bool = False
    within: str = ""
    since: int | None = None


def at_hand(at: int, captured: Captured) -> Found:
    """Return what needs no fetching."""
    return Found(at, str(captured.key), lambda: captured, is_at_hand=True)


Listed = Callable[[int, int], Iterable[Found]]
"""Yields what there is of the calls that began from one time until before another, in seconds."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far polls have come; see the module's word on cursors."""

    until: int | None = None
    seen: frozenset[str] = frozenset()

    def floor(self, installed: int, overlap_s: int) -> int:
        """Return from when calls are listed: never from before the first start."""
        return installed if self.until is None else max(installed, self.until - overlap_s)


def read_place(cursor: Mapping[str, Any] | None) -> Place:
    """Return the place of a poll's cursor; one that can't be read counts as lost."""
    told = cursor or {}
    until, seen = told.get("until"), told.get("seen")
    if not isinstance(until, int | None) or isinstance(until, bool) or not isinstance(seen, list):
        return Place()
    return Place(until, frozenset(digest for digest in seen if isinstance(digest, str)))


def newer(found: Iterable[Found], account: str, place: Place, overlap_s: int, batch_size: int) -> Iterator[PollBatch]:
    """Yield what of an account isn't laid down yet in batches; the last cursor forgets what lies behind the overlap.

    In an outage what came before it is yielded, then its error raised; what was refused is asked for by the next polls.
    """
    group: list[Captured] = []
    known, times, until = set(place.seen), dict[str, int](), place.until
    sift, error = _Sift(account), None
    for one in chain(found, (None,)):
        if one is not None:
            times |= dict.fromkeys(_digests(one), one.at)
            until = one.at if until is None else max(until, one.at)
        if one is not None and _digest(one.key) in known:
            sift.saw(one)
            continue
        try:
            brought = sift.tried(one)
        except SidecarError as refusal:
            error = refusal
            break
        for captured in brought:
            if (digest := _digest(str(captured.key))) not in known:
                known.add(digest)
                group.append(captured)
                if len(group) == batch_size:
                    yield PollBatch(tuple(group), _told(place.until, known))
                    group = []
    floor = (until or 0) - overlap_s
    end = Place(until, frozenset(digest for digest in known if times.get(digest, floor - 1) >= floor))
    end = Place(place.until, frozenset(known)) if error else end
    if group or end != place:
        yield PollBatch(tuple(group), _told(end.until, end.seen))
    if error:
        raise error


def older(
    found: Iterable[Found], account: str, cursor: Mapping[str, Any] | None, batch_size: int
) -> Iterator[PollBatch]:
    """Yield what of an account lies behind a backfill's cursor in batches; things come ordered by time, then key."""
    group: list[Captured] = []
    begin = place = _behind(cursor)
    sift = _Sift(account)
    for one in chain(found, (None,)):
        if one is not None and (one.at, one.key) <= begin:
            continue
        for captured in sift.tried(one):
            if len(group) == batch_size:
                yield PollBatch(tuple(group), {"at": place[0], "key": place[1]})
                group = []
            group.append(captured)
        place = (one.at, one.key) if one is not None and not sift.holds else place
    if group:
        yield PollBatch(tuple(group), {"at": place[0], "key": place[1]})


def counted(found: Iterable[Found], account: str, known: KnownKeys, batch_size: int) -> Iterator[PollBatch]:
    """Yield everything of an account that isn't known in batches whose cursors are empty."""
    group: list[Captured] = []
    sift = _Sift(account)
    for one in chain(found, (None,)):
        if one is not None and known(account, (one.key,)):
            sift.saw(one)
            continue
        for captured in sift.tried(one):
            group.append(captured)
            if len(group) == batch_size:
                yield PollBatch(tuple(group), {})
                group = []
    if group:
        yield PollBatch(tuple(group), {})


@dataclass(frozen=True, slots=True)
class Measure:
    """How many things could be laid down, their bytes, and when the oldest was, in seconds."""

    items: int = 0
    size_bytes: int = 0
    oldest: int | None = None


def measured(found: Iterable[Found], account: str) -> Measure:
    """Measure what a backfill would lay down, by reading it; what it would leave out by name counts as an item."""
    items = size_bytes = 0
    oldest: int | None = None
    sift = _Sift(account)
    for one in chain(found, (None,)):
        brought = sift.tried(one)
        items, size_bytes = items + len(brought), size_bytes + sum(len(captured.raw) for captured in brought)
        if one is not None and (brought or sift.holds):
            oldest = one.at if oldest is None else min(oldest, one.at)
    return Measure(items, size_bytes, oldest)


def retrieved_of(listed: Listed, key: str, headers: Mapping[str, str], since: int, until: int) -> Sequence[Captured]:
    """Fetch what was withheld; nothing where it is listed no longer. Another thing is looked for in a span of time."""
    at = int(headers["at"])

    def fetch() -> Sequence[Captured]:
        one = next((one for one in listed(at, at + 1) if one.key == key), None)
        if one is None:
            return ()
        if (captured := one.fetch()) is None:
            raise TemporaryError("it is listed, and there is nothing of it yet")
        return (captured,)

    return retrieved(key, fetch, another_of(listed, since, until))


def another_of(listed: Listed, since: int, until: int) -> Another:
    """Return what says whether some of the things of a span can be had, but for some."""

    def another(but: Collection[str]) -> bool:
        others = islice((one for one in listed(since, until) if not one.is_at_hand and one.key not in but), OTHERS)
        return first_of({one.key: partial(_answer, one) for one in others}, but)

    return another


class _Sift:
    """Tries what is found, one by one, and keeps a few things by which it can be seen whether any can be had."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._others: deque[Found] = deque(maxlen=OTHERS)
        self._sieve = Sieve(lambda but: first_of({one.key: partial(_answer, one) for one in self._others}, but))

    @property
    def holds(self) -> bool:
        """Whether something is held."""
        return self._sieve.holds

    def saw(self, one: Found) -> None:
        """Take note of something that is there."""
        self._others.extend(() if one.is_at_hand else (one,))

    def tried(self, one: Found | None) -> list[Captured]:
        """Return what a thing brings, with what is withheld before it, and what is laid down instead; None ends it."""
        if one is None:
            return list(self._sieve.settled())
        if one.is_at_hand:
            return [captured for captured in (one.fetch(),) if captured]
        told = {"at": one.at, "within": one.within or None, "since": one.since}
        headers = {name: str(value) for name, value in told.items() if value is not None}
        named, refused = Captured(self._account, b"", one.key, headers), list[Found]()

        def ask() -> Captured:
            refused.append(one)
            captured = _answer(one)
            refused.clear()
            return captured

        brought = self._sieve.tried(ask, named)
        if not refused:
            self.saw(one)
        instead = [captured.otherwise for captured in refused if captured.otherwise]
        return [captured for captured in (*instead, *brought) if captured is not NOTHING]


def _answer(one: Found) -> Captured:
    """Ask for a thing; that there is nothing of it yet is an answer too."""
    return one.fetch() or one.otherwise or NOTHING


def in_order(found: Iterable[Found]) -> list[Found]:
    """Return what was found by time, then key."""
    return sorted(found, key=lambda one: (one.at, one.key))


def _told(until: int | None, seen: Iterable[str]) -> dict[str, Any]:
    return {"until": until, "seen": sorted(seen)[:SEEN_MAX]}


def _behind(cursor: Mapping[str, Any] | None) -> tuple[int, str]:
    told = cursor or {}
    at, key = told.get("at"), told.get("key")
    return (at, key) if isinstance(at, int) and isinstance(key, str) else (-(2**62), "")


def _digests(one: Found) -> tuple[str, ...]:
    return tuple(_digest(str(key)) for key in (one.key, one.otherwise and one.otherwise.key) if key)


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()[:16]
