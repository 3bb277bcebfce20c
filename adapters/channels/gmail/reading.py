"""From what was laid down to activities: a mail, and a deletion. Pure: the delivery alone says what it is.

A mail is named by Gmail's id, for a deletion names nothing else. Everything else is as for a mail of any other mailbox.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from adapters.formats.calendar_activity import mail_activities
from adapters.formats.mime import parse_mail
from sidecar.errors import PermanentError
from sidecar.model import Activity, Actor, Delivery, Own, Role


def read_mail(delivery: Delivery, own: Own) -> Sequence[Activity]:
    """Read a mail into its activity, and the invitations in it into theirs."""
    told = delivery.headers.get("internaldate")
    arrived_at = min(datetime.fromisoformat(told), delivery.received_at) if told else delivery.received_at
    is_sent = delivery.headers.get("sent") == "1"
    found = mail_activities(delivery, parse_mail(delivery.raw), own, arrived_at, is_sent)
    return tuple(replace(a, external_id=_id(delivery)) if a.kind == "mail" else a for a in found)


def read_deletion(delivery: Delivery) -> Activity:
    """Read a deletion: that the mail was deleted for good, and not by whom; Gmail tells no time of it either."""
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=_id(delivery),
        kind="deletion",
        version="deleted",
        at=delivery.received_at,
        actor=Actor(Role.SYSTEM, "Gmail says that it was deleted, and not by whom"),
        thread=f"gmail:{_id(delivery)}",
        relates_to=_id(delivery),
    )


def _id(delivery: Delivery) -> str:
    if not (id := delivery.headers.get("id")):
        raise PermanentError("the delivery names no mail of Gmail's")
    return id
