"""The rows of work that is due, and the rules by which they are touched, claimed and finished.

Level-triggered: a row counts touches and what is done and carries no message, so an engine that loses, repeats or
reorders a wake-up loses nothing. A claim takes every touch so far; touches that come while it runs make the row due
again once it is finished. `due_at` ends the quiet period, `not_before` a backoff; `ready_at` is the later of the two
and what the index is on. Every change of a row happens in a writer's transaction, in the order in which it was asked
for; these functions run in it and are given the time.

The lease belongs to a process incarnation that holds a lock (`owners`): a dead owner's leases are free at once, and
expiry is only the net for an owner that hangs. The fence proves to a finish that nobody took over in between.
"""

import json
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from sidecar.errors import LeaseLost
from sidecar.journal.entry import Finish, Touch
from sidecar.journal.tables import DIRTY, as_key, as_text, from_us, work
from sidecar.journal.upserts import KEPT, Prepared, insert_into, prepare
from sidecar.model import Lease, WorkKey, WorkKind, WorkRow
from sidecar.model.work import Dismissal

STATES = ("due", "waiting", "running", "parked", "dismissed", "done")
_US = 1_000_000
_FAR = 2**62

# Statements are built once, with their values as parameters: building one takes longer than running it.
_NOW, _SOON = (sa.bindparam(name, type_=sa.BigInteger) for name in ("now", "soon"))
_OURS = (
    work.c.kind == sa.bindparam("its_kind"),
    work.c.key == sa.bindparam("its_key"),
    work.c.fence == sa.bindparam("its_fence"),
    work.c.lease_owner == sa.bindparam("its_owner"),
)
_HELD = sa.select(work).where(*_OURS)
_WAITS = sa.and_(work.c.attempts == 0, work.c.waits_for.is_not(None))
"""Put off without having failed; whatever is running was tried once at least."""
_DISMISSED = sa.and_(work.c.touched == work.c.done, work.c.waits_for.is_not(None))
"""What is done waits for nothing: here stands by whom and why it was dismissed, until a touch takes it away."""
_RENEWING = sa.update(work).where(*_OURS).values(lease_until=sa.bindparam("until"))
_FINISHED = ("touched", "done", "first_at", "due_at", "attempts", "parked_reason", "waits_for")
_FINISHING = (
    sa.update(work)
    .where(*_OURS)
    .values({name: sa.bindparam(f"new_{name}") for name in (*_FINISHED, "not_before", "ready_at")})
    .values(lease_owner=None, lease_until=None, lease_s=None, crashes=0)
)
_OWNERS = sa.select(work.c.lease_owner).where(work.c.lease_owner.is_not(None)).distinct()


def touch(connection: Connection, touches: Iterable[Touch], now: int) -> None:
    """Mark work as due; see `Touch`. A row that is due already stays due: news never push it back."""
    rows = []
    for t in touches:
        quiet = int(t.quiet_s * _US)
        wait = _FAR if t.max_wait_s is None else int(t.max_wait_s * _US)
        rows.append(
            {"kind": t.work.kind, "key": as_key(t.work.key), "due": now + min(quiet, wait), "wait": wait, "now": now}
        )
    if rows:
        _touching(connection.dialect).run(connection, rows)


@lru_cache(KEPT)
def _touching(dialect: sa.Dialect) -> Prepared:
    now, due, wait = (sa.bindparam(name, type_=sa.BigInteger) for name in ("now", "due", "wait"))
    insert = insert_into(dialect, work).values(
        kind=sa.bindparam("kind"), key=sa.bindparam("key"), touched=1, done=0, first_at=now, due_at=due, ready_at=due,
        fence=0, attempts=0, crashes=0,
    )  # fmt: skip
    fresh = sa.or_(work.c.touched == work.c.done, work.c.first_at.is_(None), work.c.due_at.is_(None))
    latest = sa.case((wait >= _FAR, _FAR), else_=work.c.first_at + wait)
    later = sa.case((latest < due, latest), else_=due)
    due_at = sa.case((fresh, due), (work.c.due_at <= now, work.c.due_at), (due <= now, due), else_=later)
    not_before = sa.case((_WAITS, None), else_=work.c.not_before)
    changes = {
        "touched": work.c.touched + 1,
        "first_at": sa.case((fresh, now), else_=work.c.first_at),
        "due_at": due_at,
        "not_before": not_before,
        "ready_at": sa.case((not_before > due_at, not_before), else_=due_at),
        "waits_for": sa.case((_WAITS, None), else_=work.c.waits_for),
        "attempts": sa.case((work.c.parked_reason.is_not(None), 0), else_=work.c.attempts),
        "parked_reason": None,
    }
    touching = insert.on_conflict_do_update(index_elements=["kind", "key"], set_=changes)
    return prepare(dialect, touching, ("kind", "key", "now", "due", "wait"))


