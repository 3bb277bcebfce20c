"""A call or a meeting as those tell it who recorded it: who took part, when, how long, and what was said. Pure.

Telephone systems, meeting tools and note takers tell the same things in their own shapes; here they become one shape,
and one of two activities: `call`, which holds no word of anybody's, and `transcript`, which holds all of them. A guest
chooses the name and, as a rule, the address that is shown, and a topic may be anybody's: so no name and no topic stands
in a line that the system vouches for, and an unknown speaker is a customer, whose word proves least.

Somebody is ours by what the vendor knows (a user of the account, an internal affiliation) or by an address of ours. A
speaker is somebody by the vendor's own reference, else by the whole name where exactly one person bears it. Ours are
authenticated only where the vendor knows the line (a telephone's user), or where the operator vouches for names.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sidecar.model import Activity, Actor, Delivery, Identifier, Own, Participant, Role, Said

PEOPLE_MAX = 300
TURNS_MAX = 50_000
TEXT_CHARS_MAX = 4_000_000
NAME_CHARS_MAX = 120
UNKNOWN_SPEAKER = "Unknown"
MAX_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Attendee:
    """Somebody who took part. `is_ours` is the vendor's word, None for none; `knows_line`: the vendor knows who spoke.

    `ref` is what turns name a speaker by, where the vendor has such a thing. Who was only invited, or declared to be
    ours, isn't known to have been there: not `is_there`.
    """

    name: str = ""
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    is_ours: bool | None = None
    ref: str = ""
    knows_line: bool = False
    is_there: bool = True

    @property
    def identifiers(self) -> tuple[Identifier, ...]:
        """Return the addresses and numbers by which somebody can be found."""
        emails = tuple(Identifier("email", email) for email in self.emails if email)
        return (*emails, *(Identifier("phone", phone) for phone in self.phones if phone))


@dataclass(frozen=True, slots=True)
class Spoken:
    """What somebody said in one go: by reference, by name, or by nobody knows whom."""

    words: str
    name: str = ""
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A call or meeting: `id` is the vendor's for this one time, `thread` what its parts have in common.

    `vendor` is who tells it, `direction` inbound, outbound or empty.
    """

    vendor: str
    id: str
    at: datetime
    thread: str
    people: tuple[Attendee, ...] = ()
    duration_s: float | None = None
    subject: str = ""
    direction: str = ""
    status: str = "held"
    is_private: bool = False
    problems: tuple[str, ...] = ()


def call_activity(delivery: Delivery, call: Call, own: Own) -> Activity:
    """Return the activity of a call without a word of it: one line, vouched for where both sides are known to be in it.

    `Call held on 2026-11-22 at 09:00 UTC for 31 minutes, inbound, with 1 of ours and 2 others.` Where the vendor knows
    only who was invited it ends with `, 3 invited.`, and is proof of nobody's coming.
    """
    there = [person for person in call.people if person.is_there]
    ours = sum(_is_ours(person, own) for person in there)
    theirs = len(there) - ours
    text = _line(call, ours, theirs)
    at, problems = _happened(delivery, call)
    is_sure = call.status == "held" and ours > 0 and theirs > 0
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=call.id,
        kind="call",
        at=at,
        actor=Actor(Role.SYSTEM, f"{call.vendor} tells who took part", is_sure),
        participants=_participants(call, own),
        thread=call.thread,
        subject=_one_line(call.subject),
        text=text,
        said=(Said(0, len(text), Role.SYSTEM, is_sure),),
        attributes=_attributes(call),
        problems=problems,
    )


def transcript_activity(
    delivery: Delivery, call: Call, turns: Iterable[Spoken], own: Own, *, trusts_names: bool, version: str = ""
) -> Activity:
    """Return the activity of a call with its words: a line a turn, `Speaker: words`; each span covers words alone."""
    lost: list[str] = []
    lines, said, speakers = _laid_out(call, _joined(turns, lost), own, trusts_names)
    at, problems = _happened(delivery, call)
    return Activity(
        channel=delivery.channel,
        account=delivery.account,
        external_id=call.id,
        kind="transcript",
        version=version,
        at=at,
        actor=Actor(Role.SYSTEM, f"a transcript of {call.vendor}'s"),
        participants=(*_participants(call, own), *(Participant("speaker", name) for name in speakers)),
        thread=call.thread,
        subject=_one_line(call.subject),
        text="\n".join(lines),
        said=tuple(said),
        attributes=_attributes(call),
        problems=(*problems, *lost),
    )


