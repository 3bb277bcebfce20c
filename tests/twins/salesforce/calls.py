"""One request on its way through the twin, and the answer to it; handlers see nothing of sockets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.twins.salesforce.access import Access
from tests.twins.salesforce.errors import ApiError
from tests.twins.salesforce.limits import Limits
from tests.twins.salesforce.org import Org
from tests.twins.salesforce.querying import Cursors
from tests.twins.salesforce.schema import SObject
from tests.twins.salesforce.writing import Saving


@dataclass(frozen=True)
class Answer:
    """Status, body (None for none) and headers."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Call:
    """A request that found its route: whose, in which version, path parts, query, body, and how to ask another.

    `all_or_none` is what an outer composite forces on a collection inside it.
    """

    org: Org
    limits: Limits
    cursors: Cursors
    access: Access
    version: str
    parts: Mapping[str, str]
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: Any
    dispatch: Callable[..., Answer]
    is_nested: bool = False
    all_or_none: bool = False

    def text(self, key: str, default: str = "") -> str:
        """Return one text from the query."""
        return self.query.get(key, [default])[-1]

    def names(self, key: str) -> list[str]:
        """Return a list from the query, parted by commas."""
        return [name.strip() for name in self.text(key).split(",") if name.strip()]

    @property
    def of(self) -> SObject:
        """Return the object that the path names, or raise the 404."""
        return self.access.need(self.parts["sobject"])

    @property
    def saving(self) -> Saving:
        """Return who writes, and what the duplicate rule header allows."""
        header = self.headers.get("sforce-duplicate-rule-header", "")
        allowed = {part.strip().lower() for part in header.replace(",", ";").split(";")}
        return Saving(self.org, self.access, "allowsave=true" in {part.replace(" ", "") for part in allowed})

    def conditional(self, name: str) -> str | None:
        """Return a conditional header, None where it doesn't count."""
        if self.is_nested and not self.org.switches.composite_conditions:
            return None
        return self.headers.get(name)

    def flag(self, body: Mapping[str, Any], name: str) -> bool:
        """Return a boolean from a body, false without one, or raise the 400."""
        value = body.get(name, False)
        if not isinstance(value, bool):
            raise ApiError("JSON_PARSER_ERROR", f"Cannot deserialize instance of boolean from {value!r}")
        return value
