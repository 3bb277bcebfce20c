"""One canonical line of text for a booking event, so that it can be quoted like words that somebody said.

Example: `Booking bk-1 created for 2026-11-26 10:00 (Europe/London): "Consultation" with Ann Lee.`

Only the part before the colon is what the booking system vouches for. Titles and names are often typed by the visitor
who books, and "Ann Lee attended" must not become a booking system's word that somebody came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from adapters.channels.webhook.events import Booking, MovedBooking

MAX_SHOWN_CHARS = 120
_HAPPENED = {
    "created": "created for",
    "cancelled": "cancelled, it was for",
    "attended": "attended, it was for",
    "no_show": "missed (no-show), it was for",
}


@dataclass(frozen=True, slots=True)
class BookingLine:
    """The line, how many of its characters the booking system vouches for, and the same as attributes."""

    text: str
    vouched: int
    attributes: Mapping[str, str]


def booking_line(status: str, booking: Booking) -> BookingLine:
    """Put what happened to a booking into words; times are local to the booking."""
    zone = ZoneInfo(booking.timezone) if booking.timezone else None
    start = booking.start.astimezone(zone) if zone else booking.start
    attributes = {"booking_id": booking.booking_id, "status": status, "start": start.isoformat()}
    if isinstance(booking, MovedBooking):
        previous = booking.previous_start.astimezone(start.tzinfo)
        attributes["previous_start"] = previous.isoformat()
        happened = f"moved from {_shown(previous)} to"
    else:
        happened = _HAPPENED[status]
    vouched = f"Booking {booking.booking_id} {happened} {_shown(start)} ({booking.timezone or _offset(start)})"
    title = _one_line(booking.title or "")
    if title:
        attributes["title"] = title
    rest = " ".join(part for part in (f'"{title}"' if title else "", _with(booking)) if part)
    return BookingLine(f"{vouched}: {rest}." if rest else f"{vouched}.", len(vouched), attributes)


def _with(booking: Booking) -> str:
    name = _one_line(booking.customer.name or "")
    return f"with {name}" if name else ""


def _shown(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")


def _offset(at: datetime) -> str:
    return at.strftime("UTC%z")


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace('"', "'")[:MAX_SHOWN_CHARS]
