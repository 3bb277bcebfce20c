"""How what the CRM holds, and what we wrote there, adds up: readings, changes, postings, pins. One pure step per fact.

Whose a value is was said by its Reading; here it is only written down, and taken over as the baseline where it is state
or observation. It may not ask the CRM anything, and knows no property by name.
"""

from dataclasses import replace

from sidecar.model.facts import Change, Decision, Hold, Posting, Reading, Release
from sidecar.model.standing import TIE, Engagement, FieldStanding, FieldSync, RecordSync, Standing

BASELINE = "baseline"
"""The engine of embedded rules, whose values yield to a model's and to a person's."""
KEPT_PENDING = 16
OTHERS = ("person", "past")
"""Engines of a FieldStanding that are not ours: a person's edit, and what stood in the CRM before us."""


def read(standing: Standing, reading: Reading) -> Standing:
    """Take in whose each value of a record is, and what of it is to be believed from now on."""
    held = standing.records.get(reading.key) or RecordSync(reading.kind, reading.key, engagement=reading.engagement)
    fields = dict(held.fields)
    for name, edit in reading.freed.items():
        fields[name] = replace(fields.get(name, FieldSync()), hold=None, freed_at=edit.at)
    for name, hold in reading.holds.items():
        fields[name] = replace(fields.get(name, FieldSync()), hold=hold)
    record = replace(
        held,
        ref=reading.moved_to or reading.ref or held.ref,
        reading=reading.id,
        read_at=reading.at,
        gone=reading.gone and not reading.moved_to,
        fields=fields,
    )
    standing = replace(standing, records={**standing.records, reading.key: record})
    for hold in (*reading.holds.values(), *reading.freed.values()):
        standing = _baseline(standing, reading, hold)
    return standing


def _baseline(standing: Standing, reading: Reading, hold: Hold) -> Standing:
    """What a person (or the past) left in a state or observation is believed from then on, until newer evidence."""
    if not hold.name:
        return standing
    number = reading.engagement or standing.engagement.number
    engagement = next((e for e in standing.engagements if e.number == number), None)
    if engagement is None:
        return standing
    held, waiting = engagement.fields.get(hold.name), engagement.suggestions.get(hold.name)
    if held is not None and held.engine in OTHERS and held.evidence_at > hold.at:
        return standing
    is_old_news = held is not None and _is_newer(held, hold)
    if held is not None and is_old_news and _stands(held, hold):
        return standing
    read_again = is_old_news or (hold.name == "stage" and waiting is not None and waiting.at > hold.at)
    taken = _taken_over(engagement, hold, reading.id)
    engagements = tuple(taken if e.number == number else e for e in standing.engagements)
    # What a person put right may not be all that was wrong: the next news is read with the whole history.
    is_corrected = held is not None and held.engine not in OTHERS and held.value != hold.means
    at_whole = min(standing.activities_at_whole, 1) if is_corrected else standing.activities_at_whole
    return replace(
        standing,
        engagements=engagements,
        needs_whole=standing.needs_whole or read_again,
        activities_at_whole=at_whole,
    )


def _is_newer(held: FieldStanding, hold: Hold) -> bool:
    """Say whether evidence newer than somebody's edit had been read before we saw the edit."""
    is_evidence = held.engine not in OTHERS and (hold.name != "stage" or bool(held.activities))
    return is_evidence and held.evidence_at > hold.at


def _stands(held: FieldStanding, hold: Hold) -> bool:
    """Say whether what newer evidence moved, before we saw somebody's edit, may stay as it is.

    What rules read never overrules a person. A stage must be judged anew from where a person left it, step by step,
    by reading the history again; from where the past left it, one look at the allowed moves will do.
    """
    if held.engine == BASELINE:
        return False
    return hold.name != "stage" or (hold.first and (held.value == hold.means or held.value in hold.to))


def _taken_over(engagement: Engagement, hold: Hold, reading: str) -> Engagement:
    if hold.name.startswith("step:"):
        step_id = hold.name.removeprefix("step:")
        status = str(hold.means or "dropped")
        return replace(
            engagement, steps=tuple(replace(s, status=status) if s.id == step_id else s for s in engagement.steps)
        )
    engine = "past" if hold.first else "person"
    value = FieldStanding(hold.means, reading, engine, 1.0, hold.at)
    suggestions = {name: s for name, s in engagement.suggestions.items() if name != hold.name or s.at > hold.at}
    engagement = replace(engagement, fields={**engagement.fields, hold.name: value}, suggestions=suggestions)
    if hold.name != "stage":
        return engagement
    reached = engagement.reached if hold.ends else str(hold.means or engagement.reached)
    return replace(engagement, closed_at=hold.at if hold.ends else None, reached=reached)