def park(connection: Connection, parks: Iterable[tuple[WorkKey, str]], now: int) -> None:
    """Make rows that wait for a person from the start, or park what is there."""
    rows = [{"kind": key.kind, "key": as_key(key.key), "reason": as_text(why), "now": now} for key, why in parks]
    if rows:
        _parking(connection.dialect).run(connection, rows)


@lru_cache(KEPT)
def _parking(dialect: sa.Dialect) -> Prepared:
    now = sa.bindparam("now", type_=sa.BigInteger)
    insert = insert_into(dialect, work).values(
        kind=sa.bindparam("kind"), key=sa.bindparam("key"), parked_reason=sa.bindparam("reason"),
        touched=1, done=0, first_at=now, due_at=now, ready_at=now, fence=0, attempts=0, crashes=0,
    )  # fmt: skip
    touched = sa.case((work.c.touched == work.c.done, work.c.touched + 1), else_=work.c.touched)
    changes = {"touched": touched, "parked_reason": insert.excluded.parked_reason, "waits_for": None}
    parking = insert.on_conflict_do_update(index_elements=["kind", "key"], set_=changes)
    return prepare(dialect, parking, ("kind", "key", "reason", "now"))


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims, for how long, whose leases are free because they are dead, and how far ahead of its due time."""

    owner: str
    lease_s: float
    dead: Set[str] = frozenset()
    within_us: int = 0


def claim(connection: Connection, keys: Sequence[WorkKey], now: int, by: Claimant) -> list[Lease]:
    """Lease those of the keys that are due and free; attempts count from here, before anything is tried."""
    claiming = _claiming(early=by.within_us > 0, mourning=bool(by.dead))
    until = {"owner": by.owner, "until": now + int(by.lease_s * _US), "seconds": by.lease_s}
    leases = []
    for key in sorted(set(keys), key=lambda k: (k.kind, k.key)):
        given = _when(now, by.dead, by.within_us) | until | {"its_kind": key.kind, "its_key": key.key}
        if row := connection.execute(claiming, given).first():
            leases.append(Lease(key, row.touched, row.fence, row.attempts, by.owner, row.crashes))
    return leases


@cache
def _claiming(*, early: bool, mourning: bool) -> Any:
    return (
        sa.update(work)
        .where(work.c.kind == sa.bindparam("its_kind"), work.c.key == sa.bindparam("its_key"), sa.text(DIRTY))
        .where(_ready(early=early), _free(mourning=mourning))
        .values(
            lease_owner=sa.bindparam("owner"),
            lease_until=sa.bindparam("until"),
            lease_s=sa.bindparam("seconds"),
            fence=work.c.fence + 1,
            attempts=work.c.attempts + 1,
            crashes=work.c.crashes + sa.case((work.c.lease_owner.is_not(None), 1), else_=0),
            first_at=None,
        )
        .returning(work.c.touched, work.c.fence, work.c.attempts, work.c.crashes)
    )


def renew(connection: Connection, lease: Lease, now: int) -> None:
    """Extend a lease by as long as it was claimed for; `LeaseLost` when somebody took the work over."""
    row = _held(connection, lease)
    connection.execute(_RENEWING, _named(lease) | {"until": now + int(row.lease_s * _US)})


def holds(connection: Connection, lease: Lease, now: int) -> bool:
    """Say whether a lease is still ours and has not run out."""
    row = connection.execute(_HELD, _named(lease)).first()
    return row is not None and bool(row.lease_until > now)


def guard(connection: Connection, lease: Lease) -> None:
    """Let a transaction go on only while a lease is ours; `LeaseLost` when somebody took the work over."""
    _held(connection, lease)


def finish(connection: Connection, ending: Finish, now: int) -> None:
    """End a lease by compare-and-set on its fence; `LeaseLost` when it is not ours any more."""
    row = _held(connection, ending.lease)
    values = _ended(row, ending, now)
    not_before = None if ending.not_before_s is None else now + int(ending.not_before_s * _US)
    is_over = ending.outcome == "wait" and row.touched > ending.lease.touched
    if values.get("parked_reason") or is_over:
        not_before = None
    due_at = values.get("due_at", row.due_at)
    ready_at = max(due_at if due_at is not None else now, not_before or 0)
    kept = {name: getattr(row, name) for name in _FINISHED}
    waits = ending.outcome in ("retry", "wait") and not is_over
    kept["waits_for"] = as_text(ending.reason) if waits and ending.reason else None
    given = {f"new_{name}": value for name, value in (kept | values).items()}
    moments = {"new_not_before": not_before, "new_ready_at": ready_at}
    connection.execute(_FINISHING, _named(ending.lease) | given | moments)


def _held(connection: Connection, lease: Lease) -> Any:
    row = connection.execute(_HELD, _named(lease)).first()
    if row is None:
        raise LeaseLost(f"{lease.work.kind} {lease.work.key} was taken over")
    return row


def _ended(row: Any, ending: Finish, now: int) -> dict[str, Any]:
    claimed, touched_since = ending.lease.touched, row.touched > ending.lease.touched
    if ending.outcome == "done":
        return {"done": claimed, "attempts": 0} | ({} if touched_since else {"first_at": None, "due_at": None})
    if ending.outcome == "again":
        due_at = now + int(ending.again_s * _US)
        if touched_since:
            return {"done": claimed, "attempts": 0, "due_at": min(row.due_at, due_at)}
        return {"done": claimed, "attempts": 0, "touched": row.touched + 1, "first_at": now, "due_at": due_at}
    if ending.outcome == "park" and not touched_since:
        return {"parked_reason": as_text(ending.reason or "no reason was given")}
    # A touch during the run would have un-parked the row, had it come a moment later.
    return {"attempts": 0} if ending.outcome in ("park", "wait") else {}


def unpark(connection: Connection, key: WorkKey, now: int) -> bool:
    """Make parked or dismissed work due at once, with its attempts forgotten; false when it was neither."""
    held = sa.or_(work.c.parked_reason.is_not(None), _DISMISSED)
    due = sa.update(work).where(work.c.kind == key.kind, work.c.key == key.key, held)
    due = due.values(
        touched=sa.case((work.c.touched == work.c.done, work.c.touched + 1), else_=work.c.touched),
        parked_reason=None,
        waits_for=None,
        attempts=0,
        crashes=0,
        not_before=None,
        first_at=now,
        due_at=now,
        ready_at=now,
    )
    return connection.execute(due).rowcount > 0


def dismiss(connection: Connection, key: WorkKey, by: str, reason: str, now: int) -> bool:
    """Count parked work as done at a person's word, which is kept until it is touched; false when it was not parked."""
    named = work.c.kind == key.kind, work.c.key == key.key, work.c.parked_reason.is_not(None)
    parked = connection.execute(sa.select(work.c.parked_reason).where(*named)).scalar()
    if parked is None:
        return False
    word = json.dumps({"by": as_text(by), "at": now, "reason": as_text(reason), "parked": parked})
    ended = sa.update(work).where(*named).values(
        done=work.c.touched, parked_reason=None, waits_for=word, attempts=0, crashes=0, not_before=None, first_at=None,
        due_at=None, lease_owner=None, lease_until=None, lease_s=None, fence=work.c.fence + 1,
    )  # fmt: skip
    return connection.execute(ended).rowcount > 0


