"""What the setup objects refuse beyond their fields: permissions that depend on others, or on what doesn't exist."""

from collections.abc import Mapping
from typing import Any

from tests.twins.salesforce.errors import ApiError
from tests.twins.salesforce.org import Org, Record
from tests.twins.salesforce.schema import SObject

DEPENDS = {"PermissionsCreate": "PermissionsRead", "PermissionsEdit": "PermissionsRead",
           "PermissionsDelete": "PermissionsEdit"}  # fmt: skip


def check(org: Org, of: SObject, whole: Mapping[str, Any], old: Record | None) -> None:
    """Raise what refuses a record of the setup."""
    special = {
        "FieldPermissions": _field_permissions, "ObjectPermissions": _object_permissions,
        "PermissionSetAssignment": _assignment, "PermissionSet": _permission_set,
    }.get(of.name)  # fmt: skip
    if special:
        special(org, whole, old)


def before_delete(org: Org, record: Record) -> None:
    """Raise where a record of the setup can't be deleted."""
    if record.values.get("IsOwnedByProfile"):
        raise ApiError("CANNOT_DELETE_MANAGED_OBJECT", "a permission set of a profile can't be deleted", [])


def _field_permissions(org: Org, whole: Mapping[str, Any], old: Record | None) -> None:
    sobject, _, name = str(whole["Field"]).partition(".")
    of = org.sobjects.get(sobject)
    field = of.fields.get(name) if of else None
    if of is None or field is None or sobject != whole["SobjectType"] or not (field.custom or field.permissionable):
        words = f"Field Name: bad value for restricted picklist field: {whole['Field']}"
        raise ApiError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", words, ["Field"])
    if whole["PermissionsEdit"] and not whole["PermissionsRead"]:
        raise ApiError("FIELD_INTEGRITY_EXCEPTION", "Can't grant edit without read", ["PermissionsEdit"])
    _once(org, "FieldPermissions", whole, old, "ParentId", "Field")


def _object_permissions(org: Org, whole: Mapping[str, Any], old: Record | None) -> None:
    if whole["SobjectType"] not in org.sobjects:
        words = f"SObject Type Name: bad value for restricted picklist field: {whole['SobjectType']}"
        raise ApiError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", words, ["SobjectType"])
    for name, needed in DEPENDS.items():
        if whole[name] and not whole[needed]:
            words = f"Permission {name} depends on permission(s): {needed}"
            raise ApiError("FIELD_INTEGRITY_EXCEPTION", words, [name])
    _once(org, "ObjectPermissions", whole, old, "ParentId", "SobjectType")


def _assignment(org: Org, whole: Mapping[str, Any], old: Record | None) -> None:
    _once(org, "PermissionSetAssignment", whole, old, "PermissionSetId", "AssigneeId")


def _permission_set(org: Org, whole: Mapping[str, Any], old: Record | None) -> None:
    _once(org, "PermissionSet", whole, old, "Name", code="DUPLICATE_DEVELOPER_NAME")


def _once(
    org: Org, sobject: str, whole: Mapping[str, Any], old: Record | None, *names: str, code: str = "DUPLICATE_VALUE"
) -> None:
    for other in org.every(sobject):
        if (old is None or other.id != old.id) and all(other.values[name] == whole[name] for name in names):
            words = f"duplicate value found: {'/'.join(names)} duplicates value on record with id: {other.id}"
            raise ApiError(code, words, list(names) if code != "DUPLICATE_VALUE" else [])
