"""Zoho's own oddities on the way, beside what can go wrong with any API."""

from tests.twins.wire.faults import Status
from tests.twins.zoho.errors import ApiError


def refused(status: int, code: str, words: str = "refused", after_work: bool = False) -> Status:
    """Return a refusal of the API itself: 401 INVALID_TOKEN, 403 NO_PERMISSION, 500 INTERNAL_ERROR and their like."""
    return Status(status, ApiError(status, code, words).body(), after_work=after_work)


def too_many() -> Status:
    """Return a 429, which says neither of what nor for how long."""
    return refused(429, "TOO_MANY_REQUESTS", "You have made too many requests. Please try again later.")


def unavailable(status: int = 503, after_work: bool = False) -> Status:
    """Return the JSON of a service that is down for a while: 502 or 503."""
    return refused(status, "SERVICE_UNAVAILABLE", "Service temporarily unavailable", after_work)
