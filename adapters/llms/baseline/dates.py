"""Reads dates and times out of a sentence, relative to when it was said; what can be read two ways stays unresolved.

Own grammar, because the libraries that search for dates in free text find them where there are none ("we" as
Wednesday, "may", "sat in the sun"). A span is due at its end: "next week" by that week's Friday. An hour from 1 to 6
without am or pm is in the afternoon, as among people who make appointments; 7 is left open. The phrases stand in the
language's word file, the calendar arithmetic here.
"""

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

MAX_CLOCK_GAP = 20
LOOK_BACK_DAYS = 90
_KINDS = (
    "past", "day_month", "weekday_following", "weekday_week", "weekday_next", "weekday_day", "overmorrow", "in_days",
    "in_weeks", "in_a_week", "today", "tomorrow", "weekday", "next_week_end", "week_end", "next_month_end", "month_end",
    "year_end", "month_day",
)  # fmt: skip
_CLOCKS = {"time": 0, "half_to": -30, "half_past": 30, "quarter_past": 15, "quarter_to": -15, "noon": 0}
"""The tables of times of day, and how many minutes each adds to the hour that it names."""
_EXPLICIT = ("day_month", "numeric")
_ISO = re.compile(r"(?<![\w-])(?P<year>20\d\d)-(?P<m>\d\d)-(?P<d>\d\d)(?:[t ](?P<h>\d\d):(?P<mi>\d\d))?(?![\w-])")
_WITH_YEAR = re.compile(
    r"(?<![\w.,/-])(?P<a>\d{1,2})(?P<sep>[./-])(?P<b>\d{1,2})(?P=sep)(?P<year>20\d\d|\d\d)(?![\w/-])"
)
_WITHOUT_YEAR = r"(?<!\w)(?:{before}),? (?P<a>\d{{1,2}})(?:/(?P<b>\d{{1,2}})(?![\w/])|\.(?P<b2>\d{{1,2}})\.(?!\d))"


@dataclass(frozen=True, slots=True)
class Moment:
    """A date, a time of day or both, and where it stands in the sentence; `day` is None when it is unclear or absent.

    `only_clock` marks a bare time of day; `past` a moment that can't be due any more.
    """

    start: int
    end: int
    kind: str
    day: date | None = None
    clock: time | None = None
    past: bool = False

    @property
    def only_clock(self) -> bool:
        """Whether no day is meant, only a time."""
        return self.kind == "clock"

    @property
    def due(self) -> str:
        """The moment as `2026-11-26` or `2026-11-26T10:00`, empty when it is unclear, over, or only a time."""
        if self.day is None or self.past:
            return ""
        return self.day.isoformat() + (f"T{self.clock:%H:%M}" if self.clock else "")


