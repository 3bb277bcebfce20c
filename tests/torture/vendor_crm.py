"""A vendor's twin as the CRM of a tortured office: it lives in the test's process and outlives every server.

The adapter, the vendor's package and the sockets are the real ones. What the reference CRM elsewhere does by its moods,
the twin does by its faults: answers dropped after the work, too many calls, work done late.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sidecar.app import App
from tests.support.crms import Crm
from tests.torture.accounts import WANTED, Effects
from tests.torture.far_crm import Moods
from tests.torture.kills import Crm as Tortured
from tests.torture.senders import SECRET
from tests.twins.wire.faults import Drop, Late, Status

HOLD_S = 1.5
"""How long a connection hangs whose answer never comes; longer than the adapter waits."""
TOO_MANY = Status(429, None, {"Retry-After": "1"})


def vendor(crm: Crm, moods: Moods, *, settle_s: float, lag_s: float) -> Tortured:
    """Return a vendor's CRM, whose search lags, as an office's; its faults go away when it is to calm down."""
    for action, share in ((Drop(), moods.dropped), (TOO_MANY, moods.refused), (Late(moods.late_s, HOLD_S), moods.late)):
        if share:
            method, path = crm.writes
            crm.twin.fault(action, method=method, path=path, times=None, probability=share)
    return Tortured(
        section=crm.section(crm.hasty, settle_s=settle_s, search_lag_s=lag_s),
        route=crm.route(),
        effects=lambda: _effects(crm),
        calm=crm.twin.faults.rules.clear,
        env=crm.env,
        furnish=lambda folder: _furnish(folder, crm),
        echo_s=3.0 + lag_s,
    )


def _furnish(folder: Path, crm: Crm) -> None:
    """Provision the account and let everything be written, which no check would do for a model by script."""
    with App.from_file(folder / "config.toml", {"WEB_SECRET": SECRET, **crm.env}) as app:
        crm.switch_on(app)
        app.ready()


def _effects(crm: Crm) -> Effects:
    """What the CRM holds of each customer, through its contact."""
    held: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for contact in crm.show("contact"):
        mine = held.setdefault(str(contact.fields.get("email")).partition("@")[0], {})
        mine.setdefault("contact", []).append(contact.fields)
        for kind in WANTED[1:]:
            mine.setdefault(kind, []).extend(record.fields for record in crm.linked(contact.ref, kind))
    return held
