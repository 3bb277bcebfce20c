"""Quality: how often people put right what we posted, by field, prompt and model, with how sure that figure is.

It reads the book and nothing else. Whatever the rate of a field, the table says beside it of how many reviewed values:
a rate without its interval would make of three corrections a verdict.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from sidecar.cli.mode import scope_of
from sidecar.cli.render import add, console, emit, many, show, table
from sidecar.cli.session import AsJson, example, session

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.pipeline.reviews import Answer, Origin, Review

PAGE = 500
_FORMATS = ["%Y-%m-%d"]


@dataclass(slots=True)
class _Tally:
    """What people said of one field, by one origin."""

    reviewed: int = 0
    corrected: int = 0
    approved: int = 0
    rejected: int = 0
    confirmed: int = 0
    refuted: int = 0


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    lines = ("sidecar quality", "sidecar quality --since 2026-11-01 --field stage", "sidecar quality --json")
    app.command("quality", epilog=example(*lines))(_quality)


def _quality(
    ctx: typer.Context,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=_FORMATS, help="Reviewed on this day or later.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=_FORMATS, help="Reviewed on this day or earlier.")
    ] = None,
    field: Annotated[str, typer.Option("--field", metavar="NAME", help="This field alone.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show how often people put right what was posted, by field, prompt and model."""
    with session(ctx).open() as app:
        scope_of(app, "", field)
        zone = ZoneInfo(app.settings.own_section.timezone)
        start = since.replace(tzinfo=zone).astimezone(UTC) if since else None
        end = (until + timedelta(days=1)).replace(tzinfo=zone).astimezone(UTC) if until else None
        report = _report(app, start, end, field)
    if as_json:
        emit(report)
    else:
        _print(report)


def _report(app: "App", start: datetime | None, end: datetime | None, field: str) -> dict[str, Any]:
    """Return what people said within a period, as the JSON has it."""
    from sidecar.pipeline.reviews import DEFINITION

    found, answered, sampled = _judged(app)

    def within(judged: "Iterable[Any]") -> list[Any]:
        named = (j for j in judged if not field or j.field == field)
        return [j for j in named if (not start or j.at >= start) and (not end or j.at < end)]

    rows = _rows(within(found), within(answered), within(sampled))
    section, scores = app.settings.quality, app.slips.scores()
    return {
        "definition": DEFINITION,
        "since": start,
        "until": end,
        "rows": rows,
        "windows": [
            {"field": name, "reviewed": score.reviewed, "corrected": score.corrected, "over": score.is_over}
            for name, score in scores.items()
            if not field or name == field
        ],
        "max_rate": section.max_rate,
        "last_n": section.last_n,
        "moves_down": bool(section.max_rate) and app.is_gated,
        "moved_down": [name for name, _, _ in app.slips.told()] if app.is_gated else [],
        "history": app.ledger.capabilities.history,
    }


def _judged(app: "App") -> "tuple[list[Review], list[Answer], list[Answer]]":
    """Read the book for people's words: the last one on each value, each answer to a suggestion, and to a sample."""
    from sidecar.model import Release
    from sidecar.pipeline.reviews import KINDS, answers, reviews, samples

    last: dict[str, Review] = {}
    answered: list[Answer] = []
    sampled: list[Answer] = []
    after = 0
    with console(sys.stderr).status("Reading what people said"):
        while page := list(app.journal.written((*KINDS, Release.KIND), after=after, limit=PAGE)):
            last |= {review.change: review for review in reviews(app.journal, page, app.policy)}
            answered += answers(app.journal, page)
            sampled += samples(app.journal, page)
            after = page[-1].seq
    return list(last.values()), answered, sampled


def _rows(found: "list[Review]", answered: "list[Answer]", sampled: "list[Answer]") -> list[dict[str, Any]]:
    from sidecar.pipeline.reviews import interval

    tallies: dict[tuple[str, Origin], _Tally] = {}
    for review in found:
        tally = tallies.setdefault((review.field, review.origin), _Tally())
        tally.reviewed += 1
        tally.corrected += review.corrected
    for answer in answered:
        tally = tallies.setdefault((answer.field, answer.origin), _Tally())
        tally.approved += answer.approved
        tally.rejected += not answer.approved
    for answer in sampled:
        tally = tallies.setdefault((answer.field, answer.origin), _Tally())
        tally.confirmed += answer.approved
        tally.refuted += not answer.approved
    rows = []
    for (name, origin), tally in tallies.items():
        low, high = interval(tally.corrected, tally.reviewed)
        rows.append(
            {
                "field": name,
                "prompt": origin.prompt,
                "prompt_sha256": origin.prompt_sha256,
                "model": origin.model,
                "version": origin.version,
                "reviewed": tally.reviewed,
                "corrections": tally.corrected,
                "rate": round(tally.corrected / tally.reviewed, 4) if tally.reviewed else None,
                "low": round(low, 4),
                "high": round(high, 4),
                "suggestions_approved": tally.approved,
                "suggestions_rejected": tally.rejected,
                "samples_confirmed": tally.confirmed,
                "samples_refuted": tally.refuted,
            }
        )
    return sorted(rows, key=lambda r: (-r["corrections"], r["field"], r["prompt_sha256"], r["model"], r["version"]))


def _print(report: dict[str, Any]) -> None:
    made = table("field", "prompt and model", "corrected", "answers", whole=("field", "corrected", "answers"))
    for row in report["rows"]:
        prompt = f"{row['prompt']} {(row['version'] or row['prompt_sha256'])[:12]}" if row["prompt"] else ""
        add(made, row["field"], (prompt, row["model"]), _rate(row), _answers(row))
    show(made if report["rows"] else "Nobody has reviewed anything that was posted.")
    counted = (
        f"Counted: {report['definition']}. Approved and rejected are suggestions, samples are values that were drawn "
        "for a person to judge (sidecar label sample); neither is in a rate."
    )
    show(Text(counted))  # a text of rich's is wrapped between words
    if not report["history"]:
        show("This CRM's history names no authors, so a person's edit can't be told and nothing counts as reviewed.")
    for window in report["windows"]:
        if window["over"]:
            reviewed = many(window["reviewed"], "reviewed value", "reviewed values")
            show(f"{window['field']}: {window['corrected']} of its last {reviewed} corrected, above the limit.")
    for name in report["moved_down"]:
        show(f"{name} was moved down by itself; mended, take it up: sidecar check --go-live --field {name}")
    if not report["moves_down"]:
        why = "this CRM is our own and has no ladder" if report["max_rate"] else "quality.max_rate is 0"
        show(f"No field goes down by itself: {why}.")


def _rate(row: dict[str, Any]) -> tuple[str, ...]:
    if not row["reviewed"]:
        return ("none reviewed",)
    share = f"{row['corrections']} of {row['reviewed']}, {row['rate']:.0%}"
    return share, f"95%: {row['low']:.0%} to {row['high']:.0%}"


def _answers(row: dict[str, Any]) -> tuple[str, ...]:
    counts = (
        (row["suggestions_approved"], "approved", "approved"),
        (row["suggestions_rejected"], "rejected", "rejected"),
        (row["samples_confirmed"], "sample confirmed", "samples confirmed"),
        (row["samples_refuted"], "sample refuted", "samples refuted"),
    )
    return tuple(many(*count) for count in counts if count[0])
