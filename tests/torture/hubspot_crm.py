"""The HubSpot twin as the CRM of a tortured office: it lives in the test's process and outlives every server.

The adapter, the SDK and the sockets are the real ones. What the reference CRM elsewhere does by its moods, the twin
does by its faults: answers dropped after the work, too many calls, work done late.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sidecar.app import App
from sidecar.app.ladder import Move
from sidecar.app.readiness import wanted_properties
from sidecar.model import Mode
from tests.torture.accounts import Effects
from tests.torture.far_crm import Moods
from tests.torture.kills import Crm
from tests.torture.senders import SECRET
from tests.twins.hubspot import Drop, HubSpotTwin, Late, too_many

WRITES = r"/batch/(create|update|upsert)$"
HOLD_S = 1.5
"""How long a connection hangs whose answer never comes; longer than the adapter waits."""
STAGES = {
    "enquired": "appointmentscheduled", "qualified": "qualifiedtobuy", "booked": "presentationscheduled",
    "attended": "contractsent", "closed_won": "closedwon", "closed_lost": "closedlost",
}  # fmt: skip
SECTION = """
type = "hubspot"
every_s = 1
base_url = "{url}"
settle_s = {settle_s}
search_lag_s = {lag_s}
burst = 1000
search_per_s = 4
deletions_every_s = 5
connect_timeout_s = 2
read_timeout_s = 1
call_timeout_s = 2
max_wait_s = 3
"""


def hubspot(twin: HubSpotTwin, moods: Moods, *, settle_s: float) -> Crm:
    """Return the twin as an office's CRM; its faults go away when it is to calm down."""
    for action, share in (
        (Drop(), moods.dropped),
        (too_many(retry_after_s=1), moods.refused),
        (Late(moods.late_s, HOLD_S), moods.late),
    ):
        if share:
            twin.fault(action, method="POST", path=WRITES, times=None, probability=share)
    stages = "\n".join(f'{ours} = "{theirs}"' for ours, theirs in STAGES.items())
    return Crm(
        section=SECTION.format(url=twin.url, settle_s=settle_s, lag_s=twin.switches.search_lag_s),
        route=f'[[route]]\nname = "default"\npipeline = "default"\n[route.stages]\n{stages}',
        effects=lambda: _effects(twin),
        calm=twin.faults.rules.clear,
        env={"HUBSPOT_TOKEN": twin.token},
        furnish=lambda folder: _furnish(folder, {"HUBSPOT_TOKEN": twin.token}),
        echo_s=3.0 + twin.switches.search_lag_s,
    )


def _furnish(folder: Path, env: Mapping[str, str]) -> None:
    """Provision the portal and let everything be written, which no check would do for a model by script."""
    with App.from_file(folder / "config.toml", {"WEB_SECRET": SECRET, **env}) as app:
        app.ledger.provision(wanted_properties(app.policy, app.ledger.capabilities.kinds), dry_run=False)
        app.ready()
        app.ladder.move([Move("ledger", Mode.AUTO, "the torture", app.clock())])


def _effects(twin: HubSpotTwin) -> Effects:
    """What the portal holds of each customer, through its contact."""
    records: dict[str, dict[str, Any]] = {kind: {r.id: r for r in twin.all(kind)} for kind in ("deal", "note", "task")}
    held: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for contact in twin.all("contact"):
        mine = held.setdefault(str(contact.values.get("email")).partition("@")[0], {})
        mine.setdefault("contact", []).append(contact.values)
        for kind, known in records.items():
            linked = [known[id] for id in twin.linked("contact", contact.id, kind) if id in known]
            mine.setdefault(kind, []).extend(record.values for record in linked)
    return held
