"""`audit`: who wrote what the CRM holds, by read access alone, before anything else of the sidecar is set up.

It needs the CRM's section of the config and the CRM's token: no mode, no provisioning, no model, no channel's secret.
It writes into one folder, results and the place where it is, and asks the CRM for nothing but to be read.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from sidecar.cli.render import add, console, emit, plain, show, table, tell
from sidecar.cli.session import AsJson, Session, environment, example, session
from sidecar.errors import PermanentError, TemporaryError

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.audit import Report, Wanted, Words
    from sidecar.audit.state import State

STATE = "audit.state.json"
ACTIVITIES = {"note": ("body", "at"), "task": ("title", "body", "due", "owner")}
"""What the sidecar writes beside the fields of its policy."""
SHOWN = 12


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    epilog = example(
        "sidecar audit",
        "sidecar audit --since 2026-01-01 --kind deal --team 'north=ann@x.test,bob@x.test'",
        "sidecar audit --pages 200",
    )
    app.command("audit", epilog=epilog)(_audit)


def _audit(
    ctx: typer.Context,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=["%Y-%m-%d"], help="The first day. Default: a year ago.")
    ] = None,
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", help="A kind of record; may be repeated. Default: all.")
    ] = None,
    teams: Annotated[
        list[str] | None, typer.Option("--team", metavar="NAME=MAIL,...", help="A team's owners; may be repeated.")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds-per-edit", min=0, max=3600, help="How long a person takes for one edit.")
    ] = 20.0,
    out: Annotated[Path, typer.Option("--out", file_okay=False, help="The folder for the results.")] = Path("audit"),
    pages: Annotated[
        int | None, typer.Option("--pages", min=1, help="Stop after so many pages (20 to 500 records), to go on later.")
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Begin again, whatever was read before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count who wrote what the CRM holds: people, imports, integrations, automations. Reads only."""
    from sidecar.audit import Wanted, known_kinds

    with _opened(session(ctx)) as app:
        zone = app.settings.own_section.timezone
        start = since.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) if since else None
        wanted = Wanted(zone, start, known_kinds(kinds) if kinds else None, pages, anew)
        team_of = dict(pair for told in teams or () for pair in _team(told))
        state = _counted(app, wanted, out / STATE)
        words = _words(app, team_of, seconds)
    report = _written(state, words, out)
    if as_json:
        emit(report)
    else:
        _show(report, out)


def _opened(found: Session) -> "App":
    """Return the app of a config that has no routes yet: where stages go matters to nobody who only reads."""
    from sidecar.app import App
    from sidecar.config import examine
    from sidecar.config.problems import as_error

    settings, problems = examine(found.config, environment(), secrets=False)
    problems = [problem for problem in problems if problem.key.partition(".")[0] != "route"]
    if problems or settings is None:
        raise as_error(problems)
    return App(settings, dry_run=True)


def _counted(app: "App", wanted: "Wanted", path: Path) -> "State":
    """Read on, with a bar on a terminal; what was read is kept whatever happens."""
    from sidecar.audit import audit

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = console(sys.stderr)
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:

        def told(kind: str, done: int, total: int | None) -> None:
            if kind not in tasks:
                tasks[kind] = progress.add_task(kind, total=total)
            progress.update(tasks[kind], completed=done)

        try:
            return audit(app.ledger, wanted, path, app.clock(), told=told)
        except TemporaryError as error:
            told_more = f"{error}; what was read is kept in {path}"
            raise TemporaryError(told_more, retry_after_s=error.retry_after_s) from None


def _words(app: "App", team_of: dict[str, str], seconds: float) -> "Words":
    from sidecar.app.readiness import writable
    from sidecar.audit import Words
    from sidecar.model import Mode

    capabilities = app.ledger.capabilities
    owners = app.ledger.owners() if capabilities.owners else {}
    writes = {**ACTIVITIES, **writable(app.policy, Mode.AUTO, capabilities.kinds)}
    return Words(owners, team_of, writes, seconds)


def _written(state: "State", words: "Words", out: Path) -> "Report":
    from sidecar.audit import csv_text, html, report
    from sidecar.cli.render import as_text
    from sidecar.files import write

    made = report(state, words)
    write(out / "audit.html", html(made))
    write(out / "audit.csv", csv_text(state, words))
    write(out / "audit.json", as_text(made) + "\n")
    if state.is_complete:
        (out / STATE).unlink(missing_ok=True)
    return made


def _show(report: "Report", out: Path) -> None:
    from sidecar.audit.figures import SHARED
    from sidecar.model import Source

    made = table("kind", "records>", "values>", *(f"{source}>" for source in SHARED), "beside: default>")
    for row in [*report.kinds, report.total]:
        counts: list[Any] = [f"{row.values[s] / row.total:.1%}" if row.total else "" for s in SHARED]
        records = report.records.get(row.name, sum(report.records.values()))
        add(made, row.name, records, row.total, *counts, row.values[Source.DEFAULT])
    ranked = table("what people type", "edits>", "minutes>", "sidecar can write it", title="By how often it is typed")
    for one in report.candidates[:SHOWN]:
        add(ranked, f"{one.kind}.{one.name}", one.edits, one.minutes, "yes" if one.can_write else "no")
    show(made, "", *((ranked, "") if report.candidates else ()), report.verdict.words)
    show(
        f"At {report.seconds_per_edit:g} s an edit (an assumption): {report.minutes_typed:g} minutes typed, "
        f"{report.minutes_given_back:g} given back."
    )
    for kind, why in report.left_out.items():
        tell(f"Not read: {kind} ({plain(why)})")
    if not report.is_complete:
        tell("Not finished: run it again to go on.")
    show(f"The method, charts and all figures: {out / 'audit.html'}, audit.csv, audit.json")


def _team(told: str) -> list[tuple[str, str]]:
    """Read NAME=MAIL,MAIL into (mail, name) pairs."""
    name, _, mails = told.partition("=")
    pairs = [(mail.strip().casefold(), name.strip()) for mail in mails.split(",") if mail.strip()]
    if not name.strip() or not pairs:
        raise PermanentError(f"write --team NAME=MAIL,MAIL and not {told!r}")
    return pairs
