"""Labels: a team's own data set out of people's words, in a spreadsheet where they like; and this week's samples.

A sample is a believed value that was drawn at random for a person to judge, since what nobody edited isn't right for
that. The answer is a fact in the book and changes no belief: what is wrong in the CRM is put right there.
"""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from sidecar.cli.evaluate import Dataset, collected
from sidecar.cli.render import add, emit, many, moment, plain, short, show, table, tell
from sidecar.cli.session import AsJson, By, example, find_id, session, whoami
from sidecar.errors import ConfigError, PermanentError

if TYPE_CHECKING:
    from sidecar.app.samples import Sampled

QUOTE_CHARS = 160
MAX_SHEET_BYTES = 64_000_000

OutFile = Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help="The data set to write, *.jsonl.")]
Csv = Annotated[Path, typer.Argument(metavar="CSV", dir_okay=False, help="The sheet, *.csv.")]
Draw = Annotated[int, typer.Option("--n", min=0, max=50, help="Draw so many values of each field now, too.")]
SampleId = Annotated[str, typer.Argument(metavar="SAMPLE", help="The sample's id, or its beginning.")]
Answer = Annotated[str, typer.Argument(metavar="ANSWER", help="confirm or refute.")]
Right = Annotated[str | None, typer.Option("--value", help="What is right instead.")]


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    family = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
    family.command("sample", epilog=example("sidecar label sample", "sidecar label sample --n 3"))(_sample)
    lines = "sidecar label answer decision-3fa2c1 confirm", "sidecar label answer decision-3fa2c1 refute --value booked"
    family.command("answer", epilog=example(*lines))(_answer)
    family.command("collect", epilog=example("sidecar label collect ours.jsonl"))(_collect)
    family.command("export", epilog=example("sidecar label export ours.jsonl labels.csv"))(_export)
    family.command("import", epilog=example("sidecar label import ours.jsonl labels.csv better.jsonl"))(_import)
    app.add_typer(family, name="label", help="Collect labels for `eval`, edit them in a sheet, and judge samples.")


def _sample(ctx: typer.Context, number: Draw = 0, as_json: AsJson = False) -> None:
    """Show believed values that wait for a person to say whether they are right."""
    from sidecar.app.samples import Samples

    with session(ctx, writes=bool(number)).open() as app:
        samples = Samples(app)
        waiting = samples.draw(number) if number else samples.waiting()
        per_field = app.settings.quality.sample_per_field
        zone = ZoneInfo(app.settings.own_section.timezone)
    if as_json:
        emit({"samples": waiting, "sample_per_field": per_field})
        return
    _show(waiting, zone)
    if not per_field:
        tell("None are drawn by themselves: quality.sample_per_field is 0. Draw now: sidecar label sample --n 3")


def _show(waiting: "list[Sampled]", zone: ZoneInfo) -> None:
    made = table("sample", "who", "field", "believed", "since", "words", airy=True)
    for one in waiting:
        words = tuple(f"“{plain(quote, QUOTE_CHARS)}”" for quote in one.quotes) or ("",)
        who = one.name or short(one.party)
        add(made, short(one.decision), who, one.field, plain(one.value, QUOTE_CHARS), moment(one.at, zone), words)
    show(made if waiting else "No sample waits.")
    if waiting:
        show("Is it right? sidecar label answer SAMPLE confirm, or refute --value WHAT")


def _answer(
    ctx: typer.Context,
    sample: SampleId,
    answer: Answer,
    value: Right = None,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Say whether a sampled value is right, and what is right if it isn't."""
    from sidecar.app.samples import Samples

    with session(ctx, writes=True).open() as app:
        made = Samples(app).answer(find_id(app.journal, sample, "decision"), answer, by or whoami(), value)
        left = len(Samples(app).waiting())
    if as_json:
        emit({"release": made.id, "action": made.action, "field": made.field, "value": made.value, "waiting": left})
        return
    show(f"Noted: {made.field}, {made.action}. {many(left, 'sample waits', 'samples wait')}.")
    if made.action == "refute":
        show("Nothing is changed by that: put it right in the CRM, where a person's edit stands.")


def _collect(ctx: typer.Context, file: OutFile, as_json: AsJson = False) -> None:
    """Write a data set of what people corrected, approved, rejected, confirmed and refuted."""
    done = collected(session(ctx), file)
    told = {"conversations": done.conversations, "splits": done.splits, "words": done.words, "left_out": done.left_out}
    if as_json:
        emit(told)
    else:
        show(f"Measure with it: sidecar eval {file}; edit it in a sheet: sidecar label export {file} labels.csv")


def _export(ctx: typer.Context, dataset: Dataset, sheet: Csv, as_json: AsJson = False) -> None:
    """Write a data set's labels as a sheet, with an empty line for each field that has none."""
    from sidecar.evaluate.dataset import load
    from sidecar.evaluate.sheet import exported
    from sidecar.files import write

    policy = session(ctx).settings().policy()
    cases = load(dataset, policy)
    write(sheet, exported(dataset, policy))
    if as_json:
        emit({"conversations": len(cases), "sheet": str(sheet)})
    else:
        show(f"{sheet}: {many(len(cases), 'conversation', 'conversations')}")


def _import(ctx: typer.Context, dataset: Dataset, sheet: Csv, out: OutFile, as_json: AsJson = False) -> None:
    """Write a data set with the labels of a sheet in place of its own, if all of them can be right."""
    from sidecar.evaluate.dataset import load
    from sidecar.evaluate.sheet import imported

    if out.suffix != ".jsonl" or out == dataset:
        raise PermanentError("the labelled data set is written beside the old one, as *.jsonl")
    beside = out.with_name(f".{out.stem}.checked.jsonl")
    try:
        number = imported(dataset, _text(sheet), beside)
        cases = load(beside, session(ctx).settings().policy())
        beside.replace(out)
    except ConfigError as error:
        raise ConfigError(_placed(str(error), beside, sheet)) from None
    finally:
        beside.unlink(missing_ok=True)
    if as_json:
        emit({"labelled": number, "conversations": len(cases), "dataset": str(out)})
    else:
        show(f"{out}: {many(len(cases), 'conversation', 'conversations')}, {number} of them labelled by the sheet")


def _placed(faults: str, beside: Path, sheet: Path) -> str:
    """Name the conversation by its id, as the sheet does, and not the line of a file that nobody sees."""
    if not beside.exists():
        return faults
    ids = [str(json.loads(line).get("id", "")) for line in beside.read_text().splitlines()]
    place = re.compile(rf"^{re.escape(beside.name)}:(\d+)", re.MULTILINE)
    return place.sub(lambda found: f"{sheet.name}: {ids[int(found[1]) - 1]}", faults)


def _text(sheet: Path) -> str:
    try:
        if sheet.stat().st_size > MAX_SHEET_BYTES:
            raise ConfigError(f"{sheet} is too large for a sheet")
        return sheet.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{sheet} can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{sheet} is not UTF-8: save it as CSV UTF-8") from None
