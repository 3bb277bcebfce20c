"""A stateful twin of Zoho CRM's API, version 8, and of its accounts host, on a loopback socket, as odd as documented.

    with ZohoTwin(clock=clock, search_lag_s=30) as twin:
        headers = {"Authorization": f"Zoho-oauthtoken {twin.token}"}
        ask("POST", twin.url + "/crm/v8/Contacts", {"data": [{"Last_Name": "Bee"}], "trigger": []}, headers)
        name = twin.adds_field("contact", "AI stage", "picklist", ("enquired", "booked"))
        twin.person_edits("contact", id, {"Phone": "+44 20 7946 0001"})
        twin.fault(Drop(), method="POST", path="/Contacts/upsert")      # done, and nobody told
        twin.before(lambda: twin.person_edits("deal", id, {"Stage": "Closed Won"}), method="PUT")
        assert twin.calls("Contacts.create") == 1 and twin.spent == 1

It exists so that everything that speaks to Zoho can be proved without it. What judges the answers is one strict
schema, which in turn must read the examples of the vendor's OpenAPI description. It may not be kinder than the vendor:
where the documents are silent, the harder reading is the default and `Switches` has the other: an unknown field is
dropped in silence, a picklist takes what isn't among its choices, a 429 says nothing. Leaving the `with` raises if the
twin answered anything that the schema doesn't fit. Left out: Calls, Campaigns, Products and custom modules, convert by
API (hands do it), blueprints' transitions, attachments, tags, notifications, bulk jobs, subforms, filters, aggregates.
"""

from tests.twins.wire.faults import Before, BlackHole, Drop, Late, Reset, Slow, Status, Truncated, html
from tests.twins.zoho.faults import refused, too_many, unavailable
from tests.twins.zoho.org import Author, Switches
from tests.twins.zoho.twin import ZohoTwin

__all__ = [
    "Author", "Before", "BlackHole", "Drop", "Late", "Reset", "Slow", "Status", "Switches", "Truncated", "ZohoTwin",
    "html", "refused", "too_many", "unavailable",
]  # fmt: skip
