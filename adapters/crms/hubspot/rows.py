"""Batches of writes on the wire: each row has a trace of its own, and comes back as done or with its error.

A batch whose rows carry traces fails row by row; HubSpot answers that with 207, or with 200 and errors in the body, and
in no promised order. Where it still refuses a batch as a whole, nothing of it was done, and it is halved until the bad
row stands alone. A row that an answer doesn't speak of may have been written: its outcome is unknown.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.crms.hubspot.faults import Refusal
from adapters.crms.hubspot.portal import Portal
from adapters.crms.hubspot.shapes import Problem, Thing, Things
from adapters.crms.hubspot.vendor import BATCH, chunks
from sidecar.errors import SidecarError, TemporaryError, UnknownOutcome
from sidecar.model import Link
from sidecar.ports import Create, Update

MAX_CALLS = 40
"""Calls that the halving of one batch may take."""


@dataclass(frozen=True, slots=True)
class Row:
    """One write as it is sent: its place among the writes, the vendor's properties, what it is tied to."""

    at: int
    write: Create | Update
    properties: Mapping[str, str] = field(repr=False)
    links: tuple[tuple[Link, int], ...] = ()

    @property
    def trace(self) -> str:
        """What tells this row from the others of its batch."""
        return f"row-{self.at}"

    def body(self) -> dict[str, Any]:
        """Return the row as the API takes it."""
        given: dict[str, Any] = {"properties": dict(self.properties), "objectWriteTraceId": self.trace}
        if isinstance(self.write, Update):
            return {**given, "id": self.write.ref}
        ties = [
            {
                "to": {"id": link.ref},
                "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}],
            }
            for link, type_id in self.links
        ]
        return {**given, "associations": ties}


Outcome = Thing | Problem | SidecarError
"""What became of a row: the record that the answer shows, HubSpot's error about it, or ours about the call."""


class Rows:
    """Sends rows of one kind and verb."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def send(self, kind: str, verb: str, rows: Sequence[Row]) -> dict[int, Outcome]:
        """Send rows, a batch at a time; `verb` is create or update. What follows a failed call is not sent."""
        outcomes: dict[int, Outcome] = {}
        failed: SidecarError | None = None
        for part in _batches(rows):
            if failed is None:
                sent = self._halved(kind, verb, part)
                outcomes |= sent
                failed = next((o for o in sent.values() if isinstance(o, SidecarError)), None)
            else:
                outcomes |= {row.at: _unsent(failed) for row in part}
        return outcomes

    def _halved(self, kind: str, verb: str, rows: Sequence[Row]) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = {}
        waiting, calls = [list(rows)], 0
        while waiting:
            part = waiting.pop()
            calls += 1
            try:
                outcomes |= self._batch(kind, verb, part)
            except Refusal as refusal:
                if len(part) == 1 or calls + len(waiting) + 2 > MAX_CALLS:
                    outcomes |= {row.at: _about(refusal) for row in part}
                else:
                    half = len(part) // 2
                    waiting += [part[half:], part[:half]]
            except SidecarError as error:
                outcomes |= {row.at: error for row in part}
                outcomes |= {row.at: _unsent(error) for others in waiting for row in others}
                return outcomes
        return outcomes

    def _batch(self, kind: str, verb: str, rows: Sequence[Row]) -> dict[int, Outcome]:
        path = self._portal.paths.objects(kind, "batch", verb)
        inputs = [row.body() for row in rows]
        answer = self._portal.wire.change(Things, f"batch_{verb}", "POST", path, {"inputs": inputs})
        by_trace = {row.trace: row for row in rows}
        outcomes: dict[int, Outcome] = {}
        for problem in answer.errors or ():
            for trace in problem.traces():
                if trace in by_trace:
                    outcomes[by_trace[trace].at] = problem
        for thing in answer.results:
            row = by_trace.get(thing.trace or "") or _recognised(thing, rows, outcomes)
            if row is not None:
                outcomes[row.at] = thing
        lost = UnknownOutcome(f"HubSpot's answer to batch_{verb} leaves this row out")
        return {row.at: outcomes.get(row.at, lost) for row in rows}


def _batches(rows: Sequence[Row]) -> list[Sequence[Row]]:
    """Part rows into batches in which no record occurs twice, which HubSpot would refuse."""
    turns: list[list[Row]] = []
    count: Counter[str] = Counter()
    for row in rows:
        turn = 0
        if isinstance(row.write, Update):
            turn = count[row.write.ref]
            count[row.write.ref] += 1
        while len(turns) <= turn:
            turns.append([])
        turns[turn].append(row)
    return [part for turn in turns for part in chunks(turn, BATCH)]


def _recognised(thing: Thing, rows: Sequence[Row], known: Mapping[int, Outcome]) -> Row | None:
    """Find the row of a result that came without its trace: by its ref, or by its key."""
    for row in rows:
        if isinstance(row.write, Update) and row.write.ref == thing.id:
            return row
    held = set(thing.properties.values())
    keyed = [row for row in rows if row.at not in known and isinstance(row.write, Create) and row.write.key in held]
    return keyed[0] if len(keyed) == 1 else None


def _about(refusal: Refusal) -> Problem:
    return refusal.problem.model_copy(update={"status": str(refusal.status)})


def _unsent(error: SidecarError) -> SidecarError:
    """Return what to say of a row that was not sent because a call before it failed."""
    if type(error) is UnknownOutcome:
        return TemporaryError("not sent, because the outcome of an earlier batch is unknown")
    return error
