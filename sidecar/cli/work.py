"""Work: what is due, running, waiting or parked, and how a person lets parked work be tried again."""

from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from sidecar.cli.render import add, emit, many, moment, show, table
from sidecar.cli.session import AsJson, Limit, example, session
from sidecar.errors import PermanentError

MAX_RETRIED = 10_000


class State(StrEnum):
    """States of work that can be asked for."""

    DUE = "due"
    RUNNING = "running"
    WAITING = "waiting"
    PARKED = "parked"
    DONE = "done"


UNDONE = (State.PARKED, State.RUNNING, State.DUE, State.WAITING)


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    epilog = example(
        "sidecar work --state parked", "sidecar work --retry parse delivery-3fa2c1...", "sidecar work --retry-all"
    )
    app.command("work", epilog=epilog)(_work)


def _work(
    ctx: typer.Context,
    state: Annotated[State | None, typer.Option("--state", help="Only work in this state.")] = None,
    retry: Annotated[
        tuple[str, str] | None, typer.Option("--retry", metavar="KIND KEY", help="Try this parked work again.")
    ] = None,
    retry_all: Annotated[bool, typer.Option("--retry-all", help="Try all parked work again.")] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show work that is not done, why what is parked was parked, and what the rest waits for."""
    retries = retry is not None or retry_all
    with session(ctx, writes=retries).open() as app:
        if retries:
            _again(app, retry, as_json=as_json)
            return
        rows = app.journal.work(*((state,) if state else UNDONE), limit=limit)
        counts = app.journal.work_counts()
        zone = ZoneInfo(app.settings.own_section.timezone)
    if as_json:
        tally = [{"kind": kind, "state": held, "count": n} for (kind, held), n in sorted(counts.items())]
        emit({"work": [_row(row) for row in rows], "counts": tally})
        return
    made = table("state", "kind", "key", "tries>", "due", "not before", "reason")
    for row in rows:
        held = row.parked_reason or (row.waits_for if row.state == State.WAITING else None)
        reason = (held or "").partition("\n")[0]
        due, not_before = moment(row.due_at, zone), moment(row.not_before, zone)
        add(made, row.state, row.work.kind.value, row.work.key, row.attempts, due, not_before, reason)
    show(made if rows else "Nothing is left to do.")


def _again(app: Any, retry: tuple[str, str] | None, *, as_json: bool) -> None:
    from sidecar.model import WorkKey, WorkKind

    if retry is None:
        keys = [row.work for row in app.journal.work("parked", limit=MAX_RETRIED)]
    elif retry[0] not in {kind.value for kind in WorkKind}:
        raise PermanentError(f"there is no kind {retry[0]!r}; known are {', '.join(kind.value for kind in WorkKind)}")
    else:
        keys = [WorkKey(WorkKind(retry[0]), retry[1])]
    retried = [key for key in keys if app.journal.retry(key)]
    if retry is not None and not retried:
        raise PermanentError("that work isn't parked; `sidecar work --state parked` lists what is")
    if as_json:
        emit({"retried": [{"kind": key.kind.value, "key": key.key} for key in retried]})
    else:
        pieces = many(len(retried), "piece", "pieces")
        show(f"{pieces} will be tried again: by the running server, or by sidecar run --until-idle")


def _row(row: Any) -> dict[str, Any]:
    return {
        "kind": row.work.kind.value,
        "key": row.work.key,
        "state": row.state,
        "attempts": row.attempts,
        "due_at": row.due_at,
        "not_before": row.not_before,
        "parked_reason": row.parked_reason,
        "waits_for": row.waits_for,
    }
