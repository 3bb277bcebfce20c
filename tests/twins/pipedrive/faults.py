"""Pipedrive's own oddities on the way, beside what can go wrong with any API."""

from tests.twins.pipedrive.errors import ApiError
from tests.twins.wire.faults import Status


def unsuccessful(after_work: bool = False) -> Status:
    """Return a 200 that says that nothing came of it."""
    return Status(200, {"success": False, "error": "Something went wrong", "data": None}, after_work=after_work)


def null_body() -> Status:
    """Return a 200 whose body is null, as has been seen on flow; asked again, it is there."""
    return Status(200)


def too_many(daily: bool = False) -> Status:
    """Return a 429, of the burst or of the day; the day's `retry-after` means nothing."""
    headers = {"x-ratelimit-limit": "40", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}
    if daily:
        headers |= {"x-daily-ratelimit-token-remaining": "0", "retry-after": "2"}
    return refused(429, "Rate limit exceeded", headers)


def refused(status: int, words: str = "refused", headers: dict[str, str] | None = None) -> Status:
    """Return a refusal of the API itself: 402, 403, 410, 415, 422 and their like."""
    return Status(status, ApiError(status, words).body(), headers or {})
