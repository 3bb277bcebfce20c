"""Creating, changing, upserting and deleting one record, in the order in which the platform refuses.

First what the JSON says (fields, types), then the field's own rules, then the record's: required fields, unique values,
duplicate rules, validation rules. Nothing is written unless all of it holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.twins.salesforce import ids, platform, setup
from tests.twins.salesforce.access import Access
from tests.twins.salesforce.errors import ApiError, gone, no_column, not_found
from tests.twins.salesforce.org import DuplicateRule, Org, Record
from tests.twins.salesforce.schema import Field, SObject
from tests.twins.salesforce.values import checked

IGNORED = frozenset({"attributes"})


@dataclass(frozen=True)
class Saving:
    """Who writes, and what the duplicate rule header allows."""

    org: Org
    access: Access
    allow_save: bool = False

    @property
    def by(self) -> str:
        """Return the user's id."""
        return self.access.user


def create(how: Saving, of: SObject, given: Mapping[str, Any]) -> Record:
    """Make a record, or raise what refuses it."""
    _check_object(how, of, "createable", "inserted")
    values = parsed(how, of, given, new=True)
    whole = {name: each.default for name, each in of.fields.items()} | values
    missing = [name for name, each in of.fields.items() if each.required and whole.get(name) is None]
    missing += platform.missing_times(of, whole)
    _check_record(how, of, whole, set(values), missing, None)
    contact = values.pop("ContactId", None) if of.name == "Opportunity" else None
    record = how.org.insert(of.name, values, how.by)
    if contact:
        role = {"OpportunityId": record.id, "ContactId": contact, "IsPrimary": True}
        how.org.insert("OpportunityContactRole", role, how.by)
    return record


def change(how: Saving, record: Record, given: Mapping[str, Any]) -> Record:
    """Write into a record, or raise what refuses it."""
    of = how.org.sobjects[record.sobject]
    _check_object(how, of, "updateable", "updated")
    values = parsed(how, of, given, new=False)
    if record.values.get("IsConverted"):
        raise ApiError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", [])
    missing = [name for name, value in values.items() if value is None and not of.fields[name].nillable]
    _check_record(how, of, {**record.values, **values}, set(values), missing, record)
    how.org.check_lock(record.id)
    return how.org.update(record, values, how.by)


def remove(how: Saving, record: Record) -> None:
    """Put a record, and what hangs on it, into the recycle bin."""
    of = how.org.sobjects[record.sobject]
    _check_object(how, of, "deletable", "deleted")
    how.org.check_lock(record.id)
    setup.before_delete(how.org, record)
    for child in _cascade(how.org, record):
        how.org.remove(child, how.by)
    how.org.remove(record, how.by)


def upsert(how: Saving, of: SObject, key: Field, value: Any, given: Mapping[str, Any]) -> tuple[Record, bool]:
    """Make or change the one record whose external id is this; return it, and whether it is new."""
    value = value if key.type == "id" else checked(how.org, key, value)
    found = how.org.by_value(of.name, key, value)
    if len(found) > 1:
        raise ApiError("DUPLICATE_EXTERNAL_ID", f"{key.name}: more than one record found for external id field: "
                       f"[{', '.join(each.id for each in found)}]", [key.name], 300)  # fmt: skip
    rest = {name: each for name, each in given.items() if name.lower() != key.name.lower()}
    if found:
        return change(how, found[0], rest), False
    return create(how, of, rest | ({} if key.type == "id" else {key.name: value})), True


def target(org: Org, sobject: str | None, id: Any) -> Record:
    """Return the live record that an id in a body or path is about, or raise what says why there is none."""
    long = ids.parsed(id) if isinstance(id, str) else None
    of = org.of_id(long) if long else None
    if long is None or (of and sobject and of.name != sobject):
        raise ApiError("MALFORMED_ID", f"{sobject or ''} ID: id value of incorrect type: {id}".strip(), ["Id"])
    found = org.there(of.name, long) if of else None
    if found is None:
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [])
    if found.deleted_at:
        raise gone()
    return found


def external_id(access: Access, of: SObject, name: str) -> Field:
    """Return the field that an upsert goes by, or raise the refusal."""
    found = access.find(of, name)
    if found is None or not (found.externalId or found.name == "Id" or (found.idLookup and found.unique)):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {name}")
    return found


