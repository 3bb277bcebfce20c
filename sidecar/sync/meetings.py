"""Appointments as native meetings of the CRM: when, how it stands, and the words that say so. Pure.

A meeting is made from what a booking system or a calendar stated, so it waits for no model, and none can make one.
Each of its fields is as new as the word that it rests on, so that a rep who moves a meeting in the CRM keeps that time
until the customer or the booking system moves it again. When it begins and ends is one thing: where somebody holds one
of the two, neither is written. Its title, its words and its owner are a person's for good once they change them.

Where two records turn out to be one appointment, as after a merge, one goes on and the other is called off, unless
people wrote in both.

That a meeting's time has passed changes nothing here: who came is told by a booking system or by a person.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sidecar.model import (
    Activity,
    AuthorKind,
    Evidence,
    FieldClass,
    FieldSync,
    Meeting,
    Mint,
    Mode,
    Policy,
    RecordSync,
    Route,
    Standing,
    Value,
)
from sidecar.sync.desired import MAX_TITLE_CHARS, DesiredField, DesiredRecord
from sidecar.sync.wording import MARKER, Wording, titled

EVENT = "event"
"""The engine of what a booking system or a calendar stated: nobody inferred it."""
UNTOLD = timedelta(minutes=30)
"""How long a meeting is taken to be that nobody gave an end, since several CRMs keep none without."""
LATE = timedelta(days=7)
"""How long after its time a meeting is still made: an outage passes, and years that are read anew make none."""
BOOKING_LINE = f"From a booking or a calendar. Wrong? Change the field itself: what you write stays. {MARKER}"
_TIMES = ("start", "end")
_DOUBLE = "it is one with another meeting"


def meetings(
    standing: Standing,
    wanted: Sequence[DesiredRecord],
    policy: Policy,
    route: Route,
    mint: Mint,
    now: datetime,
    wording: Wording,
    known: Collection[str],
    owners: Mapping[str, str],
) -> tuple[DesiredRecord, ...]:
    """Return the meetings wanted for a party, each tied to the contact and its engagement's deal among `wanted`.

    `known` are the properties that meetings have in the CRM: one that was furnished before us may lack some. `owners`
    are its users by their addresses in small letters: a meeting is its host's, else the route's owner's.
    """
    mode = policy.mode_for(route)
    made = [
        _record(standing, meeting, wanted, mode, owners.get(meeting.host) or route.owner, mint, now, wording)
        for meeting in standing.meetings
    ]
    made += [double for meeting in standing.meetings for double in _doubles(standing, meeting, wanted, mode, mint)]
    return tuple(replace(r, fields={name: f for name, f in r.fields.items() if name in known}) for r in made)


def meeting_key(party: str, name: str, mint: Mint) -> str:
    """Return the idempotency key of a meeting, by the name under which it became known."""
    return mint.id("meeting", party, name)


def _record(
    standing: Standing,
    meeting: Meeting,
    wanted: Sequence[DesiredRecord],
    mode: Mode,
    owner: str,
    mint: Mint,
    now: datetime,
    wording: Wording,
) -> DesiredRecord:
    key = _key(standing, meeting, mint)
    held = standing.records.get(key)
    why_not = _why_not(meeting, now)
    ties = tuple(r.key for r in wanted if r.kind == "contact" or (r.kind, r.engagement) == ("deal", meeting.engagement))
    fields = _fields(meeting, mode, owner, wording)
    if held and _is_held(held, meeting.timed_at):
        fields = {name: field for name, field in fields.items() if name not in _TIMES}
    return DesiredRecord("meeting", key, meeting.engagement, fields, not why_not, why_not, ties, mode=mode)


def _key(standing: Standing, meeting: Meeting, mint: Mint) -> str:
    """Return the key under which the meeting was made, else that of its first name; of several, one people touched.

    Once a person has deleted it, what we called off beside it doesn't take its place.
    """
    made = _made(standing, meeting, mint)
    there = [record for record in made if not record.gone]
    touched = [record for record in there if _is_touched(record)]
    going_on = [record for record in (*there, *made) if not _is_off(record)]
    return next((r.key for r in (*touched, *going_on, *there, *made)), meeting_key(standing.party, meeting.id, mint))


def _made(standing: Standing, meeting: Meeting, mint: Mint) -> list[RecordSync]:
    """Return what was made of a meeting: several records where what made them turned out to be one."""
    names, parties = (meeting.id, *meeting.others), (standing.party, *standing.absorbed)
    keys = dict.fromkeys(meeting_key(party, name, mint) for party in parties for name in names)
    records = (standing.records.get(key) for key in keys)
    return [record for record in records if record and record.ref]


def _is_off(record: RecordSync) -> bool:
    """Say whether we called a record off, and it has stayed so."""
    return record.fields.get("status", FieldSync()).posted == "cancelled"


def _is_touched(record: RecordSync) -> bool:
    """Say whether somebody else than us wrote in a record, or told us to leave something in it."""
    fields = record.fields.values()
    return any(f.pinned or (f.hold is not None and f.hold.author.kind is not AuthorKind.US) for f in fields)


def _doubles(
    standing: Standing, meeting: Meeting, wanted: Sequence[DesiredRecord], mode: Mode, mint: Mint
) -> Iterator[DesiredRecord]:
    """Call off what the CRM holds of a meeting beside its own record, because of that; never what people touched."""
    posted = [record for record in _made(standing, meeting, mint) if not record.gone]
    if len(posted) < 2:
        return
    key = _key(standing, meeting, mint)
    ties = tuple(record.key for record in wanted if record.kind == "contact")
    for record in posted:
        because = tuple(f.change for f in standing.records[key].fields.values() if f.change)[:1]
        if record.key != key and because and not _is_touched(record):
            off = DesiredField("cancelled", "", FieldClass.OBSERVATION, because, meeting.at, False, mode, EVENT)
            fields = {"status": off}
            yield DesiredRecord("meeting", record.key, record.engagement, fields, False, _DOUBLE, ties, mode=mode)


def _why_not(meeting: Meeting, now: datetime) -> str:
    if meeting.status == "cancelled":
        return "it was called off before it was made"
    return "it was over before it could be made" if meeting.start + LATE < now else ""


def _fields(meeting: Meeting, mode: Mode, owner: str, wording: Wording) -> dict[str, DesiredField]:
    end = meeting.end or meeting.start + UNTOLD
    quote, link = wording.quote(meeting.timed_by), wording.link("")
    body = "\n".join([*([quote] if quote else []), *([f"Why: {link}"] if link else []), BOOKING_LINE])
    timed, stated = (meeting.timed_by, meeting.timed_at), (meeting.stated_by, meeting.stated_at)
    values: dict[str, tuple[Value, FieldClass, tuple[str, datetime]]] = {
        "title": (titled(meeting.title or "Meeting", MAX_TITLE_CHARS), FieldClass.IDENTITY, timed),
        "body": (body, FieldClass.IDENTITY, timed),
        "start": (_moment(meeting.start), FieldClass.OBSERVATION, timed),
        "end": (_moment(end), FieldClass.OBSERVATION, timed),
        "status": (meeting.status, FieldClass.OBSERVATION, stated),
        **({"owner": (owner, FieldClass.IDENTITY, timed)} if owner else {}),
    }
    return {
        name: DesiredField(value, "", cls, (by,), at, False, mode, EVENT)
        for name, (value, cls, (by, at)) in values.items()
    }


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).replace(second=0, microsecond=0).isoformat()  # several CRMs keep no seconds


def _is_held(record: RecordSync, timed_at: datetime) -> bool:
    """Say whether somebody gave the meeting another time after the word that ours rests on."""
    holds = [record.fields.get(name, FieldSync()).hold for name in _TIMES]
    return any(hold and hold.author.kind is not AuthorKind.US and hold.at >= timed_at for hold in holds)


def stated(activity: Activity) -> tuple[Evidence, ...]:
    """Return the words in which a booking system or a calendar stated an appointment."""
    return tuple(
        Evidence(activity.id, s.start, s.end, activity.text[s.start : s.end], s.role, s.authenticated, activity.at)
        for s in activity.said[:1]
    )
