"""`reconcile`: holds what a provider has against the book, and fetches what is missing. It ends with 1 while any is.

Where the provider has no list to hold against the book it says so and ends with 3, since nobody knows. An outage is
waited for, for some minutes; then it ends with 1, and the same command goes on.

What it counts as the same, and what it leaves, stands in `app.reconcile`. No words of customers are printed: things are
named by their ids, which `sidecar activities` takes.
"""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from sidecar.cli.render import add, console, emit, many, moment, plain, short, show, table, tell
from sidecar.cli.session import FAILED, AsJson, Limit, example, session
from sidecar.errors import PermanentError, UnsupportedFeature

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.app.reconcile import Findings

NO_LIST = 3
WORDS = 60
SORTS = {
    "missing": "not in the book",
    "unread": "in the book, and said more than was read of it",
    "gone": "in the book alone: deleted there, nothing of its own there, or nothing that can be asked for",
}


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    lines = (
        "sidecar --dry-run reconcile mail --since 2026-11-01",
        "sidecar reconcile mail --since 2026-11-01",
    )
    app.command("reconcile", epilog=example(*lines))(_reconcile)


def _reconcile(
    ctx: typer.Context,
    channel: Annotated[str, typer.Argument(help="The channel's name in the config.")],
    since: Annotated[datetime, typer.Option("--since", formats=["%Y-%m-%d"], help="The first day to count.")],
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Count what a channel's provider holds against the book, and fetch what is missing."""
    try:
        with session(ctx).open(secrets=True) as app:
            zone = ZoneInfo(app.settings.own_section.timezone)
            _see(app, channel)
            found = _counted(app, channel, since.replace(tzinfo=zone).astimezone(UTC), fetch=not app.dry_run)
    except UnsupportedFeature as error:
        if as_json:
            emit({"channel": channel, "since": since.date(), "compared": False, "reason": str(error)})
        else:
            tell(f"sidecar: nothing was compared: {error}")
        raise typer.Exit(NO_LIST) from None
    if as_json:
        emit(_whole(channel, since, found))
    else:
        _print(channel, found, zone, limit)
    if found.left:
        raise typer.Exit(FAILED)


def _see(app: "App", name: str) -> None:
    """Refuse a channel that isn't there or can't be counted."""
    if name not in app.settings.channels:
        known = ", ".join(app.settings.channels) or "none"
        raise PermanentError(f"there is no channel {name!r}; configured are {known}")
    if not app.channel(name).capabilities.census:
        raise UnsupportedFeature(f"the provider of {name} has no list to compare with; its webhooks are all it tells")


def _counted(app: "App", name: str, since: datetime, *, fetch: bool) -> "Findings":
    from sidecar.app.reconcile import reconcile

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"), TimeElapsedColumn()
    screen = console(sys.stderr)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        task = progress.add_task(plain(name), total=None, said="")

        def told(findings: "Findings") -> None:
            said = f"{findings.counted} counted, {findings.number('missing')} missing"
            waits = f"; waits: {plain(findings.waits_for, WORDS)}" if findings.waits_for else ""
            progress.update(task, completed=findings.counted, said=said + waits)

        return reconcile(app, name, since, fetch=fetch, told=told)


def _whole(channel: str, since: datetime, found: "Findings") -> dict[str, Any]:
    return {
        "channel": channel,
        "since": since.date(),
        "compared": True,
        "counted": found.counted,
        "held": found.held,
        "waiting": found.waiting,
        "fetched": found.fetched,
        "withheld": found.withheld,
        "left": found.left,
        "unlisted": found.unlisted,
        **{sort: {"number": found.number(sort), "named": getattr(found, sort)} for sort in SORTS},
    }


def _print(channel: str, found: "Findings", zone: ZoneInfo, limit: int) -> None:
    for sort, words in SORTS.items():
        named = getattr(found, sort)[:limit]
        if not named:
            continue
        made = table("said", "kind", "theirs", "ours", title=f"{found.number(sort)} {words}")
        for one in named:
            add(made, moment(one.at, zone), one.kind, one.external_id, short(one.id))
        show(made)
    waits = f", {found.waiting} of them still to be read" if found.waiting else ""
    show(f"{plain(channel)}: {many(found.counted, 'thing', 'things')} counted, {found.held} in the book{waits}.")
    if found.unlisted:
        show(f"{found.unlisted} more in the book stand in no list of the provider's: with these nothing was compared.")
    if found.withheld:
        what = many(found.withheld, "thing", "things")
        show(f"{what} can't be fetched just now, though others can: sidecar work names them and when they are tried.")
    if found.fetched:
        show(f"{found.fetched} fetched. The running server reads them; without one: sidecar run --until-idle")
    elif found.left > found.withheld:
        show(f"{many(found.left, 'thing is', 'things are')} missing; without --dry-run what is missing is fetched.")
    elif not found.left:
        show("Nothing is missing.")
