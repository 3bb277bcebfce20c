"""HubSpot's own ways to say no on the way, beside what can go wrong with any API."""

from tests.twins.wire.faults import Status


def too_many(policy: str = "TEN_SECONDLY_ROLLING", retry_after_s: float | None = None) -> Status:
    """Return a 429 of a policy (TEN_SECONDLY_ROLLING, SECONDLY, DAILY), with or without Retry-After."""
    headers = {} if retry_after_s is None else {"Retry-After": str(max(round(retry_after_s), 1))}
    body = {
        "status": "error", "message": f"You have reached your {policy.lower()} limit.", "errorType": "RATE_LIMIT",
        "policyName": policy,
    }  # fmt: skip
    return Status(429, body, headers)


def locked() -> Status:
    """Return a 423: wait two seconds at least."""
    return Status(423, {"status": "error", "message": "Resource is locked. Try again later.", "category": "LOCKED"})


def migrating(retry_after_s: int) -> Status:
    """Return a 477: the account is being moved, come back after this."""
    return Status(477, {"status": "error", "message": "Migration in progress"}, {"Retry-After": str(retry_after_s)})
