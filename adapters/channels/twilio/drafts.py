"""What messages, calls and speech have in common: an activity in the making, times, sides, words about what isn't text.

Lines in brackets, such as `[image: image/png]`, stand outside any span that was said: they are ours, so no claim can
quote them as somebody's. Times are Twilio's where it tells one; a webhook about a message tells none, so the receipt's
stands in.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal

from adapters.channels.twilio.addresses import bare, identifiers
from sidecar.errors import PermanentError
from sidecar.model import Actor, Delivery, Identifier, Participant, Role

MAX_SKEW = timedelta(minutes=5)
MAX_SHOWN_CHARS = 300
MAX_TEXT_CHARS = 200_000
YEARS = (1970, 2200)
_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say of reading: which numbers count, who speaks where, and whether words of calls may be kept.

    `customer_channel` is 1, 2, or 0 for "by the call"; `outbound_by` says who writes what is sent through the API.
    """

    numbers: frozenset[str] = frozenset()
    transcripts: bool = False
    live_words: bool = True
    inbound_track: Literal["customer", "agent"] = "customer"
    customer_channel: int = 0
    trusted_speakers: bool = False
    outbound_by: Literal["agent", "bot"] = "bot"

    def counts(self, ours: str) -> bool:
        """Say whether what came in at an address of ours counts."""
        return not self.numbers or bare(ours) in self.numbers


@dataclass(frozen=True, slots=True)
class Sides:
    """Who is at the two ends of a message or call, and which end is ours."""

    ours: str
    theirs: str
    is_inbound: bool
    name: str = ""
    also: tuple[Identifier, ...] = field(default=())

    def customer(self, channel: str) -> tuple[Identifier, ...]:
        """Return what the customer is known by."""
        return tuple(dict.fromkeys((*self.also, *identifiers(channel, self.theirs))))

    def participants(self, channel: str, part: str = "") -> tuple[Participant, ...]:
        """Return both ends; `part` is what both play, else who began is `from` and the other is `to`."""
        ours = identifiers(channel, self.ours)
        theirs_part, our_part = ("from", "to") if self.is_inbound else ("to", "from")
        them = Participant(part or theirs_part, self.name, self.customer(channel))
        us = Participant(part or our_part, "", ours, own=True)
        found = (them, us) if self.is_inbound else (us, them)
        return tuple(p for p in found if p.identifiers)


def system(how: str) -> Actor:
    """Return the actor of what nobody said."""
    return Actor(Role.SYSTEM, how)


def sid(value: object, what: str) -> str:
    """Return an id of Twilio's; `PermanentError` for anything else."""
    if isinstance(value, str) and _SID.fullmatch(value):
        return value
    raise PermanentError(f"{what} is missing or no id of Twilio's")


def is_sid(value: object, prefix: str) -> bool:
    """Say whether a value is an id of a kind, such as `CA`."""
    return isinstance(value, str) and value.startswith(prefix) and _SID.fullmatch(value) is not None


def clean(text: object) -> str:
    """Return a text as databases hold it; `PermanentError` for one that is too long."""
    told = text if isinstance(text, str) else ""
    if len(told) > MAX_TEXT_CHARS:
        raise PermanentError(f"a text of {len(told)} characters; at most {MAX_TEXT_CHARS} are read")
    told = told.encode("utf-8", "replace").decode() if not told.isascii() else told
    return told.replace("\0", "\ufffd").replace("\r\n", "\n")


def shown(value: object) -> str:
    """Return a value in one bounded line."""
    return " ".join(clean(str(value if value is not None else "")[:MAX_SHOWN_CHARS]).split())


def bracketed(kind: str, *facts: object) -> str:
    """Return our line about what isn't text: `[location: Head office, 51.5, -0.1]`."""
    known = ", ".join(told for told in map(shown, facts) if told)
    return f"[{kind}: {known}]" if known else f"[{kind}]"


def moment(value: object) -> datetime | None:
    """Read a time in either of Twilio's forms, ISO 8601 and that of mail; None for what is none."""
    if not isinstance(value, str) or not 0 < len(value) <= 60:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except (ValueError, TypeError, OverflowError):
            return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at.astimezone(UTC) if YEARS[0] < at.year < YEARS[1] else None


def happened(delivery: Delivery, *told: object) -> tuple[datetime, tuple[str, ...]]:
    """Return the first time that is told, else the receipt's; one after the receipt is replaced, and that is said."""
    at = next((found for value in told if (found := moment(value))), None)
    if at is None:
        return delivery.received_at, ()
    if at > delivery.received_at + MAX_SKEW:
        return delivery.received_at, ("time lies after the receipt; the receipt's is taken",)
    return at, ()


def seconds(value: object) -> int | None:
    """Read a length of time in whole seconds, as a number or a text."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 7 else None


def known(attributes: Mapping[str, object]) -> Mapping[str, str]:
    """Return the attributes that say something, each in one line."""
    return {name: told for name, value in attributes.items() if (told := shown(value))}


def rows(value: object) -> Sequence[Mapping[str, object]]:
    """Return the objects of a list."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
