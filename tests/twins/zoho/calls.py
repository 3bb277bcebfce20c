"""One request on its way through the twin, and the answer to it; handlers see nothing of sockets."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from pydantic import BaseModel

from tests.twins.zoho.errors import ApiError, RowError, wrong_param
from tests.twins.zoho.org import Author, Org, Record
from tests.twins.zoho.values import ID, moment

PAGE, DISCRETE, MOST = 200, 2000, 100_000
TOKEN_LIFE = timedelta(hours=24)


@dataclass
class Call:
    """A request that found its route: path parts, query, headers, parsed body, and as whom it asks."""

    org: Org
    by: Author
    parts: Mapping[str, str]
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    is_composite: bool = False

    @property
    def module(self) -> str:
        """Return the module in the path."""
        return self.parts["module"]

    def text(self, key: str, default: str = "") -> str:
        """Return one text from the query."""
        return self.query.get(key, [default])[-1]

    def names(self, key: str) -> list[str]:
        """Return a list from the query, parted by commas."""
        return [name.strip() for name in self.text(key).split(",") if name.strip()]

    def number(self, key: str, default: int, most: int | None = None) -> int:
        """Return a number of one or more from the query, or raise the 400."""
        text = self.text(key) or str(default)
        if not text.isdigit() or int(text) < 1 or (most is not None and int(text) > most):
            raise wrong_param(key)
        return int(text)

    def ids(self, most: int = 100) -> list[str]:
        """Return the ids in the query, or raise the 400."""
        ids = self.names("ids")
        if len(ids) > most:
            raise ApiError(400, "LIMIT_EXCEEDED", "limit exceeded", {"limit": most, "param_name": "ids"})
        if any(not ID.fullmatch(id) for id in ids):
            raise wrong_param("ids")
        return ids

    def since(self, header: str) -> datetime | None:
        """Return the time that a conditional header names, or raise the 400."""
        text = self.headers.get(header)
        if text is None:
            return None
        at = moment(text[:-1] + "+00:00" if text.endswith("Z") else text)
        if at is None:
            raise ApiError(400, "INVALID_DATA", "invalid data", {"header_name": header})
        return at


@dataclass(frozen=True)
class Answer:
    """Status, body, and the model that the whole body must fit; no model, no judge."""

    status: int
    body: Any = None
    model: type[BaseModel] | None = None


def rows_of(call: Call, key: str = "data", most: int = 100) -> list[Any]:
    """Return the rows of a request, or raise what is wrong with their list."""
    if not isinstance(call.body, dict):
        raise ApiError(400, "INVALID_DATA", "body", {"expected_data_type": "jsonobject"})
    if key not in call.body:
        raise ApiError(400, "MANDATORY_NOT_FOUND", "required field not found", {"api_name": key,
                       "json_path": f"$.{key}"})  # fmt: skip
    rows = call.body[key]
    if not isinstance(rows, list) or not rows:
        raise ApiError(400, "INVALID_DATA", "invalid data", {"api_name": key, "expected_data_type": "jsonarray",
                       "json_path": f"$.{key}"}, key)  # fmt: skip
    if len(rows) > most:
        details = {"maximum_length": most, "api_name": key}
        raise ApiError(400, "LIMIT_EXCEEDED", "count of records in your request exceeds the limit", details, key)
    return rows


def outcome(call: Call, key: str, results: list[dict[str, Any] | RowError], status: int) -> tuple[int, dict[str, Any]]:
    """Return status and body of an answer whose rows fared differently."""
    refused = [each for each in results if isinstance(each, RowError)]
    switches = call.org.switches
    if refused and len(refused) == len(results):
        stale = any(each.code == "ALREADY_MODIFIED" for each in refused)
        status = 412 if stale else switches.failed_status
    elif refused:
        status = switches.mixed_status
    return status, {key: [each.row() if isinstance(each, RowError) else each for each in results]}


@dataclass(frozen=True)
class Page:
    """A page of records, and what the answer tells about it."""

    rows: list[Record]
    info: dict[str, Any]


def paged(call: Call, rows: list[Record], sort_by: str, sort_order: str, most: int = PAGE) -> Page:
    """Return a page by number up to two thousand rows, and by token further on."""
    size, bound = call.number("per_page", most, most), _bound(call)
    token = call.text("page_token")
    if token and call.text("page"):
        ambiguous = [{"param_name": name} for name in ("page", "page_token")]
        raise ApiError(400, "AMBIGUITY_DURING_PROCESSING", "ambiguous params", {"ambiguity_due_to": ambiguous})
    number = call.number("page", 1)
    start = _start(call, token, bound) if token else (number - 1) * size
    if not token and start + size > DISCRETE:
        raise ApiError(400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED",
                       "You can only get the first 2000 records without using page_token param",
                       {"limit": DISCRETE})  # fmt: skip
    if start >= MOST:
        raise ApiError(400, "PAGINATION_LIMIT_EXCEEDED",
                       "You can only get upto 100000 records using page_token param",
                       {"param_name": "page_token"})  # fmt: skip
    page, more = rows[start : start + size], start + size < len(rows)
    expiry = call.org.clock() + TOKEN_LIFE
    return Page(page, {
        "per_page": size, "count": len(page), "page": start // size + 1, "more_records": more, "sort_by": sort_by,
        "sort_order": sort_order, "next_page_token": _token(start + size, bound, expiry) if more else None,
        "previous_page_token": _token(max(start - size, 0), bound, expiry) if start else None,
        "page_token_expiry": call.org.told(expiry) if more else None,
    })  # fmt: skip


def _bound(call: Call) -> str:
    """Return what a token is bound to: the request without its place."""
    kept = {key: value for key, value in call.query.items() if key not in ("page", "page_token")}
    told = json.dumps([dict(call.parts), kept, call.headers.get("if-modified-since")], sort_keys=True)
    return sha256(told.encode()).hexdigest()[:16]


def _token(after: int, bound: str, expiry: datetime) -> str:
    told = json.dumps([after, bound, int(expiry.timestamp())])
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def _start(call: Call, token: str, bound: str) -> int:
    try:
        after, theirs, expiry = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError, TypeError):
        after, theirs, expiry = 0, "", 0
    if theirs != bound:
        message = "The page_token given seems to be invalid or input param is added or altered or deleted"
        raise wrong_param("page_token", "TOKEN_BOUND_DATA_MISMATCH", message)
    if call.org.clock().timestamp() > expiry:
        details = {"api_name": "page_token", "json_path": "$.query.page_token"}
        raise ApiError(400, "EXPIRED_VALUE", "Page token expired", details)
    return int(after)
