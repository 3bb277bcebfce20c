"""iCalendar bytes (RFC 5545, 5546) as `Event`s: what is planned, when, by whom, and who has answered what.

A calendar comes from anybody who can send a mail, so it is cut into its events by a plain scan of lines first: only the
properties that we read reach the `icalendar` library, one event at a time, so that a broken event costs itself alone
and an enclosed file nothing. Bounds: 2 MB, 50,000 lines, 500 events, 200 guests.

Zones are found here and not by the library: it keeps each VTIMEZONE that it has read for the whole process, under the
name that the sender gave it, so that one mail could move another's appointments (icalendar 7.3.0, seen 2026-11-23). An
IANA or Windows name means what everybody means by it; the file's own rules count only for a name that nobody knows, and
only when they repeat yearly, for others can be made to run for ever.

A series is read as it is written: its first date, its rule (`ics_rules`), the dates taken out and put in (`ics_dates`),
and each exception as an event of its own; `ics_series` spells it out. The library also keeps silent about dates that it
can't read; here they make the event unreadable.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from adapters.formats.charsets import clean_text, decode_text
from adapters.formats.ics_dates import listed
from adapters.formats.ics_rules import Rule, read_rule
from adapters.formats.ics_zones import Zone, Zones
from sidecar.errors import PermanentError

ICS_BYTES_MAX = 2 * 1024 * 1024
LINES_MAX = 50_000
EVENTS_MAX = 500
GUESTS_MAX = 200
DEPTH_MAX = 5
UID_CHARS_MAX = 500
TEXT_CHARS_MAX = 1_000
YEARS = (1970, 2200)
_READ = frozenset(
    {
        "UID", "SEQUENCE", "RECURRENCE-ID", "DTSTART", "DTEND", "DURATION", "DTSTAMP", "LAST-MODIFIED", "ORGANIZER",
        "ATTENDEE", "STATUS", "SUMMARY", "LOCATION", "CLASS",
    }
)  # fmt: skip
_OF_SERIES = frozenset({"RRULE", "RDATE", "EXDATE"})
"""Read by ourselves, so that their lengths are bounded before the library sees them."""
_IN_CALENDAR = ["VCALENDAR"]
_IN_EVENT = ["VCALENDAR", "VEVENT"]
_NEEDED = frozenset({"UID", "DTSTART", "DTEND", "DURATION", "RECURRENCE-ID"})
_TZID = re.compile(
    r'(?P<property>[A-Za-z-]{1,60})(?P<before>(?:;[^:"]{0,200})?);TZID=(?P<tzid>"[^"]{0,200}"|[^;:"]{0,200})', re.I
)
_FOLD = re.compile(rb"\n[ \t]")
_RANGE = re.compile(r"RECURRENCE-ID[^:]{0,200};RANGE=\"?THISANDFUTURE\"?[;:]", re.I)
_NAME = re.compile(r"[A-Za-z0-9-]{1,60}(?=[:;])")
_WORD = re.compile(r"[A-Z][A-Z-]{0,30}")
_EMAIL = re.compile(r"[^\s<>\"',;:@\x00-\x1f\x7f]{1,64}@[^\s<>\"',;:@\x00-\x1f\x7f]{1,255}")
_NO_PERSON = frozenset({"RESOURCE", "ROOM", "GROUP"})


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody named in an event; `answer` is PARTSTAT in lower case: needs-action, accepted, declined, tentative.

    `is_ours` where the calendar itself says that this is whose calendar it is.
    """

    email: str
    name: str = ""
    answer: str = ""
    is_person: bool = True
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """One VEVENT. `method` and `status` are upper case or "". Times are aware, in the event's own zone.

    `recurrence` names one occurrence of a series by the time that it first had (UTC, ISO 8601), else "". `zone` is a
    name to show with the times. An all-day event starts and ends (exclusively) at midnight where we are.

    `repeats` tells in words how a series goes on, "" for a single event, and `ends` that it does by its own words.
    `rule` spells it for the wall clock of its zone, "" where it isn't spelt out. `added`, `excluded`: single days.
    `and_later`: an exception that holds from its day on. Whoever spells a series out says when it was next on, and
    whether it `is_over`.
    """

    uid: str
    recurrence: str = ""
    method: str = ""
    sequence: int = 0
    status: str = ""
    start: datetime | None = None
    end: datetime | None = None
    is_all_day: bool = False
    zone: str = ""
    repeats: str = ""
    rule: str = ""
    ends: bool = True
    added: tuple[datetime, ...] = ()
    excluded: tuple[datetime, ...] = ()
    and_later: bool = False
    next_start: datetime | None = None
    is_over: bool = False
    organizer: Guest | None = None
    guests: tuple[Guest, ...] = ()
    summary: str = ""
    location: str = ""
    is_private: bool = False
    stamped_at: datetime | None = None
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class _Cut:
    """A calendar in pieces: properties of its own, the lines of each event, and of each zone by its TZID."""

    head: dict[str, str] = field(default_factory=dict)
    events: list[list[str]] = field(default_factory=list)
    zones: dict[str, str] = field(default_factory=dict)


