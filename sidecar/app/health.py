"""How each channel fares: when it last brought something, how late, how much against other weeks, and who must know.

A channel that stops makes no error: nothing comes, and nothing says so. So what came is held against what usually does
at this time of the week, by the median of earlier weeks, which neither an outage nor a busy day moves. Every figure is
read from sums that the book keeps, all of them at most every `EVERY_S`, so nothing here grows with history.

What is judged is the time up to the last poll, and the expected hours: so a night, a weekend and a process that was
down are no silence, and a poll that fails is told once and not twice. A poll that runs is at work as long as its place
moves; one that stands still for `STILL_S` hangs, and is as late as none. The weeks that count are those before the last
thing that came, for else a channel that is long dead would one day look usual. The trade-off: a holiday on which nobody
writes looks like a channel that has stopped.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from math import ceil
from statistics import median
from threading import Lock
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sidecar.app.schedule import trigger
from sidecar.config import Hours
from sidecar.config.sections import ChannelSection, OpsSection
from sidecar.errors import ConfigError, SidecarError
from sidecar.journal.traffic import NEVER_S, SLOT_S
from sidecar.pipeline.intake import POLLED
from sidecar.ports import Channel, Subscriber

if TYPE_CHECKING:
    from sidecar.app import App

EVERY_S = 15.0
DAY, WEEK = timedelta(days=1), timedelta(days=7)
WEEKS, LEAST_WEEKS = 8, 3
LEAST_LATE_S = 120.0
LEAST_UNREADABLE = 5
MAX_FIRES = 100
STILL_S = 3_600.0
LATE = "late"
Complaint = tuple[str, str, str, str]
"""Rule, subject, what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """One channel's figures; those of deliveries, lags, unread and unreadable ones are of the last 24 hours.

    `today` counts activities since midnight, `expected_by_now` and `expected_today` are medians of `weeks` earlier ones
    (None: fewer than three are known). `missed` is how much usually comes in the time since something was said
    (`said_at`, to the quarter of an hour). Lags are the least bound that so many didn't exceed. A poll `is_late` when
    none has come to its end for `allowed_s`, or one hangs, and `failure` says why the last one has to be repeated.
    """

    name: str
    type: str
    last_seen_at: datetime | None = None
    said_at: datetime | None = None
    lag_p50_s: int | None = None
    lag_p95_s: int | None = None
    today: int = 0
    expected_by_now: float | None = None
    expected_today: float | None = None
    weeks: int = 0
    missed: float | None = None
    polled_at: datetime | None = None
    is_polling: bool = False
    is_late: bool = False
    allowed_s: float | None = None
    failure: str = ""
    paused: str = ""
    subscriptions: Mapping[str, datetime] = field(default_factory=dict)
    deliveries: int = 0
    unread: int = 0
    unreadable: int = 0

    @property
    def unreadable_share(self) -> float:
        """How much of the day's deliveries waits for a person."""
        return self.unreadable / max(self.deliveries, self.unreadable) if self.unreadable else 0.0


