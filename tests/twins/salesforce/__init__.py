"""A stateful twin of Salesforce's REST API on a loopback socket, as odd as the documents say.

    with SalesforceTwin(clock=clock) as twin:
        headers = {"Authorization": f"Bearer {twin.session()}"}
        ask("POST", twin.url + "/services/data/v68.0/sobjects/Contact", {"LastName": "Bee"}, headers)
        twin.adds_field("contact", "AI_Stage__c", "Picklist", valueSet=...)
        twin.tracks("deal", "StageName")                                 # history starts now
        twin.person_edits("deal", id, {"StageName": "Closed Won"})
        twin.fault(Drop(), method="PATCH", path="composite")             # done, and nobody told
        twin.before(lambda: twin.person_edits("contact", id, {"Phone": "1"}), method="PATCH")
        twin.end_sessions()
        assert twin.calls("query") == 1 and twin.limits.used() == 2

It exists so that everything that speaks to Salesforce can be proved without it. What judges it isn't ours: describes
recorded from an org (types, lengths, choices, what may be written), `simple-salesforce` as a client, and the bodies
that the vendor publishes. It may not be kinder than the vendor: where the documents are silent, the harder reading is
the default and `Switches` has the other. Leaving the `with` raises if the twin answered a record that no describe fits.
Left out: Bulk, composite graph and batch, SOSL, Apex, sharing, person accounts, currencies, roll-ups of last activity.
"""

from tests.twins.salesforce.faults import expired, limit_exceeded, locked, not_acceptable, refused, unavailable
from tests.twins.salesforce.switches import Switches
from tests.twins.salesforce.twin import SalesforceTwin
from tests.twins.wire.faults import Before, BlackHole, Drop, Late, Reset, Slow, Status, Truncated, html

__all__ = [
    "Before", "BlackHole", "Drop", "Late", "Reset", "SalesforceTwin", "Slow", "Status", "Switches", "Truncated",
    "expired", "html", "limit_exceeded", "locked", "not_acceptable", "refused", "unavailable",
]  # fmt: skip
