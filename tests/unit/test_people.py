"""People: a person's word settles whose things are, who is one, what is approved, pinned or given back."""

from collections.abc import Callable
from typing import Any

import pytest

from sidecar.errors import PermanentError
from sidecar.model import Outcome, Standing
from sidecar.pipeline.people import People
from tests.support.houses import House, buys, op, says
from tests.support.openings import Open

SUPPORT = says("support", op("intent", "support", "support"))
ANGRY = says("angry", op("sentiment", "angry", "angry"))


def people(house: House) -> People:
    """The commands of reviewers."""
    return house.app.pipeline.people


def identifiers(standing: Standing) -> set[str]:
    """The identifiers of a party."""
    return {str(identifier) for identifier in standing.identifiers}


# Whose it is --------------------------------------------------------------------------------------------------------


def two_addresses(house: House, text: str, **more: Any) -> str:
    """Somebody writes who bears the addresses of two parties."""
    sender = {"email": "ann@x.test", "external_id": "visitor-bob", "name": "A. Lee"}
    house.clock.move(60)
    return house.say(text, "ann", sender=sender, **more)


def an_ambiguous(house: House) -> str:
    """Two parties, and a message that may be either's; returns the message's id."""
    house.hear("buy", "ann", id="a1")
    bob = {"external_id": "visitor-bob", "name": "Bob Hill", "email": "bob@x.test"}
    house.hear("Hello", "bob", id="b1", sender=bob)
    id = two_addresses(house, "I need support", id="q1")
    house.work()
    return id


def test_what_may_be_two_parties_waits_and_is_read_by_nobody(open_house: Open) -> None:
    """A question is never settled by a score; seen to fail with the best candidate taken."""
    house = open_house(buys(), SUPPORT)
    id = an_ambiguous(house)
    (question,) = house.journal.questions(10)
    assert (question.outcome, question.activity) == (Outcome.AMBIGUOUS, house.activity(id).id)
    assert {c.ref for c in question.candidates} == {house.standing("ann").party, house.standing("bob").party}
    assert "I need support" not in {text for texts in house.llm.heard for text in texts}


def test_a_person_s_answer_is_read_at_once_and_stays_the_answer(open_house: Open) -> None:
    """The question is closed, and a late second look doesn't ask again; seen to fail with the party left untouched."""
    house = open_house(buys(), SUPPORT)
    id = an_ambiguous(house)
    ann = house.standing("ann").party
    assert people(house).assign(house.activity(id).id, ann, "rep") == ann
    house.work()
    assert not house.journal.questions(10)
    assert house.fields("ann")["intent"] == "support"
    assert house.match(id).rule == "person"
    again = next(fact for fact in house.facts("delivery") if fact.id in house.activity(id).because)
    house.journal.commit(_resolved(again.id))
    house.work()
    assert not house.journal.questions(10)
    assert house.journal.party_of(house.activity(id).id) == ann


def _resolved(delivery: str) -> Any:
    from sidecar.journal import Entry, Touch
    from sidecar.model import WorkKey, WorkKind

    return Entry(touches=(Touch(WorkKey(WorkKind.RESOLVE, delivery)),))


def test_one_answer_frees_the_other_messages_of_that_sender(open_house: Open) -> None:
    """A person is asked once about a person; seen to fail with the held deliveries left alone."""
    house = open_house(buys(), SUPPORT)
    house.hear("buy", "ann", id="a1")
    for i in range(3):
        house.hear(f"support {i}", "ann", id=f"q{i}", sender={"email": "аnn@x.test", "name": "Ann"})
    assert len(house.journal.questions(10)) == 3, "an address that only looks like Ann's"
    party = people(house).assign(house.activity("q0").id, "new", "rep")
    house.work()
    assert not house.journal.questions(10)
    assert {house.match(f"q{i}").party for i in range(3)} == {party}
    assert house.journal.standing(party).activities == 3  # type: ignore[union-attr]  # it was just made
    assert party != house.standing("ann").party


