"""A Google calendar by its API: what is planned, moved, called off, accepted and declined, polled and never changed.

The poll is the truth; a push only makes it due, so a lost one costs minutes. What an event becomes is the same as for
any other calendar (`adapters.formats.calendar_activity`), in the thread of its iCalUID: the invitation in a mail, the
entry in CalDAV and the event here are one meeting. The calendar is a system's word, and proves something only where the
organizer is one of ours: anybody can lay an invitation into a calendar by writing a mail.

What was over before the first start is history and isn't read; a series that goes on is. Google ends a push channel
after a week or so: the poll makes a new one at half of that, lays its id down before it asks, and ends the old one.
"""

import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from adapters.channels.gcalendar.api import Calendar
from adapters.channels.gcalendar.events import from_vendor
from adapters.channels.gcalendar.options import GoogleCalendarOptions, access
from adapters.channels.gcalendar.push import read_secrets, token, verify
from adapters.channels.gcalendar.walk import Bounds, Place, census, read_place, retrieve, walk
from adapters.formats.calendar_activity import cancelled_activity, event_activities, removal_activity
from adapters.http.consent import OAuthConsent
from adapters.http.oauth import Grant
from sidecar.errors import ConfigError, PermanentError, RejectedInput, SidecarError, UnsupportedFeature
from sidecar.model import Activity, Delivery
from sidecar.ports import (
    Captured,
    ChannelCapabilities,
    Context,
    Extent,
    HookRequest,
    KnownKeys,
    PollBatch,
    nothing_known,
)

MAX_SKEW = timedelta(minutes=5)
WATCH_LIFE = timedelta(days=7)
WATCH_AGAIN = timedelta(hours=1)
HOW = "an entry of our own calendar, by Google"


