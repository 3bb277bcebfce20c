"""One request on its way through the twin, and the answer to it; handlers see nothing of sockets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.twins.hubspot.definitions import ALIASES, OBJECTS
from tests.twins.hubspot.errors import ApiError, invalid
from tests.twins.hubspot.portal import Portal, Source


@dataclass
class Call:
    """A request that found its route: path parts, query, checked body, and in which API version it asks."""

    portal: Portal
    version: str
    parts: Mapping[str, str]
    query: Mapping[str, list[str]] = field(default_factory=dict)
    body: Any = None
    raw_chars: int = 0

    @property
    def dated(self) -> bool:
        """Tell whether the version is a date: errors come inside plain answers, and admins' rules are enforced."""
        return self.version[0].isdigit()

    @property
    def source(self) -> Source:
        """Return what the history of a property will name as the author."""
        switches = self.portal.switches
        return Source("INTEGRATION", switches.source_id, switches.source_label)

    def type(self, part: str = "type") -> str:
        """Return the object type that the path names, by plural, singular or type id."""
        return object_type(self.parts[part])

    def names(self, key: str) -> list[str]:
        """Return a list from the query, repeated or parted by commas."""
        return [name for text in self.query.get(key, []) for name in text.split(",") if name]

    def flag(self, key: str) -> bool:
        """Return a boolean from the query."""
        return self.query.get(key, ["false"])[-1].lower() == "true"

    def text(self, key: str, default: str = "") -> str:
        """Return one text from the query."""
        return self.query.get(key, [default])[-1]

    def number(self, key: str, default: int, most: int) -> int:
        """Return a bounded number from the query, or raise the 400."""
        text = self.text(key, str(default))
        if not text.isdigit() or not 1 <= int(text) <= most:
            raise invalid(f"{key} must be between 1 and {most}")
        return int(text)


@dataclass(frozen=True)
class Answer:
    """Status, body, and the SDK's model that the body must fit, as (module, class); no model, no judge."""

    status: int
    body: Any = None
    model: tuple[str, str] | None = None


def object_type(name: str) -> str:
    """Return the plural name of an object type, or raise the 400 for one that isn't."""
    found = ALIASES.get(name.lower())
    if found is None:
        raise ApiError(400, "VALIDATION_ERROR", f"Unable to infer object type from: {name}")
    return found


def module(name: str) -> str:
    """Return the SDK's module for an object type."""
    return OBJECTS[name][2]


def page(rows: list[Any], call: Call, limit: int) -> tuple[list[Any], dict[str, Any]]:
    """Return a page of rows and what leads to the next; `after` is the number of rows before it."""
    after = call.text("after", "0")
    if not after.isdigit():
        raise invalid("after is not a cursor")
    start = int(after)
    if start + limit >= len(rows):
        return rows[start : start + limit], {}
    return rows[start : start + limit], {"paging": {"next": {"after": str(start + limit), "link": "?after"}}}
