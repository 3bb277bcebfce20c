"""What only people do: merging records, and converting a lead into a contact, an account and an opportunity.

Source: Salesforce SOAP API guide, `merge()`, 2026-11: losers go to the recycle bin with `MasterRecordId`. Of
conversions what is known: a converted lead stays as it is, read-only, and tells what became of it.
"""

from collections.abc import Sequence

from tests.twins.salesforce.org import Org, Record

HANGING = {
    "Contact": (("Task", "WhoId"), ("Event", "WhoId"), ("OpportunityContactRole", "ContactId")),
    "Lead": (("Task", "WhoId"), ("Event", "WhoId")),
    "Account": (("Contact", "AccountId"), ("Opportunity", "AccountId"), ("Task", "WhatId"), ("Event", "WhatId")),
}  # fmt: skip
CARRIED = (
    "FirstName",
    "LastName",
    "Salutation",
    "Title",
    "Email",
    "Phone",
    "MobilePhone",
    "Fax",
    "Description",
    "LeadSource",
)
MOST_MERGED = 2


def merge(org: Org, sobject: str, winner: str, losers: Sequence[str], by: str) -> None:
    """Merge one or two records into a third: what hangs on them moves, and they point to it from the recycle bin."""
    assert sobject in HANGING, f"{sobject} records can't be merged"
    assert 0 < len(losers) <= MOST_MERGED, "up to three records are merged at once"
    kept = org.live(sobject, winner)
    assert kept, f"no live {sobject} {winner}"
    for id in losers:
        lost = org.live(sobject, id)
        assert lost, f"no live {sobject} {id}"
        _move(org, sobject, id, winner, by)
        org.remove(lost, by, master=winner)
        org.history.said(kept, f"{sobject.lower()}Merged", by)
    org.update(kept, {}, by)


def convert(
    org: Org, lead: str, account: str | None, contact: str | None, deal: str | None, by: str
) -> dict[str, str | None]:
    """Convert a lead, into a given account and contact or new ones, with an opportunity where `deal` names one."""
    found = org.live("Lead", lead)
    assert found and not found.values["IsConverted"], "only a lead that isn't converted can be"
    held = found.values
    account = account or org.insert("Account", {"Name": held["Company"], "OwnerId": held["OwnerId"]}, by).id
    carried = {name: held[name] for name in CARRIED} | {to: held[of] for of, to in org.lead_mapping.items()}
    contact = contact or org.insert("Contact", {**carried, "AccountId": account, "OwnerId": held["OwnerId"]}, by).id
    opportunity = _opportunity(org, held["OwnerId"], account, contact, deal, by) if deal else None
    _move(org, "Lead", lead, contact, by)
    org.update(found, {
        "IsConverted": True, "Status": "Closed - Converted", "ConvertedDate": org.now().date().isoformat(),
        "ConvertedAccountId": account, "ConvertedContactId": contact, "ConvertedOpportunityId": opportunity,
    }, by)  # fmt: skip
    org.history.said(found, "leadConverted", by)
    return {"Account": account, "Contact": contact, "Opportunity": opportunity}


def _opportunity(org: Org, owner: str, account: str, contact: str, name: str, by: str) -> str:
    close = org.now().date().isoformat()
    made = org.insert("Opportunity", {
        "Name": name, "AccountId": account, "StageName": "Prospecting", "CloseDate": close, "OwnerId": owner,
    }, by)  # fmt: skip
    org.insert("OpportunityContactRole", {"OpportunityId": made.id, "ContactId": contact, "IsPrimary": True}, by)
    return made.id


def _move(org: Org, sobject: str, old: str, new: str, by: str) -> None:
    for name, field in HANGING[sobject]:
        for child in _children(org, name, field, old):
            org.update(child, {field: new}, by)


def _children(org: Org, sobject: str, field: str, parent: str) -> list[Record]:
    return [each for each in org.every(sobject) if each.values[field] == parent]
