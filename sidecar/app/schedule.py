"""When polls are due: APScheduler fires ticks, open lines hint, and either only makes a row of work due.

So several processes that tick still make one poll, a poll never overlaps with itself (the row's lease sees to that),
and a run that was missed while the process was down runs once.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sidecar.app.listening import Listening
from sidecar.journal import Entry, Touch
from sidecar.model import WorkKey, WorkKind
from sidecar.pipeline import LEDGER

if TYPE_CHECKING:
    from sidecar.app import App

WATCH_EVERY_S = 60.0


class Schedule:
    """The ticks of one process."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._scheduler: Any = None
        self._listening = Listening(app)

    def start(self) -> None:
        """Start ticking; each tick also comes once at the start."""
        from apscheduler.schedulers.background import BackgroundScheduler

        self._scheduler = BackgroundScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        for name, (every_s, cron, jitter_s) in _rhythms(self._app).items():
            key = WorkKey(WorkKind.POLL, name)
            self._scheduler.add_job(self._tick(key), trigger(every_s, cron, jitter_s, self._app), id=f"poll:{name}")
            self._tick(key)()
        watch = WorkKey(WorkKind.WATCH, "sweep")
        self._scheduler.add_job(self._tick(watch), trigger(WATCH_EVERY_S, None, 0.0, self._app), id="watch")
        self._scheduler.start()
        self._listening.start(lambda name: self._tick(WorkKey(WorkKind.POLL, name)))

    def stop(self) -> None:
        """Stop ticking."""
        self._listening.stop()
        if self._scheduler is not None and self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _tick(self, key: WorkKey) -> Callable[[], None]:
        def tick() -> None:
            self._app.journal.commit(Entry(touches=(Touch(key),)))
            self._app.engine.wake([key])

        return tick


def _rhythms(app: "App") -> Mapping[str, tuple[float | None, str | None, float]]:
    """Return each polled channel's rhythm as (every_s, cron, jitter_s), and the CRM's."""
    rhythms: dict[str, tuple[float | None, str | None, float]] = {}
    for name, channel in app.channels.items():
        if channel.capabilities.poll:
            section = app.settings.channels[name]
            own = getattr(getattr(channel, "options", None), "every_s", None)
            rhythms[name] = (section.every_s or own or 60.0, section.cron, section.jitter_s)
    if app.ledger.capabilities.change_feed:
        rhythms[LEDGER] = (app.settings.crm.every_s, None, 0.0)
    return rhythms


def trigger(every_s: float | None, cron: str | None, jitter_s: float, app: "App") -> Any:
    """Return when a poll fires: by five cron fields in our own time zone, else every so many seconds."""
    from apscheduler.triggers.cron import CronTrigger
    from apscheduler.triggers.interval import IntervalTrigger

    jitter = int(jitter_s) or None
    if cron:
        trigger = CronTrigger.from_crontab(cron, app.settings.own_section.timezone)
        trigger.jitter = jitter
        return trigger
    return IntervalTrigger(seconds=max(1, round(every_s or 60.0)), jitter=jitter)
