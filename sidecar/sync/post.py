"""Post: journaled Changes go to the ledger, and only a read-back becomes a Posting.

Every Change that is sent here is in the journal already, so a process that dies in between leaves an intent that the
next run resolves by looking. Records are written in batches, contacts before deals before notes and tasks, because the
later ones are tied to the earlier ones' refs. One bad row leaves its neighbours alone, but what would be tied to it is
not made without it: an association is written with the record. Only the deal of a record that is there is added later.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby

from sidecar.errors import LeaseLost
from sidecar.model import TIE, Change, Link, Mint, Posting, Record, Value
from sidecar.ports import Create, Failed, Ledger, Update, Written
from sidecar.sync.plan import Plan, RecordPlan

DEAL = "deal"
_PHASES = ("company", "contact", DEAL, "meeting", "note", "task")


@dataclass(slots=True)
class Posted:
    """What came of a plan: confirmations, records as read back (with their plans), failures with theirs."""

    postings: list[Posting] = field(default_factory=list)
    written: list[tuple[RecordPlan, Record]] = field(default_factory=list)
    failures: list[tuple[RecordPlan, Exception]] = field(default_factory=list)


def post(
    plan: Plan,
    refs: Mapping[str, str],
    ledger: Ledger,
    mint: Mint,
    *,
    still_ours: Callable[[], bool],
    now: datetime,
) -> Posted:
    """Send a plan's Changes; `refs` are the known refs by record key, `still_ours` is asked before each call.

    What a record is to be tied to goes after its properties, lest a CRM that refuses the tie keep them from it.
    """
    done = Posted()
    known, unknown = dict(refs), set[str]()

    def send(records: Sequence[RecordPlan], done: Posted) -> None:
        size = ledger.capabilities.batch_size
        for start in range(0, len(records), size):
            batch = records[start : start + size]
            if not still_ours():
                raise LeaseLost("the lease on this party's sync was taken over before a write")
            results = ledger.write([_write(r, known, ledger) for r in batch])
            _take(batch, results, known, done, mint, now)

    ordered = sorted(map(_untied, plan.records), key=lambda r: _PHASES.index(r.wanted.kind))
    for _, phase in groupby(ordered, key=lambda r: _PHASES.index(r.wanted.kind)):
        records = []
        for record in phase:
            if record.found is None and unknown.intersection(record.wanted.links):
                unknown.add(record.wanted.key)
            else:
                records.append(record)
        send(records, done)
        unknown.update(failed.wanted.key for failed, _ in done.failures)
    after = Posted()
    send(_ties(plan, done), after)
    done.postings += after.postings
    done.failures += after.failures
    return done


def _untied(record: RecordPlan) -> RecordPlan:
    """Return what is sent of a record at first: its properties, or its tie where it has no other Change."""
    changes = tuple(change for change in record.changes if change.field != TIE)
    return replace(record, changes=changes) if changes else record


def _ties(plan: Plan, done: Posted) -> list[RecordPlan]:
    """Return the ties of the records whose properties were written, each on the record as it stands since then."""
    read = {made.wanted.key: record for made, record in done.written if made.fields()}
    ties = [replace(r, changes=tuple(c for c in r.changes if c.field == TIE)) for r in plan.records if r.tie()]
    return [replace(tie, found=read[tie.wanted.key]) for tie in ties if tie.wanted.key in read]


def links(record: RecordPlan, known: Mapping[str, str]) -> tuple[Link, ...]:
    """Return what a record to be made is associated with, of what is in the CRM."""
    return tuple(Link(_kind(key), known[key]) for key in record.wanted.links if key in known)


def _write(record: RecordPlan, known: Mapping[str, str], ledger: Ledger) -> Create | Update:
    if record.found is None:
        fields = {name: value for name, value in record.fields().items() if value is not None}
        return Create(record.wanted.kind, record.wanted.key, fields, links(record, known))
    version = record.found.version if ledger.capabilities.conditional_write else None
    ties = (Link(DEAL, record.tie()),) if record.tie() else ()
    return Update(record.wanted.kind, record.found.ref, record.fields(), version, ties)


def _kind(key: str) -> str:
    return key.split("-", 1)[0]


def _take(
    batch: Sequence[RecordPlan],
    results: Sequence[Written | Failed],
    known: dict[str, str],
    done: Posted,
    mint: Mint,
    now: datetime,
) -> None:
    for record, result in zip(batch, results, strict=True):
        if isinstance(result, Failed):
            done.failures.append((record, result.error))
            continue
        known[record.wanted.key] = result.record.ref
        done.written.append((record, result.record))
        done.postings += [mint(_posting(change, result.record, now)) for change in record.changes]


def _posting(change: Change, read: Record, now: datetime) -> Posting:
    return Posting(
        because=(change.id,),
        party=change.party,
        change=change.id,
        ledger=change.ledger,
        kind=change.kind,
        key=change.key,
        ref=read.ref,
        engagement=change.engagement,
        field=change.field,
        wrote=change.new,
        value=_stands(change, read),
        evidence_at=change.evidence_at,
        version=read.version or "",
        at=now,
    )


def _stands(change: Change, read: Record) -> Value:
    """Return what a record holds of a Change; of a tie, the deal that it is tied to, whoever tied it."""
    if change.field == TIE:
        return next((link.ref for link in read.links if link.kind == DEAL), None)
    return read.fields.get(change.field)