def read_calendar(content: bytes, default_zone: str = "UTC") -> tuple[Event, ...]:
    """Read the events of a calendar; what has no zone is in the default one.

    Raises PermanentError when it is no calendar, holds no event that can be read, or is built to exhaust its reader.
    The problems of events that can't be read stand with the first that can.
    """
    if len(content) > ICS_BYTES_MAX:
        raise PermanentError(f"calendar of {len(content)} bytes; at most {ICS_BYTES_MAX} are read")
    cut = _cut(content)
    if not cut.events:
        raise PermanentError("the calendar holds no event")
    zones = Zones(cut.zones, cut.head.get("X-WR-TIMEZONE", ""), default_zone)
    method = cut.head.get("METHOD", "").strip().upper()
    found: list[Event] = []
    unreadable: list[str] = []
    for number, lines in enumerate(cut.events, 1):
        try:
            found.append(_event(lines, method if _WORD.fullmatch(method) else "", zones))
        except PermanentError as error:
            unreadable.append(f"event {number} can't be read: {error}")
    if not found:
        raise PermanentError("; ".join(unreadable[:5]))
    found[0] = replace(found[0], problems=found[0].problems + tuple(unreadable[:10]))
    return tuple(found)


def _cut(content: bytes) -> _Cut:
    """Cut a calendar into events and zones; other components, and alarms within events, are left out."""
    lines = _lines(content)
    if not lines or lines[0].strip().upper() != "BEGIN:VCALENDAR":
        raise PermanentError("not a calendar: it doesn't begin with BEGIN:VCALENDAR")
    cut, path, zone = _Cut(), list[str](), list[str]()
    for line in lines:
        word, _, value = (part.strip().upper() for part in line.partition(":"))
        if word == "BEGIN":
            _enter(path, value, cut)
        if path[1:2] == ["VTIMEZONE"]:
            zone.append(line)
        elif path == _IN_EVENT and (known := _NAME.match(line)) and known[0].upper() in _READ | _OF_SERIES:
            cut.events[-1].append(line)
        elif path == _IN_CALENDAR:
            cut.head.setdefault(word.partition(";")[0], line.partition(":")[2].strip())
        if word == "END":
            _leave(path, value)
        if zone and path == _IN_CALENDAR:
            cut.zones.setdefault(_tzid(zone), "\r\n".join([*zone, ""]))
            zone = []
    if path:
        raise PermanentError("the calendar ends in the middle")
    return cut


def _enter(path: list[str], part: str, cut: _Cut) -> None:
    path.append(part)
    if len(path) > DEPTH_MAX:
        raise PermanentError(f"the calendar is nested more than {DEPTH_MAX} deep")
    if path == _IN_EVENT:
        cut.events.append([])
        if len(cut.events) > EVENTS_MAX:
            raise PermanentError(f"the calendar has more than {EVENTS_MAX} events")


def _leave(path: list[str], part: str) -> None:
    if not path or path.pop() != part:
        raise PermanentError("the calendar's parts don't end as they begin")


