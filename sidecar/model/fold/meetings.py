"""The appointments of a party: what booking systems and calendars told of each, added up one activity at a time.

An appointment begins on our side's word: a booking system that may say so, our own calendar or invitation, or an
invitation that was agreed to. What a customer proposes makes none. What is known is moved, called off, kept or missed
by whoever the calendar's rules let do it; that its time has passed says nothing. News count in the order in which they
were said, not in which they came, and each value keeps the time and the Match of the word that it rests on, so that a
rep's newer edit in the CRM can be told from an older one.

The trade-off: two appointments of one party that begin at the same moment are one, told by two systems (a booking tool
and the calendars that it writes into), since nobody is with us twice at once. What one system names twice is two, and
so are two entries of calendars while no booking system tells of that moment: one may be meant to replace the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sidecar.model.facts import Activity, Match
from sidecar.model.standing import Meeting, Standing
from sidecar.model.things import Role

SCHEDULED, CANCELLED, ATTENDED, NO_SHOW = "scheduled", "cancelled", "attended", "no_show"
KEPT = 20
"""How many appointments of a party are known at once, the newest."""
KEPT_NAMES = 8
CALENDARS = "uid:"
"""Before the names that calendars share."""
_BOOKED: Mapping[str, str] = {
    "booking_created": SCHEDULED,
    "booking_moved": SCHEDULED,
    "booking_cancelled": CANCELLED,
    "booking_attended": ATTENDED,
    "booking_no_show": NO_SHOW,
}
_CALENDAR: Mapping[str, str] = {
    "proposed": SCHEDULED,
    "updated": SCHEDULED,
    "planned": SCHEDULED,
    "accepted": SCHEDULED,
    "declined": CANCELLED,
    "cancelled": CANCELLED,
    "occurrence_cancelled": CANCELLED,
}
"""What is left out changes nothing: a perhaps, a counter-proposal, an entry that went, a time that has passed."""
_RANKS = (SCHEDULED, CANCELLED, ATTENDED, NO_SHOW)


@dataclass(frozen=True, slots=True)
class _Told:
    """What one activity says of an appointment; `makes` says whether it may begin one.

    One that `renews` takes back that it was called off; an entry that only stands in a calendar doesn't. `replaces` is
    the name that it had before, where a booking system names it anew when it is moved, `also` the booking's own name
    where it is told by the one that calendars share; one that `unmarks` takes back
    that somebody was missing.
    """

    name: str
    status: str
    start: datetime | None
    end: datetime | None
    title: str
    makes: bool
    renews: bool = True
    host: str = ""
    replaces: str = ""
    also: str = ""
    unmarks: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Return all names that it is told by."""
        return frozenset({self.name, self.also, self.replaces} - {""})


def met(standing: Standing, match: Match, activity: Activity) -> Standing:
    """Return the standing with what an activity says of an appointment."""
    told = _told(activity)
    if told is None:
        return standing
    standing = replace(standing, meetings=_as_one(standing.meetings, told)) if len(told.names) > 1 else standing
    held = _held(standing.meetings, told)
    if held is None:
        made = _made(standing, match, activity, told)
        return replace(standing, meetings=_kept((*standing.meetings, made))) if made else standing
    news = _moved(held, match, activity, told)
    return replace(standing, meetings=_kept(tuple(news if m is held else m for m in standing.meetings)))


def joined(one: tuple[Meeting, ...], other: tuple[Meeting, ...]) -> tuple[Meeting, ...]:
    """Return the appointments of two parties that are one; what both know is as the newest word has it."""
    found = one
    for meeting in other:
        same = tuple(m for m in found if _names(m) & _names(meeting))
        found = (*(m for m in found if m not in same), _whole((*same, meeting)) if same else meeting)
    return _kept(found)


def left(meetings: tuple[Meeting, ...], gone: frozenset[str], release: str, at: datetime) -> tuple[Meeting, ...]:
    """Call off what rests on nothing but activities that turned out to be another party's."""
    return tuple(
        replace(m, status=CANCELLED, stated_by=release, stated_at=at) if gone.issuperset(m.activities) else m
        for m in meetings
    )


def _told(activity: Activity) -> _Told | None:
    actor, given = activity.actor, activity.attributes
    start, end = _time(given.get("start") or given.get("proposed_start")), _time(given.get("end"))
    title = given.get("title", "")
    if activity.kind in _BOOKED:
        if actor.role is not Role.SYSTEM or not actor.authenticated:
            return None
        booking = f"{activity.channel}/{activity.account}/{activity.external_id}"
        name, also = (_uid(given["uid"]), booking) if given.get("uid") else (booking, "")
        before = f"{activity.channel}/{activity.account}/{given['replaces']}" if given.get("replaces") else ""
        unmarks = given.get("status") == "not_missed"
        also_named = {"replaces": before, "also": also}
        status = _BOOKED[activity.kind]
        return _Told(name, status, start, end, title, True, True, _host(activity), unmarks=unmarks, **also_named)
    if activity.kind != "meeting" or given.get("status") not in _CALENDAR or not _may_say(activity):
        return None
    status = given["status"]
    makes = "start" in given or (actor.authenticated and status in ("proposed", "updated", "planned"))
    renews = status != "planned"
    return _Told(_uid(activity.external_id), _CALENDAR[status], start, end, title, makes, renews, _host(activity))


