"""What may be written into the book at once, and what comes back: everything in one Entry is committed, or nothing is.

An entry carries facts together with what they make due, because a fact without the mark that work follows from it
would be lost work after a crash. It says nothing of SQL; the writer turns entries into rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sidecar.errors import SidecarError, TemporaryError
from sidecar.model import Fact, Lease, WorkKey


@dataclass(frozen=True, slots=True)
class Touch:
    """Marks work as due: once the key has been quiet for `quiet_s`, at the latest `max_wait_s` after its first touch.

    With `quiet_s` 0 it is due at once, whatever was waited for. A touch un-parks, ends a wait, and never overrides a
    backoff. With `if_new` it is skipped when the entry brought no new fact (a delivery that was sent twice).
    """

    work: WorkKey
    quiet_s: float = 0.0
    max_wait_s: float | None = None
    if_new: bool = False


@dataclass(frozen=True, slots=True)
class CursorSet:
    """Where a channel has been read up to, under a name (poll, backfill); true once the entry's facts are durable."""

    channel: str
    name: str
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finish:
    """Ends a lease in the entry's transaction, if the fence is still ours; else the entry is rolled back.

    done: what was touched when it was claimed is done; touches since make it due again. again: done, and due once more
    after `again_s`. retry: not done, and attempts keep counting. wait: not done, though nothing failed: it needs what
    isn't there yet (`reason`), and a touch or a start has it look again. park: waits for a person (`reason`), unless
    touched since. `not_before_s` from now nothing is claimed, whatever is touched, but for a wait.
    """

    lease: Lease
    outcome: Literal["done", "retry", "wait", "park", "again"]
    not_before_s: float | None = None
    reason: str | None = None
    again_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction's worth of writing.

    With a `fence` it is written only while that lease is ours, else `LeaseLost`, and with `only_while` only while
    these settings of the installation are so, or empty, else `Overtaken`. `parks` name work that waits for a
    person from the start, with reasons. `watch_at` says when a party must be looked at again. `texts` are long constant
    texts by their sha256 (system prompts), kept once for all facts that name it. `unread` names the channel of each
    delivery that was read and brought no activity.
    """

    facts: Sequence[Fact] = ()
    touches: Sequence[Touch] = ()
    cursors: Sequence[CursorSet] = ()
    finish: Finish | None = None
    fence: Lease | None = None
    parks: Sequence[tuple[WorkKey, str]] = ()
    watch_at: Mapping[str, datetime | None] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)
    unread: Sequence[str] = ()
    only_while: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became durable: the ids of facts that were really new, and the last one's place in the book (or 0)."""

    new: frozenset[str]
    seq: int


@dataclass(frozen=True, slots=True)
class Written:
    """A fact with its place in the book and the time at which it was written down."""

    seq: int
    recorded_at: datetime
    fact: Fact


@dataclass(frozen=True, slots=True)
class Pause:
    """A brake that somebody, or a breaker, has put on: scope is `ledger`, `channel:NAME`, `field:NAME` and the like."""

    scope: str
    reason: str
    since: datetime


class IdentifierTaken(TemporaryError):
    """Another live party owns an identifier that a Match would give away: resolve the activity anew."""


class RecordTaken(TemporaryError):
    """Another live party owns the CRM record that a Reading would tie to this one: look anew."""


class Overtaken(SidecarError):
    """A setting of this installation that an entry relies on is another by now."""


class JournalFailed(SidecarError):
    """The book can't be trusted to keep what it is given (a failed flush, a damaged file): the process must end."""
