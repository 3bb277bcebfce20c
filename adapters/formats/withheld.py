"""Tells one thing that is refused from an outage, so that it holds no other back. Pure: who fetches is told how.

A thing that can't be fetched is held for a moment, and the next ones are tried. Once one of these comes, what is held
is refused for itself, and is laid down as withheld: a name, and why. Where none comes of a few in a row, or there is no
next one, another thing is asked for, one that was there before. If that can't be had either it is an outage: the error
stands, nothing is laid down, and no cursor moves past what is held.

So nothing is set aside for what comes before a refusal, for then the other side may have failed in between. What
everybody is refused for (a limit of calls, no connection) ends a poll at once.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from sidecar.errors import ConfigError, SidecarError, TemporaryError, Unanswered, Withheld
from sidecar.ports import Captured

IN_A_ROW = 3
"""So many refusals one after the other, and another thing is asked for: an outage shouldn't be asked about for long."""
MAX_LOOKED_AT, MAX_REFUSED = 20, 3
"""How many other things a look tries, and after how many refusals it ends."""

Another = Callable[[Collection[str]], bool]
"""Fetches some other thing than those of some keys, and says whether one came."""


class Sieve:
    """Takes the things of one poll one by one, and lays down those that can be had, and by name those that can't."""

    def __init__(self, another: Another) -> None:
        self._another = another
        self._held: list[Captured] = []
        self._error: SidecarError | None = None

    @property
    def holds(self) -> bool:
        """Whether something is held: a cursor that passes it must not be told yet."""
        return bool(self._held)

    def tried(self, fetch: Callable[[], Captured | None], named: Captured) -> tuple[Captured, ...]:
        """Return what fetching a thing brings, behind what is known by that to be withheld; `named` is its name."""
        try:
            found = fetch()
        except Unanswered:
            raise
        except SidecarError as error:
            self._held.append(as_withheld(named, error))
            self._error = error
            return self.settled() if len(self._held) >= IN_A_ROW else ()
        return () if found is None else (*self._taken(), found)

    def settled(self) -> tuple[Captured, ...]:
        """Return what is held, if something else can be had; else raise what it was refused for."""
        if self._error is None or not self._held:
            return ()
        if can_be_had(self._another, {str(one.key) for one in self._held}):
            return self._taken()
        if isinstance(self._error, TemporaryError | ConfigError):
            raise self._error
        raise TemporaryError(f"{self._held[-1].key}: {self._error}")

    def _taken(self) -> tuple[Captured, ...]:
        taken, self._held, self._error = tuple(self._held), [], None
        return taken


class Turns:
    """Takes a few of what is to be asked for again, each time the next ones: those that never come hold no other."""

    def __init__(self, most: int) -> None:
        self._most, self._begin = most, 0

    def next(self, left: Sequence[str]) -> Sequence[str]:
        """Return whose turn it is."""
        begin = self._begin if self._begin < len(left) else 0
        self._begin = min(begin + self._most, len(left))
        return left[begin : self._begin]


def retrieved(key: str, fetch: Callable[[], Sequence[Captured]], another: Another) -> Sequence[Captured]:
    """Fetch what was withheld; `Withheld` where it alone is refused still."""
    try:
        return fetch()
    except Unanswered:
        raise
    except SidecarError as error:
        if can_be_had(another, {key}):
            raise Withheld(str(error)) from None
        raise


def can_be_had(another: Another, but: Collection[str]) -> bool:
    """Say whether some other thing can be had."""
    try:
        return another(but)
    except SidecarError:
        return False


def first_of(fetches: Mapping[str, Callable[[], Captured | None]], but: Collection[str]) -> bool:
    """Say whether one of the first few things but some can be fetched, by their keys."""
    refused = 0
    for fetch in [fetch for key, fetch in fetches.items() if key not in but][:MAX_LOOKED_AT]:
        try:
            if fetch() is not None:
                return True
        except Unanswered:
            raise
        except SidecarError:
            refused += 1
            if refused == MAX_REFUSED:
                return False
    return False


def as_withheld(named: Captured, error: SidecarError) -> Captured:
    """Return what is laid down of a thing that is refused."""
    return replace(named, raw=b"", fault=None, withheld=str(error) or type(error).__name__)
