"""Resolve: whose activity it is, and whether it is a customer's at all. Pure; it reads no book and asks no clock.

One activity becomes Matches: it belongs to this party by this rule; or it is a question with its candidates; or it is
no customer's. Only exact, normalised identifiers join anything. Two answers are never weighed against each other in
silence: the activity waits for a person, which costs a question and saves a record from holding two people's words.
A message to a group belongs to each customer that it was sent to, and so does what becomes of it; a message from one
belongs to its sender.

The caller looks up `identifiers_of` an activity, passes what it found as `known` (merges followed) with the standings
of those parties, and commits the Matches. Where two runs begin parties on one identifier, the journal refuses one.
Deals are chosen in `resolve.deals`, by the same manners.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sidecar.model import (
    Activity,
    Candidate,
    Identifier,
    Match,
    Mint,
    Outcome,
    Own,
    Policy,
    Release,
    Relevance,
    Standing,
)
from sidecar.resolve.deals import DealChoice, DealProperties, choose_deal, is_open
from sidecar.resolve.identifiers import domain_of, look_alike, normalise, strongest_first
from sidecar.resolve.names import best_name
from sidecar.resolve.people import SAYS_NOTHING, Person, Side, people_of, side_of
from sidecar.resolve.placing import NEW, TWO_PARTIES, Placement, Scene, identifiers_in, place, ranked
from sidecar.resolve.proposals import proposals
from sidecar.resolve.relevance import gate, is_barred

__all__ = [
    "NEW",
    "DealChoice",
    "DealProperties",
    "assigned",
    "choose_deal",
    "identifiers_of",
    "is_open",
    "normalise",
    "resolve",
]

MAX_IDENTIFIERS = 2000
_FOLLOWS = SAYS_NOTHING | {"edit"}
"""Kinds of activity that go where the activity that they relate to went."""


def resolve(
    activity: Activity,
    known: Mapping[Identifier, str],
    thread_parties: frozenset[str],
    own: Own,
    relevance: Relevance,
    policy: Policy,
    standings: Mapping[str, Standing],
    mint: Mint,
    *,
    related: Sequence[str] = (),
) -> tuple[Match, ...]:
    """Return the activity's Matches, at least one: several only when it was meant for several parties.

    `known` says which party bears an identifier; `thread_parties` have activities in this thread; `standings` holds
    every party of `known`; `related` are those of the activity to which this one relates.
    """
    scene = Scene(activity, known, thread_parties, own, relevance, policy, standings, mint)
    people = people_of(activity, own)
    if is_barred(activity, people, relevance):
        return (_match(scene, Outcome.DO_NOT_PROCESS, "do_not_process"),)
    side = side_of(activity, people)
    if related and (activity.kind in _FOLLOWS or not any(p.identifiers for p in people if not p.own)):
        borne = _borne(side.people, scene)
        return tuple(_match(scene, Outcome.PARTY, "related", party=party, identifiers=borne) for party in related)
    is_known = bool(thread_parties) or any(i in known for i in _borne(side.people, scene))
    ruled = gate(activity, people, side, relevance, is_known=is_known)
    if ruled.outcome:
        return (_match(scene, ruled.outcome, ruled.rule, identifiers=_borne(side.people, scene)),)
    return _sent(ruled.side, scene) if ruled.side.sent else _received(ruled.side, scene)


def identifiers_of(activity: Activity, own: Own) -> tuple[Identifier, ...]:
    """Return what to look up before `resolve`: addresses, their look-alikes and domains. It is no list of links."""
    found: set[Identifier] = set()
    for person in people_of(activity, own):
        if not person.own:
            for identifier in person.identifiers:
                also = (look_alike(identifier), domain_of(identifier, frozenset()))
                found |= {identifier, *(i for i in also if i)}
    return tuple(sorted(found, key=strongest_first)[:MAX_IDENTIFIERS])


def assigned(
    activity: Activity,
    party: str,
    release: Release,
    identifiers: Collection[Identifier],
    mint: Mint,
    *,
    known: Mapping[Identifier, str],
    name: str = "",
    route: str = "",
    new_party: bool = False,
) -> Match:
    """Return the Match by which a person gives an activity to a party, with the identifiers of the question's Match.

    Identifiers that another party bears stay that party's: moving an activity moves no address.
    """
    spelt = tuple(sorted(set(identifiers), key=strongest_first))
    return mint(
        Match(
            because=(activity.id, release.id),
            party=party,
            activity=activity.id,
            outcome=Outcome.PARTY,
            rule="person",
            new_party=new_party,
            name=name,
            identifiers=spelt,
            links=tuple(identifier for identifier in spelt if identifier not in known),
            route=route,
            after=release.id,
        )
    )


def _received(side: Side, scene: Scene) -> tuple[Match, ...]:
    """Match what somebody else did: by its sender, or by whom a system's event is about."""
    placements = [place(person, scene) for person in side.people if identifiers_in(person, scene)]
    settled = [p for p in placements if p.party and not p.begins]
    if not side.may_begin:
        if settled:
            return _matches(settled, scene)
        if any(p.rule == TWO_PARTIES for p in placements):
            return (_question(placements, scene),)  # nobody said anything, but two are told to be one
        return (_match(scene, Outcome.OUTBOUND_ONLY, "nothing_said", identifiers=_borne(side.people, scene)),)
    if not placements:
        threads = [Candidate(party, 0.3, ("same thread",)) for party in scene.thread_parties]
        name = best_name(name for person in side.people for name in person.names)
        proposed = proposals(scene.activity, scene.own, ())
        return (
            _match(scene, Outcome.UNKNOWN, "no_identifier", name=name, proposals=proposed, candidates=ranked(threads)),
        )
    if any(p.candidates for p in placements):
        return (_question(placements, scene),)
    if settled:
        return _matches(settled, scene)
    if len({p.party for p in placements}) > 1:
        return (_question(placements, scene),)
    return _matches(placements, scene)


