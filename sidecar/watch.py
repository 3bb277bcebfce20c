"""Watch: a clock and what is believed become Alerts, exceptions that a person should see. Pure; it asks no clock.

Two rules. `silent`: the engagement stands in a stage with a limit, and the customer has not said a word for so many
business days. `overdue`: a step that somebody owes was due. An alert is about one silence or one due date: it is
raised once, stands while its reason stands (what we write meanwhile doesn't end a customer's silence), and is closed
by this same function when the reason goes. Silence begins with the customer's last word, and in a stage that only our
side or a system may assert (somebody attended) not before the event that put it there, which was a sign of life.

Business days are Monday to Friday in our own time zone, counted by the clock on the wall, without holidays: a holiday
table that is wrong hides alerts, and one day early costs a glance. `next_look` says when time alone could change the
answer, so that an index of due times drives the watch and quiet parties cost nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sidecar.model import Alert, Engagement, Mint, OpenAlert, Policy, StagePolicy, Standing, Step, Window

SILENT = "silent"
OVERDUE = "overdue"
MAX_RANK_DAYS = 20
_STAGE_SHARE, _LATE_SHARE, _SCORE_SHARE = 50.0, 30.0, 20.0
_WEEK = 5
_YEARS = (1970, 2200)


@dataclass(frozen=True, slots=True)
class DigestLine:
    """One party in an owner's digest, with its alerts, highest rank first."""

    party: str
    rank: float
    alerts: tuple[OpenAlert, ...]


@dataclass(frozen=True, slots=True)
class Digest:
    """What one owner should look at, most pressing first, and how many more parties the cap left off."""

    owner: str
    lines: tuple[DigestLine, ...]
    left_off: int = 0


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why a party is, or at `due` will be, an exception; `since` is what its lateness is counted from."""

    rule: str
    about: str
    due: datetime
    since: datetime
    what: str


def watch(standing: Standing, policy: Policy, window: Window, timezone: str, mint: Mint) -> tuple[Alert, ...]:
    """Return the alerts to raise and those to close now; taken into the standing, they are not returned again."""
    zone = ZoneInfo(timezone)
    cause = _cause(standing)
    if standing.merged_into or not cause:
        return ()
    reasons = _reasons(standing, policy, window, zone)
    watched = [alert for alert in standing.alerts if alert.rule in (SILENT, OVERDUE)]
    standing_on = [alert for alert in watched if _still_stands(alert, standing, reasons)]
    closed = [_closed(alert, standing, window, cause) for alert in watched if alert not in standing_on]
    told = {(alert.rule, alert.about) for alert in watched}
    is_silent = any(alert.rule == SILENT for alert in standing_on)
    due = [reason for reason in reasons if reason.due <= window.now]
    new = [r for r in due if (r.rule, r.about) not in told and not (r.rule == SILENT and is_silent)]
    opened = [_opened(reason, standing, policy, window, zone, cause) for reason in new]
    return tuple(mint(alert) for alert in (*closed, *opened))


def next_look(standing: Standing, policy: Policy, window: Window, timezone: str) -> datetime | None:
    """Return the next moment at which time alone could raise an alert, None when only a new fact could."""
    if standing.merged_into or not _cause(standing):
        return None
    told = {(alert.rule, alert.about) for alert in standing.alerts}
    is_silent = any(alert.rule == SILENT and _same_silence(alert, standing) for alert in standing.alerts)
    moments = [
        reason.due
        for reason in _reasons(standing, policy, window, ZoneInfo(timezone))
        if reason.due > window.now
        and (reason.rule, reason.about) not in told
        and not (reason.rule == SILENT and is_silent)
    ]
    return min(moments, default=None)


def digest(alerts: Mapping[str, Sequence[OpenAlert]], owner_of: Callable[[str], str], cap: int) -> tuple[Digest, ...]:
    """Group open alerts by the owner of their party, each owner's parties by rank, at most `cap` of them."""
    by_owner: dict[str, list[DigestLine]] = {}
    for party, held in alerts.items():
        if held:
            ordered = tuple(sorted(held, key=lambda a: (-a.rank, a.at, a.id)))
            by_owner.setdefault(owner_of(party), []).append(DigestLine(party, ordered[0].rank, ordered))
    return tuple(_capped(owner, lines, max(0, cap)) for owner, lines in sorted(by_owner.items()))


def after_business_days(since: datetime, days: int, zone: ZoneInfo) -> datetime:
    """Return the moment so many business days later, at the same time on the wall; a weekend begins on its Monday."""
    local = since.astimezone(zone)
    day, at = local.date(), local.time()
    if day.weekday() >= _WEEK:
        day, at = day + timedelta(days=7 - day.weekday()), time()
    weeks, rest = divmod(day.weekday() + days, _WEEK)
    day += timedelta(days=7 * weeks + rest - day.weekday())
    return datetime.combine(day, at, zone).astimezone(UTC)


def business_days(since: datetime, until: datetime, zone: ZoneInfo) -> int:
    """Return how many whole business days lie between two moments, 0 when the second is not later."""
    if until <= since:
        return 0
    calendar_days = (until.astimezone(zone).date() - since.astimezone(zone).date()).days
    days = calendar_days // 7 * _WEEK + calendar_days % 7  # never too few: a week holds five, its rest at most its days
    while days and after_business_days(since, days, zone) > until:
        days -= 1
    return days


