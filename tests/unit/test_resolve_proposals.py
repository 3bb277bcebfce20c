"""Proposals: what customers write down about themselves is shown, and only that."""

from dataclasses import replace

from sidecar.model import Activity, Role, Said
from sidecar.resolve.proposals import MAX_PROPOSALS, proposals
from tests.support.activities import OWN, activity, ids, took_part


def said(text: str, *, words: str | None = None, role: Role = Role.CUSTOMER, kind: str = "mail") -> Activity:
    """Return an activity in whose text only `words` (by default all) were said."""
    start = text.index(words) if words else 0
    end = start + len(words) if words else len(text)
    item = activity(took_part("from", "email:ann@x.test"), kind=kind, text=text)
    return replace(item, said=(Said(start, end, role),))


def test_addresses_in_words_and_signature_are_proposed() -> None:
    """What stands in the message and right below it is offered, in its one spelling."""
    text = "My mobile is 07700 900123.\n\n-- \nAnn Lee\nAnn.Lee@Work.test\n+44 20 7946 0018\n"
    found = proposals(said(text, words="My mobile is 07700 900123."), OWN, ())
    assert found == ids("email:ann.lee@work.test", "phone:+442079460018", "phone:+447700900123")


def test_a_quoted_reply_proposes_nothing() -> None:
    """Addresses in what is quoted are the other side's; seen to fail with the whole text read."""
    text = "Yes please.\n\nAnn\n\nOn Monday Bob wrote:\n> Call me: 07700 900456\n> bob@y.test\n"
    assert proposals(said(text, words="Yes please."), OWN, ()) == ()


def test_what_our_side_says_proposes_nothing() -> None:
    """Our agents name other people's addresses all day."""
    assert proposals(said("Ask bob@y.test.", role=Role.AGENT), OWN, ()) == ()


def test_what_is_ours_or_known_is_not_proposed_again() -> None:
    """Nobody is shown what is already so."""
    item = said("ann@x.test to desk@ours.test, 020 7946 0000, and cy@z.test")
    assert proposals(item, OWN, ids("email:ann@x.test")) == ids("email:cy@z.test")


def test_figures_are_no_telephones() -> None:
    """Dates, amounts and order numbers are not offered as numbers to call."""
    text = "Order 20261123001 of 2026-11-23, 01.02.2026, 1,250.00 EUR, ref 4471188231, 10:30"
    assert proposals(said(text, kind="message"), OWN, ()) == ()


def test_a_flood_of_addresses_is_bounded() -> None:
    """A list of a thousand addresses proposes ten."""
    text = " ".join(f"p{n}@y.test" for n in range(1000))
    assert len(proposals(said(text, kind="message"), OWN, ())) == MAX_PROPOSALS
