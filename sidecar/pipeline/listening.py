"""From a voice note to its words: its file is fetched while the provider still has it, heard, and let go again.

Only what belongs to a party is listened to, so that nobody's words go to a transcriber who is not a customer or must
not be processed. What comes of it is captured as a delivery of its own and takes the way of any other, and the party is
read again because it has news. What can't be had any more, or nobody can hear, is said in the book and ends there; a
transcriber or a provider that is away makes this work wait, and nothing else. No file is kept meanwhile: each try
fetches it again, so those for a transcriber's sake become rare, and they end when those for the provider's do. A
channel that refuses its files for want of a setting, or names another source, holds its own files alone
(`media:NAME`): the others' are heard meanwhile.

The trade-off: few files are heard at the same time, because a slow transcriber would else keep all threads from the
conversations that can be read already.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

import structlog

from sidecar.capture import to_delivery
from sidecar.capture.heard import Hearing, hearing_of, key_of, to_captured
from sidecar.errors import BudgetSpent, ConfigError, PermanentError, TemporaryError
from sidecar.journal import Entry, Finish, Touch
from sidecar.model import Activity, Attachment, Delivery, Lease, Match, Outcome, WorkKey, WorkKind
from sidecar.pipeline.brakes import BY_ITSELF, pause_by_itself, resume_by_itself
from sidecar.pipeline.parts import Parts
from sidecar.pipeline.purse import until_tomorrow
from sidecar.pipeline.sources import place_of
from sidecar.ports import Channel, Media, MediaSource, Transcriber

SPOKEN = frozenset({"voice", "audio"})
"""Kinds of attachment in which somebody speaks."""
MAX_FILES = 10
MAX_AT_ONCE = 2
BUSY_S, MAX_BUSY_S, ABREAST = 2.0, 120.0, 5
"""A file that finds all ears taken comes again after this; of many, only so many in that time, or they would crowd."""
OF = "media:"
"""Under this and a channel's name stands that its files are left alone, as other pauses do."""
LOOK_AGAIN_S = 300.0
SELDOM_S, MOST_DOUBLED = 3_600.0, 20
"""A transcriber that gives no answer about a file is asked again later and later, at last only so often."""
LATE, AT_MOST = timedelta(days=1), timedelta(days=30)
"""How long after its end a file is still tried, when its provider or the transcriber answers but with errors of time;
where nobody says when that is, how long after the message."""

log = structlog.get_logger(__name__)


def to_hear(parts: Parts, activity: Activity, matches: Sequence[Match]) -> tuple[Touch, ...]:
    """Return the work that is due when an activity turns out to be a party's and somebody speaks in its files."""
    if parts.transcriber is None or not _spoken(activity) or activity.channel not in parts.channels:
        return ()
    if not parts.channels[activity.channel].capabilities.media:
        return ()
    is_partys = any(match.outcome is Outcome.PARTY for match in matches)
    return (Touch(WorkKey(WorkKind.MEDIA, activity.id), if_new=True),) if is_partys else ()


