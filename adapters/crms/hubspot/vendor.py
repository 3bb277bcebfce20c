"""HubSpot's words: object types, paths by API version, association types, scopes, who wrote a property.

Constants and pure functions, so that what may change twice a year (a new date-based version every March and September)
stands on one page. Source for all of it: HubSpot's API reference and SDK 12.0.0, read 2026-11.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from sidecar.model import AuthorKind, Source

T = TypeVar("T")

OBJECTS: Mapping[str, str] = {
    "contact": "contacts", "company": "companies", "deal": "deals",
    "note": "notes", "task": "tasks", "meeting": "meetings",
}  # fmt: skip
KINDS: Mapping[str, str] = {name: kind for kind, name in OBJECTS.items()}
TYPE_IDS: Mapping[str, str] = {
    "contact": "0-1", "company": "0-2", "deal": "0-3", "task": "0-27", "note": "0-46", "meeting": "0-47",
}  # fmt: skip
MERGEABLE = frozenset(("contact", "company", "deal"))
KEYED = ("company", "deal", "note", "task", "meeting", "contact")
"""Kinds that get a key property, contact last: its being there says that provisioning came to its end."""
BODIES: Mapping[str, str] = {"note": "hs_note_body", "task": "hs_task_body", "meeting": "hs_meeting_body"}
MERGED_IDS = "hs_merged_object_ids"
LINKED: Mapping[str, tuple[str, ...]] = {"deal": ("contact", "company")}
"""Which associations are read with a record of a kind: those by which a deal is chosen."""

BATCH, HISTORY_BATCH, LINK_BATCH, SEARCH_PAGE, LIST_PAGE = 100, 50, 1000, 200, 100
SEARCH_CHARS, SEARCH_GROUPS, SEARCH_FILTERS, SEARCH_VALUES, SEARCH_REACH = 3_000, 5, 18, 100, 10_000

_TYPES: Mapping[tuple[str, str], int] = {
    ("contact", "company"): 279, ("contact", "deal"): 4, ("contact", "note"): 201, ("contact", "task"): 203,
    ("contact", "meeting"): 199, ("company", "contact"): 280, ("company", "deal"): 342, ("company", "note"): 189,
    ("company", "task"): 191, ("company", "meeting"): 187, ("deal", "contact"): 3, ("deal", "company"): 341,
    ("deal", "note"): 213, ("deal", "task"): 215, ("deal", "meeting"): 211, ("note", "contact"): 202,
    ("note", "company"): 190, ("note", "deal"): 214, ("task", "contact"): 204, ("task", "company"): 192,
    ("task", "deal"): 216, ("meeting", "contact"): 200, ("meeting", "company"): 188, ("meeting", "deal"): 212,
}  # fmt: skip

_PERSON = ("CRM_UI", "CRM_UI_BULK_ACTION", "MOBILE_IOS", "MOBILE_ANDROID", "CONTACTS_WEB", "SIDEKICK")
_AUTOMATION = (
    "INTEGRATIONS_SYNC", "API", "AUTOMATION_PLATFORM", "AUTOMATION_JOURNEY", "WORKFLOWS", "CALCULATED", "ANALYTICS",
    "AI_GROUP", "COMPANY_INSIGHTS", "COMPANY_FAMILIES", "EMAIL_INTEGRATION", "EMAIL", "INTERNAL_PROCESSING",
    "MIGRATION", "MICROAPPS", "SALESFORCE", "SEQUENCES", "CHATSPOT", "DATA_ENRICHMENT", "DEFAULT",
)  # fmt: skip
INTEGRATION = "INTEGRATION"
"""An app's or a service key's write: ours with our `sourceId`, else an automation's."""
AUTHORS: Mapping[str, AuthorKind] = {
    **dict.fromkeys(_PERSON, AuthorKind.PERSON),
    **dict.fromkeys((*_AUTOMATION, INTEGRATION), AuthorKind.AUTOMATION),
    # A person started an import, but typed none of it; a form holds the customer's own words; a merge moves what
    # somebody wrote elsewhere. Each is respected, and none is a rep who corrects us.
    **dict.fromkeys(
        ("IMPORT", "FORM", "FORMS", "MERGE_OBJECTS", "MERGE_CONTACTS", "MERGE_COMPANIES"), AuthorKind.UNKNOWN
    ),
}
"""Who stands behind a source type; of those that aren't listed nobody can tell (unknown)."""

