"""The zones of one calendar file: IANA names, Windows names, and the file's own rules for names that nobody knows.

It keeps nothing from one file to the next. See `ics` for why the library's own store of zones isn't used. The library
walks a rule from its first year on, seconds long for one that begins in the year 1, and a file may name hundreds: so
rules begin in 1904 at the earliest here, and a file has so many parts of zones.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

ZONE_PARTS_MAX, ZONE_PARTS_A_FILE = 20, 100
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,40}(?:/[A-Za-z0-9_+-]{1,40}){0,2}")
_RULE = re.compile(r"^RRULE[^:\n]*:(.*)$", re.IGNORECASE | re.MULTILINE)
_BEGINS = re.compile(r"^(DTSTART[^:\n]*:)(?:0\d|1[0-8])\d\d", re.IGNORECASE | re.MULTILINE)
_UTC = frozenset({"UTC", "GMT", "Z", "ETC/UTC", "ETC/GMT"})


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone, with a name to show; "" shows the offset instead."""

    name: str
    tz: tzinfo


@dataclass(slots=True)
class Zones:
    """Finds the zones of one file: `rules` are its VTIMEZONEs by TZID, `calendar_zone` its X-WR-TIMEZONE."""

    rules: Mapping[str, str]
    calendar_zone: str
    default_zone: str
    found: dict[str, Zone | None] = field(default_factory=dict)
    parts: int = 0

    @property
    def default(self) -> Zone:
        """The zone of what names none."""
        return known_zone(self.calendar_zone) or known_zone(self.default_zone) or Zone("UTC", UTC)

    def find(self, tzid: str, problems: list[str]) -> Zone:
        """Return the zone of a TZID; of none, and of one that can't be found, the default, which is a problem."""
        if not tzid:
            problems.append("a time without a zone: read as the calendar's own, else as ours")
            return self.default
        if tzid not in self.found:
            self.found[tzid] = known_zone(tzid) or self._own(self.rules.get(tzid, ""))
        zone = self.found[tzid]
        if zone is None:
            problems.append("a time zone that nobody knows: read as the calendar's own, else as ours")
            return self.default
        return zone

    def _own(self, block: str) -> Zone | None:
        """Return a zone by the file's own rules, while it hasn't had too many."""
        parts = block.upper().count("TZOFFSETTO")
        self.parts += parts
        return _ruled(block) if 0 < parts <= ZONE_PARTS_MAX and self.parts <= ZONE_PARTS_A_FILE else None


def known_zone(name: str) -> Zone | None:
    """Return the zone that a name means everywhere; names such as /vendor.example/Europe/Berlin count by their end."""
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

    plain = name.strip().strip('"')
    if plain.upper() in _UTC:
        return Zone("UTC", UTC)
    parts = plain.strip("/").split("/")
    tails = ["/".join(parts[-count:]) for count in (2, 3)] if plain.startswith("/") else []
    for spelt in (WINDOWS_TO_OLSON.get(plain, ""), plain, *tails):
        if _PLAIN.fullmatch(spelt):
            try:
                return Zone(spelt, ZoneInfo(spelt))
            except (KeyError, ValueError, OSError):  # OSError is a folder of the database, such as "Europe"
                continue
    return None


def _ruled(block: str) -> Zone | None:
    """Return a zone by a file's own rules, if they are yearly."""
    import icalendar

    rules = _RULE.findall(block)
    if len(block) > 20_000 or not all("FREQ=YEARLY" in rule.upper() and _is_calm(rule) for rule in rules):
        return None
    try:
        component = icalendar.Timezone.from_ical(_BEGINS.sub(r"\g<1>1904", block))
        tz = component.to_tz(lookup_tzid=False) if isinstance(component, icalendar.Timezone) else None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError):
        return None
    return Zone("", tz) if tz is not None else None


def _is_calm(rule: str) -> bool:
    """Whether a rule names one day of each year: hours, minutes and all Mondays multiply."""
    return not re.search(
        r"BY(?:HOUR|MINUTE|SECOND|SETPOS|YEARDAY|WEEKNO)|,|COUNT|BYDAY=[A-Z]|INTERVAL=(?!1(?:;|$))", rule.upper()
    )
