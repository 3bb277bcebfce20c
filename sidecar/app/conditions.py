"""What is wrong with this installation right now, in words, each with what to do about it.

One list for all who ask: readiness shows it, alarms tell the operators of it, metrics count it. A fault means that the
process should get no webhooks; everything else is worth knowing, and the door goes on taking what comes. The words are
ours, the config's and the operators' own; nothing that a customer wrote gets into them.
"""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sidecar.app.budgets import overheard, overspent, today
from sidecar.app.health import Health
from sidecar.app.samples import Samples
from sidecar.config import Hours
from sidecar.errors import ConfigError, SidecarError
from sidecar.journal import JournalFailed, Pause
from sidecar.model import WorkKey, WorkKind
from sidecar.pipeline import LEDGER
from sidecar.pipeline.brakes import BY_BREAKER
from sidecar.worker import BY_ERROR, CAPTURING, SPEAKS_TO

if TYPE_CHECKING:
    from sidecar.app import App

WRITE_EVERY_S = 10.0
WRITE_TIMEOUT_S = 5.0
PROMPTS_EVERY_S = 30.0
ABANDONED_S = 60.0
ALIVE = "alive_at"
_MB = 1_000_000
_WORDS = 300


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is so until somebody, or time, mends it; `is_fault` when the door should get no requests."""

    rule: str
    subject: str
    summary: str
    remedy: str
    is_fault: bool = False

    @property
    def line(self) -> str:
        """What is wrong and what to do, as one line."""
        return f"{self.summary}. {self.remedy}"


class Conditions:
    """Looks at one app; what costs something is looked at once in a while and remembered."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self.health = Health(app)
        self._lock = Lock()
        self._written: tuple[float, list[Condition]] = (-WRITE_EVERY_S, [])
        self._prompts: tuple[float, list[Condition]] = (-PROMPTS_EVERY_S, [])

    def now(self) -> list[Condition]:
        """Return all that is wrong; a journal that can't be read is the only thing that is said of it."""
        found = self._journal()
        if found:
            return found
        looks: tuple[Callable[[], Iterable[Condition]], ...] = (
            self._disk, self._stuck, self._awaited, self._pauses, self.budget, self._parked, self._silent,
            self._capture, self._prompt, self._slipped, self._sampled,
        )  # fmt: skip
        try:
            return [condition for look in looks for condition in look()]
        except SidecarError as error:
            return [_journal_fault(error)]

    def holding(self) -> list[Condition]:
        """Return the brakes that are on and the budgets that are spent: why news may not be read or posted."""
        return [*self._pauses(), *self.budget()]

    def budget(self) -> list[Condition]:
        """Return the budgets of the day that are spent."""
        spent = () if self._is_offline() else overspent(self._app)
        return [Condition("budget", *told) for told in (*spent, *overheard(self._app))]

    def free_bytes(self) -> int | None:
        """Return how much room is left beside the journal; None where that is a database server's business."""
        folder = self._app.journal.folder
        return None if folder is None else shutil.disk_usage(folder).free

    def spent_usd(self) -> float:
        """Return what the model has cost today, as our time zone has the day."""
        return self._app.journal.spent_usd(*today(self._app))

    def oldest_due(self) -> datetime | None:
        """Return since when work is due that no brake holds."""
        return self._app.journal.due_since(*self._held())

    def _journal(self) -> list[Condition]:
        """Write into the journal, once in a while, and say why that can't be done."""
        failed = self._app.journal.failed
        if failed is not None:
            return [_journal_fault(failed)]
        with self._lock:
            at, found = self._written
            if time.monotonic() - at >= WRITE_EVERY_S:
                found = [] if (error := self._write()) is None else [_journal_fault(error)]
                self._written = time.monotonic(), found
            return found

    def _write(self) -> SidecarError | None:
        from sidecar.journal import Entry

        try:
            self._app.journal.commit(Entry(meta={ALIVE: self._app.clock().isoformat()}), WRITE_TIMEOUT_S)
        except SidecarError as error:
            return error
        return None

    def _disk(self) -> Iterator[Condition]:
        free, floor = self.free_bytes(), self._app.settings.ops.disk_free_mb
        if free is not None and free < floor * _MB:
            yield Condition(
                "disk",
                "journal",
                f"only {free // _MB} MB are free beside the journal, less than ops.disk_free_mb = {floor}",
                "Make room, or move the journal to a larger disk: when it is full, webhooks are refused.",
                is_fault=True,
            )

    def _held(self) -> tuple[list[WorkKind], list[WorkKey]]:
        """What brakes hold, a dry run, and a start that waits for the CRM."""
        paused = self._app.journal.paused()
        held = [kind for kind, scope in SPEAKS_TO.items() if scope in paused]
        if self._app.dry_run and WorkKind.SYNC not in held:
            held.append(WorkKind.SYNC)
        if is_awaited := not self._app.opening.is_over():
            held = [kind for kind in WorkKind if kind not in CAPTURING]
        channels = [scope.removeprefix("channel:") for scope in paused if scope.startswith("channel:")]
        ledger = [LEDGER] if is_awaited or LEDGER in paused else []
        return held, [WorkKey(WorkKind.POLL, name) for name in (*channels, *ledger)]

    def _stuck(self) -> Iterator[Condition]:
        journal, bound_s = self._app.journal, self._app.settings.ops.stuck_s
        since = self.oldest_due()
        remedy = "See `sidecar work` for what it is and the log for why; restart the process if it does nothing."
        if since is not None and (age := journal.now() - since) > timedelta(seconds=bound_s):
            summary = f"work has been due for {age.total_seconds() / 60:.0f} minutes, and nobody does it"
            yield Condition("stuck", "work", summary, remedy, is_fault=True)
        elif number := journal.abandoned(ABANDONED_S, self._held()[0]):
            summary = f"{number} pieces of work were left by a process that hangs or is gone"
            yield Condition("stuck", "work", summary, remedy, is_fault=True)

    def _awaited(self) -> Iterator[Condition]:
        if reason := self._app.opening.reason:
            yield Condition(
                "awaited",
                LEDGER,
                f"the CRM hasn't answered since the start: {_first_line(reason)}",
                "It is asked again every few minutes; webhooks are taken meanwhile, and conversations wait.",
            )

    def _pauses(self) -> Iterator[Condition]:
        for scope, pause in sorted(self._app.journal.paused().items()):
            yield _paused(scope, pause)

    def _is_offline(self) -> bool:
        try:
            return self._app.llm.capabilities.offline
        except ConfigError:
            return False  # it can't be opened, so nothing is known of it

    def _parked(self) -> Iterator[Condition]:
        most = self._app.settings.ops.parked_above
        work = self._app.journal.open_work()
        number = sum(n for (_, state), n in work.items() if state == "parked")
        if number > most:
            yield Condition(
                "parked",
                "work",
                f"{number} pieces of work wait for a person, more than ops.parked_above = {most}",
                "`sidecar work --state parked` names them with their reasons; `sidecar work --retry-all` tries again.",
            )

    def _slipped(self) -> Iterator[Condition]:
        for name, summary, remedy in self._app.slips.told():
            yield Condition("quality", f"field:{name}", summary, remedy)

    def _sampled(self) -> Iterator[Condition]:
        waiting = Samples(self._app).waiting() if self._app.settings.quality.sample_per_field else []
        if waiting:
            summary = f"{len(waiting)} values wait for a person to say whether they are right"
            yield Condition("samples", "quality", summary, "They are this week's samples: `sidecar label sample`.")

    def _silent(self) -> Iterator[Condition]:
        settings, journal = self._app.settings, self._app.journal
        watched = {name: s for name, s in settings.channels.items() if s.silent_after_h is not None}
        if not watched:
            return
        seen, now, zone = journal.last_seen(), journal.now(), ZoneInfo(settings.own_section.timezone)
        paused = journal.paused()
        for name, section in sorted(watched.items()):
            since = journal.begun(name)  # a new one isn't silent from the start
            since = max(since, seen.get(name, since))
            hours = Hours.parse(section.expected) if section.expected else Hours()
            silent_h = hours.between_s(since, now, zone) / 3600
            if silent_h >= (section.silent_after_h or 0) and f"channel:{name}" not in paused:
                yield Condition(
                    "silent",
                    f"channel:{name}",
                    f"nothing has come on {name} for {silent_h:.0f} expected hours",
                    f"See what `sidecar check` says of {name}, and whether its source still sends.",
                )

    def _capture(self) -> Iterator[Condition]:
        from sidecar.app.alarms import told_of

        for told in self.health.complaints(told_of(self._app.journal)):
            yield Condition(*told)

    def _prompt(self) -> Iterator[Condition]:
        with self._lock:
            at, found = self._prompts
            if time.monotonic() - at >= PROMPTS_EVERY_S:
                found = list(self._refused_prompts())
                self._prompts = time.monotonic(), found
        yield from found

    def _refused_prompts(self) -> Iterator[Condition]:
        try:
            broken = self._app.shelf.states().broken
        except ConfigError as fault:
            broken = {"prompts": fault}
        for name, error in broken.items():
            yield Condition(
                "prompt",
                f"prompt:{name}",
                f"an edited prompt is refused: {_first_line(error)}",
                "Mend the file; what was adopted last stays in force, also after a restart.",
            )


