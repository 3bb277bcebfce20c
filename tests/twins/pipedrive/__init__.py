"""A stateful twin of Pipedrive's API, v2 and what is left of v1, on a loopback socket, as odd as the documents say.

    with PipedriveTwin(clock=clock, search_lag_s=20) as twin:
        twin.limits.unlimited_bursts = True                             # unless the clock of bursts is the test's too
        ask("POST", twin.url + "/api/v2/persons", {"name": "Ann"}, {"x-api-token": twin.token})
        code = twin.adds_field("person", "AI stage", "enum", ("enquired", "booked"))
        twin.person_edits("person", 101, {"phones": [{"value": "+44 20 7946 0001"}]})
        twin.fault(Drop(), method="POST", path="/persons")              # done, and nobody told
        twin.before(lambda: twin.person_edits("deal", 201, {"stage_id": 2}), method="PATCH")
        assert twin.calls("persons.create") == 1 and twin.spent == 5

It exists so that everything that speaks to Pipedrive can be proved without it. There is no model of the vendor's own in
Python; what judges the answers is one strict schema, which in turn must read the examples of the vendor's reference
pages, and the vendor's statuses as a client that isn't ours understands them. It may not be kinder than the vendor:
where the documents are silent, the harder reading is the default and `Switches` has the other. Leaving the `with`
raises if the twin answered anything that the schema doesn't fit. Left out: products, projects, files, mail, call logs,
goals, followers, filters by API (hands save them), `v1/recents`, and the delivery of webhooks (`company.outbox`).
"""

from tests.twins.pipedrive.company import Author, Switches
from tests.twins.pipedrive.faults import null_body, refused, too_many, unsuccessful
from tests.twins.pipedrive.hands import AUTOMATION, MOBILE, person
from tests.twins.pipedrive.twin import PipedriveTwin
from tests.twins.wire.faults import Before, BlackHole, Drop, Late, Reset, Slow, Status, Truncated, html

__all__ = [
    "AUTOMATION", "MOBILE", "Author", "Before", "BlackHole", "Drop", "Late", "PipedriveTwin", "Reset", "Slow", "Status",
    "Switches", "Truncated", "html", "null_body", "person", "refused", "too_many", "unsuccessful",
]  # fmt: skip
