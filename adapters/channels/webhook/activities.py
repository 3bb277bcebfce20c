"""From an event of the webhook to an activity: who did it, how we know, and which words are whose.

The signature says that our own systems sent the request, not that its words are ours. So a customer's message stays a
customer's, and only what is marked as an agent's is authenticated, as seller-side words. A bot is never seller-side,
whoever signed for it. Attachments are named in the text, outside the span that was said, for their names are anybody's.

Edits and deletions are activities of their own that relate to the first message. A time that lies well after the
receipt is replaced by the receipt's, so that no clock can make somebody's words newer than everyone else's.
"""

from datetime import UTC, datetime, timedelta

from adapters.channels.webhook.bookings import booking_line
from adapters.channels.webhook.events import (
    Attachment,
    Booking,
    BookingChanged,
    BookingMoved,
    DeletedMessage,
    EditedMessage,
    Event,
    MessageDeleted,
    NewMessage,
    Person,
    unknown_fields,
)
from sidecar.model import Activity, Actor, Delivery, Identifier, Participant, Role, Said

MAX_SKEW = timedelta(minutes=5)
SHOWN_UNKNOWN_FIELDS = 10


def read_activity(delivery: Delivery, event: Event, trusted_bookings: bool) -> Activity:
    """Turn one event into its activity."""
    problems = tuple(f"unknown field {path}" for path in unknown_fields(event))[:SHOWN_UNKNOWN_FIELDS]
    if isinstance(event, BookingChanged | BookingMoved):
        return _booking(delivery, event, trusted_bookings, problems)
    if isinstance(event, MessageDeleted):
        return _deletion(delivery, event.data, problems)
    return _message(delivery, event.data, problems)


def _message(delivery: Delivery, data: NewMessage | EditedMessage, problems: tuple[str, ...]) -> Activity:
    at, late = _happened(delivery, data.at)
    role = Role(data.role)
    actor = _actor(delivery.channel, role, data.sender)
    edit = data if isinstance(data, EditedMessage) else None
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=data.message_id,
        kind="edit" if edit else "message",
        version=(edit.revision or _utc(edit.edited_at)) if edit else "",
        at=at,
        actor=actor,
        participants=_participants(delivery.channel, actor, data),
        thread=data.conversation_id,
        subject=data.subject or "",
        text="\n".join(filter(None, (data.text, *(_attachment(a) for a in data.attachments)))),
        said=(Said(0, len(data.text), role, actor.authenticated, actor.name),) if data.text else (),
        relates_to=data.message_id if edit else None,
        attributes={"direction": data.direction, "attachments": str(len(data.attachments))},
        problems=problems + late,
    )


def _deletion(delivery: Delivery, data: DeletedMessage, problems: tuple[str, ...]) -> Activity:
    at, late = _happened(delivery, data.deleted_at)
    channel = delivery.channel
    role = Role(data.sender.role or "customer") if data.sender else Role.SYSTEM
    actor = _actor(channel, role, data.sender) if data.sender else Actor(role, "signed webhook that names no writer")
    people = (data.sender if role is Role.CUSTOMER else None, data.customer)
    return Activity(
        channel=channel,
        account=delivery.account,
        external_id=data.message_id,
        kind="deletion",
        version=_utc(data.deleted_at),
        at=at,
        actor=actor,
        participants=tuple(
            Participant("subject", person.name or "", _identifiers(channel, person)) for person in people if person
        ),
        thread=data.conversation_id,
        relates_to=data.message_id,
        problems=problems + late,
    )


def _booking(
    delivery: Delivery, event: BookingChanged | BookingMoved, is_trusted: bool, problems: tuple[str, ...]
) -> Activity:
    data: Booking = event.data
    status = event.type.removeprefix("booking.")
    at, late = _happened(delivery, event.timestamp)
    line = booking_line(status, data)
    how = "signed request of a booking system" if is_trusted else "signed request; trusted_bookings is off"
    customer = Participant("attendee", data.customer.name or "", _identifiers(delivery.channel, data.customer))
    host = data.host and Participant(
        "organizer", data.host.name or "", _identifiers(delivery.channel, data.host, Role.AGENT), own=True
    )
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=data.booking_id,
        kind=f"booking_{status}",
        version=_utc(event.timestamp),
        at=at,
        actor=Actor(Role.SYSTEM, how, authenticated=is_trusted),
        participants=(customer, host) if host else (customer,),
        thread=f"booking:{data.booking_id}",
        text=line.text,
        said=(Said(0, line.vouched, Role.SYSTEM, is_trusted),),
        relates_to=None if status == "created" else data.booking_id,
        attributes=line.attributes,
        problems=problems + late,
    )


def _happened(delivery: Delivery, at: datetime) -> tuple[datetime, tuple[str, ...]]:
    if at > delivery.received_at + MAX_SKEW:
        return delivery.received_at, ("time lies after the receipt; the receipt's is taken",)
    return at.astimezone(UTC), ()


def _actor(channel: str, role: Role, person: Person) -> Actor:
    is_agent = role is Role.AGENT
    how = "agent, by our own signed system" if is_agent else f"{role.value}, as our signed system names the sender"
    return Actor(role, how, is_agent, person.name or "", _identifiers(channel, person, role))


def _participants(channel: str, actor: Actor, data: NewMessage | EditedMessage) -> tuple[Participant, ...]:
    if actor.role is not Role.CUSTOMER:
        sender = Participant("from", actor.name, actor.identifiers, own=True)
        customer = data.customer
        return (
            (sender, Participant("to", customer.name or "", _identifiers(channel, customer))) if customer else (sender,)
        )
    named = data.customer
    more = _identifiers(channel, named) if named else ()
    name = actor.name or (named.name if named else None) or ""
    return (Participant("from", name, tuple(dict.fromkeys((*actor.identifiers, *more)))),)


def _identifiers(channel: str, person: Person, role: Role = Role.CUSTOMER) -> tuple[Identifier, ...]:
    """A visitor's id is of the channel's own kind, our people's of another, so that the two can't be mixed up."""
    kind = channel if role is Role.CUSTOMER else f"{channel}:{role.value}"
    pairs = ((kind, person.external_id), ("email", person.email), ("phone", person.phone))
    return tuple(Identifier(kind, value) for kind, value in pairs if value)


def _attachment(attachment: Attachment) -> str:
    facts = (attachment.name, attachment.content_type)
    return f"[attachment: {', '.join(' '.join(fact.split()) for fact in facts if fact) or 'without a name'}]"


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
