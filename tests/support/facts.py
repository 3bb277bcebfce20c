"""Facts for tests of the book, minted by the journal under test: the shortest true chain from bytes to an inference."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sidecar.journal import Entry, Journal
from sidecar.model import (
    Activity,
    Actor,
    Delivery,
    Identifier,
    Inference,
    Match,
    Outcome,
    Posting,
    Reading,
    Release,
    Role,
    Value,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class SetClock:
    """A clock that stands still until it is moved."""

    at: datetime = field(default=NOON)

    def __call__(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        """Move the clock, backwards too."""
        self.at += timedelta(seconds=seconds)


def email(name: str) -> Identifier:
    """An e-mail address at a domain that can't exist."""
    return Identifier("email", f"{name}@x.test")


def a_delivery(journal: Journal, key: str, raw: bytes = b"raw", channel: str = "mail") -> Delivery:
    """A delivery of some bytes."""
    digest = sha256(raw).hexdigest()
    return journal.mint(Delivery(channel=channel, account="a", key=key, sha256=digest, received_at=NOON, raw=raw))


def an_activity(
    journal: Journal, delivery: Delivery, text: str = "Hello", *, minutes: int = 0, relates_to: str | None = None
) -> Activity:
    """A customer's message, named after its delivery."""
    return journal.mint(
        Activity(
            because=(delivery.id,),
            channel=delivery.channel,
            account=delivery.account,
            external_id=delivery.key,
            kind="message" if relates_to is None else "edit",
            at=NOON + timedelta(minutes=minutes),
            actor=Actor(Role.CUSTOMER, "test"),
            thread="thread",
            text=text,
            relates_to=relates_to,
        )
    )


def a_match(
    journal: Journal,
    activity: Activity,
    party: str | None,
    *,
    outcome: Outcome | None = None,
    identifiers: Sequence[Identifier] = (),
    links: Sequence[Identifier] = (),
    name: str = "",
    after: str = "",
) -> Match:
    """A match of an activity with a party, or with the outcome that says why not."""
    return journal.mint(
        Match(
            because=(activity.id, after) if after else (activity.id,),
            party=party,
            activity=activity.id,
            outcome=outcome or Outcome.PARTY,
            rule="test",
            name=name,
            identifiers=tuple(identifiers) or tuple(links),
            links=tuple(links),
            after=after,
        )
    )


def an_inference(journal: Journal, party: str, matches: Sequence[Match], cost_usd: float = 0.25) -> Inference:
    """A model's reading of some matched activities."""
    because = tuple(match.id for match in matches)
    return journal.mint(
        Inference(
            because=because,
            party=party,
            request_sha256=sha256("".join(because).encode()).hexdigest(),
            engagement=1,
            engine="test",
            model="test",
            prompt="relationship",
            prompt_sha256="0",
            request={"system_sha256": "0"},
            answer="{}",
            stop="end",
            newest_at=NOON,
            cost_usd=cost_usd,
        )
    )


def a_reading(journal: Journal, party: str, because: str, ref: str, *, linked_by: str = "email") -> Reading:
    """What the CRM holds under a ref."""
    return journal.mint(
        Reading(
            because=(because,),
            party=party,
            ledger="local",
            kind="contact",
            key=f"contact-{party}",
            ref=ref,
            values_sha256="0",
            linked_by=linked_by,
            follows=because,
            at=NOON,
        )
    )


def a_posting(journal: Journal, party: str, because: str, ref: str, value: Value = "x") -> Posting:
    """A confirmed write to a record."""
    return journal.mint(
        Posting(
            because=(because,),
            party=party,
            change=because,
            ledger="local",
            kind="contact",
            key=f"contact-{party}",
            ref=ref,
            engagement=1,
            field="ai_intent",
            wrote=value,
            value=value,
            at=NOON,
        )
    )


def a_release(
    journal: Journal, action: str, party: str, because: str, *, other: str | None = None, activities: Sequence[str] = ()
) -> Release:
    """A person's word."""
    return journal.mint(
        Release(
            because=(because,),
            party=party,
            nonce=f"{action}-{party}-{other}",
            action=action,
            by="rep",
            other=other,
            activities=tuple(activities),
            at=NOON,
        )
    )


@dataclass(frozen=True)
class Said:
    """What `say` put into the book."""

    delivery: Delivery
    activity: Activity
    match: Match


def say(journal: Journal, key: str, party: str, text: str = "Hello", *, minutes: int = 0, who: str = "") -> Said:
    """Put a message of a party into the book: its delivery, its activity and its match, in three entries."""
    delivery = a_delivery(journal, key, text.encode())
    activity = an_activity(journal, delivery, text, minutes=minutes)
    match = a_match(journal, activity, party, links=[email(who)] if who else [])
    for fact in (delivery, activity, match):
        journal.commit(Entry(facts=(fact,)))
    return Said(delivery, activity, match)
