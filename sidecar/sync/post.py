"""Post: journaled Changes go to the ledger, and only a read-back becomes a Posting.

Every Change that is sent here is in the journal already, so a process that dies in between leaves an intent that the
next run resolves by looking. Records are written in batches, contacts before deals before notes and tasks, because the
later ones are tied to the earlier ones' refs. One bad row leaves its neighbours alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from sidecar.errors import LeaseLost
from sidecar.model import Author, AuthorKind, Edit, Hold, Link, Mint, Posting, Record, Value
from sidecar.ports import Create, Failed, Ledger, Update, Written
from sidecar.sync.observe import same
from sidecar.sync.plan import Plan, RecordPlan

_PHASES = ("company", "contact", "deal", "meeting", "note", "task")


@dataclass(frozen=True, slots=True)
class Overrun:
    """A person's edit that lay between our read and our write, on a CRM without conditional writes: to be restored."""

    plan: RecordPlan
    record: Record
    holds: Mapping[str, Hold]


@dataclass(slots=True)
class Posted:
    """What came of a plan: confirmations, failures by record key, and edits that we ran over."""

    postings: list[Posting] = field(default_factory=list)
    failures: dict[str, Exception] = field(default_factory=dict)
    overruns: list[Overrun] = field(default_factory=list)


def post(
    plan: Plan,
    refs: Mapping[str, str],
    ledger: Ledger,
    mint: Mint,
    *,
    account: str,
    party: str,
    still_ours: Callable[[], bool],
    now: datetime,
) -> Posted:
    """Send a plan's Changes; `refs` are the known refs by record key, `still_ours` is asked before each call."""
    done = Posted()
    known = dict(refs)
    ordered = sorted(plan.records, key=lambda r: _PHASES.index(r.wanted.kind))
    for _, phase in groupby(ordered, key=lambda r: _PHASES.index(r.wanted.kind)):
        records = list(phase)
        size = ledger.capabilities.batch_size
        for start in range(0, len(records), size):
            batch = records[start : start + size]
            if not still_ours():
                raise LeaseLost("the lease on this party's sync was taken over before a write")
            results = ledger.write([_write(r, known, ledger) for r in batch])
            _take(batch, results, known, done, mint, account, party, now)
            if ledger.capabilities.history and not ledger.capabilities.conditional_write:
                done.overruns += _overrun(batch, results, ledger)
    return done


def _write(record: RecordPlan, known: Mapping[str, str], ledger: Ledger) -> Create | Update:
    if record.found is None:
        links = tuple(Link(_kind(key), known[key]) for key in record.wanted.links if key in known)
        fields = {name: value for name, value in record.fields().items() if value is not None}
        return Create(record.wanted.kind, record.wanted.key, fields, links)
    version = record.found.version if ledger.capabilities.conditional_write else None
    return Update(record.wanted.kind, record.found.ref, record.fields(), version)


def _kind(key: str) -> str:
    return key.split("-", 1)[0]


def _take(
    batch: Sequence[RecordPlan],
    results: Sequence[Written | Failed],
    known: dict[str, str],
    done: Posted,
    mint: Mint,
    account: str,
    party: str,
    now: datetime,
) -> None:
    for record, result in zip(batch, results, strict=True):
        if isinstance(result, Failed):
            done.failures[record.wanted.key] = result.error
            continue
        known[record.wanted.key] = result.record.ref
        done.postings += [
            mint(_posting(record, name, change, value, result.record, account, party, now))
            for name, (change, value) in record.sent().items()
        ]


def _posting(
    record: RecordPlan, name: str, change: str, value: Value, read: Record, account: str, party: str, now: datetime
) -> Posting:
    return Posting(
        because=(change,),
        party=party,
        change=change,
        ledger=account,
        kind=read.kind,
        key=record.wanted.key,
        ref=read.ref,
        engagement=record.wanted.engagement,
        field=name,
        wrote=value,
        value=read.fields.get(name),
        evidence_at=record.wanted.fields[name].evidence_at,
        version=read.version or "",
        at=now,
    )


def _overrun(batch: Sequence[RecordPlan], results: Sequence[Written | Failed], ledger: Ledger) -> list[Overrun]:
    """Read the history of what was just written: did somebody write between our read and our write?"""
    updated = [
        (plan, result.record)
        for plan, result in zip(batch, results, strict=True)
        if isinstance(result, Written) and plan.found is not None
    ]
    overruns = []
    for kind, of_kind in groupby(updated, key=lambda pair: pair[1].kind):
        pairs = list(of_kind)
        names = sorted({name for plan, _ in pairs for name in plan.fields()})
        histories = ledger.history(kind, [record.ref for _, record in pairs], names)
        for plan, record in pairs:
            holds = {
                name: hold
                for name in plan.fields()
                if (hold := _between(plan, name, [e for e in histories.get(record.ref, ()) if e.field == name]))
            }
            if holds:
                overruns.append(Overrun(plan, record, holds))
    return overruns


def _between(plan: RecordPlan, name: str, edits: Sequence[Edit]) -> Hold | None:
    ours = next((i for i in range(len(edits) - 1, -1, -1) if edits[i].author.kind is AuthorKind.US), None)
    if not ours:
        return None
    last = edits[ours - 1]
    before = plan.found.fields.get(name) if plan.found else None
    if last.author.kind is AuthorKind.US or same(last.value, before) or same(last.value, plan.fields()[name]):
        return None
    field_ = plan.wanted.fields[name]
    return Hold(
        author=Author(last.author.kind, last.author.ref, last.author.name),
        value=last.value,
        at=last.at,
        name=field_.name,
    )
