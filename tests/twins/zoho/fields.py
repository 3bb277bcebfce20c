"""What fields the modules have: those that every org has, and those that admins and programs add.

A field is called by its `api_name`, which the vendor makes from the label and doesn't tell when a field is created: one
has to look. Lengths, required ones and picklists are those of an org as it is handed out; Notes take no custom fields.
Source: zoho/crm-oas v8.0 fields and record, read 2026-11-22; lengths and required ones from the vendor's field pages.
"""

import re
from dataclasses import dataclass, field
from typing import Any

MODULES = ("Leads", "Contacts", "Accounts", "Deals", "Tasks", "Events", "Notes")
SINGULAR = {
    "Leads": "Lead", "Contacts": "Contact", "Accounts": "Account", "Deals": "Deal", "Tasks": "Task",
    "Events": "Meeting", "Notes": "Note",
}  # fmt: skip
DISPLAY = {
    "Leads": "Full_Name", "Contacts": "Full_Name", "Accounts": "Account_Name", "Deals": "Deal_Name",
    "Tasks": "Subject", "Events": "Event_Title", "Notes": "Note_Title",
}  # fmt: skip
DUPLICATE_CHECK = {"Leads": "Email", "Contacts": "Email", "Accounts": "Account_Name", "Deals": "Deal_Name"}
"""Modules that can be upserted -> the system's own duplicate check field."""
SOURCES = ("Advertisement", "Cold Call", "Web Download", "Chat", "Employee Referral", "Partner Referral")
STATUSES = ("Not Started", "Deferred", "In Progress", "Completed", "Waiting for input")
PRIORITIES = ("High", "Highest", "Low", "Lowest", "Normal")
LEAD_STATUSES = ("Attempted to Contact", "Contact in Future", "Contacted", "Lost Lead", "Not Contacted", "Qualified")
LENGTHS = {
    "text": 255, "email": 100, "phone": 30, "website": 450, "textarea": 2000, "picklist": 120, "integer": 9,
    "bigint": 18, "double": 16, "currency": 16, "date": 20, "datetime": 20, "boolean": 5, "multiselectpicklist": 120,
}  # fmt: skip
"""Types of custom field -> how long a value may be unless told."""
NOTHING_CHOSEN = "-None-"
"""The first choice of a picklist that may be empty; read by the API, an empty one is null or this."""
TEXTAREAS = {"small": 2000, "large": 32_000, "rich_text": 50_000}
JSON_TYPES = {
    "integer": "integer", "bigint": "string", "double": "double", "currency": "double", "boolean": "boolean",
    "lookup": "jsonobject", "ownerlookup": "jsonobject", "multiselectpicklist": "jsonarray", "jsonarray": "jsonarray",
}  # fmt: skip


@dataclass
class Field:
    """One field; `options` are the labels of a picklist, `case_sensitive` is None where values may repeat."""

    api_name: str
    label: str
    data_type: str
    length: int
    id: str = ""
    required: bool = False
    read_only: bool = False
    lookup: str = ""
    options: list[dict[str, Any]] = field(default_factory=list)
    is_custom: bool = False
    case_sensitive: bool | None = None
    external: str = ""
    textarea: str = ""

    @property
    def labels(self) -> list[str]:
        """Return the labels of a picklist."""
        return [option["actual_value"] for option in self.options]


def native() -> dict[str, dict[str, Field]]:
    """Return the fields that every org has, by module and name."""
    return {module: {each.api_name: each for each in [*_FIELDS[module](), *_system()]} for module in MODULES}


def option(label: str, number: int, id: str) -> dict[str, Any]:
    """Return one choice of a picklist, whose value is its label."""
    return {
        "display_value": label, "sequence_number": number, "reference_value": label, "colour_code": None,
        "actual_value": label, "id": id, "type": "used",
    }  # fmt: skip


def api_name(label: str, taken: dict[str, Field]) -> str:
    """Return what a new field of this label is called."""
    base = re.sub(r"\W+", "_", re.sub(r"[^\x20-\x7e]", "", label)).strip("_") or "Custom_Field"
    name, number = base, 0
    while name in taken:
        number += 1
        name = f"{base}{number}"
    return name


def _system() -> list[Field]:
    who, when = ("Created_By", "Modified_By"), ("Created_Time", "Modified_Time")
    return [
        _f("id", "bigint", 20, read_only=True), _f("Owner", "ownerlookup", 120),
        *[_f(name, "ownerlookup", 120, read_only=True) for name in who],
        *[_f(name, "datetime", 120, read_only=True) for name in when], _f("Tag", "jsonarray", 2000),
    ]  # fmt: skip


