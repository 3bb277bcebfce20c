"""Zoho's words: modules, fields that tie records together, types, who wrote a change. Constants and pure functions.

Source: Zoho CRM API v8 reference and its OpenAPI description, read 2026-11.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sidecar.model import AuthorKind, Source

T = TypeVar("T")
Row = Mapping[str, Any]

API = "/crm/v8"
MODULES: Mapping[str, str] = {
    "contact": "Contacts", "company": "Accounts", "deal": "Deals", "note": "Notes", "task": "Tasks",
    "meeting": "Events",
}  # fmt: skip
KEYED = ("company", "deal", "task", "meeting", "contact")
"""Kinds that get a field for our key, contact last: its being there says that provisioning came to its end."""
UPSERTED = frozenset(("contact", "company", "deal"))
"""Kinds whose key Zoho keeps unique, so that it makes a record once by itself."""
KEY, KEY_LABEL = "ai_sidecar_key", "AI sidecar key"
OUTCOME, OUTCOME_LABEL = "AI_sidecar_outcome", "AI sidecar outcome"
"""How a meeting stands, which Zoho has no field for."""
OUTCOMES = ("scheduled", "attended", "cancelled", "no_show")
PARENT, WHO, WHAT, OF = "Parent_Id", "Who_Id", "What_Id", "$se_module"
TIES: Mapping[str, Mapping[str, str]] = {
    "contact": {"company": "Account_Name"},
    "company": {},
    "deal": {"contact": "Contact_Name", "company": "Account_Name"},
    "note": {"contact": PARENT, "deal": PARENT, "company": PARENT},
    "task": {"contact": WHO, "deal": WHAT, "company": WHAT},
    "meeting": {"contact": WHO, "deal": WHAT, "company": WHAT},
}
"""Which fields of a kind name what it belongs to; where one field takes several kinds, the first that is given."""

IDENTIFYING: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "contact": {"email": ("Email", "Secondary_Email"), "phone": ("Phone", "Mobile", "Home_Phone", "Other_Phone")},
    "company": {"domain": ("Website",), "phone": ("Phone",)},
}
"""What finds a record of a kind, and which of Zoho's fields hold it."""

BATCH, READ_FIELDS, PAGE = 100, 50, 200
TEXT_CHARS, SMALL_CHARS, LARGE_CHARS, RICH_CHARS, LABEL_CHARS = 255, 2_000, 32_000, 50_000, 25
NONE = "-None-"
"""How a picklist shows that nothing is chosen."""
TYPES: Mapping[str, str] = {
    "text": "text", "email": "text", "phone": "text", "website": "text", "textarea": "long_text", "picklist": "enum",
    "integer": "number", "double": "number", "currency": "number", "date": "date", "datetime": "datetime",
    "boolean": "bool",
}  # fmt: skip
"""Field types that we can write. Lookups, formulas, files, lists of several have more parts than a value has."""

_BY_HAND = frozenset((
    "crm_ui", "crm_mobile", "mass_update", "bulk_action", "change_owner", "blueprint", "mass_update_via_blueprint",
    "wizard", "convert", "massconvert", "review_process", "approval_process",
))  # fmt: skip
_BY_RULE = frozenset((
    "workflow", "custom_function", "macro", "assignment_rules", "scoringrule", "orchestration",
    "mass_update_via_scheduler", "mass_change_owner_via_scheduler",
))  # fmt: skip
_BY_PROGRAM = frozenset(("crm_api", "bulkapi", "mass_delete_via_crm_api"))


def author_kind(entry: Row, us: str) -> AuthorKind:
    """Say who stands behind an entry of a timeline; a rule acts in the name of whoever set it off, so it goes first."""
    return {
        Source.PERSON: AuthorKind.PERSON, Source.US: AuthorKind.US, Source.UNKNOWN: AuthorKind.UNKNOWN,
    }.get(source(entry, us), AuthorKind.AUTOMATION)  # fmt: skip


def source(entry: Row, us: str) -> Source:
    """Say where an entry of a timeline came from; `us` is the user as whom we call."""
    way, user = held(entry, "source").casefold(), ref_in(entry.get("done_by"))
    if entry.get("automation_details") or way in _BY_RULE:
        return Source.AUTOMATION
    if way in _BY_PROGRAM:
        return Source.US if us and user == us else Source.INTEGRATION
    if way in _BY_HAND:
        return Source.PERSON if user else Source.UNKNOWN
    return Source.IMPORT if "import" in way else Source.FORM if "webform" in way else Source.UNKNOWN


def moment(text: str) -> datetime:
    """Read a time as Zoho tells it, with the offset of the org."""
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def stamp(at: datetime) -> str:
    """Write a time as Zoho wants it: whole seconds, with an offset."""
    return at.astimezone(UTC).isoformat(timespec="seconds")


def held(row: Row, name: str) -> str:
    """Return a field as a text, empty for none."""
    value = row.get(name)
    return "" if value is None else str(value)


def ref_in(value: Any) -> str:
    """Return the id that a lookup holds, which is an object or the id alone; empty without one."""
    found = value.get("id") if isinstance(value, Mapping) else value
    return "" if found is None else str(found)


def is_ref(ref: str) -> bool:
    """Say whether a text may be the id of a record."""
    return ref.isascii() and ref.isdigit() and len(ref) <= 19


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield items in portions of a size."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
