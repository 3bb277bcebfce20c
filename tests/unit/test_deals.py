"""Deals: one open deal is chosen by signals that are shown, or a person is asked; a tie is never broken."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model import (
    Engagement,
    Identifier,
    Link,
    Participant,
    Policy,
    Record,
    RecordSync,
    Role,
    Route,
    Said,
    StagePolicy,
    Standing,
    Value,
)
from sidecar.resolve import DealChoice, DealProperties, choose_deal
from sidecar.resolve.deals import MARGIN, THRESHOLD
from tests.support.activities import NOON, activity, mail

ROUTE = Route(stages={"closed_won": "won", "closed_lost": "lost"}, pipeline="sales", owner="rep-1")
POLICY = Policy(
    fields={},
    stages={
        "enquired": StagePolicy("enquired"),
        "closed_won": StagePolicy("closed_won", terminal=True),
        "closed_lost": StagePolicy("closed_lost", terminal=True),
    },
    routes=(ROUTE,),
)
STANDING = Standing("party-1", name="Ann Lee", records={"c": RecordSync("contact", "c", "contact-1")})
OLD = NOON - timedelta(days=400)


def deal(ref: str, *, contact: str = "contact-1", company: str = "", **fields: Value) -> Record:
    """Return an open deal, long unchanged, that is linked to the contact."""
    links = [Link("contact", contact)] if contact else []
    links += [Link("company", company)] if company else []
    return Record("deal", ref, {"stage": "new", **fields}, links=tuple(links), updated_at=OLD)


def choose(*deals: Record, standing: Standing = STANDING, subject: str = "", text: str = "Hello.") -> DealChoice:
    """Choose among deals for a party that has written one mail."""
    return choose_deal(standing, deals, POLICY, NOON, activities=[mail("ann@x.test", subject=subject, text=text)])


def refs(choice: DealChoice) -> list[str]:
    """Return the candidates, best first."""
    return [candidate.ref for candidate in choice.candidates]


def test_the_only_open_deal_of_the_contact_is_chosen() -> None:
    """One deal that is linked to the customer's own contact needs no further sign."""
    choice = choose(deal("d1"))
    assert (choice.ref, choice.question) == ("d1", False)
    assert choice.candidates[0].signals == ("same contact (+50)",)


def test_without_an_open_deal_nothing_is_chosen_and_nothing_asked() -> None:
    """No deal is not a question: whether one is made is the policy's."""
    assert choose() == DealChoice(None, (), False, "no open deal")


@pytest.mark.parametrize("fields", [{"stage": "won"}, {"stage": "lost"}, {"closed": True}, {"closed": "true"}])
def test_a_closed_deal_is_never_chosen(fields: Mapping[str, Value]) -> None:
    """What comes after closure never reopens a deal, whether the route's map or the CRM's flag says that it ended."""
    closed = replace(deal("d1"), fields={"stage": "new", **fields})
    assert choose(closed).ref is None
    assert choose(closed, deal("d2")).ref == "d2"


def test_closed_stages_can_be_named_by_the_crm() -> None:
    """A CRM's own ends that no stage of ours maps to end a deal too, under the CRM's own property names."""
    held = [deal("d1", dealstage="spam")]
    names = DealProperties(stage="dealstage")
    assert choose_deal(STANDING, held, POLICY, NOON, names=names).ref == "d1"
    assert choose_deal(STANDING, held, POLICY, NOON, names=names, closed_stages=frozenset({"spam"})).ref is None


def test_two_equal_deals_are_a_question() -> None:
    """Nothing breaks a tie: both are shown; seen to fail with the first candidate taken."""
    choice = choose(deal("d1"), deal("d2"))
    assert (choice.ref, choice.question, refs(choice)) == (None, True, ["d1", "d2"])


def test_recency_and_company_break_no_tie() -> None:
    """The deal that somebody touched last is not the deal that is meant."""
    standing = replace(STANDING, records={**STANDING.records, "f": RecordSync("company", "f", "firm-1")})
    recent = replace(deal("d1", company="firm-1"), updated_at=NOON)
    choice = choose(recent, deal("d2"), standing=standing)
    assert (choice.ref, choice.question) == (None, True)
    assert refs(choice) == ["d1", "d2"]
    assert "same company (+5)" in choice.candidates[0].signals


def test_words_that_only_one_deal_bears_decide() -> None:
    """Who writes about the kitchen means the kitchen, in the subject or in what is said."""
    two = (deal("d1", name="Lee: bathroom refit"), deal("d2", name="Lee: kitchen refit"))
    for choice in (choose(*two, subject="The kitchen"), choose(*two, text="When is the KITCHEN done?")):
        assert (choice.ref, refs(choice)) == ("d2", ["d2", "d1"])
        assert "words: kitchen (+20)" in choice.candidates[0].signals


@pytest.mark.parametrize("text", ["The refit, Lee.", "Is the kitchen or the bathroom first?", "A new deal?"])
def test_words_that_both_deals_or_the_customer_bear_decide_nothing(text: str) -> None:
    """Shared words, both names at once, and the customer's own name tell no deal from another."""
    choice = choose(deal("d1", name="Lee: bathroom refit"), deal("d2", name="Deal: kitchen refit"), text=text)
    assert (choice.ref, choice.question) == (None, True)


