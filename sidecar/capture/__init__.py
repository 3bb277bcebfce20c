"""Capture: what a channel vouches for becomes a Delivery, and a Delivery becomes Activities.

The raw bytes come first and are durable before anybody parses them. A channel's parser may be wrong about many things,
but not about the invariants on which evidence rests; those are checked here, once, for all channels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from sidecar.capture.heard import HEARD, read_heard
from sidecar.errors import PermanentError
from sidecar.model import Activity, Delivery, Mint
from sidecar.ports import Captured, Channel

MAX_ACTIVITIES = 10_000
MAX_TEXT_CHARS = 2_000_000
FAULT = "fault"
"""Header under which a delivery carries the reason why it can't be read at all."""
HINT = "hint"
"""Header by which a delivery is known that says only that there is news."""
WITHHELD = "withheld"
"""Header, and beginning of the key, of a delivery that stands for what could not be fetched; it says why."""


def to_delivery(captured: Captured, channel: str, now: datetime, mint: Mint) -> Delivery:
    """Return the Delivery fact for captured bytes."""
    digest = sha256(captured.raw).hexdigest()
    headers = dict(captured.headers)
    if captured.fault:
        headers[FAULT] = captured.fault
    if captured.is_hint:
        headers[HINT] = "1"
    key = captured.key or digest
    if captured.withheld:
        # A name of its own, so that the thing itself still comes under its own; with a fault, so that nobody reads it.
        headers |= {WITHHELD: captured.withheld, FAULT: captured.withheld}
        key = f"{WITHHELD}:{key}"
    return mint(
        Delivery(
            channel=channel,
            account=captured.account,
            key=key,
            sha256=digest,
            headers=headers,
            received_at=now,
            raw=captured.raw,
        )
    )


def capture(delivery: Delivery, channel: Channel, mint: Mint) -> tuple[Activity, ...]:
    """Parse a delivery into activities with ids; `PermanentError` parks the delivery with its reason."""
    if FAULT in delivery.headers:
        raise PermanentError(delivery.headers[FAULT])
    drafts = read_heard(delivery) if HEARD in delivery.headers else channel.parse(delivery)
    if len(drafts) > MAX_ACTIVITIES:
        raise PermanentError(f"{len(drafts)} activities in one delivery; at most {MAX_ACTIVITIES} are read")
    return tuple(_activity(draft, delivery, mint) for draft in drafts)


def newly_read(activities: Sequence[Activity], held: Iterable[Activity]) -> tuple[Activity, ...]:
    """Leave out what a former reader read in the same delivery, word for word, and only told versions of otherwise.

    `held` is what the book has of that delivery.
    """
    again = {activity.id for activity in activities}
    former = {what_it_says(activity) for activity in held if activity.id not in again}
    return tuple(activity for activity in activities if what_it_says(activity) not in former)


def what_it_says(activity: Activity) -> tuple[object, ...]:
    """Return what an activity says of which thing, but for how its versions are told apart."""
    return activity.kind, activity.external_id, activity.text, activity.said, activity.actor, activity.at


def _activity(draft: Activity, delivery: Delivery, mint: Mint) -> Activity:
    problems = [*draft.problems, *_faults(draft)]
    if len(draft.text) > MAX_TEXT_CHARS:
        raise PermanentError(f"a text of {len(draft.text)} characters; at most {MAX_TEXT_CHARS} are read")
    if draft.at.tzinfo is None:
        raise PermanentError(f"the {delivery.channel} channel gave a time without a zone")
    activity = replace(
        draft,
        because=(delivery.id,),
        channel=delivery.channel,
        account=delivery.account,
        said=tuple(said for said in draft.said if 0 <= said.start < said.end <= len(draft.text)),
        problems=tuple(problems),
    )
    return mint(activity)


def _faults(draft: Activity) -> Sequence[str]:
    outside = sum(not 0 <= said.start < said.end <= len(draft.text) for said in draft.said)
    return [f"{outside} spans lay outside the text"] if outside else []
