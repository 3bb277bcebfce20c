"""Channels: which of them brings what, how late, and against what is usual; the figures by which alarms are raised.

It reads sums that the book keeps, and no message, so it answers as fast after a year as on the first day. Whether the
other side can be reached is for `sidecar check`. With `--moved` it takes a person's word that a channel whose settings
name another source reads the same one as before; what follows from that stands in `app.moving`.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from sidecar.cli.render import add, emit, moment, plain, show, table
from sidecar.cli.session import AsJson, example, session

if TYPE_CHECKING:
    from sidecar.app.health import ChannelHealth

REASON_CHARS = 300


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    lines = ("sidecar channels", "sidecar channels --json", "sidecar channels --moved mail")
    app.command("channels", epilog=example(*lines))(_channels)


def _channels(
    ctx: typer.Context,
    moved: Annotated[
        str,
        typer.Option(
            "--moved", metavar="NAME", help="This channel's source is the same one and has moved: read it anew."
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show how each channel fares: what it brought, how late, how much of what is usual, and what is wrong with it."""
    if moved:
        _moved(ctx, moved, as_json=as_json)
        return
    from sidecar.app.alarms import told_of

    with session(ctx).open() as app:
        found, now = app.conditions.health.now(), app.journal.now()
        complaints: dict[str, list[str]] = {}
        for rule, subject, summary, _ in app.conditions.health.complaints(told_of(app.journal)):
            complaints.setdefault(subject, []).append(f"{rule}: {summary}")
        zone = ZoneInfo(app.settings.own_section.timezone)
    rows = [_row(health, complaints.get(f"channel:{health.name}", [])) for health in found]
    if as_json:
        emit({"at": now, "channels": rows})
        return
    made = table(
        "channel", "last", "lag p50", "p95", "today>", "usual by now", "polled", "push until", "unread>", "state"
    )
    for health, row in zip(found, rows, strict=True):
        ends = min(health.subscriptions.values(), default=None)
        add(
            made, health.name, moment(health.last_seen_at, zone), _span(health.lag_p50_s), _span(health.lag_p95_s),
            health.today, _usual(health), _ago(health, now), moment(ends, zone), health.unread, _state(row),
        )  # fmt: skip
    show(made if found else "No channel is configured.")
    if found:
        show("Lags, unread and unreadable ones are of the last 24 hours.")


def _moved(ctx: typer.Context, name: str, *, as_json: bool) -> None:
    from sidecar.app.moving import moved

    with session(ctx, writes=True).open() as app:
        was, now = moved(app, name)
    if as_json:
        emit({"channel": name, "was": was, "now": now}, indent=None)
    else:
        show(f"{plain(name)} was {plain(was)} and is {plain(now)}. Its next poll begins where its first did.")


def _row(health: "ChannelHealth", complaints: list[str]) -> dict[str, Any]:
    return {
        "channel": health.name,
        "type": health.type,
        "last_seen_at": health.last_seen_at,
        "lag_p50_s": health.lag_p50_s,
        "lag_p95_s": health.lag_p95_s,
        "today": health.today,
        "expected_by_now": health.expected_by_now,
        "expected_today": health.expected_today,
        "weeks_known": health.weeks,
        "missed": health.missed,
        "polled_at": health.polled_at,
        "is_polling": health.is_polling,
        "failure": health.failure,
        "paused": health.paused,
        "subscriptions": health.subscriptions,
        "deliveries_of_a_day": health.deliveries,
        "unread_of_a_day": health.unread,
        "unreadable_of_a_day": health.unreadable,
        "unreadable_share": round(health.unreadable_share, 4),
        "complaints": complaints,
    }


def _state(row: dict[str, Any]) -> tuple[str, ...]:
    """What is wrong, one line each; well where nothing is."""
    paused = [f"paused: {row['paused']}"] if row["paused"] else []
    is_told = row["complaints"] or (row["failure"] and row["failure"] in (row["paused"] or ""))
    failing = [f"failing: {row['failure']}"] if row["failure"] and not is_told else []
    lines = [*paused, *row["complaints"], *failing] or ["polling" if row["is_polling"] else "well"]
    return tuple(plain(line, REASON_CHARS) for line in lines)


def _usual(health: "ChannelHealth") -> str:
    if health.expected_by_now is None:
        return f"not known yet ({health.weeks} of 3 weeks)"
    return f"{health.expected_by_now:g} of {health.expected_today:g}"


def _ago(health: "ChannelHealth", now: datetime) -> str:
    return f"{_span((now - health.polled_at).total_seconds())} ago" if health.polled_at else ""


def _span(seconds: float | None) -> str:
    """A duration in the largest unit that says enough."""
    if seconds is None:
        return ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
