"""Many questions to a model that takes them at once, for those who can wait: replays, evaluations, old mail.

Handing in costs money and can't be taken back, so what was handed in is told to the caller before anything else
happens, as tickets that he keeps; with them a run that was interrupted, by a crash or by patience that ended, collects
what it has paid for instead of asking again. Nothing here is booked: each answer goes to whoever asked.

The trade-off: a run waits by itself, within a bound. Whoever would rather come back later gives a short one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from sidecar.errors import SidecarError, TemporaryError
from sidecar.ports import Answer, Batches, Question

Tickets = Mapping[str, Sequence[str]]
"""The keys of the questions that were handed in, by ticket: JSON, for the caller to keep."""

MAX_WAIT_S = 25 * 3600.0
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 60.0
MAX_FAILED_LOOKS = 10


def ask_batched(
    batches: Batches,
    questions: Mapping[str, Question],
    tickets: Tickets,
    keep: Callable[[Tickets], None],
    *,
    sleep: Callable[[float], object],
    max_wait_s: float = MAX_WAIT_S,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[str, Answer | SidecarError]]:
    """Yield each question's key with its answer or its error, once, in the order in which batches end.

    `tickets` are those of an earlier run, empty for none; `keep` is called with all that are open, before any wait, and
    again when a batch was read to its end. `progress(decided, total)` is told of each look. `TemporaryError` when the
    batches take longer than `max_wait_s`, and whatever `Batches.submit` raises; the tickets hold, so ask again.
    """
    held = {ticket: list(keys) for ticket, keys in tickets.items()}
    known = {key for keys in held.values() for key in keys}
    fresh = [key for key in questions if key not in known]
    for start in range(0, len(fresh), batches.max_questions):
        keys = fresh[start : start + batches.max_questions]
        held[batches.submit({key: questions[key] for key in keys})] = keys
        keep(dict(held))
    waiting = _Waiting(batches, sleep, max_wait_s, progress or _nobody)
    while held:
        for ticket in waiting.ended(held):
            yield from _read(batches, ticket, [key for key in held[ticket] if key in questions])
            del held[ticket]
            keep(dict(held))


def _read(batches: Batches, ticket: str, keys: Sequence[str]) -> Iterator[tuple[str, Answer | SidecarError]]:
    """The fates of these keys; one that the batch doesn't know is an error, and a key that is nobody's is left out."""
    open_keys = set(keys)
    for key, answer in batches.collect(ticket):
        if key in open_keys:
            open_keys.discard(key)
            yield key, answer
    for key in sorted(open_keys):
        yield key, TemporaryError("the batch holds no answer to this question")


class _Waiting:
    """Looks at open batches, ever less often, until one has ended or patience has."""

    def __init__(
        self,
        batches: Batches,
        sleep: Callable[[float], object],
        max_wait_s: float,
        progress: Callable[[int, int], None],
    ) -> None:
        self._batches, self._sleep, self._progress = batches, sleep, progress
        self._left_s, self._pause_s, self._failed = max_wait_s, FIRST_PAUSE_S, 0
        self._read = 0

    def ended(self, held: Tickets) -> Sequence[str]:
        """Return the tickets of the batches that have ended, at least one."""
        while True:
            found = self._look(held)
            if found:
                self._read += sum(len(held[ticket]) for ticket in found)
                return found
            if self._left_s <= 0:
                raise TemporaryError(
                    "the batches have not ended yet; what was handed in is kept, so run this again later",
                    retry_after_s=LONGEST_PAUSE_S,
                )
            pause_s = min(self._pause_s, self._left_s)
            self._sleep(pause_s)
            self._left_s -= pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _look(self, held: Tickets) -> list[str]:
        try:
            seen = {ticket: self._batches.progress(ticket) for ticket in held}
        except TemporaryError:
            self._failed += 1
            if self._failed >= MAX_FAILED_LOOKS:
                raise
            return []
        self._failed = 0
        total = self._read + sum(each.total for each in seen.values())
        self._progress(self._read + sum(each.decided for each in seen.values()), total)
        return [ticket for ticket, each in seen.items() if each.ended]


def _nobody(decided: int, total: int) -> None:
    """Tell nobody."""
