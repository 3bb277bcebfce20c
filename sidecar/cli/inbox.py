"""The inbox: where each relationship stands, those first that need a person.

Ranked by the highest open alert, then by what waits for a person's word, then by score, then by the last sign of life.
It reads what was folded already, so it is quick however long the history is; among more than `SCAN` relationships that
wait for a person, those with the newest activity are looked at.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from sidecar.cli.render import add, emit, many, moment, short, show, table
from sidecar.cli.session import NO_PARTY, AsJson, Limit, example, session

if TYPE_CHECKING:
    from sidecar.app import App
    from sidecar.model import Match, OpenAlert, Policy, Standing, Suggestion, Value

SCAN = 1_000
_LONG_AGO = 0.0


@dataclass(frozen=True, slots=True)
class Relationship:
    """One line of the inbox; its fields are the keys of the JSON."""

    party: str
    name: str
    identifiers: tuple[str, ...]
    channel: str
    stage: str
    closed: bool
    intent: "Value"
    urgency: "Value"
    sentiment: "Value"
    score: "Value"
    summary: "Value"
    next_step: "Value"
    next_step_due: "Value"
    review: tuple[str, ...]
    alerts: "tuple[OpenAlert, ...]"
    suggestions: "Mapping[str, Suggestion]"
    questions: int
    crm: Mapping[str, str]
    activities: int
    last_activity_at: datetime | None


def register(app: typer.Typer) -> None:
    """Add the family's commands."""
    app.command("inbox", epilog=example("sidecar inbox --limit 20", "sidecar inbox --json"))(_inbox)


def _inbox(
    ctx: typer.Context,
    limit: Limit = 50,
    everything: Annotated[bool, typer.Option("--all", help="With relationships that are closed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show where each relationship stands, those first that need a person."""
    with session(ctx).open() as app:
        found, left_off = relationships(app, limit, everything=everything)
        questions = app.journal.questions(SCAN)
        held = [condition.line for condition in app.conditions.holding()]
        zone = ZoneInfo(app.settings.own_section.timezone)
    if as_json:
        asked = [_asked(match) for match in questions]
        emit({"relationships": found, "left_off": left_off, "questions": asked, "held": held})
        return
    show(inbox_table(found, zone) if found else "No relationships yet.")
    if left_off:
        show(f"and {left_off} more: --limit {limit + left_off}")
    if questions:
        waiting = many(len(questions), "activity waits", "activities wait")
        show(f"{waiting} for a person to say whose: sidecar party questions")
    for line in held:
        show(line)


def relationships(app: "App", limit: int, *, everything: bool = False) -> tuple[list[Relationship], int]:
    """Return the inbox's lines, most pressing first, and how many of those looked at were left off."""
    journal = app.journal
    alerts = dict.fromkeys(alert.party for alert in journal.open_alerts(SCAN) if alert.party)
    alarmed = [standing for party in alerts if (standing := journal.standing(party))]
    scan = max(limit, SCAN)
    standings = [*alarmed, *(s for order in ("review", "score", "recent") for s in journal.inbox(scan, order))]
    asked = Counter(c.ref for match in journal.questions(SCAN) for c in match.candidates)
    parties = {s.party: s for s in standings if not s.party.startswith(NO_PARTY) and not s.merged_into}
    found = [_relationship(app, standing, asked[party]) for party, standing in parties.items()]
    wanted = [r for r in found if everything or not r.closed or r.review]
    wanted.sort(key=_pressing, reverse=True)
    return wanted[:limit], max(0, len(wanted) - limit)


def inbox_table(found: list[Relationship], zone: ZoneInfo) -> Table:
    """Return the inbox as a table, which fits eighty columns; exceptions stand out."""
    made = table("who", "stands at", "next, and what it needs", "where", whole=("who", "stands at", "where"), airy=True)
    for r in found:
        who = (r.name or _first(r.identifiers), short(r.party))
        score = f"score {r.score:g}" if isinstance(r.score, int | float) else ""
        mood = ", ".join(str(value) for value in (r.intent, r.urgency, r.sentiment) if value)
        due = f" (by {r.next_step_due})" if r.next_step_due else ""
        step = f"next: {r.next_step}{due}" if r.next_step else ""
        crm = (f"{kind}:{ref}" for kind, ref in r.crm.items())
        where = (f"{moment(r.last_activity_at, zone)} {r.channel}", *crm)
        needs = tuple(f"! {reason}" for reason in r.review)
        add(made, who, (r.stage, mood, score), (step, *needs), where, style="bold" if r.alerts else None)
    return made


def _relationship(app: "App", standing: "Standing", questions: int) -> Relationship:
    engagement = standing.engagement
    held = {name: field.value for name, field in engagement.fields.items()}
    records = {kind: record for kind in ("contact", "deal", "company") if (record := standing.record(kind))}
    return Relationship(
        party=standing.party,
        name=standing.name,
        identifiers=tuple(str(i) for i in standing.identifiers),
        channel=standing.channel,
        stage=engagement.stage,
        closed=engagement.closed_at is not None,
        intent=held.get("intent"),
        urgency=held.get("urgency"),
        sentiment=held.get("sentiment"),
        score=held.get("score"),
        summary=held.get("summary"),
        next_step=held.get("next_step"),
        next_step_due=held.get("next_step_due"),
        review=tuple(_reasons(app, standing, questions)),
        alerts=tuple(sorted(standing.alerts, key=lambda a: (-a.rank, a.at, a.id))),
        suggestions=engagement.suggestions,
        questions=questions,
        crm={kind: record.ref for kind, record in records.items() if record.ref},
        activities=standing.activities,
        last_activity_at=standing.last_activity_at,
    )


def _reasons(app: "App", standing: "Standing", questions: int) -> list[str]:
    """Say why a person should look, most pressing first."""
    reasons = [alert.reason for alert in sorted(standing.alerts, key=lambda a: (-a.rank, a.at, a.id))]
    for name, waiting in standing.engagement.suggestions.items():
        reasons.append(f"{name}: is it {waiting.value!r}? ({waiting.reason})")
    if questions:
        asked = many(questions, "activity", "activities")
        reasons.append(f"{asked} may be theirs: sidecar party questions")
    return [*reasons, *_unmade(app.policy, standing)]


def _unmade(policy: "Policy", standing: "Standing") -> Iterator[str]:
    """Say which records wait for leave to be made: a deal once the engagement is past its first stage, and goes on."""
    engagement = standing.engagement
    has_begun = engagement.stage not in ("", policy.first_stage) and engagement.closed_at is None
    asked = {"contact": policy.create_contact, "deal": policy.create_deal if has_begun else ""}
    made = {"contact": standing.record("contact"), "deal": standing.record("deal", engagement.number)}
    for kind, setting in asked.items():
        if setting == "suggest" and not made[kind] and standing.permit(kind) not in standing.allowed:
            yield f"no {kind} in the CRM: sidecar party approve PARTY {kind}"


def _pressing(found: Relationship) -> tuple[float, bool, float, float]:
    score = found.score if isinstance(found.score, int | float) else 0.0
    last = found.last_activity_at.timestamp() if found.last_activity_at else _LONG_AGO
    return (found.alerts[0].rank if found.alerts else -1.0, bool(found.review), float(score), last)


def _first(identifiers: tuple[str, ...]) -> str:
    return identifiers[0] if identifiers else ""


def _asked(match: "Match") -> dict[str, Any]:
    candidates = [{"party": c.ref, "score": c.score, "signals": c.signals} for c in match.candidates]
    return {"activity": match.activity, "rule": match.rule, "candidates": candidates}
