"""From what Chatwoot tells to activities: who said it, how we know, and which words are whose.

The signature, or our own token, says that Chatwoot told it: so what an agent wrote in Chatwoot is our side's word, and
a contact's stays a customer's. A bot is never our side. Private notes and Chatwoot's own lines ("resolved by Ann")
become a status without a word of theirs: nobody said them to anybody, and the raw bytes keep them. A status names
nobody and stands beside the conversation, so that it is kept and counted and asks no model anything.

Chatwoot doesn't say what an update changed (its open pull request 15908 would), and an outgoing message is updated at
every receipt. So an update is an edit where it says so, or where the customer wrote it; any other is the message again,
under the same identity. When somebody edited or deleted isn't told either: the receipt's time stands in.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlsplit

from adapters.channels.chatwoot.events import (
    CONVERSATIONS,
    MESSAGES,
    Attachment,
    Conversation,
    ConversationEvent,
    Message,
    Person,
    read_as,
)
from sidecar.errors import PermanentError
from sidecar.model import Activity, Actor, Delivery, Identifier, Participant, Role, Said

MAX_SKEW = timedelta(minutes=5)
MAX_NAME_CHARS = 120
_BOTS = frozenset({"agent_bot", "captain_assistant"})


def read_activities(delivery: Delivery, data: Mapping[str, Any], inboxes: Sequence[int]) -> tuple[Activity, ...]:
    """Turn one event into its activity; one of an inbox that doesn't count into none."""
    if data["event"] in MESSAGES:
        message = read_as(Message, data)
        _of_this_account(delivery, message.account.id)
        return () if inboxes and message.inbox_number not in inboxes else (_message(delivery, message),)
    if data["event"] in CONVERSATIONS:
        event = read_as(ConversationEvent, data)
        if event.account:
            _of_this_account(delivery, event.account.id)
        return () if inboxes and event.inbox_id not in inboxes else (_status_changed(delivery, event),)
    return (_noted(delivery, data["event"]),)


def _of_this_account(delivery: Delivery, account: int) -> None:
    if str(account) != delivery.account:
        raise PermanentError("it is of another account than account_id says; each needs a channel of its own")


def _message(delivery: Delivery, message: Message) -> Activity:
    if message.private or message.message_type == "activity":
        return _unsaid(delivery, message)
    if message.is_deleted:
        return _deletion(delivery, message)
    actor = _actor(delivery.channel, message)
    words = message.content or ""
    text = "\n".join(filter(None, (words, *(_named(attachment) for attachment in message.attachments or ()))))
    is_edit = _is_edit(message)
    at, late = (_edited_at(delivery, message), ()) if is_edit else _happened(delivery, message.created_at)
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=str(message.id),
        kind="edit" if is_edit else "message",
        version=sha256(text.encode()).hexdigest()[:16] if is_edit else "",
        at=at,
        actor=actor,
        participants=_participants(delivery.channel, message, actor),
        thread=str(message.conversation.id),
        subject=_subject(message),
        text=text,
        said=(Said(0, len(words), actor.role, actor.authenticated, actor.name),) if words else (),
        relates_to=str(message.id) if is_edit else None,
        attributes=_attributes(message),
        problems=late,
    )


def _unsaid(delivery: Delivery, message: Message) -> Activity:
    kind = "private note" if message.private else "activity"
    at, late = _happened(delivery, message.created_at)
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=str(message.id),
        kind="status",
        version=kind,
        at=at,
        actor=Actor(Role.SYSTEM, f"a {kind} of Chatwoot's, kept out of the talk"),
        thread=f"beside:{message.conversation.id}",
        attributes={"status": kind},
        problems=late,
    )


def _deletion(delivery: Delivery, message: Message) -> Activity:
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=str(message.id),
        kind="deletion",
        version="deleted",
        at=delivery.received_at,
        actor=Actor(Role.SYSTEM, "Chatwoot says that it was deleted, and not by whom"),
        participants=_about(delivery.channel, message.conversation),
        thread=str(message.conversation.id),
        relates_to=str(message.id),
    )


def _status_changed(delivery: Delivery, event: ConversationEvent) -> Activity:
    told = event.updated_at or event.timestamp
    status = event.status or "unknown"
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=f"conversation:{event.id}",
        kind="status",
        version=f"{event.event}:{status}:{told or delivery.sha256[:16]}",
        at=delivery.received_at,
        actor=Actor(Role.SYSTEM, "an event of Chatwoot's"),
        thread=f"beside:{event.id}",
        attributes={"status": status, "event": event.event},
    )


def _noted(delivery: Delivery, event: str) -> Activity:
    """Whatever else Chatwoot tells, now or one day: kept and counted by its name, which is shown if it is a word."""
    name = event if event.isascii() and event.isidentifier() and len(event) <= 60 else "?"
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=f"{name}:{delivery.sha256[:32]}",
        kind="status",
        at=delivery.received_at,
        actor=Actor(Role.SYSTEM, "an event of Chatwoot's"),
        thread="beside",
        attributes={"event": name},
    )


