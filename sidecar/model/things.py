"""The things that facts are about: identifiers, people in an activity, evidence, CRM records.

Frozen and without I/O. Times are aware UTC; offsets are code points in an activity's immutable text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

Value = str | int | float | bool | None
"""What a CRM field holds, canonically: dates as ISO text, enums as their id; None is an empty field."""


class Role(StrEnum):
    """Who did something."""

    CUSTOMER = "customer"
    AGENT = "agent"
    BOT = "bot"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A kind and a normalised value that name one party: `("email", "ann@x.test")`, `("phone", "+447700900123")`.

    Kinds are `email`, `phone`, `domain` (only where parties are companies), or a channel's name for its own ids.
    Before `resolve` has normalised it, the value is as the channel gave it.
    """

    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did an activity, and how we know.

    `authenticated` is true only for what the sender can't forge: a sent folder or an API of ours, a signed request
    of a booking system. A `From` line is never that.
    """

    role: Role
    how: str
    authenticated: bool = False
    name: str = ""
    identifiers: tuple[Identifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody named in an activity: `part` is from, to, cc, reply_to, speaker, organizer, attendee or subject."""

    part: str
    name: str = ""
    identifiers: tuple[Identifier, ...] = ()
    own: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """A span of an activity's text that somebody said in it: quoted replies and signatures are in no span."""

    start: int
    end: int
    role: Role
    authenticated: bool = False
    who: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that an activity names and doesn't hold: `ref` is what its channel fetches it by.

    Kinds are image, audio, voice, video and document; `sha256` is hex, as the provider told it, and empty if it didn't.
    """

    ref: str
    kind: str
    content_type: str = ""
    name: str = ""
    size_bytes: int | None = None
    sha256: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A verbatim place in an activity's text: `text[start:end] == quote`, and who said it."""

    activity: str
    start: int
    end: int
    quote: str
    role: Role = Role.CUSTOMER
    authenticated: bool = False
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible answer to "whose is this" or "which deal": a score, and the signals that it is made of."""

    ref: str
    score: float
    signals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A next step that somebody owes: it keeps its id when it is reworded.

    Once believed, `decision` names the Decision that it follows from, `at` its evidence's time, `activities` its words.
    """

    id: str
    what: str
    who: str
    due_text: str = ""
    due: str | None = None
    status: str = "open"
    decision: str = ""
    at: datetime | None = None
    activities: tuple[str, ...] = ()

    def reads_as(self, other: "Step") -> bool:
        """Say whether both are the same words to a reader."""
        return self.what.casefold().split() == other.what.casefold().split()


class AuthorKind(StrEnum):
    """Who wrote a CRM field, as far as the CRM's history can tell."""

    PERSON = "person"
    AUTOMATION = "automation"
    US = "us"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Author:
    """The author of a CRM field's value; `ref` and `name` are the CRM's own."""

    kind: AuthorKind
    ref: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry of a CRM field's history, oldest first in any list of them.

    One that is `guessed` stands in no history: the author is who changed the record last, and may have left the field.
    """

    field: str
    value: Value
    at: datetime
    author: Author
    guessed: bool = False


class Source(StrEnum):
    """Where a CRM's value came from: finer than who stands behind it, for counting, never for whose word stands.

    A form is filled in by the customer; an integration is another program, an automation the CRM's own. A default is
    what nobody wrote: the CRM put it in when somebody made the record, or moved it along with another field.
    """

    PERSON = "person"
    FORM = "form"
    IMPORT = "import"
    INTEGRATION = "integration"
    AUTOMATION = "automation"
    US = "us"
    DEFAULT = "default"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Trail:
    """One record as its own history tells it: its owner, the fields that hold something now, each edit with its source.

    A field that is held without any edit was filled before the CRM's history begins.
    """

    ref: str
    owner: str = ""
    held: frozenset[str] = frozenset()
    edits: tuple[tuple[Edit, Source], ...] = ()


@dataclass(frozen=True, slots=True)
class Walked:
    """Some records of a kind, and the cursor behind them: None at the end. `total` is a first page's count, if told."""

    trails: tuple[Trail, ...]
    cursor: str | None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """An association from one CRM record to another."""

    kind: str
    ref: str


@dataclass(frozen=True, slots=True)
class Record:
    """A CRM row as read: kinds are contact, company, deal, note, task, meeting."""

    kind: str
    ref: str
    fields: Mapping[str, Value]
    version: str | None = None
    links: tuple[Link, ...] = ()
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """A record that was deleted, or merged into the record `moved_to`."""

    kind: str
    ref: str
    moved_to: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One activity as an LLM sees it: an alias such as `a3` instead of an id, and only what was said in it."""

    alias: str
    activity: str
    at: datetime
    channel: str
    kind: str
    role: Role
    authenticated: bool
    who: str
    text: str
    subject: str = ""
    automated: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
