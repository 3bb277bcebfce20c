"""The objects that no recording holds, composed from the object reference: a line a field.

A line is name, type, length and flags: c createable, u updateable, n never null, d defaulted on create, x may not be
filtered, o may not be sorted, i finds by id lookup; then labels, choices and targets by keyword.
Nothing recorded judges them: Task follows the object reference (read 2026-11) and the recorded Event, the others what
is known of them. They hold what integrations use and no more.
"""

from typing import Any

from tests.twins.salesforce.schema import Field, SObject, described, recorded, sobject

STAGES = (
    ("Prospecting", 10, "Pipeline", "open"), ("Qualification", 10, "Pipeline", "open"),
    ("Needs Analysis", 20, "Pipeline", "open"), ("Value Proposition", 50, "Pipeline", "open"),
    ("Id. Decision Makers", 60, "Pipeline", "open"), ("Perception Analysis", 70, "Pipeline", "open"),
    ("Proposal/Price Quote", 75, "Pipeline", "open"), ("Negotiation/Review", 90, "Pipeline", "open"),
    ("Closed Won", 100, "Closed", "won"), ("Closed Lost", 0, "Omitted", "lost"),
)  # fmt: skip
"""Name, probability, forecast category and outcome of the stages that a new org has."""
HISTORIES = {
    "Account": ("AccountHistory", "AccountId"), "Contact": ("ContactHistory", "ContactId"),
    "Lead": ("LeadHistory", "LeadId"), "Opportunity": ("OpportunityFieldHistory", "OpportunityId"),
}  # fmt: skip


def standard() -> dict[str, SObject]:
    """Return every object of a new org by its name."""
    known = {
        name: SObject(dict(raw), {each.name: each for each in fields}) for name, (raw, fields) in recorded().items()
    }
    known["Opportunity"].fields["RecordTypeId"] = _ref("RecordTypeId", "cu", "RecordType", label="Record Type ID")
    for made in (_task(), *_people(), *_setup(), *_permissions(), *_definitions()):
        known[made.name] = made
    for of, (name, parent) in HISTORIES.items():
        known[name] = _history(of, name, parent)
    return known


def _task() -> SObject:
    what = ["Account", "Campaign", "Case", "Contract", "Opportunity", "Order"]
    return sobject("Task", "Task", "00T", [
        _f("Id", "id", 18, "ndi"), _ref("WhoId", "cu", "Contact", "Lead", label="Name ID", polymorphicForeignKey=True),
        _ref("WhatId", "cu", *what, label="Related To ID", polymorphicForeignKey=True),
        _f("Subject", "combobox", 255, "cu", picklistValues=["Call", "Email", "Send Letter", "Send Quote", "Other"]),
        _f("ActivityDate", "date", 0, "cu", label="Due Date Only"),
        _f("Status", "picklist", 255, "cund", picklistValues=[
            {"label": "Not Started", "value": "Not Started", "defaultValue": True}, "In Progress", "Completed",
            "Waiting on someone else", "Deferred"]),
        _f("Priority", "picklist", 255, "cund", picklistValues=[
            "High", {"label": "Normal", "value": "Normal", "defaultValue": True}, "Low"]),
        _f("IsHighPriority", "boolean", 0, "nd"), _ref("OwnerId", "cund", "Group", "User", label="Assigned To ID"),
        _f("Description", "textarea", 32000, "cuxo"), _f("IsDeleted", "boolean", 0, "nd"),
        _ref("AccountId", "", "Account"), _f("IsClosed", "boolean", 0, "nd"), *_stamps(),
        _f("IsArchived", "boolean", 0, "nd"), _f("CallDurationInSeconds", "int", 0, "cu"),
        _f("CallType", "picklist", 40, "cu", restrictedPicklist=True,
           picklistValues=["Internal", "Inbound", "Outbound"]),
        _f("CallDisposition", "string", 255, "cu"), _f("ReminderDateTime", "datetime", 0, "cu"),
        _f("IsReminderSet", "boolean", 0, "cund"), _f("CompletedDateTime", "datetime", 0, ""),
        _f("TaskSubtype", "picklist", 40, "c", picklistValues=["Task", "Email", "ListEmail", "Cadence", "Call",
           "LinkedIn"], restrictedPicklist=True),
    ])  # fmt: skip


