"""Messenger's and Instagram's entries, which have one shape: messages, echoes of our side, edits, reactions, taps.

A customer has an id of the platform that holds for one page or account alone, so it is kept together with that. What
our side writes comes back as an echo, signed by Meta: an agent's words, or a bot's where the config names its app. An
entry tells of conversations that another app answers under `standby`; they are conversations of ours all the same.

Source: Meta, Messenger Platform and Instagram webhooks: messages, message_echoes, message_edits, standby, 2026-11-22.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from pydantic import Field

from adapters.channels.meta.drafts import (
    Draft,
    Id,
    Item,
    Part,
    Reads,
    Text,
    Words,
    bracketed,
    customer,
    from_ms,
    noted,
    plain,
)
from sidecar.model import Activity, Actor, Delivery, Identifier, Participant, Role
from sidecar.model import Attachment as File

MAX_URL_CHARS = 8_000
_FILES = {"image": "image", "video": "video", "audio": "audio", "file": "document"}
_KINDS = {"messenger": "psid", "instagram": "igsid"}
"""Which kind of identifier names a platform's customers."""


class Someone(Part):
    """One end of a conversation."""

    id: Id
    username: Text = ""


class Payload(Part):
    """What an attachment shows beside its file, and where that is: a signed address which ends after some days."""

    title: Text = ""
    url: Text = ""


class Attachment(Part):
    """A file, or a card."""

    type: Text = ""
    title: Text = ""
    payload: Payload | None = None


class Quick(Part):
    """What stands behind a quick reply."""

    payload: Text = ""


class Answered(Part):
    """What a message answers."""

    mid: Id | None = None


class Message(Part):
    """A message, its echo, or the word that it was unsent."""

    mid: Id
    text: Text = ""
    is_echo: bool = False
    is_deleted: bool = False
    is_unsupported: bool = False
    app_id: Id | None = None
    quick_reply: Quick | None = None
    reply_to: Answered | None = None
    attachments: tuple[Attachment, ...] = Field((), max_length=100)


class Edit(Part):
    """A message written anew."""

    mid: Id
    text: Text
    num_edit: int = Field(0, ge=0)


class Reaction(Part):
    """An emoji on a message, or one taken away."""

    mid: Id
    action: str = Field("", max_length=20)
    emoji: Text = ""
    reaction: Text = ""


class Postback(Part):
    """A tap on a button."""

    mid: Id | None = None
    title: Text = ""
    payload: Text = ""


class Event(Part):
    """One event of a conversation; which one it is says the field that is there."""

    sender: Someone
    recipient: Someone
    timestamp: int
    message: Message | None = None
    message_edit: Edit | None = None
    reaction: Reaction | None = None
    postback: Postback | None = None


_TALK = ("message", "message_edit", "reaction", "postback")


def page_items(delivery: Delivery, page: str, entry: Mapping[str, Any], reads: Reads) -> Iterator[Item]:
    """Yield all that an entry of a Facebook page tells of."""
    return _items(delivery, "messenger", page, entry, reads.bot_apps)


def instagram_items(delivery: Delivery, page: str, entry: Mapping[str, Any], reads: Reads) -> Iterator[Item]:
    """Yield all that an entry of an Instagram account tells of."""
    return _items(delivery, "instagram", page, entry, reads.bot_apps)


def _items(
    delivery: Delivery, platform: str, side: str, entry: Mapping[str, Any], bot_apps: frozenset[str]
) -> Iterator[Item]:
    at = _entry_at(entry)
    for place in ("messaging", "standby", "changes"):
        raws = entry.get(place, [])
        if not isinstance(raws, list):
            raise ValueError(f"{place}: list")
        for raw in raws:
            talks = place != "changes" and isinstance(raw, dict) and any(key in raw for key in _TALK)
            event = next((key for key in _TALK if key in raw), "") if talks else _event(raw)
            if talks:
                yield _talk(delivery, platform, side, raw, event, at, bot_apps, is_standby=place == "standby")
            else:
                yield _note(delivery, platform, side, event, raw, at)


def _talk(
    delivery: Delivery,
    platform: str,
    side: str,
    raw: Mapping[str, Any],
    event: str,
    at: datetime | None,
    bot_apps: frozenset[str],
    *,
    is_standby: bool,
) -> Item:
    def read() -> Activity:
        found = Event.model_validate(raw)
        draft = _draft(delivery, platform, side, found, bot_apps, is_standby=is_standby)
        return _activity(draft, found, raw)

    return Item(side, event, raw, read, at)


