"""Folders of mail, page by page, into batches of deliveries with the cursor that follows each.

A cursor is `{"folders": {name: {"id": id, "link": address, "done": [ids]}}, "subscriptions": {...}}`: the page that is
being read, what of it was laid down, and at a round's end the address of the next one; a folder that was deleted and
remade under its name has another id, and is begun anew. Graph promises no order, repeats
items, sends empty pages and partial items; so nothing is concluded from a page but that its items are there. A token
that has died, in whichever of its shapes, begins the folder anew: the same ids are laid down under the same keys, so
that costs a repetition and never a mail. A cursor that can't be read counts as lost and costs the same.

A mail that is too large is laid down as its headers, with a fault, so that a person learns of it; and so is one that
Graph can't hand out (an encrypted one, or one that is broken there), as what Graph tells of it. One that is refused
for whatever else, while another comes, is laid down as withheld, by its id.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import unquote

from adapters.channels.graph.api import Api, DeadTokenError, Page, quoted, read_json
from adapters.channels.graph.subscriptions import read_time
from adapters.formats.withheld import Sieve, first_of
from sidecar.errors import TemporaryError
from sidecar.ports import Captured, KnownKeys, PollBatch, nothing_known

PAGE_SIZE = 100
PAGES_MAX = 20_000
HEADER_BYTES = 64 * 1024
BATCH_BYTES = 32 * 1024 * 1024
FACTS_BYTES = 1024 * 1024
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
END = "end"
FACTS = {"$select": "receivedDateTime,isDraft"}
ABOUT = {"$select": "internetMessageId,receivedDateTime,subject,from"}
SIZE = "Integer 0x0E08"
"""PidTagMessageSize, which stands in no property of Graph's own. Source: MS-OXPROPS 2.796, 2026-11."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder: as it is called in the config, by its id, and whether it holds what our people sent."""

    name: str
    id: str
    is_sent: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """From when (inclusive) until when (exclusive, None is open), and how much at once."""

    since: datetime
    until: datetime | None
    batch_size: int
    max_message_bytes: int


@dataclass(slots=True)
class Place:
    """Where in which folder's pages we are; an empty link is the beginning."""

    id: str = ""
    link: str = ""
    done: list[str] = field(default_factory=list)


Folders = Callable[[], Iterable[Folder]]