class Grammar:
    """The dates of one language, from the `dates` and `numbers` tables of its word file."""

    def __init__(self, raw: Mapping[str, Any], numbers: Mapping[str, int], ordinals: Mapping[str, int]) -> None:
        self._weekdays = [re.compile(name) for name in raw["weekdays"]]
        self._shorts = [re.compile(name) for name in raw["weekday_short"]]
        self._months = [re.compile(name) for name in raw["months"]]
        self._pm = re.compile("|".join(raw["pm"]))
        self._early, self._late = (re.compile(rf"(?<!\w)(?:{'|'.join(raw[part])})(?!\w)") for part in ("early", "late"))
        self._numbers = {**numbers, **ordinals}
        self._capitalised = frozenset(raw["capitalised"])
        self._day_first = raw["slash"] == "day_first"
        parts = _parts(raw, numbers, ordinals)
        self._days = [(kind, _compiled(t, parts)) for kind in _KINDS for t in raw[kind]]
        self._clocks = [(shift, _compiled(t, parts)) for name, shift in _CLOCKS.items() for t in raw[name]]
        before = "|".join((*raw["slash_before"], *raw["weekdays"], *raw["weekday_short"]))
        self._without_year = re.compile(_WITHOUT_YEAR.format(before=before))

    def find(self, folded: str, original: str, said_at: datetime) -> tuple[Moment, ...]:
        """Return the moments of a sentence in order; `said_at` is local time, both texts have the same places."""
        days = _merged(_apart(self._all_days(folded, original, said_at.date())))
        clocks = _apart([c for c in self._all_clocks(folded) if not any(_overlap(c, d) for d in days)])
        joined = []
        for i, day in enumerate(days):
            bounds = (days[i - 1].end if i else 0, days[i + 1].start if i + 1 < len(days) else len(folded))
            clock = _nearest(day, clocks, bounds) if day.clock is None else None
            if clock:
                clocks.remove(clock)
                start, end = min(day.start, clock.start), max(day.end, clock.end)
                day = replace(day, start=start, end=end, clock=clock.clock)
            joined.append(day)
        return tuple(sorted((*joined, *clocks), key=lambda m: m.start))

    def _all_days(self, folded: str, original: str, today: date) -> list[Moment]:
        found = list(self._numeric(folded, today))
        for kind, pattern in self._days:
            for match in pattern.finditer(folded):
                if not self._is_lower_word(match, original):
                    found.append(self._day(kind, match, today))
        return found

    def _is_lower_word(self, match: re.Match[str], original: str) -> bool:
        """Whether a word that is a date only when it is written with a capital ("May", "Sat") isn't."""
        for name in ("month", "short"):
            word = match.groupdict().get(name)
            if word and word.rstrip(".") in self._capitalised and not original[match.start(name)].isupper():
                return True
        return False

    def _numeric(self, folded: str, today: date) -> Iterator[Moment]:
        for match in _ISO.finditer(folded):
            day = _date(int(match["year"]), int(match["m"]), int(match["d"]))
            clock = _time(int(match["h"]), int(match["mi"])) if match["h"] else None
            yield _moment(match, "numeric", day, today, clock)
        for match in _WITH_YEAR.finditer(folded):
            year = int(match["year"]) + (2000 if len(match["year"]) == 2 else 0)
            day = self._ordered(int(match["a"]), int(match["b"]), year, day_first=match["sep"] == ".")
            yield _moment(match, "numeric", day, today)
        for match in self._without_year.finditer(folded):
            second = match["b"] or match["b2"]
            day = self._ordered(int(match["a"]), int(second), None, day_first=bool(match["b2"]), today=today)
            yield replace(_moment(match, "numeric", day, today), start=match.start("a"))

    def _ordered(self, a: int, b: int, year: int | None, *, day_first: bool, today: date | None = None) -> date | None:
        """Read two numbers as day and month, if only one order is possible or the language has but one."""
        if a > 12 or day_first or (self._day_first and b <= 12) or a == b:
            day, month = a, b
        elif b > 12:
            day, month = b, a
        else:
            return None
        return _date(year, month, day) if year else _coming(month, day, today) if today else None

    def _day(self, kind: str, match: re.Match[str], today: date) -> Moment:
        if kind == "past":
            return Moment(match.start(), match.end(), kind, past=True)
        groups = match.groupdict()
        monday = today - timedelta(days=today.weekday())
        if kind == "day_month":
            month, number = self._index(self._months, groups["month"]) + 1, self._number(groups["d"])
            year = groups.get("year")
            day = _date(int(year), month, number) if year else _coming(month, number, today)
            return _moment(match, kind, day, today)
        if kind.startswith("weekday"):
            return _moment(match, kind, self._weekday(kind, groups, today, monday), today)
        if kind in ("in_days", "in_weeks"):
            count = self._number(groups["n"]) * (7 if kind == "in_weeks" else 1)
            return _moment(match, kind, today + timedelta(days=count), today)
        spans = {
            "in_a_week": today + timedelta(days=7),
            "next_month_end": _month_end(_month_end(today) + timedelta(days=1)),
            "year_end": today.replace(month=12, day=31),
            "month_day": _coming_day(int(groups["d"]), today) if kind == "month_day" else None,
            "today": today,
            "tomorrow": today + timedelta(days=1),
            "overmorrow": today + timedelta(days=2),
            "week_end": monday + timedelta(days=4) if today.weekday() < 5 else None,
            "next_week_end": monday + timedelta(days=11),
            "month_end": _month_end(today),
        }
        return _moment(match, kind, spans[kind], today)

    def _weekday(self, kind: str, groups: Mapping[str, str | None], today: date, monday: date) -> date | None:
        short = groups.get("short")
        wanted = self._index(self._shorts, short) if short else self._index(self._weekdays, groups["weekday"] or "")
        if kind == "weekday_following":
            return monday + timedelta(days=7 + wanted)
        if kind == "weekday_week":
            return today + timedelta(days=(wanted - today.weekday()) % 7 + 7)
        if kind == "weekday_day":
            days = (today + timedelta(days=n) for n in range(45))
            return next((d for d in days if d.day == self._number(groups["d"] or "0") and d.weekday() == wanted), None)
        if kind == "weekday_next" and wanted > today.weekday():
            return None  # this week's or next week's: people mean either
        return today + timedelta(days=(wanted - today.weekday()) % 7 or 7)

    @staticmethod
    def _index(names: Sequence[re.Pattern[str]], word: str) -> int:
        return next(i for i, name in enumerate(names) if name.fullmatch(word))

    def _number(self, word: str) -> int:
        return int(word) if word.isdigit() else self._numbers[word]

    def _all_clocks(self, folded: str) -> list[Moment]:
        found = []
        early, late = self._early.search(folded), self._late.search(folded)
        half = 0 if bool(early) == bool(late) else 1 if early else 2
        for shift, pattern in self._clocks:
            for match in pattern.finditer(folded):
                clock, is_time = self._clock(match, shift, half)
                if is_time:
                    found.append(Moment(match.start(), match.end(), "clock", clock=clock))
        return found

    def _clock(self, match: re.Match[str], shift: int, half: int) -> tuple[time | None, bool]:
        """Return the time, None when it is unclear, and whether the words can be a time at all.

        `half` is the half of the day that the sentence speaks of, 0 where it says nothing or both.
        """
        groups = match.groupdict()
        written = groups.get("h") or groups.get("hn") or ""
        if not written:
            return time(12), True
        hour, minute = self._number(written), int(groups.get("mi") or groups.get("mi2") or 0)
        if hour > 23 or minute > 59:
            return None, False
        said = groups.get("ap")
        half = (2 if self._pm.fullmatch(said) else 1) if said else half
        minutes = (hour * 60 + minute + shift) % (24 * 60)
        minutes += 12 * 60 if shift < 0 and minutes < 60 and hour <= 12 else 0
        is_plain = 60 <= minutes < 12 * 60 and not written.startswith("0")
        if half == 2 and is_plain:
            minutes += 12 * 60
        elif half == 1 and said and hour == 12:
            minutes -= 12 * 60
        elif not half and is_plain and minutes < 7 * 60:
            minutes += 12 * 60
        elif not half and is_plain and minutes < 8 * 60 and not (groups.get("mi") or groups.get("mi2")):
            return None, True
        return time(*divmod(minutes, 60)), True


