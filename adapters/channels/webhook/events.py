"""The events that the webhook understands, as pydantic models: the one source of the parser, the JSON Schema, the docs.

Strict where a mistake would falsify a fact (types, times with an offset, who spoke to whom) and lenient where it would
only lose a message: a mistyped e-mail address is kept as it is, an unknown field is kept in the raw bytes and named
in the activity's problems. A refusal names the JSON path and the rule, never the content.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args
from zoneinfo import ZoneInfo

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from sidecar.errors import PermanentError

SHOWN_ERRORS = 5
MAX_TEXT_CHARS = 200_000
YEARS = (1970, 2200)


def read_event(raw: bytes) -> "Event":
    """Read a body into an event; `PermanentError` with the JSON paths and rules that it breaks, without content."""
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise PermanentError(f"body is not JSON: line {error.lineno}, column {error.colno}") from None
    _refuse_names_twice(raw.decode())
    try:
        return EVENTS.validate_python(data)
    except ValidationError as error:
        raise PermanentError("; ".join(_faults(error))) from None


def unknown_fields(model: BaseModel, path: str = "") -> Iterator[str]:
    """Yield the paths of fields that the schema doesn't know; a name that is no plain word is shown as `?`."""
    for name in model.model_extra or ():
        plain = name.isascii() and name.isidentifier() and len(name) <= 40
        yield f"{path}{name if plain else '?'}"
    for name in type(model).model_fields:
        value = getattr(model, name)
        for index, item in enumerate(value if isinstance(value, tuple) else (value,)):
            if isinstance(item, BaseModel):
                place = f"{path}{name}[{index}]" if isinstance(value, tuple) else f"{path}{name}"
                yield from unknown_fields(item, f"{place}.")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of every event."""
    schema = EVENTS.json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Events of the webhook channel",
        **schema,
    }


def _refuse_names_twice(text: str) -> None:
    """Refuse an object that names a field twice: which value holds would be a guess, and each reader's own."""
    try:
        json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise PermanentError("body is nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) < len(pairs):
        raise PermanentError("body names a field twice in one object")
    return named


def _faults(error: ValidationError) -> list[str]:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    shown = []
    for fault in faults[:SHOWN_ERRORS]:
        place = fault["loc"][1:] if fault["loc"] else ()  # the first item is the event's type
        path = "".join(f"[{item}]" if isinstance(item, int) else f".{item}" for item in place).lstrip(".")
        shown.append(f"{path or 'type'}: {_rule(fault['type'])}")
    if len(faults) > SHOWN_ERRORS:
        shown.append(f"and {len(faults) - SHOWN_ERRORS} more")
    return shown


def _rule(broken: str) -> str:
    """Name a rule; for an event of no known type, the types that there are, since a sender can't guess them."""
    if broken not in ("union_tag_invalid", "union_tag_not_found"):
        return broken
    known = [name for event in get_args(Event) for name in get_args(event.model_fields["type"].annotation)]
    return f"{broken}, must be one of {', '.join(known)}"


def _aware(value: object) -> datetime:
    if not isinstance(value, str) or len(value) > 40:
        raise PydanticCustomError("time_as_text", "a time is an ISO 8601 text")
    try:
        at = datetime.fromisoformat(value)
        offset = at.utcoffset()
    except ValueError:
        raise PydanticCustomError("time_iso_8601", "a time is an ISO 8601 text") from None
    if offset is None:
        raise PydanticCustomError("time_with_offset", "a time needs its offset, such as Z or +01:00")
    if not YEARS[0] <= at.year <= YEARS[1]:
        raise PydanticCustomError("time_out_of_range", "a time within a lifetime of now")
    return at


def _blank_is_none(value: object) -> object:
    return (value.strip() or None) if isinstance(value, str) else value


def _without_nul(value: str) -> str:
    return value.replace("\0", "\ufffd")  # databases can't hold it in text; the raw bytes keep it


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # OSError is a folder of the database, such as "Europe"
        raise PydanticCustomError("time_zone", "an IANA time zone, such as Europe/London") from None
    return value


At: TypeAlias = Annotated[datetime, BeforeValidator(_aware), WithJsonSchema({"type": "string", "format": "date-time"})]
Id: TypeAlias = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f\x7f]+$")]
BookingId: TypeAlias = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:@/=+-]+$")]
Line: TypeAlias = Annotated[
    Annotated[str, Field(max_length=320), AfterValidator(_without_nul)] | None, BeforeValidator(_blank_is_none)
]
Zone: TypeAlias = Annotated[str, Field(max_length=64), AfterValidator(_zone)]
Text: TypeAlias = Annotated[str, Field(max_length=MAX_TEXT_CHARS), AfterValidator(_without_nul)]


