"""Whether a day of mixed traffic over every channel ends with provider and journal equal, and how much of it there was.

It is the day of `tests/day`, as large as is asked for: real servers and twins on loopback sockets, a clock that is
ours, webhooks that are repeated, late, lost or refused, each provider away for two hours and our own door for one. The
seconds are of a machine that also plays all the providers: they say how long the check takes, not how fast we are.
What differs at the end is printed line by line to standard error; the exit code is 1 then.

Usage: DAY_MESSAGES=5000 DAY_PEOPLE=400 DAY_SEED=7 python -m bench.day
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench._machine import CORES
from sidecar.model import Activity
from tests.day.day import BEGIN, Day, differences, lived, open_questions, twice
from tests.day.providers import all_providers
from tests.support.facts import SetClock


def main() -> None:
    """Print one JSON line."""
    messages, people, seed = (int(os.environ.get(f"DAY_{name}", number)) for name, number in DEFAULTS)
    began, clock = time.monotonic(), SetClock(BEGIN)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("servers", "sidecar"):
            Path(folder, name).mkdir()
        with all_providers(Path(folder, "servers"), clock) as providers:
            day = lived(Path(folder, "sidecar"), providers, clock, seed, people, messages)
            with day.app:
                wrong = [*differences(day), *twice(day)]
                told = {"bench": "day", "seed": seed, "people": people, "cores": CORES, **figures(day, wrong)}
    print(json.dumps({**told, "seconds": round(time.monotonic() - began)}))
    print("\n".join(wrong), file=sys.stderr)
    sys.exit(bool(wrong))


DEFAULTS = (("MESSAGES", "600"), ("PEOPLE", "60"), ("SEED", "7"))


def figures(day: Day, wrong: Sequence[str]) -> dict[str, object]:
    """Return what happened that day, and how much of it the book holds."""
    journal, tally = day.app.journal, day.tally
    activities = [fact for fact in journal.facts(kinds=("activity",)) if isinstance(fact, Activity)]
    counts = journal.counts()
    return {
        "messages": tally["happened"],
        "channels": len({provider.channel for provider in day.providers}),
        "ways": len(day.providers),
        "activities": len(activities),
        "facts": counts["facts"],
        "parties": counts["parties"],
        "differences": len(wrong),
        "questions_answered": tally["questions answered"],
        "questions_open": len(open_questions(day.app)),
        "webhooks": tally["webhooks"],
        "duplicates": tally["duplicates"],
        "late_webhooks": tally["late"],
        "lost_webhooks": tally["lost webhooks"],
        "refused_webhooks": tally["not taken"],
        "outages": tally["outages"],
    }


if __name__ == "__main__":
    main()
