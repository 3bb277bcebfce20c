"""What one user may see and write: objects, and field by field.

A custom field is invisible to everybody, its maker included, until a permission set that is assigned, or the one of the
user's profile, grants it; an invisible field is refused as if it didn't exist. Standard fields are open here.
"""

from tests.twins.salesforce.errors import ApiError, no_column, not_found
from tests.twins.salesforce.org import Org
from tests.twins.salesforce.schema import Field, SObject

EVERYWHERE = frozenset({"FieldDefinition", "User"})


class Access:
    """One user's permissions, as they are when it is made; people in the app see everything (`unbounded`)."""

    def __init__(self, org: Org, user: str, unbounded: bool = False, is_tooling: bool = False) -> None:
        self.org, self.user, self.unbounded, self.is_tooling = org, user, unbounded, is_tooling
        self._granted: dict[str, tuple[bool, bool]] | None = None

    def sobject(self, name: str) -> SObject | None:
        """Return an object that this user may see."""
        found = self.org.sobject(name)
        if found is None or found.name in self._hidden():
            return None
        return found if found.is_tooling == self.is_tooling or found.name in EVERYWHERE else None

    def need(self, name: str) -> SObject:
        """Return an object, or raise the 404."""
        if found := self.sobject(name):
            return found
        raise not_found()

    def fields(self, of: SObject) -> list[Field]:
        """Return the fields that this user may see, in the order of the describe."""
        return [each for each in of.fields.values() if self.sees(of, each)]

    def find(self, of: SObject, name: str) -> Field | None:
        """Return a field that this user may see."""
        found = of.find(name)
        return found if found and self.sees(of, found) else None

    def field(self, of: SObject, name: str) -> Field:
        """Return a field, or raise the 400."""
        if found := self.find(of, name):
            return found
        raise no_column(name, of.name)

    def sees(self, of: SObject, field: Field) -> bool:
        """Tell whether a field may be read."""
        return self._permission(of, field)[0]

    def writes(self, of: SObject, field: Field) -> bool:
        """Tell whether a field may be written."""
        return self._permission(of, field)[1]

    def check_write(self, of: SObject) -> None:
        """Raise where this user may write nothing."""
        if self.org.switches.read_only and not self.unbounded:
            raise ApiError(
                "INSUFFICIENT_ACCESS_OR_READONLY", f"insufficient access rights on object id: {of.name}", [], 403
            )

    def _hidden(self) -> set[str]:
        return set() if self.unbounded else self.org.switches.hidden

    def _permission(self, of: SObject, field: Field) -> tuple[bool, bool]:
        if self.unbounded or not field.custom or field.required:
            return True, True
        if self._granted is None:
            self._granted = self._grants()
        return self._granted.get(f"{of.name}.{field.name}", (False, False))

    def _grants(self) -> dict[str, tuple[bool, bool]]:
        assigned = {each.values["PermissionSetId"] for each in self.org.every("PermissionSetAssignment")
                    if each.values["AssigneeId"] == self.user} | {self.org.profile_set}  # fmt: skip
        granted: dict[str, tuple[bool, bool]] = {}
        for each in self.org.every("FieldPermissions"):
            if each.values["ParentId"] in assigned:
                read, edit = granted.get(each.values["Field"], (False, False))
                granted[each.values["Field"]] = (
                    read or each.values["PermissionsRead"], edit or each.values["PermissionsEdit"],
                )  # fmt: skip
        return granted
