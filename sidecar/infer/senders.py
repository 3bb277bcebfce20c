"""Who wrote what is read, so that whoever writes much can't use up what is meant for all.

Only those count whose words anybody could send: our own people and systems, where that is certain, don't. A sender is
known by a hash under the journal's key, because a count of costs is no place for addresses.
"""

from collections.abc import Iterable

from sidecar.model import Activity, Mint

SENDER = "sender"


def senders(activities: Iterable[Activity], mint: Mint) -> dict[str, int]:
    """Return how many characters each sender wrote of some activities, at least one for each."""
    wrote: dict[str, int] = {}
    for activity in activities:
        sender = sender_of(activity, mint)
        if sender:
            chars = sum(said.end - said.start for said in activity.said)
            wrote[sender] = wrote.get(sender, 0) + max(1, chars)
    return wrote


def sender_of(activity: Activity, mint: Mint) -> str:
    """Return the hash of who did an activity: an address, else a name on its channel; empty for our own side."""
    actor = activity.actor
    if actor.authenticated:
        return ""
    named = [f"{i.kind}:{i.value.strip().casefold()}" for i in actor.identifiers]
    who = min(named, default=f"{activity.channel}/{activity.account}/{actor.name or activity.thread}".casefold())
    return mint.id(SENDER, who)
