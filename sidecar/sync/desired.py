"""What we would like the CRM to hold for one party: records, properties, and the fact behind each value.

Pure. It only says what is believed, in the CRM's words; whether a value may be written is for `plan`, which knows what
the CRM holds and who put it there. What wouldn't fit is cut here, lest a long name make the CRM refuse the record.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sidecar.model import (
    OTHERS,
    SUGGESTIONS,
    Engagement,
    FieldClass,
    FieldPolicy,
    Mint,
    Mode,
    Policy,
    RecordSync,
    Route,
    Standing,
    Step,
    Value,
    lowest,
)
from sidecar.sync.wording import AI_LINE, Wording, titled, waiting

MAX_TITLE_CHARS = 200
MAX_SHOWN = 10
"""How many suggestions a record shows at once."""
PLAIN = Wording()
NOTED_TODAY = "the party has its new note of this day"
"""Why a conversation's note is not made yet, although the conversation has settled."""


@dataclass(frozen=True, slots=True)
class DesiredField:
    """One property: the value, the field of ours that it stands for, its class, and the facts it follows from."""

    value: Value
    name: str
    cls: FieldClass
    because: tuple[str, ...]
    evidence_at: datetime | None = None
    native: bool = False
    mode: Mode = Mode.AUTO
    engine: str = "code"


@dataclass(frozen=True, slots=True)
class DesiredRecord:
    """One record: `create` says whether it may be made (`why_not` when it may not); `links` are keys of ours.

    `mode` is the record's own, whatever those of its fields are: it decides whether the record may be made. `of_people`
    are the properties by which people steer us, read and never written; `muted` says that they want nothing written.
    """

    kind: str
    key: str
    engagement: int
    fields: Mapping[str, DesiredField]
    create: bool = False
    why_not: str = ""
    links: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    mode: Mode = Mode.AUTO
    of_people: tuple[str, ...] = ()
    muted: str = ""


@dataclass(frozen=True, slots=True)
class NoteDraft:
    """The rolling note of one conversation, written by `notes`."""

    thread: str
    channel: str
    body: str
    at: datetime
    because: tuple[str, ...]
    settled: bool


def desired(
    standing: Standing,
    policy: Policy,
    route: Route,
    notes: tuple[NoteDraft, ...],
    mint: Mint,
    today: datetime,
    wording: Wording = PLAIN,
) -> tuple[DesiredRecord, ...]:
    """Return the records wanted for a party, contact first: contact, deal, notes, tasks.

    `today` is the time in our own time zone, whose days new notes are counted by.
    """
    contact = _contact(standing, policy, route, mint, wording)
    records = [contact]
    deal = _deal(standing, policy, route, contact.key, mint, wording)
    if deal:
        records.append(deal)
    links = tuple(r.key for r in records)
    records += _notes(standing, notes, policy, route, links, mint, today)
    records += [
        _task(standing, step, policy, route, links, mint, wording)
        for step in standing.engagement.steps
        if step.who.casefold() != "customer"
    ]
    return tuple(records)


def contact_key(party: str, mint: Mint) -> str:
    """Return the idempotency key of a party's contact."""
    return mint.id("contact", party)


def deal_key(party: str, engagement: int, mint: Mint) -> str:
    """Return the idempotency key of an engagement's deal."""
    return mint.id("deal", party, engagement)


def note_key(party: str, channel: str, thread: str, mint: Mint) -> str:
    """Return the idempotency key of a conversation's rolling note."""
    return mint.id("note", party, channel, thread)


def task_key(step: str, mint: Mint) -> str:
    """Return the idempotency key of a next step's task."""
    return mint.id("task", step)


def _key(standing: Standing, make: Callable[[str], str]) -> str:
    """Return the party's key for a record; that of a party which was merged into it, where only that one has one."""
    keys = [make(party) for party in (standing.party, *standing.absorbed)]
    records = [standing.records.get(key) for key in keys]
    return next((r.key for r in records if r and r.ref and not r.gone), keys[0])