def _parts(raw: Mapping[str, Any], numbers: Mapping[str, int], ordinals: Mapping[str, int]) -> dict[str, str]:
    words = "|".join(re.escape(word) for word in numbers)
    return {
        "weekdays": "|".join(raw["weekdays"]),
        "weekday": f"(?P<weekday>{'|'.join(raw['weekdays'])})",
        "short": f"(?P<short>{'|'.join(raw['weekday_short'])})",
        "month": f"(?P<month>{'|'.join(raw['months'])})",
        "year": r"(?P<year>20\d\d)",
        "d": rf"(?P<d>3[01]|[12]\d|0?[1-9]{_or(ordinals)})",
        "dd": r"(?P<d>3[01]|[12]\d|0?[1-9])",
        "h": r"(?P<h>[01]?\d|2[0-3])",
        "mi": r"(?P<mi>[0-5]\d)",
        "mi2": r"(?P<mi2>[0-5]\d)",
        "ap": f"(?P<ap>{'|'.join((*raw['am'], *raw['pm']))})",
        "n": rf"(?P<n>\d{{1,2}}|{words})",
        "hn": rf"(?P<hn>\d{{1,2}}|{words})",
        "hw": f"(?P<hn>{'|'.join(w for w, n in numbers.items() if 2 <= n <= 12)})",
        "one": f"(?P<hn>{'|'.join(w for w, n in numbers.items() if n == 1)})",
    }


