"""What a provider withheld: one thing that could not be fetched while others could, asked for until it comes.

A poll that waited for it would hold back everything behind it. So it goes on, and leaves a delivery in the book that
stands for the thing: no bytes, its name, and why. That is durable together with the cursor that passes it, so nothing
is lost. The delivery's own work asks for the thing again, ever less often, and after some tries within some time waits
for a person, by name; a retry, a poll that gets it after all and `reconcile` still fetch it, under the ids it always
had. A poll that meets the refusal again changes nothing of that: neither when it is asked for, nor whether it waits.

A try counts only while the channel's adapter sees that another thing can be had. During an outage, a pause or a refusal
of our access the thing waits, and no try is counted; while the channel can't be polled nothing is even asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from sidecar.capture import FAULT, WITHHELD
from sidecar.errors import PermanentError, SidecarError, TemporaryError, Withheld
from sidecar.journal import Entry, Finish
from sidecar.model import Delivery, Lease
from sidecar.pipeline.parts import Parts
from sidecar.pipeline.sources import place_of
from sidecar.ports import Channel, PollBatch, Retriever

MIN_TRIES = 5
MIN_AGE = timedelta(hours=1)
"""Both must be over before a thing waits for a person: what fails for an hour, others not, fails for a reason."""
FIRST_S, MOST_S = 60.0, 900.0
"""How long after a try the next one comes: at first, and at most."""
MOST_DOUBLED = 10

Keep = Callable[[str, PollBatch], object]


def retrieve(parts: Parts, channel: Channel, lease: Lease, delivery: Delivery, keep: Keep) -> None:
    """Ask for what a delivery stands for, and keep it; `PermanentError` parks it when it was asked for often enough."""
    if not isinstance(channel, Retriever):
        raise PermanentError(delivery.headers[FAULT])
    if _is_there(parts, delivery):
        parts.journal.commit(Entry(finish=Finish(lease, "done")))
        return
    if held_by := _held_by(parts, delivery.channel):
        _wait(parts, lease, held_by)
        return
    try:
        place_of(parts.journal, channel)  # of another source it would seem to be gone
        found = tuple(channel.retrieve(name_of(delivery), headers_of(delivery)))
    except Withheld as error:
        raise _refusal(parts, lease, delivery, error) from None
    except SidecarError as error:
        _wait(parts, lease, str(error))
        return
    keep(delivery.channel, PollBatch(found, {}))
    parts.journal.commit(Entry(finish=Finish(lease, "done")))


def name_of(delivery: Delivery) -> str:
    """Return the key of the thing that a delivery stands for."""
    return delivery.key.removeprefix(f"{WITHHELD}:")


def headers_of(delivery: Delivery) -> Mapping[str, str]:
    """Return the headers with which the thing was left out."""
    return {name: value for name, value in delivery.headers.items() if name not in (WITHHELD, FAULT)}


def _is_there(parts: Parts, delivery: Delivery) -> bool:
    """Say whether the thing came in by another way."""
    journal = parts.journal
    itself = journal.mint(replace(delivery, id="", key=name_of(delivery)))
    return itself.id in journal.known_ids([itself.id])


def _held_by(parts: Parts, channel: str) -> str:
    """Say why nothing is to be asked of a channel now: many that did would keep busy who reads what others send."""
    if f"channel:{channel}" in parts.journal.paused():
        return f"the channel {channel} is paused"
    _, failed = parts.journal.polling(channel)
    return f"the channel {channel} can't be polled: {failed}" if failed else ""


def _wait(parts: Parts, lease: Lease, reason: str) -> None:
    """Come back later, with no try counted."""
    parts.journal.commit(Entry(finish=Finish(lease, "wait", not_before_s=MOST_S, reason=reason)))


def _refusal(parts: Parts, lease: Lease, delivery: Delivery, error: Withheld) -> SidecarError:
    told = f"{name_of(delivery)} can't be fetched, though others can: {error}"
    if lease.attempts >= MIN_TRIES and parts.clock() - delivery.received_at >= MIN_AGE:
        return PermanentError(f"{told}; once that is mended: sidecar work --retry parse {delivery.id}")
    return TemporaryError(told, retry_after_s=min(MOST_S, FIRST_S * 2.0 ** min(lease.attempts - 1, MOST_DOUBLED)))