def _lines(content: bytes) -> Sequence[str]:
    """Unfold the lines; bytes first, because a fold may stand inside of a character."""
    unfolded = _FOLD.sub(b"", content.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    if unfolded.count(b"\n") > LINES_MAX:
        raise PermanentError(f"the calendar has more than {LINES_MAX} lines")
    text, _ = decode_text(unfolded.removeprefix(b"\xef\xbb\xbf"), None)
    return [line for line in clean_text(text).split("\n") if line.strip()]


def _tzid(lines: Sequence[str]) -> str:
    return next((line.partition(":")[2].strip() for line in lines if line.upper().startswith("TZID")), "")


def _event(lines: Sequence[str], method: str, zones: Zones) -> Event:
    problems: list[str] = []
    component, tzids = _component(lines, problems)
    uid = _uid(component)
    started = _moment(component, "DTSTART", tzids, zones, problems)
    status = _text(component, "STATUS", 31).upper()
    if started is None and method not in ("REPLY", "CANCEL", "REFRESH"):
        raise PermanentError("it has no start")
    organizer = next(_people(component, "ORGANIZER"), None)
    guests = list(_people(component, "ATTENDEE"))
    if len(guests) > GUESTS_MAX:
        problems.append(f"{len(guests)} guests: the first {GUESTS_MAX} are read")
    occurrence = _moment(component, "RECURRENCE-ID", tzids, zones, problems)
    rule = _rule(lines, started, problems)
    stamp = next((at for name in ("DTSTAMP", "LAST-MODIFIED") if (at := _stamp(component, name))), None)
    return Event(
        uid=uid,
        recurrence=occurrence[0].astimezone(UTC).isoformat() if occurrence else "",
        method=method,
        sequence=_count(component, problems),
        status=status if _WORD.fullmatch(status) else "",
        start=started[0] if started else None,
        end=_end(component, started, tzids, zones, problems),
        is_all_day=bool(started and started[2]),
        zone=started[1].name if started else "",
        repeats=rule.words,
        rule=rule.text,
        ends=rule.ends,
        added=listed(lines, "RDATE", zones, YEARS, problems),
        excluded=listed(lines, "EXDATE", zones, YEARS, problems),
        and_later=any(_RANGE.match(line) for line in lines),
        organizer=organizer,
        guests=tuple(guests[:GUESTS_MAX]),
        summary=_text(component, "SUMMARY", TEXT_CHARS_MAX),
        location=_text(component, "LOCATION", TEXT_CHARS_MAX),
        is_private=_text(component, "CLASS", 31).upper() in ("PRIVATE", "CONFIDENTIAL"),
        stamped_at=stamp,
        problems=tuple(dict.fromkeys(problems)),
    )


def _uid(component: Mapping[str, Any]) -> str:
    uid = _text(component, "UID", UID_CHARS_MAX + 1)
    if not uid or len(uid) > UID_CHARS_MAX:
        raise PermanentError("its UID is missing" if not uid else f"its UID is longer than {UID_CHARS_MAX} characters")
    return uid


def _component(lines: Sequence[str], problems: list[str]) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """The event as the library reads it, and the zone of each property, which the library isn't shown."""
    import icalendar

    tzids: dict[str, str] = {}
    bare = []
    for line in lines:
        known = _NAME.match(line)
        if known and known[0].upper() in _OF_SERIES:
            continue
        zone = _TZID.match(line)
        if zone:
            tzids.setdefault(zone["property"].upper(), zone["tzid"].strip('"'))
        bare.append(f"{zone['property']}{zone['before']}{line[zone.end() :]}" if zone else line)
    try:
        component = icalendar.Event.from_ical("\r\n".join(["BEGIN:VEVENT", *bare, "END:VEVENT", ""]))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError):
        raise PermanentError("it breaks the rules of iCalendar") from None  # its words may be somebody's
    bad = sorted({str(name) for name, _ in component.errors if name in _READ})
    if not _NEEDED.isdisjoint(bad):
        raise PermanentError(f"no readable value: {', '.join(bad)}")
    problems += (f"no readable value: {name}" for name in bad)
    return {name: value for name, value in component.items() if name not in bad}, tzids


def _first(component: Mapping[str, Any], name: str) -> Any:
    value = component.get(name)
    return value[0] if isinstance(value, list) and value else value


def _text(component: Mapping[str, Any], name: str, max_chars: int) -> str:
    value = _first(component, name)
    return " ".join(clean_text(str(value)).split())[:max_chars] if value is not None else ""


