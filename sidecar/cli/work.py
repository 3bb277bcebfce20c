"""Work: what is due, running, waiting or parked, and how a person has parked work tried again, or dismisses it."""

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from sidecar.cli.render import add, emit, many, moment, show, table
from sidecar.cli.session import AsJson, By, Limit, example, session, whoami
from sidecar.errors import PermanentError

if TYPE_CHECKING:
    from sidecar.model import WorkKey, WorkRow

MAX_RETRIED = 10_000
STANDING = ("poll", "watch")
"""Kinds of work that nothing would make due again: a channel would stop without a word."""


class State(StrEnum):
    """States of work that can be asked for."""

    DUE = "due"
    RUNNING = "running"
    WAITING = "waiting"
    PARKED = "parked"
    DISMISSED = "dismissed"
    DONE = "done"


UNDONE = (State.PARKED, State.RUNNING, State.DUE, State.WAITING)


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    epilog = example(
        "sidecar work --state parked",
        "sidecar work --retry parse delivery-3fa2c1...",
        "sidecar work --retry-all",
        'sidecar work --drop parse delivery-3fa2c1... --reason "a test of ours"',
        "sidecar work --state dismissed",
    )
    app.command("work", epilog=epilog)(_work)


def _work(
    ctx: typer.Context,
    state: Annotated[State | None, typer.Option("--state", help="Only work in this state.")] = None,
    retry: Annotated[
        tuple[str, str] | None, typer.Option("--retry", metavar="KIND KEY", help="Try this again, parked or dismissed.")
    ] = None,
    retry_all: Annotated[bool, typer.Option("--retry-all", help="Try all parked work again.")] = False,
    drop: Annotated[
        tuple[str, str] | None,
        typer.Option("--drop", metavar="KIND KEY", help="Dismiss this parked work; --retry takes that back."),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why it is dismissed, for whoever asks later.")] = "",
    by: By = "",
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show work that is not done, why what is parked was parked, and what the rest waits for.

    What is dismissed waits for nobody and sets off no alarm. It is kept, with who said so, when and why; news about it,
    such as another message of that party, have it done all the same.
    """
    retries = retry is not None or retry_all
    if drop is not None and (retries or not reason.strip()):
        raise PermanentError("--drop needs a --reason, and nothing is dismissed and tried again at once")
    with session(ctx, writes=retries or drop is not None).open() as app:
        if drop is not None:
            _dismiss(app, drop, reason.strip(), by or whoami(), as_json=as_json)
            return
        if retries:
            _again(app, retry, as_json=as_json)
            return
        rows = app.journal.work(*((state,) if state else UNDONE), limit=limit)
        counts = app.journal.work_counts()
        zone = ZoneInfo(app.settings.own_section.timezone)
    if as_json:
        tally = [{"kind": kind, "state": held, "count": n} for (kind, held), n in sorted(counts.items())]
        emit({"work": [_row(row) for row in rows], "counts": tally})
    else:
        _show(rows, zone)


def _show(rows: Sequence["WorkRow"], zone: ZoneInfo) -> None:
    made = table("state", "kind", "key", "tries>", "due", "not before", "reason")
    for row in rows:
        due, not_before = moment(row.due_at, zone), moment(row.not_before, zone)
        why = _why(row, zone).partition("\n")[0]
        add(made, row.state, row.work.kind.value, row.work.key, row.attempts, due, not_before, why)
    show(made if rows else "Nothing is left to do.")


def _why(row: "WorkRow", zone: ZoneInfo) -> str:
    if row.dismissal is not None:
        return f"{row.dismissal.by}, {moment(row.dismissal.at, zone)}: {row.dismissal.reason}"
    return row.parked_reason or (row.waits_for if row.state == State.WAITING else None) or ""


def _dismiss(app: Any, named: tuple[str, str], reason: str, by: str, *, as_json: bool) -> None:
    key = _key(named)
    if key.kind in STANDING:
        raise PermanentError(f"a {key.kind.value} comes back for ever: mend what stops it, then --retry")
    if not app.journal.dismiss(key, by, reason):
        raise PermanentError("that work isn't parked; `sidecar work --state parked` lists what is")
    if as_json:
        emit({"dismissed": [{"kind": key.kind.value, "key": key.key}]})
    else:
        show("It waits for nobody any more; `sidecar work --state dismissed` lists it, --retry takes that back")


def _again(app: Any, retry: tuple[str, str] | None, *, as_json: bool) -> None:
    keys = [row.work for row in app.journal.work("parked", limit=MAX_RETRIED)] if retry is None else [_key(retry)]
    retried = [key for key in keys if app.journal.retry(key)]
    if retry is not None and not retried:
        raise PermanentError("that work isn't parked; `sidecar work --state parked` lists what is")
    if as_json:
        emit({"retried": [{"kind": key.kind.value, "key": key.key} for key in retried]})
    else:
        pieces = many(len(retried), "piece", "pieces")
        show(f"{pieces} will be tried again: by the running server, or by sidecar run --until-idle")


def _key(named: tuple[str, str]) -> "WorkKey":
    from sidecar.model import WorkKey, WorkKind

    kind, key = named
    if kind not in {known.value for known in WorkKind}:
        raise PermanentError(f"there is no kind {kind!r}; known are {', '.join(known.value for known in WorkKind)}")
    return WorkKey(WorkKind(kind), key)


def _row(row: "WorkRow") -> dict[str, Any]:
    return {
        "kind": row.work.kind.value,
        "key": row.work.key,
        "state": row.state,
        "attempts": row.attempts,
        "due_at": row.due_at,
        "not_before": row.not_before,
        "parked_reason": row.parked_reason,
        "waits_for": row.waits_for,
        "dismissed": None if row.dismissal is None else asdict(row.dismissal),
    }
