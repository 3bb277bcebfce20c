"""What was said on pages and their Instagram accounts, asked for: it repairs what webhooks lost, and little more.

Meta tells of a conversation its newest twenty messages and knows no filter by time, so the conversations are walked
from the one that moved last to the first one that hasn't moved since. Each that moved is one delivery: the answer as it
came, but for the access token that Meta writes into the address of older messages, under a key that says when it moved
and which messages it held, so that it is the same delivery until something is said. Times are told to the second, so
what moved within the last minute is read once more by the next poll: something may have been said in the same second.
Messages bear the ids that webhooks give them, so what both tell is one fact; those from before the first start are
left out.

The cursor is `{"until": TIME, "seen": {ID: TIME}}`: how far a finished poll came, and what moved shortly before that or
was read since, because a list of conversations may be a little behind itself.

The trade-off: of more than twenty messages between two polls the older ones are lost to the poll. A side that isn't the
customer's may be a person or a bot, which only webhooks tell; where the config names bots, the poll takes nobody of our
side for a person who can be believed.

Source: Meta, Conversations API and Graph reference of Conversation and Message, read 2026-11; that `paging.next` holds
the token it was asked with, huandu/facebook issue 182 (2022).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import orjson
from pydantic import Field, ValidationError, field_validator

from adapters.channels.meta.drafts import Draft, Id, Part, Text, Words, bracketed, customer
from adapters.channels.meta.graph import GONE, MAX_ANSWER_BYTES, Graph
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.model import Activity, Actor, Delivery, Identifier, Participant, Role
from sidecar.ports import Captured, PollBatch

PLATFORMS = {"messenger": "psid", "instagram": "igsid"}
CONVERSATIONS_A_CALL, MESSAGES = 50, 20
MAX_CALLS = 2_000
SIDE, PLATFORM, SINCE = "side", "platform", "since"
"""Headers of a delivery that was asked for: whose conversation it is, where, and from when on it is read."""
SETTLED = timedelta(minutes=1)
_TOKEN = re.compile(rb"access_token=[^&\"\\]+")
_MESSAGES = (
    f"messages.limit({MESSAGES}){{id,created_time,from,to,message,is_unsupported,attachments{{mime_type,name}}}}"
)


@dataclass(frozen=True, slots=True)
class Account:
    """A page or its Instagram account, with the page's own token."""

    page: str
    platform: str
    side: str
    token: str


class _Someone(Part):
    id: Id
    name: Text = ""
    username: Text = ""


class _Everyone(Part):
    data: tuple[_Someone, ...] = Field((), max_length=50)


class _File(Part):
    mime_type: Text = ""
    name: Text = ""


class _Files(Part):
    data: tuple[_File, ...] = Field((), max_length=100)


class _Said(Part):
    id: Id
    created_time: datetime
    sender: _Someone = Field(alias="from")
    to: _Everyone = _Everyone()
    message: Text = ""
    is_unsupported: bool = False
    attachments: _Files = _Files()

    @field_validator("created_time", mode="before")
    @classmethod
    def _time(cls, told: object) -> object:
        return datetime.strptime(told, "%Y-%m-%dT%H:%M:%S%z") if isinstance(told, str) else told


def accounts(graph: Graph, pages: Sequence[str]) -> Iterator[Account]:
    """Yield the pages and, where one is tied to a page, its Instagram account."""
    for page in pages:
        try:
            told = graph.read("page", quote(page, safe=""), {"fields": "access_token,instagram_business_account"}).data
        except PermanentError as error:
            why = (
                f"page {page} isn't there, or not for the token's user; take it out, or assign it to that user: {error}"
            )
            raise ConfigError(why, setting=graph.named("pages")) from None
        token = told.get("access_token") if isinstance(told, Mapping) else None
        if not isinstance(token, str):
            why = f"the token's user may not act for page {page}; give it the task of messaging"
            raise ConfigError(why, setting=graph.named("pages"))
        yield Account(page, "messenger", page, token)
        tied = told.get("instagram_business_account")
        if isinstance(tied, Mapping) and isinstance(tied.get("id"), str):
            yield Account(page, "instagram", tied["id"], token)


