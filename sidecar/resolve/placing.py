"""Whose one person is: exact identifiers only, and a question wherever two answers are possible.

One party bears an address, or none. So a person whose addresses name one party is that party's, one whose addresses
name none begins a party, and one whose addresses name two is a question with both as candidates: nothing is ever
decided by a score. Scores only order what a person is shown. A telephone is weaker than the rest, because families
and offices share them: it settles a person on its own word only while nothing about that person speaks against it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.model import Activity, Candidate, Identifier, Mint, Own, Policy, Relevance, Standing
from sidecar.resolve.identifiers import domain_of, is_odd, look_alike, strongest_first
from sidecar.resolve.names import Agreement, compare
from sidecar.resolve.people import Person

NEW = "new"
"""The candidate that stands for "somebody whom we don't know yet"."""

_WEIGHT = {"email": 50, "domain": 30, "phone": 30}
_OTHER_WEIGHT = 40
_NAME_WEIGHT = {Agreement.SAME: 20, Agreement.COMPATIBLE: 10, Agreement.DIFFERENT: -10, Agreement.UNCLEAR: 0}
_NEW_WEIGHT = {Agreement.SAME: 10, Agreement.COMPATIBLE: 20, Agreement.DIFFERENT: 60, Agreement.UNCLEAR: 30}
_LOOKS_WEIGHT = 20
_CALLS = frozenset({"call", "transcript"})


TWO_PARTIES = "two_parties"
"""The rule of somebody whose identifiers are known as two parties'."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a match may rest on: the activity, and what is known when it is resolved."""

    activity: Activity
    known: Mapping[Identifier, str]
    thread_parties: frozenset[str]
    own: Own
    relevance: Relevance
    policy: Policy
    standings: Mapping[str, Standing]
    mint: Mint

    @property
    def by_company(self) -> bool:
        """Say whether a party is a company with its people."""
        return self.policy.party_by == "company"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a person belongs: a party that exists, one that would begin, or a question with its candidates."""

    person: Person
    identifiers: tuple[Identifier, ...]
    rule: str
    party: str | None = None
    begins: bool = False
    links: tuple[Identifier, ...] = ()
    proposals: tuple[Identifier, ...] = ()
    candidates: tuple[Candidate, ...] = ()


def place(person: Person, scene: Scene) -> Placement:
    """Place a person who bears at least one identifier."""
    identifiers = identifiers_in(person, scene)
    owners = sorted({scene.known[i] for i in identifiers if i in scene.known})
    if len(owners) > 1:
        candidates = [_candidate(party, person, identifiers, scene) for party in owners]
        return Placement(person, identifiers, TWO_PARTIES, candidates=ranked(candidates))
    if owners:
        return _at_owner(owners[0], person, identifiers, scene)
    twins = (look_alike(identifier) for identifier in identifiers)
    resembled = sorted({scene.known[twin] for twin in twins if twin and twin in scene.known})
    if resembled:
        candidates = [_resembling(party, person, identifiers, scene) for party in resembled]
        stranger = Candidate(NEW, 0.5, ("an address that is not theirs, letter by letter",))
        return Placement(person, identifiers, "look_alike", candidates=ranked([*candidates, stranger]))
    party = scene.mint.id("party", identifiers[0])
    return Placement(person, identifiers, "new", party, begins=True, links=identifiers)


def identifiers_in(person: Person, scene: Scene) -> tuple[Identifier, ...]:
    """Return a person's identifiers, strongest first; where parties are companies, their companies' domains too."""
    if not scene.by_company:
        return person.identifiers
    domains = {domain_of(identifier, scene.relevance.free_mail) for identifier in person.identifiers} - {None}
    found = {*person.identifiers, *(domain for domain in domains if domain)}
    return tuple(sorted(found, key=strongest_first))


def ranked(candidates: list[Candidate]) -> tuple[Candidate, ...]:
    """Order candidates for a reader, best first; equal ones by their ref, which decides nothing."""
    return tuple(sorted(candidates, key=lambda c: (-c.score, c.ref)))


def _at_owner(party: str, person: Person, identifiers: tuple[Identifier, ...], scene: Scene) -> Placement:
    """Place a person whose addresses name one party, unless only a shared telephone does."""
    if _may_be_shared(party, person, identifiers, scene):
        agreement = _agreement(party, person, scene)
        stranger = Candidate(NEW, _NEW_WEIGHT[agreement] / 100, (f"name: {agreement.value}",))
        owner = _candidate(party, person, identifiers, scene)
        return Placement(person, identifiers, "shared_phone", candidates=ranked([owner, stranger]))
    news = [identifier for identifier in identifiers if identifier not in scene.known]
    links = tuple(identifier for identifier in news if not is_odd(identifier))
    odd = tuple(identifier for identifier in news if is_odd(identifier))
    return Placement(person, identifiers, "exact", party, links=links, proposals=odd)


def _may_be_shared(party: str, person: Person, identifiers: tuple[Identifier, ...], scene: Scene) -> bool:
    """Say whether only a telephone speaks for the party, and an address or a caller's name against it."""
    if any(identifier in scene.known and identifier.kind != "phone" for identifier in identifiers):
        return False
    agreement = _agreement(party, person, scene)
    if any(identifier.kind == "email" for identifier in identifiers):
        standing = scene.standings.get(party)
        has_mail = standing is not None and any(i.kind in ("email", "domain") for i in standing.identifiers)
        return has_mail and agreement is not Agreement.SAME
    only_phones = all(identifier.kind == "phone" for identifier in identifiers)
    is_call = only_phones and scene.activity.kind in _CALLS and not scene.by_company
    return is_call and agreement is Agreement.DIFFERENT


def _agreement(party: str, person: Person, scene: Scene) -> Agreement:
    standing = scene.standings.get(party)
    return compare(person.name, standing.name if standing else "")


def _candidate(party: str, person: Person, identifiers: tuple[Identifier, ...], scene: Scene) -> Candidate:
    shared = [identifier for identifier in identifiers if scene.known.get(identifier) == party]
    agreement = _agreement(party, person, scene)
    points = sum(_WEIGHT.get(i.kind, _OTHER_WEIGHT) for i in shared) + _NAME_WEIGHT[agreement]
    signals = (*(str(identifier) for identifier in shared), f"name: {agreement.value}")
    return Candidate(party, max(0, min(100, points)) / 100, signals)


def _resembling(party: str, person: Person, identifiers: tuple[Identifier, ...], scene: Scene) -> Candidate:
    twins = [twin for twin in map(look_alike, identifiers) if twin and scene.known.get(twin) == party]
    agreement = _agreement(party, person, scene)
    points = _LOOKS_WEIGHT + _NAME_WEIGHT[agreement]
    return Candidate(party, points / 100, (*(f"looks like {twin}" for twin in twins), f"name: {agreement.value}"))
