"""Brakes: `pause` stops what speaks to one adapter, `resume` lets it go on; capturing goes on in any case.

A running server looks at the brakes once a second. What is held stays due, so nothing is lost while a brake is on.
"""

from typing import Annotated, Any

import typer

from sidecar.cli.render import emit, show
from sidecar.cli.session import AsJson, example, session, whoami
from sidecar.errors import PermanentError

Scope = Annotated[str, typer.Argument(metavar="SCOPE", help="ledger, llm, or channel:NAME (its polls).")]


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    app.command("pause", epilog=example("sidecar pause ledger --reason 'pipeline is being rebuilt'"))(_pause)
    app.command("resume", epilog=example("sidecar resume ledger"))(_resume)


def _pause(
    ctx: typer.Context,
    scope: Scope,
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever finds the brake on.")] = "",
    as_json: AsJson = False,
) -> None:
    """Stop work that speaks to the CRM, the model or a polled channel, within seconds, until it is resumed."""
    with session(ctx, writes=True).open() as app:
        _check(app, scope)
        app.journal.pause(scope, f"{whoami()}: {reason or 'no reason was given'}")
    emit({"paused": scope}) if as_json else show(f"{scope} is paused; `sidecar resume {scope}` lets it go on")


def _resume(ctx: typer.Context, scope: Scope, as_json: AsJson = False) -> None:
    """Take a brake off, whoever put it on."""
    with session(ctx, writes=True).open() as app:
        if not app.journal.resume(scope):
            held = ", ".join(sorted(app.journal.paused())) or "nothing"
            raise PermanentError(f"{scope!r} is not paused; paused: {held}")
    emit({"resumed": scope}) if as_json else show(f"{scope} goes on")


def _check(app: Any, scope: str) -> None:
    known = ["ledger", "llm", *(f"channel:{name}" for name in app.settings.channels)]
    if scope not in known:
        raise PermanentError(f"there is nothing called {scope!r} to pause; known are {', '.join(known)}")
