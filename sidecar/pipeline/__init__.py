"""The order: what each kind of work reads, which stage it calls, what it appends, what is due next.

Stages turn facts into facts; only the pipeline writes the journal. Every step ends in one commit that holds its facts,
the mark that more work is due, and the end of its own lease, so that a step that dies leaves nothing half done.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

from sidecar.errors import PermanentError
from sidecar.model import Lease, WorkKind
from sidecar.pipeline.alerts import Alerts
from sidecar.pipeline.hints import Hints
from sidecar.pipeline.intake import Intake
from sidecar.pipeline.ledger import LEDGER, LedgerSteps
from sidecar.pipeline.listening import Listening
from sidecar.pipeline.parts import Parts
from sidecar.pipeline.people import People
from sidecar.pipeline.relate import Relate
from sidecar.pipeline.together import share
from sidecar.ports import HookRequest, Ledger

__all__ = ["LEDGER", "Parts", "Pipeline"]


class Pipeline:
    """All steps, over the same parts."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.intake = Intake(parts)
        self.relate = Relate(parts)
        self.ledger = LedgerSteps(parts)
        self.alerts = Alerts(parts)
        self.people = People(parts)
        self.hints = Hints(parts)
        self.listening = Listening(parts)

    def receive(self, channel: str, request: HookRequest) -> Future[Any]:
        """Take a webhook request; the future is done when its bytes, or what the CRM hints at, are durable.

        A handshake's future holds the `Greeting` that is to be said.
        """
        if request.method != "POST":
            return self.intake.greet(channel, request)
        if channel == LEDGER:
            return self.hints.receive(request)
        return self.intake.receive(channel, request)

    def run(self, lease: Lease) -> None:
        """Do one piece of leased work, including the commit that ends the lease; errors are for the worker."""
        kind = lease.work.kind
        if kind is WorkKind.PARSE:
            self.intake.parse(lease)
        elif kind is WorkKind.RESOLVE:
            self.intake.resolve(lease)
        elif kind is WorkKind.PARTY:
            self.relate.party(lease)
        elif kind is WorkKind.SYNC:
            self.ledger.sync(lease)
        elif kind is WorkKind.POLL and lease.work.key == LEDGER:
            self.ledger.poll(lease)
        elif kind is WorkKind.POLL:
            self.intake.poll(lease)
        elif kind is WorkKind.WATCH:
            self.alerts.watch(lease)
        elif kind is WorkKind.MEDIA:
            self.listening.hear(lease)
        else:
            raise PermanentError(f"nothing does work of the kind {kind.value}")

    def sync_together(self, leases: Sequence[Lease], run: Callable[[Lease, Callable[[Lease], None]], None]) -> None:
        """Do the syncs of several parties whose calls to the CRM are made together.

        `run` is called for each lease, in a thread of its own, with what does that piece of work.
        """
        if self.parts.ledger is None:
            raise PermanentError("no CRM is configured")

        def take_part(lease: Lease, ledger: Ledger) -> None:
            run(lease, LedgerSteps(replace(self.parts, ledger=ledger)).sync)

        for ended in share(self.parts.ledger, [partial(take_part, lease) for lease in leases]):
            ended.result()
