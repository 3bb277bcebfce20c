"""The poll: history from where it was left, and all mails anew where history reaches back no longer.

The history id is read before the mails are listed, and kept first: what arrives during the crawl is in the history from
there. Gmail forgets history after a week or, rarely, hours (404); then the crawl begins again, and asks of each mail
whether anything happened to it since the id that was good last, so that only those are fetched. After each page of a
crawl the history is read as well, so that a long crawl delays nobody. What comes twice has the same ids.

A cursor is `{"history": "987", "crawl": {"page": "t", "done": "id", "known": "900"}, "watch": {...}}`: how far history
is read; where a crawl stands, by page and last mail, and up to which history id everything is known already; and what
`subscriptions` says. The history id never moves back. A cursor that can't be read counts as lost, which costs a
repetition and never a mail.

A mail is looked at before it is fetched, so that the words of drafts, spam and excluded labels are never asked for. A
draft that is sent, or a mail that leaves spam, comes in then. What is deleted for good is told; what lies in the trash
is not deleted. What was deleted while history reached back no longer is never told by Gmail.

A mail that Gmail refuses while it hands out another is laid down as withheld, by its id, and the others go on.
"""

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson

from adapters.channels.gmail.api import Api, HistoryGoneError
from adapters.channels.gmail.shapes import Happened, ListPage, Mail, Record, header_of, raw_of
from adapters.formats.withheld import Sieve, can_be_had, first_of
from sidecar.errors import SidecarError, TemporaryError, Unanswered
from sidecar.ports import Captured, KnownKeys, PollBatch, nothing_known

MAX_PAGES = 100_000
MAX_CRAWLS = 3
BATCH_BYTES = 32 * 1024 * 1024
LIST_SLACK = timedelta(days=1)
"""Gmail's search compares in seconds and in whichever zone; each mail's own time decides."""
DRAFT, SENT = "DRAFT", "SENT"


@dataclass(frozen=True, slots=True)
class Crawl:
    """Where a crawl stands; `known` is the history id up to which all is captured already, if any."""

    page: str = ""
    done: str = ""
    known: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a poll stands; see the module's word on cursors."""

    history: str = ""
    crawl: Crawl | None = None
    watch: Mapping[str, str] | None = None

    def told(self) -> dict[str, Any]:
        """Return the place as a cursor."""
        crawl = self.crawl and {"page": self.crawl.page, "done": self.crawl.done, "known": self.crawl.known}
        return {"history": self.history, "crawl": crawl, "watch": dict(self.watch) if self.watch else None}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which mails count: by labels, from when (inclusive) until when (exclusive, None is open), and how large."""

    include: frozenset[str]
    exclude: frozenset[str]
    floor: datetime
    until: datetime | None
    max_bytes: int
    batch_size: int
    deletions: bool = True

    def takes(self, labels: Iterable[str]) -> bool:
        """Say whether a mail with these labels counts."""
        found = set(labels)
        return DRAFT not in found and not found & self.exclude and (not self.include or bool(found & self.include))

    def times(self, mail: Mail) -> bool:
        """Say whether a mail arrived within the bounds; one without a time counts."""
        at = mail.arrived_at
        return at is None or (at >= self.floor and (self.until is None or at < self.until))


def read_place(cursor: Mapping[str, Any] | None) -> Place:
    """Return the place of a cursor; one that can't be read counts as lost."""
    told = cursor or {}
    history, crawl, watch = told.get("history"), told.get("crawl"), told.get("watch")
    kept = watch if isinstance(watch, Mapping) and all(isinstance(v, str) for v in watch.values()) else None
    if not isinstance(history, str) or not history.isdigit():
        return Place(watch=kept)
    return Place(history, _crawl(crawl), kept)


