"""An event as Graph tells it, as the `Event` that iCalendar is read into: one shape, whoever told of a meeting.

Graph's `iCalUId` is Exchange's GlobalObjectId in hexadecimal. In an occurrence it holds that day's date, and of an
invitation from elsewhere it may hold the foreign UID inside: both are undone here, so that a meeting has the UID that
the invitation in the mail has, as far as it can be had. Times come in UTC, and are shown in the zone in which the event
was made, whose name may be a Windows one. A private event says so; what `personal` means is nobody's business either.

Of a person's own invitation the attendees say nothing of his answer; it stands in `responseStatus`, and is put back.

Source: learn.microsoft.com `event` resource, read 2026-11; MS-OXOCAL 2.2.1.27 (PidLidGlobalObjectId).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any

from adapters.channels.graph.api import read_json
from adapters.channels.graph.recurrence import rule_of
from adapters.channels.graph.subscriptions import read_time
from adapters.formats.charsets import clean_text
from adapters.formats.ics import GUESTS_MAX, TEXT_CHARS_MAX, UID_CHARS_MAX, YEARS, Event, Guest
from adapters.formats.ics_zones import Zone, known_zone
from sidecar.errors import PermanentError

SELECT = (
    "id,changeKey,iCalUId,type,seriesMasterId,isCancelled,isDraft,isAllDay,isOrganizer,subject,start,end,originalStart,"
    "originalStartTimeZone,organizer,attendees,recurrence,sensitivity,location,responseStatus,lastModifiedDateTime"
)
_EXCHANGE = "040000008200E00074C5B7101A82E008"
_FOREIGN = b"vCal-Uid\x01\x00\x00\x00"
_HEX = re.compile(r"[0-9A-Fa-f]{80,1000}")
_EMAIL = re.compile(r"[^\s<>\"',;:@\x00-\x1f\x7f]{1,64}@[^\s<>\"',;:@\x00-\x1f\x7f]{1,255}")
_ANSWERS = {"accepted": "accepted", "declined": "declined", "tentativelyAccepted": "tentative"}


def read_event(raw: bytes, mailbox: str, timezone: str) -> Event:
    """Read an event of Graph's; days without a time are days where we are. `PermanentError` for what is none."""
    data = read_json(raw)
    uid = clean_uid(_text(data.get("iCalUId"), UID_CHARS_MAX + 1))
    if not uid or len(uid) > UID_CHARS_MAX:
        raise PermanentError("the event's iCalUId is missing" if not uid else "the event's iCalUId is too long")
    ours = known_zone(timezone) or Zone("UTC", UTC)
    is_all_day = data.get("isAllDay") is True
    zone = ours if is_all_day else known_zone(_text(data.get("originalStartTimeZone"), 100)) or Zone("UTC", UTC)
    problems: list[str] = []
    start, end = (_moment(data.get(name), name, zone, is_all_day) for name in ("start", "end"))
    if start is None and data.get("isCancelled") is not True:
        raise PermanentError("the event has no readable start")
    if start and end and end < start:
        problems.append("it ends before it begins: its end isn't read")
        end = start
    rule = rule_of(data.get("recurrence"), zone.tz, is_all_day)
    problems += [rule.problem] if rule.problem else []
    location = data.get("location")
    return Event(
        uid=uid,
        recurrence=_occurrence(data, ours if is_all_day else None),
        status="CANCELLED" if data.get("isCancelled") is True else "",
        start=start,
        end=end or start,
        is_all_day=is_all_day,
        zone=zone.name,
        repeats=rule.words,
        rule=rule.text,
        ends=rule.ends,
        organizer=next(_people([data.get("organizer")]), None),
        guests=_guests(data, mailbox, problems),
        summary=_text(data.get("subject"), TEXT_CHARS_MAX),
        location=_text(location.get("displayName"), TEXT_CHARS_MAX) if isinstance(location, Mapping) else "",
        is_private=data.get("sensitivity") not in (None, "normal"),
        stamped_at=read_time(data.get("lastModifiedDateTime")),
        problems=tuple(problems),
    )


