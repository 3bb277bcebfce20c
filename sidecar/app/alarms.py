"""Tells the operators what is wrong: once when it begins, again while it lasts, and when it is over.

What was told is kept in the journal, so that a restart repeats nothing, and each step is a compare-and-set there, so
that of several processes one tells. A notice waits in the journal until it is delivered, tried again with a backoff;
who hears one twice knows it by its id. All of this happens in a thread of its own and holds up no work.

Something that comes and goes within a minute is one thing: it is over only when it has been gone for `GONE_S`. The one
thing that can't be kept in the journal is that the journal failed: `last_words` leaves a mark beside it instead.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from json import dumps, loads
from typing import TYPE_CHECKING, Any

import structlog

from sidecar.app.conditions import Condition
from sidecar.app.observed import status_of
from sidecar.errors import PermanentError, SidecarError, TemporaryError
from sidecar.journal import Journal
from sidecar.model import Notice
from sidecar.ports import Notifier

if TYPE_CHECKING:
    from sidecar.app import App

KEY = "ops_alarms"
LOOK_S = 5.0
GONE_S = 60.0
TRYING_S = 120.0
"""For how long one process has a notice to itself while it delivers it."""
FIRST_RETRY_S, MAX_RETRY_S = 10.0, 900.0
KEPT = timedelta(days=3)
MAX_OPEN, MAX_WAITING = 200, 100
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Open:
    """A condition that was told: since when it is so, when it was told last, and since when it is gone, perhaps."""

    rule: str
    subject: str
    summary: str
    since: datetime
    told_at: datetime
    gone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice on its way to one notifier."""

    notice: Notice
    to: str
    next_at: datetime
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """What was told, and what still has to arrive."""

    told: Mapping[str, Open] = field(default_factory=dict)
    waiting: tuple[Waiting, ...] = ()


def advance(told: Mapping[str, Open], found: Sequence[Condition], now: datetime, every_s: float) -> tuple[
    dict[str, Open], list[Notice]
]:  # fmt: skip
    """Return what is told from now on, and what is to be said: begun, still or ended. Pure."""
    held = dict(told)
    notices = []
    for condition in found[:MAX_OPEN]:
        key = f"{condition.rule}/{condition.subject}"
        known = held.get(key)
        if known is None:
            held[key] = Open(condition.rule, condition.subject, condition.summary, now, now)
            notices.append(_notice("begun", held[key], condition.remedy, now))
        elif now - known.told_at >= timedelta(seconds=every_s):
            held[key] = replace(known, summary=condition.summary, told_at=now, gone_at=None)
            notices.append(_notice("still", held[key], condition.remedy, now))
        elif known.gone_at is not None:
            held[key] = replace(known, gone_at=None)
    for key in held.keys() - {f"{condition.rule}/{condition.subject}" for condition in found}:
        known = held[key]
        if known.gone_at is None:
            held[key] = replace(known, gone_at=now)
        elif now - known.gone_at >= timedelta(seconds=GONE_S):
            notices.append(_notice("ended", known, "", now))
            del held[key]
    return held, notices


def _notice(state: str, known: Open, remedy: str, now: datetime) -> Notice:
    text = "\0".join((known.rule, known.subject, known.since.isoformat(), state, now.isoformat()))
    return Notice(
        id=f"ops_{sha256(text.encode()).hexdigest()[:24]}",
        rule=known.rule,
        subject=known.subject,
        state=state,
        summary=known.summary,
        remedy=remedy,
        since=known.since,
        at=now,
    )


def told_of(journal: Journal) -> Collection[str]:
    """Return what the operators were told of and isn't over, as rule/subject."""
    return _read(journal.meta(KEY)).told.keys()


