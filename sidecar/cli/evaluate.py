"""`eval`: what a prompt or a model gets right on labelled conversations, beside another one where that is asked.

It opens no journal for its own sake, so it runs in a fresh checkout and on a build machine. A model that is paid for is
asked only after its estimate was agreed to, its answers are kept beside the config, and a gate ends with a status that
stops a build.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sidecar.cli.render import add, console, emit, many, show, table, tell
from sidecar.cli.session import FAILED, AsJson, Session, Yes, ask, example, session
from sidecar.errors import PermanentError

if TYPE_CHECKING:
    from sidecar.app.trying import Wanted
    from sidecar.config import Settings
    from sidecar.evaluate import Case, Measured, Side
    from sidecar.evaluate.corrections import Collected
    from sidecar.evaluate.gate import Fall
    from sidecar.evaluate.report import Comparison, Report

ANSWERS = "data/eval-answers.jsonl"
TICKETS = "data/eval-tickets.json"
ALL = "all"
SPLITS = ("dev", "test", ALL)
FIRST, SECOND = "first", "second"
SHOWN_TAGS = 40

Dataset = Annotated[Path, typer.Argument(help="A file or folder of labelled conversations, such as tests/gold.")]
Split = Annotated[str, typer.Option("--split", help="dev, test or all. Tune on dev; look at test rarely.")]
Tag = Annotated[str, typer.Option("--tag", help="Only conversations with this tag.")]
PromptName = Annotated[str, typer.Option("--prompt", help="A file (new.md), a name, NAME@in-force or NAME@HASH.")]
Kind = Annotated[str, typer.Option("--llm", help="Another kind of model: baseline, anthropic, openai.")]
ModelName = Annotated[str, typer.Option("--model", help="Another model of that kind.")]
Effort = Annotated[str, typer.Option("--effort", help="How much that model thinks.")]
Against = Annotated[
    list[str] | None,
    typer.Option("--against", metavar="KEY=VALUE", help="A second side, with another prompt, llm, model or effort."),
]
Repeat = Annotated[int, typer.Option("--repeat", min=1, max=10, help="Read each so often, to see the noise.")]
Batch = Annotated[
    bool, typer.Option("--batch", help="Hand questions in together: half the price with Anthropic, and hours.")
]
AtOnce = Annotated[int, typer.Option("--concurrency", min=1, max=16, help="Conversations at once.")]
Page = Annotated[Path | None, typer.Option("--html", dir_okay=False, help="Write the report as a page.")]
Floors = Annotated[
    list[str] | None, typer.Option("--min", metavar="FIGURE=NUMBER", help="Fail below it; above, where less is better.")
]
Gate = Annotated[
    Path | None, typer.Option("--gate", dir_okay=False, help="A former --json report; fail when a figure is worse.")
]
MaxDrop = Annotated[float, typer.Option("--max-drop", min=0, max=1, help="By how much it may be worse.")]
MaxUsd = Annotated[
    float | None, typer.Option("--max-usd", min=0, help="Stop when so much is spent. Default: llm.daily_usd.")
]
FromCorrections = Annotated[
    bool, typer.Option("--from-corrections", help="Write DATASET first, from what people said of stored conversations.")
]
AnswersFile = Annotated[
    Path | None, typer.Option("--answers", dir_okay=False, help=f"Where paid answers are kept. Default: {ANSWERS}.")
]


@dataclass(frozen=True, slots=True)
class _Told:
    """The options that say how to measure."""

    repeat: int
    concurrency: int
    is_batch: bool
    max_usd: float | None
    answers: Path | None
    looks_only: bool = False


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    epilog = example(
        "sidecar eval tests/gold",
        "sidecar eval tests/gold --prompt new.md --against prompt=relationship@in-force --html report.html",
        "sidecar eval tests/gold --against model=claude-sonnet-5-5 --repeat 2",
        "sidecar eval ours.jsonl --from-corrections",
        "sidecar eval tests/gold --split test --json > baseline.json",
        "sidecar eval tests/gold --split test --gate baseline.json --max-drop 0.02 --min stage.accuracy=0.7 --yes",
    )
    app.command("eval", epilog=epilog)(_eval)


def _eval(
    ctx: typer.Context,
    dataset: Dataset,
    split: Split = "dev",
    tag: Tag = "",
    prompt: PromptName = "",
    llm: Kind = "",
    model: ModelName = "",
    effort: Effort = "",
    against: Against = None,
    repeat: Repeat = 1,
    concurrency: AtOnce = 4,
    batch: Batch = False,
    page: Page = None,
    floors: Floors = None,
    gate: Gate = None,
    max_drop: MaxDrop = 0.02,
    max_usd: MaxUsd = None,
    answers: AnswersFile = None,
    from_corrections: FromCorrections = False,
    as_json: AsJson = False,
    yes: Yes = False,
) -> None:
    """Measure a prompt and a model on labelled conversations, with how far each figure may be luck."""
    from sidecar.app.trying import Wanted

    settings = session(ctx).settings()
    if from_corrections:
        collected(session(ctx), dataset)
    first = Wanted(prompt, llm, model, effort)
    sides = [first, *([first.but(against)] if against else [])]
    cases = chosen(dataset, settings, split, tag)
    told = _Told(repeat, concurrency, batch, max_usd, answers, session(ctx).dry_run)
    measured = _measured(settings, sides, cases, told, yes=yes, as_json=as_json)
    _tell_all(measured, dataset, split, page, _bounds(floors, gate, max_drop, split), as_json=as_json)


def collected(found: Session, file: Path) -> "Collected":
    """Write a data set of what people said of stored conversations, and say what became of their words."""
    from sidecar.evaluate.corrections import collect

    if file.suffix != ".jsonl":
        raise PermanentError(f"{file.name} must end in .jsonl: that is how such a data set is written")
    with found.open() as app:
        done = collect(app.journal, app.policy, app.settings.own_section.timezone, file)
    words = ", ".join(f"{number} {kind}" for kind, number in sorted(done.words.items()))
    splits = ", ".join(f"{number} {split}" for split, number in sorted(done.splits.items()))
    tell(f"{file}: {many(done.conversations, 'conversation', 'conversations')} ({splits}) of {words}")
    for why, number in sorted(done.left_out.items()):
        tell(f"{number} left out: {why}")
    return done


def chosen(dataset: Path, settings: "Settings", split: str, tag: str) -> "tuple[Case, ...]":
    """Return the conversations of a data set that are asked for."""
    from sidecar.evaluate.dataset import load

    if split not in SPLITS:
        raise PermanentError(f"there is no split {split!r}; there are {', '.join(SPLITS)}")
    cases = load(dataset, settings.policy())
    found = tuple(c for c in cases if split in (ALL, c.split) and (not tag or tag in c.tags))
    if not found:
        tags = sorted({tag for case in cases for tag in case.tags})
        raise PermanentError(
            f"none of {len(cases)} conversations is of split {split!r} and tag {tag!r}: {', '.join(tags)}"
        )
    return found


def _measured(
    settings: "Settings",
    wanted: "Sequence[Wanted]",
    cases: "tuple[Case, ...]",
    told: _Told,
    *,
    yes: bool,
    as_json: bool,
) -> "list[Measured]":
    from sidecar.app import utc_now
    from sidecar.app.trying import side
    from sidecar.evaluate import Kept, Purse
    from sidecar.pipeline.answers import Answers

    names = (FIRST, SECOND) if len(wanted) > 1 else ("",)
    sides = [side(settings, one, utc_now, name) for one, name in zip(wanted, names, strict=True)]
    paid = [one for one in sides if not one.llm.capabilities.offline]
    held = Answers()
    max_usd = (settings.llm.daily_usd or inf) if told.max_usd is None else told.max_usd
    if paid:
        _agreed(paid, cases, told, max_usd, yes=yes, as_json=as_json)
        file = told.answers or settings.base / ANSWERS
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = Answers(file)
    purse = Purse(max_usd)
    found = []
    for one in sides:
        rounds = _rounds(one, cases, settings.base / TICKETS) if told.is_batch and one in paid else None
        found.append(_run(one, cases, Kept(purse, held, rounds=rounds), told))
    if paid:
        asked = many(purse.asked, "question", "questions")
        tell(f"{asked} asked for ${purse.spent_usd:.4f}, {purse.found} answered before.")
    return found


def _rounds(one: "Side", cases: "tuple[Case, ...]", file: Path) -> Any:
    """Return the rounds by which a model is asked that takes questions together; one that doesn't says so."""
    from threading import Event

    from sidecar.evaluate import members
    from sidecar.pipeline.rounds import Rounds
    from sidecar.ports import batches

    batches(one.llm)
    return Rounds(members(cases), file, sleep=Event().wait)


