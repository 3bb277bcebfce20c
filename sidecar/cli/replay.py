"""`replay`: what another prompt, model or policy would have made of the conversations that the book holds.

It writes nothing but its own report and the answers that were paid for, into a folder of its own, so that the same
command goes on where it was cut short. What a person then puts in force is for `sidecar prompts adopt`.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sidecar.cli.render import add, console, emit, many, plain, show, table, tell
from sidecar.cli.session import AsJson, Yes, ask, environment, example, find_party, session
from sidecar.errors import PermanentError

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.model import Prompt
    from sidecar.replay import Estimate, Report, Side, Wanted

SHOWN = 40
MIN_USD = 0.01

PromptName = Annotated[
    str | None, typer.Option("--prompt", help="A prompt whose edited file is tried, or a file that stands in for one.")
]
Model = Annotated[str | None, typer.Option("--model", help="Another model of the configured kind.")]
Policy = Annotated[
    Path | None, typer.Option("--policy", dir_okay=False, help="Another config file: its stages, fields and policy.")
]
Since = Annotated[
    datetime | None, typer.Option("--since", formats=["%Y-%m-%d"], help="Only what was said from that day on.")
]
Effort = Annotated[str, typer.Option("--effort", help="How much that model thinks.")]
Parties = Annotated[list[str] | None, typer.Option("--party", help="A party by id, name or address; may be repeated.")]
AtMost = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many parties.")]
Noise = Annotated[int, typer.Option("--noise", min=0, help="Parties that are also read once more by what is in force.")]
Both = Annotated[bool, typer.Option("--both", help="Let what is in force read, too: former versions wrote the book.")]
MaxUsd = Annotated[
    float | None, typer.Option("--max-usd", min=0, help="Stop when so much is spent. Default: llm.daily_usd.")
]
Batch = Annotated[
    bool, typer.Option("--batch", help="Hand questions in together: half the price with Anthropic, and hours.")
]
Out = Annotated[
    Path | None,
    typer.Option("--out", file_okay=False, help="The folder of reports. Default: data/replays, by the config."),
]


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    epilog = example(
        "sidecar replay --prompt relationship --since 2026-10-01",
        "sidecar replay --model claude-sonnet-5-5 --limit 50",
        "sidecar replay --policy stricter.toml --json",
        "sidecar --dry-run replay --prompt relationship",
    )
    app.command("replay", epilog=epilog)(_replay)


def _replay(
    ctx: typer.Context,
    prompt: PromptName = None,
    model: Model = None,
    effort: Effort = "",
    policy: Policy = None,
    since: Since = None,
    parties: Parties = None,
    limit: AtMost = None,
    noise: Noise = 20,
    both: Both = False,
    batch: Batch = False,
    max_usd: MaxUsd = None,
    out: Out = None,
    as_json: AsJson = False,
    yes: Yes = False,
) -> None:
    """Read stored conversations again by another prompt, model or policy, and show what would differ."""
    from sidecar.replay import estimate
    from sidecar.replay.kept import FOLDER

    with session(ctx).open() as app:
        out = out or app.settings.base / FOLDER
        zone = ZoneInfo(app.settings.own_section.timezone)
        start = since.replace(tzinfo=zone).astimezone(UTC) if since else None
        wanted = _wanted(app, prompt, (model, effort), policy, start, parties or (), limit, (noise, both), out)
        wanted = _bounded(_patient(wanted) if batch else wanted, max_usd, app.settings.llm.daily_usd)
        much = estimate(app.journal, wanted)
        _announce(much, wanted)
        if app.dry_run:
            _only(much, wanted, as_json=as_json)
            return
        if much.usd:
            ask("Go on?", yes=yes, as_json=as_json)
        report = _done(app, wanted)
        report.estimated_usd = much.usd
    folder = out / report.id
    _write(report, folder)
    _tell(report, folder, as_json=as_json)


def _tell(report: "Report", folder: Path, *, as_json: bool) -> None:
    from sidecar.replay import as_data

    if as_json:
        emit(as_data(report))
    else:
        _show(report, folder)


def _wanted(
    app: "App",
    prompt: str | None,
    model: tuple[str | None, str],
    policy: Path | None,
    since: datetime | None,
    parties: list[str] | tuple[str, ...],
    limit: int | None,
    measured: tuple[int, bool],
    out: Path,
) -> "Wanted":
    from sidecar.replay import Side, Wanted

    was = Side(app.prompts, app.policy, app.llm, app.settings.hard())
    new = _trial(app, was, prompt, model, policy)
    ids = tuple(find_party(app.journal, text).party for text in parties)
    wanted = Wanted(was, new, app.settings.own(), since, ids, limit, *measured)
    if wanted.was.version == wanted.new.version:
        raise PermanentError("nothing is on trial: edit a prompt and name it with --prompt, or say --model or --policy")
    from dataclasses import replace

    folder = out / wanted.id
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise PermanentError(f"{folder} can't be written to: {error.strerror}; name another folder by --out") from None
    return replace(wanted, folder=folder)


def _patient(wanted: "Wanted") -> "Wanted":
    """Return what is wanted by batches, for which one waits until they have ended or Ctrl-C."""
    from dataclasses import replace
    from threading import Event

    from sidecar.ports import batches

    batches(wanted.new.llm)  # where there are none, this says so
    return replace(wanted, sleep=Event().wait)


def _bounded(wanted: "Wanted", max_usd: float | None, daily_usd: float) -> "Wanted":
    """Return what is wanted with its bound: what was told, else what a day may cost, where 0 is no bound."""
    from dataclasses import replace
    from math import inf

    return replace(wanted, max_usd=(daily_usd or inf) if max_usd is None else max_usd)


def _trial(app: "App", was: "Side", prompt: str | None, model: tuple[str | None, str], policy: Path | None) -> "Side":
    from dataclasses import replace

    from sidecar.config import load
    from sidecar.replay import with_prompt

    new = was
    if policy is not None:
        new = replace(new, policy=load(policy, environment(), secrets=False).policy())
    if model[0] or model[1]:
        new = replace(new, llm=app.llm.like(model[0] or "", model[1]))
    if prompt is not None:
        new = with_prompt(new, _candidate(app, prompt))
    return new


def _candidate(app: "App", told: str) -> "Prompt":
    """Return the prompt that is meant: a file, a former version as NAME@SHA, or the edited file of a name."""
    from sidecar.prompts import parse

    if told.endswith(".md"):
        try:
            prompt = parse(Path(told).read_text(encoding="utf-8"), told, app.settings.fields)
        except (OSError, UnicodeDecodeError) as error:
            raise PermanentError(f"{told} can't be read: {error}") from None
        if prompt.name not in app.prompts:
            raise PermanentError(f"{told} is called {prompt.name!r}, and no prompt in force is")
        return prompt
    name, _, sha = told.partition("@")
    if sha:
        shas = {row.sha256 for row in app.shelf.history(name) if row.sha256.startswith(sha)}
        if len(shas) != 1:
            raise PermanentError(f"{told!r} names {len(shas)} versions: sidecar prompts history {name}")
        return app.shelf.version(name, shas.pop())
    states = app.shelf.states()
    if name in states.broken:
        raise states.broken[name]
    if name not in states.candidates:
        known = ", ".join(sorted(states.in_force))
        raise PermanentError(f"there is no edited {name}.md that could be tried; in force are {known}")
    return states.candidates[name]


def _announce(much: "Estimate", wanted: "Wanted") -> None:
    from math import inf

    usd = much.usd
    cost = f"about ${usd:.2f}" if usd >= MIN_USD else "less than a cent" if usd else "nothing"
    stronger = wanted.new.llm.stronger if usd and wanted.new.hard.reasons else None
    cost += f", the hard cases once more with {stronger.model} as often as in the book" if stronger else ""
    what = f"{many(much.readings, 'reading', 'readings')} of {many(much.parties, 'party', 'parties')}"
    tell(f"Replay {wanted.id}: {what} with {wanted.new.llm.model}, which costs {cost}.")
    if usd and wanted.max_usd < inf:
        tell(f"It ends at ${wanted.max_usd:g} (--max-usd); the same command then goes on.")
    if wanted.new.llm.capabilities.is_baseline and wanted.new.version.prompts != wanted.was.version.prompts:
        tell("The baseline reads by rules and by no prompt: an edited one changes nothing here.")


def _only(much: "Estimate", wanted: "Wanted", *, as_json: bool) -> None:
    """Say what would be read, for programs; people have been told."""
    if as_json:
        emit({"id": wanted.id, "parties": much.parties, "readings": much.readings, "estimated_usd": much.usd})


def _done(app: "App", wanted: "Wanted") -> "Report":
    """Read, with a bar on a terminal; answers that were paid for are kept whatever happens."""
    from dataclasses import replace

    from sidecar.replay import replay

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = console(sys.stderr)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        task = progress.add_task("parties", total=None)

        def told(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of)

        return replay(app.journal, replace(wanted, told=told), app.clock())


def _write(report: "Report", folder: Path) -> None:
    from sidecar.cli.render import as_text
    from sidecar.files import write
    from sidecar.replay import as_data
    from sidecar.replay.kept import PAGE, REPORT
    from sidecar.replay.page import html

    write(folder / REPORT, as_text(as_data(report)) + "\n")
    write(folder / PAGE, html(report))


def _show(report: "Report", folder: Path) -> None:
    from sidecar.replay.kept import PAGE, REPORT
    from sidecar.replay.page import summary
    from sidecar.replay.sides import at_once

    rows = table("field", "said>", "differ>", "by chance>", "wording>", "in the CRM>", "people agree")
    for row in report.fields:
        chance = f"{row.noise_changed}/{row.noise_spoken}" if row.noise_spoken else ""
        judged = f"{row.agreed_was} -> {row.agreed_new} of {row.judged}" if row.judged else ""
        add(rows, row.name, row.spoken, row.changed, chance, row.worded, row.crm, judged)
    differ = table("party", "what", "in force", "on trial", "because", airy=True)
    important = sorted(at_once(report.differences), key=lambda d: (d[0].is_wording, d[0].kind != "crm"))
    for one, records in important[:SHOWN]:
        values = (_values(one.was), _values(one.new))
        add(differ, plain(one.name, 30), ", ".join(records) or one.field, *values, _why(one))
    if len(important) > SHOWN:
        tell(f"{len(important) - SHOWN} more differences are on the page and in the JSON.")
    show(rows, "", *((differ, "") if important else ()), summary(report))
    for party, why in report.failed.items():
        tell(f"Not read: {party} ({plain(why)})")
    show(f"Each with its words: {folder / PAGE}, {folder / REPORT}")


def _values(cells: Any) -> str:
    return "; ".join(plain(cell.value if cell.op == "set" else f"{cell.op} {cell.value or ''}", 80) for cell in cells)


def _why(difference: Any) -> str:
    from sidecar.replay.sides import quoted

    if difference.kept:
        return f"stays: {difference.kept}"
    if difference.kind == "decision":
        return " -> ".join(plain(cells[0].reason, 60) for cells in (difference.was, difference.new) if cells)
    return plain(quoted(difference.new or difference.was), 120)
