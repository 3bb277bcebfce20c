"""From a list of UIDs to batches of deliveries: bounded in number and bytes, each with the cursor that follows it.

A cursor is `{folder: {"uidvalidity": n, "uid": n}}`. One that can't be read counts as lost, which costs a repetition
and never a mail. A mail that the server refuses, or at which it hangs up in poll after poll, while it hands out another
is laid down as withheld, by its UID.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from adapters.channels.imap.hangups import HangUps
from adapters.channels.imap.mailbox import FACTS_PER_FETCH, Mailbox, MailFacts
from adapters.formats.withheld import Another, Sieve, can_be_had, first_of
from sidecar.errors import TemporaryError, Unanswered
from sidecar.ports import Captured, PollBatch

BATCH_BYTES = 32 * 1024 * 1024
NEWEST = 200
"""How many UIDs back another mail is looked for."""

NOTHING = MailFacts(0, None)
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


def facts_of(
    mailbox: Mailbox, place: Place, uids: Sequence[int], another: Another, hung: HangUps
) -> Mapping[int, MailFacts]:
    """Return what is known of mails; nothing of one at which the server hangs up in poll after poll, and not at others.

    While no other can be had it is an outage, after which those that it hit are asked about again.
    """
    given_up = {uid for uid in uids if hung.is_given_up(place.folder, place.uidvalidity, uid)}
    if given_up and not can_be_had(another, {place.key(uid) for uid in given_up}):
        for uid in given_up:
            hung.forgive(place.folder, place.uidvalidity, uid)
        given_up = set()
    facts = dict.fromkeys(given_up, NOTHING)
    alone = {uid for uid in uids if hung.is_suspect(place.folder, place.uidvalidity, uid)}
    asked = dict.fromkeys((uid for uid in uids if uid not in given_up), NOTHING)
    for some in _groups(asked, Bounds(FACTS_PER_FETCH, 0), alone):
        with hung.noted(place.folder, place.uidvalidity, some):
            facts |= mailbox.facts(some)
    return facts


def batches(
    mailbox: Mailbox,
    place: Place,
    mails: Mapping[int, MailFacts],
    bounds: Bounds,
    cursor: Cursor,
    last: int | None,
    another: Another,
    hung: HangUps,
) -> Iterator[PollBatch]:
    """Yield the mails of a folder in order; the last cursor says `last`, if one is given, though it be empty."""
    alone = {uid for uid in mails if hung.is_suspect(place.folder, place.uidvalidity, uid)}
    groups, sieve = list(_groups(mails, bounds, alone)), Sieve(another)
    for number, group in enumerate(groups, 1):
        captured = tuple(_captured(mailbox, place, {uid: mails[uid] for uid in group}, bounds, sieve, hung))
        reached = last if number == len(groups) and last is not None else group[-1]
        cursor[place.folder] = {"uidvalidity": place.uidvalidity, "uid": reached}
        yield PollBatch(captured, _copy(cursor))
    if not groups and last is not None:
        cursor[place.folder] = {"uidvalidity": place.uidvalidity, "uid": last}
        yield PollBatch((), _copy(cursor))


def _groups(mails: Mapping[int, MailFacts], bounds: Bounds, alone: Collection[int]) -> Iterator[Sequence[int]]:
    group: list[int] = []
    size_bytes = 0
    for uid in sorted(mails):
        more = min(mails[uid].size_bytes, bounds.max_message_bytes)
        is_full = len(group) == bounds.batch_size or size_bytes + more > BATCH_BYTES
        if group and (is_full or uid in alone or group[-1] in alone):
            yield group
            group, size_bytes = [], 0
        group.append(uid)
        size_bytes += more
    if group:
        yield group


def retrieved(
    mailbox: Mailbox, place: Place, uid: int, bounds: Bounds, another: Another, unknown: HangUps
) -> Sequence[Captured]:
    """Fetch a mail that was withheld from the folder that is open; nothing where it is gone."""
    mails = facts_of(mailbox, place, [uid], another, unknown)
    found = _fetched(mailbox, place, uid, mails[uid], bounds) if uid in mails else None
    return (found,) if found else ()


def another_of(mailbox: Mailbox, place: Place, uidnext: int) -> Another:
    """Return what says whether the newest mails of the folder that is open can be had, but for some."""

    def another(but: Collection[str]) -> bool:
        uids = [uid for uid in mailbox.after(max(0, uidnext - NEWEST)) if place.key(uid) not in but]
        return first_of({place.key(uid): partial(_begins, mailbox, place, uid) for uid in reversed(uids)}, but)

    return another


def _captured(
    mailbox: Mailbox, place: Place, mails: Mapping[int, MailFacts], bounds: Bounds, sieve: Sieve, hung: HangUps
) -> Iterator[Captured]:
    """What is laid down of some mails, fetched together, or one by one where the server refuses that."""
    given_up = {uid for uid in mails if hung.is_given_up(place.folder, place.uidvalidity, uid)}
    wanted = {uid: facts for uid, facts in mails.items() if uid not in given_up}
    fitting = [uid for uid, facts in wanted.items() if facts.size_bytes <= bounds.max_message_bytes]
    bodies: Mapping[int, bytes] | None
    try:
        with hung.noted(place.folder, place.uidvalidity, fitting):
            bodies = mailbox.bodies(fitting)
    except Unanswered:
        raise
    except TemporaryError:
        bodies = None
    for uid, facts in mails.items():
        named = Captured(place.account, b"", place.key(uid), _headers(place, facts) | {"uid": str(uid)})
        if uid in given_up:
            yield from sieve.tried(_not_asked, named)
            continue
        with hung.noted(place.folder, place.uidvalidity, [uid]):
            found = sieve.tried(partial(_fetched, mailbox, place, uid, facts, bounds, bodies), named)
        yield from found
    yield from sieve.settled()


def _fetched(
    mailbox: Mailbox,
    place: Place,
    uid: int,
    facts: MailFacts,
    bounds: Bounds,
    bodies: Mapping[int, bytes] | None = None,
) -> Captured | None:
    """What is laid down of one mail; None where it was deleted since it was listed."""
    if bodies is None:
        bodies = mailbox.bodies([uid] if facts.size_bytes <= bounds.max_message_bytes else [])
    raw = bodies.get(uid)
    size_bytes = facts.size_bytes if raw is None else len(raw)  # some servers only estimate sizes
    headers, key = _headers(place, facts), place.key(uid)
    if size_bytes > bounds.max_message_bytes:
        fault = f"mail of {size_bytes} bytes; at most {bounds.max_message_bytes} are read"
        return Captured(place.account, mailbox.header(uid), key, headers | {"fault": fault}, fault)
    return None if raw is None else Captured(place.account, raw, key, headers)


def _not_asked() -> Captured | None:
    raise TemporaryError("the server hangs up when it is asked for")


def _begins(mailbox: Mailbox, place: Place, uid: int) -> Captured | None:
    return Captured(place.account, b"", place.key(uid)) if mailbox.begins(uid) else None


def _headers(place: Place, facts: MailFacts) -> dict[str, str]:
    headers = {"folder": place.folder, "sent": "1" if place.is_sent else "0"}
    return headers | ({"internaldate": facts.arrived_at.isoformat()} if facts.arrived_at else {})


def _copy(cursor: Cursor) -> Cursor:
    return {folder: dict(place) for folder, place in cursor.items()}
