"""Explain: from a value in the CRM back to the raw words, or to the person whose value it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.errors import PermanentError
from sidecar.explain import MAX_NODES, Explanation, Node, explain, nodes
from tests.support.houses import House, buys, op, says

CHAIN = ["posting", "change", "decision", "claim", "inference", "match", "activity", "delivery"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house in which Ann has said three things, of which one made her qualified."""
    rules = buys(), says("ready", op("stage", "qualified", "ready"))
    with House(tmp_path, "sqlite:///journal.db", *rules) as opened:
        opened.start()
        for number, text in enumerate(("Hello", "I want to buy", "We are ready now"), 1):
            opened.hear(text, id=f"m{number}")
        yield opened


def asked(house: House, record: str, field: str) -> Explanation:
    """Explain a value."""
    return explain(house.journal, "local", house.app.policy, record, field)


def of_kind(told: Explanation, kind: str) -> list[Node]:
    """The chain's nodes of a kind."""
    return [node for node in nodes(told.chain) if node.kind == kind]


def test_a_value_leads_back_to_the_words_that_it_came_from(house: House) -> None:
    """From the deal's stage to the bytes, each step a cause of the one before; seen to fail with a cause left out."""
    (deal,) = house.records("deal")
    told = asked(house, f"deal:{deal.ref}", "stage")
    assert (told.value, told.note) == ("qualified", "")
    assert [node.kind for node in nodes(told.chain)] == CHAIN
    (claim,) = of_kind(told, "claim")
    (evidence,) = claim.detail["evidence"]
    (activity,) = of_kind(told, "activity")
    assert activity.id == evidence["activity"] == house.activity("m3").id
    text = house.activity("m3").text
    assert text[evidence["start"] : evidence["end"]] == evidence["quote"] == "ready"
    (inference,), (delivery,) = of_kind(told, "inference"), of_kind(told, "delivery")
    assert len(inference.detail["version"]) == 64 and inference.detail["version"][:12] in inference.line
    assert inference.detail["prompt_sha256"] and inference.detail["model"] == "scripted-1"
    assert b"We are ready now" in house.journal.raw(delivery.id)


def test_only_the_words_that_are_quoted_are_followed(house: House) -> None:
    """An inference reads much, a value rests on little; seen to fail with each input of the inference followed."""
    told = asked(house, f"contact:{house.records('contact')[0].ref}", "ai_intent")
    assert {node.id for node in of_kind(told, "activity")} == {house.activity("m2").id}


def test_a_computed_value_tells_its_formula(house: House) -> None:
    """Arithmetic can be redone; seen to fail with the formula left out."""
    told = asked(house, f"deal:{house.records('deal')[0].ref}", "ai_score")
    claim = of_kind(told, "claim")[0]
    assert claim.detail["formula"] == "70 x 2/4 stage qualified + 15 intent buy = 50"
    assert claim.detail["formula"] in claim.line
    assert of_kind(told, "delivery"), "and what it was computed from leads back to words too"


def test_a_persons_value_is_said_to_be_theirs(house: House) -> None:
    """Nobody takes a rep's word for ours; seen to fail with our last posting explained instead."""
    (deal,) = house.records("deal")
    house.app.ledger.edit("deal", deal.ref, {"stage": "booked"})  # type: ignore[attr-defined]  # the local ledger
    house.hear("Hello again")
    told = asked(house, f"deal:{deal.ref}", "stage")
    assert told.value == "booked"
    assert "wrote it in the CRM on" in told.note and "ours was 'qualified'" in told.note
    assert told.chain[0].kind == "reading"


def test_a_belief_can_be_asked_about_before_it_is_in_any_crm(house: House) -> None:
    """A party's fields have reasons like a record's; seen to fail with records alone found."""
    told = asked(house, house.standing().party, "intent")
    assert told.value == "buy" and [node.kind for node in nodes(told.chain)] == CHAIN[2:]


def test_a_suggestion_says_why_it_waits(house: House) -> None:
    """What nobody has decided yet can be asked about; seen to fail with the suggestions left out."""
    house.script(says("maybe", op("budget", "4000", "maybe", certainty="weakly_implied")))
    house.hear("maybe 4000")
    told = asked(house, house.standing().party, "budget")
    assert told.value == "4000" and "waits for a person" in told.note
    assert of_kind(told, "delivery")


MAYBE = says("maybe", op("budget", "4000", "maybe", certainty="weakly_implied"))


def test_what_a_person_turned_down_leaves_a_trace(house: House) -> None:
    """Who said no, when, to what and to which words; seen to fail with "nothing is known of 'budget'"."""
    house.script(MAYBE)
    house.hear("maybe 4000")
    party, deal = house.standing().party, house.records("deal")[0].ref
    house.clock.move(60)
    house.app.pipeline.people.review(party, "budget", "rita", approve=False)
    for record, field in ((party, "budget"), (f"deal:{deal}", "budget"), (f"deal:{deal}", "ai_budget")):
        told = asked(house, record, field)
        assert told.refused and (told.value, told.refused.value, told.refused.by) == (None, "4000", "rita")
        assert (told.refused.at, told.refused.quote) == (house.clock(), "maybe")
        assert of_kind(told, "delivery") and of_kind(told, "release")[0].line.startswith("reject by rita")


