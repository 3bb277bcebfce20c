"""What is out stays out: a text of ours isn't written anew because its links would end a day later. Pure.

Links end some days after they are made, so a text composed today differs from yesterday's though it says the same. What
we sent last is wanted instead where nothing else differs: the CRM keeps one text, and its links are made anew when
there is something new to say, or when what they lead to is newer than they are.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from sidecar.model import FieldSync, Standing
from sidecar.sync.desired import DesiredField, DesiredRecord

Alike = Callable[[str, str, datetime | None], bool]
"""Says whether a text that is out says what a new one does, whose newest words are of that time."""


def lasting(wanted: Iterable[DesiredRecord], standing: Standing, alike: Alike) -> tuple[DesiredRecord, ...]:
    """Return the records with the texts that are out, where these say the same."""
    return tuple(_record(record, standing, alike) for record in wanted)


def _record(record: DesiredRecord, standing: Standing, alike: Alike) -> DesiredRecord:
    held = standing.records.get(record.key)
    if held is None:
        return record
    fields = {name: _kept(field, held.fields.get(name), alike) for name, field in record.fields.items()}
    return replace(record, fields=fields)


def _kept(field: DesiredField, sync: FieldSync | None, alike: Alike) -> DesiredField:
    if sync is None or not isinstance(field.value, str):
        return field
    for sent in (*[*sync.pending.values()][::-1], sync.wrote):
        if isinstance(sent, str) and alike(sent, field.value, field.evidence_at):
            return replace(field, value=sent)
    return field