def _people() -> list[SObject]:
    user = sobject("User", "User", "005", [
        _f("Id", "id", 18, "ndi"), _f("Username", "string", 80, "cuni"), _f("LastName", "string", 80, "cun"),
        _f("FirstName", "string", 40, "cu"), _f("Name", "string", 121, "n"), _f("Email", "email", 128, "cuni"),
        _f("IsActive", "boolean", 0, "cund"), _f("UserType", "picklist", 40, "", picklistValues=["Standard"]),
        _f("Alias", "string", 8, "cun"), _f("TimeZoneSidKey", "picklist", 40, "cun"),
        _f("CompanyName", "string", 80, "cu"), _f("Title", "string", 80, "cu"), _f("City", "string", 40, "cu"),
        _f("State", "string", 80, "cu"), _ref("ProfileId", "cun", "Profile"), *_stamps(),
    ], is_setup=True, deletable=False)  # fmt: skip
    profile = sobject("Profile", "Profile", "00e", [
        _f("Id", "id", 18, "ndi"), _f("Name", "string", 255, "n"), *_stamps(),
    ], is_setup=True, createable=False)  # fmt: skip
    organisation = sobject("Organization", "Organization", "00D", [
        _f("Id", "id", 18, "ndi"), _f("Name", "string", 80, "n"), _f("InstanceName", "picklist", 5, ""),
        _f("IsSandbox", "boolean", 0, "n"), _f("OrganizationType", "picklist", 40, ""),
        _f("TimeZoneSidKey", "picklist", 40, "n"), _f("LanguageLocaleKey", "picklist", 40, "n"),
        _f("DefaultLocaleSidKey", "picklist", 40, "n"), *_stamps(),
    ], is_setup=True, createable=False, deletable=False)  # fmt: skip
    return [user, profile, organisation]


def _setup() -> list[SObject]:
    stage = sobject("OpportunityStage", "Opportunity Stage", "01J", [
        _f("Id", "id", 18, "ndi"), _f("MasterLabel", "string", 255, ""), _f("ApiName", "string", 255, ""),
        _f("IsActive", "boolean", 0, "nd"), _f("SortOrder", "int", 0, ""), _f("IsClosed", "boolean", 0, "nd"),
        _f("IsWon", "boolean", 0, "nd"), _f("ForecastCategory", "picklist", 40, "n"),
        _f("ForecastCategoryName", "picklist", 255, ""), _f("DefaultProbability", "percent", 0, ""),
        _f("Description", "string", 255, ""), *_stamps(),
    ], createable=False, deletable=False, updateable=False)  # fmt: skip
    record_type = sobject("RecordType", "Record Type", "012", [
        _f("Id", "id", 18, "ndi"), _f("Name", "string", 80, "cun"), _f("DeveloperName", "string", 80, "cun"),
        _f("Description", "string", 255, "cu"), _f("SobjectType", "picklist", 40, "cn"),
        _f("IsActive", "boolean", 0, "cund"), *_stamps(),
    ], is_setup=True)  # fmt: skip
    list_view = sobject("ListView", "List View", "00B", [
        _f("Id", "id", 18, "ndi"), _f("Name", "string", 40, "n"), _f("DeveloperName", "string", 80, ""),
        _f("NamespacePrefix", "string", 15, ""), _f("SobjectType", "picklist", 40, ""),
        _f("IsSoqlCompatible", "boolean", 0, "nd"), *_stamps(),
    ], createable=False, deletable=False, updateable=False)  # fmt: skip
    return [stage, record_type, list_view]