def _contact(standing: Standing, policy: Policy, route: Route, mint: Mint, wording: Wording) -> DesiredRecord:
    fields = {**_identity(standing, policy, route), **_inferred(standing, policy, route, "contact", wording)}
    may = policy.create_contact == "auto" or standing.permit("contact") in standing.allowed
    why_not = "" if may else f"crm.create.contact is {policy.create_contact!r}"
    return DesiredRecord(
        kind="contact",
        key=_key(standing, lambda party: contact_key(party, mint)),
        engagement=0,
        fields=fields,
        create=not why_not,
        why_not=why_not,
        names=_names(policy, "contact"),
        mode=policy.mode_for(route),
        of_people=policy.of_people,
    )


def _identity(standing: Standing, policy: Policy, route: Route) -> dict[str, DesiredField]:
    held = {i.kind: i for i in reversed(standing.identifiers)}
    values: dict[str, tuple[str, str]] = {"name": (standing.name, "name")}
    for kind in ("email", "phone"):
        if kind in held:
            values[kind] = (held[kind].value, str(held[kind]))
    fields = {}
    for name, (value, source) in values.items():
        given = policy.fields.get(name)
        cause = standing.known_by.get(source)
        for target in given.targets if given and value and cause else ():
            if given and target.kind == "contact":
                mode, text = policy.mode_for(route, given), value[: given.max_chars]
                fields[target.property] = DesiredField(
                    text, name, FieldClass.IDENTITY, (cause or "",), standing.since, True, mode
                )
    return fields


def _inferred(standing: Standing, policy: Policy, route: Route, kind: str, wording: Wording) -> dict[str, DesiredField]:
    fields = {}
    for name, held in standing.engagement.fields.items():
        given = policy.fields.get(name)
        value, because = held.value, [held.decision]
        if given and name == SUGGESTIONS and value is not None and held.engine not in OTHERS:
            shown = waiting(standing.engagement.suggestions, wording, MAX_SHOWN, given.max_chars)
            value, because = shown.text, [held.decision, *shown.because]
        for target in given.targets if given else ():
            if given and target.kind == kind and name != "name" and _fits(held.value, given):
                fields[target.property] = DesiredField(
                    value,
                    name,
                    given.cls,
                    tuple(because),
                    held.evidence_at,
                    given.native,
                    policy.mode_for(route, given),
                    held.engine,
                )
    return fields


def _fits(value: Value, given: FieldPolicy) -> bool:
    """A stage that people set may be one of the CRM's own, which no field of ours can hold."""
    return value is None or not given.values or value in given.values


def _names(policy: Policy, kind: str) -> dict[str, str]:
    """The fields of ours, identity apart, that properties stand for, also where nothing is believed yet."""
    fields = [f for f in policy.fields.values() if f.cls is not FieldClass.IDENTITY]
    names = {t.property: f.name for f in fields for t in f.targets if t.kind == kind}
    return {**names, "stage": "stage"} if kind == "deal" else names


def _deal(
    standing: Standing, policy: Policy, route: Route, contact: str, mint: Mint, wording: Wording
) -> DesiredRecord | None:
    engagement = standing.engagement
    stage = engagement.fields.get("stage")
    if not stage:
        return None
    theirs = None if stage.value is None else route.stages.get(str(stage.value), str(stage.value))
    causes = (stage.decision,)
    mode, moves = policy.mode_for(route), policy.mode_for(route, policy.fields.get("stage"))
    native = DesiredField(theirs, "stage", FieldClass.STATE, causes, stage.evidence_at, True, moves, stage.engine)
    fields = {
        "name": DesiredField(_title(standing, route), "", FieldClass.IDENTITY, causes, None, True, mode),
        **({"stage": native} if theirs else {}),  # a deal is always in some stage: to believe none empties nothing
        **_inferred(standing, policy, route, "deal", wording),
    }
    if route.pipeline:
        fields["pipeline"] = DesiredField(route.pipeline, "", FieldClass.IDENTITY, causes, None, True, mode)
    if route.owner:
        fields["owner"] = DesiredField(route.owner, "", FieldClass.IDENTITY, causes, None, True, mode)
    why_not = "" if standing.permit("deal") in standing.allowed else _no_deal(engagement, policy)
    return DesiredRecord(
        kind="deal",
        key=_key(standing, lambda party: deal_key(party, engagement.number, mint)),
        engagement=engagement.number,
        fields=fields,
        create=not why_not,
        why_not=why_not,
        links=(contact,),
        names=_names(policy, "deal"),
        mode=lowest(mode, moves),  # a deal is not made where its stage may not be written
        of_people=policy.of_people,
    )


