"""Who is in an activity, and whose it may be: its participants as people, and among them the customer's side.

The channel says who wrote and to whom; here that becomes at most two questions. Whose word is it? The sender's for what
came in, the recipients' for what we sent, the person that it is about for a system's event. And may a party begin with
it? Only with something that the customer's side did: neither what we send nor a receipt makes anybody a customer. The
order in which a channel lists people never matters: everything is sorted first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sidecar.model import Activity, Identifier, Own, Participant, Role
from sidecar.resolve.identifiers import normalise, strongest_first
from sidecar.resolve.names import best_name

MAX_PEOPLE = 1000
_SENDS = frozenset({"actor", "from", "speaker"})
_WRITES = frozenset({"actor", "from"})
"""Who sends what is sent. In a conversation both sides speak, so that our people do makes it nothing of ours."""
_ACTS = frozenset({"from", "speaker", "subject", "organizer", "attendee"})
_PARTS = ("from", "speaker", "organizer", "subject", "attendee", "to", "cc", "reply_to")
_SYSTEM_TIERS = (("subject",), ("speaker",), ("from",), ("attendee", "organizer"), ("to",), ("cc",), ("reply_to",))
_SENT_TIERS = (("to", "subject", "attendee", "speaker"), ("cc", "organizer"))
SAYS_NOTHING = frozenset({"status", "deletion"})
"""Kinds of activity in which nobody says anything: receipts, and words taken back."""
_BEGUN_BY_SYSTEM = frozenset(
    {
        "call",
        "transcript",
        "meeting",
        "booking_created",
        "booking_moved",
        "booking_cancelled",
        "booking_attended",
        "booking_no_show",
    }
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in an activity: the parts that they play, the names and addresses given, the latter normalised too."""

    parts: frozenset[str]
    names: tuple[str, ...]
    given: tuple[Identifier, ...]
    identifiers: tuple[Identifier, ...]
    own: bool

    @property
    def name(self) -> str:
        """The best of the names given, which may be empty."""
        return best_name(self.names)


@dataclass(frozen=True, slots=True)
class Side:
    """The customer's side of an activity: people in tiers, of which the first that we know decides."""

    tiers: tuple[tuple[Person, ...], ...]
    sent: bool
    may_begin: bool

    @property
    def people(self) -> tuple[Person, ...]:
        """Everybody of the side, nearest first."""
        return tuple(person for tier in self.tiers for person in tier)


def people_of(activity: Activity, own: Own) -> tuple[Person, ...]:
    """Return the people of an activity, each once, in an order that doesn't depend on the channel's."""
    listed = sorted(activity.participants, key=_nearest)[:MAX_PEOPLE]
    groups: dict[object, list[Participant]] = {}
    for participant in listed:
        spelt = frozenset(_normalised(participant.identifiers, own))
        groups.setdefault(spelt or (participant.name, participant.identifiers), []).append(participant)
    return tuple(_with_actor(list(groups.values()), activity, own))


def side_of(activity: Activity, people: Sequence[Person]) -> Side:
    """Return the customer's side of an activity."""
    outside = [person for person in people if not person.own]
    sent_by_us = any(person.own and person.parts & _WRITES for person in people)
    if activity.actor.role is Role.SYSTEM and not _is_our_meeting(activity, people):
        begins = activity.kind in _BEGUN_BY_SYSTEM and not _only_tells_more(activity, outside)
        return Side((_first_known(outside, _SYSTEM_TIERS),), False, begins)
    if activity.actor.role is Role.CUSTOMER and not sent_by_us:
        return Side((_senders(outside),), False, activity.kind not in SAYS_NOTHING)
    tiers = tuple(_playing(outside, parts) for parts in _SENT_TIERS)
    answers = _playing(outside, ("reply_to",))
    if answers and not any(tiers) and not activity.actor.authenticated:
        # A form on our site writes in our name, and the person to answer is the one who filled it in.
        return Side((answers,), False, activity.kind not in SAYS_NOTHING)
    return Side(tiers, True, False)


def _normalised(identifiers: Iterable[Identifier], own: Own) -> list[Identifier]:
    return [found for found in (normalise(identifier, own) for identifier in identifiers) if found]


def _nearest(participant: Participant) -> tuple[int, str, str, list[str]]:
    part = _PARTS.index(participant.part) if participant.part in _PARTS else len(_PARTS)
    return (part, participant.part, participant.name, [str(i) for i in participant.identifiers])


def _with_actor(groups: list[list[Participant]], activity: Activity, own: Own) -> list[Person]:
    """Make each group a person; the actor is the one whose address it shares, else a person of its own."""
    actor = activity.actor
    is_ours = actor.role in (Role.AGENT, Role.BOT)
    spelt = set(_normalised(actor.identifiers, own))
    same = [
        group
        for group in groups
        if any(p.part in _ACTS and spelt & set(_normalised(p.identifiers, own)) for p in group)
    ]
    people = [_person(group, own) for group in groups if group not in same]
    stands_for_actor = any(p.parts & _SENDS and (is_ours or not p.own) for p in people)
    if actor.role is Role.SYSTEM or (not actor.identifiers and stands_for_actor):
        return people + [_person(group, own) for group in same]
    itself = Participant("actor", actor.name, actor.identifiers, own=is_ours)
    return [*people, _person([itself, *(p for group in same for p in group)], own)]


def _person(group: Sequence[Participant], own: Own) -> Person:
    given = sorted({i for p in group for i in p.identifiers}, key=strongest_first)
    ours = {i for i in given if any(own.owns(spelling) for spelling in (i, *_normalised((i,), own)))}
    return Person(
        parts=frozenset(p.part for p in group),
        names=tuple(sorted({p.name for p in group if p.name})),
        given=tuple(given),
        # Who gives an address of ours beside one of their own is a customer still, and ours is never linked to them.
        identifiers=tuple(sorted(set(_normalised((i for i in given if i not in ours), own)), key=strongest_first)),
        own=any(p.own for p in group) or (bool(given) and len(ours) == len(given)),
    )


def _only_tells_more(activity: Activity, outside: Sequence[Person]) -> bool:
    """What a system says of something that it told before, naming nobody: whose it is, is asked of that alone."""
    is_named = any(person.identifiers for person in outside)
    return bool(activity.relates_to) and not is_named and all(said.role is Role.SYSTEM for said in activity.said)


def _is_our_meeting(activity: Activity, people: Sequence[Person]) -> bool:
    """An invitation that we sent is outbound, even though a calendar tells us of it."""
    return activity.kind == "meeting" and any(p.own and "organizer" in p.parts for p in people)


def _senders(outside: Sequence[Person]) -> tuple[Person, ...]:
    actors = _playing(outside, ("actor",))
    if any(person.identifiers for person in actors):
        return actors
    return _playing(outside, ("from", "speaker")) or _first_known(outside, _SYSTEM_TIERS) or actors


def _first_known(outside: Sequence[Person], tiers: Sequence[Sequence[str]]) -> tuple[Person, ...]:
    """Return the nearest people who bear an address at all, else everybody outside."""
    for parts in tiers:
        found = tuple(person for person in _playing(outside, parts) if person.identifiers)
        if found:
            return found
    return tuple(outside)


def _playing(outside: Sequence[Person], parts: Iterable[str]) -> tuple[Person, ...]:
    wanted = frozenset(parts)
    return tuple(person for person in outside if person.parts & wanted)