def _permissions() -> list[SObject]:
    flags = [_f(f"Permissions{name}", "boolean", 0, "cund") for name in
             ("Create", "Read", "Edit", "Delete", "ViewAllRecords", "ModifyAllRecords")]  # fmt: skip
    return [
        sobject("PermissionSet", "Permission Set", "0PS", [
            _f("Id", "id", 18, "ndi"), _f("Name", "string", 80, "cun"), _f("Label", "string", 80, "cun"),
            _f("Description", "string", 255, "cu"), _f("IsOwnedByProfile", "boolean", 0, "nd"),
            _ref("ProfileId", "", "Profile"), *_stamps(),
        ], is_setup=True),
        sobject("PermissionSetAssignment", "Permission Set Assignment", "0Pa", [
            _f("Id", "id", 18, "ndi"), _ref("PermissionSetId", "cn", "PermissionSet"), _ref("AssigneeId", "cn", "User"),
            _f("SystemModstamp", "datetime", 0, "nd"),
        ], is_setup=True, updateable=False),
        sobject("ObjectPermissions", "Object Permissions", "110", [
            _f("Id", "id", 18, "ndi"), _ref("ParentId", "cn", "PermissionSet"), _f("SobjectType", "picklist", 40, "cn"),
            *flags, _f("SystemModstamp", "datetime", 0, "nd"),
        ], is_setup=True),
        sobject("FieldPermissions", "Field Permissions", "01k", [
            _f("Id", "id", 18, "ndi"), _ref("ParentId", "cn", "PermissionSet"), _f("SobjectType", "picklist", 40, "cn"),
            _f("Field", "picklist", 80, "cn"), _f("PermissionsRead", "boolean", 0, "cund"),
            _f("PermissionsEdit", "boolean", 0, "cund"), _f("SystemModstamp", "datetime", 0, "nd"),
        ], is_setup=True),
    ]  # fmt: skip


def _definitions() -> list[SObject]:
    custom = sobject("CustomField", "Custom Field", "00N", [
        _f("Id", "id", 18, "ndi"), _f("DeveloperName", "string", 80, ""), _f("TableEnumOrId", "picklist", 40, ""),
        _f("NamespacePrefix", "string", 15, ""), _f("FullName", "string", 120, "xo"), *_stamps(),
    ], is_tooling=True)  # fmt: skip
    defined = sobject("FieldDefinition", "Field Definition", "4fe", [
        _f("Id", "id", 18, "ndi"), _f("DurableId", "string", 120, ""), _f("QualifiedApiName", "string", 80, ""),
        _f("EntityDefinitionId", "string", 80, ""), _f("EntityDefinition.QualifiedApiName", "string", 80, ""),
        _f("DeveloperName", "string", 80, ""), _f("Label", "string", 80, ""), _f("DataType", "string", 120, ""),
        _f("IsFieldHistoryTracked", "boolean", 0, "n"),
    ], createable=False, deletable=False, updateable=False, replicateable=False)  # fmt: skip
    return [custom, defined]


def _history(of: str, name: str, parent: str) -> SObject:
    kept = _f("OldValue", "anyType", 0, "xo"), _f("NewValue", "anyType", 0, "xo")
    return sobject(name, f"{of} History", "017", [
        _f("Id", "id", 18, "ndi"), _f("IsDeleted", "boolean", 0, "nd"), _ref(parent, "n", of),
        _ref("CreatedById", "nd", "User"), _f("CreatedDate", "datetime", 0, "nd"), _f("Field", "picklist", 255, "n"),
        _f("DataType", "picklist", 40, ""), *kept,
    ], createable=False, deletable=False, updateable=False, parent=parent)  # fmt: skip


def _stamps() -> list[Field]:
    return [
        _f("CreatedDate", "datetime", 0, "nd"), _ref("CreatedById", "nd", "User"),
        _f("LastModifiedDate", "datetime", 0, "nd"), _ref("LastModifiedById", "nd", "User"),
        _f("SystemModstamp", "datetime", 0, "nd"),
    ]  # fmt: skip


def _ref(name: str, flags: str, *to: str, **more: Any) -> Field:
    return _f(name, "reference", 18, flags, referenceTo=list(to), relationshipName=name.removesuffix("Id"), **more)


def _f(name: str, type: str, length: int, flags: str, **more: Any) -> Field:
    return Field(described({
        "name": name, "label": more.pop("label", name), "type": type, "length": length, "createable": "c" in flags,
        "updateable": "u" in flags, "nillable": "n" not in flags, "defaultedOnCreate": "d" in flags,
        "filterable": "x" not in flags, "sortable": "o" not in flags, "idLookup": "i" in flags, **more,
    }))  # fmt: skip
