"""Pipedrive's refusals, in the shapes that its API gives them.

Some texts hold the refused value, as the vendor's may, so that whoever logs them is found out.
"""

from typing import Any

INFO = "Please check developers.pipedrive.com for more information about Pipedrive API."


class ApiError(Exception):
    """A refusal: status, words, and a code where the vendor has one."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code

    def body(self) -> dict[str, Any]:
        """Return the body of the answer."""
        body: dict[str, Any] = {"success": False, "error": self.message, "error_info": INFO}
        if self.status in (401, 402, 429):
            body["errorCode"] = self.status
        return body | ({"code": self.code} if self.code else {"data": None, "additional_data": None})


def invalid(message: str) -> ApiError:
    """Return a 400 for a request that makes no sense."""
    return ApiError(400, f"Validation failed: {message}", "ERR_SCHEMA_VALIDATION_FAILED")


def not_found(what: str) -> ApiError:
    """Return a 404 for something that isn't there."""
    return ApiError(404, f"{what} not found", "ERR_NOT_FOUND")