def clean_uid(uid: str) -> str:
    """Return the UID of a whole series, and of an invitation from elsewhere its own; any other as it is."""
    if not _HEX.fullmatch(uid) or not uid.upper().startswith(_EXCHANGE) or len(uid) % 2:
        return uid
    inner = bytes.fromhex(uid[80:])
    if inner.startswith(_FOREIGN):
        foreign = inner[len(_FOREIGN) :].rstrip(b"\x00").decode("utf-8", "replace")
        return foreign if foreign.isprintable() and foreign else uid
    return f"{uid[:32]}00000000{uid[40:]}"


def _text(value: object, max_chars: int) -> str:
    return " ".join(clean_text(value[: 4 * max_chars]).split())[:max_chars] if isinstance(value, str) else ""


def _moment(told: object, name: str, zone: Zone, is_all_day: bool) -> datetime | None:
    """A time in the zone to show it in; a whole day begins at midnight there."""
    if not isinstance(told, Mapping):
        return None
    text, named = told.get("dateTime"), told.get("timeZone")
    try:
        wall = datetime.fromisoformat(text) if isinstance(text, str) and len(text) <= 40 else None
        if wall is None or not YEARS[0] <= wall.year <= YEARS[1]:
            return None
        if is_all_day:
            return datetime.combine(wall.date(), time(), zone.tz)
        if wall.tzinfo is not None:
            return wall.astimezone(zone.tz)
        there = known_zone(named) if isinstance(named, str) and len(named) <= 100 else None
        return wall.replace(tzinfo=there.tz if there else UTC).astimezone(zone.tz)
    except (ValueError, OverflowError):
        raise PermanentError(f"the event's {name} can't be read") from None


def _occurrence(data: Mapping[str, Any], whole_days: Zone | None) -> str:
    """The time that one occurrence of a series first had, in UTC; "" for a series and for a single event."""
    at = read_time(data.get("originalStart")) if data.get("type") in ("exception", "occurrence") else None
    if at is not None and whole_days is not None:
        at = datetime.combine(at.date(), time(), whole_days.tz).astimezone(UTC)
    return at.isoformat() if at else ""


def _guests(data: Mapping[str, Any], mailbox: str, problems: list[str]) -> tuple[Guest, ...]:
    people = list(_people(data.get("attendees")))
    if len(people) > GUESTS_MAX:
        problems.append(f"{len(people)} guests: the first {GUESTS_MAX} are read")
    return tuple(_answered(guest, data, mailbox) for guest in people[:GUESTS_MAX])


def _people(told: object) -> Iterator[Guest]:
    """Those of a list who have an e-mail address, each once."""
    seen: set[str] = set()
    for one in told if isinstance(told, list) else []:
        address = one.get("emailAddress") if isinstance(one, Mapping) else None
        email = _text(address.get("address"), 400) if isinstance(address, Mapping) else ""
        if isinstance(address, Mapping) and _EMAIL.fullmatch(email) and email.casefold() not in seen:
            seen.add(email.casefold())
            name, status = _text(address.get("name"), 200), one.get("status")
            answer = _answer(status.get("response") if isinstance(status, Mapping) else None)
            yield Guest(email, "" if "@" in name else name, answer, one.get("type") != "resource")


def _answered(guest: Guest, data: Mapping[str, Any], mailbox: str) -> Guest:
    told = data.get("responseStatus")
    is_own = guest.email.casefold() == mailbox.casefold() and data.get("isOrganizer") is not True
    if is_own and isinstance(told, Mapping) and (answer := _answer(told.get("response"))) != "needs-action":
        return replace(guest, answer=answer)
    return guest


def _answer(response: object) -> str:
    return _ANSWERS.get(str(response), "needs-action")