def test_a_person_can_find_a_new_party_in_a_message(open_house: Open) -> None:
    """The new party is read from its first word, the old one forgets it; seen to fail with one request for both."""
    house = open_house(buys(), ANGRY)
    house.hear("buy and angry", "ann", id="m1")
    old = house.standing("ann").party
    new = people(house).assign(house.activity("m1").id, "new", "rep")
    house.work()
    standing = house.journal.standing(new)
    assert standing is not None and standing.engagement.fields["sentiment"].value == "angry"
    left = house.journal.standing(old)
    assert left is not None and left.activities == 0
    assert "sentiment" not in left.engagement.fields
    assert not house.parked() and house.journal.counts()["pending"] == 0


def test_the_party_that_loses_a_message_is_read_again_without_it(open_house: Open) -> None:
    """What rested on other words is put right at once; seen to fail with the old party left untouched."""
    house = open_house(buys(), SUPPORT)
    house.hear("buy", "ann", id="m1")
    house.hear("support for Bob", "ann", id="m2")
    assert house.fields("ann")["intent"] == "support"
    people(house).assign(house.activity("m2").id, "new", "rep")
    house.work()
    assert house.fields("ann")["intent"] == "buy"
    assert ["buy"] in house.llm.heard[2:]
    (contact,) = [r for r in house.records("contact") if r.fields.get("email") == "ann@x.test"]
    assert contact.fields["ai_intent"] == "buy"


def test_assigning_to_where_it_is_says_so(open_house: Open) -> None:
    """An order that changes nothing counts nothing twice; seen to fail with one more activity counted."""
    house = open_house(buys())
    house.hear("buy", "ann", id="m1")
    with pytest.raises(PermanentError, match="already"):
        people(house).assign(house.activity("m1").id, house.standing("ann").party, "rep")
    assert house.standing("ann").activities == 1


def test_a_split_takes_the_words_and_their_beliefs_along(open_house: Open) -> None:
    """Two people behind one address become two; seen to fail with the beliefs left behind."""
    house = open_house(buys(), ANGRY)
    house.hear("buy", "ann", id="m1")
    house.hear("angry", "ann", id="m2")
    old = house.standing("ann").party
    new = people(house).split(old, [house.activity("m2").id], "rep")
    house.work()
    there = house.journal.standing(new)
    assert there is not None and there.engagement.fields["sentiment"].value == "angry"
    assert "sentiment" not in house.fields("ann") and house.fields("ann")["intent"] == "buy"
    assert identifiers(house.standing("ann")) == {"email:ann@x.test"}, "moving an activity moves no address"
    with pytest.raises(PermanentError, match="not that party's"):
        people(house).split(old, [house.activity("m2").id], "rep")


def test_a_split_takes_steps_and_suggestions_along(open_house: Open) -> None:
    """What was promised to somebody else is no task of theirs any more; seen to fail with the fields alone taken."""
    step = {"what": "call back", "who": "us", "evidence": [{"quote": "call me back"}]}
    moved = says("call me back", op("stage", "closed_won", "signed"), steps=[step])
    house = open_house(buys(), moved)
    house.hear("buy", "ann", id="m1")
    house.hear("we have signed, call me back", "ann", id="m2")
    old = house.standing("ann")
    assert old.engagement.suggestions["stage"].value == "closed_won"
    assert house.fields("ann")["next_step"] == "us: call back"
    new = people(house).split(old.party, [house.activity("m2").id], "rep")
    house.work()
    there = house.journal.standing(new)
    assert there is not None and there.engagement.suggestions["stage"].value == "closed_won"
    assert not house.standing("ann").engagement.suggestions
    assert house.fields("ann").get("next_step") is None
    assert {t.fields["status"] for t in house.records("task")} == {"done", "open"}, "theirs ends, the other's begins"


def test_a_party_that_knows_only_words_can_be_pinned_and_merged(open_house: Open) -> None:
    """A nameless party obeys people like any other; seen to fail with a release that follows from nothing."""
    house = open_house(buys())
    house.hear("buy", "ann", id="m1", sender={"email": "ann@x.test"})
    house.hear("buy more", "ann", id="m2", sender={"email": "ann@x.test"})
    new = people(house).split(house.standing("ann").party, [house.activity("m2").id], "rep")
    house.work()
    people(house).pin(new, "contact", "name", "rep", pinned=True)
    people(house).merge(house.standing("ann").party, new, "rep")
    house.work()
    assert house.standing("ann").activities == 2


# Who is one ---------------------------------------------------------------------------------------------------------


