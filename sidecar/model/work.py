"""Work that is due, level-triggered: a row counts touches and what is done, and never carries a message.

The row carries every guarantee; an engine carries only keys. See `journal.work` for the rules of claim and finish.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class WorkKind(StrEnum):
    """Kinds of work.

    The key is a delivery (parse, resolve), a party (party, sync), a channel (poll), an activity (media) or a name.
    """

    PARSE = "parse"
    RESOLVE = "resolve"
    PARTY = "party"
    SYNC = "sync"
    POLL = "poll"
    WATCH = "watch"
    ERASE = "erase"
    MEDIA = "media"


@dataclass(frozen=True, slots=True)
class WorkKey:
    """Names one piece of work."""

    kind: WorkKind
    key: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim on one piece of work: its touches when it was claimed, and the fence that proves it is still ours.

    `attempts` counts the claims since it was last done, this one included; `crashes` those whose process died.
    """

    work: WorkKey
    touched: int
    fence: int
    attempts: int
    owner: str
    crashes: int = 0


@dataclass(frozen=True, slots=True)
class Dismissal:
    """A person's word that parked work is not to be done: who said so, when, why, and why it had been parked."""

    by: str
    at: datetime
    reason: str
    parked: str


@dataclass(frozen=True, slots=True)
class WorkRow:
    """One row as `sidecar work` shows it; state is due, waiting, running, parked, dismissed or done."""

    work: WorkKey
    state: str
    touched: int
    done: int
    attempts: int
    due_at: datetime | None
    not_before: datetime | None
    parked_reason: str | None
    waits_for: str | None = None
    dismissal: Dismissal | None = None
