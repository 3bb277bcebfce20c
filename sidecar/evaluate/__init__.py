"""Evaluate: what a prompt, a model or the baseline gets right, measured on conversations that people have labelled.

Each conversation is read as a running sidecar would read it (`trial`), marked against its labels (`marks`), and the
marks are added up (`figures`) with how far they may be chance (`chance`). Nothing is written but answers that were paid
for. A figure is worth what its labels are worth: what people left unedited isn't a label, and no figure here counts it.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial

from sidecar.evaluate.answers import Kept, Purse
from sidecar.evaluate.cases import Case
from sidecar.evaluate.figures import Counts
from sidecar.evaluate.listening import Estimate, estimate
from sidecar.evaluate.marks import marks
from sidecar.evaluate.outcome import Trial
from sidecar.evaluate.trial import Side, tried
from sidecar.pipeline.rounds import in_turn

__all__ = ["Case", "Estimate", "Kept", "Measured", "Purse", "Side", "estimate", "evaluate"]

MAX_CONCURRENCY = 16
MAX_MEMBERS = 200
Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """A side, and what it made of each conversation, in their order: how it was read, and its marks."""

    side: Side
    cases: tuple[Case, ...]
    trials: tuple[Trial, ...]
    rows: tuple[Counts, ...]


def evaluate(
    side: Side,
    cases: Sequence[Case],
    kept: Kept,
    *,
    repeat: int = 1,
    concurrency: int = 1,
    told: Told = lambda done: None,
) -> Measured:
    """Read and mark conversations; `told` hears how many are done.

    `repeat` readings of each show how much of a difference is noise. `TemporaryError` when the model's limits are used
    up for longer, `ConfigError` when the purse is empty: what was answered is kept, and a second run goes on. With
    `kept.rounds`, made for `members`, questions are handed in together.
    """
    trials = tuple(_trials(side, cases, kept, repeat, min(concurrency, MAX_CONCURRENCY), told))
    rows = tuple(marks(case, trial, side.policy) for case, trial in zip(cases, trials, strict=True))
    return Measured(side, tuple(cases), trials, rows)


def _trials(
    side: Side, cases: Sequence[Case], kept: Kept, repeat: int, concurrency: int, told: Told
) -> Iterator[Trial]:
    """Yield the trials in the order of the conversations, so many at a time; the first error ends all of them."""
    if kept.rounds is not None:
        read = partial(tried, side, kept=kept, repeat=repeat)
        yield from (trial for _, trial in in_turn(read, cases, members(cases), kept.rounds.leave, told))
        return
    if concurrency <= 1:
        for number, case in enumerate(cases, 1):
            yield tried(side, case, kept, repeat=repeat)
            told(number)
        return
    with ThreadPoolExecutor(concurrency, thread_name_prefix="evaluate") as pool:
        futures = [pool.submit(tried, side, case, kept, repeat=repeat) for case in cases]
        try:
            _wait(futures, told)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        yield from (future.result() for future in futures)


def members(cases: Sequence[Case]) -> int:
    """Return how many conversations are read at once where their questions are handed in together."""
    return max(1, min(len(cases), MAX_MEMBERS))


def _wait(futures: Sequence[Future[Trial]], told: Told) -> None:
    """Wait for all; each call in them has a time-out of its own."""
    left = set(futures)
    while left:
        done, left = wait(left, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        told(len(futures) - len(left))
