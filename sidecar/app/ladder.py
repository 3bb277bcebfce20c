"""The mode ladder of one CRM account: how far it has been climbed, by whom and when, kept in the journal.

A config says how far the ladder may be climbed; on somebody else's CRM nothing of that holds before a person has put it
in force, rung by rung. So a config that was copied, or edited by mistake, writes nothing anywhere. A rung belongs to
the CRM account for which it was put in force, and what can't be read as a rung counts as the lowest.

Each process knows the rungs as they were `READ_S` ago at most: to move down takes no restart. Who moves up waits for
that before the relationships are made due, lest one be done by somebody who doesn't know yet.
"""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from sidecar.errors import PermanentError
from sidecar.journal import Entry, Journal, Touch
from sidecar.model import Mode, Policy, Rungs, WorkKey, WorkKind
from sidecar.pipeline.arrivals import ALLOWED_AT

ACCOUNT = "ledger_account"
"""Where the journal keeps the CRM account that it belongs to."""
LEDGER, ROUTE, FIELD = "ledger", "route:", "field:"
"""Scopes of a rung: the whole ledger, or what begins like this and ends in the name of a route or a field."""
READ_S = 0.25
MAX_MOVES = 100
MAX_REASON_CHARS = 300
PAGE = 500
_RUNG, _MOVES = "rung:", "rung_moves"
_FOLLOWED = "policy_followed"
_LONG_AGO = datetime.fromtimestamp(0, UTC)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Move:
    """One move: of which scope, where to (None: it follows the ledger again), by whom, when, why."""

    scope: str
    to: Mode | None
    by: str
    at: datetime
    reason: str = ""


class Ladder:
    """The rungs of the account that a journal belongs to; safe to share between threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._read_at = -READ_S
        self._known: Rungs | None = None
        self._reading = threading.Lock()

    def rungs(self) -> Rungs:
        """Return how far the ladder was climbed, as it was a moment ago at most."""
        with self._reading:  # one reads and tells, the others take what it read
            known = self._known
            if known is not None and time.monotonic() - self._read_at < READ_S:
                return known
            read_at = time.monotonic()
            fresh = _rungs({scope: move.to for scope, move in self.held().items()})
            if known is not None and fresh != known:
                log.info("mode_moved", ledger=fresh.ledger.value, routes=dict(fresh.routes), fields=dict(fresh.fields))
            self._known, self._read_at = fresh, read_at
            return fresh

    def held(self) -> dict[str, Move]:
        """Return the last move of each scope of this account that was ever moved."""
        account = self._journal.meta(ACCOUNT)
        rows = self._journal.metas(_RUNG)
        found = {key.removeprefix(_RUNG): _move(key.removeprefix(_RUNG), value, account) for key, value in rows.items()}
        return {scope: move for scope, move in found.items() if move is not None}

    def moves(self) -> list[dict[str, Any]]:
        """Return the newest moves, oldest first, as they were journaled."""
        try:
            moves = json.loads(self._journal.meta(_MOVES) or "[]")
        except ValueError:
            return []
        return moves if isinstance(moves, list) else []

    def move(self, moves: Sequence[Move]) -> None:
        """Journal moves in one commit; they are in force at once in this process, soon in every other."""
        account = self._journal.meta(ACCOUNT)
        if account is None:
            raise PermanentError("this journal belongs to no CRM account yet: sidecar check --go-live")
        rows = [{**asdict(move), "account": account, "at": move.at.isoformat()} for move in moves]
        for row in rows:
            row["reason"] = row["reason"][:MAX_REASON_CHARS]
        meta = {_RUNG + row["scope"]: json.dumps(row) for row in rows}
        meta[_MOVES] = json.dumps([*self.moves(), *rows][-MAX_MOVES:])
        meta[ALLOWED_AT] = self._journal.now().isoformat()
        self._journal.commit(Entry(meta=meta))
        self._known = None

    def make_due(self, *, wait_s: float = 2 * READ_S) -> int:
        """Make the sync of each relationship due, once all know that more may be written; returns how many."""
        threading.Event().wait(wait_s)
        count, after = 0, ""
        while standings := self._journal.standings_after(after, PAGE):
            touches = tuple(Touch(WorkKey(WorkKind.SYNC, s.party)) for s in standings if not s.merged_into)
            self._journal.commit(Entry(touches=touches))
            count, after = count + len(touches), standings[-1].party
        return count

    def follow(self, policy: Policy, *, is_held: bool) -> None:
        """Make each relationship due when the policy is another than at the last start, unless that is held.

        Else customers who say nothing new would go on without the records and values that it now allows.
        """
        held = self._journal.meta(_FOLLOWED)
        if is_held or held == policy.sha256:
            return
        if held is not None:
            self._journal.set_meta(ALLOWED_AT, self._journal.now().isoformat())
        count = 0 if held is None else self.make_due(wait_s=0)
        self._journal.set_meta(_FOLLOWED, policy.sha256)  # last: a start that is cut off makes them due again
        if count:
            log.info("policy_changed", parties=count)


def ways_up(rungs: Rungs, scope: str, to: Mode) -> list[tuple[str, Mode | None]]:
    """Return which scopes move where when one is moved up: a route or field that draws level follows the ledger."""
    return [(scope, None if scope != LEDGER and to is rungs.ledger else to)]


def ways_down(rungs: Rungs, scope: str, to: Mode) -> list[tuple[str, Mode | None]]:
    """Return which scopes move where when one is moved down: nothing stays above the ledger that was above its rung."""
    if scope != LEDGER:
        return [(scope, to)]
    own = [(ROUTE + name, rung) for name, rung in rungs.routes.items()]
    own += [(FIELD + name, rung) for name, rung in rungs.fields.items()]
    return [(scope, to), *((name, None) for name, rung in own if rung.height > to.height)]


def rung_of(rungs: Rungs, scope: str) -> Mode:
    """Return the rung that a scope stands on, its own or the ledger's."""
    if scope.startswith(ROUTE):
        return rungs.routes.get(scope.removeprefix(ROUTE), rungs.ledger)
    return rungs.fields.get(scope.removeprefix(FIELD), rungs.ledger) if scope.startswith(FIELD) else rungs.ledger


def moved(rungs: Rungs, ways: Sequence[tuple[str, Mode | None]]) -> Rungs:
    """Return the rungs as they will be after some moves."""
    own: dict[str, Mode | None] = {LEDGER: rungs.ledger}
    own |= {ROUTE + name: rung for name, rung in rungs.routes.items()}
    own |= {FIELD + name: rung for name, rung in rungs.fields.items()}
    return _rungs(own | dict(ways))


def _rungs(own: Mapping[str, Mode | None]) -> Rungs:
    def named(prefix: str) -> dict[str, Mode]:
        return {scope.removeprefix(prefix): rung for scope, rung in own.items() if rung and scope.startswith(prefix)}

    return Rungs(own.get(LEDGER) or Mode.SHADOW, named(ROUTE), named(FIELD))


def _move(scope: str, text: str, account: str | None) -> Move | None:
    """Read a rung; one of another account is none, and one that is damaged is the lowest."""
    try:
        row = json.loads(text)
        if row["account"] != account:
            return None
        to = None if row["to"] is None else Mode(row["to"])
        return Move(scope, to, str(row["by"]), datetime.fromisoformat(row["at"]), str(row["reason"]))
    except (ValueError, KeyError, TypeError):
        return Move(scope, Mode.SHADOW, "", _LONG_AGO, "what the journal holds is no rung")
