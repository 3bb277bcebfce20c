"""Costs: what reading took, by day, model, prompt, channel, route, party or sender, beside what it may take.

It reads what the book added up when each call was written, and no call itself, so it answers as fast for a year as for
a day. Senders are hashes, there as here: the command says that one of them is loud, and its conversation says who.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from sidecar.cli.render import add, emit, many, show, table
from sidecar.cli.session import AsJson, example, session
from sidecar.errors import RejectedInput

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.journal.costs import Spent

DAYS = 30
MONTH_DAYS = 30
_FORMATS = ["%Y-%m-%d"]


class By(StrEnum):
    """What costs may be counted by."""

    DAY = "day"
    MODEL = "model"
    PROMPT = "prompt"
    CHANNEL = "channel"
    ROUTE = "route"
    PARTY = "party"
    SENDER = "sender"


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    lines = ("sidecar costs", "sidecar costs --by party --top 5", "sidecar costs --by model --since 2026-11-01 --json")
    app.command("costs", epilog=example(*lines))(_costs)


def _costs(
    ctx: typer.Context,
    by: Annotated[By, typer.Option("--by", help="Count by this.")] = By.DAY,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=_FORMATS, help=f"From this day on. Default: {DAYS} days ago.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=_FORMATS, help="Up to this day. Default: today.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, max=1_000, help="Show the dearest ones, so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what reading cost, and what is left of the day's budget."""
    with session(ctx).open() as app:
        report = _report(app, by, since.date() if since else None, until.date() if until else None, top)
    if as_json:
        emit(report)
    else:
        _print(report)


def _report(app: "App", by: By, since: date | None, until: date | None, top: int) -> dict[str, Any]:
    """Return the costs of some days, both ends included, as the JSON has them."""
    from sidecar.app.budgets import today
    from sidecar.journal.costs import TOTAL

    day, zone = today(app)
    until = until or day
    since = since or until - timedelta(days=DAYS - 1)
    if since > until:
        raise RejectedInput(f"--since {since} is later than --until {until}")
    totals = app.journal.costs(TOTAL, since, until, zone)
    found: Iterable[tuple[str, Spent]]
    if by is By.DAY:
        found = [(str(when), spent) for when, _, spent in totals]
    else:
        found = _dearest(app.journal.costs(by.value, since, until, zone))
    rows = [_row(name, spent) for name, spent in found]
    if by is By.PARTY:
        for row in rows[:top]:
            standing = app.journal.standing(row["name"])
            row["who"] = standing.name if standing else ""
    # A mean of days before anything was read would promise somebody new a thirtieth of the bill.
    days = (min(until, day) - totals[0][0]).days + 1 if totals else 0
    total = _together(spent for _, _, spent in totals)
    per_day_usd = total.usd / days if days > 0 else 0.0
    return {
        "by": by.value,
        "since": since,
        "until": until,
        "timezone": zone,
        "rows": rows[-top:] if by is By.DAY else rows[:top],
        "left_out": max(0, len(rows) - top),
        "uncounted": _uncounted(by, rows, total),
        "total": _row("", total),
        "days": days,
        "per_day_usd": round(per_day_usd, 6),
        "per_month_usd": round(per_day_usd * MONTH_DAYS, 4),
        "today": _today(app, day, zone),
        "heard": _heard(app, since, until, day, zone),
    }


def _heard(app: "App", since: date, until: date, day: date, zone: str) -> dict[str, Any]:
    """Return what hearing took in some days, and what of today's minutes is used."""
    found, today = app.journal.heard(since, until, zone), app.journal.heard(day, day, zone)
    return {
        "files": found.files,
        "minutes": round(found.minutes, 2),
        "usd": round(found.usd, 6),
        "today_minutes": round(today.minutes, 2),
        "daily_minutes": app.settings.budget().hearing.daily_minutes,
    }


def _uncounted(by: By, rows: Sequence[dict[str, Any]], total: "Spent") -> int:
    """Return how many calls an older version booked without noting by what; our own words have no sender, ever."""
    return 0 if by is By.SENDER else max(0, total.calls - sum(row["calls"] for row in rows))


