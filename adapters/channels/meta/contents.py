"""What a WhatsApp message holds, by its type: the words that were said, and our line about the rest.

A button or a list's row that somebody chose counts as said, and so does a filled-in form; a name of a file, a place or
a contact card stands in our line, outside what was said. Media are named by their id and not fetched.
"""

import binascii
import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field, TypeAdapter

from adapters.channels.meta.drafts import Id, Part, Text, Words, bracketed, plain, shown
from sidecar.model import Attachment

MAX_LINES = 50
BY_ID = "whatsapp:"
"""Before the id of a file that the Graph API hands out; any other reference to a file is its address."""
_KINDS = {"image": "image", "sticker": "image", "video": "video", "audio": "audio", "document": "document"}


class RevokeContent(Part):
    """A message taken back."""

    original_message_id: Id


class EditContent(RevokeContent):
    """A message written anew."""

    message: dict[str, Any]


class ReactionContent(Part):
    """An emoji on a message; without one, the emoji was taken away."""

    message_id: Id
    emoji: Text = ""


class _TextContent(Part):
    body: Text


class _Media(Part):
    id: Id | None = None
    mime_type: Text = ""
    sha256: Text = ""
    filename: Text = ""
    caption: Text = ""
    voice: bool = False


class _Button(Part):
    text: Text
    payload: Text = ""


class _Choice(Part):
    id: Text = ""
    title: Text


class _Form(Part):
    response_json: Text = ""


class _Interactive(Part):
    button_reply: _Choice | None = None
    list_reply: _Choice | None = None
    nfm_reply: _Form | None = None


class _Location(Part):
    latitude: float
    longitude: float
    name: Text = ""
    address: Text = ""


class _Phone(Part):
    phone: Text = ""


class _Name(Part):
    formatted_name: Text = ""


class _Card(Part):
    name: _Name = _Name()
    phones: tuple[_Phone, ...] = ()


class _Product(Part):
    product_retailer_id: Text = ""
    quantity: float = 1


class _Order(Part):
    text: Text = ""
    product_items: tuple[_Product, ...] = Field((), max_length=1_000)


_CARDS = TypeAdapter(tuple[_Card, ...])


def read_words(kind: object, content: object) -> Words:
    """Return the words of a message; a type that isn't known yet is named as such, and `ValueError` is for bad ones."""
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        return Words(about=bracketed("message of a kind that can't be read", plain(kind)))
    return reader(content)


def _text(content: object) -> Words:
    return Words(_TextContent.model_validate(content).body)


def _media(kind: str) -> Callable[[object], Words]:
    def read(content: object) -> Words:
        media = _Media.model_validate(content)
        facts = {"media_id": media.id or "", "media_type": media.mime_type, "media_sha256": media.sha256}
        named = bracketed("voice note" if media.voice else kind, media.filename)
        return Words(media.caption, named, facts, _file(kind, media))

    return read


def _file(kind: str, media: _Media) -> tuple[Attachment, ...]:
    """Name a file by its id; one without an id can't be had."""
    if not media.id:
        return ()
    kind = "voice" if media.voice else _KINDS[kind]
    return (
        Attachment(BY_ID + media.id, kind, shown(media.mime_type), shown(media.filename), sha256=_hex(media.sha256)),
    )


def _hex(told: str) -> str:
    """Return a hash in hex that comes in base64; empty for what is none, since nothing could be held against it."""
    try:
        digest = b64decode(told, validate=True)
    except (ValueError, binascii.Error):
        return ""
    return digest.hex() if len(digest) == 32 else ""


def _button(content: object) -> Words:
    button = _Button.model_validate(content)
    return Words(button.text, attributes={"choice": button.payload})


def _interactive(content: object) -> Words:
    interactive = _Interactive.model_validate(content)
    choice = interactive.button_reply or interactive.list_reply
    if choice:
        return Words(choice.title, attributes={"choice": choice.id})
    if interactive.nfm_reply:
        return Words(_form(interactive.nfm_reply.response_json), bracketed("form"))
    return Words(about=bracketed("answer of a kind that can't be read"))


def _form(text: str) -> str:
    """Put a filled-in form into lines; the token that ties it to our own request is no answer of the customer's."""
    try:
        answers = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return text
    if not isinstance(answers, Mapping):
        return text
    lines = [f"{shown(key)}: {shown(value)}" for key, value in answers.items() if key != "flow_token"]
    return "\n".join(lines[:MAX_LINES])


def _location(content: object) -> Words:
    place = _Location.model_validate(content)
    return Words(about=bracketed("location", place.name, place.address, f"{place.latitude} {place.longitude}"))


def _contacts(content: object) -> Words:
    cards = _CARDS.validate_python(content)[:MAX_LINES]
    return Words(
        about="\n".join(bracketed("contact", c.name.formatted_name, *(p.phone for p in c.phones)) for c in cards)
    )


def _order(content: object) -> Words:
    order = _Order.model_validate(content)
    products = order.product_items[:MAX_LINES]
    lines = (bracketed("order", f"{item.quantity:g} x {shown(item.product_retailer_id)}") for item in products)
    return Words(order.text, "\n".join(lines) or bracketed("order"))


def _unsupported(content: object) -> Words:
    """WhatsApp says that something was written, and doesn't say what; see the phone."""
    return Words(about=bracketed("message that WhatsApp doesn't pass on"))


_READERS: Mapping[str, Callable[[object], Words]] = {
    "text": _text,
    "image": _media("image"),
    "video": _media("video"),
    "audio": _media("audio"),
    "document": _media("document"),
    "sticker": _media("sticker"),
    "button": _button,
    "interactive": _interactive,
    "location": _location,
    "contacts": _contacts,
    "order": _order,
    "unsupported": _unsupported,
}
