"""Alerts to those who operate it: what is wrong right now, and whether word of it would arrive.

`alerts list` looks at the installation as the server does; `alerts test` sends one notice by every way that is
configured, so that a wrong address is found on a quiet day.
"""

import secrets
from typing import TYPE_CHECKING

import typer

from sidecar.cli.render import add, emit, show, table
from sidecar.cli.session import FAILED, AsJson, example, said, session
from sidecar.errors import ConfigError, SidecarError

if TYPE_CHECKING:
    from sidecar.app import App


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    family = typer.Typer(help="What those who operate it are told, and by which ways.", no_args_is_help=True)
    family.command("list", epilog=example("sidecar alerts list"))(_list)
    family.command("test", epilog=example("sidecar alerts test"))(_test)
    app.add_typer(family, name="alerts")


def _list(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show what is wrong right now, as it is told; exceptions of customers are in `sidecar inbox`."""
    with session(ctx).open() as app:
        found = app.conditions.now()
        ways = sorted(app.settings.ops.notifiers)
    if as_json:
        emit({"conditions": found, "ways": ways})
        return
    made = table("rule", "what", "is wrong", "what to do")
    for condition in found:
        add(made, condition.rule, condition.subject, condition.summary, condition.remedy)
    show(made if found else "Nothing is wrong.")
    show(f"Told by {', '.join(ways)}." if ways else "Nobody is told: write [ops.webhook] or [ops.smtp].")


def _test(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Send a notice by every way that is configured, and say which arrived."""
    with session(ctx, writes=True).open() as app:
        results = {name: _tried(app, name) for name in app.settings.ops.notifiers}
    if not results:
        raise ConfigError("nobody is told anything: write [ops.webhook] or [ops.smtp]", setting="ops")
    if as_json:
        emit({"ways": {name: {"ok": not error, "problem": error} for name, error in results.items()}})
    else:
        for name, error in results.items():
            show(f"{name}: {error or 'sent; see that it arrived'}")
    if any(results.values()):
        raise typer.Exit(FAILED)


def _tried(app: "App", name: str) -> str:
    """Send one notice, and return what was wrong with that."""
    from sidecar.model import Notice

    now = app.clock()
    notice = Notice(
        id=f"ops_{secrets.token_hex(12)}",
        rule="test",
        subject="alerts",
        state="test",
        summary="somebody tries whether this arrives",
        remedy="Nothing is to be done.",
        since=now,
        at=now,
    )
    try:
        app.notifier(name).tell(notice)
    except SidecarError as error:
        return " ".join(said(error))
    return ""
