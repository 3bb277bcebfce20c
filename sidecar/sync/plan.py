"""Plan: desired against posted against a fresh Reading becomes Changes. Pure.

Human wins, per field and by its class. An identity value that a person left stands for good; a state or observation is
their baseline, which only evidence newer than their edit may move (a person's word on one property is no reason to
write over another's). Each send has an intent of its own that relies on the latest look, a second try too. What may not
be written is said with its reason, so that a dry run shows all of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sidecar.model import (
    BASELINE,
    OTHERS,
    TIE,
    Change,
    FieldClass,
    FieldSync,
    Hold,
    Mint,
    Mode,
    Policy,
    Reading,
    Record,
    RecordSync,
    Standing,
    Value,
)
from sidecar.sync.desired import DesiredField, DesiredRecord
from sidecar.sync.ties import untied
from sidecar.sync.whose import ours, same

NO_MODEL = "the baseline doesn't write to this CRM (llm.baseline_writes)"
CODE = "code"
EVERYTHING = "*"
_OF_PEOPLE = ("contact", "company", "deal")
"""Kinds of records that are people's to make below the highest rung; notes, tasks and meetings of ours are not."""
_STATED = ("contact", "meeting")
"""Kinds of records that follow from what was stated: no model is waited for."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A property, or a whole record (field empty), that is not written, and why."""

    kind: str
    key: str
    field: str
    value: Value
    reason: str


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """What is to be sent for one record: `found` is what the CRM holds, None for a record to be made."""

    wanted: DesiredRecord
    found: Record | None
    changes: tuple[Change, ...]

    def fields(self) -> dict[str, Value]:
        """Return the properties to write."""
        return {change.field: change.new for change in self.changes if change.field != TIE}

    def tie(self) -> str:
        """Return the ref of the deal that a record, which is there, is to be tied to; empty for none."""
        return next((str(change.new) for change in self.changes if change.field == TIE), "")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a party's sync would do; `wait_until` is set while an unknown outcome is settling."""

    records: tuple[RecordPlan, ...]
    refused: tuple[Refused, ...]
    wait_until: datetime | None = None

    @property
    def changes(self) -> tuple[Change, ...]:
        """All new changes, in order of the records."""
        return tuple(c for r in self.records for c in r.changes)


def rung_for(record: DesiredRecord, name: str = "", *, is_new: bool) -> Mode:
    """Return the lowest rung at which a property is written; without a name, at which the record may be made."""
    field = record.fields.get(name)
    is_theirs = (field is not None and field.native) or (is_new and record.kind in _OF_PEOPLE)
    return Mode.AUTO if is_theirs else Mode.SUGGEST


@dataclass(frozen=True, slots=True)
class Look:
    """What was found for one record: the CRM's record, or None, and the Reading that the plan relies on."""

    found: Record | None
    reading: Reading | None


def plan(
    wanted: tuple[DesiredRecord, ...],
    looks: Mapping[str, Look],
    standing: Standing,
    policy: Policy,
    mint: Mint,
    *,
    ledger: str,
    vendor: bool,
    settle_s: float,
    now: datetime,
    paused: Mapping[str, str] | None = None,
) -> Plan:
    """Return the Changes that bring the CRM nearer to what is believed, and what stays undone with its reason.

    `paused` are reasons by field of ours; under `EVERYTHING` stands why nothing is written.
    """
    planner = _Planner(standing, policy, mint, ledger, vendor, timedelta(seconds=settle_s), now, paused or {})
    records = [planner.record(record, looks.get(record.key)) for record in wanted]
    return Plan(tuple(r for r in records if r), tuple(planner.refused), planner.wait_until)