def _or(words: Mapping[str, int]) -> str:
    return "".join(f"|{word}" for word in words)


def _compiled(template: str, parts: Mapping[str, str]) -> re.Pattern[str]:
    for name, part in parts.items():
        template = template.replace("{" + name + "}", part)
    return re.compile(rf"(?<![\w.,:/-])(?:{template})(?!\w)(?!-\w)")


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _time(hour: int, minute: int) -> time | None:
    return time(hour, minute) if hour < 24 and minute < 60 else None


def _coming(month: int, day: int, today: date) -> date | None:
    """This year's date, or next year's when it is long over."""
    found = _date(today.year, month, day)
    if found and found < today - timedelta(days=LOOK_BACK_DAYS):
        return _date(today.year + 1, month, day)
    return found


def _coming_day(day: int, today: date) -> date | None:
    """The next such day of a month, today's included."""
    first = today.replace(day=1) if day >= today.day else _month_end(today) + timedelta(days=1)
    return _date(first.year, first.month, day)


def _month_end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def _moment(match: re.Match[str], kind: str, day: date | None, today: date, clock: time | None = None) -> Moment:
    return Moment(match.start(), match.end(), kind, day, clock, past=bool(day and day < today))


def _overlap(a: Moment, b: Moment) -> bool:
    return a.start < b.end and b.start < a.end


def _apart(found: Sequence[Moment]) -> list[Moment]:
    """Keep of overlapping moments the one that says most: the longest, then the more specific kind."""
    rank = {"numeric": -1, **{kind: i for i, kind in enumerate(_KINDS)}}
    kept: list[Moment] = []
    for moment in sorted(found, key=lambda m: (m.start - m.end, rank.get(m.kind, len(rank)), m.start)):
        if not any(_overlap(moment, other) for other in kept):
            kept.append(moment)
    return sorted(kept, key=lambda m: m.start)


def _merged(days: Sequence[Moment]) -> list[Moment]:
    """Join "Thursday, 26 November" into one moment; when the two disagree it is unclear which is meant."""
    merged: list[Moment] = []
    for day in days:
        last = merged[-1] if merged else None
        if last and last.kind.startswith("weekday") and day.kind in _EXPLICIT and 0 <= day.start - last.end <= 6:
            agree = not last.day or not day.day or last.day.weekday() == day.day.weekday()
            merged[-1] = replace(day, start=last.start, day=day.day if agree else None)
        else:
            merged.append(day)
    return merged


def _nearest(day: Moment, clocks: Sequence[Moment], bounds: tuple[int, int]) -> Moment | None:
    near = [
        (max(c.start - day.end, day.start - c.end), c)
        for c in clocks
        if c.start >= bounds[0] and c.end <= bounds[1] and c.start - day.end <= MAX_CLOCK_GAP
        and day.start - c.end <= MAX_CLOCK_GAP
    ]  # fmt: skip
    return min(near, key=lambda pair: pair[0])[1] if near else None
