"""How often an event of Graph's repeats, put as a rule of iCalendar, so that one reader knows and bounds both.

Graph names days in full, a place among them by a word, and the last day as a date of the series' own zone.

Source: learn.microsoft.com `recurrencePattern` and `recurrenceRange`, read 2026-11.
"""

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from adapters.formats.ics_rules import Rule, read_rule

_FREQUENCIES = {
    "daily": "DAILY",
    "weekly": "WEEKLY",
    "absoluteMonthly": "MONTHLY",
    "relativeMonthly": "MONTHLY",
    "absoluteYearly": "YEARLY",
    "relativeYearly": "YEARLY",
}
_PLACES = {"first": "1", "second": "2", "third": "3", "fourth": "4", "last": "-1"}
_DAYS = {
    "monday": "MO", "tuesday": "TU", "wednesday": "WE", "thursday": "TH", "friday": "FR", "saturday": "SA",
    "sunday": "SU",
}  # fmt: skip


def rule_of(recurrence: object, zone: tzinfo, is_all_day: bool) -> Rule:
    """Return the rule of a series whose wall clock runs in a zone; one without words for what repeats not at all."""
    pattern = recurrence.get("pattern") if isinstance(recurrence, Mapping) else None
    if not isinstance(pattern, Mapping):
        return Rule("", ends=True)
    limits = recurrence.get("range") if isinstance(recurrence, Mapping) else None
    parts = _pattern(pattern) | _end(limits if isinstance(limits, Mapping) else {}, is_all_day)
    return read_rule(";".join(f"{name}={value}" for name, value in parts.items()), zone, is_all_day)


def _pattern(pattern: Mapping[str, Any]) -> dict[str, str]:
    kind = str(pattern.get("type"))
    parts = {"FREQ": _FREQUENCIES.get(kind, "OTHER")}
    if pattern.get("interval") not in (None, 1):
        parts["INTERVAL"] = str(pattern["interval"])
    days = _days(pattern.get("daysOfWeek"))
    place = _PLACES.get(str(pattern.get("index", "first")).lower(), "0") if kind.startswith("relative") else ""
    if place and len(days) == 1:
        parts["BYDAY"] = f"{place}{days[0]}"
    elif place or kind == "weekly":
        parts |= ({"BYDAY": ",".join(days)} if days else {}) | ({"BYSETPOS": place} if place else {})
    if kind == "weekly" and (first := _DAYS.get(str(pattern.get("firstDayOfWeek", "sunday")).lower())):
        parts["WKST"] = first
    if kind.startswith("absolute"):
        parts["BYMONTHDAY"] = str(pattern.get("dayOfMonth"))
    if kind.endswith("Yearly"):
        parts["BYMONTH"] = str(pattern.get("month"))
    return parts


def _days(told: object) -> Sequence[str]:
    return [_DAYS.get(str(day).lower(), "?") for day in told] if isinstance(told, list) else []


def _end(limits: Mapping[str, Any], is_all_day: bool) -> dict[str, str]:
    kind = str(limits.get("type")).lower()
    if kind == "numbered":
        return {"COUNT": str(limits.get("numberOfOccurrences"))}
    if kind == "enddate":
        last = str(limits.get("endDate"))[:10].replace("-", "")
        return {"UNTIL": last if is_all_day else f"{last}T235959"}
    return {}
