"""`funnel`: how far relationships come, over which channel, and why they stop."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from sidecar.cli.render import add, console, emit, show, table
from sidecar.cli.session import AsJson, example, session


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    epilog = example("sidecar funnel --since 2026-10-01", "sidecar funnel --channel web --html funnel.html")
    app.command("funnel", epilog=epilog)(_funnel)


def _funnel(
    ctx: typer.Context,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=["%Y-%m-%d"], help="Only what began from that day on.")
    ] = None,
    channels: Annotated[
        list[str] | None, typer.Option("--channel", help="Only who was last heard on it; may be repeated.")
    ] = None,
    page: Annotated[Path | None, typer.Option("--html", dir_okay=False, help="Write it as a page, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show how far relationships come, over which channel, and why they stop: stage by channel by reason."""
    from sidecar.files import write
    from sidecar.report import WORDS, funnel, html
    from sidecar.report.funnel import share

    screen = console(sys.stderr)
    with session(ctx).open() as app, screen.status("reading") as status:
        zone = ZoneInfo(app.settings.own_section.timezone)
        start = since.replace(tzinfo=zone).astimezone(UTC) if since else None

        def told(seen: int) -> None:
            status.update(f"{seen} parties")

        found = funnel(app.journal, app.policy, app.clock(), since=start, channels=channels or (), told=told)
    if page is not None:
        write(page, html(found))
    if as_json:
        emit({"at": found.at, "since": found.since, "engagements": found.engagements, "stages": found.stages,
              "cells": found.cells})  # fmt: skip
        return
    rows = table("stage", "came so far>", "share>", *(f"{WORDS[name]}>" for name in found.reasons))
    for row in found.stages:
        counts = (row.reasons.get(name, 0) or "" for name in found.reasons)
        add(rows, row.stage, row.reached, f"{share(row, found.stages):.0%}", *counts)
    by_channel = table("channel", "stage", "why", "engagements>")
    for cell in sorted(found.cells, key=lambda c: (c.channel, -c.count)):
        add(by_channel, cell.channel, cell.stage, WORDS[cell.reason], cell.count)
    show(rows, "", by_channel)
    show(f"{found.engagements} engagements; each counts once, at the furthest open stage that it reached.")