def _note(delivery: Delivery, platform: str, side: str, event: str, raw: object, at: datetime | None) -> Item:
    return Item(side, event, raw, lambda: noted(delivery, platform, side, event, raw, at), at)


def _event(raw: object) -> str:
    """Name what isn't talk, such as a receipt (`read`), or a change of who answers (`pass_thread_control`)."""
    if not isinstance(raw, dict):
        return "unreadable"
    if isinstance(raw.get("field"), str):
        return plain(raw["field"])
    return plain(next((key for key in raw if key not in ("sender", "recipient", "timestamp")), "?"))


def _entry_at(entry: Mapping[str, Any]) -> datetime | None:
    time = entry.get("time")
    try:
        return from_ms(time) if isinstance(time, int) else None
    except ValueError:
        return None


def _activity(draft: Draft, event: Event, raw: Mapping[str, Any]) -> Activity:
    if event.message_edit:
        edit = event.message_edit
        return draft.activity("edit", Words(edit.text), version=str(edit.num_edit), relates_to=edit.mid)
    if event.reaction:
        emoji = event.reaction.emoji or event.reaction.reaction
        if event.reaction.action == "unreact" or not emoji:
            return noted(draft.delivery, draft.platform, draft.side, "reaction_removed", raw, draft.at)
        words = Words(emoji, bracketed("reaction to a message"))
        return draft.activity("message", words, relates_to=event.reaction.mid)
    if event.postback:
        return draft.activity("message", Words(event.postback.title, attributes={"choice": event.postback.payload}))
    if event.message is None:
        raise ValueError("message: null")
    if event.message.is_deleted:
        return draft.activity("deletion", version=str(event.timestamp), relates_to=event.message.mid)
    return draft.activity("message", _words(event.message))


def _words(message: Message) -> Words:
    lines = [
        bracketed(a.type or "attachment", a.title or (a.payload.title if a.payload else ""))
        for a in message.attachments
    ]
    if message.is_unsupported:
        lines.append(bracketed("message that the platform doesn't pass on"))
    attributes = {
        "choice": message.quick_reply.payload if message.quick_reply else "",
        "reply_to": (message.reply_to.mid or "") if message.reply_to else "",
        "app": message.app_id or "",
        "attachments": str(len(message.attachments)) if message.attachments else "",
    }
    files = (
        File(a.payload.url, _FILES[a.type])
        for a in message.attachments
        if a.type in _FILES and a.payload and a.payload.url.startswith("http") and len(a.payload.url) <= MAX_URL_CHARS
    )
    return Words(message.text, "\n".join(lines), attributes, tuple(files))


def _draft(
    delivery: Delivery, platform: str, side: str, event: Event, bot_apps: frozenset[str], *, is_standby: bool
) -> Draft:
    is_ours = event.sender.id == side or bool(event.message and event.message.is_echo)
    them = event.recipient if is_ours else event.sender
    identifiers = (Identifier(_KINDS[platform], f"{side}:{them.id}"),)
    theirs = Participant("to" if is_ours else "from", them.username, identifiers)
    ours = Participant("from" if is_ours else "to", "", (Identifier(f"{platform}:account", side),), own=True)
    actor = customer(them.username, identifiers)
    if is_ours:
        is_bot = bool(event.message and event.message.app_id in bot_apps)
        actor = _bot() if is_bot else _agent()
    return Draft(
        delivery=delivery,
        platform=platform,
        side=side,
        at=from_ms(event.timestamp),
        external_id=_external_id(event),
        actor=actor,
        thread=f"{side}:{them.id}",
        participants=(ours, theirs) if is_ours else (theirs, ours),
        attributes={"standby": "true" if is_standby else ""},
    )


def _external_id(event: Event) -> str:
    """Return the message's own id, or for what has none one that is the same whenever it is told again."""
    if event.reaction:
        return f"{event.reaction.mid}:reaction:{event.sender.id}:{event.timestamp}"
    if event.postback:
        digest = sha256(event.postback.payload.encode()).hexdigest()[:16]
        return event.postback.mid or f"postback:{event.sender.id}:{event.timestamp}:{digest}"
    found = event.message_edit or event.message
    if found is None:
        raise ValueError("no talk in it")
    return found.mid


def _agent() -> Actor:
    return Actor(Role.AGENT, "sent by our page or account, as Meta's signed echo says", True)


def _bot() -> Actor:
    return Actor(Role.BOT, "sent by an app that the config names as a bot's")