def intended(standing: Standing, change: Change) -> Standing:
    """Note a write of ours whose outcome is not known yet; a tie is sent until it is confirmed, which adds no other."""
    if change.field == TIE:
        return standing
    record = standing.records.get(change.key) or RecordSync(change.kind, change.key, change.ref, change.engagement)
    field = record.fields.get(change.field, FieldSync())
    others = {held: value for held, value in field.pending.items() if value != change.new}
    field = replace(field, pending=dict([*others.items(), (change.id, change.new)][-KEPT_PENDING:]))
    made_at = record.made_at or (change.at if change.ref is None else None)
    record = replace(record, made_at=made_at, sent_at=change.at, fields={**record.fields, change.field: field})
    return replace(standing, records={**standing.records, change.key: record})


def posted(standing: Standing, posting: Posting) -> Standing:
    """Note a write of ours that the CRM has confirmed."""
    record = standing.records.get(posting.key) or RecordSync(posting.kind, posting.key, engagement=posting.engagement)
    if posting.field == TIE:
        return replace(standing, records={**standing.records, posting.key: replace(record, tied=True)})
    field = record.fields.get(posting.field, FieldSync())
    if field.hold is not None and field.hold.value == posting.wrote:  # a person's value was put back: still theirs
        field = replace(field, pending={}, hold=replace(field.hold, overrun=False))
    else:
        field = replace(
            field,
            posted=posting.value,
            wrote=posting.wrote,
            was_posted=True,
            change=posting.change,
            posted_evidence_at=posting.evidence_at,
            pending={},
            hold=None,
        )
    tied = _is_tied(standing, posting) if record.ref is None else record.tied
    record = replace(record, ref=posting.ref, gone=False, fields={**record.fields, posting.field: field}, tied=tied)
    return replace(standing, records={**standing.records, posting.key: record})


def _is_tied(standing: Standing, posting: Posting) -> bool:
    """Say whether a new record was made with a tie to its deal: of one that was only found again nobody knows."""
    deal = standing.record("deal", posting.engagement)
    return posting.because == (posting.change,) and deal is not None and bool(deal.ref)


def approved(standing: Standing, decision: Decision) -> Standing:
    """A person's word on a field gives back the properties that stand for it."""
    records = {
        key: replace(
            record,
            fields={
                name: _given_back(held) if held.hold and held.hold.name == decision.field and not held.pinned else held
                for name, held in record.fields.items()
            },
        )
        for key, record in standing.records.items()
        if record.engagement in (0, standing.engagement.number)
    }
    return replace(standing, records={**standing.records, **records})


def withheld(standing: Standing, release: Release) -> Standing:
    """What we believe of a property that was rolled back is not written again before newer evidence."""
    record = standing.records[release.key]
    held = replace(record.fields.get(release.field, FieldSync()), withheld_at=release.at)
    record = replace(record, fields={**record.fields, release.field: held})
    return replace(standing, records={**standing.records, release.key: record})


def pinned(standing: Standing, release: Release) -> Standing:
    """Leave a property alone, or take it back: of one record where that is named, else of all of a kind."""
    records = {}
    for key, record in standing.records.items():
        fields = dict(record.fields)
        if release.kind in ("", record.kind) and release.key in ("", key):
            held = fields.get(release.field, FieldSync())
            if release.action == "pin" or _is_older(release, held):
                fields[release.field] = replace(held, pinned=release.action == "pin")
            else:
                fields[release.field] = _given_back(held)
        records[key] = replace(record, fields=fields)
    return replace(standing, records=records)


def _is_older(release: Release, held: FieldSync) -> bool:
    """Say whether somebody wrote there after they took the property off a list: what they wrote then is theirs.

    A word by a field of a record (`key`) is heard at a look that may show both; both times are the CRM's. An answer in
    the review field is a hold of its own, which its value tells.
    """
    hold = held.hold
    return bool(release.key and hold and hold.at >= release.at and hold.value != release.value)


def _given_back(held: FieldSync) -> FieldSync:
    """The value that stands in the CRM counts as ours from now on, so that we may write over it."""
    held = replace(held, pinned=False, withheld_at=None)
    if held.hold is None:
        return held
    value, at = held.hold.value, held.hold.at
    return replace(held, hold=None, posted=value, wrote=value, was_posted=True, freed_at=at)