def end_waits(connection: Connection, now: int) -> int:
    """Make due what was put off without having failed; return how many rows."""
    waiting = sa.update(work).where(sa.text(DIRTY), _WAITS, _free(mourning=False))
    ended = waiting.values(not_before=None, waits_for=None, ready_at=sa.func.coalesce(work.c.due_at, _NOW))
    return connection.execute(ended, {"now": now}).rowcount


def due(
    connection: Connection, limit: int, kinds: Sequence[WorkKind] | None, now: int, dead: Set[str], within_us: int
) -> list[WorkKey]:
    """Return keys that could be claimed now, those first that have been ready longest.

    Kinds are left out, not asked for: with "kind IN", SQLite walks every row of these kinds that was ever done.
    """
    others = sorted(set(WorkKind) - set(kinds)) if kinds is not None else []
    found = _finding(early=within_us > 0, mourning=bool(dead), choosing=bool(others))
    given = _when(now, dead, within_us) | {"others": others, "most": limit}
    return [_key(row) for row in connection.execute(found, given)]


@cache
def _finding(*, early: bool, mourning: bool, choosing: bool) -> Any:
    found = sa.select(work.c.kind, work.c.key).where(sa.text(DIRTY), _ready(early=early), _free(mourning=mourning))
    if choosing:
        found = found.where(work.c.kind.not_in(sa.bindparam("others", expanding=True)))
    return found.order_by(work.c.ready_at).limit(sa.bindparam("most", type_=sa.Integer))


def next_due(connection: Connection, now: int, dead: Set[str]) -> int | None:
    """Return when the next free row is ready; in the past when one is due now."""
    found = sa.select(sa.func.min(work.c.ready_at)).where(sa.text(DIRTY), _free(mourning=bool(dead)))
    at: int | None = connection.execute(found, _when(now, dead)).scalar()
    return at


