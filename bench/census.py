"""What it takes to hold a mailbox against the book: calls and seconds, each mail fetched again, and by its list.

A mailbox of Microsoft Graph's twin on a real socket, read into a real book. `whole` walks it with nothing known, as a
count without a book would; `known` is `sidecar reconcile` on a book that holds everything, `missing` on one that lacks
the newest hundredth. Another number of findings than was planted ends the program without a figure. The twin answers
within milliseconds, so that the seconds are ours; a provider's come on top of them for each call.

Usage: python -m bench.census [--mails 2000]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sidecar.app.reconcile import Findings
from sidecar.model import WorkKey, WorkKind
from sidecar.ports import Counted
from tests.support.facts import SetClock
from tests.twins.graph import GraphTwin
from tests.unit.test_reconcile_mailbox import SINCE, Office

SHARE = 100


def main() -> None:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=2_000)
    mails = parser.parse_args().mails
    clock = SetClock()
    with tempfile.TemporaryDirectory() as folder, GraphTwin(clock=clock) as twin:
        office = Office(Path(folder), twin, clock, batch_size=50)
        with office.house:
            office.receives(*(f"Mail {number}: is the blue one in stock?" for number in range(mails)))
            read(office)
            say(mails, "whole", lambda: walked(office), twin, (mails, 0))
            say(mails, "known", lambda: office.count()[0], twin, (mails, 0))
            lacking = max(1, mails // SHARE)
            office.receives(*(f"New {number}" for number in range(lacking)))
            say(mails, "missing", lambda: office.count()[0], twin, (mails + lacking, lacking))


def read(office: Office) -> None:
    """Poll the mailbox, and read what came."""
    worker, journal = office.house.app.worker, office.house.journal
    worker.poll_all(["office"])
    worker.handle(WorkKey(WorkKind.POLL, "office"))
    while keys := journal.due(500, [WorkKind.PARSE]):
        for key in keys:
            worker.handle(key)


def say(mails: int, figure: str, do: Callable[[], Findings], twin: GraphTwin, expected: tuple[int, int]) -> None:
    """Do it, see that it found what there is, and print one line."""
    before, begun = twin.calls(), time.perf_counter()
    found = do()
    seconds, calls = time.perf_counter() - begun, twin.calls() - before
    assert (found.counted, found.number("missing")) == expected, (found.counted, found.number("missing"))
    told: dict[str, Any] = {"mails": mails, "calls": calls, "seconds": round(seconds, 2)}
    print(json.dumps({"bench": "census", "figure": figure, **told, "fetched": found.fetched}), flush=True)


def walked(office: Office) -> Findings:
    """Fetch everything, with nothing known."""
    adapter, found = office.house.app.channel("office"), Findings()
    assert isinstance(adapter, Counted)
    for batch in adapter.census(SINCE):
        found.counted += len(batch.captured)
    return found


if __name__ == "__main__":
    main()
