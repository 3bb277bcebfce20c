"""What is ours in a CRM, properties and lists: `provision` makes what is missing, `deprovision` takes it away again.

Both are idempotent and say what they did. To make properties takes no mode, since nothing is written into them yet. To
take them away throws away what records hold in them, for good, so it says how much that is, asks, and won't be done
while the sidecar still writes there; what this journal didn't make stays, and is named.
"""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from sidecar.cli.render import emit, show, tell
from sidecar.cli.session import AsJson, Yes, ask, example, session
from sidecar.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sidecar.app import App


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    epilog = example("sidecar --dry-run provision", "sidecar provision")
    app.command("provision", epilog=epilog)(_provision)
    epilog = example("sidecar --dry-run deprovision", "sidecar mode shadow --reason 'we leave'", "sidecar deprovision")
    app.command("deprovision", epilog=epilog)(_deprovision)


def _provision(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Make the AI-owned properties and the lists that the CRM lacks; nothing is written into any record by that."""
    from sidecar.app.furnished import furnish
    from sidecar.app.worklists import left_to_people

    with session(ctx).open() as app:
        _refuse_another_account(app)
        lines = furnish(app.ledger, app.policy, app.journal, dry_run=app.dry_run)
        by_hand = left_to_people(app.ledger, app.policy)
        dry_run = app.dry_run
    if as_json:
        emit({"dry_run": dry_run, "properties": lines, "by_hand": by_hand})
        return
    _tell(lines, dry_run, "The CRM has them all.")
    if by_hand:
        show("", f"This CRM's API makes no lists; make these {len(by_hand)} by hand, once:", *by_hand)


def _deprovision(
    ctx: typer.Context,
    yes: Yes = False,
    force: Annotated[bool, typer.Option("--force", help="Also while the mode is above shadow.")] = False,
    unnoted: Annotated[
        bool, typer.Option("--unnoted", help="Also those that are named as ours are, though this journal made none.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take the AI-owned properties away from the CRM, with all that records hold in them; the journal keeps it.

    Only what `provision` made with this journal goes: what somebody else made under the same name stays.
    """
    from sidecar.app.furnished import clear

    with session(ctx).open() as app:
        _refuse_another_account(app)
        take = partial(clear, app.ledger, app.policy, app.journal, unnoted=unnoted)
        lines, left = (found := take(dry_run=True)).lines, found.left
        if lines and not app.dry_run:
            _stop_writer(app, force=force)
            if not as_json:
                tell(*lines)
            ask(
                f"Take away these {len(lines)}, with what records hold in them? It is gone then.",
                yes=yes,
                as_json=as_json,
            )
            lines = take(dry_run=False).lines
        dry_run = app.dry_run
    if as_json:
        emit({"dry_run": dry_run, "properties": lines, "left": left})
        return
    _tell(lines, dry_run, "The CRM has nothing else of them." if left else "The CRM has none of them.")
    if left:
        show("", f"Left, because this journal didn't make them: {', '.join(left)}.")
        show("Take away by hand what nobody needs; --unnoted takes all of them, whoever's they are.")


def _refuse_another_account(app: "App") -> None:
    """Refuse an account that isn't this journal's; one that belongs to none yet is not bound by this."""
    from sidecar.app import ACCOUNT

    account, held = app.ledger.account(), app.journal.meta(ACCOUNT)
    if held not in (None, account):
        raise PermanentError(
            f"this journal belongs to the CRM account {held!r}, not {account!r}; use another journal.url"
        )


def _stop_writer(app: "App", *, force: bool) -> None:
    """Refuse while values would still be written: each write would fail on a property that is gone."""
    from sidecar.model import Mode

    policy = app.policy_now()
    ways = [policy.mode_for(route, field) for route in policy.routes for field in (None, *policy.fields.values())]
    if not force and any(mode is not Mode.SHADOW for mode in ways):
        down = "sidecar mode shadow --reason WHY" if app.is_gated else 'policy.mode = "shadow"'
        raise PermanentError(f"the sidecar still writes to this CRM; first: {down} (or --force)")


def _tell(lines: "Sequence[str]", dry_run: bool, none: str) -> None:
    for line in lines:
        show(f"would: {line}" if dry_run else line)
    if not lines:
        show(none)
    elif not dry_run:
        show(f"{len(lines)} done.")
