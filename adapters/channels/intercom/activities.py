"""From what Intercom tells to activities: who said it, how we know, and which words are whose.

The signature, or our own token, says that Intercom told it: so what a person of ours wrote there is our side's word,
and a contact's stays a customer's. Operator, Fin, workflows and campaigns write under the name of a person too; they
are bots, never our side. Notes are for colleagues: they become a status without a word, like all that is no message.

A message is `source:` with the conversation's number, or `part:` with its own, so that webhook and poll name it alike.
The poll knows a contact's number and address as well; they come as a status of their own, because the message is the
same fact whoever told it first. Source: see `events`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from adapters.channels.intercom.events import (
    CONVERSATION,
    CONVERSATION_PART,
    POLLED,
    Attachment,
    Author,
    Contact,
    Conversation,
    Item,
    Laid,
    Notification,
    Reply,
    Source,
)
from adapters.formats.html import render_html
from adapters.formats.outside import read_as, read_object
from sidecar.model import Activity, Actor, Delivery, Identifier, Participant, Role, Said

MAX_SKEW = timedelta(minutes=5)
_CUSTOMERS = frozenset({"user", "lead", "contact"})
_BY_MACHINE = frozenset({"campaigns_initiated", "operator_initiated", "automated"})
_SPOKEN = frozenset({"comment", "quick_reply", "open", "close", "assignment", "assign_and_reopen", "participant_added"})
"""Types of parts whose body is shown to the contact; any other's is not taken for something said."""


@dataclass(frozen=True, slots=True)
class _Message:
    """A first message or a part, as one shape."""

    id: str
    kind: str
    at: datetime
    author: Author
    body: str
    attachments: Sequence[Attachment]
    redacted: bool
    subject: str = ""
    by_machine: bool = False


def read_activities(delivery: Delivery) -> tuple[Activity, ...]:
    """Turn a webhook, or a message that was asked for, into activities; what tells of no conversation into none."""
    data = read_object(delivery.raw)
    if data.get("topic") == POLLED:
        laid = read_as(Laid, data)
        made = tuple(_of_conversation(delivery, laid.conversation))
        return (*made, *_known_contact(delivery, laid))
    told = read_as(Notification, data)
    item = read_as(Item, told.data.item)
    if told.topic == "conversation.deleted" and item.id:
        return (_deletion(delivery, f"source:{item.id}", item.id, told.created_at, ()),)
    if item.type == CONVERSATION and "source" in told.data.item:
        return tuple(_of_conversation(delivery, read_as(Conversation, told.data.item)))
    if item.type == CONVERSATION_PART and told.topic == "conversation_part.redacted":
        return _redacted_part(delivery, told.data.item)
    return ()


def _redacted_part(delivery: Delivery, item: Mapping[str, Any]) -> tuple[Activity, ...]:
    """A part that was redacted, told by itself; which conversation it was of isn't always said."""
    part = read_as(Reply, item)
    parent = item.get("conversation")
    conversation = read_as(Item, parent).id if isinstance(parent, dict) else ""
    return (_deletion(delivery, f"part:{part.id}", conversation or f"part-{part.id}", part.updated_at, ()),)


def _of_conversation(delivery: Delivery, talk: Conversation) -> Iterator[Activity]:
    messages = [_first(talk, talk.source)] if talk.source is not None and not _is_empty(talk.source) else []
    messages += [_later(part) for part in talk.conversation_parts]
    for message in messages:
        if message.redacted:
            yield _deletion(delivery, message.id, talk.id, talk.updated_at, _customers(delivery.channel, talk))
        elif message.kind == "message":
            yield _said(delivery, talk, message)
        else:
            yield _unsaid(delivery, talk, message)


def _is_empty(source: Source) -> bool:
    """Whether a conversation has no first message: one that a poll laid down for a part of it."""
    return not (source.body or source.attachments or source.redacted or source.subject)


def _first(talk: Conversation, source: Source) -> _Message:
    is_machine = source.delivered_as in _BY_MACHINE
    told = (source.author, source.body, source.attachments, source.redacted)
    subject = " ".join(_text(source.subject).split())[:500]
    return _Message(f"source:{talk.id}", "message", talk.created_at, *told, subject, is_machine)


def _later(part: Reply) -> _Message:
    is_said = part.part_type in _SPOKEN and bool(part.body or part.attachments)
    kind = "message" if is_said else "private note" if "note" in part.part_type else part.part_type or "unknown"
    told = (part.author, part.body, part.attachments, part.redacted)
    return _Message(f"part:{part.id}", kind, part.created_at, *told)


def _said(delivery: Delivery, talk: Conversation, message: _Message) -> Activity:
    channel = delivery.channel
    actor = _actor(channel, talk, message)
    words = _text(message.body)
    text = "\n".join(filter(None, (words, *(_named(file) for file in message.attachments))))
    at, late = _happened(delivery, message.at)
    is_inbound = actor.role is Role.CUSTOMER
    return Activity(
        channel=channel,
        account=delivery.account,
        external_id=message.id,
        kind="message",
        at=at,
        actor=actor,
        participants=_participants(channel, talk, actor),
        thread=talk.id,
        subject=message.subject,
        text=text,
        said=(Said(0, len(words), actor.role, actor.authenticated, actor.name),) if words else (),
        attributes={
            "direction": "inbound" if is_inbound else "outbound",
            "attachments": str(len(message.attachments)),
            **({"through": talk.source.type} if talk.source and talk.source.type else {}),
        },
        problems=late,
    )