class Walk:
    """One poll of one mailbox."""

    def __init__(self, api: Api, account: str, wanted: Wanted, known: KnownKeys = nothing_known) -> None:
        self._api, self._account, self._wanted, self._known = api, account, wanted, known
        self._drafts: set[str] = set()
        self._sieve = Sieve(self.another)

    def poll(self, place: Place) -> Generator[PollBatch, None, Place]:
        """Yield what is new since a place, and return the place behind it."""
        for _ in range(MAX_CRAWLS):
            if not place.history:
                place = replace(place, history=self._api.profile().history_id, crawl=Crawl())
                yield PollBatch((), place.told())
            try:
                place = yield from self._caught_up(place)
                return place
            except _LostError as lost:
                place = lost.place
                yield PollBatch((), place.told())
        raise TemporaryError("Gmail forgets its history faster than it can be read", retry_after_s=600.0)

    def all(self, place: Place) -> Generator[PollBatch, None, Place]:
        """Yield all mails within the bounds, newest first, and return the place behind them."""
        crawl = place.crawl or Crawl()
        for _ in range(MAX_PAGES):
            place = replace(place, crawl=crawl)
            page = self._listed(crawl)
            if page is None:
                crawl = replace(crawl, page="", done="")
                continue
            place = yield from self._page(place, crawl, page)
            if not page.next_page_token:
                return place
            crawl = Crawl(page.next_page_token, "", crawl.known)
        raise TemporaryError("Gmail lists more mails than can be read at once", retry_after_s=3600.0)

    def listed(self) -> Iterator[str]:
        """Yield the ids of the mails around the bounds, newest first."""
        token = ""
        for _ in range(MAX_PAGES):
            page = self._listed(Crawl(token))
            if page is None:
                raise TemporaryError("Gmail's list of mails changed while it was read", retry_after_s=5.0)
            yield from (one.id for one in page.messages)
            token = page.next_page_token
            if not token:
                return

    def sampled(self, ids: Sequence[str]) -> list[Mail]:
        """Look at some mails, and past one that is refused while another can be had."""
        found: list[Mail] = []
        for id in ids:
            try:
                mail = self.looked_at(id)
            except Unanswered:
                raise
            except SidecarError:
                if not can_be_had(self.another, {_key(id)}):
                    raise
            else:
                found += [mail] if mail else []
        return found

    def looked_at(self, id: str, known: str = "") -> Mail | None:
        """Return a mail without its words, if it is there, counts, and something happened to it since."""
        mail = self._api.mail(id, "minimal")
        if mail is None or not self._wanted.takes(mail.label_ids) or not self._wanted.times(mail):
            return None
        return None if known and int(mail.history_id) <= int(known) else mail

    def retrieved(self, id: str) -> Sequence[Captured]:
        """Fetch a mail that was withheld, whenever it arrived; nothing where it is gone, or counts no longer."""
        mail = self._api.mail(id, "minimal")
        found = self._captured(mail) if mail is not None and self._wanted.takes(mail.label_ids) else None
        return (found,) if found else ()

    def another(self, but: Collection[str]) -> bool:
        """Say whether one of the newest mails but some can be fetched."""
        page = self._listed(Crawl())
        rows = page.messages if page else ()
        return first_of({_key(row.id): partial(self._brought, row.id) for row in rows}, but)

    def _caught_up(self, place: Place) -> Generator[PollBatch, None, Place]:
        """Read history, then a page of the crawl, in turns, until both are at their ends."""
        for _ in range(MAX_PAGES):
            place = yield from self._news(place)
            crawl = place.crawl
            if crawl is None:
                return place
            page = self._listed(crawl)
            if page is None:
                place = replace(place, crawl=replace(crawl, page="", done=""))
                continue
            place = yield from self._page(place, crawl, page)
            more = Crawl(page.next_page_token, "", crawl.known)
            place = replace(place, crawl=more if page.next_page_token else None)
            yield PollBatch((), place.told())
        raise TemporaryError("Gmail lists more mails than can be read at once", retry_after_s=3600.0)

    def _news(self, place: Place) -> Generator[PollBatch, None, Place]:
        """Yield what happened since the place's history id; `_LostError` where Gmail knows that no longer."""
        start, token = place.history, ""
        for _ in range(MAX_PAGES):
            try:
                page = self._api.history(start, token)
            except HistoryGoneError:
                raise _LostError(self._lost(place)) from None
            place = yield from self._records(place, page.history)
            token = page.next_page_token
            if token:  # however little of it counts, whoever waits for the poll hears that it goes on
                yield PollBatch((), place.told())
            else:
                place = replace(place, history=_newer(place.history, page.history_id))
                if place.history != start:
                    yield PollBatch((), place.told())
                return place
        raise TemporaryError("Gmail's history is longer than can be read at once", retry_after_s=60.0)

    def _lost(self, place: Place) -> Place:
        """Return where to begin anew: the newest id first, and what is known up to the one that was good last.

        An id that the mailbox hasn't come to yet is another mailbox's, so that nothing is known.
        """
        newest = self._api.profile().history_id
        known = place.crawl.known if place.crawl else place.history
        return replace(place, history=newest, crawl=Crawl(known=known if known and int(known) <= int(newest) else ""))

    def _records(self, place: Place, records: Sequence[Record]) -> Generator[PollBatch, None, Place]:
        """Yield what records tell; a cursor names a record once all of it is captured."""
        group, seen, safe = _Group(self._wanted.batch_size), set[str](), place
        for record in records:
            for captured in self._told(record, seen):
                if group.is_full(captured):
                    yield PollBatch(group.taken(), safe.told())
                group.add(captured)
            place = replace(place, history=_newer(place.history, record.id))
            safe = safe if self._sieve.holds else place
        yield from self._last(group, safe, place)
        return place

    def _told(self, record: Record, seen: set[str]) -> Iterator[Captured]:
        for one in (*record.messages_added, *self._relabelled(record)):
            if DRAFT in one.message.label_ids:
                self._drafts.add(one.message.id)
            elif one.message.id not in seen:
                seen.add(one.message.id)
                yield from self._tried(one.message.id)
        for one in record.messages_deleted:
            is_draft = DRAFT in one.message.label_ids or one.message.id in self._drafts
            if self._wanted.deletions and not is_draft:
                yield _deletion(self._account, record.id, one.message.id)

    def _relabelled(self, record: Record) -> list[Happened]:
        """What may count now and didn't before: sent drafts, what left an excluded label or came to a wanted one."""
        left, came = {DRAFT, *self._wanted.exclude}, {SENT, *self._wanted.include}
        gone = [one for one in record.labels_removed if left & set(one.label_ids)]
        return gone + [one for one in record.labels_added if came & set(one.label_ids)]

    def _listed(self, crawl: Crawl) -> ListPage | None:
        until = self._wanted.until
        return self._api.mails(self._wanted.floor - LIST_SLACK, until + LIST_SLACK if until else None, crawl.page)

    def _page(self, place: Place, crawl: Crawl, page: ListPage) -> Generator[PollBatch, None, Place]:
        """Yield the mails of a page that lie behind the last one; the place names the last that is captured."""
        ids = [one.id for one in page.messages]
        behind = ids[ids.index(crawl.done) + 1 :] if crawl.done in ids else ids
        known = set(self._known(self._account, [_key(id) for id in behind]))
        group, safe = _Group(self._wanted.batch_size), place
        for id in (id for id in behind if _key(id) not in known):
            for captured in self._tried(id, crawl.known):
                if group.is_full(captured):
                    yield PollBatch(group.taken(), safe.told())
                group.add(captured)
            place = replace(place, crawl=replace(crawl, done=id))
            safe = safe if self._sieve.holds else place
        yield from self._last(group, safe, place)
        return place

    def _last(self, group: "_Group", safe: Place, place: Place) -> Iterator[PollBatch]:
        """Yield what is left of a group, with what is still held; the last cursor is the place behind it all."""
        for captured in self._sieve.settled():
            if group.is_full(captured):
                yield PollBatch(group.taken(), safe.told())
            group.add(captured)
        if group.held:
            yield PollBatch(group.taken(), place.told())

    def _tried(self, id: str, known: str = "") -> tuple[Captured, ...]:
        """What a mail brings, and before it what was refused and is withheld."""
        named = Captured(self._account, b"", _key(id), {"gmail": "mail", "id": id})
        return self._sieve.tried(partial(self._brought, id, known), named)

    def _brought(self, id: str, known: str = "") -> Captured | None:
        mail = self.looked_at(id, known)
        return self._captured(mail) if mail else None

    def _captured(self, mail: Mail) -> Captured | None:
        """Fetch a mail and lay it down, or its header where it is too large; None where it is gone by now."""
        headers = {"gmail": "mail", "id": mail.id, "sent": "1" if SENT in mail.label_ids else "0"}
        if mail.arrived_at:
            headers["internaldate"] = mail.arrived_at.isoformat()
        key, most, size_bytes = _key(mail.id), self._wanted.max_bytes, mail.size_estimate
        if size_bytes <= most:
            whole = self._api.mail(mail.id, "raw")
            raw = raw_of(whole) if whole else b""
            size_bytes = len(raw)
            if size_bytes <= most:
                return Captured(self._account, raw, key, headers) if whole else None
        head = self._api.mail(mail.id, "metadata")
        fault = f"mail of about {size_bytes} bytes; at most {most} are read"
        return Captured(self._account, header_of(head), key, headers, fault) if head else None