def _agreed(
    paid: "list[Side]", cases: "tuple[Case, ...]", told: _Told, max_usd: float, *, yes: bool, as_json: bool
) -> None:
    """Say what it would cost and where it ends, and ask."""
    from sidecar.evaluate import estimate

    usd = 0.0
    for one in paid:
        much = estimate(one, cases, repeat=told.repeat)
        usd += much.usd
        hard = f"; {one.llm.stronger.model} reads the hard cases again, for more" if one.llm.stronger else ""
        tell(f"{one.llm.model}: {len(cases)} conversations, about {much.calls} questions and ${much.usd:.4f}{hard}")
    end = f"It ends at ${max_usd:g} (--max-usd)." if max_usd < inf else "Nothing bounds it but --max-usd."
    tell(f"Answers that were kept cost nothing again. {end}")
    if told.looks_only:
        raise typer.Exit
    if usd:
        ask(f"Spend about ${usd:.2f}?", yes=yes, as_json=as_json)


def _run(one: "Side", cases: "tuple[Case, ...]", kept: Any, told: _Told) -> "Measured":
    from sidecar.evaluate import evaluate

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = console(sys.stderr)
    at_once = 1 if one.llm.capabilities.offline else told.concurrency
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        task = progress.add_task(one.name or one.llm.model, total=len(cases))

        def done(number: int) -> None:
            progress.update(task, completed=number)

        return evaluate(one, cases, kept, repeat=told.repeat, concurrency=at_once, told=done)