class Health:
    """Looks at the channels of one app; what was found is remembered for a little while."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._lock = Lock()
        self._begun_at: datetime | None = None
        self._polling_since: dict[str, datetime] = {}
        self._looked: tuple[datetime, list[ChannelHealth]] | None = None

    def begin(self) -> None:
        """Note that polls begin now: what is overdue from before is given its time, unless it was told of already."""
        self._begun_at = self._app.journal.now()

    def now(self) -> list[ChannelHealth]:
        """Return how each configured channel fares."""
        with self._lock:
            at = self._app.journal.now()
            if self._looked is None or abs((at - self._looked[0]).total_seconds()) >= EVERY_S:
                self._looked = at, self._all(at)
            return self._looked[1]

    def complaints(self, told: Collection[str]) -> Iterator[Complaint]:
        """Yield what operators should know; `told` are those that they were told of, as rule/subject."""
        settings, now = self._app.settings, self._app.journal.now()
        begun_s = (now - self._begun_at).total_seconds() if self._begun_at else NEVER_S
        for found in self.now():
            had_time = begun_s > (found.allowed_s or 0.0)
            for complaint in complaints_of(found, settings.channels[found.name], settings.ops, now):
                if complaint[0] != LATE or had_time or "/".join(complaint[:2]) in told:
                    yield complaint

    def _all(self, now: datetime) -> list[ChannelHealth]:
        journal, settings = self._app.journal, self._app.settings
        shared = {
            "seen": journal.last_seen(),
            "paused": journal.paused(),
            "unreadable": journal.unreadable(now - DAY),
        }
        return [self._one(name, section, now, shared) for name, section in sorted(settings.channels.items())]

    def _one(self, name: str, section: ChannelSection, now: datetime, shared: Mapping[str, Any]) -> ChannelHealth:
        journal = self._app.journal
        lags = journal.lags(name, now - DAY)
        pause = shared["paused"].get(f"channel:{name}")
        return ChannelHealth(
            name,
            section.type,
            last_seen_at=shared["seen"].get(name),
            lag_p50_s=_quantile(lags, 0.5),
            lag_p95_s=_quantile(lags, 0.95),
            deliveries=journal.volume(name, now - DAY, now + DAY).deliveries,
            unread=journal.unread(name, now - DAY),
            unreadable=shared["unreadable"].get(name, 0),
            paused=pause.reason if pause else "",
            **self._volume(name, section, now),
            **self._polls(name, section, now, is_paused=pause is not None),
        )

    def _volume(self, name: str, section: ChannelSection, now: datetime) -> dict[str, Any]:
        """Today's volume, and what earlier weeks say of today and of the time since something came."""
        journal, zone = self._app.journal, ZoneInfo(self._app.settings.own_section.timezone)
        midnight = datetime.combine(now.astimezone(zone).date(), time(), zone)
        found: dict[str, Any] = {"today": journal.volume(name, midnight, now + DAY).activities}
        span = journal.said_between(name)
        if span is None:
            return found
        first, last = span[0], min(span[1] + timedelta(seconds=SLOT_S), now)
        by_now = self._weeks(name, first, midnight, now, 1)
        whole = self._weeks(name, first, midnight, midnight + DAY, 1)
        if len(by_now) >= LEAST_WEEKS:
            found |= {"expected_by_now": median(by_now), "expected_today": median(whole)}
        found |= {"weeks": len(by_now), "said_at": span[1]}
        until = self._judged_until(name, section, now, zone)
        if until is None or until <= last:
            return found | {"missed": 0.0}
        since = max(last, until - WEEK)
        before = self._weeks(name, first, since, until, ceil((until - last) / WEEK))
        return found | {"missed": median(before) if len(before) >= LEAST_WEEKS else None}

    def _judged_until(self, name: str, section: ChannelSection, now: datetime, zone: ZoneInfo) -> datetime | None:
        """Up to when silence counts: the last poll where there are polls, and the last expected hour."""
        adapter = self._adapter(name)
        if adapter is not None and adapter.capabilities.poll:
            polled = self._app.journal.meta(POLLED + name)
            if polled is None:
                return None
            now = min(now, datetime.fromisoformat(polled))
        hours = Hours.parse(section.expected) if section.expected else Hours()
        return hours.latest(now, zone)

    def _weeks(self, name: str, first: datetime, since: datetime, until: datetime, nearest: int) -> list[int]:
        """What came in the same hours of the weeks before, from the nearest on, as far as the channel goes back."""
        zone, found = ZoneInfo(self._app.settings.own_section.timezone), list[int]()
        for weeks in range(nearest, nearest + WEEKS):
            begin, end = (_before(at, weeks, zone) for at in (since, until))
            if begin < first:
                break
            found.append(self._app.journal.volume(name, begin, end).activities)
        return found

    def _polls(self, name: str, section: ChannelSection, now: datetime, *, is_paused: bool) -> dict[str, Any]:
        adapter, journal = self._adapter(name), self._app.journal
        if adapter is None or not adapter.capabilities.poll:
            return {}
        polled = journal.meta(POLLED + name)
        at = datetime.fromisoformat(polled) if polled else None
        is_polling, failure = journal.polling(name)
        found: dict[str, Any] = {"polled_at": at, "is_polling": is_polling, "failure": failure}
        if isinstance(adapter, Subscriber):
            found["subscriptions"] = _subscriptions(adapter, journal.cursor(name, "poll"))
        rhythms = self._app.settings.ops.late_polls
        since = at or self._begun_at
        if rhythms and self._hangs(name, now, is_polling=is_polling):
            found |= {"is_late": True, "allowed_s": STILL_S}
        elif rhythms and since is not None and not is_polling and not is_paused:
            own = getattr(getattr(adapter, "options", None), "every_s", None)
            bound = self._bound(since, section, section.every_s or own or 60.0, rhythms)
            found |= {"is_late": now > bound, "allowed_s": (bound - since).total_seconds()}
        return found

    def _hangs(self, name: str, now: datetime, *, is_polling: bool) -> bool:
        """Say whether a poll has run for long, as far as we have seen it, and not moved its place."""
        if not is_polling:
            self._polling_since.pop(name, None)
            return False
        since = self._polling_since.setdefault(name, now)
        moved = self._app.journal.moved_at(name, "poll") or since
        return now - max(since, moved) > timedelta(seconds=STILL_S)

    def _bound(self, since: datetime, section: ChannelSection, every_s: float, rhythms: float) -> datetime:
        """When a poll is overdue that ended at a time: so many rhythms later, and never at once."""
        if not section.cron:
            return since + timedelta(seconds=max(LEAST_LATE_S, rhythms * every_s + section.jitter_s))
        fires, at = trigger(None, section.cron, 0.0, self._app), since
        for _ in range(min(MAX_FIRES, ceil(rhythms))):
            at = fires.get_next_fire_time(at, at + timedelta(seconds=1)) or at
        return at + timedelta(seconds=LEAST_LATE_S + section.jitter_s)

    def _adapter(self, name: str) -> Channel | None:
        """The channel; None where it can't be made, as by a command that was given no secrets."""
        try:
            return self._app.channel(name)
        except ConfigError:
            return None


