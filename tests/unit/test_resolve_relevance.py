"""Relevance: which activities are no customer's, by rules and lists in a fixed order, before any model is asked."""

from dataclasses import replace

import pytest

from sidecar.model import Activity, Outcome, Role, Said
from tests.support.activities import FREE, Notebook, activity, mail, took_part


def ruled(item: Activity, **lists: tuple[str, ...]) -> tuple[Outcome, str]:
    """Return the outcome and rule for an activity under some lists."""
    match = Notebook(relevance=replace(FREE, **lists)).one(item)  # type: ignore[arg-type]
    return match.outcome, match.rule


INTERNAL = mail("rep@ours.test", "boss@ours.test")
BOUNCE = mail("daemon@x.test", automated="delivery report")


@pytest.mark.parametrize("pattern", ["ann@x.test", "*@x.test", "ANN@*", "email:ann@x.test"])
def test_a_listed_person_is_not_processed_wherever_they_appear(pattern: str) -> None:
    """Who must not be processed stops an activity as sender, recipient or copy, and is not kept in the match."""
    for item in (mail("Ann@X.test"), mail("rep@ours.test", "ann@x.test"), mail("bob@y.test", cc=("ann@x.test",))):
        book = Notebook(relevance=replace(FREE, do_not_process=(pattern,)))
        match = book.one(item)
        assert match.outcome is Outcome.DO_NOT_PROCESS
        assert (match.identifiers, match.links, match.name, match.proposals) == ((), (), "", ())


def test_not_to_be_processed_holds_for_a_number_however_written() -> None:
    """A number on the list stops its owner in whichever form a channel gives it."""
    item = activity(took_part("from", "phone:07700 900123"))
    assert ruled(item, do_not_process=("+447700900123",))[0] is Outcome.DO_NOT_PROCESS


def test_not_to_be_processed_holds_for_whoever_acted() -> None:
    """Somebody whom a system names only as its actor is stopped all the same."""
    item = activity(role=Role.SYSTEM, kind="call", actor=("phone:+447700900123",))
    assert ruled(item, do_not_process=("+447700900123",))[0] is Outcome.DO_NOT_PROCESS


def test_not_to_be_processed_comes_before_everything() -> None:
    """Neither the customer list nor an edit's original lets a barred person in."""
    book = Notebook(relevance=replace(FREE, do_not_process=("*@x.test",), customer=("*@x.test",)))
    (match,) = book.resolve(mail("ann@x.test", automated="list"), related=("party-1",))
    assert match.outcome is Outcome.DO_NOT_PROCESS


@pytest.mark.parametrize(
    "item",
    [
        INTERNAL,
        mail("rep@ours.test", "rep@ours.test"),
        mail("rep@ours.test", "x@mail.ours.test"),
        activity(
            took_part("from", "phone:020 7946 0000"),
            took_part("to", "email:a@ours.test"),
            role=Role.SYSTEM,
            kind="call",
        ),
        activity(
            took_part("organizer", own=True),
            took_part("attendee", "email:b@ours.test"),
            role=Role.SYSTEM,
            kind="meeting",
        ),
    ],
)
def test_what_our_people_do_among_themselves_is_internal(item: Activity) -> None:
    """Where everybody named is ours, no customer is concerned, whatever the lists say."""
    item = replace(item, said=())
    assert ruled(item, customer=("*",))[0] is Outcome.INTERNAL


def test_a_thread_with_a_customer_keeps_internal_words_internal() -> None:
    """What colleagues write to each other within a customer's thread is not the customer's."""
    book = Notebook()
    book.one(mail("ann@x.test", thread="t1"))
    assert book.one(replace(INTERNAL, thread="t1")).outcome is Outcome.INTERNAL


def test_a_transcript_in_which_a_customer_speaks_is_not_internal() -> None:
    """A header that names only our agent hides no customer: a person is asked who spoke."""
    item = activity(took_part("speaker", "email:rep@ours.test", own=True), role=Role.SYSTEM, kind="transcript")
    assert ruled(replace(item, said=(Said(0, 6, Role.CUSTOMER),)))[0] is Outcome.UNKNOWN
    assert ruled(item)[0] is Outcome.INTERNAL


