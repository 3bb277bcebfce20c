"""From a list of UIDs to batches of deliveries: bounded in number and bytes, each with the cursor that follows it.

A cursor is `{folder: {"uidvalidity": n, "uid": n}}`. One that can't be read counts as lost, which costs a repetition
and never a mail.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.channels.imap.mailbox import Mailbox, MailFacts
from sidecar.ports import Captured, PollBatch

BATCH_BYTES = 32 * 1024 * 1024

Cursor = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that is being read: whose, in which generation of UIDs, and whether only we can write in it."""

    account: str
    folder: str
    uidvalidity: int
    is_sent: bool

    def key(self, uid: int) -> str:
        """Return the key of a mail's delivery."""
        return f"{self.folder}:{self.uidvalidity}:{uid}"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may come at once."""

    batch_size: int
    max_message_bytes: int


def read_cursor(cursor: Mapping[str, Any] | None) -> Cursor:
    """Return the readable places of a cursor."""
    places: Cursor = {}
    for folder, place in (cursor or {}).items():
        known = place if isinstance(place, Mapping) else {}
        uidvalidity, uid = known.get("uidvalidity"), known.get("uid")
        if isinstance(uidvalidity, int) and isinstance(uid, int):
            places[folder] = {"uidvalidity": uidvalidity, "uid": uid}
    return places


def resume(cursor: Cursor, folder: str, uidvalidity: int) -> int | None:
    """Return the last UID that was read in this generation of a folder's UIDs; None begins anew."""
    place = cursor.get(folder)
    return place["uid"] if place and uidvalidity and place["uidvalidity"] == uidvalidity else None


def batches(
    mailbox: Mailbox, place: Place, mails: Mapping[int, MailFacts], bounds: Bounds, cursor: Cursor, last: int | None
) -> Iterator[PollBatch]:
    """Yield the mails of a folder in order; the last cursor says `last`, if one is given, though it be empty."""
    groups = list(_groups(mails, bounds))
    for number, group in enumerate(groups, 1):
        captured = tuple(_captured(mailbox, place, {uid: mails[uid] for uid in group}, bounds))
        reached = last if number == len(groups) and last is not None else group[-1]
        cursor[place.folder] = {"uidvalidity": place.uidvalidity, "uid": reached}
        yield PollBatch(captured, _copy(cursor))
    if not groups and last is not None:
        cursor[place.folder] = {"uidvalidity": place.uidvalidity, "uid": last}
        yield PollBatch((), _copy(cursor))


def _groups(mails: Mapping[int, MailFacts], bounds: Bounds) -> Iterator[Sequence[int]]:
    group: list[int] = []
    size_bytes = 0
    for uid in sorted(mails):
        more = min(mails[uid].size_bytes, bounds.max_message_bytes)
        if group and (len(group) == bounds.batch_size or size_bytes + more > BATCH_BYTES):
            yield group
            group, size_bytes = [], 0
        group.append(uid)
        size_bytes += more
    if group:
        yield group


def _captured(mailbox: Mailbox, place: Place, mails: Mapping[int, MailFacts], bounds: Bounds) -> Iterator[Captured]:
    fitting = [uid for uid, facts in mails.items() if facts.size_bytes <= bounds.max_message_bytes]
    bodies = mailbox.bodies(fitting)
    for uid, facts in mails.items():
        raw = bodies.get(uid)
        size_bytes = facts.size_bytes if raw is None else len(raw)  # some servers only estimate sizes
        headers = {"folder": place.folder, "sent": "1" if place.is_sent else "0"}
        if facts.arrived_at:
            headers["internaldate"] = facts.arrived_at.isoformat()
        key = place.key(uid)
        if size_bytes > bounds.max_message_bytes:
            fault = f"mail of {size_bytes} bytes; at most {bounds.max_message_bytes} are read"
            yield Captured(place.account, mailbox.header(uid), key, headers | {"fault": fault}, fault)
        elif raw is not None:  # else it was deleted since it was listed
            yield Captured(place.account, raw, key, headers)


def _copy(cursor: Cursor) -> Cursor:
    return {folder: dict(place) for folder, place in cursor.items()}
