"""The hands of the other side: people, workflows, imports and forms that use the same CRM.

They go around the API: no limits, no admin's rules, and history names them as their authors.
"""

from collections.abc import Mapping
from typing import Any

from tests.twins.hubspot import associations, merging, writing
from tests.twins.hubspot.calls import object_type
from tests.twins.hubspot.definitions import OBJECTS, association_id
from tests.twins.hubspot.portal import Portal, Record, Source

USER = 101


def person(user_id: int = USER) -> Source:
    """Return who a person is in a property's history."""
    return Source("CRM_UI", f"userId:{user_id}", None, user_id)


WORKFLOW = Source("AUTOMATION_PLATFORM", "enrollmentId:81;actionExecutionIndex:0", "Nightly tidying")
IMPORT = Source("IMPORT", "55001", "contacts.csv")
FORM = Source("FORM", "9c1e2f30", "Ask for a visit")


class Hands:
    """What others do in a portal; object types by plural, singular or id."""

    portal: Portal

    def person_creates(self, kind: str, properties: Mapping[str, str], user_id: int = USER) -> str:
        """Type a new record in; return its id."""
        return self.creates(kind, properties, person(user_id))

    def person_edits(self, kind: str, id: str, properties: Mapping[str, str], user_id: int = USER) -> None:
        """Type values into a record; the empty string clears."""
        self.edits(kind, id, properties, person(user_id))

    def automation_edits(self, kind: str, id: str, properties: Mapping[str, str]) -> None:
        """Let a workflow write values."""
        self.edits(kind, id, properties, WORKFLOW)

    def import_edits(self, kind: str, id: str, properties: Mapping[str, str]) -> None:
        """Let an import write values."""
        self.edits(kind, id, properties, IMPORT)

    def form_edits(self, kind: str, id: str, properties: Mapping[str, str]) -> None:
        """Let a form that the customer filled in write values."""
        self.edits(kind, id, properties, FORM)

    def creates(self, kind: str, properties: Mapping[str, str], by: Source) -> str:
        """Make a record by whomever; return its id."""
        with self.portal.lock:
            return writing.create(self.portal, object_type(kind), properties, by, ruled=False).id

    def edits(self, kind: str, id: str, properties: Mapping[str, str], by: Source) -> None:
        """Write values by whomever."""
        with self.portal.lock:
            writing.update(self.portal, self.portal.need(object_type(kind), id), properties, by, ruled=False)

    def person_deletes(self, kind: str, id: str) -> None:
        """Put a record into the recycle bin."""
        with self.portal.lock:
            self.portal.archive(self.portal.need(object_type(kind), id))

    def person_restores(self, kind: str, id: str) -> None:
        """Take a record out of the recycle bin."""
        with self.portal.lock:
            record = self.portal.records[object_type(kind)][id]
            assert record.archived_at, "only what is in the recycle bin can be restored"
            self.portal.restore(record)

    def person_merges(self, kind: str, winner: str, loser: str, user_id: int = USER) -> str:
        """Merge two records by hand; return the survivor's id, which is a new one unless the portal keeps it."""
        with self.portal.lock:
            return merging.merge(self.portal, object_type(kind), winner, loser, person(user_id)).id

    def person_associates(self, kind: str, id: str, to_kind: str, to_id: str) -> None:
        """Associate two records without a label."""
        one, other = (object_type(kind), id), (object_type(to_kind), to_id)
        type_id = association_id(one[0], other[0])
        assert type_id is not None, f"{one[0]} and {other[0]} can't be associated"
        with self.portal.lock:
            associations.link(self.portal, one, other, type_id)

    def adds_address(self, contact: str, address: str) -> None:
        """Give a contact a secondary e-mail address, which nobody else may have from then on."""
        with self.portal.lock:
            record = self.portal.need("contacts", contact)
            held = [part for part in record.values.get("hs_additional_emails", "").split(";") if part]
            self.portal.commit(record, {"hs_additional_emails": ";".join([*held, address.lower()])}, person())

    def adds_flow(self, name: str, kind: str, *, is_enabled: bool = True, **more: Any) -> str:
        """Add a workflow on an object type, as the automation API will list it; return its id."""
        with self.portal.lock:
            id = self.portal.new_id()
            at = self.portal.clock().isoformat()
            self.portal.flows.append({
                "id": id, "name": name, "isEnabled": is_enabled, "flowType": "WORKFLOW", "revisionId": "1",
                "objectTypeId": OBJECTS[object_type(kind)][0], "uuid": self.portal.correlation_id(), "createdAt": at,
                "updatedAt": at, "type": "CONTACT_FLOW" if object_type(kind) == "contacts" else "PLATFORM_FLOW",
                "actions": [], "enrollmentCriteria": {"type": "MANUAL", "shouldReEnroll": False}, **more,
            })  # fmt: skip
            return id

    # Looking ----------------------------------------------------------------------------------------------------

    def all(self, kind: str) -> list[Record]:
        """Return the live records of a type, oldest first."""
        with self.portal.lock:
            return [each for each in self.portal.records[object_type(kind)].values() if not each.archived_at]

    def value(self, kind: str, id: str, name: str) -> str | None:
        """Return what a live record holds."""
        with self.portal.lock:
            return self.portal.need(object_type(kind), id).values.get(name)

    def linked(self, kind: str, id: str, to_kind: str) -> list[str]:
        """Return the ids of the live records of a type that are associated with one."""
        with self.portal.lock:
            return [
                other for other, _ in associations.linked(self.portal, (object_type(kind), id), object_type(to_kind))
            ]