def _unsaid(delivery: Delivery, talk: Conversation, message: _Message) -> Activity:
    at, late = _happened(delivery, message.at)
    is_word = message.kind.replace(" ", "_").isidentifier() and len(message.kind) <= 60
    status = message.kind if is_word else "?"
    private = {"visibility": "private"} if status == "private note" else {}
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=message.id,
        kind="status",
        version=status,
        at=at,
        actor=Actor(Role.SYSTEM, f"a {status} of Intercom's, kept out of the talk"),
        thread=f"beside:{talk.id}",
        attributes={"status": status, **private},
        problems=late,
    )


def _deletion(
    delivery: Delivery, id: str, conversation: str, told_at: datetime | None, people: tuple[Participant, ...]
) -> Activity:
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=id,
        kind="deletion",
        version="redacted",
        at=min(told_at or delivery.received_at, delivery.received_at),
        actor=Actor(Role.SYSTEM, "Intercom says that it was taken away, and not by whom"),
        participants=people,
        thread=conversation,
        relates_to=id,
    )


def _known_contact(delivery: Delivery, laid: Laid) -> Iterator[Activity]:
    """What Intercom knows of the contact beside his id, under all of it: a number or address that is new is news."""
    contact = laid.contact
    given = _identifiers(delivery.channel, contact) if contact else ()
    if contact is None or len(given) < 2:
        return
    version = sha256("\n".join(sorted(map(str, given))).encode()).hexdigest()[:16]
    yield Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=f"contact:{contact.id}",
        kind="status",
        version=version,
        at=laid.conversation.created_at,
        actor=Actor(Role.SYSTEM, "a contact of Intercom's"),
        participants=(Participant("subject", contact.name, given),),
        thread=f"beside:{laid.conversation.id}",
        attributes={"status": "contact"},
    )


def _actor(channel: str, talk: Conversation, message: _Message) -> Actor:
    author = message.author
    if author.type in _CUSTOMERS:
        given = _identifiers(channel, _as_contact(talk, author))
        return Actor(Role.CUSTOMER, f"{author.type}, as Intercom names the author", False, author.name, given)
    is_operator = author.email.startswith("operator+") and author.email.endswith("@intercom.io")
    is_machine = message.by_machine or author.from_ai_agent or author.is_ai_answer or is_operator
    if author.type == "admin" and not is_machine:
        pairs = ((f"{channel}:agent", author.id), ("email", author.email))
        given = tuple(Identifier(kind, value) for kind, value in pairs if value)
        return Actor(Role.AGENT, "teammate, as Intercom vouches", True, author.name, given)
    how = "automation in a teammate's name" if author.type == "admin" else "bot or automation, as Intercom names it"
    own = (Identifier(f"{channel}:bot", author.id),) if author.id else ()
    return Actor(Role.BOT, how, False, author.name, own)


def _as_contact(talk: Conversation, author: Author) -> Contact:
    external = next((one.external_id for one in talk.contacts if one.id == author.id), "")
    return Contact(id=author.id, external_id=external, name=author.name, email=author.email)


def _participants(channel: str, talk: Conversation, actor: Actor) -> tuple[Participant, ...]:
    if actor.role is Role.CUSTOMER:
        return (Participant("from", actor.name, actor.identifiers),)
    ours = Participant("from", actor.name, actor.identifiers, own=True)
    return (ours, *(Participant("to", p.name, p.identifiers) for p in _customers(channel, talk)))


def _customers(channel: str, talk: Conversation) -> tuple[Participant, ...]:
    """Whom a conversation is with: its contacts, the one who began it by name and address too."""
    author = talk.source.author if talk.source is not None else Author()
    began = _as_contact(talk, author) if author.type in _CUSTOMERS else Contact()
    told = [began if one.id == began.id else Contact(id=one.id, external_id=one.external_id) for one in talk.contacts]
    people = told or ([began] if began.id else [])
    return tuple(Participant("subject", one.name, _identifiers(channel, one)) for one in people)


def _identifiers(channel: str, contact: Contact) -> tuple[Identifier, ...]:
    pairs = (
        (channel, f"contact:{contact.id}" if contact.id else ""),
        (channel, f"external:{contact.external_id}" if contact.external_id else ""),
        ("email", contact.email),
        ("phone", contact.phone),
    )
    return tuple(Identifier(kind, value) for kind, value in pairs if value)


def _text(html: str) -> str:
    """The words of a body, which is HTML; one without a tag is read the same way, for its entities."""
    return render_html(html).text.strip() if html else ""


def _named(file: Attachment) -> str:
    return f"[attachment: {', '.join(filter(None, (file.name[:120], file.content_type))) or 'without a name'}]"


def _happened(delivery: Delivery, at: datetime) -> tuple[datetime, tuple[str, ...]]:
    if at > delivery.received_at + MAX_SKEW:
        return delivery.received_at, ("time lies after the receipt; the receipt's is taken",)
    return at, ()
