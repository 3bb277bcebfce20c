"""A series spelt out: on which days it is, within a window, each with the time that it has on that day.

The meeting's own wall clock counts, in its own zone, so that ten o'clock stays ten o'clock when the clocks change. The
rule, the days put in and taken out, and the exceptions (moved, called off, from this day on) are put together by
recurring-ical-events. It sees wall times alone, and only rules that `ics_rules` let pass; so neither a zone's rules nor
an end in another zone can mislead it, and nothing that it walks is long.

Bounds: a window of 400 days, 500 days within it, 200 exceptions of a series. What lies behind them isn't spelt out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from adapters.formats.ics import Event

WINDOW = timedelta(days=400)
DAYS_MAX = 500
EXCEPTIONS_MAX = 200


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One day of a series, in the zone of the series; `recurrence` is the time that it first had (UTC, ISO 8601)."""

    start: datetime
    end: datetime
    recurrence: str


def occurrences(series: Event, exceptions: Sequence[Event], since: datetime) -> tuple[Occurrence, ...]:
    """Return the days of a series that end after `since`, in order, within the window; none where it isn't spelt out.

    `exceptions` are the events of the same UID that have a `recurrence`. A day that was called off isn't among them.
    """
    if series.start is None or (series.repeats and not series.rule and not series.added):
        return ()
    gone = {event.recurrence for event in exceptions if event.status == "CANCELLED"}
    found = [day for day in _spelt(series, exceptions, since) if day.recurrence not in gone and day.end > since]
    return tuple(sorted(found, key=lambda day: day.start.astimezone(UTC))[:DAYS_MAX])


def is_day_of(series: Event, at: datetime) -> bool:
    """Say whether a series, as its rule alone has it, is on at a time; a rule that isn't spelt out may be."""
    if series.start is None or not series.rule:
        return series.repeats != "" or at in series.added
    wall = at.astimezone(series.start.tzinfo).replace(tzinfo=None)
    moment, bare = timedelta(seconds=1), _component(replace(series, excluded=()), series.start.tzinfo)
    return any(_wall(day["DTSTART"].dt) == wall for day in _between(_calendar([bare]), wall - moment, wall + moment))


def is_over(series: Event, exceptions: Sequence[Event], now: datetime) -> bool:
    """Say whether no day of a series is left; of one without an end, or that isn't spelt out, some may be."""
    spelt_out = series.rule or (series.added and not series.repeats)
    return bool(series.ends and spelt_out) and not occurrences(series, exceptions, now)


def was_over(events: Sequence[Event], at: datetime) -> bool:
    """Say whether nothing of a calendar's events was left at a time; of what can't be read, something may be."""
    exceptions = [event for event in events if event.recurrence]
    return bool(events) and all(
        is_over(event, exceptions, at) if event.repeats or event.added else event.end is not None and event.end < at
        for event in events
    )


def _spelt(series: Event, exceptions: Sequence[Event], since: datetime) -> Iterator[Occurrence]:
    start = series.start or since
    length = (series.end or start) - start
    wall = since.astimezone(start.tzinfo).replace(tzinfo=None) - min(length, WINDOW)
    parts = [_component(series, start.tzinfo)]
    parts += [_component(event, start.tzinfo) for event in exceptions[:EXCEPTIONS_MAX] if event.start is not None]
    for day in _between(_calendar(parts), wall, wall + WINDOW):
        begins, ends = (_placed(day[name].dt, start) for name in ("DTSTART", "DTEND"))
        first = _placed(day["RECURRENCE-ID"].dt, start)
        yield Occurrence(begins, ends, first.astimezone(UTC).isoformat())


def _between(calendar: Any, begin: datetime, end: datetime) -> Sequence[Any]:
    import recurring_ical_events  # type: ignore[import-untyped]  # ships without type information

    try:
        return list(recurring_ical_events.of(calendar, components=["VEVENT"]).between(begin, end))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError):
        return ()  # it can't be put together: nothing is known of its days


def _calendar(parts: Sequence[Any]) -> Any:
    import icalendar

    calendar = icalendar.Calendar()
    for part in parts:
        calendar.add_component(part)
    return calendar


def _component(event: Event, zone: tzinfo | None) -> Any:
    """An event by the wall clock of a zone, as the library reads it."""
    import icalendar

    def told(at: datetime) -> datetime | date:
        wall = at.astimezone(zone).replace(tzinfo=None)
        return wall.date() if event.is_all_day else wall

    made = icalendar.Event()
    made.add("uid", event.uid)
    made.add("sequence", event.sequence)
    if event.start is not None:
        made.add("dtstart", told(event.start))
        made.add("dtend", told(event.end or event.start))
    if event.rule:
        made.add("rrule", icalendar.vRecur.from_ical(event.rule))
    for name, dates in (("rdate", event.added), ("exdate", event.excluded)):
        if dates:
            made.add(name, [told(at) for at in dates])
    if event.recurrence:
        first = told(datetime.fromisoformat(event.recurrence))
        made.add("recurrence-id", first, {"RANGE": "THISANDFUTURE"} if event.and_later else {})
    return made


def _wall(at: datetime | date) -> datetime:
    return at if isinstance(at, datetime) else datetime.combine(at, datetime.min.time())


def _placed(at: datetime | date, start: datetime) -> datetime:
    """A wall time in the zone of the series; an hour that the clocks leave out is counted on from before."""
    return _wall(at).replace(tzinfo=start.tzinfo).astimezone(UTC).astimezone(start.tzinfo)
