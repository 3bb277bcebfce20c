"""One request on its way through the twin, and the answer to it; handlers see nothing of sockets."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from tests.twins.pipedrive.company import Author, Company
from tests.twins.pipedrive.errors import invalid

PAGE, MOST = 100, 500
RFC3339_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass
class Call:
    """A request that found its route: path parts, query, checked body, and as whom it asks."""

    company: Company
    by: Author
    parts: Mapping[str, str]
    query: Mapping[str, list[str]] = field(default_factory=dict)
    body: Any = None

    def text(self, key: str, default: str = "") -> str:
        """Return one text from the query."""
        return self.query.get(key, [default])[-1]

    def names(self, key: str) -> list[str]:
        """Return a list from the query, parted by commas."""
        return [name.strip() for name in self.text(key).split(",") if name.strip()]

    def flag(self, key: str) -> bool:
        """Return a boolean from the query, or raise the 400."""
        text = self.text(key, "false").lower()
        if text not in ("true", "false", "1", "0"):
            raise invalid(f"{key}: Expected boolean")
        return text in ("true", "1")

    def number(self, key: str) -> int | None:
        """Return a number from the query, None without one, or raise the 400."""
        text = self.text(key)
        if text and not text.isdigit():
            raise invalid(f"{key}: Expected number")
        return int(text) if text else None

    def id(self, part: str = "id") -> int:
        """Return the number in the path, or raise the 400."""
        if not self.parts[part].isdigit():
            raise invalid(f"{part}: Expected number")
        return int(self.parts[part])

    def moment(self, key: str) -> datetime | None:
        """Return a time from the query: RFC 3339 in whole seconds with Z; anything else is a 400."""
        text = self.text(key)
        if not text:
            return None
        if not RFC3339_SECONDS.fullmatch(text):
            raise invalid(f"{key}: must be in RFC3339 format, e.g. 2025-01-01T10:20:00Z, not {text}")
        try:
            return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            raise invalid(f"{key}: {text} is no time") from None


@dataclass(frozen=True)
class Answer:
    """Status, body, and what the schema says of `data` (one, or each of a list); no model, no judge."""

    status: int
    body: Any = None
    model: type[BaseModel] | None = None


def one(data: Any, model: type[BaseModel], status: int = 200) -> Answer:
    """Answer one thing."""
    return Answer(status, {"success": True, "data": data}, model)


def page(rows: list[Any], call: Call, wire: Callable[[Any], Any], model: type[BaseModel]) -> Answer:
    """Answer a page of rows from an opaque cursor; `next_cursor` is null on the last."""
    limit = call.number("limit") or PAGE
    if limit > MOST:
        raise invalid(f"limit: must be at most {MOST}")
    start = _start(call.text("cursor"))
    more = cursor(start + limit) if start + limit < len(rows) else None
    data = [wire(row) for row in rows[start : start + limit]]
    return Answer(200, {"success": True, "data": data, "additional_data": {"next_cursor": more}}, model)


def cursor(after: int) -> str:
    """Return an opaque cursor."""
    return base64.urlsafe_b64encode(json.dumps({"after": after}).encode()).decode().rstrip("=")


def _start(text: str) -> int:
    if not text:
        return 0
    try:
        return int(json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))["after"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise invalid("cursor: is not one of ours") from None
