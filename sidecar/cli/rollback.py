"""`rollback`: puts back what was written into the CRM, after showing what that is and what stays, with the reason.

Nothing is deleted: records that the sidecar made are named, for a person to delete. What was put back is not written
again until newer evidence speaks for it, whatever the mode.
"""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sidecar.cli.render import add, console, emit, many, plain, show, table
from sidecar.cli.session import AsJson, By, Yes, ask, example, find_id, find_party, session, whoami
from sidecar.errors import PermanentError

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.model import Value
    from sidecar.pipeline.rollback import Batch, Restored

MAX_SHOWN_CHARS = 60


def _time(text: str) -> datetime:
    """Read a day or a time, as a person types it or as the sidecar prints it; without an offset it is our clock's."""
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter("write a day or a time, such as 2026-11-20T14:00 or 2026-11-20T14:00Z") from None


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    lines = ("sidecar rollback --since 2026-11-20T14:00 --dry-run", "sidecar rollback --party 'Ann Lee' --last 3")
    app.command("rollback", epilog=example(*lines))(_rollback)


def _rollback(
    ctx: typer.Context,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since", parser=_time, metavar="TIME", help="What was written since then; own.timezone, unless it says."
        ),
    ] = None,
    last: Annotated[int | None, typer.Option("--last", min=1, max=100_000, help="The last so many values.")] = None,
    party: Annotated[str, typer.Option("--party", "-p", help="Of this party: id, name or address.")] = "",
    of: Annotated[str, typer.Option("--batch", help="One batch: what was written together with this change.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show it, and write nothing.")] = False,
    yes: Yes = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Put back what was written into the CRM, where nobody has edited it since."""
    if since is None and last is None and not party and not of:
        raise PermanentError("say what to put back: --since TIME, --last N, --party P or --batch CHANGE")
    with session(ctx).open() as app:
        app.bind()
        changes = _batch(app, since, last, party, of)
        is_dry = dry_run or app.dry_run
        rows: list[Restored] = []
        if is_dry or not yes:
            rows = _run(app, changes, by or whoami(), dry_run=True)
            if not as_json:
                show_rows(rows, is_dry=True)
        if not is_dry:
            if not yes and any(not row.left for row in rows):
                ask("Put these values back?", yes=yes, as_json=as_json)
            rows = _run(app, changes, by or whoami(), dry_run=False)
    if as_json:
        emit(_report(rows, is_dry=is_dry))
    elif not is_dry:
        show_rows(rows, is_dry=False)


def _batch(app: "App", since: datetime | None, last: int | None, party: str, beside: str) -> "Batch":
    from sidecar.pipeline.rollback import batch

    zone = ZoneInfo(app.settings.own_section.timezone)
    start = (since if since.tzinfo else since.replace(tzinfo=zone)).astimezone(UTC) if since else None
    of = find_party(app.journal, party).party if party else None
    one = find_id(app.journal, beside, "change") if beside else None
    with console(sys.stderr).status("Reading what was written"):
        return batch(app.journal, since=start, last=last, party=of, beside=one)


def _run(app: "App", changes: "Batch", by: str, *, dry_run: bool) -> "list[Restored]":
    from sidecar.pipeline.rollback import rollback

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen, rows = console(sys.stderr), []
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        task = progress.add_task("Looking" if dry_run else "Putting back", total=len(changes))
        for found in rollback(app.pipeline.parts, changes, by, dry_run=dry_run):
            rows += found
            progress.advance(task)
    return rows


def _report(rows: "list[Restored]", *, is_dry: bool) -> dict[str, Any]:
    back, left = [r for r in rows if not r.left], [r for r in rows if r.left]
    return {
        "dry_run": is_dry,
        "restored": [] if is_dry else back,
        "would_restore": back if is_dry else [],
        "left": left,
    }


def show_rows(rows: "list[Restored]", *, is_dry: bool) -> None:
    """Print what is put back, and what stays with the reason."""
    back, left = [r for r in rows if not r.left], [r for r in rows if r.left]
    made = table("party", "record", "field", "now" if is_dry else "it was", "back to")
    for row in back:
        add(made, row.name, _place(row), row.field, _short(row.now), _short(row.before))
    stays = table("party", "record", "field", "value", "left, because")
    for row in left:
        add(stays, row.name, _place(row), row.field, _short(row.now), row.left)
    if back:
        show(made)
    if left:
        show(stays)
    values = many(len(back), "value", "values")
    show(f"{values} would be put back, {len(left)} left." if is_dry else f"{values} put back, {len(left)} left.")


def _place(row: "Restored") -> str:
    return f"{row.record}:{row.ref}" if row.ref else row.record


def _short(value: "Value") -> str:
    """Return a value's beginning: a note's text would hide all other rows, and the JSON has it whole."""
    return plain(value, MAX_SHOWN_CHARS)
