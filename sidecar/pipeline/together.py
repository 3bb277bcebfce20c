"""The work of several parties on a CRM, each written as if it were alone, whose calls to the CRM are made together.

A CRM takes a hundred records in one call and counts its calls, so a call per party would cost a hundred times the
quota. Each sync runs in a thread of its own, and its CRM is a member's view of the shared one: a call waits until every
member waits, then the calls that are alike become one. Those that come first in a sync's order are made first, so that
a member who has less to read is caught up with by the others before its records are written.

Nobody waits for a straggler for long, and what one member asks for can't fail another: a shared call that was refused
for what it asks, or for a record that is just changing, is halved until that member stands alone (a write raises only
when nothing was sent). Anything else fails them all: then the CRM is in trouble, or its adapter, and not one member's
record.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sidecar.errors import PermanentError, StaleVersion
from sidecar.model import Edit, Gone, Identifier, Link, Record, Walked
from sidecar.ports import ChangedPage, Create, Failed, FieldSpec, HookRequest, Ledger, Pipeline, Update, View, Written

T = TypeVar("T")
PATIENCE_S, PATIENCE_EACH_S = 0.5, 0.02
"""How long the others wait for a member that is busy with something else, and how much longer for each member: a call
that a hundred share is worth more than one that two share, and a hundred threads get to their turns more slowly."""
_ORDER = ("read", "find_by_key", "find", "linked", "history", "write")
_KINDS = ("contact", "company", "deal", "note", "task", "meeting")


@dataclass(eq=False, slots=True)
class _Call:
    """One member's call: `items` are what it asks about, `fields` only a history's; `rank` is its turn."""

    method: str
    kind: str
    items: Sequence[Any]
    rank: tuple[int, int, int]
    fields: Sequence[str] = ()
    result: Any = None
    error: Exception | None = None


@dataclass(slots=True)
class _State:
    """How many take part, the calls that wait, and those that are being made right now."""

    members: int
    waiting: list[_Call] = field(default_factory=list)
    made: list[_Call] = field(default_factory=list)


def share(ledger: Ledger, members: Sequence[Callable[["Member"], T]]) -> list[Future[T]]:
    """Let members do what they do with a CRM, each in a thread of its own; returns when all of them have ended."""
    shared = Together(ledger, len(members))

    def take_part(do: Callable[["Member"], T]) -> T:
        try:
            return do(shared.member())
        finally:
            shared.leave()

    with ThreadPoolExecutor(len(members), thread_name_prefix="together") as pool:
        return [pool.submit(take_part, do) for do in members]


class Together:
    """A CRM whose calls several members make together; each takes part by `member` and says when it leaves."""

    def __init__(self, ledger: Ledger, members: int) -> None:
        self._ledger = ledger
        self._turn = threading.Condition()
        self._state = _State(members)
        self._patience_s = PATIENCE_S + PATIENCE_EACH_S * members

    def member(self) -> "Member":
        """Return one member's view of the CRM."""
        return Member(self._ledger, self._ask)

    def leave(self) -> None:
        """Count one member less; nobody waits for it any more."""
        with self._turn:
            self._state.members -= 1
            self._turn.notify()  # one is enough to make what now waits for nobody

    def _ask(self, call: _Call) -> Any:
        with self._turn:
            self._state.waiting.append(call)
            while not self._is_answered(call):
                is_time = self._turn.wait_for(lambda: self._is_answered(call) or self._is_time(), self._patience_s)
                if not self._is_answered(call) and (is_time or not self._state.made):
                    self._make_next()
        if call.error is not None:
            raise call.error
        return call.result

    def _is_answered(self, call: _Call) -> bool:
        return call not in self._state.waiting and call not in self._state.made

    def _is_time(self) -> bool:
        return not self._state.made and len(self._state.waiting) >= self._state.members

    def _make_next(self) -> None:
        """Make the calls whose turn it is; the lock is held, but not while the CRM is spoken to."""
        state = self._state
        first = min(call.rank for call in state.waiting)
        state.made = [call for call in state.waiting if call.rank == first]
        state.waiting = [call for call in state.waiting if call.rank != first]
        self._turn.release()
        try:
            _make(self._ledger, state.made)
        finally:
            self._turn.acquire()
            state.made = []
            self._turn.notify_all()