def test_a_merge_brings_everything_of_both(open_house: Open) -> None:
    """Identifiers, words and CRM records are one party's; seen to fail with the winner's identifiers alone kept."""
    house = open_house(buys(), ANGRY)
    house.hear("buy", "ann", id="m1")
    house.hear("angry", "ann2", id="m2")
    ann, other = house.standing("ann").party, house.standing("ann2").party
    assert people(house).merge(ann, other, "rep") == ann
    house.clock.move(60)
    house.say("angry again", "ann2", id="m3")
    house.work()
    standing = house.standing("ann")
    assert identifiers(standing) == {"email:ann@x.test", "email:ann2@x.test"}
    assert standing.activities == 3
    assert (house.fields("ann")["intent"], house.fields("ann")["sentiment"]) == ("buy", "angry")
    assert house.llm.heard[-1] == ["buy", "angry", "angry again"]
    assert house.journal.standing(other) == standing, "the old name leads to the new party"
    assert house.journal.counts()["parties"] == 1
    assert {house.journal.linked_party("local", "contact", r.ref) for r in house.records("contact")} == {ann}


def test_a_merge_answers_what_was_asked_of_both(open_house: Open) -> None:
    """Words that named both are the one party's at once; seen to fail while they stayed a question."""
    house = open_house(buys(), ANGRY)
    house.hear("buy", "ann", id="m1", sender={"email": "ann@x.test"})
    house.hear("angry", "ann2", id="m2", sender={"phone": "+447700900123"})
    house.hear("both", "ann3", id="m3", sender={"email": "ann@x.test", "phone": "+447700900123"})
    assert house.journal.counts()["questions"] == 1
    ann = house.journal.party_of(house.activity("m1").id)
    other = house.journal.party_of(house.activity("m2").id)
    assert ann and other and ann != other
    people(house).merge(ann, other, "rep")
    house.work()
    assert house.journal.party_of(house.activity("m3").id) == ann
    assert house.journal.counts()["questions"] == 0


def test_what_waits_for_reading_is_read_by_the_winner(open_house: Open) -> None:
    """A merge loses no news; seen to fail with what is pending left to the loser."""
    house = open_house(buys(), SUPPORT)
    house.hear("buy", "ann")
    house.hear("Hello", "ann2")
    house.clock.move(60)
    house.say("support", "ann2")
    house.resolve()
    people(house).merge(house.standing("ann").party, house.standing("ann2").party, "rep")
    house.work()
    assert house.fields("ann")["intent"] == "support"
    assert house.journal.counts()["pending"] == 0


def test_a_merge_can_be_taken_back_by_a_split(open_house: Open) -> None:
    """What came by a merge can go again; seen to fail with the match's own party compared."""
    house = open_house(buys(), ANGRY)
    house.hear("buy", "ann", id="m1")
    house.hear("angry", "ann2", id="m2")
    ann = people(house).merge(house.standing("ann").party, house.standing("ann2").party, "rep")
    house.work()
    new = people(house).split(ann, [house.activity("m2").id], "rep")
    house.work()
    assert house.journal.party_of(house.activity("m2").id) == new
    assert "sentiment" not in house.fields("ann")


# What is approved ---------------------------------------------------------------------------------------------------

WON = says("signed", op("stage", "closed_won", "signed"))
HINT = says("maybe", op("intent", "buy", "maybe", certainty="weakly_implied"))


def test_an_approved_suggestion_is_believed_and_written_as_the_persons(open_house: Open) -> None:
    """A person needs no threshold and no transition; seen to fail with the release alone kept."""
    house = open_house(WON)
    house.hear("we signed")
    assert house.fields()["stage"] == "enquired"
    assert house.standing().engagement.suggestions["stage"].value == "closed_won"
    people(house).review(house.standing().party, "stage", "rep", approve=True)
    house.work()
    held = house.standing().engagement.fields["stage"]
    assert (held.value, held.engine) == ("closed_won", "person")
    assert "stage" not in house.standing().engagement.suggestions
    assert house.standing().engagement.closed_at is not None


def test_a_rejected_suggestion_goes_and_moves_nothing(open_house: Open) -> None:
    """No means no; seen to fail with the verdict ignored."""
    house = open_house(WON)
    house.hear("we signed")
    people(house).review(house.standing().party, "stage", "rep", approve=False)
    house.work()
    assert house.fields()["stage"] == "enquired"
    assert not house.standing().engagement.suggestions


