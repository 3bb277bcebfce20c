"""Brakes: `pause` stops what speaks to one adapter, or one field or route; `resume` lets it go on; capturing goes on.

A running server looks at the brakes once a second. What is held stays due, so nothing is lost while a brake is on.
"""

from typing import Annotated, Any

import typer

from sidecar.cli.render import emit, show
from sidecar.cli.session import AsJson, example, session, whoami
from sidecar.errors import PermanentError

Scope = Annotated[
    str,
    typer.Argument(
        metavar="SCOPE",
        help="ledger, llm, transcriber, channel:NAME (its polls), media:NAME (its files), field:NAME or route:NAME.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    lines = ("sidecar pause ledger --reason 'pipeline is being rebuilt'", "sidecar pause field:summary")
    app.command("pause", epilog=example(*lines))(_pause)
    app.command("resume", epilog=example("sidecar resume ledger"))(_resume)


def _pause(
    ctx: typer.Context,
    scope: Scope,
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever finds the brake on.")] = "",
    as_json: AsJson = False,
) -> None:
    """Stop work that speaks to the CRM, the model or a polled channel, or the writing of one field or one route.

    It takes effect within seconds and lasts until it is resumed; what comes in is captured all the same.
    """
    from sidecar.pipeline.brakes import pause

    with session(ctx, writes=True).open() as app:
        _check(app, scope)
        before = pause(app.journal, scope, f"{whoami()}: {reason or 'no reason was given'}")
    if as_json:
        emit({"paused": scope, **({"already": before} if before else {})})
    else:
        since = f"was paused already, and stays so ({before})" if before else "is paused"
        show(f"{scope} {since}; `sidecar resume {scope}` lets it go on")


def _resume(ctx: typer.Context, scope: Scope, as_json: AsJson = False) -> None:
    """Take a brake off, whoever put it on; what it kept from being written is made due."""
    from sidecar.pipeline.brakes import resume

    with session(ctx, writes=True).open() as app:
        if not resume(app.journal, scope):
            held = ", ".join(sorted(app.journal.paused())) or "nothing"
            raise PermanentError(f"{scope!r} is not paused; paused: {held}")
    emit({"resumed": scope}) if as_json else show(f"{scope} goes on")


def _check(app: Any, scope: str) -> None:
    known = ["ledger", "llm", "transcriber"]
    known += [f"{kind}:{name}" for kind in ("channel", "media") for name in app.settings.channels]
    known += [f"field:{name}" for name in app.policy.fields] + [f"route:{route.name}" for route in app.policy.routes]
    if scope not in known:
        raise PermanentError(f"there is nothing called {scope!r} to pause; known are {', '.join(known)}")
