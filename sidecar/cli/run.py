"""`run`: one round of everything, for cron, for demos, and, with --dry-run, to see what would be written.

A dry run polls, reads and decides like any other, and the book keeps that; only the CRM is left alone. What is due to
be written stays due, so a later run writes it, and here it is only looked at: planned against a fresh reading and
shown with each refusal's reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sidecar.cli.render import add, emit, many, plain, show, table
from sidecar.cli.session import AsJson, example, session

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.model import Record, Standing, Value
    from sidecar.pipeline.sight import Sight
    from sidecar.sync import Plan

MAX_LOOKS = 1_000
EVER_S = 10 * 366 * 86_400.0
DESK = "desk:"


@dataclass(frozen=True, slots=True)
class Would:
    """One value that would be written, or would not and why; its fields are the keys of the JSON."""

    party: str
    name: str
    record: str
    ref: str | None
    field: str
    old: "Value"
    new: "Value"
    refused: str


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    epilog = example("sidecar run --until-idle", "sidecar --dry-run run --until-idle --no-wait --json")
    app.command("run", epilog=epilog)(_run)


def _run(
    ctx: typer.Context,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when nothing is due any more.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Don't wait until a conversation is quiet.")] = False,
    timeout_s: Annotated[float, typer.Option("--timeout-s", min=1, max=86_400, help="Give up after that.")] = 3_600,
    as_json: AsJson = False,
) -> None:
    """Poll each channel and the CRM once, do all that is due, and end."""
    if not until_idle:
        raise typer.BadParameter("say --until-idle; what runs for good is `sidecar serve`")
    with session(ctx).open(wait=not no_wait, secrets=True) as app:
        before = app.journal.counts()["facts"]
        done = app.run_until_idle(timeout_s=timeout_s)
        result = _result(app, done, before)
        if app.dry_run:
            result["would"] = list(would_be(app))
    if as_json:
        emit(result)
    else:
        _print(result)


def would_be(app: "App") -> Iterator[Would]:
    """Yield what the due syncs would write, and what they would not, journaling nothing."""
    from sidecar.model import WorkKind

    steps = app.pipeline.ledger
    for key in app.journal.due(MAX_LOOKS, [WorkKind.SYNC], 0.0 if app.wait else EVER_S):
        standing = steps.standing(key.key)
        if standing is not None:
            yield from _planned(standing, *steps.look(standing))


def _planned(standing: "Standing", sight: "Sight", plan: "Plan") -> Iterator[Would]:
    found: dict[str, Record] = {key: look.found for key, look in sight.looks.items() if look.found}
    name = standing.name or standing.party

    def would(kind: str, key: str, field: str, new: "Value", refused: str = "") -> Would:
        record = found.get(key)
        old = record.fields.get(field) if record else None
        return Would(standing.party, name, kind, record.ref if record else None, field, old, new, refused)

    for record in plan.records:
        for field, value in record.fields().items():
            yield would(record.wanted.kind, record.wanted.key, field, value)
    for refused in plan.refused:
        yield would(refused.kind, refused.key, refused.field, refused.value, refused.reason)
    for question in sight.questions:
        yield Would(standing.party, name, "", None, "", None, None, question)


def _result(app: "App", done: int, before: int) -> dict[str, Any]:
    states: dict[str, int] = {}
    for (_, state), count in app.journal.work_counts().items():
        states[state] = states.get(state, 0) + count
    return {
        "dry_run": app.dry_run,
        "done": done,
        "facts": app.journal.tally(before),
        "parked": states.get("parked", 0),
        "waiting": states.get("waiting", 0),
        "due": states.get("due", 0),
    }


def _print(result: dict[str, Any]) -> None:
    news = ", ".join(f"{count} {kind}" for kind, count in result["facts"].items()) or "nothing new"
    done = many(result["done"], "piece", "pieces")
    show(f"{done} of work done; new in the book: {news}.")
    if result["waiting"]:
        show(f"{result['waiting']} not due yet, as a rule until a conversation is quiet (or --no-wait): sidecar work")
    if result["parked"]:
        show(f"{result['parked']} parked, which need a person: sidecar work --state parked")
    if result["dry_run"]:
        _print_would(result["would"])


def _print_would(found: list[Would]) -> None:
    writes = [w for w in found if not w.refused]
    made = table("who", "record", "field", "in the CRM", "would be", "why not")
    for w in found:
        record = f"{w.record}:{w.ref}" if w.ref else f"new {w.record}" if w.record and not w.refused else w.record
        add(made, w.name, record, w.field, plain(w.old, 80), plain(w.new, 80), w.refused)
    if found:
        show(made)
    values = many(len(writes), "value", "values")
    show(f"Dry run: {values} would be written; the CRM was not touched, and what is due stays due.")