SOURCES: Mapping[str, Source] = {
    **dict.fromkeys(_AUTOMATION, Source.AUTOMATION),
    **dict.fromkeys(_PERSON, Source.PERSON),
    **dict.fromkeys(
        ("INTEGRATIONS_SYNC", "API", "EMAIL_INTEGRATION", "MIGRATION", "MICROAPPS", "SALESFORCE", INTEGRATION),
        Source.INTEGRATION,
    ),
    **dict.fromkeys(("FORM", "FORMS"), Source.FORM),
    "IMPORT": Source.IMPORT,
    "DEFAULT": Source.DEFAULT,
}
"""The same, told finer, for counting; a merge only moves a value, so who wrote it can't be told."""

SCOPES: tuple[str, ...] = (
    *(f"crm.objects.{name}.{right}" for name in ("contacts", "companies", "deals") for right in ("read", "write")),
    *(f"crm.schemas.{name}.{right}" for name in ("contacts", "companies", "deals") for right in ("read", "write")),
    "crm.objects.owners.read",
)
"""What the sidecar needs; notes, tasks and meetings are under the contacts' scopes. Source: API reference, 2026-11."""


def association(kind: str, to: str) -> int | None:
    """Return the type id of an unlabelled association, None where HubSpot has none."""
    return _TYPES.get((kind, to))


@dataclass(frozen=True, slots=True)
class Paths:
    """Where things are under one version: `/crm/objects/2026-09/contacts`, or `/crm/v3/objects/contacts`."""

    version: str

    def objects(self, kind: str, *rest: str) -> str:
        """Return the path of a kind's records, or what is below it."""
        return self._crm("objects", OBJECTS[kind], *rest)

    def properties(self, kind: str, *rest: str) -> str:
        """Return the path of a kind's properties."""
        return self._crm("properties", OBJECTS[kind], *rest)

    def pipelines(self) -> str:
        """Return the path of the deal pipelines."""
        return self._crm("pipelines", OBJECTS["deal"])

    def lists(self, *rest: str) -> str:
        """Return the path of the lists, or what is below it."""
        return self._crm("lists", *rest)

    def owners(self) -> str:
        """Return the path of the owners; v3 wants its slash at the end."""
        return self._crm("owners", "") if self._is_numbered else self._crm("owners")

    def associations(self, kind: str, to: str) -> str:
        """Return the path of associations to read; the numbered one is v4, which ends on 2027-03-30."""
        pair = f"{OBJECTS[kind]}/{OBJECTS[to]}/batch/read"
        return f"/crm/v4/associations/{pair}" if self._is_numbered else f"/crm/associations/{self.version}/{pair}"

    def ties(self, kind: str, to: str) -> str:
        """Return the path by which associations without a label are made; they are there already, or are added."""
        return self.associations(kind, to).removesuffix("read") + "associate/default"

    def account(self, *rest: str) -> str:
        """Return a path of the account's details and usage."""
        return "/".join(("/account-info", self.version, *rest))

    @property
    def _is_numbered(self) -> bool:
        return self.version.startswith("v")

    def _crm(self, area: str, *rest: str) -> str:
        head = ("/crm", self.version, area) if self._is_numbered else ("/crm", area, self.version)
        return "/".join((*head, *(quote(part, safe="") for part in rest)))


FLOWS = "/automation/v4/flows"
TOKEN_INFO = "/oauth/v2/private-apps/get/access-token-info"  # noqa: S105 a path


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield items in portions of a size."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