class GoogleCalendarChannel:
    """Polls one calendar, and takes its pushes."""

    Options = GoogleCalendarOptions
    capabilities = ChannelCapabilities(
        webhook=True,
        poll=True,
        deletions=True,
        hints=True,
        stamped=False,
        covers_body=False,
        census=True,
        subscriptions=True,
        withholds=True,
    )

    def __init__(self, name: str, options: GoogleCalendarOptions, context: Context) -> None:
        self.name, self.options, self.account = name, options, options.calendar.casefold()
        self.source, self._setting = self.account, f"channels.{name}"
        self._context, self._clock, self._own = context, context.clock, context.own
        live_since = (context.live_since or context.clock()).astimezone(UTC) - MAX_SKEW
        self._bounds = Bounds(
            self.account, live_since, options.max_event_bytes, options.batch_size, context.own.timezone
        )
        self._access = access(name, options, context)
        self._calendar = self._reached(self._access)
        self._secrets: tuple[bytes, ...] = ()
        if options.push_secret_env or options.push_secret_file:
            setting = f"{self._setting}.{'push_secret_file' if options.push_secret_file else 'push_secret_env'}"
            self._secrets = read_secrets(context.secret(options.push_secret_env, options.push_secret_file), setting)
        if options.push_url and not self._secrets:
            told = "name the variable that holds a secret, by which Google's pushes are known"
            raise ConfigError(told, setting=f"{self._setting}.push_secret_env")

    def verify(self, request: HookRequest) -> Captured:
        """Check a push's token; 401 for anything wrong with it, 404 where no pushes are set up."""
        if not self._secrets:
            raise RejectedInput("this channel takes no pushes", status=404)
        return verify(request, self.account, self._secrets)

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what changed since the cursor; its shape stands in `walk`."""
        place = read_place(cursor)
        yield from self._watched(place)
        yield from walk(self._calendar, self._bounds, place, self._clock())

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield every event that wasn't over then, or at the first start, under the key that a poll gives it."""
        floor = max(since.astimezone(UTC), self._bounds.floor)
        told = (self._bounds.max_event_bytes, self._bounds.size, self._bounds.zone)
        return census(self._calendar, Bounds(self.account, floor, *told), self._clock())

    def retrieve(self, key: str, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch what a poll had to leave out."""
        return retrieve(self._calendar, self._bounds, self._clock(), key, headers)

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read an event into its activities; a push is only a hint, and what is no meeting yields nothing."""
        headers = delivery.headers
        if "fault" in headers:
            raise PermanentError(headers["fault"])
        if headers.get("google") == "push":
            return ()
        if "removed" in headers:
            return (removal_activity(delivery, headers["removed"], HOW),)
        try:
            item = json.loads(delivery.raw)
        except (ValueError, RecursionError):
            item = None
        if not isinstance(item, dict):
            raise PermanentError("this is no event of Google's")
        event = from_vendor(item, headers.get("uid", ""), self._own.timezone)
        if event is None:
            return ()
        if event.status == "CANCELLED" and event.organizer is None and not event.guests:
            return (cancelled_activity(delivery, event, self._own, HOW),)
        return event_activities(delivery, (event,), self._own, HOW, authenticated=True)

    def extent(self, since: datetime) -> Extent:
        """Refuse: what lies in the calendar is read by polling."""
        raise UnsupportedFeature("a calendar's past shows only what was planned; drop an .ics export of it to read it")

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Refuse: what lies in the calendar is read by polling."""
        raise UnsupportedFeature("a calendar's past shows only what was planned; drop an .ics export of it to read it")

    def subscriptions(self, cursor: Mapping[str, Any] | None) -> Mapping[str, datetime]:
        """Return until when Google pushes news."""
        ends = _time(read_place(cursor).watch, "expires_at")
        return {"push": ends} if self.options.push_url and ends else {}

    def consent(self) -> OAuthConsent:
        """Return an attempt of a person to let the channel see the calendar."""
        if not isinstance(self._access, Grant):
            told = "a service account reads this calendar: nobody need let it in"
            raise ConfigError(told, setting=f"{self._setting}.service_account_file")
        return OAuthConsent(self._access, self._clock, self._whose)

    def check(self) -> Sequence[str]:
        """Ask for what the poll asks for, and for a push channel that is ended at once."""
        try:
            self._calendar.page("", "", 1)
            if self.options.push_url:
                wanted = {**self._wanted(self._id("check")), "params": {"ttl": "60"}}
                told = self._calendar.watch(wanted)
                self._calendar.stop(wanted["id"], str(told.get("resourceId") or ""))
        except SidecarError as error:
            return (f"{self.name}: {error}",)
        return ()

    def _reached(self, by: Any) -> Calendar:
        options = self.options
        paced = (options.timeouts, options.max_wait_s, options.calls_per_s)
        return Calendar(options.base_url, options.calendar, by, *paced, self._setting, self._context.observe)

    def _whose(self, fresh: str) -> str:
        """Return which calendar a fresh token opens; `ConfigError` where it isn't the configured one."""
        self._reached(_Just(fresh)).page("", "", 1)
        return self.options.calendar

    def _watched(self, place: Place) -> Iterator[PollBatch]:
        """Have a push channel that holds; one that Google refuses costs the poll nothing, and is tried again later."""
        now, held = self._clock(), place.watch
        if not self.options.push_url or not _is_due(held, self.options.push_url, now):
            return
        id = self._id("poll")
        place.watch = {**held, "asked": id, "tried_at": now.isoformat()}
        yield PollBatch((), place.told())  # its id is durable before Google can use it
        try:
            told = self._calendar.watch(self._wanted(id))
        except SidecarError:
            return  # the poll goes on without; `check` and the subscription's end say so
        ends = _milliseconds(told.get("expiration")) or now + WATCH_LIFE
        place.watch = {
            "id": id,
            "resource": str(told.get("resourceId") or ""),
            "url": self.options.push_url,
            "since": now.isoformat(),
            "expires_at": ends.isoformat(),
        }
        yield PollBatch((), place.told())
        if held.get("id") and held.get("resource"):
            try:
                self._calendar.stop(held["id"], held["resource"])
            except SidecarError:
                return  # it ends by itself

    def _id(self, what: str) -> str:
        """A channel's id: nobody else's, and never the same twice."""
        told = f"{what} {self._setting} {self.account} {self._clock().isoformat()}"
        return hmac.new(self._secrets[0], told.encode(), sha256).hexdigest()[:40]

    def _wanted(self, id: str) -> dict[str, Any]:
        life_s = str(int(WATCH_LIFE.total_seconds()))
        told = {"id": id, "type": "web_hook", "address": self.options.push_url, "params": {"ttl": life_s}}
        return {**told, "token": token(self._secrets[0], id)}


class _Just:
    """A token that was only now given, to see what it opens."""

    def __init__(self, fresh: str) -> None:
        self._fresh = fresh

    def access_token(self) -> str:
        """Return it."""
        return self._fresh

    def refused(self, token: str) -> None:
        """Have no other."""


def _is_due(held: Mapping[str, str], url: str, now: datetime) -> bool:
    """Whether a channel is to be made: there is none for this address, or half of its life is over."""
    tried = _time(held, "tried_at")
    if tried is not None and now - tried < WATCH_AGAIN:
        return False
    since, ends = _time(held, "since"), _time(held, "expires_at")
    if since is None or ends is None or held.get("url") != url:
        return True
    return now >= since + (ends - since) / 2


def _time(told: Mapping[str, str], name: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(told.get(name, ""))
    except ValueError:
        return None
    return at if at.tzinfo else None


def _milliseconds(told: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(told) / 1000, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
