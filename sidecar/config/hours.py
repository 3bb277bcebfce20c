"""When a channel is expected to bring something: days of the week and hours of the day, in our own time zone.

A shop's chat is silent at night, and that is no fault. So silence is counted in expected time only. Written as people
write opening hours (`mon-fri 08:00-18:00`), one span for all its days; more than that would be a calendar.
"""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_DAYS = 400
REMEDY = "write days and hours, such as mon-fri 08:00-18:00"
_DAY = "|".join(DAYS)
_FORM = re.compile(rf"({_DAY})(?:-({_DAY}))? ([0-2]?\d):([0-5]\d)-([0-2]?\d):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Hours:
    """A span of each of some days, in minutes from midnight; the whole week unless said otherwise."""

    days: frozenset[int] = frozenset(range(7))
    begin: int = 0
    end: int = 24 * 60

    @staticmethod
    def parse(text: str) -> "Hours":
        """Read `mon-fri 08:00-18:00`; `ValueError` for anything else."""
        match = _FORM.fullmatch(text.strip().lower())
        if match is None:
            raise ValueError(REMEDY)
        first = DAYS.index(match[1])
        last = DAYS.index(match[2]) if match[2] else first
        begin, end = int(match[3]) * 60 + int(match[4]), int(match[5]) * 60 + int(match[6])
        if not begin < end <= 24 * 60:
            raise ValueError(REMEDY)
        return Hours(frozenset((first + i) % 7 for i in range((last - first) % 7 + 1)), begin, end)

    def between_s(self, since: datetime, until: datetime, zone: ZoneInfo) -> float:
        """Return how many expected seconds lie between two times; what is older than `MAX_DAYS` isn't counted."""
        since = max(since, until - timedelta(days=MAX_DAYS))
        day = since.astimezone(zone).date()
        found = 0.0
        while day <= until.astimezone(zone).date():
            if day.weekday() in self.days:
                midnight = datetime.combine(day, time(), zone)
                opens, closes = (_at(midnight, minutes) for minutes in (self.begin, self.end))
                found += max(0.0, (min(until, closes) - max(since, opens)).total_seconds())
            day += timedelta(days=1)
        return found

    def latest(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return the last expected moment up to a time: the time itself within the hours, else when they last ended."""
        day = at.astimezone(zone).date()
        for _ in range(len(DAYS) + 1):
            if day.weekday() in self.days:
                midnight = datetime.combine(day, time(), zone)
                opens, closes = (_at(midnight, minutes) for minutes in (self.begin, self.end))
                if opens <= at:
                    return min(at, closes)
            day -= timedelta(days=1)
        return at


def _at(midnight: datetime, minutes: int) -> datetime:
    """Return a wall clock's time of a day, also where the clocks change that day."""
    days, minutes = divmod(minutes, 24 * 60)
    return (midnight + timedelta(days=days)).replace(hour=minutes // 60, minute=minutes % 60)