def _count(component: Mapping[str, Any], problems: list[str]) -> int:
    text = _text(component, "SEQUENCE", 10) or "0"
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    problems.append("its SEQUENCE is no number: 0 is taken")
    return 0


def _moment(
    component: Mapping[str, Any], name: str, tzids: Mapping[str, str], zones: Zones, problems: list[str]
) -> tuple[datetime, Zone, bool] | None:
    """A time in its zone, and whether it is a whole day."""
    value = _first(component, name)
    if value is None:
        return None
    at = getattr(value, "dt", None)
    if not isinstance(at, date):
        raise PermanentError(f"no readable value: {name}")
    if not YEARS[0] <= at.year <= YEARS[1]:
        raise PermanentError(f"{name} lies outside of the years {YEARS[0]} to {YEARS[1]}")
    if not isinstance(at, datetime):
        return datetime.combine(at, time(), zones.default.tz), zones.default, True
    if at.tzinfo is not None:
        return at.astimezone(UTC), Zone("UTC", UTC), False
    zone = zones.find(tzids.get(name, ""), problems)
    return _placed(at, zone.tz, name), zone, False


def _stamp(component: Mapping[str, Any], name: str) -> datetime | None:
    """A time that is always in UTC."""
    at = getattr(_first(component, name), "dt", None)
    if not isinstance(at, datetime) or not YEARS[0] <= at.year <= YEARS[1]:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _placed(wall: datetime, tz: tzinfo, name: str) -> datetime:
    """Put a wall time into its zone; rules of the file's own may be such that it can't be."""
    try:
        at = wall.replace(tzinfo=tz)
        return at if isinstance(tz, ZoneInfo) else datetime.fromisoformat(at.isoformat())
    except (ValueError, TypeError, OverflowError, ArithmeticError, IndexError):
        raise PermanentError(f"{name} stands in a zone whose rules can't be read") from None


def _end(
    component: Mapping[str, Any],
    started: tuple[datetime, Zone, bool] | None,
    tzids: Mapping[str, str],
    zones: Zones,
    problems: list[str],
) -> datetime | None:
    if started is None:
        return None
    ended = _moment(component, "DTEND", tzids, zones, problems)
    length = getattr(_first(component, "DURATION"), "dt", None)
    start = started[0]
    if ended:
        end = ended[0].astimezone(start.tzinfo)
    elif isinstance(length, timedelta) and timedelta() <= length <= timedelta(days=3660):
        end = (start.astimezone(UTC) + length).astimezone(start.tzinfo)
    else:
        end = start + timedelta(days=1) if started[2] else start
    if end < start:
        problems.append("it ends before it begins: its end isn't read")
        return start
    return end


def _rule(lines: Sequence[str], started: tuple[datetime, Zone, bool] | None, problems: list[str]) -> Rule:
    """How an event repeats; of several rules the first, as RFC 5545 3.8.5.3 would have one alone."""
    rules = [line.partition(":")[2] for line in lines if re.match("RRULE[:;]", line, re.I)]
    if not rules or started is None:
        return Rule("", ends=True)
    if len(rules) > 1:
        problems.append("more than one rule by which it repeats: the first is read")
    rule = read_rule(rules[0], started[0].tzinfo or UTC, started[2])
    problems += [rule.problem] if rule.problem else []
    return rule


def _people(component: Mapping[str, Any], name: str) -> Iterator[Guest]:
    """The people of a property who have an e-mail address, each once."""
    values = component.get(name)
    seen: set[str] = set()
    for value in values if isinstance(values, list) else [values] if values is not None else []:
        params = getattr(value, "params", {})
        for spelt in (str(value), str(params.get("EMAIL", ""))):
            email = re.sub(r"^mailto:", "", spelt.strip(), flags=re.IGNORECASE).strip()
            if not _EMAIL.fullmatch(email):
                continue
            if email.casefold() not in seen:
                seen.add(email.casefold())
                shown = " ".join(clean_text(str(params.get("CN", ""))).split())[:200]
                is_person = str(params.get("CUTYPE", "")).upper() not in _NO_PERSON
                answer = str(params.get("PARTSTAT", "")).lower()[:30]
                yield Guest(email, "" if "@" in shown else shown, answer, is_person)
            break