def _title(standing: Standing, route: Route) -> str:
    name = standing.name or next((i.value for i in standing.identifiers), standing.party)
    number = f" ({standing.engagement.number})" if standing.engagement.number > 1 else ""
    return f"{name[:MAX_TITLE_CHARS]}{' - ' + route.brand if route.brand else ''}{number}"


def _no_deal(engagement: Engagement, policy: Policy) -> str:
    wanted = policy.create_deal
    if wanted in ("never", "suggest"):
        return f"crm.create.deal is {wanted!r}"
    stages = list(policy.stages)
    if engagement.stage not in stages or stages.index(engagement.stage) < stages.index(wanted):
        return f"a deal is made from {wanted} on"
    if policy.stages[engagement.stage].terminal:
        return "it ended before a deal was made"
    return ""


def made_on(record: RecordSync, day: datetime) -> bool:
    """Say whether we made a record on the day of a time, as that time's zone has it."""
    return record.made_at is not None and record.made_at.astimezone(day.tzinfo).date() == day.date()


def _notes(
    standing: Standing,
    drafts: tuple[NoteDraft, ...],
    policy: Policy,
    route: Route,
    links: tuple[str, ...],
    mint: Mint,
    today: datetime,
) -> list[DesiredRecord]:
    """The notes of the conversations, of which only so many a day may be new: the others wait for another day."""
    left = policy.notes.new_per_day - sum(r.kind == "note" and made_on(r, today) for r in standing.records.values())
    records = []
    for draft in drafts:
        key = _key(standing, partial(note_key, channel=draft.channel, thread=draft.thread, mint=mint))
        why_not = "" if draft.settled else "the conversation has not settled"
        if not why_not and key not in standing.records:
            left -= 1
            why_not = NOTED_TODAY if left < 0 else ""
        records.append(_note(standing, draft, policy, route, links, key, why_not))
    return records


def _note(
    standing: Standing,
    note: NoteDraft,
    policy: Policy,
    route: Route,
    links: tuple[str, ...],
    key: str,
    why_not: str,
) -> DesiredRecord:
    """The words of a note are a person's for good once a person has changed them; its time then stays as well."""
    mode = policy.mode_for(route)
    held = standing.records.get(key)
    body = held.fields.get("body") if held else None
    fields = {"body": DesiredField(note.body, "", FieldClass.IDENTITY, note.because, note.at, False, mode)}
    if not (body and body.hold):
        at = note.at.replace(microsecond=0).isoformat()  # some CRMs show it to people
        fields["at"] = DesiredField(at, "", FieldClass.OBSERVATION, note.because, note.at, False, mode)
    return DesiredRecord("note", key, standing.engagement.number, fields, not why_not, why_not, links, mode=mode)


def _task(
    standing: Standing, step: Step, policy: Policy, route: Route, links: tuple[str, ...], mint: Mint, wording: Wording
) -> DesiredRecord:
    """A next step as a task; its title is ours to reword, its words below are a person's once they change them."""
    mode = policy.mode_for(route)
    causes, at = (step.decision,), step.at
    status = "open" if step.status == "open" else "done"
    due = (step.due or "")[:10] or None
    title = titled(step.what, MAX_TITLE_CHARS)
    values: dict[str, Value] = {"title": title, "body": _told(step, wording), "status": status, "due": due}
    if route.owner:
        values["owner"] = route.owner
    names = {"status": f"step:{step.id}"}
    classes = {"status": FieldClass.STATE, "body": FieldClass.IDENTITY}
    fields = {
        name: DesiredField(
            value,
            names.get(name, ""),
            classes.get(name, FieldClass.OBSERVATION),
            causes,
            at,
            False,
            mode,
        )
        for name, value in values.items()
        if value is not None
    }
    create = step.status == "open"
    why_not = "" if create else "the step has ended"
    key = task_key(step.id, mint)
    return DesiredRecord("task", key, standing.engagement.number, fields, create, why_not, links, names, mode)


def _told(step: Step, wording: Wording) -> str:
    quote = wording.quote(step.decision)
    link = wording.link(f"step:{step.id}")
    return "\n".join([*([quote] if quote else []), *([f"Why: {link}"] if link else []), AI_LINE])