def _sent(side: Side, scene: Scene) -> tuple[Match, ...]:
    """Match what we sent: each customer among the recipients, else the one party of the thread, else nobody."""
    for tier in side.tiers:
        placements = [place(person, scene) for person in tier if identifiers_in(person, scene)]
        if any(p.candidates for p in placements):
            return (_question([p for p in placements if not p.begins], scene),)
        settled = [p for p in placements if not p.begins]
        if settled:
            return _matches(settled, scene)
    strangers = _borne(side.people, scene)
    if len(scene.thread_parties) == 1:
        party = next(iter(scene.thread_parties))
        # Our people may bring anybody into a thread, so an address that is new in it is proposed and not linked.
        return (_match(scene, Outcome.PARTY, "thread", party=party, identifiers=strangers, proposals=strangers),)
    return (_match(scene, Outcome.OUTBOUND_ONLY, "outbound_only", identifiers=strangers),)


def _matches(placements: Sequence[Placement], scene: Scene) -> tuple[Match, ...]:
    """Return one Match a party; an address that people of two parties give is linked to neither."""
    by_party: dict[str, list[Placement]] = {}
    for placement in placements:
        by_party.setdefault(placement.party or "", []).append(placement)
    givers: dict[Identifier, set[str]] = {}
    for party, placed in by_party.items():
        for identifier in (i for p in placed for i in p.links):
            givers.setdefault(identifier, set()).add(party)
    contested = {identifier for identifier, parties in givers.items() if len(parties) > 1}
    return tuple(_settled(party, placed, contested, scene) for party, placed in sorted(by_party.items()))


def _settled(party: str, placed: Sequence[Placement], contested: Collection[Identifier], scene: Scene) -> Match:
    borne = _sorted(i for p in placed for i in p.identifiers)
    links = _sorted(i for p in placed for i in p.links if i not in contested)
    begins = all(p.begins for p in placed)
    name = best_name(name for p in placed for name in p.person.names)
    if scene.by_company and borne[0].kind == "domain":
        name = borne[0].value
    return _match(
        scene,
        Outcome.PARTY,
        placed[0].rule,
        party=party,
        new_party=begins,
        name=name,
        identifiers=borne,
        links=links,
        proposals=_sorted((*(i for p in placed for i in p.proposals), *_proposed(placed, scene, borne))),
    )


def _question(placements: Sequence[Placement], scene: Scene) -> Match:
    """Return one question for the whole activity, with every answer that is possible."""
    offered = sorted((c for p in placements for c in p.candidates), key=lambda c: (c.score, c.signals))
    found = {candidate.ref: candidate for candidate in offered}  # of several for one answer, the best stays
    for p in placements:
        if p.party and p.begins:
            ref = NEW if len(placements) == 1 else f"{NEW}:{p.identifiers[0]}"
            found.setdefault(ref, Candidate(ref, 0.5, tuple(str(i) for i in p.identifiers)))
        elif p.party:
            found.setdefault(p.party, Candidate(p.party, 0.5, tuple(str(i) for i in p.identifiers)))
    borne = _sorted(i for p in placements for i in p.identifiers)
    asks = sorted(p.rule for p in placements if p.candidates)
    return _match(
        scene,
        Outcome.AMBIGUOUS,
        asks[0] if asks else "several_strangers",
        name=best_name(name for p in placements for name in p.person.names),
        identifiers=borne,
        proposals=_proposed(placements, scene, borne),
        candidates=ranked(list(found.values())),
    )


def _proposed(placements: Sequence[Placement], scene: Scene, borne: Collection[Identifier]) -> tuple[Identifier, ...]:
    standings = (scene.standings.get(p.party) for p in placements if p.party)
    held = {identifier for standing in standings if standing for identifier in standing.identifiers}
    return proposals(scene.activity, scene.own, {*borne, *held})


def _borne(people: Iterable[Person], scene: Scene) -> tuple[Identifier, ...]:
    return _sorted(identifier for person in people for identifier in identifiers_in(person, scene))


def _sorted(identifiers: Iterable[Identifier]) -> tuple[Identifier, ...]:
    return tuple(sorted(set(identifiers), key=strongest_first))


def _match(
    scene: Scene,
    outcome: Outcome,
    rule: str,
    *,
    party: str | None = None,
    new_party: bool = False,
    name: str = "",
    identifiers: tuple[Identifier, ...] = (),
    links: tuple[Identifier, ...] = (),
    proposals: tuple[Identifier, ...] = (),
    candidates: tuple[Candidate, ...] = (),
) -> Match:
    return scene.mint(
        Match(
            because=(scene.activity.id,),
            party=party,
            activity=scene.activity.id,
            outcome=outcome,
            rule=rule,
            new_party=new_party,
            name=name,
            identifiers=identifiers,
            links=links,
            proposals=proposals,
            candidates=candidates,
            route=_route(scene),
        )
    )


def _route(scene: Scene) -> str:
    """Return the name of the route that takes an activity, by its channel and the addresses that it names."""
    people = [scene.activity.actor.identifiers, *(p.identifiers for p in scene.activity.participants)]
    given = (normalise(identifier, scene.own) for identifiers in people for identifier in identifiers)
    return scene.policy.route(scene.activity.channel, frozenset(i.value for i in given if i)).name
