"""The funnel: stage x channel x reason, each engagement counted once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sidecar.decide.course import ACTIVE, REASONS, reason
from sidecar.journal import Journal
from sidecar.model import Engagement, Policy, Standing

PAGE = 500
NO_CHANNEL = "unknown"


@dataclass(slots=True)
class StageRow:
    """One open stage: engagements that came so far (`reached`), and those that stand or ended here, by reason."""

    stage: str
    reached: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cell:
    """Engagements of one stage, channel and reason."""

    stage: str
    channel: str
    reason: str
    count: int


@dataclass(slots=True)
class Funnel:
    """The whole: open stages first to last, and the cells behind them, largest first within a stage."""

    at: datetime
    since: datetime | None
    engagements: int = 0
    stages: list[StageRow] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)

    @property
    def reasons(self) -> list[str]:
        """The reasons that occur, the liveliest first."""
        return [name for name in REASONS if any(name in row.reasons for row in self.stages)]

    @property
    def channels(self) -> list[str]:
        """The channels that occur."""
        return sorted({cell.channel for cell in self.cells})


def funnel(
    book: Journal,
    policy: Policy,
    now: datetime,
    *,
    since: datetime | None = None,
    channels: Sequence[str] = (),
    told: Callable[[int], None] = lambda seen: None,
) -> Funnel:
    """Count engagements that began `since` a time, on some channels; `told` hears how many parties were seen."""
    rows = {name: StageRow(name) for name, stage in policy.stages.items() if not stage.terminal}
    order = list(rows)
    cells: Counter[tuple[str, str, str]] = Counter()
    made = Funnel(now, since)
    for seen, standing in enumerate(_parties(book), 1):
        for number, engagement in enumerate(standing.engagements, 1):
            if not _counts(engagement, since):
                continue
            is_last = number == len(standing.engagements)
            channel = standing.channel or NO_CHANNEL
            if channels and channel not in channels:
                continue
            stage = _furthest(engagement, order)
            why = _reason(standing, engagement, policy, now, is_last=is_last)
            for reached in order[: order.index(stage) + 1]:
                rows[reached].reached += 1
            rows[stage].reasons[why] = rows[stage].reasons.get(why, 0) + 1
            cells[stage, channel, why] += 1
            made.engagements += 1
        if not seen % PAGE:
            told(seen)
    made.stages = list(rows.values())
    ordered = sorted(cells.items(), key=lambda item: (order.index(item[0][0]), -item[1], item[0]))
    made.cells = [Cell(*key, count) for key, count in ordered]
    return made


def _parties(book: Journal) -> Iterator[Standing]:
    after = ""
    while page := book.standings_after(after, PAGE):
        yield from (s for s in page if s.merged_into is None and s.identifiers)
        after = page[-1].party


def _counts(engagement: Engagement, since: datetime | None) -> bool:
    if not engagement.stage:
        return False
    return since is None or (engagement.opened_at is not None and engagement.opened_at >= since)


def _furthest(engagement: Engagement, order: Sequence[str]) -> str:
    """Return the last open stage that it was in; one that ended without any counts for the first."""
    found = (stage for stage in (engagement.stage, engagement.reached) if stage in order)
    return next(found, order[0])


def _reason(standing: Standing, engagement: Engagement, policy: Policy, now: datetime, *, is_last: bool) -> str:
    """A former engagement has ended, or was followed by another without an end."""
    if is_last:
        return reason(standing, policy, now)
    alone = replace(standing, engagements=(engagement,), asked=None, alerts=())
    return reason(alone, policy, now) if engagement.closed_at else ACTIVE


def share(row: StageRow, rows: Iterable[StageRow]) -> float:
    """Return what share of all came as far as a stage."""
    first = next(iter(rows), None)
    return row.reached / first.reached if first and first.reached else 0.0