class Listening:
    """Hears the files of activities."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._journal = parts.journal
        self._ears = threading.BoundedSemaphore(MAX_AT_ONCE)
        self._turned_away: set[str] = set()

    def hear(self, lease: Lease) -> None:
        """Hear each file of an activity that wasn't heard yet."""
        if not self._ears.acquire(blocking=False):
            self._turned_away.add(lease.work.key)
            again_s = min(MAX_BUSY_S, BUSY_S * max(1.0, len(self._turned_away) / ABREAST))
            self._journal.commit(Entry(finish=Finish(lease, "again", again_s=again_s)))
            return
        self._turned_away.discard(lease.work.key)
        with suppress(KeyError):  # another process may have heard it; one that still waits is turned away again
            self._turned_away.pop()
        try:
            self._hear(lease)
        finally:
            self._ears.release()

    def _hear(self, lease: Lease) -> None:
        activity, transcriber = self._journal.get(lease.work.key), self._parts.transcriber
        if isinstance(activity, Activity) and transcriber is not None and not self._is_gone(activity):
            channel = self._parts.channels.get(activity.channel)
            if channel is None:
                raise PermanentError(f"the channel {activity.channel!r} is not configured any more; add it, then retry")
            if (held_s := self._held_s(OF + activity.channel)) > 0:
                reason = f"{OF}{activity.channel} is paused"
                self._journal.commit(Entry(finish=Finish(lease, "wait", not_before_s=held_s, reason=reason)))
                return
            for place, _ in _spoken(activity):
                self._one(activity, place, channel, transcriber, lease)
        self._journal.commit(Entry(finish=Finish(lease, "done")))

    def _held_s(self, scope: str) -> float:
        """Return for how long files are left alone: until an error's brake may be tried, or the next look at it."""
        pause = self._journal.paused().get(scope)
        if pause is None:
            return 0.0
        if not pause.reason.startswith(BY_ITSELF):
            return LOOK_AGAIN_S
        return LOOK_AGAIN_S - (self._journal.now() - pause.since).total_seconds()

    def _one(self, activity: Activity, place: int, channel: Channel, transcriber: Transcriber, lease: Lease) -> None:
        """Hear one file and journal what came of it, unless an earlier run did."""
        key = key_of(activity, place)
        if self._journal.get(self._journal.mint.id(Delivery.KIND, activity.channel, activity.account, key)) is not None:
            return
        self._afford()
        hearing = self._heard(hearing_of(activity, place), channel, transcriber, lease.attempts)
        captured = to_captured(hearing, activity.account, key, self._parts.budget.hearing.usd_per_minute)
        delivery = to_delivery(captured, activity.channel, self._parts.clock(), self._journal.mint)
        parse = WorkKey(WorkKind.PARSE, delivery.id)
        fact = replace(delivery, because=(activity.id,))
        self._journal.commit(Entry(facts=(fact,), touches=(Touch(parse, if_new=True),), fence=lease))
        self._parts.wake([parse])

    def _afford(self) -> None:
        """Raise `BudgetSpent` until tomorrow when as much was heard today as may be; files at work may pass it."""
        parts, most = self._parts, self._parts.budget.hearing.daily_minutes
        now = parts.clock().astimezone(ZoneInfo(parts.own.timezone))
        if most and self._journal.heard(now.date(), now.date(), parts.own.timezone).minutes >= most:
            told = f"transcriber.daily_minutes = {most:g} are heard; this waits until tomorrow"
            raise BudgetSpent(told, retry_after_s=until_tomorrow(now))

    def _heard(self, hearing: Hearing, channel: Channel, transcriber: Transcriber, attempts: int) -> Hearing:
        """Return what came of a file; what time may mend is a `TemporaryError`, until the file's own end."""
        attachment = hearing.attachment
        until = (attachment.expires_at or hearing.at + AT_MOST) + LATE
        try:
            media = self._fetched(attachment, channel, until)
            found = replace(hearing, size_bytes=len(media.raw), sha256=sha256(media.raw).hexdigest())
            _check(media, attachment, transcriber)
        except PermanentError as error:
            return replace(hearing, problem=str(error))
        try:
            return replace(found, transcript=transcriber.transcribe(media.raw, media.content_type))
        except PermanentError as error:
            return replace(found, problem=str(error))
        except TemporaryError as error:
            if self._parts.clock() >= until:
                return replace(
                    found, problem=f"the transcriber gave no answer about it for as long as it was kept: {error}"
                )
            again_s = min(SELDOM_S, 2.0 ** min(attempts, MOST_DOUBLED))
            raise TemporaryError(str(error), retry_after_s=max(error.retry_after_s or 0.0, again_s)) from None

    def _fetched(self, attachment: Attachment, channel: Channel, until: datetime) -> Media:
        if not isinstance(channel, MediaSource):
            raise PermanentError("its channel hands out no files")
        scope = OF + channel.name
        try:
            place_of(self._journal, channel)  # another account may have another file under its name
            media = channel.media(attachment)
        except ConfigError as error:
            log.error("adapter_paused", scope=scope, reason=str(error))
            pause_by_itself(self._journal, scope, str(error))
            raise TemporaryError(f"{scope} is paused: {error}", retry_after_s=LOOK_AGAIN_S) from None
        except TemporaryError as error:
            if self._parts.clock() < until:
                raise
            raise PermanentError(f"it could not be fetched before its provider let it go: {error}") from None
        if resume_by_itself(self._journal, scope):
            log.info("adapter_resumed", scope=scope)
        return media

    def _is_gone(self, activity: Activity) -> bool:
        """Say whether the message was taken back: its words are nobody's to hear any more."""
        versions = self._journal.versions(activity.channel, activity.account, activity.external_id)
        return any(version.kind == "deletion" for version in versions)


def _spoken(activity: Activity) -> list[tuple[int, Attachment]]:
    """Return the files in which somebody speaks, each with its place in the message."""
    return [(place, a) for place, a in enumerate(activity.attachments) if a.kind in SPOKEN][:MAX_FILES]


def _check(media: Media, attachment: Attachment, transcriber: Transcriber) -> None:
    takes = transcriber.capabilities
    if attachment.sha256 and sha256(media.raw).hexdigest() != attachment.sha256:
        raise PermanentError("what was fetched is not the file that the message named")
    if not media.raw:
        raise PermanentError("it is empty")
    if len(media.raw) > takes.max_bytes:
        raise PermanentError(f"it is larger than the {takes.max_bytes} bytes that the transcriber takes")
    if media.content_type.partition(";")[0].strip().lower() not in takes.content_types:
        raise PermanentError("it is of a type that the transcriber doesn't take")