@pytest.mark.parametrize("approve", [True, False])
def test_what_has_been_reviewed_asks_for_no_review_any_more(open_house: Open, approve: bool) -> None:
    """The CRM's review state follows a person's word at once; seen to fail with values computed by inferences alone."""
    house = open_house(WON)
    house.hear("we signed")
    assert house.records("contact")[0].fields["ai_review"] == "needs_review"
    people(house).review(house.standing().party, "stage", "rep", approve=approve)
    house.work()
    (contact,) = house.records("contact")
    assert contact.fields["ai_review"] == "ok" and not contact.fields.get("ai_suggestions")
    assert contact.fields["ai_score"] == (100 if approve else 18)


def test_a_suggested_step_is_approved_like_a_field(open_house: Open) -> None:
    """A bot's promise becomes a task once a person says so; seen to fail with steps left out of the slots."""
    step = {"what": "call Ann", "who": "us", "evidence": [{"quote": "we will call you"}]}
    house = open_house(says("we will call you", steps=[step]))
    house.hear("Hello", "ann")
    data = {
        "message_id": "b1", "conversation_id": "c-ann", "direction": "outbound", "sent_at": house.clock().isoformat(),
        "sender": {"role": "bot", "name": "Bot", "external_id": "bot-1"}, "customer": {"email": "ann@x.test"},
        "text": "Sure, we will call you",
    }  # fmt: skip
    house.post("message.created", data)
    house.work()
    (slot,) = house.standing().engagement.suggestions
    assert slot.startswith("step:") and not house.records("task")
    people(house).review(house.standing().party, slot, "rep", approve=True)
    house.work()
    (task,) = house.records("task")
    assert task.fields["title"] == "call Ann"
    assert not house.standing().engagement.suggestions


def test_a_contact_is_made_once_a_person_allows_it(open_house: Open) -> None:
    """`suggest` waits for a word; seen to fail with the record made at once."""
    house = open_house(buys(), env={"SIDECAR_CRM__CREATE__CONTACT": "suggest"})
    house.hear("buy")
    assert not house.records("contact")
    people(house).review(house.standing().party, "contact", "rep", approve=True)
    house.work()
    assert len(house.records("contact")) == 1
    with pytest.raises(PermanentError, match="nothing is made unless"):
        people(house).review(house.standing().party, "deal", "rep", approve=False)


def test_a_pinned_property_is_left_alone_until_it_is_given_back(open_house: Open) -> None:
    """An order holds against all evidence, and ends with another order; seen to fail with the pin not read."""
    house = open_house(buys(), SUPPORT)
    house.hear("buy")
    (contact,) = house.records("contact")
    people(house).pin(house.standing().party, "contact", "ai_intent", "rep", pinned=True)
    house.hear("support")
    assert house.fields()["intent"] == "support"
    assert house.records("contact")[0].fields["ai_intent"] == "buy"
    people(house).pin(house.standing().party, "contact", "ai_intent", "rep", pinned=False)
    house.work()
    assert house.records("contact")[0].fields["ai_intent"] == "support"
    assert contact.ref == house.records("contact")[0].ref


def test_every_word_of_a_person_is_in_the_book_with_their_name(open_house: Open) -> None:
    """Who said so can be asked later; seen to fail with the name left out of the release."""
    house = open_house(WON)
    house.hear("we signed")
    party = house.standing().party
    people(house).pin(party, "deal", "stage", "eve", pinned=True)
    people(house).review(party, "stage", "rep", approve=True)
    said = [(r.action, r.by, r.party) for r in house.facts("release")]  # type: ignore[attr-defined]  # releases
    assert said == [("pin", "eve", party), ("approve", "rep", party)]


