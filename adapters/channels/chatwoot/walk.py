"""The poll: all messages since a time, read from the conversations that moved since, and each laid down once.

Chatwoot sends a webhook once and never again, so what the poll finds is what counts. It lists conversations by their
last activity and reads the messages of each back to a floor: the newest activity of the poll before, less an overlap.
Within the overlap a message is read again, so what was committed late, or deleted since, is found. A conversation that
jumps to the front while pages are turned may be skipped: so the front is read again until nothing has jumped.

A cursor is `{"until": seconds, "recent": [keys], "at": [goal, conversation, message]}`: how far, what of the overlap
was laid down already, and where a poll that was left stands, by the ids of conversations, with the time that it will
have reached at its end. All times are Chatwoot's. A cursor that is lost costs a repetition under the same keys and
never a message.

What is laid down is the message as the API told it, with the few lines of its conversation that say whose it is. It is
keyed by the message and its state, for the contact's "last seen" in it changes all the time.

A conversation that Chatwoot refuses to tell of while it tells of another is laid down as withheld, by its number, when
it moved last, and from when on it was asked for; the others go on. So it is named anew once somebody writes in it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Any

import orjson

from adapters.channels.chatwoot.api import ACTIVE, Api
from adapters.channels.chatwoot.events import POLLED
from adapters.formats.withheld import Another, Sieve, first_of
from sidecar.errors import TemporaryError
from sidecar.ports import Captured, PollBatch

MAX_PAGES = 10_000
MAX_ROUNDS = 20
WHOLE = 2**63 - 1
"""Stands for a conversation's last message, where a place lies behind all of it."""
OTHERS, MAX_LISTED = 5, 125
"""How many other conversations are asked for to see whether any can be had, of how many that moved last."""
_ANSWERED = Captured("", b"", "")
_CONTACT = ("id", "name", "email", "phone_number", "identifier")


@dataclass(frozen=True, slots=True)
class Bounds:
    """From when (inclusive) until when (exclusive, None is open), in seconds, and how large a message may be.

    A conversation that is withheld is asked for again from `since` on, the same for all polls of a channel.
    """

    floor: int
    until: int | None
    max_message_bytes: int
    since: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a poll stands; see the module's word on cursors."""

    until: int | None = None
    recent: frozenset[str] = frozenset()
    goal: int | None = None
    conversation: int = 0
    message: int = 0

    def told(self) -> dict[str, Any]:
        """Return the place as a cursor."""
        at = [self.goal, self.conversation, self.message] if self.conversation else None
        return {"until": self.until, "recent": sorted(self.recent), "at": at}


@dataclass(frozen=True, slots=True)
class Found:
    """A message that was read: its conversation's id, its own, when it was written, and what is laid down of it.

    Or all of a conversation that is withheld, when it moved last.
    """

    conversation: int
    message: int
    at: int
    captured: Captured


def read_place(cursor: Mapping[str, Any] | None) -> Place:
    """Return the place of a cursor; one that can't be read counts as lost."""
    told = cursor or {}
    until, recent, at = told.get("until"), told.get("recent"), told.get("at")
    if not isinstance(until, int | None) or not isinstance(recent, list):
        return Place()
    known = frozenset(key for key in recent if isinstance(key, str))
    if not isinstance(at, list) or len(at) != 3 or not isinstance(at[0], int | None):
        return Place(until, known)
    if not isinstance(at[1], int) or not isinstance(at[2], int):
        return Place(until, known)
    return Place(until, known, *at)


def moved(api: Api, floor: int) -> list[dict[str, Any]]:
    """Return the conversations with activity since a time, by their ids."""
    found: dict[int, dict[str, Any]] = {}
    since = floor
    for _ in range(MAX_ROUNDS):
        listed = list(_listed(api, since))
        news = [row for row in listed if row["id"] not in found]
        found |= {row["id"]: row for row in listed}
        since = max((active(row) for row in listed), default=since)
        if not news:
            return [found[i] for i in sorted(found)]
    raise TemporaryError("Chatwoot's conversations move faster than they can be listed", retry_after_s=60.0)


def found_in(
    api: Api,
    account: str,
    conversations: Iterable[Mapping[str, Any]],
    bounds: Bounds,
    place: Place,
    another: Another,
) -> Iterator[Found]:
    """Yield the messages between the bounds that lie behind a place, in order of conversations and messages.

    What is withheld comes in its order, once something behind it was told or `another` says that it can be.
    """
    sieve, begin = Sieve(another), (place.conversation, place.message)
    for conversation in conversations:
        if (conversation["id"], WHOLE) > begin:
            told = list[Found]()
            read = partial(_read, api, account, conversation, bounds, told)
            yield from _left_out(sieve.tried(read, _named(account, conversation, bounds)))
            yield from (one for one in told if (one.conversation, one.message) > begin)
    yield from _left_out(sieve.settled())


def retrieved_in(api: Api, account: str, conversation: Mapping[str, Any], bounds: Bounds) -> list[Captured]:
    """Return what is laid down of one conversation's messages between the bounds."""
    told = list[Found]()
    _read(api, account, conversation, bounds, told)
    return [one.captured for one in told]