def _uid(name: str) -> str:
    return f"{CALENDARS}{name}"


def _may_say(activity: Activity) -> bool:
    """Say whether it is its actor's to say: in our name only who is known to be us, and not for another of our side."""
    actor = activity.actor
    if actor.role is Role.BOT or (actor.role is Role.AGENT and not actor.authenticated):
        return False
    begun_by_us = any(p.own and p.part == "organizer" for p in activity.participants)
    return not (activity.attributes.get("status") == "declined" and actor.role is Role.AGENT and begun_by_us)


def _host(activity: Activity) -> str:
    """Return the address of whoever of ours an appointment is with."""
    hosts = (p for p in activity.participants if p.own and p.part == "organizer")
    return next((i.value.casefold() for p in hosts for i in p.identifiers if i.kind == "email"), "")


def _time(text: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None


def _held(meetings: tuple[Meeting, ...], told: _Told) -> Meeting | None:
    """Return what is known of an appointment: by one of its names, else by when it begins."""
    named = next((m for m in meetings if told.names & _names(m)), None)
    if named or told.start is None or told.status != SCHEDULED:
        return named
    own = told.names - {told.replaces}
    alike = (m for m in meetings if m.start == told.start and _is_open(m))
    return next((m for m in alike if all(_may_name(name, m) for name in own)), None)


def _as_one(meetings: tuple[Meeting, ...], told: _Told) -> tuple[Meeting, ...]:
    """Make one of what a move shows to be the same: its news came before the news that it was moved."""
    named = tuple(m for m in meetings if told.names & _names(m))
    return (*(m for m in meetings if m not in named), _whole(named)) if len(named) > 1 else meetings


def _whole(meetings: tuple[Meeting, ...]) -> Meeting:
    """Return what several tell of one appointment, as the newest word has it."""
    named = sorted(meetings, key=lambda m: (m.at, m.id))
    first, newest = named[0], named[-1]
    names = dict.fromkeys(name for m in named for name in (m.id, *m.others) if name != first.id)
    activities = tuple(dict.fromkeys(id for m in named for id in m.activities))[-KEPT:]
    return replace(newest, id=first.id, others=tuple(names)[-KEPT_NAMES:], activities=activities)


def _names(meeting: Meeting) -> frozenset[str]:
    return frozenset({meeting.id, *meeting.others})


def _may_name(name: str, meeting: Meeting) -> bool:
    """Say whether a name may be one more of an appointment at the same moment: by the sources of those that it has."""
    sources, source = {_source(other) for other in _names(meeting)}, _source(name)
    return source not in sources or (source == CALENDARS and sources != {CALENDARS})


def _source(name: str) -> str:
    """Return who names an appointment so: calendars, or one booking system."""
    return CALENDARS if name.startswith(CALENDARS) else name.rsplit("/", 1)[0]


def _is_open(meeting: Meeting) -> bool:
    return meeting.status == SCHEDULED


def _made(standing: Standing, match: Match, activity: Activity, told: _Told) -> Meeting | None:
    if not told.makes or told.start is None:
        return None
    return Meeting(
        id=told.name,
        engagement=standing.engagement.number,
        title=told.title,
        start=told.start,
        end=told.end if told.end and told.end > told.start else None,
        status=told.status,
        at=activity.at,
        timed_by=match.id,
        timed_at=activity.at,
        timed_in=activity.id,
        stated_by=match.id,
        stated_at=activity.at,
        others=tuple(sorted(told.names - {told.name})),
        activities=(activity.id,),
        host=told.host,
    )


def _moved(held: Meeting, match: Match, activity: Activity, told: _Told) -> Meeting:
    """Return an appointment with one more word about it; one that was said before what is known changes nothing."""
    names = (held.id, *held.others)
    others = (*held.others, *sorted(told.names.difference(names)))[-KEPT_NAMES:]
    activities = (*held.activities, activity.id)[-KEPT:]
    news = replace(held, others=others, activities=activities, title=held.title or told.title)
    if (activity.at, _RANKS.index(told.status)) < (held.at, _RANKS.index(held.status)):
        return news
    start = told.start or held.start
    length = held.end - held.start if held.end else None
    end = told.end if told.end and told.end > start else start + length if length else None
    is_moved = start != held.start  # also what is called off at a time that nobody told us of before
    news = replace(news, host=told.host or held.host)
    if is_moved or told.renews:  # an entry that only stands there is no newer word than the one that put it there
        news = replace(news, at=activity.at)
    if is_moved or (told.status == SCHEDULED and end != held.end):
        news = replace(news, start=start, end=end, timed_by=match.id, timed_at=activity.at, timed_in=activity.id)
    if told.status != held.status and (is_moved or _may_follow(told, held.status)):
        news = replace(news, status=told.status, stated_by=match.id, stated_at=activity.at)
    return news


def _may_follow(told: _Told, held: str) -> bool:
    """Say whether a status may follow another at the same time of day: who came or didn't, no calendar takes back."""
    if told.status != SCHEDULED:
        return not (told.status == CANCELLED and held in (ATTENDED, NO_SHOW))
    return (held == CANCELLED and told.renews) or (held == NO_SHOW and told.unmarks)


def _kept(meetings: tuple[Meeting, ...]) -> tuple[Meeting, ...]:
    return tuple(sorted(meetings, key=lambda m: (m.at, m.id)))[-KEPT:]
