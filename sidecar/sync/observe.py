"""What the CRM holds, against what we posted: whose is each value?

Pure. A property is ours while it holds our last posted value, a value of our own unconfirmed Change, or nothing where
we never posted. Everything else is somebody's hold: a person's, an automation's, or the past's. The CRM's own history
names the author where there is one; without it a hold is respected all the same, and never counted as a correction.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sidecar.model import (
    Author,
    AuthorKind,
    Correction,
    Edit,
    FieldClass,
    FieldSync,
    Gone,
    Hold,
    Mint,
    Posting,
    Reading,
    Record,
    RecordSync,
    Route,
    Value,
)
from sidecar.sync.desired import DesiredRecord


@dataclass(frozen=True, slots=True)
class Observed:
    """What one record's reading says: the Reading (worth keeping or not), confirmations, corrections."""

    reading: Reading
    postings: tuple[Posting, ...]
    corrections: tuple[Correction, ...]
    notable: bool


def same(a: Value, b: Value) -> bool:
    """Compare two values as a CRM would show them: numbers by value, texts without outer space, nothing as nothing."""
    if a in (None, "") or b in (None, ""):
        return a in (None, "") and b in (None, "")
    if isinstance(a, bool) or isinstance(b, bool):
        return str(a).casefold() == str(b).casefold()
    if isinstance(a, int | float) or isinstance(b, int | float):
        try:
            return float(a) == float(b)
        except ValueError:
            return False
    return a.replace("\r\n", "\n").strip() == b.replace("\r\n", "\n").strip()


def ours(sync: FieldSync, current: Value) -> bool:
    """Say whether what stands in the CRM is our own value, or nothing where we never posted."""
    if sync.was_posted and same(current, sync.posted):
        return True
    if any(same(current, value) for value in sync.pending.values()):
        return True
    return not sync.was_posted and same(current, None)


def restoring(sync: FieldSync) -> str | None:
    """Return the pending Change that puts a person's value back, where there is one."""
    if sync.hold is None:
        return None
    value = sync.hold.value
    return next((change for change, new in sync.pending.items() if same(new, value)), None)


def observe(
    found: Record | Gone,
    sync: RecordSync,
    wanted: DesiredRecord,
    edits: Sequence[Edit],
    route: Route,
    mint: Mint,
    *,
    ledger: str,
    party: str,
    because: tuple[str, ...],
    linked_by: str,
    now: datetime,
) -> Observed:
    """Return what a record's reading says about each property that we wrote or would like to write."""
    if isinstance(found, Gone):
        return _gone(found, sync, wanted, mint, ledger, party, because, now)
    holds, freed, confirmed, corrected = _whose(found, sync, wanted, edits, route, now)
    follows = max((f.change for f in sync.fields.values() if f.change), default="") or sync.reading
    reading = mint(
        Reading(
            because=because,
            party=party,
            ledger=ledger,
            kind=found.kind,
            key=wanted.key,
            ref=found.ref,
            engagement=wanted.engagement,
            version=found.version or "",
            values_sha256=_digest(found, wanted),
            values={name: found.fields.get(name) for name in _properties(sync, wanted)},
            edits=tuple(e for e in edits if e.field in holds),
            holds=holds,
            freed=freed,
            linked_by=linked_by,
            follows=follows,
            at=now,
        )
    )
    postings = tuple(mint(_posting(reading, sync, change, name, found)) for name, change in confirmed.items())
    corrections = tuple(mint(_correction(reading, sync.fields[name], name, holds[name])) for name in corrected)
    return Observed(reading, postings, corrections, bool(linked_by or holds or freed or postings))


def _gone(
    found: Gone,
    sync: RecordSync,
    wanted: DesiredRecord,
    mint: Mint,
    ledger: str,
    party: str,
    because: tuple[str, ...],
    now: datetime,
) -> Observed:
    """A merged record moves; a deleted task drops its step, because a person's deletion is their word."""
    holds = {}
    step = wanted.names.get("status", "")
    if step and not found.moved_to:
        holds["status"] = Hold(author=Author(AuthorKind.UNKNOWN), value=None, at=now, name=step, means="dropped")
    reading = Reading(
        because=because,
        party=party,
        ledger=ledger,
        kind=found.kind,
        key=wanted.key,
        ref=found.ref,
        engagement=wanted.engagement,
        values_sha256="gone",
        holds=holds,
        gone=True,
        moved_to=found.moved_to,
        follows=sync.reading,
        at=now,
    )
    return Observed(mint(reading), (), (), not sync.gone)


