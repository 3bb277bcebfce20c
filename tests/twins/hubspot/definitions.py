"""What a new portal holds: object types, their native properties, deal pipelines, owners, and association types.

A selection of HubSpot's own, with its names, types and options; a portal has hundreds more. Types of associations are
read from the SDK's own table, so that no number here is ours.
"""

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

OBJECTS: Mapping[str, tuple[str, str, str]] = {
    "contacts": ("0-1", "Contact", "hubspot.crm.contacts"),
    "companies": ("0-2", "Company", "hubspot.crm.companies"),
    "deals": ("0-3", "Deal", "hubspot.crm.deals"),
    "notes": ("0-46", "Note", "hubspot.crm.objects.notes"),
    "tasks": ("0-27", "Task", "hubspot.crm.objects.tasks"),
    "meetings": ("0-47", "Meeting", "hubspot.crm.objects.meetings"),
}
ACTIVITIES = frozenset({"notes", "tasks", "meetings"})
ALIASES: Mapping[str, str] = {
    alias: name for name, (id, label, _) in OBJECTS.items() for alias in (name, id, label.lower())
}
MODIFIED: Mapping[str, str] = dict.fromkeys(OBJECTS, "hs_lastmodifieddate") | {"contacts": "lastmodifieddate"}
CREATED: Mapping[str, str] = {name: "hs_createdate" if name in ACTIVITIES else "createdate" for name in OBJECTS}
DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "contacts": ("email", "firstname", "lastname"),
    "companies": ("domain", "name"),
    "deals": ("amount", "closedate", "dealname", "dealstage", "pipeline"),
    "notes": (),
    "tasks": (),
    "meetings": (),
}
RICH_TEXT = frozenset({"hs_note_body", "hs_task_body", "hs_meeting_body", "hs_internal_meeting_notes"})
LIFECYCLE = (
    "subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "evangelist",
)  # fmt: skip


@dataclass
class Definition:
    """One property of one object type. `options` is None where the values are the portal's own (owners, stages)."""

    name: str
    type: str = "string"
    field_type: str = "text"
    label: str = ""
    group: str = "information"
    description: str = ""
    options: list[dict[str, Any]] | None = field(default_factory=list)
    read_only: bool = False
    calculated: bool = False
    unique: bool = False
    custom: bool = False
    display_order: int = -1
    hidden: bool = False
    form_field: bool = False
    archived_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None

    @property
    def is_email(self) -> bool:
        """Tell whether this is the contact's address."""
        return self.name == "email" and not self.custom

    @property
    def is_rich_text(self) -> bool:
        """Tell whether values are HTML."""
        return (self.name in RICH_TEXT and not self.custom) or self.field_type == "html"

    @property
    def is_multiple(self) -> bool:
        """Tell whether several options may be chosen."""
        return self.type == "enumeration" and self.field_type == "checkbox"

    def option_values(self) -> set[str]:
        """Return the internal values of the options."""
        return {option["value"] for option in self.options or ()}

    def wire(self) -> dict[str, Any]:
        """Return the definition as the properties API answers it."""
        body: dict[str, Any] = {
            "name": self.name, "label": self.label or self.name, "type": self.type, "fieldType": self.field_type,
            "description": self.description, "groupName": self.group, "options": list(self.options or ()),
            "displayOrder": self.display_order, "calculated": self.calculated, "externalOptions": self.options is None,
            "hasUniqueValue": self.unique, "hidden": self.hidden, "hubspotDefined": not self.custom,
            "formField": self.form_field, "archived": self.archived_at is not None,
            "modificationMetadata": {
                "archivable": self.custom, "readOnlyDefinition": not self.custom, "readOnlyValue": self.read_only,
            },
        }  # fmt: skip
        times = {"createdAt": self.created_at, "updatedAt": self.updated_at, "archivedAt": self.archived_at}
        return body | {key: at for key, at in times.items() if at}


def native(object_type: str) -> dict[str, Definition]:
    """Return the native properties of an object type."""
    group = f"{OBJECTS[object_type][1].lower()}information"
    made = [*_NATIVE[object_type](), *_of_every_record(object_type)]
    for definition in made:
        definition.group = group
    return {definition.name: definition for definition in made}


def pipelines() -> list[dict[str, Any]]:
    """Return the deal pipelines of a new portal, as the API answers them but for times."""
    return [
        pipeline("default", "Sales Pipeline", [
            ("appointmentscheduled", "Appointment Scheduled", "0.2"), ("qualifiedtobuy", "Qualified To Buy", "0.4"),
            ("presentationscheduled", "Presentation Scheduled", "0.6"),
            ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8"), ("contractsent", "Contract Sent", "0.9"),
            ("closedwon", "Closed Won", "1.0"), ("closedlost", "Closed Lost", "0.0"),
        ]),
        pipeline("75001", "Repairs", [
            ("930001", "Asked", "0.2"), ("930002", "Booked", "0.6"), ("930003", "Done", "1.0"),
            ("930004", "Dropped", "0.0"),
        ]),
    ]  # fmt: skip


