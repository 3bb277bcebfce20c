"""A served sidecar whose CRM is the HubSpot twin, furnished and switched on by the commands that an operator types."""

from pathlib import Path
from typing import Any

from sidecar.app import App
from sidecar.app.ladder import Move
from sidecar.model import Mode
from tests.support.served import SECRET, Sidecar, sidecar
from tests.twins.hubspot import HubSpotTwin

STAGES = {
    "enquired": "appointmentscheduled", "qualified": "qualifiedtobuy", "booked": "presentationscheduled",
    "attended": "contractsent", "closed_won": "closedwon", "closed_lost": "closedlost",
}  # fmt: skip
CONFIG = """
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
[own]
domains = ["acme.test"]
addresses = ["sales@acme.test"]
timezone = "Europe/London"
[channels.web]
type = "webhook"
secret_env = "WEB_SECRET"
{channels}
[crm]
type = "hubspot"
base_url = "{twin}"
every_s = 1
settle_s = 1
search_lag_s = 1
burst = 1000
search_per_s = 3
deletions_every_s = 1
connect_timeout_s = 2
read_timeout_s = 1
call_timeout_s = 2
max_wait_s = {max_wait_s}
{crm}
[crm.create]
contact = "auto"
deal = "qualified"
[[route]]
name = "sales"
pipeline = "default"
{owner}
[route.stages]
{stages}
[llm]
{llm}
[inference]
quiet_s = 0.2
[policy]
mode = "{mode}"
[notes]
settle_s = 0
"""
SCRIPT = 'type = "scripted"\npath = "script.json"'


def office(
    folder: Path,
    twin: HubSpotTwin,
    *,
    llm: str = SCRIPT,
    channels: str = "",
    crm: str = "",
    owner: str = "",
    mode: str = "auto",
    max_wait_s: float = 6.0,
    secrets: dict[str, str] | None = None,
) -> Sidecar:
    """Return a sidecar in a folder whose CRM is the twin."""
    stages = "\n".join(f'{ours} = "{theirs}"' for ours, theirs in STAGES.items())
    config = CONFIG.format(
        twin=twin.url, llm=llm, channels=channels, crm=crm, stages=stages, mode=mode,
        max_wait_s=max_wait_s,
        owner=f'owner = "{owner}"' if owner else "",
    )  # fmt: skip
    return sidecar(folder, config, {"WEB_SECRET": SECRET, "HUBSPOT_TOKEN": twin.token, **(secrets or {})})


def switch_on(box: Sidecar) -> Any:
    """Provision the portal and climb to the top; returns what `check --go-live` told."""
    box.run("provision")
    return box.json("check", "--go-live", "--to", "auto", "--yes")


def switch_on_unchecked(box: Sidecar) -> None:
    """Do the same for a sidecar whose model follows a script, which no check lets near a vendor's CRM."""
    box.run("provision")
    with App.from_file(box.folder / "config.toml", box.env) as app:
        app.ready()
        app.ladder.move([Move("ledger", Mode.AUTO, "the test", app.clock())])
        app.ladder.make_due()