def _laid_out(
    call: Call, turns: Sequence[Spoken], own: Own, trusts_names: bool
) -> tuple[list[str], list[Said], list[str]]:
    """The lines, their spans, and the names of speakers who are none of the people that the vendor lists."""
    lines: list[str] = []
    said: list[Said] = []
    strangers: dict[str, None] = {}
    at = 0
    for turn in turns:
        person = _speaker(call.people, turn)
        is_ours = person is not None and _is_ours(person, own)
        name = _one_line(turn.name or (person.name if person else ""))
        prefix = f"{name or UNKNOWN_SPEAKER}: "
        start = at + len(prefix)
        sure = is_ours and person is not None and (person.knows_line or trusts_names)
        said.append(Said(start, start + len(turn.words), Role.AGENT if is_ours else Role.CUSTOMER, sure, name))
        lines.append(prefix + turn.words)
        at = start + len(turn.words) + 1
        if person is None and name and len(strangers) < PEOPLE_MAX:
            strangers[name] = None
    return lines, said, list(strangers)


def _joined(turns: Iterable[Spoken], lost: list[str]) -> list[Spoken]:
    """Turns of one known speaker in a row are one; a turn of nobody knows whom joins none. Words are one line.

    That there were more words than are kept is said in `lost`.
    """
    joined: list[tuple[Spoken, list[str]]] = []
    size = 0
    for turn in turns:
        words = " ".join(turn.words.replace("\0", "").split())
        size += len(words)
        if not words:
            continue
        if len(joined) >= TURNS_MAX or size > TEXT_CHARS_MAX:
            lost.append(f"more than {TURNS_MAX} turns or {TEXT_CHARS_MAX} characters: the first are kept")
            break
        last = joined[-1][0] if joined else None
        if last is not None and (turn.name or turn.ref) and (last.name, last.ref) == (turn.name, turn.ref):
            joined[-1][1].append(words)
        else:
            joined.append((turn, [words]))
    return [Spoken(" ".join(words), turn.name, turn.ref) for turn, words in joined]


def _speaker(people: Sequence[Attendee], turn: Spoken) -> Attendee | None:
    """The person that a turn names: by reference, else by a name that exactly one bears."""
    if turn.ref:
        found = [person for person in people if person.ref == turn.ref]
        if found:
            return found[0] if len(found) == 1 else None
    words = " ".join(turn.name.casefold().split())
    named = [person for person in people if words and " ".join(person.name.casefold().split()) == words]
    return named[0] if len(named) == 1 else None


def _participants(call: Call, own: Own) -> tuple[Participant, ...]:
    return tuple(
        Participant("speaker", _one_line(person.name), person.identifiers, own=_is_ours(person, own))
        for person in call.people[:PEOPLE_MAX]
    )


def _is_ours(person: Attendee, own: Own) -> bool:
    if person.is_ours is not None:
        return person.is_ours
    return any(own.owns(identifier) for identifier in person.identifiers)


def _happened(delivery: Delivery, call: Call) -> tuple[datetime, tuple[str, ...]]:
    if call.at > delivery.received_at + MAX_SKEW:
        return delivery.received_at, (*call.problems, "time lies after the receipt; the receipt's is taken")
    return call.at.astimezone(UTC), call.problems


def _line(call: Call, ours: int, theirs: int) -> str:
    when = call.at.astimezone(UTC).strftime("%Y-%m-%d at %H:%M UTC")
    long = f" for {max(round(call.duration_s / 60), 1)} minutes" if call.duration_s else ""
    direction = f", {call.direction}" if call.direction else ""
    who = f", with {ours} of ours and {theirs} other{'' if theirs == 1 else 's'}" if ours + theirs else ""
    invited = sum(not person.is_there and bool(person.identifiers) for person in call.people)
    who += f", {invited} invited" if invited and not who else ""
    return f"Call {call.status} on {when}{long}{direction}{who}."


def _attributes(call: Call) -> dict[str, str]:
    found = {"call_id": call.id, "start": call.at.astimezone(UTC).isoformat(), "status": call.status}
    if call.duration_s is not None:
        found["duration_s"] = str(round(call.duration_s))
    if call.direction:
        found["direction"] = call.direction
    if call.is_private:
        found["visibility"] = "private"
    return found


def _one_line(text: str) -> str:
    return " ".join(text.replace("\0", " ").split())[:NAME_CHARS_MAX]