def test_machine_mail_is_automated_even_from_a_known_customer() -> None:
    """A bounce or an out-of-office reply is nobody's word."""
    book = Notebook()
    book.one(mail("ann@x.test"))
    match = book.one(mail("ann@x.test", automated="auto-reply"))
    assert (match.outcome, match.rule, match.links) == (Outcome.AUTOMATED, "automated", ())


def test_the_customer_list_lets_machine_mail_in() -> None:
    """Orders come from machines too, where the admin says so."""
    assert ruled(BOUNCE)[0] is Outcome.AUTOMATED
    assert ruled(BOUNCE, customer=("daemon@*",))[0] is Outcome.PARTY


def test_the_customer_list_goes_before_the_other() -> None:
    """An exception to a list of suppliers is one line in the list of customers."""
    item = mail("ann@x.test")
    assert ruled(item, not_customer=("*@x.test",)) == (Outcome.NOT_CUSTOMER, "not_customer:list")
    assert ruled(item, not_customer=("*@x.test",), customer=("ann@x.test",))[0] is Outcome.PARTY


def test_only_the_side_that_decides_is_looked_up_in_the_list() -> None:
    """A supplier in copy doesn't make a customer's mail a supplier's, nor a customer in copy the other way round."""
    lists = {"not_customer": ("*@supplier.test",)}
    assert ruled(mail("ann@x.test", cc=("bob@supplier.test",)), **lists)[0] is Outcome.PARTY
    assert ruled(mail("bob@supplier.test", cc=("ann@x.test",)), **lists)[0] is Outcome.NOT_CUSTOMER
    assert ruled(mail("rep@ours.test", "bob@supplier.test"), **lists)[0] is Outcome.NOT_CUSTOMER


def test_a_listed_recipient_is_left_out_of_what_we_send() -> None:
    """A mail of ours to a supplier and a customer is the customer's alone."""
    book = Notebook(relevance=replace(FREE, not_customer=("*@supplier.test",)))
    ann = book.one(mail("ann@x.test")).party
    (match,) = book.take(mail("rep@ours.test", "ann@x.test", "bob@supplier.test"))
    assert match.party == ann


@pytest.mark.parametrize(
    ("subject", "turned_away"),
    [
        ("Application for the post of driver", True),
        ("Re: APPLICATION", True),
        ("Invoice 2026-11", True),
        ("Your invoices", False),
        ("Reapplication of paint", False),
        ("Blue one in stock?", False),
    ],
)
def test_a_strangers_subject_turns_away_by_whole_words(subject: str, turned_away: bool) -> None:
    """Applications and invoices of strangers are no customer's; words that merely contain the word are."""
    outcome, rule = ruled(mail("ann@x.test", subject=subject), not_customer_subjects=("application", "invoice"))
    assert (outcome is Outcome.NOT_CUSTOMER) is turned_away
    assert not turned_away or rule == "not_customer:subject"


def test_a_subject_never_loses_a_customer_of_ours() -> None:
    """Somebody who already is a party may write about an invoice; seen to fail with `is_known` left out."""
    book = Notebook(relevance=replace(FREE, not_customer_subjects=("invoice",)))
    ann = book.one(mail("ann@x.test", thread="t1")).party
    assert book.one(mail("ann@x.test", subject="Invoice?", thread="t2")).party == ann
    assert book.one(mail("her.boss@x.test", subject="Invoice?", thread="t1")).outcome is Outcome.PARTY
    assert book.one(mail("eve@y.test", subject="Invoice?", thread="t3")).outcome is Outcome.NOT_CUSTOMER


def test_subjects_are_of_mail_only() -> None:
    """A booking titled like an application is still a booking."""
    item = activity(
        took_part("attendee", "email:ann@x.test"), role=Role.SYSTEM, kind="booking_created", subject="Invoice"
    )
    assert ruled(item, not_customer_subjects=("invoice",))[0] is Outcome.PARTY


def test_empty_lists_turn_nobody_away() -> None:
    """Without lists a stranger's mail is a customer's; a blank line in a list matches nothing."""
    assert ruled(mail("ann@x.test", subject="Hello"))[0] is Outcome.PARTY
    assert ruled(mail("ann@x.test", subject="Hello"), not_customer_subjects=("", " "))[0] is Outcome.PARTY