class _Planner:
    def __init__(
        self,
        standing: Standing,
        policy: Policy,
        mint: Mint,
        ledger: str,
        vendor: bool,
        settle: timedelta,
        now: datetime,
        paused: Mapping[str, str],
    ) -> None:
        self._standing, self._policy, self._mint = standing, policy, mint
        self._ledger, self._vendor, self._settle, self._now = ledger, vendor, settle, now
        self._paused = paused
        self._there: set[str] = set()
        self.refused: list[Refused] = []
        self.wait_until: datetime | None = None

    def record(self, wanted: DesiredRecord, look: Look | None) -> RecordPlan | None:
        sync = self._standing.records.get(wanted.key) or RecordSync(wanted.kind, wanted.key)
        if sync.gone:
            self._refuse(wanted, "", None, "a person deleted it")
            return None
        found = look.found if look else None
        if found is None and not self._may_create(wanted, sync):
            return None
        if found is None and wanted.links and wanted.links[0] not in self._there:
            self._refuse(wanted, "", None, "the contact that it belongs to is not in the CRM")
            return None
        changes = []
        for name, field in wanted.fields.items():
            state = sync.fields.get(name, FieldSync())
            reason = self._blocked(wanted, name, state, found, sync)
            if reason:
                self._refuse(wanted, name, field.value, reason)
            elif reason is not None:
                changes.append(self._change(wanted, name, field.value, field, sync, look))
        changes += [*self._restorations(wanted, sync, look), *self._ties(wanted, sync, look)]
        if found is not None or changes:
            self._there.add(wanted.key)
        return RecordPlan(wanted, found, tuple(changes)) if changes else None

    def _restorations(self, wanted: DesiredRecord, sync: RecordSync, look: Look | None) -> list[Change]:
        """Changes that put back what a person wrote between our read and our write."""
        found = look.found if look else None
        overrun = {name: state.hold for name, state in sync.fields.items() if state.hold and state.hold.overrun}
        return [
            self._change(wanted, name, hold.value, wanted.fields.get(name), sync, look)
            for name, hold in overrun.items()
            if found and not same(found.fields.get(name), hold.value)
        ]

    def _ties(self, wanted: DesiredRecord, sync: RecordSync, look: Look | None) -> list[Change]:
        """The Change that ties a record of ours to its deal, which was made after it."""
        deal = untied(wanted, self._standing) if look and look.found else ""
        if not deal:
            return []
        reason = wanted.muted or self._paused.get(EVERYTHING, "")
        if not reason and wanted.mode.height < rung_for(wanted, TIE, is_new=False).height:
            reason = f"the mode is {wanted.mode.value}"
        if reason:
            self._refuse(wanted, TIE, deal, reason)
            return []
        because = next((field.because for field in wanted.fields.values()), ())
        return [self._change(wanted, TIE, deal, DesiredField(deal, "", FieldClass.IDENTITY, because), sync, look)]

    def _may_create(self, wanted: DesiredRecord, sync: RecordSync) -> bool:
        if not wanted.create or wanted.muted:
            self._refuse(wanted, "", None, wanted.why_not or wanted.muted)
        elif EVERYTHING in self._paused:
            self._refuse(wanted, "", None, self._paused[EVERYTHING])
        elif wanted.kind not in _STATED and (reason := self._waits_for_a_model()):
            self._refuse(wanted, "", None, reason)
        elif wanted.mode.height < rung_for(wanted, is_new=True).height:
            self._refuse(wanted, "", None, f"the mode is {wanted.mode.value}")
        else:
            return not self._settling(sync)
        return False

    def _settling(self, sync: RecordSync) -> bool:
        """An unknown outcome is resolved by looking, and a look is conclusive only after the settle time."""
        if not sync.sent_at or not any(f.pending for f in sync.fields.values()):
            return False
        until = sync.sent_at + self._settle
        if until <= self._now:
            return False
        self.wait_until = min(self.wait_until or until, until)
        return True

    def _blocked(
        self, wanted: DesiredRecord, name: str, state: FieldSync, found: Record | None, sync: RecordSync
    ) -> str | None:
        """Return why a property is not written; empty when it is; None when there is nothing to write."""
        field = wanted.fields[name]
        current = found.fields.get(name) if found else None
        if same(current, field.value) or (same(field.value, None) and not state.was_posted):
            return None
        if state.was_posted and same(field.value, state.wrote) and same(current, state.posted):
            return None
        if state.hold and state.hold.overrun:
            return "a person's value is being put back"
        if wanted.muted or state.pinned:
            return wanted.muted or "pinned by a person"
        if state.withheld_at and (field.evidence_at is None or field.evidence_at <= state.withheld_at):
            return "it was rolled back, and no newer evidence speaks for it"
        reason = self._out_of_mode(field, rung_for(wanted, name, is_new=False))
        if reason:
            return reason
        if found and not ours(state, current):
            reason = self._held(field, state.hold)
            if reason:
                return reason
        return "an earlier write is settling" if state.pending and self._settling(sync) else ""

    def _out_of_mode(self, field: DesiredField, needed: Mode) -> str:
        if paused := self._paused.get(EVERYTHING) or self._paused.get(field.name):
            return paused
        if field.mode is Mode.SHADOW:
            return "the mode is shadow"
        if field.mode.height < needed.height:
            return "the mode is suggest, and this property is the CRM's own"
        if field.engine == BASELINE or (field.engine == CODE and field.cls is not FieldClass.IDENTITY):
            return self._waits_for_a_model(field.engine)
        return ""

    def _waits_for_a_model(self, engine: str = CODE) -> str:
        """Say that a value has to wait: it is the baseline's, or code made it of nothing but the baseline's reading."""
        if not self._vendor or self._policy.baseline_writes:
            return ""
        engines = {held.engine for held in self._standing.engagement.fields.values()} - {CODE, *OTHERS}
        return NO_MODEL if engine == BASELINE or engines == {BASELINE} else ""

    def _held(self, field: DesiredField, hold: Hold | None) -> str:
        if hold is None or field.cls is FieldClass.IDENTITY:
            return "somebody else's value stands in the CRM"
        if field.evidence_at is None or field.evidence_at <= hold.at:
            return "somebody's value in the CRM is newer than the evidence"
        if field.engine in OTHERS:
            return "what somebody wrote elsewhere in the CRM moves nothing here"
        return ""

    def _change(
        self,
        wanted: DesiredRecord,
        name: str,
        value: Value,
        field: DesiredField | None,
        sync: RecordSync,
        look: Look | None,
    ) -> Change:
        found, reading = (look.found, look.reading) if look else (None, None)
        because = [*(field.because if field else ()), *((reading.id,) if reading else ())]
        return self._mint(
            Change(
                because=tuple(dict.fromkeys(because)),
                party=self._standing.party,
                ledger=self._ledger,
                kind=wanted.kind,
                key=wanted.key,
                ref=found.ref if found else None,
                engagement=wanted.engagement,
                field=name,
                old=found.fields.get(name) if found else None,
                new=value,
                reading=reading.id if reading else sync.reading,
                evidence_at=field.evidence_at if field else None,
                at=self._now,
            )
        )

    def _refuse(self, wanted: DesiredRecord, field: str, value: Value, reason: str) -> None:
        self.refused.append(Refused(wanted.kind, wanted.key, field, value, reason))
