"""Associations that are added to records which are there: asked for first, so that what people tied stays as it is.

A record that is associated with one of a kind already gets no second one. What is missing is made a batch at a time,
without a label; to make it twice makes it once. Where HubSpot refuses a batch as a whole, each pair goes alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.crms.hubspot.faults import Refusal
from adapters.crms.hubspot.portal import Portal
from adapters.crms.hubspot.records import Records
from adapters.crms.hubspot.rows import Outcome, Row
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
        for part in chunks(list(pairs), BATCH):
            inputs = [{"from": {"id": pairs[at][0]}, "to": {"id": pairs[at][1]}} for at in part]
            path = self._portal.paths.ties(kind, other)
            try:
                answer = self._portal.wire.change(Pairs, "associate", "POST", path, {"inputs": inputs})
            except Refusal as refusal:
                if len(part) == 1:
                    failed[part[0]] = refusal.problem.model_copy(update={"status": str(refusal.status)})
                for at in part if len(part) > 1 else ():
                    failed |= self._make(kind, other, {at: pairs[at]})
                continue
            made = {frozenset((pair.start.id, pair.end.id)) for pair in answer.results}
            failed |= {at: _problem(answer, pairs[at]) for at in part if frozenset(pairs[at]) not in made}
        return failed


def _problem(answer: Pairs, pair: Pair) -> Outcome:
    """Return what an answer says of a pair that it doesn't tell as made."""
    about = (problem for problem in answer.errors or () if set(pair) <= set(texts_in(problem.context)))
    return next(about, UnknownOutcome("HubSpot's answer leaves an association out"))