def census_batches(batches: Iterator[PollBatch]) -> Iterator[PollBatch]:
    """Yield the batches without their cursors."""
    return (PollBatch(batch.captured, {}) for batch in batches if batch.captured)


def is_hint_ahead(place: Place, hinted: int) -> bool:
    """Say whether a push named a history id that the history hasn't shown yet."""
    return bool(place.history) and hinted > int(place.history)


class _LostError(Exception):
    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place


class _Group:
    """Deliveries that become durable together: bounded in number and bytes."""

    def __init__(self, most: int) -> None:
        self.held: list[Captured] = []
        self._most, self._size_bytes = most, 0

    def is_full(self, captured: Captured) -> bool:
        """Say whether one more would be too many."""
        return bool(self.held) and (len(self.held) >= self._most or self._size_bytes + len(captured.raw) > BATCH_BYTES)

    def add(self, captured: Captured) -> None:
        """Take one more."""
        self.held.append(captured)
        self._size_bytes += len(captured.raw)

    def taken(self) -> tuple[Captured, ...]:
        """Hand out what is held, and begin anew."""
        taken, self.held, self._size_bytes = tuple(self.held), [], 0
        return taken


def _crawl(told: object) -> Crawl | None:
    if not isinstance(told, Mapping):
        return None
    page, done, known = (told.get(name) for name in ("page", "done", "known"))
    if not (isinstance(page, str) and isinstance(done, str) and isinstance(known, str)):
        return Crawl()
    return Crawl(page, done, known if known.isdigit() else "")


def _key(id: str) -> str:
    return f"mail:{id}"


def _newer(one: str, other: str) -> str:
    return other if int(other) > int(one) else one


def _deletion(account: str, record: str, id: str) -> Captured:
    raw = orjson.dumps({"history": record, "messagesDeleted": [{"message": {"id": id}}]}, option=orjson.OPT_SORT_KEYS)
    return Captured(account, raw, f"deleted:{id}", {"gmail": "deletion", "id": id})
