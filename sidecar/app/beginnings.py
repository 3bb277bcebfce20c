"""Since when each channel is ours: from there on it is live, and what was said before is history.

It is the first start with a channel of that name, and not the installation: a mailbox that is added after a year would
else be read as a year of news. It is written once, when the book is first opened under a config that names the channel,
so neither an outage nor a month in which the channel stood in no config moves it. A book that has known a channel for
longer than this is written keeps to what it read by: its own beginning.
"""

from collections.abc import Iterable
from datetime import datetime

from sidecar.journal import BEGUN, Journal
from sidecar.pipeline.intake import POLLED

WATCHED = "watched_since:"
"""Under this and a channel's name an older version took down when it first served that channel."""


def begin(journal: Journal, channels: Iterable[str]) -> Journal:
    """Write down since when each channel is ours, where nobody has; returns the journal."""
    for channel in channels:
        if journal.meta(BEGUN + channel) is None:
            journal.swap_meta(BEGUN + channel, None, _first(journal, channel).isoformat())
    return journal


def _first(journal: Journal, channel: str) -> datetime:
    was_read = journal.cursor(channel, "poll") is not None or journal.meta(POLLED + channel) is not None
    if was_read or channel in journal.last_seen():
        return journal.installed_at
    watched = journal.meta(WATCHED + channel)
    return datetime.fromisoformat(watched) if watched else journal.now()
