"""What Intercom tells of a conversation, by webhook and by its API: pydantic models of the little that is read.

A conversation's first message is its `source` and stands in no part; everything later is a part. A webhook holds the
newest parts alone. Fields that decide who said what are strict, others may be missing or of any type.

Source: intercom/Intercom-OpenAPI (descriptions/2.14: conversation, conversation_source, conversation_part,
conversation_part_author, contact_reference, contact) and its webhook topics, read 2026-11.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from adapters.formats.outside import At, Flag, Line, Part, Rows, Text

POLLED = "message.polled"
"""The topic of our own making under which a poll lays down what the API told of one message."""
CONVERSATION, CONVERSATION_PART = "conversation", "conversation_part"


def _id(value: object) -> object:
    """An id, which some versions write as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _parts(value: object) -> object:
    """The rows of one of Intercom's lists, which stand under a name of their own in it."""
    if isinstance(value, dict):
        value = next((rows for name, rows in value.items() if isinstance(rows, list) and name != "errors"), [])
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


Id = Annotated[str, BeforeValidator(_id), Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_:.-]+$")]
Listed = BeforeValidator(_parts)


class Author(Part):
    """Who wrote: `type` is user, lead, contact, admin, bot or team."""

    type: Line = ""
    id: Annotated[Line, BeforeValidator(_id)] = ""
    name: Line = ""
    email: Line = ""
    from_ai_agent: Flag = False
    is_ai_answer: Flag = False


class Attachment(Part):
    """A file of a message; it is named, never fetched."""

    name: Line = ""
    content_type: Line = ""


class Source(Part):
    """A conversation's first message."""

    delivered_as: Line = ""
    type: Line = ""
    subject: Text = ""
    body: Text = ""
    author: Author = Author()
    attachments: Annotated[tuple[Attachment, ...], Rows, Field(max_length=100)] = ()
    redacted: Flag = False


class Reply(Part):
    """One part of a conversation: something that somebody wrote, or did."""

    id: Id
    part_type: Line = ""
    body: Text = ""
    created_at: At
    updated_at: At | None = None
    author: Author = Author()
    attachments: Annotated[tuple[Attachment, ...], Rows, Field(max_length=100)] = ()
    redacted: Flag = False


class Reference(Part):
    """A contact, as a conversation names it."""

    id: Id
    external_id: Annotated[Line, BeforeValidator(_id)] = ""


class Contact(Part):
    """A contact, as it is told when it is asked for."""

    id: Annotated[Line, BeforeValidator(_id)] = ""
    external_id: Annotated[Line, BeforeValidator(_id)] = ""
    name: Line = ""
    email: Line = ""
    phone: Line = ""


class Conversation(Part):
    """A conversation, with all or some of its parts."""

    id: Id
    created_at: At
    updated_at: At | None = None
    source: Source | None = None
    contacts: Annotated[tuple[Reference, ...], Listed, Field(max_length=100)] = ()
    conversation_parts: Annotated[tuple[Reply, ...], Listed, Field(max_length=1000)] = ()


class Item(Part):
    """What a notification is about."""

    type: Line = ""
    id: Annotated[Line, BeforeValidator(_id)] = ""


class Data(Part):
    """Where a notification holds its item."""

    item: Annotated[dict[str, Any], Field(strict=True)]


class Notification(Part):
    """A webhook."""

    topic: Annotated[str, Field(min_length=1, max_length=100, strict=True)]
    data: Data
    created_at: At | None = None


class Laid(Part):
    """What a poll laid down: a conversation with one message, and the contact that it is with, if it was asked for."""

    topic: Annotated[str, Field(strict=True)]
    conversation: Conversation
    contact: Contact | None = None
