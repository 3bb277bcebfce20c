"""A stateful twin of HubSpot's CRM API on a loopback socket, as strict and as odd as the vendor's documents say.

    with HubSpotTwin(clock=clock, search_lag_s=20) as twin:
        client = hubspot.HubSpot(access_token=twin.token, host=twin.url, retry=Retry(0))
        ada = twin.person_creates("contact", {"email": "ada@x.test"})
        twin.fault(Drop(), method="POST", path="/batch/create")         # done, and nobody told
        twin.before(lambda: twin.person_edits("contact", ada, {"phone": "+44 20 7946 0001"}), path="/batch/update")
        twin.portal.rules.append(Required("deals", "amount"))           # enforced since version 2026-09
        ...
        assert twin.calls("contacts.batch_create") == 1 and twin.requests[-1].status == 201

It exists so that everything that speaks to HubSpot can be proved without it. What judges its requests and answers is
not ours: the model classes of HubSpot's own SDK. It may not be kinder than the vendor: where the documents are silent,
the harder reading is the default and `Switches` has the other. Leaving the `with` raises if the twin answered anything
that the SDK can't read.
"""

from tests.twins.hubspot.faults import locked, migrating, too_many
from tests.twins.hubspot.hands import FORM, IMPORT, WORKFLOW, person
from tests.twins.hubspot.portal import ALL_SCOPES, Source, Switches
from tests.twins.hubspot.rules import Pattern, Required, RequiredIf
from tests.twins.hubspot.twin import HubSpotTwin
from tests.twins.wire.faults import Before, BlackHole, Drop, Late, Reset, Slow, Status, Truncated, html

__all__ = [
    "ALL_SCOPES", "FORM", "IMPORT", "WORKFLOW", "Before", "BlackHole", "Drop", "HubSpotTwin", "Late", "Pattern",
    "Required", "RequiredIf", "Reset", "Slow", "Source", "Status", "Switches", "Truncated", "html", "locked",
    "migrating", "person", "too_many",
]  # fmt: skip