@dataclass(frozen=True, slots=True)
class Moved:
    """A conversation that moved, and when."""

    account: Account
    id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Walk:
    """What is read: the pages, for which channel, since when it counts, and how much is made durable together."""

    graph: Graph
    pages: Sequence[str]
    channel: str
    live_since: datetime
    now: datetime
    batch_size: int
    overlap_s: int

    def poll(self, cursor: Mapping[str, Any] | None) -> Iterator[PollBatch]:
        """Yield what moved since the cursor, the longest ago first."""
        until = _time((cursor or {}).get("until")) or self.live_since
        seen = {str(id): at for id, told in dict((cursor or {}).get("seen") or {}).items() if (at := _time(told))}
        overlap = timedelta(seconds=self.overlap_s)
        found = [one for one in self.moved(max(until - overlap, self.live_since)) if seen.get(one.id) != one.at]
        for begin in range(0, len(found), self.batch_size):
            batch = found[begin : begin + self.batch_size]
            captured = tuple(c for one in batch if (c := self.captured(one)) is not None)
            seen |= {one.id: one.at for one in batch if one.at <= self.now - SETTLED}
            yield PollBatch(captured, _cursor(until, seen))
        until = max([until, *(one.at for one in found)])
        yield PollBatch((), _cursor(until, {id: at for id, at in seen.items() if at >= until - overlap}))

    def census(self, since: datetime) -> Iterator[PollBatch]:
        """Yield all that moved since a time, under the keys that the poll gives it."""
        found = self.moved(since)
        for begin in range(0, len(found), self.batch_size):
            batch = found[begin : begin + self.batch_size]
            yield PollBatch(tuple(c for one in batch if (c := self.captured(one)) is not None), {})

    def moved(self, floor: datetime) -> list[Moved]:
        """Return the conversations of all pages that moved since a time, the longest ago first."""
        found = [one for account in accounts(self.graph, self.pages) for one in _moved(self.graph, account, floor)]
        return sorted(found, key=lambda one: (one.at, one.id))

    def captured(self, one: Moved) -> Captured | None:
        """Return the newest messages of a conversation as they came; None where it is gone."""
        account, key = one.account, f"conversation:{one.id}:{one.at.isoformat()}"
        headers = {SIDE: account.side, PLATFORM: account.platform, SINCE: self.live_since.isoformat()}
        try:
            raw = self.graph.bytes_of("messages", quote(one.id, safe=""), {"fields": _MESSAGES}, account.token)
        except PermanentError as error:
            if str(error).startswith(GONE):
                return None
            raise
        if raw is None:
            fault = f"the newest messages of a conversation are more than {MAX_ANSWER_BYTES} bytes"
            return Captured(self.channel, key.encode(), key, headers, fault)
        raw = _TOKEN.sub(b"access_token=", raw)
        return Captured(self.channel, raw, f"{key}:{_held(raw)}", headers)


def _moved(graph: Graph, account: Account, floor: datetime) -> Iterator[Moved]:
    """Yield the conversations of a page that moved since a time, the last one first."""
    query = {"platform": account.platform, "fields": "id,updated_time", "limit": str(CONVERSATIONS_A_CALL)}
    after: dict[str, str] = {}
    for _ in range(MAX_CALLS):
        path = f"{quote(account.page, safe='')}/conversations"
        told = graph.read("conversations", path, {**query, **after}, account.token).data
        rows = told.get("data") if isinstance(told, Mapping) else None
        if not isinstance(rows, list):
            raise TemporaryError("Meta's answer to conversations is no list of them")
        for row in rows:
            at = _moved_at(row)
            if at < floor:
                return
            yield Moved(account, str(row["id"]), at)
        paging = told.get("paging")
        cursors = paging.get("cursors") if isinstance(paging, Mapping) and paging.get("next") else None
        if not isinstance(cursors, Mapping) or not cursors.get("after"):
            return
        after = {"after": str(cursors["after"])}
    raise PermanentError(
        f"more than {MAX_CALLS * CONVERSATIONS_A_CALL} conversations have moved; that is too many to walk"
    )


