"""The mode ladder: what the config allows, how far a person has climbed, what is in force; and the way down.

Down goes at once and takes no check: whoever wants the sidecar to stop writing has good reasons. Up goes by
`check --go-live`, which looks first.
"""

from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from sidecar.cli.render import add, emit, moment, show, table
from sidecar.cli.session import AsJson, By, example, session, whoami
from sidecar.errors import PermanentError
from sidecar.model import Mode, lowest

if TYPE_CHECKING:
    from sidecar.app import App

OfRoute = Annotated[str, typer.Option("--route", metavar="NAME", help="This route alone.")]
OfField = Annotated[str, typer.Option("--field", metavar="NAME", help="This field alone.")]


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    lines = ("sidecar mode", "sidecar mode shadow --reason 'reps see odd stages'", "sidecar mode suggest --field stage")
    app.command("mode", epilog=example(*lines))(_mode)


def _mode(
    ctx: typer.Context,
    to: Annotated[Mode | None, typer.Argument(help="Step down to this rung.", show_default=False)] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever asks later.")] = "",
    route: OfRoute = "",
    field: OfField = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Show how far the mode ladder was climbed, or step down; a running server follows within a second."""
    with session(ctx, writes=to is not None).open() as app:
        if to is not None:
            _step_down(app, scope_of(app, route, field), to, reason, by or whoami())
        standing = _ladder(app)
        zone = ZoneInfo(app.settings.own_section.timezone)
    if as_json:
        emit(standing)
    else:
        _print(standing, zone)


def scope_of(app: "App", route: str, field: str) -> str:
    """Return the scope that two options name, one of which may be given."""
    from sidecar.app.ladder import FIELD, LEDGER, ROUTE

    if route and field:
        raise PermanentError("name a route or a field, not both: each has its own rung")
    known = [r.name for r in app.policy.routes] if route else list(app.policy.fields)
    name = route or field
    if name and name not in known:
        what = "route" if route else "field"
        raise PermanentError(f"there is no {what} {name!r}; known are {', '.join(known)}")
    return ROUTE + route if route else FIELD + field if field else LEDGER


def _step_down(app: "App", scope: str, to: Mode, reason: str, by: str) -> None:
    from sidecar.app.ladder import Move, rung_of, ways_down

    if not app.is_gated:
        raise PermanentError("this CRM is our own and has no ladder: policy.mode decides, and `sidecar pause ledger`")
    rungs = app.rungs()
    stands = rung_of(rungs, scope)
    if to.height > stands.height:
        where = "" if scope == "ledger" else f" --{scope.replace(':', ' ', 1)}"
        raise PermanentError(
            f"{scope} stands on {stands.value}; up goes by: sidecar check --go-live --to {to.value}{where}"
        )
    now = app.clock()
    app.ladder.move([Move(where, mode, by, now, reason) for where, mode in ways_down(rungs, scope, to)])


def _ladder(app: "App") -> dict[str, Any]:
    """Return the ladder as the JSON has it."""
    from sidecar.app.ladder import FIELD, LEDGER, ROUTE

    policy, rungs, held = app.policy_now(), app.rungs(), app.ladder.held() if app.is_gated else {}

    def last(scope: str) -> dict[str, Any]:
        move = held.get(scope)
        return {"by": move.by, "at": move.at, "reason": move.reason} if move else {"by": "", "at": None, "reason": ""}

    routes = [
        {
            "route": route.name,
            "configured": policy.configured(route),
            "climbed": rungs.routes.get(route.name),
            "in_force": policy.mode_for(route),
            **last(ROUTE + route.name),
        }
        for route in policy.routes
    ]
    fields = [
        {
            "field": name,
            "configured": field.mode,
            "climbed": rungs.fields.get(name),
            "in_force": {route.name: policy.mode_for(route, field) for route in policy.routes},
            **last(FIELD + name),
        }
        for name, field in policy.fields.items()
    ]
    ledger = {"configured": policy.mode, "climbed": rungs.ledger if app.is_gated else None, **last(LEDGER)}
    return {
        "gated": app.is_gated, "ledger": ledger, "routes": routes, "fields": fields, "moves": app.ladder.moves(),
    }  # fmt: skip


def _print(ladder: dict[str, Any], zone: ZoneInfo) -> None:
    ledger = ladder["ledger"]
    made = table("what", "the config allows", "climbed", "in force", "by", "when", "why")
    rows: list[tuple[str, Any, str]] = [
        ("ledger", ledger, lowest(ledger["configured"], ledger["climbed"] or Mode.AUTO))
    ]
    rows += [(f"route {r['route']}", r, r["in_force"]) for r in ladder["routes"]]
    shown = [f for f in ladder["fields"] if f["configured"] or f["climbed"]]
    rows += [(f"field {f['field']}", f, _per_route(f["in_force"])) for f in shown]
    for what, row, in_force in rows:
        climbed = row["climbed"] or ("as the ledger" if ladder["gated"] else "")
        add(
            made,
            what,
            row["configured"] or "as its route",
            climbed,
            in_force,
            row["by"],
            moment(row["at"], zone),
            row["reason"],
        )
    show(made)
    if not ladder["gated"]:
        show("This CRM is our own: the config alone decides.")
    elif ledger["climbed"] is not Mode.AUTO:
        show("Up: sidecar check --go-live. Down: sidecar mode shadow --reason WHY")


def _per_route(modes: dict[str, Mode]) -> str:
    found = set(modes.values())
    return found.pop() if len(found) == 1 else ", ".join(f"{mode} ({route})" for route, mode in modes.items())