def complaints_of(found: ChannelHealth, section: ChannelSection, ops: OpsSection, now: datetime) -> Iterator[Complaint]:
    """Yield what is wrong with one channel; where somebody said what silence is, nothing is guessed from weeks."""
    if found.is_late:
        yield _late(found)
    if section.silent_after_h is None and ops.quiet_expected and (found.missed or 0) >= ops.quiet_expected:
        yield _quiet(found)
    yield from _ending(found, ops, now)
    is_much = found.unreadable >= LEAST_UNREADABLE and found.unreadable_share >= ops.unreadable_share
    if ops.unreadable_share and is_much:
        yield _unreadable(found)


def _subscriptions(adapter: Subscriber, cursor: Mapping[str, Any] | None) -> Mapping[str, datetime]:
    """Until when the provider tells of news; a place that can't be read is a lost one, and makes nothing unready."""
    try:
        return dict(adapter.subscriptions(cursor))
    except (SidecarError, ValueError, TypeError, KeyError):
        return {}


def _before(at: datetime, weeks: int, zone: ZoneInfo) -> datetime:
    """The same wall clock's time, some weeks before."""
    return at.astimezone(zone) - weeks * WEEK


def _quantile(counts: Mapping[int, int], share: float) -> int | None:
    """Return the least class that so large a share doesn't exceed."""
    wanted, seen = share * sum(counts.values()), 0
    for at_most_s, number in sorted(counts.items()):
        seen += number
        if seen >= wanted:
            return at_most_s
    return None


def _late(found: ChannelHealth) -> Complaint:
    since = f"since {found.polled_at:%Y-%m-%d %H:%M} UTC" if found.polled_at else "since the start"
    why = f" ({_first_line(found.failure)})" if found.failure else ""
    summary = f"no poll of {found.name} has come to its end {since}{why}"
    return LATE, f"channel:{found.name}", summary, f"See what `sidecar check` says of {found.name}, and the log."


def _quiet(found: ChannelHealth) -> Complaint:
    since = f"{found.said_at:%Y-%m-%d %H:%M} UTC"
    summary = f"nothing has come on {found.name} since {since}, though usually about {found.missed:.0f} would have"
    remedy = f"See what `sidecar check` says of {found.name}, and whether its source still sends; or is it a holiday?"
    return "quiet", f"channel:{found.name}", summary, remedy


def _ending(found: ChannelHealth, ops: OpsSection, now: datetime) -> Iterator[Complaint]:
    for name, at in sorted(found.subscriptions.items()):
        if ops.subscription_left_h and at - now < timedelta(hours=ops.subscription_left_h):
            verb = "ended" if at <= now else "ends"
            summary = f"{found.name}'s subscription {name} {verb} at {at:%Y-%m-%d %H:%M} UTC and wasn't renewed"
            remedy = "Polls go on, and webhooks end with it: see `sidecar check` and the log for why."
            yield "subscription", f"channel:{found.name}", summary, remedy
            return


def _unreadable(found: ChannelHealth) -> Complaint:
    share = f"{found.unreadable} of {max(found.deliveries, found.unreadable)}"
    summary = f"{share} deliveries of {found.name} within a day can't be read"
    remedy = "`sidecar work --state parked` names them with their reasons; `sidecar work --retry-all` tries again."
    return "unreadable", f"channel:{found.name}", summary, remedy


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:300].rstrip(".") if text.strip() else ""