def read_conversation(delivery: Delivery, bots: bool) -> tuple[Activity, ...]:
    """Read an answer into its messages; one that can't be read is named, and holds up no other."""
    found = []
    faults = []
    since = _time(delivery.headers.get(SINCE))
    for place, row in enumerate(_rows(delivery.raw)):
        try:
            said = _Said.model_validate(row)
            if since is None or said.created_time >= since:
                found.append(_activity(delivery, said, bots=bots))
        except ValidationError as error:
            faults.append(f"message[{place}]: {error.errors(include_url=False, include_input=False)[0]['type']}")
        except ValueError as error:
            faults.append(f"message[{place}]: {error}")
    if faults and not found:
        raise PermanentError("; ".join(faults[:5]))
    return tuple(replace(a, problems=(*a.problems, *faults[:5])) if n == 0 else a for n, a in enumerate(found))


def _activity(delivery: Delivery, said: _Said, *, bots: bool) -> Activity:
    side, platform = delivery.headers[SIDE], delivery.headers[PLATFORM]
    is_ours = said.sender.id == side
    them = next((one for one in said.to.data if one.id != side), None) if is_ours else said.sender
    if them is None:
        raise ValueError("names no customer")
    identifiers = (Identifier(PLATFORMS[platform], f"{side}:{them.id}"),)
    name = them.name or them.username
    theirs = Participant("to" if is_ours else "from", name, identifiers)
    ours = Participant("from" if is_ours else "to", "", (Identifier(f"{platform}:account", side),), own=True)
    actor = Actor(Role.AGENT, "sent by our page or account, as Meta's API says", not bots)
    lines = [bracketed((file.mime_type.partition("/")[0] or "attachment"), file.name) for file in said.attachments.data]
    if said.is_unsupported:
        lines.append(bracketed("message that the platform doesn't pass on"))
    draft = Draft(
        delivery=delivery,
        platform=platform,
        side=side,
        at=said.created_time.astimezone(UTC),
        external_id=said.id,
        actor=actor if is_ours else customer(name, identifiers),
        thread=f"{side}:{them.id}",
        participants=(ours, theirs) if is_ours else (theirs, ours),
    )
    return draft.activity("message", Words(said.message, "\n".join(lines)))


def _held(raw: bytes) -> str:
    """Return a mark of the messages that an answer holds, whatever else in it changes from call to call."""
    try:
        told = ",".join(sorted(str(row.get("id")) for row in _rows(raw) if isinstance(row, dict)))
    except PermanentError:
        return sha256(raw).hexdigest()[:12]
    return sha256(told.encode("utf-8", "replace")).hexdigest()[:12]


def _rows(raw: bytes) -> list[Any]:
    try:
        told = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise PermanentError("Meta's answer is no JSON") from None
    messages = told.get("messages") if isinstance(told, dict) else None
    rows = messages.get("data") if isinstance(messages, dict) else []
    return rows if isinstance(rows, list) else []


def _moved_at(row: Any) -> datetime:
    try:
        return datetime.strptime(row["updated_time"], "%Y-%m-%dT%H:%M:%S%z").astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        raise TemporaryError("Meta's answer to conversations is no list of them") from None


def _time(told: object) -> datetime | None:
    """Return a time of a cursor; None for what is none, so that a lost one is read anew."""
    try:
        return datetime.fromisoformat(told).astimezone(UTC) if isinstance(told, str) else None
    except ValueError:
        return None


def _cursor(until: datetime, seen: Mapping[str, datetime]) -> dict[str, Any]:
    return {"until": until.isoformat(), "seen": {id: at.isoformat() for id, at in seen.items()}}
