"""From a request of Meta to the activities of all its entries, whatever one of them holds.

A request is shared by many conversations, so one item that can't be read may not hold up the others: it becomes a
status with a problem, and its bytes stay in the delivery. Only where nothing at all can be read is the delivery parked.
What Meta tells beside conversations, and what it will tell one day, becomes a status too: kept, counted, and no talk.
A refusal names paths and rules, never content.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import orjson
from pydantic import Field, ValidationError

from adapters.channels.meta import messenger, whatsapp
from adapters.channels.meta.drafts import Id, Item, Part, Reads, noted, plain
from sidecar.errors import PermanentError
from sidecar.model import Activity, Delivery

SHOWN_FAULTS = 5
MAX_ENTRIES, MAX_ITEMS = 1_000, 10_000
"""Of an app's history one request tells thousands of messages; 3 MB hold no more than so many."""

Reader: TypeAlias = Callable[[Delivery, str, Mapping[str, Any], Reads], Iterator[Item]]

READERS: Mapping[str, tuple[str, Reader]] = {
    "whatsapp_business_account": (whatsapp.PLATFORM, whatsapp.items),
    "page": ("messenger", messenger.page_items),
    "instagram": ("instagram", messenger.instagram_items),
}
"""What Meta calls a platform's object, our name for the platform, and what reads an entry of it."""


class Envelope(Part):
    """A request's outside."""

    object: str = Field(max_length=100)
    entry: tuple[dict[str, Any], ...] = Field(max_length=MAX_ENTRIES)


class Entry(Part):
    """An entry's outside."""

    id: Id


def read_delivery(delivery: Delivery, reads: Reads) -> Sequence[Activity]:
    """Return the activities of a request; `PermanentError` where nothing in it can be read."""
    envelope = _envelope(delivery.raw)
    platform, reader = READERS.get(envelope.object, ("meta", None))
    found: list[Activity] = []
    faults: list[str] = []
    for place, entry in enumerate(envelope.entry):
        try:
            side = Entry.model_validate(entry).id
            items = list(reader(delivery, side, entry, reads)) if reader else [_unknown(delivery, side, entry)]
        except ValueError as error:
            faults.append(f"entry[{place}]: {_rules(error)}")
            found.append(noted(delivery, platform, "?", "unreadable", entry, problem=faults[-1]))
            continue
        if len(found) + len(items) > MAX_ITEMS:
            raise PermanentError(f"more than {MAX_ITEMS} items in one request; Meta sends no more than that")
        for item in items:
            try:
                found.append(item.read())
            except ValueError as error:
                faults.append(f"entry[{place}] {item.event}: {_rules(error)}")
                found.append(noted(delivery, platform, item.side, item.event, item.raw, item.at, faults[-1]))
    if faults and len(faults) == len(found):
        more = f"; and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
        raise PermanentError("; ".join(faults[:SHOWN_FAULTS]) + more)
    return found


def _envelope(raw: bytes) -> Envelope:
    try:
        data = orjson.loads(raw)
        orjson.dumps(data)  # items are hashed as they are, and it writes fewer levels than it reads
    except orjson.JSONDecodeError as error:
        raise PermanentError(f"body is not JSON: line {error.lineno}, column {error.colno}") from None
    except orjson.JSONEncodeError:
        raise PermanentError("body is nested too deeply") from None
    try:
        return Envelope.model_validate(data)
    except ValidationError as error:
        raise PermanentError(f"body is no webhook of Meta: {_rules(error)}") from None


def _unknown(delivery: Delivery, side: str, entry: Mapping[str, Any]) -> Item:
    problem = "this kind of object is kept and not read"
    return Item(side, "object", entry, lambda: noted(delivery, "meta", side, "object", entry, problem=problem))


def _rules(error: ValueError) -> str:
    """Name what an item breaks: places and rules of a model, or our own words for anything else."""
    if not isinstance(error, ValidationError):
        return str(error)
    faults = error.errors(include_url=False, include_input=False, include_context=False)[:SHOWN_FAULTS]
    return ", ".join(
        f"{'.'.join(_place(part) for part in fault['loc']) or 'item'}: {fault['type']}" for fault in faults
    )


def _place(part: int | str) -> str:
    return str(part) if isinstance(part, int) else plain(part)
