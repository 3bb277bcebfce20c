"""Salesforce's words: objects, ties, histories, what provisioning makes. Constants and pure functions.

Source: Object Reference for the Salesforce Platform, v68.0, read 2026-11.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

_USAGE = re.compile(r"(?<![-\w])api-usage=(\d{1,12})/(\d{1,12})")
T = TypeVar("T")
Row = dict[str, Any]

CONTACT, LEAD, ACCOUNT, OPPORTUNITY, TASK, EVENT = "Contact", "Lead", "Account", "Opportunity", "Task", "Event"
ROLE = "OpportunityContactRole"
OBJECTS: Mapping[str, str] = {
    "company": ACCOUNT, "contact": CONTACT, "deal": OPPORTUNITY, "note": TASK, "task": TASK, "meeting": EVENT,
}  # fmt: skip
"""Which object holds the records of a kind; leads are contacts to us as well."""
PREFIXES: Mapping[str, str] = {
    "001": ACCOUNT, "003": CONTACT, "00Q": LEAD, "006": OPPORTUNITY, "00T": TASK, "00U": EVENT,
}  # fmt: skip
"""How the ids of an object begin, in every org."""
MERGEABLE = frozenset((CONTACT, LEAD, ACCOUNT))
ACTIVITIES = frozenset((TASK, EVENT))
HISTORIES: Mapping[str, tuple[str, str]] = {
    CONTACT: ("ContactHistory", "ContactId"), LEAD: ("LeadHistory", "LeadId"),
    ACCOUNT: ("AccountHistory", "AccountId"), OPPORTUNITY: ("OpportunityFieldHistory", "OpportunityId"),
}  # fmt: skip
"""Where an object's field history is, and which field of it names the record. Activities have none."""
MOST_TRACKED = 20
"""Fields of an object whose history is kept; with Shield or an add-on more, which no API tells."""
KEY, AT, OUTCOME, LEAD_TIE = "AI_Sidecar_Key__c", "AI_Sidecar_Time__c", "AI_Sidecar_Outcome__c", "AI_Sidecar_Lead__c"
"""Fields of ours that nobody asked for: what a record was made by, an activity's exact time, how a meeting went, and
the lead that an opportunity came from, for which Salesforce has no tie."""
KEY_CHARS = 120
OUTCOMES = ("scheduled", "attended", "cancelled", "no_show")
PERMISSION_SET, PERMISSION_LABEL = "AI_Sidecar", "AI sidecar"
NOTE_SUBJECT = "Conversation (AI note)"
BATCH, PAGE = 200, 2_000
STAMP, CREATED, BY, CREATED_BY = "SystemModstamp", "CreatedDate", "LastModifiedById", "CreatedById"
SYSTEM = ("Id", STAMP, CREATED, CREATED_BY, "LastModifiedDate", BY)
"""What is read of every record beside its fields."""
TYPES: Mapping[str, str] = {
    "string": "text", "textarea": "long_text", "picklist": "enum", "combobox": "text", "email": "text", "phone": "text",
    "url": "text", "double": "number", "currency": "number", "percent": "number", "int": "number", "date": "date",
    "datetime": "datetime", "boolean": "bool",
}  # fmt: skip
"""Field types that we can write. References, addresses, sets of choices and files have more parts than a value has."""
YES, NO = "Yes", "No"


def object_of(kind: str, ref: str) -> str:
    """Return the object that a record of a kind is in: of contacts, the id tells whether it is a lead."""
    return LEAD if kind == "contact" and ref.startswith("00Q") else OBJECTS[kind]


def stored_key(kind: str, key: str) -> str:
    """Return how our key stands in its field: with its kind, since notes and tasks are one object."""
    return f"{kind}/{key}"


def moment(text: str) -> datetime:
    """Read a time as the API tells it: 2026-01-31T10:00:00.000+0000."""
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def stamp(at: datetime) -> str:
    """Write a time as versions and cursors do."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def http_date(version: str) -> str:
    """Return a version as a conditional header wants it: whole seconds, as precise as Salesforce's own times are."""
    return moment(version).strftime("%a, %d %b %Y %H:%M:%S GMT")


def held(row: Mapping[str, Any], name: str) -> str:
    """Return a field as a text, empty for none."""
    value = row.get(name)
    return "" if value is None else str(value)


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield a sequence in parts."""
    return (items[start : start + size] for start in range(0, len(items), size))


def left_in(told: str | None) -> int | None:
    """Return what an answer's header says is left of the day's calls, which the org's tools share; None without one.

    Source: API request limits, read 2026-11: `Sforce-Limit-Info: api-usage=18/15000`.
    """
    found = _USAGE.search(told or "")
    return max(0, int(found[2]) - int(found[1])) if found else None
