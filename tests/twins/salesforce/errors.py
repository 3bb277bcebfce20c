"""Salesforce's refusals, in the shapes that its API gives them: a list in the body, an entry in a row of a collection.

Some texts hold the refused value, as the vendor's do, so that whoever logs them is found out.
"""

from collections.abc import Mapping, Sequence
from typing import Any


class ApiError(Exception):
    """A refusal: code, words, the fields that it is about, the status of the whole answer, and what else it tells."""

    def __init__(
        self,
        code: str,
        message: str,
        fields: Sequence[str] | None = None,
        status: int = 400,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status
        self.fields = None if fields is None else list(fields)
        self.more = dict(more or {})

    def body(self) -> list[dict[str, Any]]:
        """Return the body of an answer that is nothing but this refusal."""
        told: dict[str, Any] = {**self.more, "message": self.message, "errorCode": self.code}
        return [told if self.fields is None else {**told, "fields": self.fields}]

    def row(self) -> dict[str, Any]:
        """Return the entry in the errors of one row."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields or [], **self.more}


class Condition(Exception):
    """A conditional header that doesn't hold, answered without a body: 304 or 412."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


def not_found(message: str = "The requested resource does not exist") -> ApiError:
    """Return a 404."""
    return ApiError("NOT_FOUND", message, status=404)


def no_column(name: str, sobject: str) -> ApiError:
    """Return the refusal of a field that isn't there, or that this user may not see: nobody can tell which."""
    return ApiError("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject}")


def unreadable(expected: str, token: str, value: Any, column: int = 1) -> ApiError:
    """Return the refusal of a value of the wrong JSON type."""
    words = f"Cannot deserialize instance of {expected} from {token} value {value}"
    return ApiError(
        "JSON_PARSER_ERROR", f"{words} or request may be missing a required field at [line:1, column:{column}]"
    )


def gone() -> ApiError:
    """Return the refusal to touch what lies in the recycle bin."""
    return ApiError("ENTITY_IS_DELETED", "entity is deleted", [], status=404)


def session_expired() -> ApiError:
    """Return the 401 of a session that is over or never was."""
    return ApiError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