def parsed(how: Saving, of: SObject, given: Mapping[str, Any], *, new: bool) -> dict[str, Any]:
    """Return the values that a body writes, each checked by its field."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name in IGNORED:
            continue
        field = how.access.find(of, name)
        if field is None:
            field, value = _related(how, of, name, value)
        if not field.raw["createable" if new else "updateable"] or not how.access.writes(of, field):
            if field.name == "Id":
                raise ApiError("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
            words = f"Unable to create/update fields: {field.name}. Please check the security settings of this field " \
                    "and verify that it is read/write for your profile or permission set."  # fmt: skip
            raise ApiError("INVALID_FIELD_FOR_INSERT_UPDATE", words, [field.name])
        values[field.name] = checked(how.org, field, value)
    return values


def _related(how: Saving, of: SObject, name: str, value: Any) -> tuple[Field, Any]:
    """Return the reference, and the id, that a parent named by its external id means."""
    field = of.relation(name)
    if field is None:
        raise no_column(name, of.name)
    keys = {key: each for key, each in value.items() if key not in IGNORED} if isinstance(value, dict) else {}
    if len(keys) != 1 or len(field.referenceTo) != 1:
        raise ApiError("INVALID_FIELD", f"The relationship {name} must name exactly one external id")
    ((key, wanted),) = keys.items()
    parent = how.org.sobjects[field.referenceTo[0]]
    found = how.org.by_value(parent.name, external_id(how.access, parent, key), wanted)
    if len(found) != 1:
        raise ApiError(
            "INVALID_FIELD", f"Foreign key external ID: {wanted} not found for field {key} in entity {parent.name}"
        )
    return field, found[0].id


def _check_object(how: Saving, of: SObject, flag: str, done: str) -> None:
    how.access.check_write(of)
    if not of.raw[flag]:
        code = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
        raise ApiError(code, f"entity type cannot be {done}: {of.raw['label']}", [])


def _check_record(
    how: Saving, of: SObject, whole: Mapping[str, Any], said: set[str], missing: list[str], old: Record | None
) -> None:
    if missing:
        raise ApiError("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing)
    for name in said:
        _check_unique(how.org, of, of.fields[name], whole[name], old)
    setup.check(how.org, of, whole, old)
    platform.check(how.org, of, whole, said)
    if not (old is not None and not any(rule for rule in how.org.duplicate_rules if said & set(rule.fields))):
        _check_duplicates(how, of, whole, old)
    for rule in how.org.validation_rules:
        if rule.sobject == of.name and rule.wrong(whole):
            raise ApiError("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message, list(rule.fields))


def _check_unique(org: Org, of: SObject, field: Field, value: Any, old: Record | None) -> None:
    if not field.unique or value is None:
        return
    for other in org.by_value(of.name, field, value):
        if old is None or other.id != old.id:
            words = f"duplicate value found: {field.name} duplicates value on record with id: {other.id}"
            raise ApiError("DUPLICATE_VALUE", words, [])


def _check_duplicates(how: Saving, of: SObject, whole: Mapping[str, Any], old: Record | None) -> None:
    for rule in how.org.duplicate_rules:
        if (
            rule.sobject != of.name
            or (rule.allows and how.allow_save)
            or any(whole[name] is None for name in rule.fields)
        ):
            continue
        first = of.fields[rule.fields[0]]
        found = [
            other for other in how.org.by_value(of.name, first, whole[first.name])
            if (old is None or other.id != old.id)
            and all(str(other.values[name]).lower() == str(whole[name]).lower() for name in rule.fields)
        ]  # fmt: skip
        if found:
            raise ApiError("DUPLICATES_DETECTED", "Use one of these records?", [], 400, _duplicates(rule, found))


def _duplicates(rule: DuplicateRule, found: list[Record]) -> dict[str, Any]:
    records = [
        {"additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0,
         "record": {"attributes": {"type": each.sobject}, "Id": each.id}}
        for each in found
    ]  # fmt: skip
    match = {"entityType": rule.sobject, "errors": [], "matchEngine": "ExactMatchEngine", "matchRecords": records,
             "rule": f"{rule.name}_Match", "size": len(records), "success": True}  # fmt: skip
    return {"duplicateResult": {
        "allowSave": rule.allows, "duplicateRule": rule.name, "duplicateRuleEntityType": rule.sobject,
        "errorMessage": "Use one of these records?", "matchResults": [match],
    }}  # fmt: skip


def _cascade(org: Org, record: Record) -> list[Record]:
    """Return what goes with a record: contacts and opportunities of an account, roles, activities."""
    hanging = {
        "Account": (("Contact", "AccountId"), ("Opportunity", "AccountId"), ("Task", "WhatId"), ("Event", "WhatId")),
        "Contact": (("OpportunityContactRole", "ContactId"), ("Task", "WhoId"), ("Event", "WhoId")),
        "Lead": (("Task", "WhoId"), ("Event", "WhoId")),
        "Opportunity": (("OpportunityContactRole", "OpportunityId"), ("Task", "WhatId"), ("Event", "WhatId")),
        "PermissionSet": (("FieldPermissions", "ParentId"), ("ObjectPermissions", "ParentId"),
                          ("PermissionSetAssignment", "PermissionSetId")),
    }  # fmt: skip
    found: list[Record] = []
    for sobject, name in hanging.get(record.sobject, ()):
        for child in org.every(sobject):
            if child.values[name] == record.id:
                found += [*_cascade(org, child), child]
    return found
