"""Collections on the wire: up to two hundred rows a call, each of which comes back as written or with its error.

Salesforce answers 200 whatever became of the rows, in their order. Rows that found a locked record have done nothing
and are sent again, a few times. Where a request is refused as a whole, nothing of it was done, and it is halved until
the bad row stands alone. An answer that doesn't speak of every row says nothing of any: their outcome is unknown. A row
that relies on a reading is a request for one record, since the condition is a header of that: twenty-five of them go in
a composite. Whether such headers count within one is not documented in so many words (2026-11), so before the first
composite one is tried whose condition can't hold; where it counts for nothing each row goes alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from adapters.crms.salesforce.faults import LOCKED, Problem, Refusal, error_of, problems_in
from adapters.crms.salesforce.org import Org
from adapters.crms.salesforce.vendor import BATCH, KEY, Row, chunks, http_date
from sidecar.errors import SidecarError, TemporaryError, UnknownOutcome

LOCK_TRIES = 3
COMPOSITE = 25
"""Most requests within one composite. Source: composite resource, read 2026-11."""
LONG_AGO = "2000-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class Done:
    """A row that was written."""

    ref: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was refused, and with what problems."""

    problems: tuple[Problem, ...]

    @property
    def codes(self) -> frozenset[str]:
        """The codes of its problems."""
        return frozenset(problem.code for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Sent:
    """A row to be written: its object, its record where there is one, its fields, what its reading was."""

    at: int
    object: str
    body: Mapping[str, Any]
    ref: str = ""
    if_version: str | None = None


Outcome: TypeAlias = Done | Refused | SidecarError
Send: TypeAlias = Callable[[Sequence[Sent]], Any]


class Rows:
    """Sends rows to one org."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._composes: bool | None = None

    def make(self, rows: Sequence[Sent], *, by_key: bool) -> dict[int, Outcome]:
        """Make records, all of one object; by an upsert on our key, where nothing else keeps it to one record."""
        return self._in_turn(rows, self._upsert if by_key else self._create)

    def change(self, rows: Sequence[Sent]) -> dict[int, Outcome]:
        """Change records: those that rely on a reading one by one, the others together, each once in a call."""
        outcomes: dict[int, Outcome] = {}
        conditional = [row for row in rows if row.if_version is not None]
        for wave in _waves([row for row in rows if row.if_version is None]):
            outcomes |= self._in_turn(wave, self._update)
        return outcomes | self._conditionally(conditional)

    # ----------------------------------------------------------------------------------------------------------------

    def _conditionally(self, rows: Sequence[Sent]) -> dict[int, Outcome]:
        together = COMPOSITE if len(rows) > 1 and self._conditions_count(rows[0]) else 1
        outcomes: dict[int, Outcome] = {}
        unknown: SidecarError | None = None
        for part in chunks(rows, together):
            if unknown:
                outcomes |= {row.at: _unsent(unknown) for row in part}
                continue
            outcomes |= self._composed(part) if together > 1 else {row.at: self._alone(row) for row in part}
            unknown = next((o for row in part if isinstance(o := outcomes[row.at], UnknownOutcome)), None)
        return outcomes

    def _conditions_count(self, row: Sent) -> bool:
        """Try once whether a condition counts within a composite: one that can't hold, on a write of nothing."""
        if self._composes is None:
            try:
                (status, _), *_ = self._compose([Sent(0, row.object, {}, row.ref, LONG_AGO)])
            except SidecarError:
                return False  # it is tried again with the next rows
            if status in (204, 412):
                self._composes = status == 412
        return bool(self._composes)

    def _composed(self, rows: Sequence[Sent]) -> dict[int, Outcome]:
        try:
            parts = self._compose(rows)
        except SidecarError as error:
            return {row.at: error for row in rows}
        return {row.at: _part_outcome(row, status, body) for row, (status, body) in zip(rows, parts, strict=True)}

    def _compose(self, rows: Sequence[Sent]) -> list[tuple[int, Any]]:
        """Send conditional writes in one call; return what each of them was answered."""
        parts = [
            {
                "method": "PATCH",
                "referenceId": f"r{place}",
                "url": f"{self._org.wire.root}sobjects/{row.object}/{row.ref}",
                "httpHeaders": {
                    "If-Unmodified-Since": http_date(str(row.if_version)),
                    "Sforce-Duplicate-Rule-Header": self._duplicates(),
                },
                "body": dict(row.body),
            }
            for place, row in enumerate(rows)
        ]
        told = self._org.wire.send("write", "POST", "composite", {"allOrNone": False, "compositeRequest": parts})
        answers = told.get("compositeResponse") if isinstance(told, Mapping) else None
        found = [(a.get("httpStatusCode"), a.get("body")) for a in answers or () if isinstance(a, Mapping)]
        if len(found) != len(rows):
            raise UnknownOutcome("Salesforce's answer doesn't tell of every row: they may have been written, or not")
        return [(status if isinstance(status, int) else 500, body) for status, body in found]

    def _in_turn(self, rows: Sequence[Sent], send: Send) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = {}
        for part in chunks(rows, BATCH):
            if any(isinstance(outcome, UnknownOutcome) for outcome in outcomes.values()):
                outcomes |= {row.at: _unsent(None) for row in part}
            else:
                outcomes |= self._patiently(part, send)
        return outcomes

    def _patiently(self, rows: Sequence[Sent], send: Send) -> dict[int, Outcome]:
        outcomes = self._halved(rows, send)
        for _ in range(LOCK_TRIES - 1):
            locked = [row for row in rows if _is_locked(outcomes[row.at])]
            if not locked:
                break
            self._org.wire.pause()
            outcomes |= self._halved(locked, send)
        return outcomes

    def _halved(self, rows: Sequence[Sent], send: Send) -> dict[int, Outcome]:
        try:
            told = send(rows)
        except Refusal as refusal:
            if len(rows) == 1:
                return {rows[0].at: Refused(refusal.problems)}
            middle = len(rows) // 2
            return self._halved(rows[:middle], send) | self._halved(rows[middle:], send)
        except SidecarError as error:
            return {row.at: error for row in rows}
        if not isinstance(told, list) or len(told) != len(rows):
            unclear = UnknownOutcome(
                "Salesforce's answer doesn't speak of every row: they may have been written, or not"
            )
            return {row.at: unclear for row in rows}
        return {row.at: _outcome(said) for row, said in zip(rows, told, strict=True)}

    def _upsert(self, rows: Sequence[Sent]) -> Any:
        path = f"composite/sobjects/{rows[0].object}/{KEY}"
        return self._sent("PATCH", path, [_record(row) for row in rows])

    def _create(self, rows: Sequence[Sent]) -> Any:
        return self._sent("POST", "composite/sobjects", [_record(row) for row in rows])

    def _update(self, rows: Sequence[Sent]) -> Any:
        return self._sent("PATCH", "composite/sobjects", [{**_record(row), "id": row.ref} for row in rows])

    def _sent(self, method: str, path: str, records: list[Row]) -> Any:
        body = {"allOrNone": False, "records": records}
        return self._org.wire.send("write", method, path, body, Sforce_Duplicate_Rule_Header=self._duplicates())

    def _alone(self, row: Sent) -> Outcome:
        path = f"sobjects/{row.object}/{row.ref}"
        since = http_date(str(row.if_version))
        try:
            self._org.wire.send(
                "write",
                "PATCH",
                path,
                dict(row.body),
                If_Unmodified_Since=since,
                Sforce_Duplicate_Rule_Header=self._duplicates(),
            )
        except Refusal as refusal:
            return Refused(refusal.problems)
        except SidecarError as error:
            return error
        return Done(row.ref)

    def _duplicates(self) -> str:
        allow = "true" if self._org.options.allow_duplicates else "false"
        return f"allowSave={allow}; includeRecordDetails=false; runAsCurrentUser=true"


def _record(row: Sent) -> Row:
    return {"attributes": {"type": row.object}, **row.body}


def _outcome(said: Any) -> Outcome:
    if isinstance(said, Mapping) and said.get("success") is True and isinstance(said.get("id"), str):
        return Done(said["id"])
    if isinstance(said, Mapping) and said.get("success") is False:
        return Refused(problems_in(said.get("errors")))
    return UnknownOutcome("Salesforce's answer doesn't say what became of a row: it may have been written, or not")


def _part_outcome(row: Sent, status: int, body: Any) -> Outcome:
    if 200 <= status < 300:
        return Done(row.ref)
    error = error_of(status, body, "write", effect=True)
    if isinstance(error, Refusal):
        return Refused(error.problems)
    return error if isinstance(error, SidecarError) else UnknownOutcome(f"Salesforce answered {status} to a row")


def _is_locked(outcome: Outcome) -> bool:
    return isinstance(outcome, Refused) and bool(outcome.codes & LOCKED)


def _waves(rows: Sequence[Sent]) -> Iterator[list[Sent]]:
    """Part rows so that no record is in one call twice, which refuses them all; the order for each record stays."""
    left = list(rows)
    while left:
        wave = {row.ref: row for row in reversed(left)}
        mine = [row for row in left if wave[row.ref] is row]
        yield mine
        left = [row for row in left if wave[row.ref] is not row]


def _unsent(because: SidecarError | None) -> SidecarError:
    about = f" ({type(because).__name__})" if because else ""
    return TemporaryError(f"not sent, because the outcome of an earlier row is unknown{about}")