def _journal_fault(error: Exception) -> Condition:
    lost = isinstance(error, JournalFailed)
    return Condition(
        "journal",
        "journal",
        f"the journal {'failed' if lost else 'can not be written or read'}: {_first_line(error)}",
        "The process ends; look at the disk, run `sidecar verify`, and restore a backup if it finds faults."
        if lost
        else "Look at the disk's room and permissions, or at the database server; webhooks are refused until then.",
        is_fault=True,
    )


def _paused(scope: str, pause: Pause) -> Condition:
    """Say why; who paused it stands in the remedy, because a summary is logged, and no log names anybody."""
    by_itself = pause.reason.startswith((BY_ERROR, BY_BREAKER))
    who, parted, why = pause.reason.partition(": ")
    if by_itself or not parted:
        who, why = "", pause.reason
    summary = f"{scope} is paused: {_first_line(why)} (since {pause.since:%Y-%m-%d %H:%M} UTC)"
    if pause.reason.startswith(BY_ERROR):
        remedy = "Mend what it names; it is tried again every few minutes, and at a restart."
    elif pause.reason.startswith(BY_BREAKER):
        remedy = f"See `sidecar activities` and the CRM for what was written; `sidecar resume {scope}` goes on."
    else:
        remedy = f"`sidecar resume {scope}` goes on." + (f" Paused by {who}." if who else "")
    rule = "breaker" if pause.reason.startswith(BY_BREAKER) else "paused"
    return Condition(rule, scope, summary, remedy)


def _first_line(said: Exception | str) -> str:
    lines = str(said).strip().splitlines()
    return lines[0][:_WORDS].rstrip(".") if lines else "no reason was given"
