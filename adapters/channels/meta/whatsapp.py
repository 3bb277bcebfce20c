"""WhatsApp's entries: messages, what our people sent from the app, and receipts, of any number of ours.

A customer is known by the user id (BSUID) that WhatsApp gives a portfolio, by telephone number, or by both; since 2026
the number may be missing. An edit or a deletion has an id of its own and points at the first message's. What is sent
through the API by another program comes back as receipts alone, without its words; only the WhatsApp Business app's own
messages (`smb_message_echoes`) are told whole, and these an agent wrote, authenticated by our number's account.

Source: Meta, WhatsApp Cloud API webhooks: messages, statuses, smb_message_echoes, 2026-11-22.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pydantic import Field

from adapters.channels.meta.contents import EditContent, ReactionContent, RevokeContent, read_words
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
    from_s,
    noted,
    plain,
)
from sidecar.model import Activity, Actor, Delivery, Identifier, Participant, Role

PLATFORM = "whatsapp"
MAX_ITEMS = 1_000
HISTORY = "history"
FILES_LAST = timedelta(days=7)
"""For so long the id of a file that a webhook named is good."""
_LISTS = {"messages": ("messages", "statuses", "errors"), "smb_message_echoes": ("message_echoes", "errors")}
"""The lists of a change that are read, by its field."""


class Metadata(Part):
    """Which number of ours a change is about."""

    phone_number_id: Id
    display_phone_number: str = Field("", max_length=100)


class Profile(Part):
    """How somebody calls himself."""

    name: Text = ""


class Contact(Part):
    """Who writes, beside the messages."""

    wa_id: Id | None = None
    user_id: Id | None = None
    parent_user_id: Id | None = None
    profile: Profile = Profile()


class Context(Part):
    """What a message answers."""

    id: Id | None = None
    forwarded: bool = False


class Referral(Part):
    """The advertisement that somebody came by."""

    source_url: Text = ""
    source_id: Text = ""
    headline: Text = ""


class Message(Part):
    """A message's outside; its content stands under the name of its type."""

    id: Id
    timestamp: int
    type: str = Field(max_length=100)
    sender: Id | None = Field(None, alias="from")
    from_user_id: Id | None = None
    from_parent_user_id: Id | None = None
    to: Id | None = None
    to_user_id: Id | None = None
    group_id: Id | None = None
    context: Context = Context()
    referral: Referral = Referral()


class StatusError(Part):
    """Why a message of ours didn't arrive."""

    code: int = 0


class Status(Part):
    """A receipt."""

    id: Id
    status: str = Field(max_length=100)
    timestamp: int
    recipient_id: Id | None = None
    recipient_user_id: Id | None = None
    recipient_participant_id: Id | None = None
    errors: tuple[StatusError, ...] = ()


class Value(Part):
    """What every list of a change shares."""

    metadata: Metadata
    contacts: tuple[Contact, ...] = Field((), max_length=MAX_ITEMS)


def items(delivery: Delivery, business: str, entry: Mapping[str, Any], reads: Reads) -> Iterator[Item]:
    """Yield all that an entry of a WhatsApp business account tells of; `ValueError` for one that is no such entry."""
    changes = entry.get("changes")
    if not isinstance(changes, list):
        raise ValueError("changes: list")
    for change in changes:
        if not isinstance(change, dict) or not isinstance(change.get("value"), dict):
            yield Item(business, "change", change, _unreadable)
            continue
        name, value = plain(change.get("field")), change["value"]
        if name == HISTORY and reads.history:
            yield from _past(delivery, business, value)
            continue
        lists = {key: value[key] for key in _LISTS.get(name, ()) if isinstance(value.get(key), list)}
        if not lists:
            yield _note(delivery, business, name, value)
        around = _around(value)
        for key, raws in lists.items():
            yield from (_item(delivery, business, key, around, raw) for raw in raws)


def _past(delivery: Delivery, business: str, value: Mapping[str, Any]) -> Iterator[Item]:
    """Yield what an onboarded app said before: threads in chunks, and later the files of the newest of them."""
    around = _around(value)
    for chunk in _dicts(value.get(HISTORY)):
        yield from (_note(delivery, business, "history_error", error) for error in _dicts(chunk.get("errors")))
        for thread in _dicts(chunk.get("threads")):
            for raw in _dicts(thread.get("messages")):
                yield _item(delivery, business, "history", around, {"to": thread.get("id"), **raw})
    for raw in _dicts(value.get("messages")):
        yield _item(delivery, business, "history", around, raw)


def _dicts(told: object) -> list[dict[str, Any]]:
    return [row for row in told if isinstance(row, dict)] if isinstance(told, list) else []


def _unreadable() -> Activity:
    raise ValueError("no change of a field")


def _note(delivery: Delivery, side: str, event: str, raw: object) -> Item:
    return Item(side, event, raw, lambda: noted(delivery, PLATFORM, side, event, raw))


def _around(value: Mapping[str, Any]) -> Value | ValueError:
    """Read once what all messages of a change share, or return what each of them can't be read for."""
    try:
        return Value.model_validate({name: value[name] for name in ("metadata", "contacts") if name in value})
    except ValueError as error:
        return error


def _item(delivery: Delivery, business: str, key: str, around: Value | ValueError, raw: object) -> Item:
    if key == "errors":
        return _note(delivery, business, key, raw)

    def read() -> Activity:
        if isinstance(around, ValueError):
            raise around
        if not isinstance(raw, dict):
            raise ValueError("no object")
        if key == "statuses":
            return _status(delivery, around, Status.model_validate(raw))
        is_echo = key == "message_echoes" or (key == "history" and _is_from_us(around, raw))
        return _message(delivery, around, raw, is_echo=is_echo, is_past=key == "history")

    return Item(business, key, raw, read)