def test_what_our_side_quotes_is_not_said() -> None:
    """Words outside what was said in the activity (a quoted reply) don't choose a deal."""
    item = mail("ann@x.test", text="Thanks.\n> the kitchen")
    item = replace(item, said=(Said(0, 7, Role.CUSTOMER),))
    two = (deal("d1", name="bathroom"), deal("d2", name="kitchen"))
    assert choose_deal(STANDING, two, POLICY, NOON, activities=[item]).question


def test_pipeline_and_owner_together_decide() -> None:
    """The route's pipeline with the route's owner stands clear of a deal that has neither; one of the two doesn't."""
    both = choose(deal("d1", pipeline="sales", owner="rep-1"), deal("d2"))
    assert both.ref == "d1"
    one = choose(deal("d1", pipeline="sales"), deal("d2"))
    assert (one.ref, one.question) == (None, True)


def test_the_agent_who_talks_is_known_by_address() -> None:
    """The deal's owner is the one who is in the conversation, as the CRM's list of owners tells."""
    agent = Participant("to", "", (Identifier("email", "Rep@ours.test"),), own=True)
    item = activity(agent)
    (candidate,) = choose_deal(
        STANDING, [deal("d1", owner="77")], POLICY, NOON, activities=[item], owners={"77": "rep@ours.test"}
    ).candidates
    assert "same owner (+10)" in candidate.signals


def test_a_deal_in_another_pipeline_is_shown_and_never_wins() -> None:
    """A stage written to a pipeline that doesn't have it is an error, so a person decides."""
    choice = choose(deal("d1", pipeline="service", owner="rep-1", name="kitchen"), subject="kitchen")
    assert (choice.ref, choice.question) == (None, True)
    assert "another pipeline (-50)" in choice.candidates[0].signals


def test_a_deal_of_nobody_we_know_is_a_question() -> None:
    """A deal that is merely of the same company is not the customer's."""
    standing = Standing("party-1", records={"f": RecordSync("company", "f", "firm-1")})
    choice = choose(deal("d1", contact="contact-9", company="firm-1"), standing=standing)
    assert (choice.ref, choice.question) == (None, True)
    assert choice.candidates[0].score < THRESHOLD


def test_a_contact_found_just_now_counts() -> None:
    """Before the book has taken the contact in, the caller says which it is."""
    fresh = Standing("party-1")
    assert choose_deal(fresh, [deal("d1")], POLICY, NOON).ref is None
    assert choose_deal(fresh, [deal("d1")], POLICY, NOON, contacts=frozenset({"contact-1"})).ref == "d1"


def test_a_tied_deal_stays_the_engagements() -> None:
    """Once an engagement has its deal, no newer deal takes its place, and none of the next engagement's is taken."""
    tied = replace(STANDING, records={**STANDING.records, "d": RecordSync("deal", "d", "d1", engagement=1)})
    two = (deal("d1"), deal("d2", name="kitchen", owner="rep-1", pipeline="sales"))
    assert choose(*two, standing=tied, subject="kitchen").ref == "d1"
    second = replace(tied, engagements=(Engagement(1), Engagement(2)))
    choice = choose(*two, standing=second)
    assert (choice.ref, refs(choice)) == ("d2", ["d2"])


DEALS = st.lists(
    st.builds(
        lambda ref, contact, company, stage, pipeline, owner, name, days: replace(
            deal(f"d{ref}", contact=contact, company=company, stage=stage, pipeline=pipeline, owner=owner, name=name),
            updated_at=NOON - timedelta(days=days),
        ),
        st.integers(0, 99),
        st.sampled_from(["contact-1", "contact-2", ""]),
        st.sampled_from(["firm-1", ""]),
        st.sampled_from(["new", "won", "lost"]),
        st.sampled_from(["sales", "service", None]),
        st.sampled_from(["rep-1", "rep-2", None]),
        st.sampled_from(["kitchen", "bathroom", "Ann Lee", "kitchen refit", None]),
        st.sampled_from([0, 29, 30, 900]),
    ),
    max_size=5,
    unique_by=lambda record: record.ref,
)


@given(DEALS, st.sampled_from(["", "kitchen", "kitchen bathroom", "refit"]))
def test_a_choice_is_clear_or_a_question(deals: list[Record], subject: str) -> None:
    """Whatever the deals and their order, a chosen one is open, good enough and clear of the runner-up."""
    choice = choose(*deals, subject=subject)
    assert choose(*reversed(deals), subject=subject) == choice
    is_open = {record.ref for record in deals if record.fields["stage"] == "new"}
    assert set(refs(choice)) == is_open
    scores = [candidate.score for candidate in choice.candidates]
    assert scores == sorted(scores, reverse=True)
    assert choice.question == (choice.ref is None and bool(is_open))
    if choice.ref is not None:
        assert choice.ref == choice.candidates[0].ref
        assert scores[0] >= THRESHOLD
        assert len(scores) == 1 or round(scores[0] - scores[1], 2) >= MARGIN