def test_a_no_is_told_beside_what_is_believed(house: House) -> None:
    """A value that stands is explained with what a person kept from taking its place."""
    house.script(says("signed", op("stage", "closed_won", "signed")))
    house.hear("we signed")
    (deal,) = house.records("deal")
    assert asked(house, f"deal:{deal.ref}", "stage").refused is None
    house.app.pipeline.people.review(house.standing().party, "stage", "rita", approve=False)
    for record in (f"deal:{deal.ref}", house.standing().party):
        told = asked(house, record, "stage")
        assert told.refused and (told.value, told.refused.value) == ("qualified", "closed_won")
        assert told.refused.line.startswith("'closed_won' was proposed from \"signed\"; rita turned it down on 2026-")
        assert {e["quote"] for node in of_kind(told, "claim") for e in node.detail["evidence"]} >= {"ready", "signed"}


def test_what_nobody_answered_leaves_a_trace(house: House) -> None:
    """A suggestion that was over is no person's no; seen to fail with the policy's own refusals left out."""
    house.script(MAYBE)
    house.hear("maybe 4000")
    house.clock.move((house.app.policy.suggestion_days + 1) * 86_400)
    house.poll()
    told = asked(house, house.standing().party, "budget")
    assert told.refused and (told.refused.value, told.refused.by) == ("4000", "")
    assert "nobody answered in time" in told.refused.line


def test_a_step_that_waits_or_was_turned_down_can_be_asked_about(house: House) -> None:
    """The link in a suggested step leads somewhere, before and after the answer; seen to fail with "no such step"."""
    house.script(says("call", steps=[{"what": "call Ann", "who": "us", "evidence": [{"quote": "call"}]}]))
    bot = {"role": "bot", "name": "Bot", "external_id": "bot-1"}
    data = {
        "message_id": "b1", "conversation_id": "c-ann", "direction": "outbound", "sent_at": house.clock().isoformat(),
        "sender": bot, "customer": {"email": "ann@x.test"}, "text": "Sure, we will call you",
    }  # fmt: skip
    house.post("message.created", data)
    house.work()
    party = house.standing().party
    (slot,) = house.standing().engagement.suggestions
    assert slot.startswith("step:") and of_kind(asked(house, party, slot), "delivery")
    house.app.pipeline.people.review(party, slot, "rita", approve=False)
    told = asked(house, party, slot)
    assert told.refused and (told.refused.value, told.refused.quote) == ("call Ann", "call")


def test_an_answer_needs_neither_model_nor_crm_nor_channel(house: House) -> None:
    """The book explains itself."""
    (deal,) = house.records("deal")
    before = asked(house, f"deal:{deal.ref}", "stage")
    house.restart()
    assert asked(house, f"deal:{deal.ref}", "stage") == before
    assert "ledger" not in house.app.__dict__ and "channels" not in house.app.__dict__


def test_a_bare_ref_is_found_among_all_kinds(house: House) -> None:
    """People paste what their CRM shows them."""
    (deal,) = house.records("deal")
    assert asked(house, deal.ref, "stage") == asked(house, f"deal:{deal.ref}", "stage")


def test_a_record_that_was_merged_away_leads_to_the_party_that_lives(house: House) -> None:
    """An old name still answers; seen to fail with merges not followed."""
    house.hear("I want to buy", "bob")
    bob = house.standing("bob").party
    house.app.pipeline.people.merge(house.standing("ann").party, bob, "rep")
    house.work()
    assert asked(house, bob, "intent").party == house.standing("ann").party


@pytest.mark.parametrize(
    "record, field, words",
    [
        ("deal:nosuch", "stage", "no party and no record of the CRM is called 'deal:nosuch'"),
        ("{party}", "nosuch", "nothing is known of 'nosuch'; fields: .*intent.*; properties: .*ai_intent"),
    ],
)
def test_what_nobody_knows_says_what_is_known(house: House, record: str, field: str, words: str) -> None:
    """A mistyped name is answered with the right ones."""
    with pytest.raises(PermanentError, match=words):
        asked(house, record.format(party=house.standing().party), field)


def test_an_endless_history_is_explained_in_bounds(house: House) -> None:
    """A summary rests on everything; its chain ends where a reader would, and says so; seen to fail cut in silence."""
    house.script({"match": "x", "answer": {"summary": "Ann wrote x, often."}})
    for i in range(70):
        house.clock.move(1)
        house.say(f"x {i}")
    house.work()
    party = house.standing().party
    house.app.pipeline.people.assign(house.activity("m3").id, "new", "rep")
    told = asked(house, party, "summary")
    known = {node.id for node in nodes(told.chain) if node.kind != "more"}
    assert 20 < len(known) <= MAX_NODES
    cut = [node.detail["count"] for node in of_kind(told, "more")]
    assert len({node.id for node in of_kind(told, "match")}) + cut[-1] >= 72, "what is left out is counted"


def test_a_persons_word_is_told(house: House) -> None:
    """Who approved, and what, stands in the chain; seen to fail with the bare kind told."""
    house.script(says("maybe", op("budget", "4000", "maybe", certainty="weakly_implied")))
    house.hear("maybe 4000")
    house.app.pipeline.people.review(house.standing().party, "budget", "rep", approve=True)
    (word,) = of_kind(asked(house, house.standing().party, "budget"), "release")
    assert word.line.startswith("approve by rep")
