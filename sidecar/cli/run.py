"""`run`: one round of everything, for cron, for demos, and, with --dry-run, to see what would be written.

A dry run polls, reads and decides like any other, and the book keeps that; only the CRM is left alone. What is due to
be written stays due, so a later run writes it, and here it is only looked at: planned against a fresh reading and
shown with each refusal's reason. Below the top of the mode ladder all relationships are looked at, and what only the
mode keeps back is shown with the rung that it takes.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sidecar.cli.render import add, console, emit, many, plain, show, table
from sidecar.cli.session import AsJson, example, session

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.model import Standing
    from sidecar.pipeline.preview import Would

MAX_LOOKS = 1_000
MAX_ROWS = 500
EVER_S = 10 * 366 * 86_400.0


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    epilog = example("sidecar run --until-idle", "sidecar --dry-run run --until-idle --no-wait --json")
    app.command("run", epilog=epilog)(_run)


def _run(
    ctx: typer.Context,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when nothing is due any more.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Don't wait until a conversation is quiet.")] = False,
    batch: Annotated[
        bool, typer.Option("--batch", help="Read by the model's batches: half the price with Anthropic, and hours.")
    ] = False,
    timeout_s: Annotated[float, typer.Option("--timeout-s", min=1, max=86_400, help="Give up after that.")] = 3_600,
    as_json: AsJson = False,
) -> None:
    """Poll each channel and the CRM once, do all that is due, and end."""
    if not until_idle:
        raise typer.BadParameter("say --until-idle; what runs for good is `sidecar serve`")
    with session(ctx).open(wait=not no_wait, secrets=True) as app:
        before = app.journal.counts()["facts"]
        done = _by_batches(app) if batch else 0
        done += app.run_until_idle(timeout_s=timeout_s)
        result = _result(app, done, before)
        quiet_s = app.settings.inference.quiet_s
        if app.dry_run:
            with console(sys.stderr).status("Looking at the CRM") as status:
                found, left_off = would_be(app, lambda looked: status.update(f"Looked at {looked} relationships"))
            result |= {"would": found, "left_off": left_off}
    if as_json:
        emit(result)
    else:
        _print(result)
        if result["unquiet"]:
            show(_unquiet(result["unquiet"], quiet_s))


def _unquiet(number: int, quiet_s: float) -> str:
    """Say what to do about conversations that are left unread, for somebody who waited for them to be read."""
    are = "conversation is" if number == 1 else "conversations are"
    return (
        f"{number} {are} not read yet: each waits until nothing new has come for {quiet_s:g} s. Run this again then, "
        "or add --no-wait to read now; `sidecar serve` reads by itself."
    )


def _by_batches(app: "App") -> int:
    """Read what is due by batches, and say how far that is."""
    from threading import Event

    from sidecar.app.batched import read_in_rounds

    with console(sys.stderr).status("Handing in questions") as status:
        return read_in_rounds(app, sleep=Event().wait, told=lambda done: status.update(f"{done} pieces of work done"))


def would_be(app: "App", told: Callable[[int], None] = lambda looked: None) -> "tuple[list[Would], int]":
    """Return what syncs would write and would not, journaling nothing, and how many relationships were left off.

    Those whose sync is due are shown whole; of the others what only the mode keeps back.
    """
    from sidecar.pipeline.preview import below_the_top, preview

    parts, due = app.pipeline.parts, _due(app)
    looked = due[:MAX_LOOKS]
    rows, cut = list(preview(parts, looked, told)), len(due) > MAX_LOOKS
    if below_the_top(app.policy_now()):
        taken = {standing.party for standing in due}
        others = [s for s in app.journal.inbox(MAX_LOOKS + 1) if s.party not in taken and not s.merged_into]
        rest, so_far = others[: MAX_LOOKS - len(looked)], len(looked)
        rows += (w for w in preview(parts, rest, lambda looked: told(so_far + looked)) if w.at)
        looked, cut = [*looked, *rest], cut or len(others) > len(rest)
    return rows, max(1, app.journal.counts()["parties"] - len(looked)) if cut else 0


def _due(app: "App") -> "list[Standing]":
    from sidecar.model import WorkKind

    steps = app.pipeline.ledger
    keys = app.journal.due(MAX_LOOKS + 1, [WorkKind.SYNC], 0.0 if app.wait else EVER_S)
    return [standing for key in keys if (standing := steps.standing(key.key)) is not None]


def _result(app: "App", done: int, before: int) -> dict[str, Any]:
    from sidecar.model import WorkKind

    waiting = app.journal.work("waiting", limit=MAX_LOOKS)
    states: dict[str, int] = {}
    for (_, state), count in app.journal.work_counts().items():
        states[state] = states.get(state, 0) + count
    return {
        "dry_run": app.dry_run,
        "done": done,
        "facts": app.journal.tally(before),
        "parked": states.get("parked", 0),
        "waiting": states.get("waiting", 0),
        "unquiet": sum(row.work.kind is WorkKind.PARTY and not (row.waits_for or row.attempts) for row in waiting),
        "due": states.get("due", 0),
        "paused": {scope: pause.reason for scope, pause in app.journal.paused().items()},
    }


def _print(result: dict[str, Any]) -> None:
    news = ", ".join(f"{count} {kind}" for kind, count in result["facts"].items()) or "nothing new"
    done = many(result["done"], "piece", "pieces")
    if not result["dry_run"]:
        show(f"{done} of work done; new in the book: {news}.")
    elif result["facts"]:
        show(f"Read first, which writes into the journal alone: {done} of work; new in the book: {news}.")
    if others := result["waiting"] - result["unquiet"]:
        show(f"{others} not due yet: `sidecar work` says why")
    for scope, reason in sorted(result["paused"].items()):
        show(f"{plain(scope)} is paused: {plain(reason)}")
    if result["parked"]:
        show(f"{result['parked']} parked, which need a person: sidecar work --state parked")
    if result["dry_run"]:
        print_would(result["would"])
        values = many(sum(not w.refused for w in result["would"]), "value", "values")
        show(f"Dry run: {values} would be written; the CRM was not touched, and what is due stays due.")
        if waiting := sum(bool(w.at) for w in result["would"]):
            show(f"{many(waiting, 'value waits', 'values wait')} for a higher mode: sidecar mode")
        if result["left_off"]:
            show(f"{result['left_off']} more relationships were not looked at.")


def print_would(found: "list[Would]") -> None:
    """Print what would be written, then what would not and why, record by record, so many values at most."""
    ranked = sorted(found, key=lambda w: (bool(w.refused), not w.at))[:MAX_ROWS]
    groups: dict[str, list[Would]] = {}
    for w in ranked:
        record = f"{w.record}:{w.ref}" if w.ref else f"new {w.record}" if w.new_record else w.record
        why_not = f"{w.refused}: written at {w.at}" if w.at else w.refused
        title = f"{plain(w.name)}, {record}" + (f" - not written, {why_not}" if why_not else "")
        groups.setdefault(title, []).append(w)
    width = max((len(w.field) for w in ranked), default=0)
    for title, rows in groups.items():
        show(title)
        made = table("", "field", "would be", whole=("field",))
        made.show_header, made.columns[1].min_width = False, width
        for w in rows:
            new = plain(w.new, 80) or "(empty)"
            add(made, "", w.field, new if w.old is None else f"{plain(w.old, 80)} -> {new}")
        show(made)
    if len(found) > MAX_ROWS:
        show(f"and {len(found) - MAX_ROWS} more rows: --json has them all")
