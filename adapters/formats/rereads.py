"""The cursor of a poll that reads the last days again, because what it looks for comes late. Pure.

A transcript is there hours or days after its call, in no order. So each poll lists the calls since the newest one that
it knows, less an overlap, and lays down what it hasn't yet: a thing is known by its key. A cursor is
`{"until": seconds, "seen": [digests of keys]}`: the newest call so far, and what of the overlap was laid down. Mid-poll
it holds what was laid down until then, so a poll that is left goes on where it stood. One that is lost costs a
repetition under the same keys. A backfill reads a closed past once and in order, so its cursor is a place:
`{"at": seconds, "key": key}`.

The trade-off: the cursor grows with the calls of the overlap, 19 bytes each.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sidecar.errors import PermanentError, TemporaryError
from sidecar.ports import Captured, KnownKeys, PollBatch

SEEN_MAX = 50_000
AGAIN_S = 900.0


@dataclass(frozen=True, slots=True)
class Found:
    """Something that could be laid down: of a call at a time in seconds, by its key.

    `fetch` is asked for what isn't known yet, and answers None while there is nothing to fetch. Until then `otherwise`
    is laid down, under a key of its own: that there was a call at all.
    """

    at: int
    key: str
    fetch: Callable[[], Captured | None]
    otherwise: Captured | None = None


def at_hand(at: int, captured: Captured) -> Found:
    """Return what needs no fetching."""
    return Found(at, str(captured.key), lambda: captured)


@dataclass(frozen=True, slots=True)
class Place:
    """How far polls have come; see the module's word on cursors."""

    until: int | None = None
    seen: frozenset[str] = frozenset()

    def floor(self, installed: int, overlap_s: int) -> int:
        """Return from when calls are listed: never from before the installation."""
        return installed if self.until is None else max(installed, self.until - overlap_s)


def read_place(cursor: Mapping[str, Any] | None) -> Place:
    """Return the place of a poll's cursor; one that can't be read counts as lost."""
    told = cursor or {}
    until, seen = told.get("until"), told.get("seen")
    if not isinstance(until, int | None) or isinstance(until, bool) or not isinstance(seen, list):
        return Place()
    return Place(until, frozenset(digest for digest in seen if isinstance(digest, str)))


def newer(found: Iterable[Found], place: Place, overlap_s: int, batch_size: int) -> Iterator[PollBatch]:
    """Yield what isn't laid down yet in batches; the last cursor forgets what lies behind the overlap.

    What is refused for good holds nothing else back, and is asked for again by the next polls: `TemporaryError` at the
    end says that not all came, so that the poll doesn't count as one.
    """
    group: list[Captured] = []
    known, times = set(place.seen), dict[str, int]()
    until, refused = place.until, ""
    for one in found:
        until = one.at if until is None else max(until, one.at)
        times |= dict.fromkeys(_digests(one), one.at)
        try:
            captured = None if _digest(one.key) in known else one.fetch() or one.otherwise
        except PermanentError as error:
            refused, captured = refused or str(error), one.otherwise
        if captured is None or (digest := _digest(str(captured.key))) in known:
            continue
        known.add(digest)
        group.append(captured)
        if len(group) == batch_size:
            yield PollBatch(tuple(group), _told(place.until, known))
            group = []
    floor = (until or 0) - overlap_s
    end = Place(until, frozenset(digest for digest in known if times.get(digest, floor - 1) >= floor))
    if group or end != place:
        yield PollBatch(tuple(group), _told(end.until, end.seen))
    if refused:
        raise TemporaryError(f"{refused}; what else there was is read", retry_after_s=AGAIN_S)


def older(found: Iterable[Found], cursor: Mapping[str, Any] | None, batch_size: int) -> Iterator[PollBatch]:
    """Yield what lies behind a backfill's cursor in batches; things come ordered by time, then key."""
    place = _behind(cursor)
    group: list[Captured] = []
    for one in found:
        if (one.at, one.key) <= place or (captured := one.fetch() or one.otherwise) is None:
            continue
        group.append(captured)
        place = (one.at, one.key)
        if len(group) == batch_size:
            yield PollBatch(tuple(group), {"at": place[0], "key": place[1]})
            group = []
    if group:
        yield PollBatch(tuple(group), {"at": place[0], "key": place[1]})


def counted(found: Iterable[Found], account: str, known: KnownKeys, batch_size: int) -> Iterator[PollBatch]:
    """Yield everything of an account that isn't known in batches whose cursors are empty."""
    group: list[Captured] = []
    for one in found:
        captured = None if known(account, (one.key,)) else one.fetch() or one.otherwise
        group += [captured] if captured else []
        if len(group) == batch_size:
            yield PollBatch(tuple(group), {})
            group = []
    if group:
        yield PollBatch(tuple(group), {})


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
