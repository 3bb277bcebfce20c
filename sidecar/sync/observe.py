"""What a look at one CRM record says: a Reading with its holds, confirmations of our own writes, corrections.

Pure. Whose a value is was judged by `whose`; here it is put into facts. A Reading is worth keeping when it says
something new, or when a Change relies on it; each names the one before it, so that the same values seen again later are
another fact.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sidecar.model import (
    Author,
    AuthorKind,
    Correction,
    Edit,
    FieldSync,
    Gone,
    Hold,
    Mint,
    Policy,
    Posting,
    Reading,
    Record,
    RecordSync,
    Route,
    Value,
)
from sidecar.sync.desired import DesiredRecord
from sidecar.sync.whose import Whose, properties, whose


@dataclass(frozen=True, slots=True)
class Observed:
    """What one record's reading says: the Reading (worth keeping or not), confirmations, corrections."""

    reading: Reading
    postings: tuple[Posting, ...]
    corrections: tuple[Correction, ...]
    notable: bool


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """From where a record is looked at: the CRM account, for which party and route, why, when."""

    ledger: str
    party: str
    route: Route
    because: tuple[str, ...]
    now: datetime


def observe(
    found: Record | Gone,
    sync: RecordSync,
    wanted: DesiredRecord,
    edits: Sequence[Edit],
    view: Viewpoint,
    policy: Policy,
    mint: Mint,
    *,
    linked_by: str = "",
    is_moved: bool = False,
) -> Observed:
    """Return what a record's reading says about each property that we wrote or would like to write.

    Of a record that `is_moved` the one that we wrote to has just become it.
    """
    if isinstance(found, Gone):
        return _gone(found, sync, wanted, view, mint)
    judged = whose(found, sync, wanted, edits, view.route, policy.stages, view.now, is_moved=is_moved)
    reading = mint(_reading(found, sync, wanted, edits, judged, view, linked_by))
    postings = tuple(
        mint(_posting(reading, sync, name, change, value)) for name, (change, value) in judged.confirmed.items()
    )
    sent = {name: change for name, (change, _) in judged.confirmed.items()}
    corrections = tuple(
        mint(_correction(reading, sync.fields.get(name, FieldSync()), name, value, judged.holds[name], sent.get(name)))
        for name, value in judged.corrected.items()
    )
    return Observed(reading, postings, corrections, bool(linked_by or judged.holds or judged.freed or postings))


def absent(sync: RecordSync, wanted: DesiredRecord, view: Viewpoint, mint: Mint) -> Reading:
    """Return the Reading that a record, which we may have made, was looked for and is not there."""
    return mint(
        Reading(
            because=view.because,
            party=view.party,
            ledger=view.ledger,
            kind=wanted.kind,
            key=wanted.key,
            ref="",
            engagement=wanted.engagement,
            values_sha256="absent",
            follows=sync.reading or wanted.key,
            at=view.now,
        )
    )


def _gone(found: Gone, sync: RecordSync, wanted: DesiredRecord, view: Viewpoint, mint: Mint) -> Observed:
    """A merged record moves; a deleted task drops its step, because a person's deletion is their word."""
    holds: Mapping[str, Hold] = {}
    step = wanted.names.get("status", "")
    if step and not found.moved_to:
        author = Author(AuthorKind.UNKNOWN)
        holds = {"status": Hold(author=author, value=None, at=view.now, name=step, means="dropped")}
    reading = Reading(
        because=view.because,
        party=view.party,
        ledger=view.ledger,
        kind=found.kind,
        key=wanted.key,
        ref=found.ref,
        engagement=wanted.engagement,
        values_sha256="gone",
        holds=holds,
        gone=True,
        moved_to=found.moved_to,
        follows=sync.reading,
        at=view.now,
    )
    return Observed(mint(reading), (), (), not sync.gone)


def _reading(
    found: Record,
    sync: RecordSync,
    wanted: DesiredRecord,
    edits: Sequence[Edit],
    judged: Whose,
    view: Viewpoint,
    linked_by: str,
) -> Reading:
    values = {name: found.fields.get(name) for name in properties(sync, wanted)}
    return Reading(
        because=view.because,
        party=view.party,
        ledger=view.ledger,
        kind=found.kind,
        key=wanted.key,
        ref=found.ref,
        engagement=wanted.engagement,
        version=found.version or "",
        values_sha256=_digest(values),
        values=values,
        edits=tuple(e for e in edits if e.field in judged.holds or e.field in judged.freed),
        holds=judged.holds,
        freed=judged.freed,
        linked_by=linked_by,
        follows=sync.reading,
        at=view.now,
    )


def _digest(values: Mapping[str, Value]) -> str:
    return sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def _posting(reading: Reading, sync: RecordSync, name: str, change: str, value: Value) -> Posting:
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
        value=value,
        version=reading.version,
        at=reading.at,
    )


def _correction(
    reading: Reading, held: FieldSync, name: str, value: Value, hold: Hold, confirmed: str | None
) -> Correction:
    change = held.change if hold.overrun else confirmed or held.change
    return Correction(
        because=(reading.id, change) if change else (reading.id,),
        party=reading.party,
        reading=reading.id,
        ledger=reading.ledger,
        kind=reading.kind,
        ref=reading.ref,
        engagement=reading.engagement,
        field=name,
        ours=value,
        theirs=hold.value,
        author=hold.author,
        at=hold.at,
    )
