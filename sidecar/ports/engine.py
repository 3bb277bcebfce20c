"""The port of engines: what carries due work to its handler."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from sidecar.model import WorkKey

Handler = Callable[[WorkKey], None]
Due = Callable[[int], Sequence[WorkKey]]


@runtime_checkable
class Engine(Protocol):
    """Carries keys of work that is due now to a handler; what it loses, repeats or reorders must not matter."""

    name: str

    def wake(self, keys: Sequence[WorkKey]) -> None:
        """Hint, after a commit, that these keys are due; best effort, never raises."""

    def serve(self, handler: Handler, due: Due, concurrency: int) -> None:
        """Run the handler for woken and due keys, in so many threads, until `stop`; `due(limit)` scans the rows."""

    def stop(self, grace_s: float) -> bool:
        """Take no more, wait so many seconds for what runs; true when all of it ended."""
