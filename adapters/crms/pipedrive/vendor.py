"""Pipedrive's words: record types, paths, field types, who wrote a change. Constants and pure functions.

API v2 where it exists, v1 for what it has alone: notes, users, changelogs. Source: Pipedrive's API reference and its
migration guide, read 2026-11.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sidecar.model import Author, AuthorKind, Source

T = TypeVar("T")

PATHS: Mapping[str, str] = {
    "contact": "/api/v2/persons", "company": "/api/v2/organizations", "deal": "/api/v2/deals",
    "note": "/v1/notes", "task": "/api/v2/activities", "meeting": "/api/v2/activities",
}  # fmt: skip
FIELDS: Mapping[str, str] = {
    "contact": "/api/v2/personFields", "company": "/api/v2/organizationFields", "deal": "/api/v2/dealFields",
}  # fmt: skip
CHANGELOGS: Mapping[str, str] = {"contact": "/v1/persons", "company": "/v1/organizations", "deal": "/v1/deals"}
ENTITIES: Mapping[str, str] = {"contact": "person", "company": "organization", "deal": "deal"}
KEYED = ("company", "deal", "contact")
"""Kinds that get a field for our key, contact last: its being there says that provisioning came to its end."""
ACTIVITIES = frozenset(("task", "meeting"))
MEETING = "meeting"
BODIES: Mapping[str, str] = {"note": "content", "task": "note", "meeting": "note"}
TIES: Mapping[str, Mapping[str, str]] = {
    "contact": {"company": "org_id"},
    "company": {},
    "deal": {"contact": "person_id", "company": "org_id"},
    "note": {"contact": "person_id", "company": "org_id", "deal": "deal_id"},
    "task": {"contact": "person_id", "company": "org_id", "deal": "deal_id"},
    "meeting": {"contact": "person_id", "company": "org_id", "deal": "deal_id"},
}
"""Which fields of a kind name what it belongs to."""

PIPELINES, STAGES, USERS, ME, SEARCH = (
    "/api/v2/pipelines", "/api/v2/stages", "/v1/users", "/v1/users/me", "/api/v2/itemSearch/field",
)  # fmt: skip
BATCH, VARCHAR_CHARS, TEXT_CHARS = 100, 255, 65_000
WON, LOST = "won", "lost"
"""Statuses of a deal, which every pipeline has beside its stages, and which are stages to us."""
PEOPLE = frozenset(("app", "mobile", "web"))
_SOURCES: Mapping[str, Source] = {
    **dict.fromkeys(("api", "sync", "webhook", "marketplace"), Source.INTEGRATION),
    **dict.fromkeys(("automation", "workflow"), Source.AUTOMATION),
    "import": Source.IMPORT,
}
"""What programs write by; an import's values somebody typed elsewhere, or nobody did."""
ORIGINS: Mapping[str, str] = {"ManuallyCreated": "app", "API": "api", "Import": "import"}
"""How a deal came to be, in the changelog's words. Source: changelog of 2024-05-20, published answers."""
MACHINES = frozenset(way for way, came in _SOURCES.items() if came is not Source.IMPORT)
TYPES: Mapping[str, str] = {
    "varchar": "text", "varchar_auto": "text", "text": "long_text", "phone": "text", "double": "number",
    "date": "date", "enum": "enum",
}  # fmt: skip
"""Field types that we can write. Money, addresses, ranges, sets and references have more parts than a value has."""


def author_kind(source: str, agent: str, ours: str) -> AuthorKind:
    """Say who stands behind a change: a token acts as its user, so the way it came tells, and not the user."""
    if source in PEOPLE:
        return AuthorKind.PERSON
    if source == "api" and agent.startswith(ours):
        return AuthorKind.US
    return AuthorKind.AUTOMATION if source in MACHINES else AuthorKind.UNKNOWN


def source(author: Author) -> Source:
    """Say where a value came from, by the way that it came, which an author bears as a name."""
    if author.kind in (AuthorKind.PERSON, AuthorKind.US):
        return Source(author.kind.value)
    return _SOURCES.get(author.name, Source.UNKNOWN)


def moment(text: str) -> datetime:
    """Read a time in either of Pipedrive's ways: RFC 3339, and v1's `2026-01-31 10:00:00` in UTC."""
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def stamp(at: datetime) -> str:
    """Write a time as v2's lists want it: UTC, whole seconds; a fraction is refused."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def v1_stamp(at: datetime) -> str:
    """Write a time as v1 wants it."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def held(row: Mapping[str, Any], name: str) -> str:
    """Return a field as a text, empty for none."""
    value = row.get(name)
    return "" if value is None else str(value)


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield items in portions of a size."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