def rows(connection: Connection, states: Sequence[str], limit: int, now: int, dead: Set[str]) -> list[WorkRow]:
    """Return rows in one of the states, as `sidecar work` shows them."""
    state = _state(mourning=bool(dead))
    found = sa.select(work, state.label("state")).order_by(work.c.ready_at, work.c.kind, work.c.key).limit(limit)
    if states:
        found = found.where(state.in_(states))
    return [_row(row) for row in connection.execute(found, _when(now, dead))]


def tally(connection: Connection, now: int, dead: Set[str]) -> dict[tuple[WorkKind, str], int]:
    """Count rows by kind and state."""
    state = _state(mourning=bool(dead)).label("state")
    found = sa.select(work.c.kind, state, sa.func.count().label("n")).group_by(work.c.kind, state)
    return {(WorkKind(row.kind), row.state): row.n for row in connection.execute(found, _when(now, dead))}


def done_before(connection: Connection, until: int, limit: int) -> list[WorkKey]:
    """Return keys of what was done before a time and not touched since; a walk over all rows, for a reader."""
    found = sa.select(work.c.kind, work.c.key).where(*_over(until)).limit(limit)
    return [_key(row) for row in connection.execute(found)]


def forget(connection: Connection, keys: Sequence[WorkKey], until: int) -> int:
    """Take away those rows that were done before a time and still are; return how many. A touch makes one anew."""
    named = sa.tuple_(work.c.kind, work.c.key).in_([(key.kind.value, key.key) for key in keys])
    return connection.execute(sa.delete(work).where(named, *_over(until))).rowcount


def _over(until: int) -> tuple[sa.ColumnElement[bool], ...]:
    """What was finished before a time; a dismissal stays, for it is a person's word."""
    is_clean = work.c.touched == work.c.done, work.c.parked_reason.is_(None), work.c.waits_for.is_(None)
    return (*is_clean, work.c.lease_owner.is_(None), work.c.ready_at < until)


def lease_owners(connection: Connection) -> set[str]:
    """Return who holds leases."""
    return set(connection.execute(_OWNERS).scalars())


def heal_clock(connection: Connection, now: int) -> None:
    """Make due what was touched "in the future": the clock was set back while nobody ran, and must not stall work."""
    ahead = sa.and_(sa.text(DIRTY), work.c.first_at > now)
    connection.execute(sa.update(work).where(ahead).values(first_at=now, due_at=now, not_before=None, ready_at=now))


def _named(lease: Lease) -> dict[str, Any]:
    kind, key = lease.work.kind, lease.work.key
    return {"its_kind": kind, "its_key": key, "its_fence": lease.fence, "its_owner": lease.owner}


def _when(now: int, dead: Set[str], within_us: int = 0) -> dict[str, Any]:
    return {"now": now, "soon": now + within_us, "dead": sorted(dead)}


def _ready(*, early: bool) -> sa.ColumnElement[bool]:
    if not early:
        return work.c.ready_at <= _NOW
    backed_off = sa.func.coalesce(work.c.not_before, 0) > _NOW
    return sa.and_(sa.func.coalesce(work.c.due_at, 0) <= _SOON, sa.not_(backed_off))


def _free(*, mourning: bool) -> sa.ColumnElement[bool]:
    """Nobody's, or run out, or (where some have died) a dead one's."""
    free = sa.or_(work.c.lease_owner.is_(None), work.c.lease_until <= _NOW)
    return sa.or_(free, work.c.lease_owner.in_(sa.bindparam("dead", expanding=True))) if mourning else free


def _state(*, mourning: bool) -> sa.ColumnElement[str]:
    return sa.case(
        (sa.not_(_free(mourning=mourning)), "running"),
        (work.c.parked_reason.is_not(None), "parked"),
        (_DISMISSED, "dismissed"),
        (work.c.touched == work.c.done, "done"),
        (work.c.ready_at <= _NOW, "due"),
        else_="waiting",
    )


def _key(row: Any) -> WorkKey:
    return WorkKey(WorkKind(row.kind), row.key)


def _row(row: Any) -> WorkRow:
    is_dismissed = row.state == "dismissed"
    return WorkRow(
        _key(row), row.state, row.touched, row.done, row.attempts,
        None if row.due_at is None else from_us(row.due_at),
        None if row.not_before is None else from_us(row.not_before),
        row.parked_reason,
        None if is_dismissed else row.waits_for,
        _dismissal(row.waits_for) if is_dismissed else None,
    )  # fmt: skip


def _dismissal(text: str) -> Dismissal:
    told = json.loads(text)
    return Dismissal(told["by"], from_us(told["at"]), told["reason"], told["parked"])
