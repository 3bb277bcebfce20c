"""How often a meeting repeats: a rule of iCalendar (RRULE) as it is written, in words, and whether it may be spelt out.

A rule is somebody's text, and a few words of it can keep a program busy for hours: every second without end, or a day
that no month has. So only rules of days, weeks, months and years are spelt out that name days, months and a place among
them, each in small numbers; any other is told as written, in fewer words, and said to be so. What people use fits: the
calendar programs of Google, Microsoft, Apple and Mozilla can't make another by their forms.

The trade-off: a rare rule that would do no harm (by the number of the week or of the day in a year, or at two hours of
a day) isn't spelt out either. Source: RFC 5545 3.3.10; dateutil 2.9 walks a rule that never matches up to the year
9999 and looks at UNTIL and COUNT only where it does (2.6 s for `DAILY;BYMONTH=2;BYMONTHDAY=30`, run 2026-11-23).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

RULE_CHARS_MAX = 500
INTERVAL_MAX = 1_000
VALUES_MAX = 31
_FREQUENCIES = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}
_ADVERBS = {"DAILY": "daily", "WEEKLY": "weekly", "MONTHLY": "monthly", "YEARLY": "yearly"}
_DAYS = {
    "MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday", "SA": "Saturday",
    "SU": "Sunday",
}  # fmt: skip
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS_MOST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PLACES = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last", -2: "last but one"}
_KNOWN = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS"})
_DAY = re.compile(r"([+-]?[1-9][0-9]?)?(MO|TU|WE|TH|FR|SA|SU)")
_PART = re.compile(r"[A-Z-]{1,20}=[A-Z0-9,+-]{1,400}")
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that was read: `words` tell it, `text` spells it for a wall clock, "" where it may not be spelt out.

    `ends` when it has a last day by its own words, `problem` says why it isn't spelt out.
    """

    words: str
    text: str = ""
    ends: bool = False
    problem: str = ""


def read_rule(value: str, zone: tzinfo, is_all_day: bool = False) -> Rule:
    """Read the value of an RRULE, for a meeting whose wall clock runs in a zone."""
    parts = _parts(value)
    frequency = parts.get("FREQ", "")
    ends = "COUNT" in parts or "UNTIL" in parts
    if frequency not in _FREQUENCIES:
        return Rule("regularly", ends=ends, problem="it repeats by a rule that isn't spelt out")
    until = _until(parts.get("UNTIL", ""), zone)
    if not _is_calm(parts, frequency) or ("UNTIL" in parts and until is None):
        return Rule(_ADVERBS[frequency], ends=ends, problem="it repeats by a rule that isn't spelt out")
    kept = {name: part for name, part in parts.items() if name != "UNTIL"}
    if until is not None:
        kept.pop("COUNT", None)  # RFC 5545: never both; UNTIL is what people see
        kept["UNTIL"] = f"{until:%Y%m%d}" if is_all_day else f"{until:%Y%m%dT%H%M%S}"
    return Rule(_words(kept, frequency, until), ";".join(f"{n}={p}" for n, p in kept.items()), ends)


def _parts(value: str) -> Mapping[str, str]:
    """The rule's parts; none where any is written as no part is."""
    pieces = [piece for piece in value.strip().upper().split(";") if piece]
    if len(value) > RULE_CHARS_MAX or not all(_PART.fullmatch(piece) for piece in pieces):
        return {}
    parts = dict(piece.split("=", 1) for piece in pieces)
    return parts if len(parts) == len(pieces) else {}