def _is_from_us(around: Value, raw: Mapping[str, Any]) -> bool:
    """In the history both sides' messages stand in one list: ours come from our number."""
    ours = {identifier.value for identifier in _own(around.metadata.display_phone_number)}
    return any(identifier.value in ours for identifier in _own(str(raw.get("from") or "")))


def _status(delivery: Delivery, around: Value, status: Status) -> Activity:
    """A receipt names nobody and no message to follow, so that it counts and sets nothing in motion."""
    recipient = status.recipient_participant_id or status.recipient_user_id or status.recipient_id or ""
    side = around.metadata.phone_number_id
    codes = ",".join(str(error.code) for error in status.errors[:10])
    draft = Draft(
        delivery=delivery,
        platform=PLATFORM,
        side=side,
        at=from_s(status.timestamp),
        external_id=status.id,
        actor=Actor(Role.SYSTEM, "receipt in a signed webhook of Meta"),
        thread=f"{side}:{status.recipient_user_id or status.recipient_id or 'receipts'}",
        attributes={"event": plain(status.status), "errors": codes},
    )
    return draft.activity("status", version=f"{plain(status.status)}:{recipient}")


def _message(
    delivery: Delivery, around: Value, raw: Mapping[str, Any], *, is_echo: bool, is_past: bool = False
) -> Activity:
    message = Message.model_validate(raw)
    draft = _draft(delivery, around, message, is_echo=is_echo)
    if is_past:  # the id is as young as the webhook, however old the message is
        draft = replace(draft, files_last=max(FILES_LAST, delivery.received_at - draft.at + FILES_LAST))
    content = raw.get(message.type)
    if message.type == "revoke":
        return draft.activity("deletion", relates_to=RevokeContent.model_validate(content).original_message_id)
    if message.type == "edit":
        edit = EditContent.model_validate(content)
        kind = edit.message.get("type", "text")
        words = read_words(kind, edit.message.get(kind) if isinstance(kind, str) else None)
        return draft.activity("edit", words, relates_to=edit.original_message_id)
    if message.type == "reaction":
        reaction = ReactionContent.model_validate(content)
        if not reaction.emoji:
            return noted(delivery, PLATFORM, draft.side, "reaction_removed", raw, draft.at)
        words = Words(reaction.emoji, bracketed("reaction to a message"))
        return draft.activity("message", words, relates_to=reaction.message_id)
    if message.type == "media_placeholder":  # the same id comes again with its file, or the file is too old to be told
        return noted(delivery, PLATFORM, draft.side, "media_placeholder", raw, draft.at)
    if message.type == "system":  # a number that changed hands joins nobody by itself
        return noted(delivery, PLATFORM, draft.side, "system", raw, draft.at)
    return draft.activity("message", read_words(message.type, content))


def _draft(delivery: Delivery, around: Value, message: Message, *, is_echo: bool) -> Draft:
    side = around.metadata.phone_number_id
    person = _person(around, message, is_echo=is_echo)
    ours = Participant("from" if is_echo else "to", "", _own(around.metadata.display_phone_number), own=True)
    theirs = Participant("to" if is_echo else "from", person.name, person.identifiers)
    agent = Actor(Role.AGENT, "sent by our number's own account, as Meta's signed echo says", True)
    attributes = {
        "kind": plain(message.type),
        "group": message.group_id or "",
        "reply_to": message.context.id or "",
        "forwarded": "true" if message.context.forwarded else "",
        "referral": message.referral.source_url or message.referral.source_id,
        "referral_headline": message.referral.headline,
    }
    return Draft(
        delivery=delivery,
        platform=PLATFORM,
        side=side,
        at=from_s(message.timestamp),
        external_id=message.id,
        actor=agent if is_echo else person,
        thread=f"{side}:{message.group_id or person.identifiers[0].value.lstrip('+')}",
        participants=(ours, theirs) if is_echo else (theirs, ours),
        attributes=attributes,
        files_last=FILES_LAST,
    )


def _person(around: Value, message: Message, *, is_echo: bool) -> Actor:
    """Return the customer of a message, with each address that WhatsApp tells, the most lasting one first."""
    number = message.to if is_echo else message.sender
    user = message.to_user_id if is_echo else message.from_user_id
    same = [c for c in around.contacts if (number and c.wa_id == number) or (user and c.user_id == user)]
    users = [user, *(c.user_id for c in same)]
    parents = [None if is_echo else message.from_parent_user_id, *(c.parent_user_id for c in same)]
    numbers = [number, *(c.wa_id for c in same)]
    found = [Identifier("bsuid", value) for value in (*users, *parents) if value]
    found += [identifier for value in numbers if value for identifier in _phone(value)]
    if not found:
        raise ValueError("names no customer")
    return customer(next((c.profile.name for c in same if c.profile.name), ""), tuple(dict.fromkeys(found)))


def _phone(number: str) -> tuple[Identifier, ...]:
    """A number comes in E.164 without its plus sign; whatever else stands there is a user id."""
    digits = number.lstrip("+")
    is_number = digits.isascii() and digits.isdigit()
    return (Identifier("phone", f"+{digits}") if is_number else Identifier("bsuid", number),)


def _own(number: str) -> tuple[Identifier, ...]:
    """Our number may be written for people, with spaces and hyphens."""
    digits = "".join(char for char in number if char.isascii() and char.isdigit())
    return (Identifier("phone", f"+{digits}"),) if digits else ()
