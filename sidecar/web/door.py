"""What stands behind the HTTP edge, as the edge sees it.

A protocol, so that the edge needs no journal and no config to be tested, and can't reach for them.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

from sidecar.links import Linked
from sidecar.ports import HookRequest


class Door(Protocol):
    """Takes verified requests and keeps them, and shows what a sealed link may show."""

    @property
    def max_body_bytes(self) -> int:
        """The largest request body that is read."""

    def receive(self, channel: str, request: HookRequest) -> Future[object]:
        """Verify and queue a request; the future is done when it is durable. May not wait: it is called by the loop.

        The future of a GET holds a `Greeting`, and nothing is kept.
        `RejectedInput` for an unknown channel or anything wrong with the signature; the future's error, or an error
        raised at once, is a `TemporaryError` when the sender should come again.
        """

    def linked(self, path: str) -> Linked:
        """Return what a link shows; `path` is as it was sent. May not wait: it is called by the loop.

        `RejectedInput` with 404 for a path that is no link, or where there are no pages; 410 for one out of time.
        """

    def page(self, linked: Linked) -> str:
        """Return the page behind a link as HTML; may wait. `RejectedInput` with 404 for what isn't known any more."""

    def answered(self, channel: str, status: int) -> None:
        """Count an answer; `channel` is a stranger's word, or empty where it wasn't read. May not wait."""

    def problems(self) -> Sequence[str]:
        """Say why this process isn't ready, a line each; may wait."""

    def notes(self) -> Sequence[str]:
        """Say what is worth knowing and no reason to send nothing, a line each; may wait."""

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus' text form; may wait."""