def pipeline(id: str, label: str, stages: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """Return a pipeline of stages given as (id, label, probability)."""
    return {
        "id": id, "label": label, "displayOrder": 0, "archived": False,
        "stages": [
            {
                "id": stage, "label": words, "displayOrder": order, "archived": False,
                "metadata": {"isClosed": str(chance in ("0.0", "1.0")).lower(), "probability": chance},
            }
            for order, (stage, words, chance) in enumerate(stages)
        ],
    }  # fmt: skip


@dataclass(frozen=True)
class AssociationKind:
    """One type of association, in one direction."""

    id: int
    from_type: str
    to_type: str
    primary: bool

    @property
    def label(self) -> str | None:
        """Return what the API calls it: only primary ones bear a label."""
        return "Primary" if self.primary else None


@cache
def association_kinds() -> Mapping[int, AssociationKind]:
    """Return the types of associations between our object types, by id, as the SDK's own table has them."""
    table = importlib.import_module("hubspot.crm.association_type").AssociationType
    kinds = {}
    for name, id in vars(table).items():
        found = re.fullmatch(r"(PRIMARY_)?([A-Z_]+)_TO_([A-Z_]+)", name)
        if found and (ends := [ALIASES.get(found.group(at).lower()) for at in (2, 3)]) and all(ends):
            kinds[id] = AssociationKind(id, str(ends[0]), str(ends[1]), bool(found.group(1)))
    return kinds


@cache
def association_id(from_type: str, to_type: str, primary: bool = False) -> int | None:
    """Return the id of the type of association from one object type to another, if there is one."""
    wanted = (from_type, to_type, primary)
    return next((k.id for k in association_kinds().values() if (k.from_type, k.to_type, k.primary) == wanted), None)


def options(*values: str) -> list[dict[str, Any]]:
    """Return options labelled by their values."""
    return [
        {"label": value.replace("_", " ").title(), "value": value, "displayOrder": order, "hidden": False}
        for order, value in enumerate(values)
    ]


def _of_every_record(object_type: str) -> list[Definition]:
    names = [CREATED[object_type], MODIFIED[object_type]]
    times = [Definition(name, "datetime", "date", read_only=True) for name in names]
    owner = Definition("hubspot_owner_id", "enumeration", "select", label="Owner", options=None)
    merged = Definition("hs_merged_object_ids", "enumeration", "checkbox", options=None, read_only=True)
    return [*times, owner, merged, Definition("hs_object_id", "number", "number", read_only=True)]


def _texts(*names: str) -> list[Definition]:
    return [Definition(name) for name in names]


def _contact() -> list[Definition]:
    phones = [
        Definition(name, "string", "phonenumber", read_only=True, calculated=True)
        for name in ("hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number")
    ]
    return [
        *_texts("email", "firstname", "lastname", "company", "jobtitle", "website", "address", "city", "state", "zip"),
        *_texts("country", "message"), Definition("phone", "string", "phonenumber"),
        Definition("mobilephone", "string", "phonenumber"), *phones,
        Definition("lifecyclestage", "enumeration", "radio", options=options(*LIFECYCLE)),
        Definition("hs_lead_status", "enumeration", "radio", options=options("NEW", "OPEN", "CONNECTED")),
        Definition("hs_additional_emails", "enumeration", "checkbox", options=None, read_only=True),
    ]  # fmt: skip


def _company() -> list[Definition]:
    return [
        *_texts("name", "domain", "website", "city", "state", "zip", "country", "description", "industry"),
        Definition("phone", "string", "phonenumber"), Definition("numberofemployees", "number", "number"),
        Definition("annualrevenue", "number", "number"),
        Definition("lifecyclestage", "enumeration", "radio", options=options(*LIFECYCLE)),
        Definition("hs_additional_domains", "enumeration", "checkbox", options=None, read_only=True),
    ]  # fmt: skip


def _deal() -> list[Definition]:
    closed = [
        Definition(name, "bool", "booleancheckbox", read_only=True, calculated=True, options=options("true", "false"))
        for name in ("hs_is_closed", "hs_is_closed_won")
    ]
    return [
        Definition("dealname"), Definition("amount", "number", "number"), Definition("closedate", "datetime", "date"),
        Definition("description", "string", "textarea"), Definition("hs_next_step", "string", "text"),
        Definition("pipeline", "enumeration", "select", options=None),
        Definition("dealstage", "enumeration", "radio", options=None), *closed,
        Definition("dealtype", "enumeration", "radio", options=options("newbusiness", "existingbusiness")),
        Definition("hs_priority", "enumeration", "select", options=options("low", "medium", "high")),
        Definition("deal_currency_code", "enumeration", "select", options=options("EUR", "GBP", "USD")),
    ]  # fmt: skip


def _note() -> list[Definition]:
    return [
        Definition("hs_timestamp", "datetime", "date"), Definition("hs_note_body", "string", "html"),
        Definition("hs_attachment_ids"),
    ]  # fmt: skip


def _task() -> list[Definition]:
    statuses = options("NOT_STARTED", "IN_PROGRESS", "WAITING", "COMPLETED", "DEFERRED")
    return [
        Definition("hs_timestamp", "datetime", "date"), Definition("hs_task_subject"),
        Definition("hs_task_body", "string", "html"),
        Definition("hs_task_status", "enumeration", "select", options=statuses),
        Definition("hs_task_priority", "enumeration", "select", options=options("NONE", "LOW", "MEDIUM", "HIGH")),
        Definition("hs_task_type", "enumeration", "select", options=options("TODO", "CALL", "EMAIL")),
    ]  # fmt: skip


def _meeting() -> list[Definition]:
    outcomes = options("SCHEDULED", "COMPLETED", "RESCHEDULED", "NO_SHOW", "CANCELED")
    return [
        Definition("hs_timestamp", "datetime", "date"), Definition("hs_meeting_title"),
        Definition("hs_meeting_body", "string", "html"), Definition("hs_internal_meeting_notes", "string", "html"),
        Definition("hs_meeting_start_time", "datetime", "date"), Definition("hs_meeting_end_time", "datetime", "date"),
        Definition("hs_meeting_location"), Definition("hs_meeting_external_url"),
        Definition("hs_meeting_outcome", "enumeration", "select", options=outcomes),
    ]  # fmt: skip


_NATIVE = {
    "contacts": _contact, "companies": _company, "deals": _deal, "notes": _note, "tasks": _task, "meetings": _meeting,
}  # fmt: skip
