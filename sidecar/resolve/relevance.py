"""Whether an activity is a customer's at all: rules and lists that can be read, before any model call.

The order is the policy: who must not be processed, then our own house, then machines, then the lists. A list of
addresses is the admin's word and always holds. Words in a subject are a guess, so they turn strangers away and never
somebody who already is a party: that would lose a customer's mail over the word "invoice".
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sidecar.model import Activity, Identifier, Outcome, Relevance, Role
from sidecar.resolve.people import Person, Side


@dataclass(frozen=True, slots=True)
class Gate:
    """The outcome with its rule when the activity goes no further, else the side that is left to be matched."""

    side: Side
    outcome: Outcome | None = None
    rule: str = ""


def is_barred(activity: Activity, people: Sequence[Person], relevance: Relevance) -> bool:
    """Say whether anybody in the activity is on the list of those who must not be processed."""
    return _is_listed(_spellings(people, activity.actor.identifiers), relevance.do_not_process)


def gate(activity: Activity, people: Sequence[Person], side: Side, relevance: Relevance, *, is_known: bool) -> Gate:
    """Rule on an activity; `is_known` says whether its side or its thread already belongs to a party."""
    if _is_internal(activity, people):
        return Gate(side, Outcome.INTERNAL, "internal")
    is_customer = _is_listed(_spellings(side.people), relevance.customer)
    if activity.automated and not is_customer:
        return Gate(side, Outcome.AUTOMATED, "automated")
    if is_customer:
        return Gate(side)
    turned_away = relevance.not_customer
    left = tuple(tuple(p for p in tier if not _is_listed(_spellings((p,)), turned_away)) for tier in side.tiers)
    if side.people and not any(left):
        return Gate(side, Outcome.NOT_CUSTOMER, "not_customer:list")
    if activity.kind == "mail" and not is_known and _has_words(activity.subject, relevance.not_customer_subjects):
        return Gate(side, Outcome.NOT_CUSTOMER, "not_customer:subject")
    return Gate(replace(side, tiers=left))


def _is_internal(activity: Activity, people: Sequence[Person]) -> bool:
    """Say whether only our own people are named; a message of ours that names no recipient may be anybody's."""
    if not people or not all(person.own for person in people) or any(s.role is Role.CUSTOMER for s in activity.said):
        return False
    names_somebody = any(person.parts - {"actor", "from"} for person in people)
    return names_somebody or activity.actor.role not in (Role.AGENT, Role.BOT)


def _spellings(people: Iterable[Person], also: Iterable[Identifier] = ()) -> Iterable[Identifier]:
    for person in people:
        yield from person.given
        yield from person.identifiers
    yield from also


def _is_listed(identifiers: Iterable[Identifier], patterns: tuple[str, ...]) -> bool:
    return bool(patterns) and any(Relevance.listed(identifier, patterns) for identifier in identifiers)


def _has_words(subject: str, phrases: tuple[str, ...]) -> bool:
    said = subject.casefold()
    return any(re.search(rf"(?<!\w){re.escape(p.strip().casefold())}(?!\w)", said) for p in phrases if p.strip())
