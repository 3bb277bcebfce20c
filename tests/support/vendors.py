"""A served sidecar whose CRM is a vendor's twin, furnished and switched on by the commands that an operator types."""

from pathlib import Path
from typing import Any

from sidecar.app import App
from sidecar.app.ladder import Move
from sidecar.model import Mode
from tests.support.crms import Crm
from tests.support.served import SECRET, Sidecar, sidecar

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
{section}
[crm.create]
contact = "auto"
deal = "qualified"
{route}
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
    crm: Crm,
    *,
    llm: str = SCRIPT,
    channels: str = "",
    mode: str = "auto",
    secrets: dict[str, str] | None = None,
    **settings: str | float | bool,
) -> Sidecar:
    """Return a sidecar in a folder whose CRM is a vendor's; `settings` are those of `[crm]` that are to differ."""
    given: dict[str, str | float | bool] = {
        "settle_s": 1, "search_lag_s": 1, "deletions_every_s": 1, "max_wait_s": 6.0, **settings,
    }  # fmt: skip
    section = crm.section(crm.hasty, **given)
    config = CONFIG.format(section=section, route=crm.route("sales"), llm=llm, channels=channels, mode=mode)
    return sidecar(folder, config, {"WEB_SECRET": SECRET, **crm.env, **(secrets or {})})


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
