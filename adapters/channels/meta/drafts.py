"""What the three platforms have in common: an activity in the making, times, ids, and words about what isn't text.

Nothing here knows a platform's fields. Lines in brackets, such as `[image]`, stand in the text outside any span that
was said: they are our words, so no claim can quote them as somebody's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, TypeAlias

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from sidecar.model import Activity, Actor, Attachment, Delivery, Identifier, Participant, Role, Said

MAX_SKEW = timedelta(minutes=5)
EARLIEST_S, LATEST_S = 0, 7_258_118_400  # the years 1970 to 2200
MAX_SHOWN_CHARS = 200


def _bare(value: object) -> object:
    """Take numbers for ids too: Meta writes some ids as either."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _without_nul(value: str) -> str:
    return value.replace("\0", "\ufffd")  # databases can't hold it in text; the raw bytes keep it


Text: TypeAlias = Annotated[str, Field(max_length=200_000), AfterValidator(_without_nul)]
Id: TypeAlias = Annotated[
    str, BeforeValidator(_bare), Field(min_length=1, max_length=500, pattern=r"^[^\s\x00-\x1f\x7f]+$")
]


class Part(BaseModel):
    """What every model here has in common: unknown fields are left in the raw bytes."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Reads:
    """How requests are read: which apps' messages a bot writes, and whether an app's history counts as talk."""

    bot_apps: frozenset[str] = frozenset()
    history: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """A text and which part of it, from the beginning, somebody said; with facts that aren't words, and files."""

    said: str = ""
    about: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Attachment, ...] = ()

    @property
    def text(self) -> str:
        """The words said, and below them ours about the rest."""
        return "\n".join(part for part in (self.said, self.about) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An activity in the making: `side` is our number, page or account, `person` the customer's identifiers."""

    delivery: Delivery
    platform: str
    side: str
    at: datetime
    external_id: str
    actor: Actor
    thread: str
    participants: tuple[Participant, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    files_last: timedelta | None = None

    def activity(
        self, kind: str, words: Words = Words(), *, version: str = "", relates_to: str | None = None
    ) -> Activity:
        """Return the activity of a kind with these words."""
        at, problems = _happened(self.delivery, self.at)
        actor = self.actor
        said = Said(0, len(words.said), actor.role, actor.authenticated, actor.name)
        named = {"platform": self.platform, "account": self.side, **self.attributes, **words.attributes}
        return Activity(
            channel=self.delivery.channel,
            account=self.delivery.account,
            external_id=self.external_id,
            kind=kind,
            version=version,
            at=at,
            actor=actor,
            participants=self.participants,
            thread=self.thread,
            text=words.text,
            said=(said,) if words.said else (),
            relates_to=relates_to,
            attributes={key: value for key, value in named.items() if value},
            attachments=tuple(self._lasting(file) for file in words.files),
            problems=problems,
        )

    def _lasting(self, file: Attachment) -> Attachment:
        """Say until when a file can be had, where the platform says so."""
        return replace(file, expires_at=self.at + self.files_last) if self.files_last else file


def noted(
    delivery: Delivery, platform: str, side: str, event: str, raw: object, at: datetime | None = None, problem: str = ""
) -> Activity:
    """Return a status that says nothing and names nobody: what is kept and counted, and no part of a conversation.

    Its id is made of the item itself, so that the same item is the same fact in whatever company it comes again.
    """
    digest = sha256(orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)).hexdigest()
    draft = Draft(
        delivery=delivery,
        platform=platform,
        side=side,
        at=at or delivery.received_at,
        external_id=f"{event}:{digest}",
        actor=Actor(Role.SYSTEM, "signed webhook of Meta"),
        thread=f"{platform}:{side}",
        attributes={"event": event},
    )
    activity = draft.activity("status")
    return replace(activity, problems=(*activity.problems, problem)) if problem else activity


def customer(name: str, identifiers: tuple[Identifier, ...]) -> Actor:
    """Return a customer whom the platform itself vouches for."""
    return Actor(Role.CUSTOMER, "sender, as Meta names it", False, name, identifiers)


def shown(value: object) -> str:
    """Return a value in one bounded line."""
    return " ".join(str(value or "").replace("\0", " ").split())[:MAX_SHOWN_CHARS]


def plain(name: object) -> str:
    """Return a vendor's word for a kind, when it is a plain word; else `?`, since it may be anybody's text."""
    return name if isinstance(name, str) and name.isascii() and name.isidentifier() and len(name) <= 60 else "?"


def bracketed(kind: str, *facts: object) -> str:
    """Return our line about what isn't text: `[document: offer.pdf, application/pdf]`."""
    known = ", ".join(shown(fact) for fact in facts if fact)
    return f"[{kind}: {known}]" if known else f"[{kind}]"


def from_s(seconds: int) -> datetime:
    """Return a time given in seconds since 1970; `ValueError` when it lies out of any lifetime."""
    if not EARLIEST_S <= seconds <= LATEST_S:
        raise ValueError("time out of range")
    return datetime.fromtimestamp(seconds, UTC)


def from_ms(milliseconds: int) -> datetime:
    """Return a time given in milliseconds since 1970; `ValueError` when it lies out of any lifetime."""
    return from_s(milliseconds // 1000) + timedelta(milliseconds=milliseconds % 1000)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a request tells of: how it is read, and what is known of it when it can't be."""

    side: str
    event: str
    raw: object
    read: Callable[[], Activity]
    at: datetime | None = None


def _happened(delivery: Delivery, at: datetime) -> tuple[datetime, tuple[str, ...]]:
    if at > delivery.received_at + MAX_SKEW:
        return delivery.received_at, ("time lies after the receipt; the receipt's is taken",)
    return at, ()
