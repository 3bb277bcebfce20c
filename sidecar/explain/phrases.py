"""Values, names and times as the page writes them: short, marked as words from outside, in the installation's zone."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sidecar.markup import marked, text
from sidecar.model import Value

VALUE_CHARS = 2_000
NAME_CHARS = 120


def value(given: Value) -> str:
    """Return what a field holds; nothing, too, is a value."""
    if given is None or given == "":
        return '<span class="value">nothing</span>'
    return f'<span class="value" lang="" dir="auto">{marked(cut(plain(given), VALUE_CHARS))}</span>'


def plain(given: Value) -> str:
    """Return what a field holds as people write it."""
    if isinstance(given, bool):
        return "yes" if given else "no"
    return f"{given:.12g}" if isinstance(given, float) else str(given)


def name(given: str) -> str:
    """Return somebody's name, kept apart from the direction of the words around it."""
    return f'<bdi lang="">{text(cut(given, NAME_CHARS))}</bdi>'


def cut(given: str, chars: int) -> str:
    """Return the beginning of a text, with a mark where it goes on."""
    return given if len(given) <= chars else given[: chars - 1] + "…"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Return a time."""
    here = at.astimezone(zone)
    return f'<time datetime="{at.isoformat()}">{day(here)}, {here:%H:%M}</time>'


def day(given: date) -> str:
    """Return a day."""
    return f"{given.day} {given:%b} {given.year}"