class Member:
    """The CRM as one sync sees it: what can be shared is shared, everything else goes straight through."""

    def __init__(self, ledger: Ledger, ask: Callable[[_Call], Any]) -> None:
        self._ledger, self._ask = ledger, ask
        self._lap, self._last = 0, (0, 0)
        self.name = ledger.name
        self.capabilities = ledger.capabilities

    def find(self, kind: str, identifiers: Sequence[Identifier]) -> Mapping[Identifier, Sequence[Record]]:
        """Return the records that bear each identifier."""
        found: Mapping[Identifier, Sequence[Record]] = self._share("find", kind, identifiers)
        return found

    def find_by_key(self, kind: str, keys: Sequence[str]) -> Mapping[str, Record]:
        """Return the records that were created under these keys."""
        found: Mapping[str, Record] = self._share("find_by_key", kind, keys)
        return found

    def linked(self, kind: str, to: Sequence[Link]) -> Mapping[Link, Sequence[Record]]:
        """Return the records of a kind that are associated with each record."""
        found: Mapping[Link, Sequence[Record]] = self._share("linked", kind, to)
        return found

    def read(self, kind: str, refs: Sequence[str]) -> Mapping[str, Record | Gone]:
        """Read records by ref."""
        found: Mapping[str, Record | Gone] = self._share("read", kind, refs)
        return found

    def history(self, kind: str, refs: Sequence[str], fields: Sequence[str]) -> Mapping[str, Sequence[Edit]]:
        """Return the edits of these fields, without those that only another member asked about."""
        found: Mapping[str, Sequence[Edit]] = self._share("history", kind, refs, fields)
        wanted = set(fields)
        return {ref: [edit for edit in edits if edit.field in wanted] for ref, edits in found.items()}

    def write(self, writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
        """Write a batch, row by row."""
        if not writes:
            return ()
        results: Sequence[Written | Failed] = self._share("write", writes[0].kind, writes)
        return results

    def account(self) -> str:
        """Return the CRM account's id."""
        return self._ledger.account()

    def schema(self, kind: str) -> Mapping[str, FieldSpec]:
        """Return the properties of a record kind."""
        return self._ledger.schema(kind)

    def pipelines(self) -> Sequence[Pipeline]:
        """Return the deal pipelines."""
        return self._ledger.pipelines()

    def owners(self) -> Mapping[str, str]:
        """Return the owners."""
        return self._ledger.owners()

    def changed(self, cursor: Mapping[str, Any] | None) -> ChangedPage:
        """Return what changed since a cursor."""
        return self._ledger.changed(cursor)

    def walk(self, kind: str, cursor: str | None, fields: Sequence[str]) -> Walked:
        """Return some records of a kind, with who wrote what."""
        return self._ledger.walk(kind, cursor, fields)

    def hinted(self, request: HookRequest) -> Sequence[tuple[str, str]]:
        """Verify a webhook of the CRM and name its records."""
        return self._ledger.hinted(request)

    def provision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Create the missing properties."""
        return self._ledger.provision(wanted, dry_run, views)

    def deprovision(
        self, wanted: Mapping[str, Sequence[FieldSpec]], dry_run: bool, views: Sequence[View] = ()
    ) -> Sequence[str]:
        """Take the properties away again."""
        return self._ledger.deprovision(wanted, dry_run, views)

    def automations(self, properties: Mapping[str, Sequence[str]]) -> Sequence[str]:
        """Name what would act upon our writes."""
        return self._ledger.automations(properties)

    def check(self) -> Sequence[str]:
        """Say what is wrong with access."""
        return self._ledger.check()

    def _share(self, method: str, kind: str, items: Sequence[Any], fields: Sequence[str] = ()) -> Any:
        rank = (_ORDER.index(method), _KINDS.index(kind) if kind in _KINDS else len(_KINDS))
        if method in ("find_by_key", "find", "linked"):  # a sync locates record by record, in the order of the kinds
            rank = (_ORDER.index("find_by_key"), rank[1] * len(_ORDER) + rank[0])
        if rank < self._last:
            self._lap += 1  # it looks again: that belongs after what the others still do for the first time
        self._last = rank
        return self._ask(_Call(method, kind, items, (self._lap, *rank), fields))


def _make(ledger: Ledger, calls: Sequence[_Call]) -> None:
    """Make calls of one rank as one; where that is refused for what one of them asks, halve them until it is alone."""
    try:
        _make_one(ledger, calls)
    except Exception as error:
        if len(calls) > 1 and isinstance(error, PermanentError | StaleVersion):
            half = len(calls) // 2
            _make(ledger, calls[:half])
            _make(ledger, calls[half:])
            return
        for call in calls:
            call.error = error


def _make_one(ledger: Ledger, calls: Sequence[_Call]) -> None:
    kind, method = calls[0].kind, calls[0].method
    if method == "write":
        results = ledger.write([write for call in calls for write in call.items])
        start = 0
        for call in calls:
            call.result = results[start : start + len(call.items)]
            start += len(call.items)
        return
    items = list(dict.fromkeys(item for call in calls for item in call.items))
    if method == "history":
        found: Mapping[Any, Any] = ledger.history(kind, items, sorted({name for call in calls for name in call.fields}))
    else:
        found = getattr(ledger, method)(kind, items)
    for call in calls:
        call.result = {item: found[item] for item in call.items if item in found}
