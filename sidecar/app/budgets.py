"""Which budgets of the day are spent, in words: what conversations wait for, and how many of them.

The pipeline holds back what is over (`pipeline.purse`); this says so to those who run the sidecar. Parties and senders
are counted and never named, for what is said here is logged.
"""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sidecar.journal.costs import PARTY, SENDER, TOTAL

if TYPE_CHECKING:
    from sidecar.app import App

MAX_COUNTED = 1_000


def today(app: "App") -> tuple[date, str]:
    """Return the day as our time zone has it, and that zone."""
    zone = app.settings.own_section.timezone
    return app.clock().astimezone(ZoneInfo(zone)).date(), zone


def overspent(app: "App") -> Iterator[tuple[str, str, str]]:
    """Yield what is spent as (subject, summary, remedy)."""
    budget, (day, zone) = app.settings.budget(), today(app)
    spent = app.journal.spent(TOTAL, [""], day, zone)[""]
    usd, tokens = budget.all
    remedy = "Conversations wait for tomorrow; raise llm.{} and restart to go on today."
    if usd and spent.usd >= usd:
        summary = f"the day's model budget is spent (${spent.usd:.2f} of llm.daily_usd = {usd:g})"
        yield "llm", summary, remedy.format("daily_usd")
    elif tokens and spent.tokens >= tokens:
        summary = f"the day's tokens are used ({spent.tokens} of llm.daily_tokens = {tokens})"
        yield "llm", summary, remedy.format("daily_tokens")
    for dimension, one, many, bound in (
        (PARTY, "party has", "parties have", budget.party),
        (SENDER, "sender has", "senders have", budget.sender),
    ):
        if number := app.journal.overspent(dimension, day, zone, *bound, most=MAX_COUNTED):
            setting = f"llm.{dimension}_daily_usd = {bound[0]:g} and llm.{dimension}_daily_tokens = {bound[1]}"
            yield (
                f"llm:{dimension}",
                f"{number} {one if number == 1 else many} used up a share of the day's budget ({setting})",
                "What they wrote waits for tomorrow; see `sidecar costs --by party` and `sidecar work`.",
            )


def overheard(app: "App") -> Iterator[tuple[str, str, str]]:
    """Yield what is used up of the day's minutes of audio, as (subject, summary, remedy)."""
    minutes, (day, zone) = app.settings.budget().hearing.daily_minutes, today(app)
    if not (minutes and app.settings.transcriber.type):
        return
    heard = app.journal.heard(day, day, zone).minutes
    if heard >= minutes:
        summary = f"as much was heard today as may be ({heard:.1f} of transcriber.daily_minutes = {minutes:g})"
        yield "transcriber", summary, "Voice notes wait for tomorrow; raise the setting and restart to go on today."
