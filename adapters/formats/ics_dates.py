"""The dates that a series names one by one: taken out (EXDATE) or put in (RDATE), each at its own moment.

They are read here and not by the library, because a list may hold a hundred thousand of them: the first thousand are
read, and that there were more is said. One that can't be read is a problem of the event and costs the others nothing.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from adapters.formats.ics_zones import Zones

DATES_MAX = 1_000
_DATE = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")
_LINE = re.compile(r"(?P<name>EXDATE|RDATE)(?P<params>(?:;[^:]{0,300})?):(?P<value>.*)", re.IGNORECASE | re.DOTALL)
_TZID = re.compile(r';TZID=("[^"]{0,200}"|[^;:"]{0,200})', re.IGNORECASE)


def listed(lines: Sequence[str], name: str, zones: Zones, years: tuple[int, int], problems: list[str]) -> tuple[
    datetime, ...
]:  # fmt: skip
    """Return the dates that an event's lines name under EXDATE or RDATE, aware, in order; of a period its start."""
    found: dict[datetime, None] = {}
    for count, (text, tzid) in enumerate(_values(lines, name)):
        if count == DATES_MAX:
            problems.append(f"more than {DATES_MAX} dates under {name}: the first are read")
            break
        at = _read(text, tzid, zones, problems)
        if at is None or not years[0] <= at.year <= years[1]:
            problems.append(f"no readable value: {name}")
        else:
            found[at] = None
    return tuple(sorted(found))


def _values(lines: Sequence[str], name: str) -> Iterator[tuple[str, str]]:
    for line in lines:
        match = _LINE.fullmatch(line)
        if match and match["name"].upper() == name:
            zone = _TZID.search(match["params"])
            tzid = zone[1].strip('"') if zone else ""
            for value in re.finditer(r"[^,]+", match["value"]):
                yield value[0].strip().partition("/")[0], tzid


def _read(text: str, tzid: str, zones: Zones, problems: list[str]) -> datetime | None:
    match = _DATE.fullmatch(text)
    if not match:
        return None
    try:
        wall = datetime.strptime(match[1] + (match[2] or "000000"), "%Y%m%d%H%M%S")  # noqa: DTZ007 # placed below
        if match[3]:
            return wall.replace(tzinfo=UTC)
        zone = zones.find(tzid, problems) if match[2] else zones.default
        at = wall.replace(tzinfo=zone.tz)
        at.astimezone(UTC)  # the file's own rules may be such that it can't be placed
        return at
    except (ValueError, TypeError, OverflowError, ArithmeticError, IndexError):
        return None
