"""A mailbox by the Gmail API: what came in and what was sent, by history, with pushes as hints.

The same parser as for IMAP reads the same bytes, so a mail becomes the same words whichever way it came. It is named by
Gmail's id and not by its Message-ID, because that id is all that Gmail tells of a mail that was deleted. What Gmail
labels SENT was sent by the account itself, and is authenticated as ours; a From line proves nothing.

Nothing is changed in the mailbox: the scope is `gmail.readonly`. A person lets the channel in (`sidecar connect`), or a
Workspace's administrator lets a service account act for the mailbox. A push only makes a poll due, so a lost one costs
a minute; Gmail ends them after a week, so the poll renews them at half of that.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.channels.gmail.api import Api, Reached
from adapters.channels.gmail.options import GmailOptions, access_of, pushes_of
from adapters.channels.gmail.push import Certs, delivery_of, history_in, verify_push
from adapters.channels.gmail.reading import read_deletion, read_mail
from adapters.channels.gmail.walk import Crawl, Place, Walk, Wanted, census_batches, is_hint_ahead, read_place
from adapters.channels.gmail.watching import read_time, watched
from adapters.formats.withheld import retrieved
from adapters.http.calls import Timeouts
from adapters.http.consent import OAuthConsent
from adapters.http.oauth import Grant
from sidecar.errors import ConfigError, PermanentError, RejectedInput, SidecarError
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
    unobserved,
)

MAX_SKEW = timedelta(minutes=5)
MAX_PUSH_BYTES = 100_000
SAMPLE = 200
"""Mails that are looked at to say how much a backfill would read; of more, the rest is taken to be like them."""
EMPTY_WAIT_S = 1.0


class GmailChannel:
    """Polls one mailbox, and takes its pushes."""

    Options = GmailOptions
    capabilities = ChannelCapabilities(
        webhook=True,
        poll=True,
        backfill=True,
        deletions=True,
        hints=True,
        covers_body=False,
        census=True,
        subscriptions=True,
        withholds=True,
    )

    def __init__(self, name: str, options: GmailOptions, context: Context) -> None:
        self.name, self.options, self.account = name, options, options.mailbox.casefold()
        self.source, self._setting = self.account, f"channels.{name}"
        self._clock, self._own = context.clock, context.own
        self._live_since = (context.live_since or context.clock()).astimezone(UTC) - MAX_SKEW
        self._access = access_of(name, options, context)
        self._api = Api(self._reached(), self._access, context.observe)
        self._push = pushes_of(options, self._setting)
        quick = Timeouts(options.connect_timeout_s, options.connect_timeout_s, 2 * options.connect_timeout_s)
        self._certs = Certs(f"{options.certs_url}/oauth2/v3/certs", quick, context.clock, context.observe)
        self._hinted = 0
        self._nap = threading.Event().wait

    def verify(self, request: HookRequest) -> Captured:
        """Check a push's token; 401 for anything wrong with it, 404 where no pushes are set up."""
        if self._push is None:
            raise RejectedInput("this channel takes no pushes", status=404)
        if len(request.body) > MAX_PUSH_BYTES:
            raise RejectedInput(f"a push is no larger than {MAX_PUSH_BYTES} bytes", status=413)
        verify_push(request.headers, self._push, self._certs, self._clock())
        try:
            mailbox, history = history_in(request.body)
        except ValueError:
            mailbox, history = "", 0  # it is kept, and parked by `parse`
        if mailbox.casefold() == self.account:
            self._hinted = max(self._hinted, min(history, 2**63))
        return Captured(self.account, request.body, delivery_of(request.body), {"gmail": "push"}, is_hint=True)

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what happened since the cursor, never mails that predate us; the cursor's shape stands in `walk`."""
        walk = Walk(self._api, self.account, self._wanted(self._live_since, None))
        place = read_place(cursor)
        if not place.history:
            self._see_whose()
        place = yield from watched(self._api, self.options.topic, place, self._clock())
        if self._push is not None:
            self._certs.refresh()
        place = yield from walk.poll(place)
        if is_hint_ahead(place, self._hinted):
            self._nap(EMPTY_WAIT_S)  # a push may be ahead of the history for a moment
            self._hinted = 0
            yield from walk.poll(place)

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read a mail into its activity, and the invitations in it into theirs; a push is only a hint."""
        if "fault" in delivery.headers:
            raise PermanentError(delivery.headers["fault"])
        told = delivery.headers.get("gmail")
        if told == "push":
            try:
                history_in(delivery.raw)
            except ValueError as error:
                raise PermanentError(str(error)) from None
            return ()
        if told == "deletion":
            return (read_deletion(delivery),)
        return read_mail(delivery, self._own)

    def extent(self, since: datetime) -> Extent:
        """Say how much arrived between then and the first start: counted, and of many mails by a sample."""
        walk = Walk(self._api, self.account, self._wanted(since, self._live_since))
        ids = list(walk.listed())
        sample = ids[-SAMPLE:]  # the oldest, whose first says since when there is anything
        mails = walk.sampled(sample)
        share = len(ids) / len(sample) if sample else 1.0
        oldest = min((at for mail in mails if (at := mail.arrived_at)), default=None)
        return Extent(round(len(mails) * share), round(sum(mail.size_estimate for mail in mails) * share), oldest)

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield the mails between then and the first start, newest first; its cursor is shaped like poll's."""
        if (cursor or {}).get("finished") is True:
            return
        walk = Walk(self._api, self.account, self._wanted(since, self._live_since))
        place = yield from walk.all(read_place({"history": "0", **(cursor or {}), "watch": None}))
        yield PollBatch((), {**place.told(), "finished": True})

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield all mails that count from then until now, under the keys that poll and backfill give them.

        Gmail lists ids alone, so a mail that is known isn't looked at: it may be one of the day before.
        """
        walk = Walk(self._api, self.account, self._wanted(since, None), known)
        return census_batches(walk.all(Place("0", Crawl())))

    def retrieve(self, key: str, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch a mail that a poll had to leave out."""
        walk = Walk(self._api, self.account, self._wanted(self._live_since, None))
        return retrieved(key, lambda: walk.retrieved(headers["id"]), walk.another)

    def subscriptions(self, cursor: Mapping[str, Any] | None) -> Mapping[str, datetime]:
        """Return until when Gmail pushes news."""
        watch = read_place(cursor).watch or {}
        ends = read_time(watch.get("expires_at"))
        return {"push": ends} if self.options.topic and ends else {}

    def consent(self) -> OAuthConsent:
        """Return an attempt of a person to let the channel into the mailbox."""
        if not isinstance(self._access, Grant):
            told = "a service account acts for this mailbox: nobody need let it in; see docs/gmail.md"
            raise ConfigError(told, setting=f"{self._setting}.service_account_file")
        return OAuthConsent(self._access, self._clock, self._whose)

    def check(self) -> Sequence[str]:
        """See whose mailbox it is, that the labels exist, and that pushes were set up."""
        try:
            found = self._api.profile().email_address
            if found.casefold() != self.account:
                return (f"{self.name}: this is the mailbox of {found}, and not of {self.options.mailbox}",)
            self._wanted(self._live_since, None)
            if self.options.topic:
                self._api.watch(self.options.topic)
        except SidecarError as error:
            return (f"{self.name}: {error}",)
        return ()

    def _see_whose(self) -> None:
        """Refuse a first poll by what lets us into another mailbox: Gmail gives us that one, whichever we mean."""
        if self._api.profile().email_address.casefold() != self.account:
            told = f"it was let into another mailbox, which `sidecar check` names: sidecar connect {self.name}"
            raise ConfigError(told, setting=f"{self._setting}.mailbox")

    def _whose(self, token: str) -> str:
        """Return whose mailbox a fresh token opens; `ConfigError` for another's than the configured one."""
        found = Api(self._reached(), _Just(token), unobserved).profile().email_address
        if found.casefold() != self.account:
            told = f"this is the mailbox of {found}; log in as {self.options.mailbox}, or change mailbox"
            raise ConfigError(told, setting=f"{self._setting}.mailbox")
        return found

    def _reached(self) -> Reached:
        options = self.options
        limits = (options.max_wait_s, options.units_per_s)
        return Reached(options.base_url, options.timeouts, *limits, self._setting)

    def _wanted(self, floor: datetime, until: datetime | None) -> Wanted:
        options = self.options
        include, exclude = self._ids(options.include_labels, "include"), self._ids(options.exclude_labels, "exclude")
        sizes = (options.max_message_bytes, options.batch_size)
        return Wanted(include, exclude, floor, until, *sizes, options.deletions)

    def _ids(self, names: Sequence[str], which: str) -> frozenset[str]:
        """Return the ids of labels; Gmail's own have their name for an id, and people's are looked up by theirs."""
        own = {name for name in names if name.isupper()}
        if not (rest := set(names) - own):
            return frozenset(own)
        known = {label.name.casefold(): label.id for label in self._api.labels()}
        if missing := sorted(name for name in rest if name.casefold() not in known):
            told = f"there is no label {', '.join(missing)}"
            raise ConfigError(told, setting=f"{self._setting}.{which}_labels")
        return frozenset(own | {known[name.casefold()] for name in rest})


class _Just:
    """An access token that was just given, before it is kept."""

    def __init__(self, token: str) -> None:
        self._token = token

    def access_token(self) -> str:
        """Return it."""
        return self._token

    def refused(self, token: str) -> None:
        """Do nothing: there is no other."""
