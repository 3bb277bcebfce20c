"""A booking event of the webhook in the words that all booking systems share."""

from adapters.channels.webhook.events import Booking, MovedBooking
from adapters.formats.bookings import Appointment, BookingLine
from adapters.formats.bookings import booking_line as shared_line


def booking_line(status: str, booking: Booking) -> BookingLine:
    """Put what happened to a booking into words; times are local to the booking."""
    previous = booking.previous_start if isinstance(booking, MovedBooking) else None
    who = booking.customer.name or ""
    told = (booking.booking_id, booking.start, booking.timezone or "", booking.title or "", who)
    return shared_line(status, Appointment(*told, previous_start=previous))