def _is_calm(parts: Mapping[str, str], frequency: str) -> bool:
    """Whether a rule comes to its days soon, and names no more than people do."""
    if set(parts) - _KNOWN or not all(_is_number(parts.get(name, "1"), 9) for name in ("INTERVAL", "COUNT")):
        return False
    interval, days = int(parts.get("INTERVAL", "1")), parts.get("BYDAY", "").split(",")
    months, month_days, places = (_numbers(parts.get(name, "")) for name in ("BYMONTH", "BYMONTHDAY", "BYSETPOS"))
    if not 1 <= interval <= INTERVAL_MAX or int(parts.get("COUNT", "1")) == 0:
        return False
    if months is None or month_days is None or places is None:
        return False
    if "BYDAY" in parts and not all(_DAY.fullmatch(day) for day in days):
        return False
    if parts.get("WKST", "MO") not in _DAYS or "+" in parts.get("BYMONTH", ""):
        return False  # the library raises on both
    has_ordinal = any(len(day) > 2 for day in days)
    if frequency in ("DAILY", "WEEKLY") and (month_days or places or has_ordinal):
        return False
    if frequency == "DAILY" and interval > 1 and (months or "BYDAY" in parts):
        return False
    if month_days and (has_ordinal or not _exists(months, month_days)):
        return False
    named = min(len(month_days) or VALUES_MAX, 5 * len(set(days))) if "BYDAY" in parts else len(month_days) or 1
    most = min(named * (1 if frequency == "MONTHLY" else len(months) or 12), VALUES_MAX)
    return all(1 <= month <= 12 for month in months) and all(1 <= abs(place) <= most for place in places)


def _is_number(text: str, digits: int) -> bool:
    return re.fullmatch(rf"[0-9]{{1,{digits}}}", text) is not None


def _numbers(text: str) -> Sequence[int] | None:
    """The numbers of a list; None for too many, or anything else."""
    found = text.split(",") if text else []
    if len(found) > VALUES_MAX or not all(re.fullmatch(r"[+-]?[0-9]{1,2}", number) for number in found):
        return None
    return [int(number) for number in found]


def _exists(months: Sequence[int], month_days: Sequence[int]) -> bool:
    """Whether some named month has some named day."""
    longest = max((_DAYS_MOST[month - 1] for month in months or range(1, 13) if 1 <= month <= 12), default=0)
    return any(1 <= abs(day) <= longest for day in month_days)


def _until(text: str, zone: tzinfo) -> datetime | None:
    """The last moment by the wall clock of a zone."""
    match = _UNTIL.fullmatch(text)
    if not match:
        return None
    try:
        at = datetime.strptime(match[1] + (match[2] or "235959"), "%Y%m%d%H%M%S")  # noqa: DTZ007 # a wall clock's
        if at.year < 1900:  # which some platforms write in fewer than four digits
            return None
        return at.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) if match[3] else at
    except (ValueError, OverflowError):
        return None


def _words(parts: Mapping[str, str], frequency: str, until: datetime | None) -> str:
    """The rule as a person would say it, such as `every 2 weeks on Monday and Thursday, 10 times`."""
    interval = int(parts.get("INTERVAL", "1"))
    words = [_ADVERBS[frequency] if interval == 1 else f"every {interval} {_FREQUENCIES[frequency]}s"]
    if "BYSETPOS" in parts:
        places = [_place(int(place)) for place in parts["BYSETPOS"].split(",")]
        words.append(f"on the {_and(places)} of")
    if "BYDAY" in parts:
        words.append(_on_days(parts["BYDAY"].split(","), "BYSETPOS" in parts))
    if "BYMONTHDAY" in parts:
        days = [int(day) for day in parts["BYMONTHDAY"].split(",")]
        named = _and([f"day {day}" if day > 0 else f"the {_place(day)} day" for day in days])
        words.append(named if "BYSETPOS" in parts else f"on {named}")
    if "BYMONTH" in parts:
        words.append(f"in {_and([_MONTHS[int(month) - 1] for month in parts['BYMONTH'].split(',')])}")
    told = " ".join(words)
    if until is not None:
        return f"{told} until {until:%Y-%m-%d}"
    return f"{told}, {int(parts['COUNT'])} times in all" if "COUNT" in parts else told


def _on_days(days: Sequence[str], is_chosen: bool) -> str:
    if tuple(days) == _WEEKDAYS:
        return "the weekdays" if is_chosen else "on weekdays"
    told = []
    for day in days:
        ordinal, name = day[:-2], _DAYS[day[-2:]]
        told.append(f"the {_place(int(ordinal))} {name}" if ordinal else name)
    return _and(told) if is_chosen else f"on {_and(told)}"


def _place(number: int) -> str:
    return _PLACES.get(number) or (f"{number}th" if number > 0 else f"{-number}th from the end")


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