def another_in(api: Api, counts: Callable[[Mapping[str, Any]], bool]) -> Another:
    """Return what says whether one of the conversations that count and moved last can be had, but for some."""

    def another(but: Collection[str]) -> bool:
        held = {key.split(":")[1] for key in but}
        rows = (row for row in islice(_listed(api, 0), MAX_LISTED) if counts(row))
        others = islice((id for id in (str(row["id"]) for row in rows) if id not in held), OTHERS)
        return first_of({id: partial(_answered, api, int(id)) for id in others}, ())

    return another


def batches(
    found: Iterable[Found], place: Place, batch_size: int, goal: int | None, overlap_s: int
) -> Iterator[PollBatch]:
    """Yield what isn't laid down yet in batches; the cursor of the last one stands at the goal.

    Without a goal, as in a backfill, it stands behind the last message instead.
    """
    group: list[Captured] = []
    here, recent = replace(place, goal=goal), set()
    for one in found:
        key = str(one.captured.key)
        if goal is not None and one.at >= goal - overlap_s:
            recent.add(key)
        if key in place.recent:
            continue
        group.append(one.captured)
        here = replace(here, conversation=one.conversation, message=one.message)
        if len(group) == batch_size:
            yield PollBatch(tuple(group), here.told())
            group = []
    end = here if goal is None else Place(goal, frozenset(recent))
    if group or end != place:
        yield PollBatch(tuple(group), end.told())


def _read(
    api: Api, account: str, conversation: Mapping[str, Any], bounds: Bounds, told: list[Found]
) -> Captured | None:
    """Read a conversation's messages between the bounds into a list; None where nothing is told of it."""
    for message in _between(api, conversation["id"], bounds):
        captured = _laid_down(account, conversation, message, bounds)
        told.append(Found(conversation["id"], message["id"], _created(message), captured))
    return _ANSWERED if told else None


def _answered(api: Api, conversation: int) -> Captured | None:
    return _ANSWERED if api.messages(conversation, None) else None


def _named(account: str, conversation: Mapping[str, Any], bounds: Bounds) -> Captured:
    """Return the name of a conversation that can't be read."""
    told = {"conversation": conversation["id"], "at": active(conversation), "since": bounds.since}
    headers = {name: str(value) for name, value in told.items()}
    return Captured(account, b"", ":".join(("conversation", *headers.values())), headers)


def _left_out(brought: Iterable[Captured]) -> Iterator[Found]:
    for captured in brought:
        if captured.withheld:
            yield Found(int(captured.headers["conversation"]), WHOLE, int(captured.headers["at"]), captured)


def _listed(api: Api, floor: int) -> Iterator[dict[str, Any]]:
    for page in range(1, MAX_PAGES + 1):
        rows = api.conversations(page)
        yield from (row for row in rows if active(row) >= floor)
        if not rows or min(active(row) for row in rows) < floor:
            return
    raise TemporaryError("Chatwoot lists more conversations than can be read at once", retry_after_s=3600.0)


def _between(api: Api, conversation: int, bounds: Bounds) -> list[dict[str, Any]]:
    """The messages of a conversation between the bounds, oldest first; read backwards, a page at a time."""
    found: dict[int, dict[str, Any]] = {}
    before: int | None = None
    for _ in range(MAX_PAGES):
        rows = api.messages(conversation, before)
        found |= {row["id"]: row for row in rows}
        first = min((row["id"] for row in rows), default=None)
        if first is None or first == before or min(map(_created, rows)) < bounds.floor:
            break
        before = first
    until = bounds.until
    return [found[i] for i in sorted(found) if bounds.floor <= _created(found[i]) and (
        until is None or _created(found[i]) < until
    )]  # fmt: skip


def _laid_down(account: str, conversation: Mapping[str, Any], message: dict[str, Any], bounds: Bounds) -> Captured:
    state = orjson.dumps([message.get("content"), message.get("content_attributes")], option=orjson.OPT_SORT_KEYS)
    key = f"message:{message['id']}:{sha256(state).hexdigest()[:16]}"
    raw = lay_down(account, conversation, message)
    if len(raw) <= bounds.max_message_bytes:
        return Captured(account, raw, key)
    fault = f"message of {len(raw)} bytes; at most {bounds.max_message_bytes} are read"
    return Captured(account, orjson.dumps({"event": POLLED, "id": message["id"]}), key, fault=fault)


def lay_down(account: str, conversation: Mapping[str, Any], message: Mapping[str, Any]) -> bytes:
    """Return the bytes that are kept of a message: as told, with whose conversation it is."""
    meta = conversation.get("meta")
    sender = meta.get("sender") if isinstance(meta, Mapping) else None
    contact = {name: sender.get(name) for name in _CONTACT} if isinstance(sender, Mapping) else None
    about = {
        "id": conversation["id"],
        "inbox_id": conversation.get("inbox_id"),
        "channel": meta.get("channel") if isinstance(meta, Mapping) else None,
        "meta": {"sender": contact},
        "additional_attributes": conversation.get("additional_attributes"),
    }
    told = {**message, "event": POLLED, "account": {"id": int(account)}, "conversation": about}
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)


def active(conversation: Mapping[str, Any]) -> int:
    """Return the time of a conversation's last activity, in seconds."""
    told = (conversation.get(name) for name in ACTIVE)
    return next((int(at) for at in told if isinstance(at, int | float)), 0)


def _created(message: Mapping[str, Any]) -> int:
    told = message.get("created_at")
    return int(told) if isinstance(told, int | float) else 0
