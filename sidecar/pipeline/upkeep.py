"""What the book needs no more: rows of work that was done long ago, of which each delivery brings two and more.

Once a day, a few at a time, so that whoever writes meanwhile waits for one batch and not for all. Nothing rests on such
a row: what is done and what isn't there are alike to a claim, a touch makes either due, and facts say what was done.
They are kept for a month for people (`sidecar work --state done`). What a person dismissed stays.
"""

from datetime import datetime, timedelta

from sidecar.journal import Journal

KEPT = timedelta(days=30)
BATCH = 1_000
TRIMMED = "work_trimmed_on"


def trim(journal: Journal, now: datetime) -> bool:
    """Do a batch of today's upkeep; say whether there may be more."""
    today = now.date().isoformat()
    if journal.meta(TRIMMED) == today:
        return False
    if journal.trim_work(now - KEPT, BATCH) == BATCH:
        return True
    journal.set_meta(TRIMMED, today)
    return False
