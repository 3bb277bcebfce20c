"""Google's events as the events that every calendar gives: pure, from the JSON of one event to the same words.

Google hands out a series once, with its rules, and each changed day of it as an event of its own, as iCalendar does; so
both become the same activities. What Google says of whose calendar it is (`self`) is believed, and a room is no guest.
Focus time, working places, birthdays and absences are no meetings, and yield nothing.

Source: discovery document of calendar v3, revision 20261030: a cancelled day of a series is sure to bring three fields
alone (`id`, `recurringEventId`, `originalStartTime`), a deleted event its `id` alone; times are RFC 3339, of whole days
a date; `visibility` is private or confidential where only guests may see.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from adapters.formats.charsets import clean_text
from adapters.formats.ics import GUESTS_MAX, TEXT_CHARS_MAX, UID_CHARS_MAX, YEARS, Event, Guest
from adapters.formats.ics_dates import listed
from adapters.formats.ics_rules import Rule, read_rule
from adapters.formats.ics_zones import Zone, Zones, known_zone
from sidecar.errors import PermanentError

MEETINGS = frozenset({"", "default", "fromGmail"})
_ANSWERS = {"needsAction": "needs-action", "declined": "declined", "tentative": "tentative", "accepted": "accepted"}
_STATUSES = {"confirmed": "CONFIRMED", "tentative": "TENTATIVE", "cancelled": "CANCELLED"}
_EMAIL = re.compile(r"[^\s<>\"',;:@\x00-\x1f\x7f]{1,64}@[^\s<>\"',;:@\x00-\x1f\x7f]{1,255}")
LINES_MAX = 500


def from_vendor(item: Mapping[str, Any], uid: str, default_zone: str) -> Event | None:
    """Return the event of an item, None for what is no meeting; `uid` names it where the item doesn't say its own.

    Raises PermanentError when its time or its identity can't be read.
    """
    if _text(item, "eventType", 30) not in MEETINGS:
        return None
    named = _text(item, "iCalUID", UID_CHARS_MAX + 1) or uid
    if not named or len(named) > UID_CHARS_MAX:
        raise PermanentError("its iCalUID is missing or too long")
    problems = ["Google left guests out, so not all are known"] if item.get("attendeesOmitted") is True else []
    zones = Zones({}, "", default_zone)
    first, is_cancelled = _moment(item, "originalStartTime", zones), item.get("status") == "cancelled"
    started = _moment(item, "start", zones) or (first if is_cancelled else None)
    if started is None and not is_cancelled:
        raise PermanentError("it has no start")
    lines = _lines(item, problems)
    rule = _rule(lines, started, problems)
    return Event(
        uid=named,
        recurrence=first[0].astimezone(UTC).isoformat() if first else "",
        sequence=_count(item.get("sequence")),
        status=_STATUSES.get(_text(item, "status", 20), ""),
        start=started[0] if started else None,
        end=_end(item, started, zones, problems),
        is_all_day=bool(started and started[2]),
        zone=started[1].name if started else "",
        repeats=rule.words,
        rule=rule.text,
        ends=rule.ends,
        added=listed(lines, "RDATE", zones, YEARS, problems),
        excluded=listed(lines, "EXDATE", zones, YEARS, problems),
        organizer=next(iter(_people([item.get("organizer")])), None),
        guests=_guests(item.get("attendees"), problems),
        summary=_text(item, "summary", TEXT_CHARS_MAX),
        location=_text(item, "location", TEXT_CHARS_MAX),
        is_private=item.get("visibility") in ("private", "confidential"),
        stamped_at=stamp(item),
        problems=tuple(dict.fromkeys(problems)),
    )


def stamp(item: Mapping[str, Any]) -> datetime | None:
    """Return when an item was last changed, if it says so."""
    try:
        at = datetime.fromisoformat(_text(item, "updated", 40))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo and YEARS[0] < at.year < YEARS[1] else None


def _text(item: Mapping[str, Any], name: str, max_chars: int) -> str:
    value = item.get(name)
    return " ".join(clean_text(value).split())[:max_chars] if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else 0


def _moment(item: Mapping[str, Any], name: str, zones: Zones) -> tuple[datetime, Zone, bool] | None:
    """A time in its zone, and whether it is a whole day."""
    told = item.get(name)
    if not isinstance(told, Mapping):
        return None
    day, text = _text(told, "date", 10), _text(told, "dateTime", 40)
    try:
        if day:
            at = datetime.combine(datetime.fromisoformat(day).date(), time(), zones.default.tz)
            found = (at, zones.default, True)
        else:
            zone = known_zone(_text(told, "timeZone", 100))
            found = (*_placed(datetime.fromisoformat(text), zone, zones), False)
    except (ValueError, OverflowError):
        raise PermanentError(f"no readable value: {name}") from None
    if not YEARS[0] <= found[0].year <= YEARS[1]:
        raise PermanentError(f"{name} lies outside of the years {YEARS[0]} to {YEARS[1]}")
    return found


def _placed(at: datetime, zone: Zone | None, zones: Zones) -> tuple[datetime, Zone]:
    """A time in the zone that it names; without one the offset stands, and without that our own zone."""
    if at.tzinfo is None:
        zone = zone or zones.default
        return at.replace(tzinfo=zone.tz), zone
    return (at.astimezone(zone.tz), zone) if zone else (at, Zone("", UTC))


def _end(
    item: Mapping[str, Any], started: tuple[datetime, Zone, bool] | None, zones: Zones, problems: list[str]
) -> datetime | None:
    if started is None:
        return None
    start = started[0]
    ended = None if item.get("endTimeUnspecified") is True else _moment(item, "end", zones)
    if ended is None:
        return start + timedelta(days=1) if started[2] else start
    end = ended[0].astimezone(start.tzinfo)
    if end < start:
        problems.append("it ends before it begins: its end isn't read")
        return start
    return end


def _lines(item: Mapping[str, Any], problems: list[str]) -> Sequence[str]:
    told = item.get("recurrence")
    lines = [line for line in told if isinstance(line, str)] if isinstance(told, list) else []
    if any(line.upper().startswith("EXRULE") for line in lines):
        problems.append("a rule of exceptions isn't read")
    return lines[:LINES_MAX]


def _rule(lines: Sequence[str], started: tuple[datetime, Zone, bool] | None, problems: list[str]) -> Rule:
    rules = [line.partition(":")[2] for line in lines if line.upper().startswith("RRULE")]
    if not rules or started is None:
        return Rule("", ends=True)
    if len(rules) > 1:
        problems.append("more than one rule by which it repeats: the first is read")
    rule = read_rule(rules[0], started[0].tzinfo or UTC, started[2])
    problems += [rule.problem] if rule.problem else []
    return rule


def _guests(told: Any, problems: list[str]) -> tuple[Guest, ...]:
    guests = _people(told if isinstance(told, list) else [])
    if len(guests) > GUESTS_MAX:
        problems.append(f"{len(guests)} guests: the first {GUESTS_MAX} are read")
    return guests[:GUESTS_MAX]


def _people(told: Sequence[Any]) -> tuple[Guest, ...]:
    """The people who have an e-mail address, each once."""
    found: dict[str, Guest] = {}
    for person in told:
        if not isinstance(person, Mapping) or not _EMAIL.fullmatch(email := _text(person, "email", 330)):
            continue
        name, answer = _text(person, "displayName", 200), _ANSWERS.get(_text(person, "responseStatus", 30), "")
        is_person, is_ours = person.get("resource") is not True, person.get("self") is True
        shown = "" if "@" in name else name
        found.setdefault(email.casefold(), Guest(email, shown, answer, is_person, is_ours))
    return tuple(found.values())
