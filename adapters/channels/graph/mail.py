"""A mailbox of Microsoft 365: what came in and what our people sent, polled by Graph's delta and never changed.

Each folder has a round of its own, which says what has come in since the last one; each mail is then fetched as MIME,
the bytes that a mail server would have handed out, and read as every other mail here is. Graph's notifications make the
next poll due and say nothing themselves. What arrived before the first start is history: only a backfill reads it.

Who wrote a mail is a matter of where it lay: what lies in Sent Items is our side's word, and nothing else is. Drafts
and junk are never read. A mail that somebody deletes later stays what it was: something that was written.

The trade-off: a first round lists a folder whole (a hundred mails a call, without their words), because Graph's own
filter for that stops at 5,000 mails; and a round that has died fetches again what came in since the first start.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints, field_validator

from adapters.channels.graph.api import quoted, read_json
from adapters.channels.graph.hooked import THING, HookedChannel
from adapters.channels.graph.mail_walk import (
    FACTS,
    FACTS_BYTES,
    PAGE_SIZE,
    SIZE,
    Bounds,
    Folder,
    Place,
    Walk,
    pages,
    window,
)
from adapters.channels.graph.options import GraphOptions
from adapters.channels.graph.subscriptions import read_time
from adapters.formats.calendar_activity import mail_activities
from adapters.formats.mime import MAIL_BYTES_MAX, parse_mail
from adapters.formats.withheld import retrieved
from sidecar.errors import ConfigError, PermanentError
from sidecar.model import Activity, Delivery
from sidecar.ports import Captured, ChannelCapabilities, Context, Extent, KnownKeys, PollBatch, nothing_known

NEVER = frozenset({"drafts", "junkemail", "outbox", "junk email", "deleteditems", "deleted items"})
LEVELS_MAX = 10

Name = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]


class MailOptions(GraphOptions):
    """Settings of one mailbox's mail."""

    folders: tuple[Name, ...] = Field(
        ("inbox",), max_length=50, description="Names, well-known names or ids; A/B lies in A"
    )
    sent_folders: tuple[Name, ...] = Field(
        ("sentitems",), max_length=50, description="Folders of what your people sent"
    )
    every_s: float = Field(300.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    batch_size: int = Field(50, ge=1, le=500, description="Mails that are made durable together")
    max_message_bytes: int = Field(MAIL_BYTES_MAX, ge=1_000, le=MAIL_BYTES_MAX)

    @field_validator("folders", "sent_folders")
    @classmethod
    def _readable(cls, folders: tuple[str, ...]) -> tuple[str, ...]:
        if NEVER & {folder.casefold() for folder in folders}:
            raise ValueError("drafts, junk, outbox and deleted items are never read")
        return folders


class MailChannel(HookedChannel):
    """Polls the folders of one mailbox, and takes Graph's hints that it should."""

    Options = MailOptions
    first_look = ("mailFolders/inbox/messages", {"$select": "id", "$top": "1"})
    capabilities = ChannelCapabilities(
        webhook=True,
        poll=True,
        backfill=True,
        handshake=True,
        hints=True,
        stamped=False,
        covers_body=False,
        census=True,
        subscriptions=True,
        withholds=True,
    )

    def __init__(self, name: str, options: MailOptions, context: Context) -> None:
        super().__init__(name, options, context, scope="Mail.Read", change="created")
        self.options = options
        self._ids: dict[str, str] = {}

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what has come in since the cursor, never what predates us; its shape stands in `mail_walk`."""
        walk = self._walk(self._live_since, None, cursor)
        resources: dict[str, str] = {}
        for folder in self._folders():
            yield from walk.changes(folder)
            resources[folder.name] = self._resource(folder)
        held = (cursor or {}).get("subscriptions", {})
        kept = self._subscriptions.kept(held, resources)
        if kept != held:
            yield PollBatch((), {**walk.told(), "subscriptions": kept})

    def parse(self, delivery: Delivery) -> Sequence[Activity]:
        """Read one mail into its activity, and the invitations in it into theirs; a notice is none."""
        if "fault" in delivery.headers:
            raise PermanentError(delivery.headers["fault"])
        if THING not in delivery.headers:
            return ()
        arrived = read_time(delivery.headers.get("received"))
        arrived_at = min(arrived, delivery.received_at) if arrived else delivery.received_at
        is_sent = delivery.headers.get("sent") == "1"
        return mail_activities(delivery, parse_mail(delivery.raw), self._own, arrived_at, is_sent)

    def extent(self, since: datetime) -> Extent:
        """Count the mails that arrived since then and before the first start, by the sizes that Graph tells."""
        items, size_bytes, oldest = 0, 0, list[datetime]()
        bounds = self._bounds(since, self._live_since)
        expand = {"$expand": f"singleValueExtendedProperties($filter=id eq '{SIZE}')"}
        for folder in self._folders():
            for page in pages(self._api, folder, window(bounds, FACTS | expand), Place()):
                rows = [row for row in page.rows if row.get("isDraft") is not True]
                items += len(rows)
                size_bytes += sum(map(_size_bytes, rows))
                oldest += [at for row in rows if (at := read_time(row.get("receivedDateTime")))]
        return Extent(items, size_bytes, min(oldest, default=None))

    def backfill(self, since: datetime, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield the mails that arrived since then and before the first start; its cursor is shaped like poll's."""
        walk = self._walk(since, self._live_since, cursor)
        for folder in self._folders():
            yield from walk.listed(folder)

    def census(self, since: datetime, known: KnownKeys = nothing_known) -> Iterator[PollBatch]:
        """Yield every mail that lies in the folders and arrived since then, under the keys that a poll gives it."""
        walk = Walk(self._api, self.account, self._bounds(since, None), None, self._folders, known)
        for folder in self._folders():
            for batch in walk.listed(folder):
                yield PollBatch(batch.captured, {})

    def retrieve(self, key: str, headers: Mapping[str, str]) -> Sequence[Captured]:
        """Fetch a mail that a poll had to leave out."""
        walk = self._walk(self._live_since, None, None)
        return retrieved(key, lambda: walk.retrieved(headers), walk.another)

    def check(self) -> Sequence[str]:
        """Sign in, and see that the folders exist."""
        return self._tried(lambda: list(self._folders()))

    def _walk(self, since: datetime, until: datetime | None, cursor: Mapping[str, Any] | None) -> Walk:
        return Walk(self._api, self.account, self._bounds(since, until), cursor, self._folders)

    def _bounds(self, since: datetime, until: datetime | None) -> Bounds:
        options = self.options
        return Bounds(since.astimezone(UTC), until, options.batch_size, options.max_message_bytes)

    def _folders(self) -> Iterator[Folder]:
        """The folders to read, what our people sent first: the weaker copy of a mail to oneself comes after.

        Those that aren't there are told when all others were read.
        """
        sent = self.options.sent_folders
        wanted = [
            *((name, True) for name in sent),
            *((name, False) for name in self.options.folders if name not in sent),
        ]
        seen, missing = set[str](), list[str]()
        for name, is_sent in wanted:
            id = self._found(name)
            if id is None:
                missing.append(name)
            elif id not in seen:
                seen.add(id)
                yield Folder(name, id, is_sent)
        if missing:
            told = f"there is no folder {', '.join(map(repr, missing))}"
            raise ConfigError(told, setting=f"channels.{self.name}.folders")

    def _found(self, name: str) -> str | None:
        """The id of a folder: by its well-known name or its id, else by its name, and those that it lies in.

        A name is looked up each time: it may by now be another folder's, while the former one lies in Deleted Items.
        """
        if name in self._ids:
            return self._ids[name]
        named = self._api.thing(
            "folder", f"mailFolders/{quoted(name)}", FACTS_BYTES, {"$select": "id"}, may_be_odd=True
        )
        if named is not None and isinstance(id := read_json(named.raw).get("id"), str):
            self._ids[name] = id
            return id
        at, path = "", name.split("/")[:LEVELS_MAX]
        for level in path:
            inside = f"mailFolders/{quoted(at)}/childFolders" if at else "mailFolders"
            spelt = level.replace("'", "''")
            page = self._api.page(
                "folders", inside, {"$filter": f"displayName eq '{spelt}'", "$select": "id"}, PAGE_SIZE
            )
            if not page.rows:
                return None
            at = page.rows[0]["id"]
        return at

    def _resource(self, folder: Folder) -> str:
        spelt = folder.id.replace("'", "''")
        return f"users/{self.options.mailbox}/mailFolders('{spelt}')/messages"


def _size_bytes(row: Mapping[str, Any]) -> int:
    told = row.get("singleValueExtendedProperties")
    values = [one.get("value") for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    return next((int(value) for value in values if isinstance(value, str) and value.isdigit() and len(value) < 12), 0)
