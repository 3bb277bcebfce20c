"""Reading all that is due by a vendor's batches: for old mail, and for whoever can wait for half the price.

The first question of every party is handed in as one batch, then the second one, and so on (`pipeline.rounds`). What is
read is booked as ever, one party after another, and leases are renewed while the vendor takes its time. A run that was
cut short leaves tickets, by which the next one collects what was paid for. Servers that run would read the same words
at once and at the full price, so they have to be stopped meanwhile.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sidecar.infer.batched import MAX_WAIT_S
from sidecar.model import WorkKind
from sidecar.pipeline.rounds import Rounds, in_turn
from sidecar.ports import batches
from sidecar.worker import EVER_S

if TYPE_CHECKING:
    from sidecar.app import App

TICKETS = "data/batch-tickets.json"
MAX_MEMBERS = 200
MAX_ROUNDS = 10_000
CAPTURING = frozenset((WorkKind.POLL, WorkKind.PARSE, WorkKind.RESOLVE, WorkKind.MEDIA))
READING = frozenset((WorkKind.PARTY,))
EVERYTHING = frozenset(WorkKind)


def read_in_rounds(
    app: "App", *, sleep: Callable[[float], object], max_wait_s: float = MAX_WAIT_S, told: Callable[[int], object]
) -> int:
    """Take in and read what is due; returns how many pieces of work were done, of which `told` hears."""
    parts, worker = app.pipeline.parts, app.worker
    llm, done, within_s = parts.llm, 0, 0.0 if app.wait else EVER_S
    batches(llm)  # where there are none, this says so
    app.ready()
    worker.poll_all([name for name, channel in app.channels.items() if channel.capabilities.poll])
    try:
        with worker.renewing():
            for _ in range(MAX_ROUNDS):
                keys = worker.due_now(MAX_MEMBERS, within_s, EVERYTHING - CAPTURING)
                is_reading = not keys
                keys = keys or worker.due_now(MAX_MEMBERS, within_s, EVERYTHING - READING)
                if not keys:
                    break
                threads, rounds = app.settings.limits.concurrency, None
                if is_reading:
                    rounds = Rounds(len(keys), app.settings.base / TICKETS, sleep=sleep, max_wait_s=max_wait_s)
                    parts.llm, threads = rounds.over(llm), len(keys)
                leave = rounds.leave if rounds else lambda: None
                in_turn(lambda key: worker.handle(key, wait=app.wait), keys, threads, leave, lambda n: None)
                done += len(keys)
                told(done)
    finally:
        parts.llm = llm
    return done