def _contacts() -> list[Field]:
    return [
        _f("First_Name", "text", 40), _f("Last_Name", "text", 80, required=True), _f("Full_Name", "text", 120,
        read_only=True), _f("Email", "email", 100), _f("Secondary_Email", "email", 100), _f("Phone", "phone", 30),
        _f("Mobile", "phone", 30), _f("Home_Phone", "phone", 30), _f("Other_Phone", "phone", 30),
        _f("Title", "text", 100), _f("Department", "text", 50), _f("Account_Name", "lookup", 120, lookup="Accounts"),
        _f("Lead_Source", "picklist", 120, options=SOURCES), _f("Date_of_Birth", "date", 20),
        _f("Email_Opt_Out", "boolean", 5), *_address("Mailing_"), _f("Description", "textarea", 32_000),
    ]  # fmt: skip


def _leads() -> list[Field]:
    return [
        _f("First_Name", "text", 40), _f("Last_Name", "text", 80, required=True), _f("Full_Name", "text", 120,
        read_only=True), _f("Company", "text", 200, required=True), _f("Email", "email", 100),
        _f("Secondary_Email", "email", 100), _f("Phone", "phone", 30), _f("Mobile", "phone", 30),
        _f("Title", "text", 100), _f("Website", "website", 255), _f("Lead_Source", "picklist", 120, options=SOURCES),
        _f("Lead_Status", "picklist", 120, options=LEAD_STATUSES), _f("Annual_Revenue", "currency", 16),
        _f("No_of_Employees", "integer", 9), _f("Email_Opt_Out", "boolean", 5), *_address(""),
        _f("Description", "textarea", 32_000), _f("Converted__s", "boolean", 5, read_only=True),
    ]  # fmt: skip


def _accounts() -> list[Field]:
    return [
        _f("Account_Name", "text", 200, required=True), _f("Phone", "phone", 30), _f("Website", "website", 255),
        _f("Account_Number", "text", 40), _f("Industry", "picklist", 120, options=("Engineering", "Technology")),
        _f("Annual_Revenue", "currency", 16), _f("Employees", "integer", 9), *_address("Billing_"),
        _f("Description", "textarea", 32_000),
    ]  # fmt: skip


def _deals() -> list[Field]:
    return [
        _f("Deal_Name", "text", 120, required=True), _f("Stage", "picklist", 120, required=True),
        _f("Pipeline", "picklist", 120), _f("Amount", "currency", 16), _f("Closing_Date", "date", 20),
        _f("Account_Name", "lookup", 120, lookup="Accounts"), _f("Contact_Name", "lookup", 120, lookup="Contacts"),
        _f("Next_Step", "text", 100), _f("Probability", "integer", 9), _f("Type", "picklist", 120,
        options=("Existing Business", "New Business")), _f("Lead_Source", "picklist", 120, options=SOURCES),
        _f("Description", "textarea", 32_000),
    ]  # fmt: skip


def _tasks() -> list[Field]:
    return [
        _f("Subject", "text", 255, required=True), _f("Due_Date", "date", 20),
        _f("Status", "picklist", 120, options=STATUSES), _f("Priority", "picklist", 120, options=PRIORITIES),
        _f("Who_Id", "lookup", 120, lookup="Contacts"), _f("What_Id", "lookup", 120, lookup="*"),
        _f("Closed_Time", "datetime", 120, read_only=True), _f("Description", "textarea", 32_000),
    ]  # fmt: skip


def _events() -> list[Field]:
    return [
        _f("Event_Title", "text", 255, required=True), _f("Start_DateTime", "datetime", 120, required=True),
        _f("End_DateTime", "datetime", 120, required=True), _f("All_day", "boolean", 5), _f("Venue", "text", 255),
        _f("Participants", "jsonarray", 2000), _f("Who_Id", "lookup", 120, lookup="Contacts"),
        _f("What_Id", "lookup", 120, lookup="*"), _f("Description", "textarea", 32_000),
    ]  # fmt: skip


def _notes() -> list[Field]:
    return [
        _f("Note_Title", "text", 120), _f("Note_Content", "textarea", 32_000),
        _f("Parent_Id", "lookup", 120, lookup="*", required=True),
    ]  # fmt: skip


def _address(prefix: str) -> list[Field]:
    zip_code = {"Billing_": "Code", "Mailing_": "Zip"}.get(prefix, "Zip_Code")
    return [
        _f(prefix + "Street", "text", 250), _f(prefix + "City", "text", 100), _f(prefix + "State", "text", 100),
        _f(prefix + zip_code, "text", 30), _f(prefix + "Country", "text", 100),
    ]  # fmt: skip


def _f(name: str, data_type: str, length: int, options: tuple[str, ...] = (), **more: Any) -> Field:
    labels = (NOTHING_CHOSEN, *options) if data_type == "picklist" and not more.get("required") else options
    choices = [option(label, number, "") for number, label in enumerate(labels, 1)]
    return Field(name, name.replace("_", " "), data_type, length, options=choices, **more)


_FIELDS = {
    "Leads": _leads, "Contacts": _contacts, "Accounts": _accounts, "Deals": _deals, "Tasks": _tasks,
    "Events": _events, "Notes": _notes,
}  # fmt: skip
