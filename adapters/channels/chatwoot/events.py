"""What Chatwoot tells, as pydantic models: by webhook, and by its API, which spell the same message differently.

A webhook says `incoming` and an ISO time where the API says 0 and seconds; both are read here once. Fields that decide
who said what are strict; all others are kept in the raw bytes and not looked at. A refusal names the path and the rule,
never the content.

Source: `Message#webhook_data`, `_message.json.jbuilder` and the OpenAPI description of chatwoot/chatwoot, read 2026-11.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from sidecar.errors import PermanentError

POLLED = "message_polled"
"""The event of our own making under which a poll lays down what the API told of a message."""

MESSAGES = frozenset({"message_created", "message_updated", POLLED})
CONVERSATIONS = frozenset({"conversation_created", "conversation_status_changed"})
MAX_TEXT_CHARS = 200_000
MAX_ADDRESS_CHARS = 4_000
SHOWN_ERRORS = 5
YEARS = (1970, 2200)
_TYPES: Mapping[object, str] = {0: "incoming", 1: "outgoing", 2: "activity", 3: "template"}


def read_json(raw: bytes) -> dict[str, Any]:
    """Read a body into its object; `PermanentError` when it is none."""
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise PermanentError(f"body is not JSON: line {error.lineno}, column {error.colno}") from None
    if not isinstance(data, dict) or not isinstance(data.get("event"), str):
        raise PermanentError("body is no event of Chatwoot's: it names none")
    return data


M = TypeVar("M", bound=BaseModel)


def read_as(model: type[M], data: Mapping[str, Any]) -> M:
    """Read an object as a model; `PermanentError` with the paths and rules that it breaks."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)[:SHOWN_ERRORS]
        shown = (f"{'.'.join(map(str, fault['loc']))}: {fault['type']}" for fault in faults)
        raise PermanentError("; ".join(shown)) from None


def _time(value: object) -> datetime:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            at = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, str) and len(value) <= 40:
            at = datetime.fromisoformat(value.replace(" UTC", "+00:00"))
        else:
            raise PydanticCustomError("time", "seconds, or an ISO 8601 text")
        if at.utcoffset() is None or not YEARS[0] <= at.year <= YEARS[1]:
            raise PydanticCustomError("time_with_offset", "a time with its offset, within a lifetime of now")
        return at.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise PydanticCustomError("time", "seconds, or an ISO 8601 text") from None


def _word(value: object) -> object:
    return _TYPES.get(value, value) if isinstance(value, int) and not isinstance(value, bool) else value


def _shown(value: str) -> str:
    return value.replace("\0", "\ufffd")  # databases can't hold it in text; the raw bytes keep it


def _line(value: object) -> object:
    """Read a name or an address; what is too long for one, or of another type, is none."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    return text if 0 < len(text) <= 320 else None


def _bag(value: object) -> object:
    """Read an object, which old servers wrote as a text of JSON; what is neither is empty."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    return value if isinstance(value, dict) else {}


def _number(value: object) -> object:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _address(value: object) -> object:
    return value if isinstance(value, str) and len(value) <= MAX_ADDRESS_CHARS else None


At = Annotated[datetime, BeforeValidator(_time)]
Id = Annotated[int, Field(ge=0, le=2**63 - 1, strict=True)]
Line = Annotated[Annotated[str, AfterValidator(_shown)] | None, BeforeValidator(_line)]
Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS, strict=True), AfterValidator(_shown)]
Bag = Annotated[dict[str, Any], BeforeValidator(_bag)]
Number = Annotated[float | None, BeforeValidator(_number)]


class Part(BaseModel):
    """What every model here has in common."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class Person(Part):
    """A contact, one of our people, or a bot: `type` is contact, user, agent_bot or captain_assistant, or missing."""

    id: Id | None = None
    name: Line = None
    email: Line = None
    phone_number: Line = None
    identifier: Line = None
    type: Line = None


class Meta(Part):
    """What a conversation says of those in it: its `sender` is the contact."""

    sender: Person | None = None


class ContactInbox(Part):
    """The contact as an inbox knows it: the visitor's id of a web chat."""

    source_id: Line = None


class Conversation(Part):
    """A conversation, by the number that people see."""

    id: Id
    inbox_id: Id | None = None
    channel: Line = None
    status: Line = None
    meta: Annotated[Meta, BeforeValidator(_bag)] = Meta()
    contact_inbox: ContactInbox | None = None
    additional_attributes: Bag = {}
    updated_at: Number = None
    timestamp: Number = None


class Attachment(Part):
    """A file of a message; it is named, never fetched."""

    file_type: Line = None
    data_url: Annotated[str | None, BeforeValidator(_address)] = None


class Account(Part):
    """Whose conversations they are."""

    id: Id


class Inbox(Part):
    """Where a conversation comes in."""

    id: Id
    name: Line = None


class Message(Part):
    """One message, in whatever state it was told."""

    event: str
    id: Id
    account: Account
    conversation: Conversation
    created_at: At
    message_type: Annotated[Literal["incoming", "outgoing", "activity", "template"], BeforeValidator(_word)]
    private: Annotated[bool, Field(strict=True)] = False
    content: Text | None = None
    content_attributes: Bag = {}
    source_id: Line = None
    sender: Person | None = None
    inbox: Inbox | None = None
    inbox_id: Id | None = None
    attachments: Annotated[tuple[Attachment, ...] | None, Field(max_length=100)] = ()
    changed_attributes: Any = None

    @property
    def inbox_number(self) -> int | None:
        """Return the number of the inbox, wherever it stands."""
        return self.inbox.id if self.inbox else self.inbox_id or self.conversation.inbox_id

    @property
    def is_deleted(self) -> bool:
        """Say whether it was taken back: Chatwoot puts a sentence of its own in its place then."""
        return self.content_attributes.get("deleted") is True


class ConversationEvent(Conversation):
    """Something that happened to a conversation, whose fields then stand at the top."""

    event: str
    account: Account | None = None