@pytest.mark.parametrize(
    "order, words",
    [
        (lambda p, party, a: p.assign("activity-0", party, "rep"), "there is no activity 'activity-0'"),
        (lambda p, party, a: p.assign(a, "party-0", "rep"), "there is no party 'party-0'"),
        (lambda p, party, a: p.merge(party, party, "rep"), "one party already"),
        (lambda p, party, a: p.merge(party, "party-0", "rep"), "there is no party 'party-0'"),
        (lambda p, party, a: p.split(party, ["activity-0"], "rep"), "there is no activity 'activity-0'"),
        (lambda p, party, a: p.split(party, [], "rep"), "name the activities"),
        (lambda p, party, a: p.review(party, "budget", "rep", approve=True), "no suggestion waits on 'budget'"),
        (lambda p, party, a: p.pin("party-0", "contact", "name", "rep", pinned=True), "there is no party 'party-0'"),
    ],
)  # fmt: skip
def test_an_order_that_can_t_be_followed_says_why_and_changes_nothing(
    open_house: Open, order: Callable[[People, str, str], object], words: str
) -> None:
    """Reviewers are told what is wrong, in words; seen to fail with whatever the book says of it."""
    house = open_house(buys())
    house.hear("buy", id="m1")
    counted = house.journal.counts()
    with pytest.raises(PermanentError, match=words):
        order(people(house), house.standing().party, house.activity("m1").id)
    assert house.journal.counts() == counted


def test_what_a_merge_leaves_twice_in_the_crm_is_told_until_it_is_one(open_house: Open) -> None:
    """Two contacts and two open deals of one customer are a person's to tidy; seen to fail with the second one kept."""
    house = open_house(says("ready", op("stage", "qualified", "ready")))
    house.hear("I am ready", "ann")
    house.hear("We are ready", "ann2")
    people(house).merge(house.standing("ann").party, house.standing("ann2").party, "rep")
    house.hear("I am ready", "ann")
    told = sorted(alert.reason for alert in house.standing("ann").alerts if alert.rule == "question")
    assert [reason.split(" of ours")[0] for reason in told] == [
        "this customer has several contacts", "this customer has several deals",
    ]  # fmt: skip
    first, second = house.records("contact")
    crm: Any = house.app.ledger
    crm.merge("contact", first.ref, second.ref)
    crm.edit("deal", house.records("deal")[1].ref, {"stage": "closed_lost"})
    house.hear("We are ready", "ann")
    assert not [alert for alert in house.standing("ann").alerts if alert.rule == "question"]


def test_what_both_were_owed_in_the_same_words_is_one_task_after_a_merge(open_house: Open) -> None:
    """Nobody does a thing twice because a customer wrote from two addresses; seen to fail with both kept."""
    quoted = [{"quote": "Send the quote"}]
    owed = says("Send the quote", steps=[{"what": "Send the quote", "who": "us", "evidence": quoted}])
    house = open_house(owed)
    house.hear("Send the quote", "ann")
    house.hear("Send the quote", "ann2")
    ann, other = (house.standing(who).engagement.steps[0] for who in ("ann", "ann2"))
    assert [task.fields["status"] for task in house.records("task")] == ["open", "open"]
    people(house).merge(house.standing("ann").party, house.standing("ann2").party, "rep")
    house.work()
    assert {step.id: step.status for step in house.standing("ann").engagement.steps} == {
        ann.id: "open", other.id: "dropped",
    }  # fmt: skip
    quotes = [task for task in house.records("task") if task.fields["title"] == "Send the quote"]
    assert sorted(str(task.fields["status"]) for task in quotes) == ["done", "open"]
    kept = house.standing("ann")
    house.journal.rebuild()
    assert house.standing("ann") == kept
    assert not house.parked()


def test_a_merge_that_is_undone_gives_back_all_that_it_brought(open_house: Open) -> None:
    """Address, name and later words of the same conversation go with it, and the next ones too; nothing else does."""
    house = open_house(buys(), ANGRY)
    house.hear("buy", "ann", id="m1")
    house.hear("angry", "ann2", id="m2")
    ann, other = house.standing("ann").party, house.standing("ann2").party
    people(house).merge(ann, other, "rep")
    house.work()
    house.hear("angry still", "ann2", id="m3")
    new = people(house).unmerge(ann, other, "rep")
    house.work()
    house.hear("angry for ever", "ann2", id="m4")
    assert {house.journal.party_of(house.activity(id).id) for id in ("m2", "m3", "m4")} == {new}
    assert identifiers(house.standing("ann")) == {"email:ann@x.test"}
    assert identifiers(house.standing("ann2")) == {"email:ann2@x.test"}
    assert (house.standing("ann").party, house.standing("ann2").party) == (ann, new)
    assert house.standing("ann").absorbed == ()
    with pytest.raises(PermanentError, match="not merged into"):
        people(house).unmerge(ann, other, "rep")
    assert not house.parked()
