"""Fields as rows: what a query on FieldDefinition finds, above all which fields keep a history."""

from tests.twins.salesforce import ids
from tests.twins.salesforce.access import Access
from tests.twins.salesforce.org import Org, Record

TOLD = {"string": "Text", "textarea": "Text Area", "reference": "Lookup", "boolean": "Checkbox", "double": "Number",
        "picklist": "Picklist", "datetime": "Date/Time", "date": "Date", "email": "Email",
        "phone": "Phone"}  # fmt: skip


def definitions(org: Org, access: Access) -> list[Record]:
    """Return a row for each field that this user may see."""
    rows: list[Record] = []
    for of in org.sobjects.values():
        tracked = org.history.tracked.get(of.name, set())
        for field in access.fields(of) if not of.is_tooling else []:
            id = ids.make("4fe", len(rows) + 1)
            rows.append(Record("FieldDefinition", id, {
                "Id": id, "DurableId": f"{of.name}.{field.name}", "QualifiedApiName": field.name,
                "EntityDefinitionId": of.name, "EntityDefinition.QualifiedApiName": of.name, "Label": field.label,
                "DeveloperName": field.name.removesuffix("__c"), "DataType": TOLD.get(field.type, field.type),
                "IsFieldHistoryTracked": field.name in tracked,
            }))  # fmt: skip
    return rows
