"""Zoho's refusals, of a whole request and of one row of it, in the shapes of its specification.

Some texts hold the refused value, as the vendor's may, so that whoever logs them is found out.
Source: zoho/crm-oas v8.0, examples of each operation, read 2026-11-22.
"""

from typing import Any

WRONG_FORMAT = "either the request body or parameters is in wrong format"


class ApiError(Exception):
    """A refusal of a whole request; with `key`, the vendor puts it into a list under that key."""

    def __init__(
        self, status: int, code: str, message: str, details: dict[str, Any] | None = None, key: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details, self.key = status, code, message, details or {}, key

    def body(self) -> dict[str, Any]:
        """Return the body of the answer."""
        one = refusal(self.code, self.message, self.details)
        return {self.key: [one]} if self.key else one


class RowError(Exception):
    """A refusal of one row, while the others go on."""

    def __init__(self, code: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.details = code, message, details or {}

    def row(self) -> dict[str, Any]:
        """Return what stands in the row's place of the answer."""
        return refusal(self.code, self.message, self.details)


def refusal(code: str, message: str, details: dict[str, Any]) -> dict[str, Any]:
    """Return code, details, message and status as every refusal has them."""
    return {"code": code, "details": details, "message": message, "status": "error"}


def wrong_param(name: str, code: str = "INVALID_DATA", message: str = "invalid data") -> ApiError:
    """Return a 400 that names a parameter."""
    return ApiError(400, code, message, {"param_name": name})


def missing_param(name: str) -> ApiError:
    """Return a 400 for a parameter that must be there."""
    return ApiError(400, "REQUIRED_PARAM_MISSING", "One of the expected parameter is missing", {"param_name": name})


def wrong_path(index: int, message: str, code: str = "INVALID_DATA") -> ApiError:
    """Return a 400 for a part of the path."""
    return ApiError(400, code, message, {"resource_path_index": index})


def wrong_value(name: str, path: str, **more: Any) -> RowError:
    """Return the refusal of a value: wrong type (`expected_data_type`), too long (`maximum_length`)."""
    return RowError("INVALID_DATA", "invalid data", {**more, "api_name": name, "json_path": path})


def missing(name: str, path: str) -> RowError:
    """Return the refusal of a row that lacks what it must have."""
    return RowError("MANDATORY_NOT_FOUND", "required field not found", {"api_name": name, "json_path": path})


def all_of(errors: list[RowError]) -> RowError:
    """Return one refusal for all that is wrong with a row."""
    if len(errors) == 1:
        return errors[0]
    rows = {"errors": [error.row() for error in errors]}
    return RowError("MULTIPLE_OR_MULTI_ERRORS", "Multiple errors in the request", rows)
