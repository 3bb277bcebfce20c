"""What this process knows that search doesn't yet, or that asking again would cost tokens: bounded, and safe to lose.

It holds which ref a key was made as, and which keys and addresses were looked for and not there. The second is worth a
few minutes only: within them the lists of what changed lately show whatever else came. And which records are there, so
that the feed can miss those that were deleted.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta

from sidecar.ports import Clock

MAX_MADE = MAX_LOOKED = MAX_ALIVE = 20_000
MAX_WRITTEN = 1_000
WORTH = timedelta(minutes=4)


class Memory:
    """Refs by key, and looks that found nothing; safe to share between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._made: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._looked: OrderedDict[tuple[str, str], datetime] = OrderedDict()
        self._written: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._alive: OrderedDict[tuple[str, str], None] = OrderedDict()

    def made(self, kind: str, key: str) -> str | None:
        """Return the ref that this process made under a key."""
        with self._lock:
            return self._made.get((kind, key))

    def remember(self, kind: str, key: str, ref: str) -> None:
        """Keep what was made."""
        with self._lock:
            self._made[(kind, key)] = ref
            while len(self._made) > MAX_MADE:
                self._made.popitem(last=False)

    def absent(self, kind: str, what: str) -> bool:
        """Say whether a search lately found nothing under a key or an address."""
        with self._lock:
            at = self._looked.get((kind, what))
            return at is not None and self._clock() - at < WORTH

    def looked(self, kind: str, missing: Iterable[str]) -> None:
        """Keep what was looked for and isn't there."""
        with self._lock:
            for what in missing:
                self._looked.setdefault((kind, what), self._clock())
                if self._clock() - self._looked[(kind, what)] >= WORTH:
                    self._looked[(kind, what)] = self._clock()
            while len(self._looked) > MAX_LOOKED:
                self._looked.popitem(last=False)

    def wrote(self, kind: str, ref: str, version: str) -> None:
        """Keep when a record was updated by a write of ours."""
        with self._lock:
            self._written[(kind, ref)] = version
            self._written.move_to_end((kind, ref))
            while len(self._written) > MAX_WRITTEN:
                self._written.popitem(last=False)

    def written(self, since: str) -> dict[tuple[str, str], str]:
        """Return our latest writes that weren't before a time."""
        with self._lock:
            return {each: version for each, version in self._written.items() if version >= since}

    def saw(self, kind: str, ref: str) -> None:
        """Keep that a record is there."""
        with self._lock:
            self._alive.setdefault((kind, ref))
            while len(self._alive) > MAX_ALIVE:
                self._alive.popitem(last=False)

    def portion(self, size: int) -> dict[str, list[str]]:
        """Return some of the records that were seen, by kind; those that have waited longest first."""
        with self._lock:
            due = list(self._alive)[:size]
            for each in due:
                self._alive.move_to_end(each)
        return {kind: [ref for other, ref in due if other == kind] for kind in dict.fromkeys(kind for kind, _ in due)}

    def forget(self, gone: Iterable[tuple[str, str]]) -> None:
        """Forget what is there no more."""
        with self._lock:
            for each in gone:
                self._alive.pop(each, None)
