"""Associations that are added to records which are there: asked for first, so that what people tied stays as it is.

A record that is associated with one of a kind already gets no second one. What is missing is made a batch at a time,
without a label; to make it twice makes it once. Where HubSpot refuses a batch as a whole, it is halved until the bad
pair stands alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.crms.hubspot.faults import Refusal
from adapters.crms.hubspot.portal import Portal
from adapters.crms.hubspot.records import Records
from adapters.crms.hubspot.rows import MAX_CALLS, Outcome, Row
from adapters.crms.hubspot.shapes import Pairs, texts_in
from adapters.crms.hubspot.vendor import BATCH, chunks
from sidecar.errors import SidecarError, UnknownOutcome
from sidecar.model import Link
from sidecar.ports import Update

Pair = tuple[str, str]
"""The ref of a record, and of the one that it is to be tied to."""


@dataclass(slots=True)
class Tied:
    """What came of it, by the rows' places: what each record is tied to now, and what couldn't be done."""

    links: dict[int, tuple[Link, ...]] = field(default_factory=dict)
    failed: dict[int, Outcome] = field(default_factory=dict)


class Ties:
    """Adds associations in one account."""

    def __init__(self, portal: Portal, records: Records) -> None:
        self._portal, self._records = portal, records

    def add(self, kind: str, rows: Sequence[Row]) -> Tied:
        """Tie the records of updates to what these name, where they are tied to none of its kind."""
        tied = Tied()
        for other in dict.fromkeys(link.kind for row in rows for link, _ in row.links):
            pairs = {
                row.at: (row.write.ref, link.ref)
                for row in rows
                for link, _ in row.links
                if link.kind == other and isinstance(row.write, Update)
            }
            try:
                there = self._records.ends(kind, other, list(dict.fromkeys(ref for ref, _ in pairs.values())))
                failed = self._make(kind, other, {at: pair for at, pair in pairs.items() if pair[0] not in there})
            except SidecarError as error:
                there, failed = {}, dict.fromkeys(pairs, error)
            tied.failed |= failed
            for at, (ref, to) in pairs.items():
                ends = there.get(ref) or [to]
                tied.links[at] = (*tied.links.get(at, ()), *(Link(other, end) for end in ends))
        return tied

    def _make(self, kind: str, other: str, pairs: Mapping[int, Pair]) -> dict[int, Outcome]:
        """Make associations; return what became of those that weren't made."""
        failed: dict[int, Outcome] = {}
        waiting, calls = [list(part) for part in chunks(list(pairs), BATCH)], 0
        while waiting:
            part = waiting.pop()
            calls += 1
            try:
                answer = self._sent(kind, other, [pairs[at] for at in part])
            except Refusal as refusal:
                if len(part) == 1 or calls + len(waiting) + 2 > MAX_CALLS:
                    problem = refusal.problem.model_copy(update={"status": str(refusal.status)})
                    failed |= dict.fromkeys(part, problem)
                else:
                    half = len(part) // 2
                    waiting += [part[half:], part[:half]]
                continue
            except SidecarError as error:
                return failed | dict.fromkeys([*part, *(at for others in waiting for at in others)], error)
            made = {frozenset((pair.start.id, pair.end.id)) for pair in answer.results}
            failed |= {at: _problem(answer, pairs[at]) for at in part if frozenset(pairs[at]) not in made}
        return failed

    def _sent(self, kind: str, other: str, pairs: Sequence[Pair]) -> Pairs:
        inputs = [{"from": {"id": ref}, "to": {"id": to}} for ref, to in pairs]
        return self._portal.wire.change(
            Pairs, "associate", "POST", self._portal.paths.ties(kind, other), {"inputs": inputs}
        )


def _problem(answer: Pairs, pair: Pair) -> Outcome:
    """Return what an answer says of a pair that it doesn't tell as made."""
    about = (problem for problem in answer.errors or () if set(pair) <= set(texts_in(problem.context)))
    return next(about, UnknownOutcome("HubSpot's answer leaves an association out"))
