"""What Gmail tells, as far as anybody here reads it: the shapes of its discovery document, checked where they come in.

Keys that nobody reads are dropped. Ids are held to the characters that Gmail makes them of, since they are asked for by
address. Source: Google's discovery document of gmail v1, revision 20261005.
"""

from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from adapters.http.patience import Again

HEADER_BYTES = 64 * 1024
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
# Google describes a uint64, of 20 digits at most; a stand-in of somebody else counts in 21.
HistoryId = Annotated[str, Field(pattern=r"^\d{1,24}$")]


class Told(BaseModel):
    """What Gmail told; keys that nobody reads here are dropped."""

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel, hide_input_in_errors=True)


class Profile(Told):
    """Whose mailbox it is, and how far its history has come."""

    email_address: str
    history_id: HistoryId


class Mail(Told):
    """A mail as far as it was asked for; `raw` is base64url, without padding or with it."""

    id: Id
    thread_id: str = ""
    label_ids: tuple[str, ...] = ()
    history_id: HistoryId = "0"
    internal_date: str = Field("", pattern=r"^-?\d{0,17}$")
    size_estimate: int = 0
    raw: str = Field("", repr=False)
    payload: dict[str, Any] = Field(default_factory=dict, repr=False)

    @property
    def arrived_at(self) -> datetime | None:
        """When Gmail took it in, which is more reliable than its Date."""
        try:
            return datetime.fromtimestamp(int(self.internal_date) / 1000, UTC) if self.internal_date else None
        except (ValueError, OverflowError, OSError):
            return None


class Named(Told):
    """A mail as history names it."""

    id: Id
    label_ids: tuple[str, ...] = ()


class Happened(Told):
    """One thing that happened to a mail, with the labels that came or went."""

    message: Named
    label_ids: tuple[str, ...] = ()


class Record(Told):
    """One record of history. `messages` repeats what the others say, and isn't read."""

    id: HistoryId
    messages_added: tuple[Happened, ...] = ()
    messages_deleted: tuple[Happened, ...] = ()
    labels_added: tuple[Happened, ...] = ()
    labels_removed: tuple[Happened, ...] = ()


class HistoryPage(Told):
    """A page of what changed; without a next one the reader has caught up with `history_id`."""

    history: tuple[Record, ...] = ()
    history_id: HistoryId
    next_page_token: str = ""


class ListPage(Told):
    """A page of mails, newest first."""

    messages: tuple[Named, ...] = ()
    next_page_token: str = ""


class Label(Told):
    """A label: those of Gmail's own have a name for an id."""

    id: str
    name: str


class Labels(Told):
    """The labels of a mailbox."""

    labels: tuple[Label, ...] = ()


class Watch(Told):
    """Until when Gmail tells a topic of news, in milliseconds."""

    expiration: str = Field(pattern=r"^\d{1,16}$")
    history_id: HistoryId


def raw_of(mail: Mail) -> bytes:
    """Return the bytes of a mail that was asked for raw; `Again` where the answer holds none."""
    try:
        return urlsafe_b64decode(mail.raw + "=" * (-len(mail.raw) % 4))
    except (Base64Error, ValueError):
        raise Again("Gmail's answer to message holds no mail") from None


def header_of(mail: Mail) -> bytes:
    """Return the first of a mail's header lines, as far as they were told."""
    rows = mail.payload.get("headers")
    lines = [f"{row.get('name')}: {row.get('value')}\r\n" for row in rows or () if isinstance(row, Mapping)]
    return "".join(lines).encode("utf-8", "replace")[:HEADER_BYTES]