def _today(app: "App", day: date, zone: str) -> dict[str, Any]:
    from sidecar.journal.costs import TOTAL

    spent = app.journal.spent(TOTAL, [""], day, zone)[""]
    usd, tokens = app.settings.budget().all
    return {
        "usd": round(spent.usd, 6),
        "daily_usd": usd,
        "tokens": spent.tokens,
        "daily_tokens": tokens,
        "calls": spent.calls,
    }


def _dearest(found: Sequence[tuple[date, str, "Spent"]]) -> list[tuple[str, "Spent"]]:
    names: dict[str, list[Spent]] = {}
    for _, name, spent in found:
        names.setdefault(name, []).append(spent)
    summed = [(name, _together(held)) for name, held in names.items()]
    return sorted(summed, key=lambda item: (-item[1].nano_usd, -item[1].tokens, item[0]))


def _together(found: Iterable["Spent"]) -> "Spent":
    from sidecar.journal.costs import Spent

    total = Spent()
    for spent in found:
        total = total.plus(spent)
    return total


def _row(name: str, spent: "Spent") -> dict[str, Any]:
    return {
        "name": name,
        "calls": spent.calls,
        "escalations": spent.escalations,
        "usd": round(spent.usd, 6),
        "input_tokens": spent.input_tokens,
        "cache_read_tokens": spent.cache_read_tokens,
        "cache_write_tokens": spent.cache_write_tokens,
        "output_tokens": spent.output_tokens,
    }


def _print(report: dict[str, Any]) -> None:
    numbers = ("calls>", "stronger>", "tokens in>", "cached>", "out>", "USD>")
    made = table(report["by"], *numbers, whole=[name.rstrip(">") for name in numbers])
    for row in report["rows"]:
        add(made, (row.get("who") or "", row["name"]), *_numbers(row))
    if report["rows"]:
        add(made, "together", *_numbers(report["total"]), style="bold")
    if report["rows"]:
        show(made)
    elif not report["total"]["calls"]:
        show(f"Nothing was read from {report['since']} to {report['until']}.")
    if report["uncounted"]:
        calls = many(report["uncounted"], "call was", "calls were")
        show(f"{calls} booked by a version that didn't note the {report['by']}.")
    if report["left_out"]:
        more = many(report["left_out"], "further row", "further rows")
        show(f"{more} left out; --top shows more.")
    mean, month = report["per_day_usd"], report["per_month_usd"]
    days = many(report["days"], "day", "days")
    show(Text(f"On average of {days} ${mean:.4f} a day, which is ${month:.2f} in {MONTH_DAYS} days."))
    show(Text(_left(report["today"])))
    if report["heard"]["files"]:
        show(Text(_listened(report["heard"])))


def _numbers(row: dict[str, Any]) -> tuple[str, ...]:
    read = row["input_tokens"] + row["cache_write_tokens"]
    tokens = (read, row["cache_read_tokens"], row["output_tokens"])
    return (f"{row['calls']}", f"{row['escalations']}", *(f"{n:,}" for n in tokens), f"{row['usd']:.4f}")


def _listened(heard: dict[str, Any]) -> str:
    """Say what was heard, beside what may be."""
    files = many(heard["files"], "voice note", "voice notes")
    told = f"Heard {files}, {heard['minutes']:.1f} minutes, for ${heard['usd']:.4f}; today {heard['today_minutes']:.1f}"
    return told + (f" of transcriber.daily_minutes = {heard['daily_minutes']:g}." if heard["daily_minutes"] else ".")


def _left(today: dict[str, Any]) -> str:
    """Say what was used up today, beside what may be."""
    usd = f"${today['usd']:.4f}" + (f" of llm.daily_usd = {today['daily_usd']:g}" if today["daily_usd"] else "")
    tokens = f"{today['tokens']:,} tokens"
    if today["daily_tokens"]:
        tokens += f" of llm.daily_tokens = {today['daily_tokens']:,}"
    return f"Today so far: {usd}, {tokens}."