class Walk:
    """Reads folders of one mailbox from a cursor on."""

    def __init__(
        self,
        api: Api,
        account: str,
        bounds: Bounds,
        cursor: Mapping[str, Any] | None,
        folders: Folders,
        known: KnownKeys = nothing_known,
    ) -> None:
        self._api, self._account, self._bounds, self._known = api, account, bounds, known
        self._folders, self._sieve = folders, Sieve(self.another)
        self._rest = {name: value for name, value in (cursor or {}).items() if name == "subscriptions"}
        self._places = read_places((cursor or {}).get("folders"))

    def changes(self, folder: Folder) -> Iterator[PollBatch]:
        """Yield what has come into a folder since its last round, or since the beginning."""
        place = self._place(folder)
        query = {**FACTS, "changeType": "created"}
        may_restart = True
        for _ in range(PAGES_MAX):
            try:
                page = self._api.page("delta", place.link or f"{_at(folder)}/delta", _first(place, query), PAGE_SIZE)
            except DeadTokenError:
                if not may_restart:
                    raise TemporaryError("Graph begins a folder anew without end", retry_after_s=600.0) from None
                may_restart, place.link, place.done = False, "", []
                continue
            link = page.next or page.delta
            yield from self._page(folder, place, page, link)
            if not page.next:
                return
        raise TemporaryError("a folder of Graph's doesn't end", retry_after_s=3_600.0)

    def listed(self, folder: Folder) -> Iterator[PollBatch]:
        """Yield the mails of a folder between the bounds, oldest first; its cursor is at the end behind the last."""
        place = self._place(folder)
        if place.link != END:
            query = window(self._bounds, FACTS)
            for page in pages(self._api, folder, query, place):
                known = set(self._known(self._account, [_key(row["id"]) for row in page.rows]))
                rest = replace(page, rows=[row for row in page.rows if _key(row["id"]) not in known])
                yield from self._page(folder, place, rest, page.next or END)

    def retrieved(self, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch a mail that was withheld, whenever it arrived and wherever it lies now; nothing where it is gone."""
        folder = Folder(headers["folder"], "", headers["sent"] == "1")
        found = self._mail(folder, {"id": headers["id"]}, replace(self._bounds, since=EPOCH, until=None))
        return (found,) if found else ()

    def another(self, but: Collection[str]) -> bool:
        """Say whether one of the newest mails but some can be fetched."""
        newest = window(self._bounds, {**FACTS, "$orderby": "receivedDateTime desc"})
        for folder in self._folders():
            rows = self._api.page("messages", _at(folder), newest, PAGE_SIZE).rows
            if first_of({_key(row["id"]): partial(self._mail, folder, row, self._bounds) for row in rows}, but):
                return True
        return False

    def told(self) -> dict[str, Any]:
        """Return where it stands as a cursor."""
        folders = {
            name: {"id": place.id, "link": place.link, "done": list(place.done)} for name, place in self._places.items()
        }
        return {**self._rest, "folders": folders}

    def _place(self, folder: Folder) -> Place:
        """Where we are in a folder, its beginning where the one of that name was another."""
        place = self._places.get(folder.name)
        if place is not None and not place.id and folder.id in unquote(place.link):
            place.id = folder.id  # an older version kept no id; the link that Graph gave it names the folder
        if place is None or place.id != folder.id:
            place = self._places[folder.name] = Place(folder.id)
        return place

    def _page(self, folder: Folder, place: Place, page: Page, link: str) -> Iterator[PollBatch]:
        """The batches of a page; the last one's cursor stands behind it."""
        group: list[Captured] = []
        size_bytes = 0
        for captured in self._captured(folder, place, page):
            if group and (len(group) == self._bounds.batch_size or size_bytes + len(captured.raw) > BATCH_BYTES):
                yield PollBatch(tuple(group), self.told())
                group, size_bytes = [], 0
            group.append(captured)
            size_bytes += len(captured.raw)
            place.done.append(_id(captured))
        is_news = bool(group) or place.link != link
        place.link, place.done = link, []
        if is_news:
            yield PollBatch(tuple(group), self.told())

    def _captured(self, folder: Folder, place: Place, page: Page) -> Iterator[Captured]:
        """What a page brings that wasn't laid down yet; what is refused, as soon as it is known to be so alone."""
        for id, row in {row["id"]: row for row in page.rows}.items():
            if id not in place.done:
                about = {"folder": folder.name, "sent": "1" if folder.is_sent else "0", "id": id}
                named = Captured(self._account, b"", _key(id), about)
                yield from self._sieve.tried(partial(self._mail, folder, row, self._bounds), named)
        yield from self._sieve.settled()

    def _mail(self, folder: Folder, row: Mapping[str, Any], bounds: Bounds) -> Captured | None:
        """What is laid down of a mail; nothing of what is gone, a draft, or outside of the bounds."""
        if "@removed" in row:
            return None
        path = f"messages/{quoted(row['id'])}"
        if "receivedDateTime" not in row:  # a partial item: of whatever was seen before, or will be
            facts = self._api.thing("message", path, FACTS_BYTES, FACTS)
            if facts is None:
                return None
            row = {**row, **read_json(facts.raw)}
        received = read_time(row.get("receivedDateTime"))
        if row.get("isDraft") is True or (received is not None and not _is_within(received, bounds)):
            return None
        mime = self._api.thing("mime", f"{path}/$value", bounds.max_message_bytes)
        if mime is None:
            return None
        headers = {"thing": "mail", "folder": folder.name, "sent": "1" if folder.is_sent else "0"}
        headers |= {"received": received.isoformat()} if received else {}
        key = _key(row["id"])
        if mime.fault:
            about = self._api.thing("message", path, FACTS_BYTES, ABOUT)
            return Captured(self._account, about.raw if about else b"", key, headers, mime.fault)
        if mime.is_cut:
            fault = f"mail of more than {bounds.max_message_bytes} bytes; no more are read"
            return Captured(self._account, _head(mime.raw), key, headers, fault)
        return Captured(self._account, mime.raw, key, headers)


def pages(api: Api, folder: Folder, query: Mapping[str, str], place: Place) -> Iterator[Page]:
    """Yield the pages of a folder's list from a place on; all of them where that place is known no longer."""
    link = place.link
    for number in range(PAGES_MAX):
        try:
            page = api.page("messages", link or _at(folder), {} if link else query, PAGE_SIZE)
        except DeadTokenError:
            if number or not link:
                raise
            link, place.done = "", []
            continue
        yield page
        link = page.next
        if not link:
            return
    raise TemporaryError("a folder of Graph's doesn't end", retry_after_s=3_600.0)


def window(bounds: Bounds, more: Mapping[str, str]) -> dict[str, str]:
    """Return the query for a folder's mails between the bounds, oldest first."""
    # In whole seconds, so that nothing falls between a backfill and the polls; each mail's own time decides.
    until = f" and receivedDateTime lt {_stamp(bounds.until + timedelta(seconds=1))}" if bounds.until else ""
    chosen = f"receivedDateTime ge {_stamp(bounds.since)}{until}"
    return {"$filter": chosen, "$orderby": "receivedDateTime asc", "$top": str(PAGE_SIZE), **more}


def read_places(told: object) -> dict[str, Place]:
    """Return the readable places of a cursor."""
    found: dict[str, Place] = {}
    for name, place in told.items() if isinstance(told, Mapping) else ():
        held = place if isinstance(place, Mapping) else {}
        id, link, done = held.get("id", ""), held.get("link"), held.get("done")
        if not (isinstance(id, str) and isinstance(link, str) and isinstance(done, list)):
            continue
        if all(isinstance(one, str) for one in done):
            found[str(name)] = Place(id, link, list(done))
    return found


def _key(id: str) -> str:
    return f"message:{id}"


def _id(captured: Captured) -> str:
    return str(captured.key).removeprefix("message:")


def _at(folder: Folder) -> str:
    return f"mailFolders/{quoted(folder.id)}/messages"


def _first(place: Place, query: Mapping[str, str]) -> Mapping[str, str]:
    return {} if place.link else query


def _is_within(received: datetime, bounds: Bounds) -> bool:
    return bounds.since <= received and (bounds.until is None or received < bounds.until)


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _head(raw: bytes) -> bytes:
    """The headers of a mail, as far as they stand at its beginning."""
    start = raw[:HEADER_BYTES]
    ends = [at for at in (start.find(b"\r\n\r\n"), start.find(b"\n\n")) if at >= 0]
    return start[: min(ends)] if ends else start