def _capped(owner: str, lines: Iterable[DigestLine], cap: int) -> Digest:
    ordered = sorted(lines, key=lambda line: (-line.rank, line.alerts[0].at, line.party))
    return Digest(owner, tuple(ordered[:cap]), max(0, len(ordered) - cap))


def _cause(standing: Standing) -> str:
    """The newest fact that a belief about this party rests on; without one there is nothing to be alarmed about."""
    stage = standing.engagement.fields.get("stage")
    return standing.last_inference or (stage.decision if stage else "")


def _reasons(standing: Standing, policy: Policy, window: Window, zone: ZoneInfo) -> list[_Reason]:
    """Return why this party is or will become an exception if nothing else happens."""
    engagement = standing.engagement
    was_quiet_before = standing.last_activity_at is None or standing.last_activity_at < window.live_since
    if was_quiet_before or engagement.closed_at is not None:
        return []
    stage = policy.stages.get(engagement.stage)
    if stage is not None and stage.terminal:
        return []
    silence = _silence(standing, stage, zone) if stage else None
    steps = [_late(step, policy, zone) for step in engagement.steps if step.status == "open"]
    return [reason for reason in (silence, *steps) if reason]


def _silence(standing: Standing, stage: StagePolicy, zone: ZoneInfo) -> _Reason | None:
    if stage.silent_days is None:
        return None
    entered = standing.engagement.fields["stage"].evidence_at
    since = standing.last_customer_at or entered
    if stage.needs != "any":
        since = max(since, entered)
    answered = standing.last_agent_at is not None and standing.last_agent_at > since
    what = f"silent in {stage.name}: {'no answer to our last word' if answered else 'our answer is still owed'}"
    about = f"{stage.name}@{since.astimezone(UTC).isoformat()}"
    return _Reason(SILENT, about, after_business_days(since, stage.silent_days, zone), since, what)


def _late(step: Step, policy: Policy, zone: ZoneInfo) -> _Reason | None:
    due = _due(step.due, zone)
    if due is None:
        return None
    graced = after_business_days(due, policy.overdue_grace_days, zone) if policy.overdue_grace_days else due
    what = "overdue: a step that we owe" if step.who == "us" else "overdue: a step that is owed to us"
    return _Reason(OVERDUE, f"{step.id}@{step.due}", graced, due, what)


def _due(text: str | None, zone: ZoneInfo) -> datetime | None:
    """Read a due date or time, local unless it says otherwise; a date is over at the midnight that ends it."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None  # words that are no date can't be late
    if not _YEARS[0] <= at.year <= _YEARS[1]:
        return None
    if len(text or "") <= len("2026-11-26"):
        at += timedelta(days=1)
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def _still_stands(alert: OpenAlert, standing: Standing, reasons: Sequence[_Reason]) -> bool:
    if alert.rule == SILENT:
        return any(reason.rule == SILENT for reason in reasons) and _same_silence(alert, standing)
    return any((reason.rule, reason.about) == (alert.rule, alert.about) for reason in reasons)


def _same_silence(alert: OpenAlert, standing: Standing) -> bool:
    """Say whether the engagement is where the alert found it, and the customer has kept silent since."""
    stage, _, began = alert.about.rpartition("@")
    engagement = standing.engagement
    if (stage, alert.engagement) != (engagement.stage, engagement.number):
        return False
    return standing.last_customer_at is None or standing.last_customer_at <= datetime.fromisoformat(began)


def _opened(reason: _Reason, standing: Standing, policy: Policy, window: Window, zone: ZoneInfo, cause: str) -> Alert:
    days = business_days(reason.since, window.now, zone)
    return Alert(
        because=(cause,),
        party=standing.party,
        rule=reason.rule,
        subject=standing.party,
        about=reason.about,
        engagement=standing.engagement.number,
        rank=_rank(standing.engagement, policy, days),
        reason=f"{reason.what} ({days} business day{'' if days == 1 else 's'})",
        at=window.now,
    )


def _closed(alert: OpenAlert, standing: Standing, window: Window, cause: str) -> Alert:
    return Alert(
        because=tuple(dict.fromkeys((alert.id, cause))),
        party=standing.party,
        rule=alert.rule,
        subject=standing.party,
        about=alert.about,
        state="closed",
        engagement=alert.engagement,
        rank=alert.rank,
        reason="the reason is gone",
        at=window.now,
    )


def _rank(engagement: Engagement, policy: Policy, days: int) -> float:
    """Return 0 to 100: half for how far along the engagement is, the rest for lateness and score."""
    stages = [stage.name for stage in policy.stages.values() if not stage.terminal]
    along = (stages.index(engagement.stage) + 1) / len(stages) if engagement.stage in stages else 0.0
    late = min(days, MAX_RANK_DAYS) / MAX_RANK_DAYS
    held = engagement.fields.get("score")
    score = held.value if held and isinstance(held.value, int | float) else 0.0
    rank = _STAGE_SHARE * along + _LATE_SHARE * late + _SCORE_SHARE * max(0.0, min(100.0, float(score))) / 100
    return round(rank, 1)