class Alarms:
    """The alarms of one process."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """Look and tell every few seconds in a thread of its own, until `stop`."""
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)
        self._thread.start()

    def stop(self, grace_s: float) -> None:
        """End, and wait so long for what is being delivered; what could not be delivered waits in the journal."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(grace_s)

    def tick(self) -> None:
        """Look once, take down what is news, and deliver what is due; a field that slips goes down before that."""
        self._app.slips.look()
        self._look()
        self._deliver()

    def last_words(self, found: Sequence[Condition]) -> None:
        """Tell that the journal failed, once a day, past the journal; nobody waits for an answer after that."""
        now = self._app.clock()
        folder = self._app.journal.folder
        mark = folder / "journal.failed" if folder else None
        every = timedelta(seconds=self._app.settings.ops.every_s)
        try:
            if mark and now - datetime.fromisoformat(mark.read_text()) < every:
                return
        except (OSError, ValueError):
            pass  # it was never told, as far as anybody can know
        try:
            if mark:
                mark.write_text(now.isoformat())
        except OSError as error:
            _log.warning("mark_not_written", error=type(error).__name__)
        for condition in found:
            known = Open(condition.rule, condition.subject, condition.summary, now, now)
            for notifier in self._app.notifiers.values():
                self._tell(notifier, _notice("begun", known, condition.remedy, now))

    def _run(self) -> None:
        is_told = False
        while not self._ended.is_set():
            try:
                self.tick()
                is_told = False
            except Exception as error:  # whatever it is: alarms that end in silence are worse
                if not is_told:
                    _log.error("alarms_failed", error=type(error).__name__)
                is_told = True
            self._ended.wait(LOOK_S)

    def _look(self) -> None:
        journal, now = self._app.journal, self._app.journal.now()
        text = journal.meta(KEY)
        state = _read(text)
        told, notices = advance(state.told, self._app.conditions.now(), now, self._app.settings.ops.every_s)
        if told == state.told:
            return
        fresh = [Waiting(notice, name, now) for notice in notices for name in self._app.notifiers]
        waiting = [*state.waiting, *fresh]
        if not journal.swap_meta(KEY, text, _written(State(told, tuple(waiting[-MAX_WAITING:])))):
            return  # somebody else saw it first
        for notice in notices:
            say = _log.info if notice.state == "ended" else _log.warning
            say("ops_condition", rule=notice.rule, subject=notice.subject, state=notice.state, reason=notice.summary)
        if len(waiting) > MAX_WAITING:
            _log.error("notices_dropped", count=len(waiting) - MAX_WAITING)

    def _deliver(self) -> None:
        journal, now = self._app.journal, self._app.journal.now()
        mine = _claim(journal, now)
        for waiting in mine:
            notifier = self._app.notifiers.get(waiting.to)
            error = self._tell(notifier, waiting.notice) if notifier else None
            _put_back(journal, waiting, _retried(waiting, error, journal.now()) if error else None)

    def _tell(self, notifier: Notifier, notice: Notice) -> SidecarError | None:
        error: SidecarError | None = None
        try:
            notifier.tell(notice)
        except SidecarError as failed:
            error = failed
        except Exception as failed:  # a defect of one way of telling must not keep the others from it
            error = PermanentError(f"a defect of ours: {type(failed).__name__}")
        if error is not None:
            _log.warning("notice_not_delivered", to=notifier.name, rule=notice.rule, reason=str(error))
        self._app.tally.add("notices", notifier.name, status_of(error))
        return error


def _claim(journal: Journal, now: datetime) -> list[Waiting]:
    """Take the notices that are due for a while; none when another process was quicker."""
    text = journal.meta(KEY)
    state = _read(text)
    due = [waiting for waiting in state.waiting if waiting.next_at <= now]
    if not due:
        return []
    later = now + timedelta(seconds=TRYING_S)
    kept = tuple(replace(w, next_at=later) if w in due else w for w in state.waiting)
    return due if journal.swap_meta(KEY, text, _written(replace(state, waiting=kept))) else []


def _put_back(journal: Journal, done: Waiting, again: Waiting | None) -> None:
    """Take a notice off the list, or set down when it is tried again."""
    for _ in range(MAX_WAITING):
        text = journal.meta(KEY)
        state = _read(text)
        same = [w for w in state.waiting if (w.notice.id, w.to) == (done.notice.id, done.to)]
        kept = [w for w in state.waiting if w not in same] + ([again] if again and same else [])
        if journal.swap_meta(KEY, text, _written(replace(state, waiting=tuple(kept)))):
            return


def _retried(waiting: Waiting, error: SidecarError, now: datetime) -> Waiting | None:
    """Return when to try again: later and later, slowly where somebody must mend a setting first, and not for ever."""
    if now - waiting.notice.at > KEPT:
        _log.error("notices_dropped", count=1)
        return None
    delay_s = min(MAX_RETRY_S, FIRST_RETRY_S * 2.0 ** min(waiting.attempts, 20))
    if isinstance(error, TemporaryError) and error.retry_after_s is not None:
        delay_s = max(delay_s, error.retry_after_s)
    elif not isinstance(error, TemporaryError):
        delay_s = MAX_RETRY_S
    return replace(waiting, attempts=waiting.attempts + 1, next_at=now + timedelta(seconds=delay_s))


def _written(state: State) -> str:
    return dumps(asdict(state), default=datetime.isoformat)


def _read(text: str | None) -> State:
    """Read the state; what can't be read was never told."""
    if text is None:
        return State()
    try:
        held = loads(text)
        told = {key: Open(**_timed(known, "since", "told_at", "gone_at")) for key, known in held["told"].items()}
        return State(told, tuple(_waiting(waiting) for waiting in held["waiting"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        _log.error("alarms_forgotten", error=type(error).__name__)
        return State()


def _waiting(held: Mapping[str, Any]) -> Waiting:
    notice = Notice(**_timed(held["notice"], "since", "at"))
    return Waiting(**{**_timed(held, "next_at"), "notice": notice})


def _timed(held: Mapping[str, Any], *names: str) -> dict[str, Any]:
    times = {name: datetime.fromisoformat(held[name]) for name in names if held[name] is not None}
    return {**held, **times}
