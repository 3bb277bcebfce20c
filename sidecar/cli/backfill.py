"""`backfill`: reads a channel's older history, after saying how much it is and what reading it may cost.

Each batch is durable together with its place, so that a run that was interrupted goes on where it ended. The place is
kept for each date by itself: an earlier date reads everything from there, and what is in the book already is not
counted twice. How it gives way to what comes in now stands in `app.history`.
"""

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from sidecar.cli.render import console, emit, plain, show, tell
from sidecar.cli.session import AsJson, example, session
from sidecar.errors import PermanentError, RejectedInput, UnsupportedFeature

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.app.history import Manners
    from sidecar.ports import Channel, Extent

_FORMATS = ["%Y-%m-%d"]


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    lines = (
        "sidecar backfill mail --since 2026-01-01",
        "sidecar --dry-run backfill mail --since 2026-01-01",
        "sidecar backfill mail --since 2026-01-01 --until 2026-03-31",
        "sidecar backfill mail --since 2026-01-01 --per-minute 120 --off-hours 'mon-fri 08:00-18:00'",
    )
    app.command("backfill", epilog=example(*lines))(_backfill)


def _backfill(
    ctx: typer.Context,
    channel: Annotated[str, typer.Argument(help="The channel's name in the config.")],
    since: Annotated[datetime, typer.Option("--since", formats=_FORMATS, help="The first day to read.")],
    until: Annotated[
        datetime | None,
        typer.Option("--until", formats=_FORMATS, help="The last day. Default: the channel's first start."),
    ] = None,
    per_minute: Annotated[
        float,
        typer.Option("--per-minute", min=0, help="Items a minute at most. 0: as fast as the channel's own bound."),
    ] = 0.0,
    off_hours: Annotated[
        str, typer.Option("--off-hours", help="Read outside of these hours only, such as 'mon-fri 08:00-18:00'.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read a channel's older history, after showing its extent and cost."""
    with session(ctx).open(secrets=True) as app:
        zone = ZoneInfo(app.settings.own_section.timezone)
        start, end = _span(since, until, zone)
        manners = _manners(per_minute, off_hours)
        adapter = _channel(app, channel)
        result = _extent(app, adapter.extent(start), channel, start)
        if not as_json:
            _tell(result, zone)
        if app.dry_run or not result["items"]:
            read = None
        elif not yes and not as_json and not typer.confirm("Read it?", err=True):
            raise typer.Abort
        elif as_json and not yes:
            raise PermanentError("with --json nothing is asked: say --yes, or --dry-run to see the extent alone")
        else:
            read = _read(app, channel, start, end, manners, result["items"])
    if as_json:
        emit({**result, "read": read})
    elif read is not None:
        show(f"{read} deliveries are new. The running server reads them; without one: sidecar run --until-idle")


def _channel(app: "App", name: str) -> "Channel":
    from sidecar.pipeline.sources import see_source

    adapter = app.channels.get(name)
    if adapter is None:
        raise PermanentError(f"there is no channel {name!r}; configured are {', '.join(app.channels) or 'none'}")
    see_source(app.journal, adapter)
    if not adapter.capabilities.backfill:
        raise UnsupportedFeature(f"the channel {name} has no older history that can be read")
    return adapter


def _extent(app: "App", extent: "Extent", channel: str, since: datetime) -> dict[str, Any]:
    """Say how much it is, and what it costs when each item is read by a call of its own, under the longest prompt."""
    prompt_chars = max(len(prompt.source) for prompt in app.prompt_states()[0].values())
    chars = extent.size_bytes + extent.items * prompt_chars
    return {
        "channel": channel,
        "since": since,
        "items": extent.items,
        "size_bytes": extent.size_bytes,
        "oldest": extent.oldest,
        "estimated_usd": round(app.llm.estimate_usd(chars, extent.items), 4),
        "model": app.llm.model,
        "daily_usd": app.settings.llm.daily_usd,
    }


def _tell(result: dict[str, Any], zone: ZoneInfo) -> None:
    oldest = f", the oldest of {result['oldest'].astimezone(zone):%Y-%m-%d}" if result["oldest"] else ""
    size_mb = result["size_bytes"] / 1_000_000
    tell(f"{plain(result['channel'])}: {result['items']} items, {size_mb:.1f} MB{oldest}.")
    bound = f"no more than ${result['daily_usd']:g} a day is spent" if result["daily_usd"] else "nothing bounds a day"
    tell(f"To read them costs about ${result['estimated_usd']:.2f} with {plain(result['model'])}; {bound}.")


def _span(since: datetime, until: datetime | None, zone: ZoneInfo) -> tuple[datetime, datetime | None]:
    """Return when the first day begins and the last one ends, as our time zone has them."""
    if until is not None and until < since:
        raise RejectedInput(f"--since {since:%Y-%m-%d} is later than --until {until:%Y-%m-%d}")
    end = (until + timedelta(days=1)).replace(tzinfo=zone).astimezone(UTC) if until else None
    return since.replace(tzinfo=zone).astimezone(UTC), end


def _manners(per_minute: float, off_hours: str) -> "Manners":
    from sidecar.app.history import Manners
    from sidecar.config import Hours

    try:
        return Manners(per_minute, Hours.parse(off_hours) if off_hours else None)
    except ValueError as error:
        raise RejectedInput(f"--off-hours: {error}") from None


def _read(app: "App", channel: str, since: datetime, until: datetime | None, manners: "Manners", items: int) -> int:
    """Journal the history under a bar; whoever interrupts it is told that it can go on."""
    from sidecar.app.history import Progress, read_history

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    screen = console(sys.stderr)
    with Bar(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(plain(channel), total=items, rate="")

        def told(progress: Progress) -> None:
            speed = bar.tasks[0].speed
            rate = f"waits for {progress.waits_for}" if progress.waits_for else f"{speed:.0f}/s" if speed else ""
            bar.update(task, completed=progress.read, rate=rate)

        try:
            return read_history(app, channel, since, until, manners, told)
        except KeyboardInterrupt:
            tell("Interrupted; what was read is kept, and the same command goes on from there.")
            raise
