"""Activities as channels make them, in a line each, and a notebook that remembers what their matches linked.

The notebook stands where the journal stands in production. It folds Matches with the product's own `advance`, and like
the journal it refuses a link to an identifier that another party bears.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from sidecar.model import (
    Activity,
    Actor,
    Identifier,
    Match,
    Mint,
    Outcome,
    Own,
    Participant,
    Policy,
    Relevance,
    Role,
    Said,
    StagePolicy,
    Standing,
    advance,
)
from sidecar.resolve import identifiers_of, resolve

MINT = Mint(b"k" * 32)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OWN = Own(domains=frozenset({"ours.test"}), addresses=frozenset({"+442079460000"}), default_region="GB")
POLICY = Policy(fields={}, stages={"enquired": StagePolicy("enquired")})
BY_COMPANY = replace(POLICY, party_by="company")
FREE = Relevance(free_mail=frozenset({"free.test"}))


def ids(*spelt: str) -> tuple[Identifier, ...]:
    """Return identifiers from `email:ann@x.test`, `phone:+44...`, `web:visitor-1`."""
    return tuple(Identifier(kind, value) for kind, _, value in (text.partition(":") for text in spelt))


def took_part(part: str, *spelt: str, name: str = "", own: bool = False) -> Participant:
    """Return a participant."""
    return Participant(part, name, ids(*spelt), own)


def activity(
    *participants: Participant,
    role: Role = Role.CUSTOMER,
    kind: str = "message",
    text: str = "Hello.",
    thread: str = "t1",
    actor: Iterable[str] = (),
    **fields: object,
) -> Activity:
    """Return an activity whose text was said by its actor."""
    sender = Actor(role, "test", role is not Role.CUSTOMER, "", ids(*actor))
    made = Activity(
        channel="web",
        account="a",
        external_id="x1",
        kind=kind,
        at=NOON,
        actor=sender,
        participants=participants,
        thread=thread,
        text=text,
        said=(Said(0, len(text), role),),
    )
    return MINT(replace(made, **fields))  # type: ignore[arg-type]


def mail(sender: str, *to: str, name: str = "", cc: Iterable[str] = (), **fields: object) -> Activity:
    """Return a mail; from one of ours when the sender's domain is, authenticated like a copy from the sent folder."""
    is_ours = sender.endswith("@ours.test")
    people = (
        took_part("from", f"email:{sender}", name=name, own=is_ours),
        *(took_part("to", f"email:{address}") for address in to or ("desk@ours.test",)),
        *(took_part("cc", f"email:{address}") for address in cc),
    )
    return activity(*people, role=Role.AGENT if is_ours else Role.CUSTOMER, kind="mail", **fields)  # type: ignore[arg-type]


class Notebook:
    """What is known so far: who bears which identifier, which parties a thread has, and each party's standing."""

    def __init__(self, policy: Policy = POLICY, relevance: Relevance = FREE, own: Own = OWN) -> None:
        self.policy = policy
        self.relevance = relevance
        self.own = own
        self.known: dict[Identifier, str] = {}
        self.threads: dict[str, set[str]] = {}
        self.standings: dict[str, Standing] = {}

    def resolve(self, item: Activity, related: tuple[str, ...] = ()) -> tuple[Match, ...]:
        """Resolve an activity against what is known, and remember nothing."""
        looked_up = {i: self.known[i] for i in identifiers_of(item, self.own) if i in self.known}
        threads = frozenset(self.threads.get(item.thread, ()))
        return resolve(
            item,
            looked_up,
            threads,
            self.own,
            self.relevance,
            self.policy,
            {party: self.standings[party] for party in {*looked_up.values(), *threads}},
            MINT,
            related=related,
        )

    def take(self, item: Activity, related: tuple[str, ...] = ()) -> tuple[Match, ...]:
        """Resolve an activity and remember its matches."""
        matches = self.resolve(item, related)
        for match in matches:
            self.remember(match, item)
        return matches

    def remember(self, match: Match, item: Activity) -> None:
        """Take one match in, as the journal would."""
        if match.outcome is not Outcome.PARTY:
            return
        assert match.party is not None
        for link in match.links:
            assert self.known.setdefault(link, match.party) == match.party, f"{link} is another party's"
        self.threads.setdefault(item.thread, set()).add(match.party)
        held = self.standings.get(match.party, Standing(match.party))
        self.standings[match.party] = advance(held, match, item)

    def one(self, item: Activity) -> Match:
        """Take an activity that yields one match."""
        (match,) = self.take(item)
        return match