class Part(BaseModel):
    """What every model here has in common."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, hide_input_in_errors=True)


class Person(Part):
    """Somebody who writes, is written to, or has booked. A customer needs one of external_id, email, phone."""

    external_id: Line = Field(None, description="Your id of this person; stable, for it names the customer")
    name: Line = None
    email: Line = None
    phone: Line = Field(None, description="E.164 is best; else it is read in the region of `own.default_region`")

    @property
    def is_known(self) -> bool:
        """Say whether anything identifies this person."""
        return bool(self.external_id or self.email or self.phone)


class Sender(Person):
    """Who wrote a message. Without a role, inbound is the customer and outbound an agent."""

    role: Literal["customer", "agent", "bot"] | None = None


class Attachment(Part):
    """A file that came with a message; it is named, never fetched."""

    name: Line = None
    content_type: Line = None
    size_bytes: Annotated[int, Field(ge=0)] | None = None
    url: Annotated[str, Field(max_length=4000)] | None = None


class Message(Part):
    """A message that somebody wrote, or wrote anew."""

    message_id: Id
    conversation_id: Id
    direction: Literal["inbound", "outbound"]
    sender: Sender
    customer: Person | None = Field(
        None, description="Whom the conversation is with; required unless the sender is the customer"
    )
    subject: Line = None
    text: Text = ""
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=100, strict=False)] = ()

    @property
    def role(self) -> str:
        """Who wrote it: customer, agent or bot."""
        return self.sender.role or ("customer" if self.direction == "inbound" else "agent")


M = TypeVar("M", bound=Message)


class NewMessage(Message):
    """A message as it was first written."""

    sent_at: At

    @property
    def at(self) -> datetime:
        """When it was written."""
        return self.sent_at


class EditedMessage(Message):
    """A message with its new text; `message_id` is that of the first."""

    edited_at: At
    revision: Id | None = Field(None, description="Needed only where two edits can have the same `edited_at`")

    @property
    def at(self) -> datetime:
        """When it was changed."""
        return self.edited_at


class DeletedMessage(Part):
    """A message that its writer took back; `message_id` is that of the first."""

    message_id: Id
    conversation_id: Id
    deleted_at: At
    sender: Sender | None = None
    customer: Person | None = None


class Booking(Part):
    """An appointment, as the booking system knows it after the event."""

    booking_id: BookingId
    customer: Person
    start: At
    timezone: Zone | None = Field(None, description="IANA name; else the times are shown in the offset of `start`")
    title: Line = None
    host: Person | None = Field(None, description="Whom of your people the appointment is with")


B = TypeVar("B", bound=Booking)


class MovedBooking(Booking):
    """An appointment that got another time."""

    previous_start: At


def _coherent(message: M) -> M:
    if message.direction == "outbound" and message.role == "customer":
        raise PydanticCustomError("outbound_by_customer", "what a customer writes is inbound")
    if message.role != "customer" and message.customer is None:
        raise PydanticCustomError("customer_missing", "name the customer when somebody else writes")
    is_named = message.customer is not None and message.customer.is_known
    if not is_named and not (message.role == "customer" and message.sender.is_known):
        raise PydanticCustomError("customer_without_identifier", "give external_id, email or phone")
    return message


def _with_customer(booking: B) -> B:
    if not booking.customer.is_known:
        raise PydanticCustomError("customer_without_identifier", "give external_id, email or phone")
    return booking


class MessageCreated(Part):
    """Somebody wrote a message."""

    type: Literal["message.created"]
    timestamp: At
    data: Annotated[NewMessage, AfterValidator(_coherent)]


class MessageEdited(Part):
    """Somebody changed a message."""

    type: Literal["message.edited"]
    timestamp: At
    data: Annotated[EditedMessage, AfterValidator(_coherent)]


class MessageDeleted(Part):
    """Somebody took a message back."""

    type: Literal["message.deleted"]
    timestamp: At
    data: DeletedMessage


class BookingChanged(Part):
    """An appointment was made, called off, kept or missed; `timestamp` is when that happened."""

    type: Literal["booking.created", "booking.cancelled", "booking.attended", "booking.no_show"]
    timestamp: At
    data: Annotated[Booking, AfterValidator(_with_customer)]


class BookingMoved(Part):
    """An appointment was moved; `timestamp` is when that happened."""

    type: Literal["booking.moved"]
    timestamp: At
    data: Annotated[MovedBooking, AfterValidator(_with_customer)]


Event: TypeAlias = MessageCreated | MessageEdited | MessageDeleted | BookingChanged | BookingMoved
EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
