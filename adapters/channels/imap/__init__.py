"""Mailboxes by IMAP: what came in, and what our people sent from their sent folder, polled and never changed.

A UID means something only within a folder and its UIDVALIDITY, so the cursor holds both for each folder; where either
is missing or has changed, the folder is listed anew from install time on, and the identities of deliveries and
activities make the repetition harmless. What arrived before the first start is history: only a backfill reads it, even
when somebody moves it into a watched folder later. The server's own word of news (`idle`) only makes a poll due sooner.

The same mail in the inbox and in Sent is read twice on purpose; see `adapters.formats.mail_activity`. A mail that is
too large is captured as its headers, with a fault, so that a person learns of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from adapters.channels.imap.batches import (
    Bounds,
    Place,
    another_of,
    batches,
    facts_of,
    read_cursor,
    resume,
    retrieved,
)
from adapters.channels.imap.hangups import HangUps
from adapters.channels.imap.idle import idle
from adapters.channels.imap.mailbox import Given, Mailbox, MailFacts, Opened, open_mailbox
from adapters.channels.imap.options import ImapOptions, access_of
from adapters.formats import withheld
from adapters.formats.calendar_activity import mail_activities
from adapters.formats.mime import parse_mail
from adapters.http.consent import OAuthConsent
from adapters.http.oauth import Grant
from sidecar.errors import ConfigError, PermanentError, SidecarError, Unanswered, UnsupportedFeature, Withheld
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

__all__ = ["ImapChannel", "ImapOptions"]

SEARCH_DAYS = 31
DAY = timedelta(days=1)
EPOCH = datetime(1990, 1, 1, tzinfo=UTC)
MAX_SKEW = timedelta(minutes=5)
INBOX = "INBOX"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ImapChannel:
    """Polls the folders of one mailbox."""

    Options = ImapOptions
    capabilities = ChannelCapabilities(poll=True, backfill=True, listens=True, census=True, withholds=True)

    def __init__(self, name: str, options: ImapOptions, context: Context) -> None:
        self.name = name
        self.options = options
        self.source = self.account = f"{options.username}@{options.host.lower()}"
        self._own = context.own
        self._bounds = Bounds(options.batch_size, options.max_message_bytes)
        self._live_since = (context.live_since or context.clock()).astimezone(UTC) - MAX_SKEW
        self._clock = context.clock
        self._access = access_of(name, options, context)
        self._hung, self._unknown = HangUps(), HangUps()  # at what is fetched, and at what is asked of it before

    def verify(self, request: HookRequest) -> Captured:
        """Refuse: a mailbox calls nobody."""
        raise UnsupportedFeature("a mailbox takes no requests")

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what arrived since the cursor (`{folder: {"uidvalidity": n, "uid": n}}`), never what predates us."""
        places = read_cursor(cursor)
        with self._open() as mailbox:
            for folder, is_sent in self._folders(mailbox):
                opened = mailbox.select(folder)
                done = resume(places, folder, opened.uidvalidity)
                uids = self._listed(mailbox, self._live_since, None) if done is None else mailbox.after(done)
                place = Place(self.account, folder, opened.uidvalidity, is_sent)
                another = another_of(mailbox, place, opened.uidnext)
                facts = facts_of(mailbox, place, uids, another, self._unknown)
                new = {uid: mail for uid, mail in facts.items() if self._is_ours(mail.arrived_at)}
                last = max([done or 0, opened.uidnext - 1, *uids])
                reached = None if last == done else last
                yield from batches(mailbox, place, new, self._bounds, places, reached, another, self._hung)

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read one mail into its activity, and the invitations in it into theirs."""
        if "fault" in delivery.headers:
            raise PermanentError(delivery.headers["fault"])
        arrived = delivery.headers.get("internaldate")
        arrived_at = min(datetime.fromisoformat(arrived), delivery.received_at) if arrived else delivery.received_at
        is_sent = delivery.headers.get("sent") == "1"
        return mail_activities(delivery, parse_mail(delivery.raw), self._own, arrived_at, is_sent)

    def extent(self, since: datetime) -> Extent:
        """Count the mails that arrived since then and before the first start."""
        items, size_bytes, oldest = 0, 0, list[datetime]()
        with self._open() as mailbox:
            for folder, _ in self._folders(mailbox):
                mailbox.select(folder)
                older = self._older(mailbox, since)
                items += len(older)
                size_bytes += sum(mail.size_bytes for mail in older.values())
                oldest += [mail.arrived_at for mail in older.values() if mail.arrived_at]
        return Extent(items, size_bytes, min(oldest, default=None))

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield the mails that arrived since then and before the first start; its cursor is shaped like poll's."""
        places = read_cursor(cursor)
        with self._open() as mailbox:
            for folder, is_sent in self._folders(mailbox):
                opened = mailbox.select(folder)
                done = resume(places, folder, opened.uidvalidity) or 0
                older = {uid: mail for uid, mail in self._older(mailbox, since).items() if uid > done}
                place = Place(self.account, folder, opened.uidvalidity, is_sent)
                another = another_of(mailbox, place, opened.uidnext)
                yield from batches(mailbox, place, older, self._bounds, places, None, another, self._hung)

    def listen(self, is_over: Callable[[], bool], hint: Callable[[], None]) -> None:
        """Wait for news in the first folder, where `idle` is set."""
        if self.options.idle:
            idle(self._access, self.options.folders[0], is_over, hint)

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield every mail that arrived since then and still lies in its folder, history or not."""
        with self._open() as mailbox:
            for folder, is_sent in self._folders(mailbox):
                opened = mailbox.select(folder)
                place = Place(self.account, folder, opened.uidvalidity, is_sent)
                another = another_of(mailbox, place, opened.uidnext)
                facts = facts_of(mailbox, place, self._listed(mailbox, since, None), another, self._unknown)
                there = {uid: mail for uid, mail in facts.items() if not mail.arrived_at or mail.arrived_at >= since}
                held = set(known(self.account, [place.key(uid) for uid in there]))
                rest = {uid: mail for uid, mail in there.items() if place.key(uid) not in held}
                for batch in batches(mailbox, place, rest, self._bounds, {}, None, another, self._hung):
                    yield PollBatch(batch.captured, {})

    def retrieve(self, key: str, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch a mail that a poll had to leave out; nothing where its folder was made anew and is listed anew.

        `Withheld` as well where its folder is read no more: this lasts, and no other mail waits for it.
        """
        folder, uid = headers["folder"], int(headers["uid"])
        with self._open() as mailbox:
            opened = self._opened(mailbox, folder)
            place = Place(self.account, folder, opened.uidvalidity, headers["sent"] == "1")
            if place.key(uid) != key:
                return ()
            another = another_of(mailbox, place, opened.uidnext)
            try:
                fetch = partial(retrieved, mailbox, place, uid, self._bounds, another, self._unknown)
                found = withheld.retrieved(key, fetch, another)
            except Unanswered as error:
                hung_up = error
            else:
                self._hung.forgive(folder, opened.uidvalidity, uid)
                return found
        with self._open() as mailbox:
            another = another_of(mailbox, place, self._opened(mailbox, folder).uidnext)
            if withheld.can_be_had(another, {key}):
                raise Withheld(f"{self.options.host} hangs up when it is asked for")
        raise hung_up

    def consent(self) -> OAuthConsent:
        """Return an attempt of a person to let the channel into the mailbox."""
        if not isinstance(self._access.key, Grant):
            told = "nobody need let it in: it has credentials of its own"
            raise ConfigError(told, setting=f"{self._access.setting}.oauth")
        return OAuthConsent(self._access.key, self._clock, self._whose)

    def check(self) -> Sequence[str]:
        """Log in, and see that the folders exist."""
        found = []
        if self.options.tls is False and self.options.host.lower() not in LOOPBACK:
            found.append(f'{self.name}: the password goes over the network in clear; set tls = true or "starttls"')
        try:
            with self._open() as mailbox:
                names = {folder.name for folder in mailbox.folders()}
                wanted = {*self.options.folders, *(self.options.sent_folders or ())}
                there = ", ".join(sorted(names)[:20])
                if missing := sorted(wanted - names - {INBOX}):
                    found.append(f"{self.name}: there is no folder {', '.join(missing)}; there are {there}")
                if self.options.sent_folders is None and mailbox.sent_folder() is None:
                    problem = "no folder is marked as sent mail; name it in sent_folders, or set sent_folders = []"
                    found.append(f"{self.name}: {problem}; there are {there}")
        except SidecarError as error:
            found.append(f"{self.name}: {error}")
        return found

    def _whose(self, token: str) -> str:
        """See that a token opens this mailbox, and return its name."""
        with open_mailbox(replace(self._access, key=Given(token))) as mailbox:
            mailbox.folders()
        return self.options.username

    def _open(self) -> AbstractContextManager[Mailbox]:
        return open_mailbox(self._access)

    def _folders(self, mailbox: Mailbox) -> Sequence[tuple[str, bool]]:
        """The folders to read, each with whether it holds what our people sent."""
        sent = self.options.sent_folders
        if sent is None:
            found = mailbox.sent_folder()
            sent = (found,) if found else ()
        return [*((name, True) for name in sent), *((name, False) for name in self.options.folders if name not in sent)]

    def _opened(self, mailbox: Mailbox, folder: str) -> Opened:
        """Open the folder of a mail that was left out; `Withheld` where it is read no more, or isn't there."""
        if folder not in dict(self._folders(mailbox)):
            raise Withheld(f"its folder {folder!r} isn't read any more: folders and sent_folders say which ones are")
        try:
            return mailbox.select(folder)
        except ConfigError:
            if folder.upper() == INBOX or folder in {there.name for there in mailbox.folders()}:
                raise
            raise Withheld(f"its folder {folder!r} isn't in the mailbox any more: it was renamed or removed") from None

    def _is_ours(self, arrived_at: datetime | None) -> bool:
        return arrived_at is None or arrived_at >= self._live_since

    def _older(self, mailbox: Mailbox, since: datetime) -> Mapping[int, MailFacts]:
        facts = mailbox.facts(self._listed(mailbox, since, self._live_since))
        return {
            uid: mail
            for uid, mail in facts.items()
            if mail.arrived_at and since <= mail.arrived_at and not self._is_ours(mail.arrived_at)
        }

    def _listed(self, mailbox: Mailbox, since: datetime, until: datetime | None) -> list[int]:
        """The UIDs of what arrived in this time and, since a server's day isn't ours, up to a day around it.

        A month at a time: a server answers in one line, of which Python's imaplib takes a million bytes. Without an
        `until` the last month has no end, lest a mail be missed that a server dates into the future.
        """
        start, end = (max(since, EPOCH) - DAY).date(), ((until or self._clock()) + 2 * DAY).date()
        found: set[int] = set()
        while start < end:
            before = min(start + SEARCH_DAYS * DAY, end)
            found.update(mailbox.between(start, None if before == end and until is None else before))
            start = before
        return sorted(found)
