"""The command line, a file for each family of commands: what a person asks, looks up, decides and starts by hand.

Commands read the book and print, or hand a person's word to the pipeline; they hold no rules of their own. Nothing
heavy is imported until a command runs, so that `--help` and completion answer at once. To add a family, write a module
with `register(app)` and name it in FAMILIES.
"""

from importlib import import_module, metadata
from pathlib import Path
from typing import Annotated

import typer

from sidecar.cli import logs
from sidecar.cli.session import Commands, Session

FAMILIES = (
    "demo",
    "serve",
    "healthcheck",
    "run",
    "check",
    "connect",
    "mode",
    "audit",
    "provision",
    "inbox",
    "history",
    "party",
    "work",
    "brakes",
    "alarms",
    "channels",
    "quality",
    "costs",
    "rollback",
    "ledger",
    "book",
    "prompts",
    "evaluate",
    "attempt",
    "label",
    "replay",
    "funnel",
    "backfill",
    "reconcile",
)
"""Modules of this package, in the order in which `--help` lists their commands."""

app = typer.Typer(
    name="sidecar",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(metadata.version("crm-sidecar"))
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The config file. Default: SIDECAR_CONFIG, else config.toml.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do everything but write to the CRM, and show what would be written.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Headless CRM sidecar: reads conversations, infers where each relationship stands, posts it to your CRM."""
    logs.configure("info" if ctx.invoked_subcommand == "serve" else "off")
    ctx.obj = Session(config, dry_run)


for _family in FAMILIES:
    import_module(f"sidecar.cli.{_family}").register(app)
