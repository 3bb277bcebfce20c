"""A rehearsal of a rollout: a house whose CRM is treated as somebody else's, its stages mapped, its properties made."""

from pathlib import Path
from typing import Any

from sidecar.app.ladder import LEDGER, Ladder, Move, ways_down
from sidecar.app.readiness import wanted_properties
from sidecar.model import Mode
from tests.support.houses import House

STAGES = ("enquired", "qualified", "booked", "attended", "closed_won", "closed_lost")
ROUTE = "[route.stages]\n" + "\n".join(f'{stage} = "{stage}"' for stage in STAGES) + "\n"
ROUTES = f'[[route]]\nname = "chat"\nmatch = {{ channel = ["web"] }}\n{ROUTE}[[route]]\nname = "rest"\n{ROUTE}'


def rehearsal(folder: Path, *rules: dict[str, Any], after: str = ROUTES, **env: str) -> House:
    """Open a house on a vendor's CRM, provisioned and started; its config would let everything be written."""
    env = {"SIDECAR_CRM__VENDOR": "true", **env}
    house = House(folder, "sqlite:///journal.db", *rules, after=after, env=env)
    ledger = house.app.ledger
    ledger.provision(wanted_properties(house.app.policy, ledger.capabilities.kinds), dry_run=False)
    return house.start()


def climb(house: House, to: Mode, scope: str = LEDGER) -> None:
    """Put a rung in force, and make everything due that it lets be written."""
    move(house.app.ladder, house, scope, to)
    house.app.ladder.make_due(wait_s=0)


def step_down(house: House, to: Mode, scope: str = LEDGER) -> None:
    """Take rungs back."""
    for where, mode in ways_down(house.app.rungs(), scope, to):
        move(house.app.ladder, house, where, mode)


def move(ladder: Ladder, house: House, scope: str, to: Mode | None) -> None:
    """Move one scope, as a person does."""
    ladder.move([Move(scope, to, "rita", house.clock(), "as agreed")])
