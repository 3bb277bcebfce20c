"""HubSpot's refusals, in the shapes that its API gives them.

One exception carries everything that a refusal needs, so that the same refusal can answer a single request, stand as a
row in a batch's `errors`, or fail a whole batch. Texts name what is wrong as the vendor does; some hold the refused
value, as the vendor's do, so that whoever logs them is found out.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One property that a write may not have: the vendor's code, its words, the property."""

    code: str
    message: str
    name: str


class ApiError(Exception):
    """A refusal with status, category, message, and what stands beside them."""

    def __init__(
        self,
        status: int,
        category: str,
        message: str,
        *,
        context: Mapping[str, Sequence[str]] | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        sub_category: str | None = None,
        links: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.category, self.message = status, category, message
        self.context = {key: list(values) for key, values in (context or {}).items()}
        self.errors = [dict(error) for error in errors]
        self.sub_category, self.links = sub_category, dict(links or {})

    def body(self, correlation_id: str) -> dict[str, Any]:
        """Return the body of an answer that is this refusal."""
        body: dict[str, Any] = {
            "status": "error", "message": self.message, "correlationId": correlation_id, "category": self.category,
        }  # fmt: skip
        if self.context:
            body["context"] = self.context
        if self.errors:
            body["errors"] = self.errors
        if self.sub_category:
            body["subCategory"] = self.sub_category
        if self.links:
            body["links"] = self.links
        return body

    def row(self, context: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Return this refusal as one row of a batch's errors, with what tells which row it is."""
        row: dict[str, Any] = {
            "status": "error", "category": self.category, "message": self.message, "errors": self.errors,
            "context": {**self.context, **{key: list(values) for key, values in context.items()}}, "links": self.links,
        }  # fmt: skip
        if self.sub_category:
            row["subCategory"] = self.sub_category
        return row


def invalid(message: str) -> ApiError:
    """Return a 400 for a request that makes no sense."""
    return ApiError(400, "VALIDATION_ERROR", message)


def invalid_body(problems: Sequence[str], type_name: str) -> ApiError:
    """Return a 400 for a body whose keys or types are not those of the request."""
    text = "; ".join(problems[:10])
    details = [{"message": problem, "in": type_name} for problem in problems[:10]]
    return ApiError(400, "VALIDATION_ERROR", f"Invalid input JSON: {text}", errors=details)


def invalid_properties(problems: Sequence[Problem], portal_id: int) -> ApiError:
    """Return the 400 that lists what is wrong with the properties of one record, as text in a text and as errors."""
    told = [
        {
            "isValid": False, "message": problem.message, "error": problem.code, "name": problem.name,
            "localizedErrorMessage": problem.message, "portalId": portal_id,
        }
        for problem in problems
    ]  # fmt: skip
    return ApiError(
        400,
        "VALIDATION_ERROR",
        f"Property values were not valid: {json.dumps(told)}",
        errors=[
            {"message": problem.message, "code": problem.code, "context": {"propertyName": [problem.name]}}
            for problem in problems
        ],
    )


def not_found(what: str = "resource not found") -> ApiError:
    """Return the 404 of a record or definition that isn't there."""
    return ApiError(404, "OBJECT_NOT_FOUND", what)


def missing_scopes(scopes: Sequence[str]) -> ApiError:
    """Return the 403 that names the scopes, any of which would do."""
    return ApiError(
        403,
        "MISSING_SCOPES",
        "This app hasn't been granted all required scopes to make this call. "
        "Read more about required scopes here: https://developers.hubspot.com/scopes.",
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredScopes": list(scopes)},
            }
        ],
        links={"scopes": "https://developers.hubspot.com/scopes"},
    )