def _properties(sync: RecordSync, wanted: DesiredRecord) -> list[str]:
    return sorted({*sync.fields, *wanted.fields, *wanted.names})


def _digest(found: Record, wanted: DesiredRecord) -> str:
    values = {name: found.fields.get(name) for name in sorted({*wanted.fields, *wanted.names})}
    return sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def _whose(
    found: Record, sync: RecordSync, wanted: DesiredRecord, edits: Sequence[Edit], route: Route, now: datetime
) -> tuple[dict[str, Hold], tuple[str, ...], dict[str, str], list[str]]:
    holds: dict[str, Hold] = {}
    freed: list[str] = []
    confirmed: dict[str, str] = {}
    corrected: list[str] = []
    for name in _properties(sync, wanted):
        current, held = found.fields.get(name), sync.fields.get(name, FieldSync())
        change = next((c for c, value in reversed([*held.pending.items()]) if same(current, value)), None)
        if change:
            confirmed[name] = change
        if ours(held, current):
            if held.hold and not change and not restoring(held):
                freed.append(name)
            continue
        hold = _hold(name, current, held, wanted, edits, found, route, now)
        if hold.author.kind is AuthorKind.US or _known(held.hold, hold):
            continue
        holds[name] = hold
        if held.was_posted and hold.author.kind is AuthorKind.PERSON:
            corrected.append(name)
    return holds, tuple(freed), confirmed, corrected


def _known(before: Hold | None, now: Hold) -> bool:
    return before is not None and same(before.value, now.value) and before.author.kind is now.author.kind


def _hold(
    name: str,
    current: Value,
    held: FieldSync,
    wanted: DesiredRecord,
    edits: Sequence[Edit],
    found: Record,
    route: Route,
    now: datetime,
) -> Hold:
    own = [e for e in edits if e.field == name]
    last = own[-1] if own and same(own[-1].value, current) else None
    meaning = _meaning(name, wanted)
    return Hold(
        author=last.author if last else Author(AuthorKind.UNKNOWN),
        value=current,
        at=last.at if last else found.updated_at or now,
        first=not held.was_posted,
        name=meaning,
        means=_in_our_words(meaning, name, current, route),
    )


def _meaning(name: str, wanted: DesiredRecord) -> str:
    """The field of ours that a property stands for; none for identity, whose holds are no baseline."""
    field = wanted.fields.get(name)
    if field:
        return "" if field.cls is FieldClass.IDENTITY else field.name
    return wanted.names.get(name, "")


def _in_our_words(meaning: str, name: str, value: Value, route: Route) -> Value:
    if meaning == "stage" and name == "stage":
        return next((ours_ for ours_, theirs in route.stages.items() if same(theirs, value)), value)
    return value


def _posting(reading: Reading, sync: RecordSync, change: str, name: str, found: Record) -> Posting:
    return Posting(
        because=(change, reading.id),
        party=reading.party,
        change=change,
        ledger=reading.ledger,
        kind=reading.kind,
        key=reading.key,
        ref=reading.ref,
        engagement=reading.engagement,
        field=name,
        wrote=sync.fields[name].pending[change],
        value=found.fields.get(name),
        version=found.version or "",
        at=reading.at,
    )


def _correction(reading: Reading, held: FieldSync, name: str, hold: Hold) -> Correction:
    return Correction(
        because=(reading.id, held.change) if held.change else (reading.id,),
        party=reading.party,
        reading=reading.id,
        ledger=reading.ledger,
        kind=reading.kind,
        ref=reading.ref,
        engagement=reading.engagement,
        field=name,
        ours=held.posted,
        theirs=hold.value,
        author=hold.author,
        at=hold.at,
    )