def _bounds(floors: list[str] | None, gate: Path | None, max_drop: float, split: str) -> Any:
    """Return what says which figures of a report fall short."""
    from sidecar.evaluate import gate as gates

    asked = gates.floors(floors or [])

    def fallen(report: "Report") -> "list[Fall]":
        found = gates.held_to(report, asked)
        return found + (gates.held_against(report, split, gate, max_drop) if gate else [])

    return fallen


def _tell_all(
    measured: "list[Measured]", dataset: Path, split: str, page: Path | None, fallen: Any, *, as_json: bool
) -> None:
    from sidecar.evaluate.page import html
    from sidecar.evaluate.report import compare, report
    from sidecar.files import write

    found = [report(one) for one in measured]
    compared = compare(*measured) if len(measured) > 1 else None
    falls = fallen(found[-1])
    title = f"{dataset.name}, {'both splits' if split == ALL else split}"
    if page:
        write(page, html(found[0], title, other=found[1] if compared else None, compared=compared))
    if as_json:
        others = {"against": found[1], "compared": compared} if compared else {}
        emit({"dataset": dataset.name, "split": split, "report": found[0], **others, "fallen": [str(f) for f in falls]})
    else:
        _show(found, compared, title)
        if page:
            show(f"The matrix, the intervals and the mistakes: {page}")
    for fall in falls:
        tell(f"sidecar: {fall}")
    if falls:
        raise typer.Exit(FAILED)


def _show(found: "list[Report]", compared: "Comparison | None", title: str) -> None:
    from sidecar.evaluate.page import ordered, shown

    first = found[0]
    for one in found:
        who, spent = one.who, one.spent
        words = (who.name, who.prompt, who.version[:12], who.llm, who.model, who.effort)
        read = f"{many(one.n, 'conversation', 'conversations')} read by {' '.join(word for word in words if word)}"
        show(f"{title}: {read}, {spent.calls} calls, ${spent.usd:.4f}")
    if compared:
        _show_compared(compared)
    else:
        made = table("figure", "value>", "95 % interval>")
        for name, held in ordered(first.figures).items():
            add(made, name, shown(name, held.value), f"{shown(name, held.low)} to {shown(name, held.high)}")
        show(made, "")
        _show_matrix(first)
        _show_slices(first)
    wrong = len({mistake.case for mistake in first.mistakes})
    show(
        f"{many(len(first.mistakes), 'field', 'fields')} of {wrong} conversations came out wrong: see --html or --json"
    )
    for case, problem in first.problems.items():
        tell(f"{case} could not be read: {problem}")


def _show_compared(compared: "Comparison") -> None:
    from sidecar.evaluate.page import ordered, points, shown, verdict

    made = table("figure", "first>", "second>", "difference>", "p>", "")
    for name, held in ordered(compared.differences).items():
        low, high = (points(name, bound).removesuffix(" points") for bound in (held.low, held.high))
        by = points(name, held.by), f"{low} to {high}"
        add(made, name, shown(name, held.first), shown(name, held.second), by, f"{held.p:.3f}", verdict(name, held))
    stage = compared.stage
    show(
        made, "",
        f"Stage, by McNemar's exact test: {stage.first_only} right on the first side alone, {stage.second_only} on the "
        f"second, p = {stage.p:.3f}",
    )  # fmt: skip


def _show_matrix(report: "Report") -> None:
    values = report.matrix.values
    numbers = range(1, len(values) + 1)
    title = "Stages: a row is what was labelled, a column what was believed"
    made = table("", *(f"{number}>" for number in numbers), title=title)
    for at, value, row in zip(numbers, values, report.matrix.rows, strict=True):
        add(made, f"{at} {value}", *(number or "" for number in row))
    show(made, "")


def _show_slices(report: "Report") -> None:
    from sidecar.evaluate.page import shown

    columns = {
        "stage": "stage.accuracy", "fields": "fields.f1", "overfilled": "fields.overfilled", "steps": "steps.f1",
        "flips": "injection.flips",
    }  # fmt: skip
    made = table("of", "", "n>", *(f"{name}>" for name in columns))
    for kind, held in report.slices.items():
        for name, one in sorted(held.items(), key=lambda pair: (-pair[1].n, pair[0]))[:SHOWN_TAGS]:
            add(made, kind, name, one.n, *(shown(figure, one.figures.get(figure)) for figure in columns.values()))
    show(made, "")
