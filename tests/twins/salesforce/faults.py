"""Salesforce's own oddities on the way, beside what can go wrong with any API."""

from tests.twins.salesforce.errors import ApiError, session_expired
from tests.twins.wire.faults import Status


def expired(page: bool = False) -> Status:
    """Return the 401 of a session that is over; with `page` it isn't JSON, as an edge in front may answer."""
    return Status(401, "<html><body>Unauthorized</body></html>" if page else session_expired().body())


def limit_exceeded() -> Status:
    """Return the 403 of an org that has used up its calls; nothing says until when."""
    return refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")


def unavailable() -> Status:
    """Return a 503."""
    return refused(503, "SERVER_UNAVAILABLE", "Service temporarily unavailable")


def not_acceptable() -> Status:
    """Return the 406 that has been seen to pass by itself."""
    return Status(406, "<html><head><title>Error 406 CustomNotAcceptable</title></head><body></body></html>")


def locked() -> Status:
    """Return the 400 of a row that another transaction holds."""
    return Status(400, ApiError("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", []).body())


def refused(status: int, code: str, words: str = "refused") -> Status:
    """Return any refusal of the API itself."""
    return Status(status, ApiError(code, words).body())