def _actor(channel: str, message: Message) -> Actor:
    sender = message.sender or Person()
    if message.message_type == "incoming":
        contact = _contact(message)
        name = contact.name or ""
        return Actor(
            Role.CUSTOMER, "contact, as Chatwoot names the sender", False, name, _identifiers(channel, contact)
        )
    if message.message_type == "outgoing" and sender.type == "user":
        own = _own_identifiers(channel, sender, Role.AGENT)
        return Actor(Role.AGENT, "agent, as Chatwoot vouches", True, sender.name or "", own)
    how = "bot, as Chatwoot names the sender" if sender.type in _BOTS else "automation: outgoing, and no person sent it"
    return Actor(Role.BOT, how, False, sender.name or "", _own_identifiers(channel, sender, Role.BOT))


def _contact(message: Message) -> Person:
    """The customer of a conversation: the sender where he wrote, else whom the conversation is with."""
    told = message.conversation.meta.sender or Person()
    sender = message.sender
    if message.message_type != "incoming" or sender is None or sender.type not in (None, "contact"):
        return told
    if sender.id != told.id:  # somebody else in a group: nothing of the two is mixed
        return sender
    return sender.model_copy(update={k: v for k, v in told.model_dump().items() if getattr(sender, k) is None})


def _participants(channel: str, message: Message, actor: Actor) -> tuple[Participant, ...]:
    contact = _contact(message)
    told = message.conversation.meta.sender
    is_same = told is None or told.id == contact.id
    identifiers = (*_identifiers(channel, contact), *(_visitor(channel, message.conversation) if is_same else ()))
    customer = Participant(
        "from" if actor.role is Role.CUSTOMER else "to", contact.name or "", tuple(dict.fromkeys(identifiers))
    )
    if actor.role is Role.CUSTOMER:
        return (customer,)
    ours = Participant("from", actor.name, actor.identifiers, own=True)
    return (ours, customer) if identifiers else (ours,)


def _about(channel: str, conversation: Conversation) -> tuple[Participant, ...]:
    contact = conversation.meta.sender or Person()
    identifiers = _identifiers(channel, contact)
    return (Participant("subject", contact.name or "", identifiers),) if identifiers else ()


def _identifiers(channel: str, person: Person) -> tuple[Identifier, ...]:
    own_id = f"contact:{person.id}" if person.id is not None else None
    own_name = f"identifier:{person.identifier}" if person.identifier else None
    pairs = ((channel, own_id), (channel, own_name), ("email", person.email), ("phone", person.phone_number))
    return tuple(Identifier(kind, value) for kind, value in pairs if value)


def _visitor(channel: str, conversation: Conversation) -> tuple[Identifier, ...]:
    """The visitor's id of a web chat; of other inboxes it repeats what the contact has, under no sure form."""
    visitor = conversation.contact_inbox and conversation.contact_inbox.source_id
    if not visitor or conversation.channel != "Channel::WebWidget":
        return ()
    return (Identifier(channel, f"visitor:{visitor}"),)


def _own_identifiers(channel: str, person: Person, role: Role) -> tuple[Identifier, ...]:
    """Our people's ids are of another kind than contacts', so that the two can't be mixed up."""
    pairs = ((f"{channel}:{role.value}", str(person.id) if person.id is not None else None), ("email", person.email))
    return tuple(Identifier(kind, value) for kind, value in pairs if value)


def _is_edit(message: Message) -> bool:
    if message.event != "message_updated":
        return False
    told = message.changed_attributes if isinstance(message.changed_attributes, list) else ()
    changed = [key for item in told if isinstance(item, dict) for key in item]
    if changed or message.content_attributes.get("is_edited") is True:
        return "content" in changed or not changed
    return message.message_type == "incoming"


def _edited_at(delivery: Delivery, message: Message) -> datetime:
    """An edit's time: the server's where a fork of Chatwoot tells it, in milliseconds, else the receipt's."""
    told = message.content_attributes.get("edited_at")
    if isinstance(told, int) and 10**12 < told < 10**13:
        return min(datetime.fromtimestamp(told / 1000, UTC), delivery.received_at)
    return delivery.received_at


def _happened(delivery: Delivery, at: datetime) -> tuple[datetime, tuple[str, ...]]:
    if at > delivery.received_at + MAX_SKEW:
        return delivery.received_at, ("time lies after the receipt; the receipt's is taken",)
    return at, ()


def _subject(message: Message) -> str:
    email = message.content_attributes.get("email")
    told = email.get("subject") if isinstance(email, dict) else None
    told = told or message.conversation.additional_attributes.get("mail_subject")
    return " ".join(told.replace("\0", " ").split())[:500] if isinstance(told, str) else ""


def _attributes(message: Message) -> Mapping[str, str]:
    direction = "inbound" if message.message_type == "incoming" else "outbound"
    found = {"direction": direction, "attachments": str(len(message.attachments or ()))}
    if message.source_id:
        found["source_id"] = message.source_id
    if message.inbox_number is not None:
        found["inbox"] = str(message.inbox_number)
    return found


def _named(attachment: Attachment) -> str:
    """Name an attachment by its type and the last part of its address, which Chatwoot makes of the file's name."""
    try:
        path = urlsplit(attachment.data_url or "").path
    except ValueError:
        path = ""
    name = " ".join(unquote(path.rsplit("/", 1)[-1]).replace("\0", " ").split())[:MAX_NAME_CHARS]
    return f"[attachment: {', '.join(filter(None, (name, attachment.file_type))) or 'without a name'}]"
