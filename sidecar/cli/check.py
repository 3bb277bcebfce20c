"""Checks: is everything there that the config names, can the CRM take what is believed, does the book hold together?

`check` lists all that is wrong, each with its remedy (`findings` looks), and with `--go-live` puts the next rung of the
mode ladder in force (`golive` asks). `verify` re-derives what the book says from its raw bytes.
"""

import sys
from typing import Annotated

import typer

from sidecar.cli.findings import BUDGET, SPENT, UNSEEN, WORK, Finding, check
from sidecar.cli.golive import go_live
from sidecar.cli.mode import OfField, OfRoute, scope_of
from sidecar.cli.render import add, console, emit, show, table
from sidecar.cli.session import FAILED, AsJson, By, Limit, Yes, example, session, whoami
from sidecar.model import Mode


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    lines = ("sidecar check", "sidecar check --json", "sidecar check --go-live", "sidecar check --go-live --route chat")
    app.command("check", epilog=example(*lines))(_check)
    app.command("verify", epilog=example("sidecar verify"))(_verify)


def _check(
    ctx: typer.Context,
    live: Annotated[bool, typer.Option("--go-live", help="If all is well, move the mode up a rung.")] = False,
    to: Annotated[Mode | None, typer.Option("--to", help="With --go-live: up to this rung.")] = None,
    route: OfRoute = "",
    field: OfField = "",
    yes: Yes = False,
    limit: Limit = 1_000,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Say what is wrong and how to mend it, before anything is written; with --go-live move the mode up."""
    run = session(ctx)
    if not live and (to or route or field or yes):
        raise typer.BadParameter("--to, --route, --field and --yes belong to --go-live")
    findings = list(check(run))
    problems = [f for f in findings if f.problem and not (live and f.part == WORK)]
    if problems or not live or not as_json:
        _tell(findings, problems, live=live, as_json=as_json)
    if problems:
        raise typer.Exit(FAILED)
    if live:
        with run.open(secrets=True) as app:
            go_live(app, scope_of(app, route, field), to, limit, by or whoami(), yes=yes, as_json=as_json)


def _tell(findings: list[Finding], problems: list[Finding], *, live: bool, as_json: bool) -> None:
    if as_json:
        emit({"ok": not problems, "findings": findings})
        return
    made = table("part", "", "")
    wrong = {f.part for f in problems}
    is_spent = False
    for f in findings:
        waits = f.part == BUDGET and f.note.startswith(SPENT)
        is_spent = is_spent or waits
        add(made, f.part, "waits" if waits else _state(f, wrong), f.problem or f.note.removeprefix(SPENT))
    show(made)
    if problems:
        show(f"{len(problems)} to mend." + (" Then again: sidecar check --go-live" if live else ""))
    elif is_spent:
        show("Nothing is wrong, but a budget is spent and conversations wait, see above; what comes is taken in.")
    elif not live:
        show("All is well: sidecar serve")


def _state(finding: Finding, wrong: set[str]) -> str:
    """A part of which something is wrong is never called fine, whatever else is known of it."""
    if finding.problem:
        return "wrong"
    return "unknown" if finding.note == UNSEEN else "" if finding.part in wrong else "fine"


def _verify(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Re-derive what the book says from its raw bytes, and name every fact that isn't what it says."""
    from sidecar.verify import verify

    with session(ctx).open() as app:
        total = app.journal.counts()["facts"]
        channels = app.channels
        with console(sys.stderr).status(f"Reading {total} facts"):
            faults = list(verify(app.journal, channels))
    if as_json:
        emit({"ok": not faults, "facts": total, "faults": faults})
    else:
        for fault in faults:
            show(f"{fault.fact}: {fault.problem}")
        show(f"{len(faults)} faults in {total} facts." if faults else f"{total} facts are what they say.")
    if faults:
        raise typer.Exit(FAILED)
