"""Relate: what one run reads, what it costs, and what becomes of an answer that is none."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sidecar.infer import WHOLE_ACTIVITIES
from sidecar.model import Claim, Decision, Inference, Prompt, WorkKey, WorkKind
from sidecar.pipeline.relate import MAX_NEW
from sidecar.ports import LLMCapabilities
from tests.support.facts import SetClock
from tests.support.houses import House, buys, op, says
from tests.support.openings import Open

EXPLODES = {"match": "explode", "stop": "refusal"}
PAID = LLMCapabilities(structured_outputs=True, deterministic=True)


def inferences(house: House) -> list[Inference]:
    """All inferences of the book."""
    return [fact for fact in house.facts("inference") if isinstance(fact, Inference)]


# What is read -------------------------------------------------------------------------------------------------------


def test_a_short_history_is_read_whole_and_a_long_one_in_news(open_house: Open) -> None:
    """Rolling state loses more than it saves while there is little; seen to fail with the news alone from the start."""
    house = open_house(buys())
    for i in range(26):
        house.hear(f"buy {i}")
    asked = [len(question.new) for question in house.llm.questions]
    assert asked == [*range(1, WHOLE_ACTIVITIES + 1), *[1] * 11, 24, 1, 1]
    assert [i.whole for i in inferences(house)] == [count > 1 or n == 0 for n, count in enumerate(asked)]


def test_what_the_nth_message_costs_follows_its_words_and_not_the_history(open_house: Open) -> None:
    """Reading stays cheap however long a relationship lasts; seen to fail with the whole history each time."""
    house = open_house(buys())
    for i in range(34):
        house.hear(f"buy {i} " + "and so on " * 50)
    news = [len(q.user) for q, i in zip(house.llm.questions, inferences(house), strict=True) if not i.whole]
    assert len(news) > 15
    assert max(news[8:]) < 1.1 * min(news[:5])


def test_a_backlog_is_read_to_its_last_word(open_house: Open) -> None:
    """No message counts as read that no model has seen; seen to fail with all that was pending named as read."""
    house = open_house(buys())
    house.hear("first. ")
    for i in range(2 * MAX_NEW + 7):
        house.clock.move(1)
        house.say(f"buy {i}. " + "and so on " * 400)
    house.work()
    heard = {text.split(".")[0] for texts in house.llm.heard for text in texts}
    assert heard == {"first", *(f"buy {i}" for i in range(2 * MAX_NEW + 7))}
    assert house.journal.counts()["pending"] == 0
    read = {cause for inference in inferences(house) for cause in inference.because}
    for inference, texts in zip(inferences(house), house.llm.heard, strict=True):
        assert len(inference.because) == len(texts)
    assert len(read) == 2 * MAX_NEW + 8
    assert max(len(question.user) for question in house.llm.questions) < 150_000


def test_the_same_words_of_two_people_are_two_inferences(open_house: Open) -> None:
    """Everybody may say hello; seen to fail with a request's hash over the words alone."""
    house = open_house(buys())
    house.hear("buy", "ann")
    house.hear("buy", "bob")
    assert len(inferences(house)) == 2
    assert house.fields("ann")["intent"] == house.fields("bob")["intent"] == "buy"


def test_a_run_that_is_repeated_asks_the_same_and_inserts_nothing(open_house: Open) -> None:
    """A process that dies before its commit leaves no trace; seen to fail with a random boundary."""
    house = open_house(buys())
    house.say("buy")
    append = house.journal.append

    def failing(entry: Any) -> Any:
        if any(isinstance(fact, Inference) for fact in entry.facts):
            house.journal.append = append  # type: ignore[method-assign]
            raise RuntimeError("the process dies here")
        return append(entry)

    house.journal.append = failing  # type: ignore[method-assign]
    house.work()
    (parked,) = house.parked()
    assert house.journal.retry(parked.work)
    house.work()
    assert len(house.llm.questions) == 2
    assert house.llm.questions[0] == house.llm.questions[1]
    assert len(inferences(house)) == 1


def test_a_model_that_doubts_the_state_reads_the_whole_history(open_house: Open) -> None:
    """Its flag is heard, once, and its first answer is booked with its cost; seen to fail with the flag ignored."""
    house = open_house(buys(), {"match": "mistake", "answer": {"needs_full_reread": True}})
    for i in range(WHOLE_ACTIVITIES + 6):
        house.hear(f"buy {i}")
    house.hear("that was a mistake")
    assert [len(q.new) for q in house.llm.questions[-2:]] == [1, WHOLE_ACTIVITIES + 7]
    assert inferences(house)[-1].whole and not inferences(house)[-2].whole
    house.hear("a mistake again")
    assert len(house.llm.questions[-1].new) == 1, "a hostile text can't have everything read again and again"


# Edits and deletions ------------------------------------------------------------------------------------------------


def test_deleted_words_are_read_by_nobody_any_more(open_house: Open) -> None:
    """A whole re-read leaves them out, and so does all that comes later; seen to fail with the timeline as it is."""
    house = open_house(buys(), says("cheap", op("risks", "price above budget", "cheap")))
    house.hear("I want to buy", id="m1")
    house.hear("SECRET cheap", id="m2")
    assert house.fields()["risks"] == "price above budget"
    house.clock.move(60)
    house.delete("m2")
    house.work()
    house.hear("Hello again")
    for i in range(WHOLE_ACTIVITIES + 3):
        house.hear(f"more {i}")
    for question in house.llm.questions[2:]:
        assert "SECRET" not in question.user
        assert '"price"' not in question.user, "the state that is shown rests on no deleted words either"
    assert "risks" not in {name for name, value in house.fields().items() if value is not None}
    assert house.journal.counts()["pending"] == 0


def test_deleted_words_are_no_earlier_words_either(open_house: Open) -> None:
    """What stands before the news is what still stands; seen to fail with the timeline as it is."""
    house = open_house(buys())
    for i in range(WHOLE_ACTIVITIES):
        house.hear(f"buy {i}")
    house.hear("SECRET", id="gone")
    house.hear("OLD words", id="edited")
    house.clock.move(60)
    house.delete("gone")
    house.edit("edited", "new words")
    house.work()
    house.hear("more")
    assert not inferences(house)[-1].whole
    assert "new words" in house.llm.questions[-1].user
    assert not {"SECRET", "OLD"} & set(re.findall(r"[A-Z]+", house.llm.questions[-1].user))


def test_a_deletion_that_comes_before_the_words_were_read_leaves_nothing_to_read(open_house: Open) -> None:
    """Nobody reads what was taken back in time; seen to fail with the newest activity kept whatever it is."""
    house = open_house(buys())
    house.say("SECRET buy", id="m1")
    house.resolve()
    house.clock.move(60)
    house.delete("m1")
    house.resolve()
    house.work()
    assert all("SECRET" not in question.user for question in house.llm.questions)
    assert "intent" not in house.fields()
    assert house.journal.counts()["pending"] == 0 and not house.parked()


def test_an_edit_stands_in_its_message_s_place(open_house: Open) -> None:
    """The newest wording counts, and the older ones are gone; seen to fail with each version a message of its own."""
    house = open_house(buys(), says("support", op("intent", "support", "support")))
    house.hear("I want to buy", id="m1")
    house.hear("Thank you", id="m2")
    for wording in ("OLD I need support", "I need support"):
        house.clock.move(60)
        house.edit("m1", wording)
    house.work()
    assert house.llm.heard[-1] == ["I need support", "Thank you"]
    assert house.fields()["intent"] == "support"
    house.hear("Bye")
    assert house.llm.heard[-1] == ["I need support", "Thank you", "Bye"]


def test_a_deletion_on_one_channel_leaves_another_channels_message_alone(open_house: Open) -> None:
    """Ids are a channel's own; seen to fail with the external id compared by itself."""
    house = open_house(buys())
    name = house.mail("Ann <ann@x.test>", "buy by mail")
    house.poll()
    (mailed,) = house.facts("activity")
    same_id = mailed.external_id  # type: ignore[attr-defined]  # it is an activity
    house.hear("buy by chat", id=same_id)
    house.clock.move(60)
    house.delete(same_id)
    house.work()
    assert name and house.llm.heard[-1] == ["buy by mail"]


def test_a_late_message_has_the_history_read_anew_in_its_order(open_house: Open) -> None:
    """What was said earlier stands earlier, whenever it arrives; seen to fail with arrivals in place of times."""
    house = open_house(buys())
    house.hear("first")
    house.clock.move(600)
    house.hear("third")
    house.say("second", sent_at=house.clock().replace(minute=5).isoformat())
    house.work()
    assert house.llm.heard[-1] == ["first", "second", "third"]


def test_a_party_that_lost_all_its_words_is_left_in_peace(open_house: Open) -> None:
    """There is nothing to read, so nothing is asked and nothing is parked; seen to fail with the model asked anyway."""
    house = open_house(buys())
    house.hear("buy", id="m1")
    old = house.standing().party
    house.app.pipeline.people.assign(house.activity("m1").id, "new", "rep")
    house.journal.commit(_touched(old))
    house.work()
    assert not house.parked()


def _touched(party: str) -> Any:
    from sidecar.journal import Entry, Touch

    return Entry(touches=(Touch(WorkKey(WorkKind.PARTY, party)),))


# Answers that are none ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", ["refusal", "truncated", "invalid"])
@pytest.mark.parametrize("place", range(5))
def test_one_poison_activity_is_parked_alone_wherever_it_stands(open_house: Open, stop: str, place: int) -> None:
    """Its neighbours are read, its party goes on, and it is named; seen to fail with the whole party parked."""
    house = open_house(buys(), {"match": "explode", "stop": "end" if stop == "invalid" else stop})
    if stop == "invalid":
        house.llm.reworded = lambda a: replace(a, text="no JSON") if _explodes(house) else a
    for i in range(5):
        house.clock.move(1)
        house.say("explode" if i == place else f"buy {i}", id=f"m{i}")
    house.work()
    (parked,) = house.parked()
    party, activity = house.standing().party, house.activity(f"m{place}").id
    assert parked.work == WorkKey(WorkKind.PARTY, f"{party}/{activity}")
    why = "invalid, no JSON, expected ident at line 1 column 2" if stop == "invalid" else stop
    read = next(i for i in inferences(house) if i.because == (house.match(f"m{place}").id,))
    assert parked.parked_reason == f"the model's answer: {why} (see it: sidecar activities --raw {read.id[:22]})"
    assert house.fields()["intent"] == "buy"
    assert house.journal.counts()["pending"] == 0
    answered = {cause for i in inferences(house) if i.stop == "end" for cause in i.because}
    assert answered == {house.match(f"m{i}").id for i in range(5) if i != place}


def _explodes(house: House) -> bool:
    return any("explode" in turn.text for turn in house.llm.questions[-1].new)


def test_the_party_of_a_poison_activity_goes_on(open_house: Open) -> None:
    """What comes after it is read, and a due re-read leaves it out; seen to fail with the party parked."""
    house = open_house(buys(), EXPLODES)
    house.hear("explode", id="m1")
    house.hear("buy")
    assert house.fields()["intent"] == "buy"
    house.clock.move(60)
    house.edit("m2", "buy two")
    house.work()
    assert [row.work.key.partition("/")[2] for row in house.parked()] == [house.activity("m1").id]
    assert not house.standing().needs_whole


def test_every_call_is_booked_with_its_cost_though_it_brought_nothing(open_house: Open) -> None:
    """A refusal costs money too; seen to fail with the calls of the search for poison thrown away."""
    house = open_house(buys(), EXPLODES)
    house.llm.reworded = lambda answer: replace(answer, cost_usd=0.25)
    for text in ("buy 1", "buy 2", "explode", "buy 3"):
        house.clock.move(1)
        house.say(text)
    house.work()
    assert len(inferences(house)) == len(house.llm.questions) > 3
    assert house.journal.spent_usd(house.clock().date()) == 0.25 * len(house.llm.questions)


def test_a_poison_activity_that_a_person_retries_is_read_by_itself(open_house: Open) -> None:
    """With another model, or another prompt, it may be readable; seen to fail with the refusal's id for the answer."""
    house = open_house(buys(), EXPLODES)
    house.hear("explode or buy", id="m1")
    (parked,) = house.parked()
    house.journal.retry(parked.work)
    house.work()
    (parked,) = house.parked()
    assert str(parked.parked_reason).startswith("again, the model's answer: refusal (")
    house.script(buys())
    house.journal.retry(parked.work)
    house.work()
    assert not house.parked()
    assert house.fields()["intent"] == "buy"
    (claim,) = [c for c in house.facts("claim") if isinstance(c, Claim) and c.field == "intent"]
    inference = house.journal.get(claim.inference)
    assert isinstance(inference, Inference) and (inference.stop, '"buy"' in inference.answer) == ("end", True)


def test_a_model_that_is_away_only_delays(open_house: Open) -> None:
    """Nothing is parked and nothing lost; seen to fail with each error parked."""
    house = open_house({"match": "buy", "error": "temporary"})
    house.hear("buy")
    assert house.journal.work("waiting") and not house.parked()
    house.script(buys())
    house.clock.move(3600)
    house.work()
    assert house.fields()["intent"] == "buy"


def test_a_prompt_that_is_missing_pauses_and_says_which_one(open_house: Open) -> None:
    """The operator must act, and is told how; seen to fail with any prompt taken instead."""
    house = open_house(buys())
    house.app.pipeline.parts.prompts = dict[str, Prompt]()
    house.hear("buy")
    (pause,) = house.journal.paused().values()
    assert "prompt relationship" in pause.reason
    assert not house.llm.questions and not house.parked()
    house.restart()
    house.app.ready()
    house.work()
    assert house.fields()["intent"] == "buy"


# What is too long for one question ------------------------------------------------------------------------------------


def long_call(*words: str) -> str:
    """A text of three questions' length, with words of its own in each third."""
    filler = "and so on and on, said the customer.\n" * 2_500
    return "".join(f"{filler}{word}.\n" for word in words)


def test_a_call_of_hours_is_read_to_its_last_word(open_house: Open) -> None:
    """In as many calls as it takes, each knowing what the ones before it found; seen to fail with the rest left out."""
    rules = [buys("first buy"), says("second part", op("budget", "400", "second part")), says("third", steps=[])]
    house = open_house(*rules)
    for text in ("Hello", long_call("first buy", "second part", "third"), "Goodbye"):
        house.clock.move(60)
        house.mail("Ann <ann@x.test>", text)
        house.poll()
    read = inferences(house)
    assert [(i.part, i.parts) for i in read] == [(1, 1), (1, 3), (2, 3), (3, 3), (1, 1)]
    told = " ".join(text for texts in house.llm.heard[1:4] for text in texts)
    assert [told.count(words) for words in ("first buy", "second part", "third")] == [1, 1, 1]
    assert '"intent":"buy"' in house.llm.questions[2].user.splitlines()[2]
    assert house.fields()["intent"] == "buy"
    assert house.journal.counts()["pending"] == 0
    assert house.facts("claim")
    assert len({i.because for i in read[1:4]}) == 1


def test_a_part_that_can_t_be_read_parks_the_call_and_a_retry_goes_on_there(open_house: Open) -> None:
    """What was read of it stays read, and is paid for once; seen to fail with the parts counted from one again."""
    house = open_house(buys("first buy"), {"match": "second", "stop": "refusal"})
    house.mail("Ann <ann@x.test>", long_call("first buy", "second part", "third"))
    house.poll()
    (parked,) = house.parked()
    assert house.fields()["intent"] == "buy"
    house.script(buys("first buy"))
    assert house.journal.retry(parked.work)
    house.work()
    read = [(i.part, i.stop) for i in inferences(house)]
    assert read[0] == (1, "end") and read[-2:] == [(2, "end"), (3, "end")]
    assert {stop for _, stop in read[1:-2]} == {"refusal"}
    assert not house.parked()


# The budget ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "timezone, spent_at, renewed_at",
    [
        ("UTC", datetime(2026, 3, 2, 23, 30, tzinfo=UTC), datetime(2026, 3, 3, 0, 0, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 3, 1, 0, tzinfo=UTC), datetime(2026, 3, 3, 5, 0, tzinfo=UTC)),
        ("Asia/Tokyo", datetime(2026, 3, 2, 16, 0, tzinfo=UTC), datetime(2026, 3, 3, 15, 0, tzinfo=UTC)),
        ("Europe/London", datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 3, 29, 23, 0, tzinfo=UTC)),
    ],
)
def test_a_day_s_money_lasts_for_a_day_as_we_have_it(
    open_house: Open, timezone: str, spent_at: datetime, renewed_at: datetime
) -> None:
    """What was spent before our midnight counts until our midnight; seen to fail with UTC's days in the sum."""
    house = open_house(buys(), timezone=timezone, clock=SetClock(spent_at), env={"SIDECAR_LLM__DAILY_USD": "0.4"})
    house.llm.capabilities = PAID
    house.llm.reworded = lambda answer: replace(answer, cost_usd=0.5)
    house.hear("buy", "ann")
    house.hear("buy", "bob")
    assert len(house.llm.questions) == 1
    (row,) = house.journal.work("waiting")
    assert row.work.kind is WorkKind.PARTY and row.not_before is not None
    assert 0 < (row.not_before - renewed_at).total_seconds() < 5
    house.clock.at = row.not_before
    house.work()
    assert house.fields("bob")["intent"] == "buy"


def test_a_model_without_a_bill_has_no_budget(open_house: Open) -> None:
    """Rules on this machine never wait; seen to fail with the budget asked of everybody."""
    house = open_house(buys(), env={"SIDECAR_LLM__DAILY_USD": "0.1", "SIDECAR_LLM__PARTY_DAILY_TOKENS": "1"})
    house.llm.reworded = lambda answer: replace(answer, cost_usd=0.5)
    house.hear("good day")
    house.hear("buy")
    assert house.fields()["intent"] == "buy"


def test_one_party_s_share_is_not_the_others(open_house: Open) -> None:
    """What is spent on one waits alone, says why, and is read when the day is new; seen to fail without the share."""
    house = open_house(buys(), env={"SIDECAR_LLM__PARTY_DAILY_USD": "0.4", "SIDECAR_LLM__SENDER_DAILY_USD": "0"})
    house.llm.capabilities = PAID
    house.llm.reworded = lambda answer: replace(answer, cost_usd=0.5)
    house.hear("good day", "ann")
    house.hear("buy", "ann")
    house.hear("buy", "bob")
    assert house.fields("bob")["intent"] == "buy"
    assert "intent" not in house.fields("ann")
    (row,) = house.journal.work("waiting")
    assert row.waits_for == "llm.party_daily_usd = 0.4 is spent; this waits until tomorrow"
    assert row.not_before is not None
    house.clock.at = row.not_before
    house.work()
    assert house.fields("ann")["intent"] == "buy"


def test_tokens_are_a_bound_too(open_house: Open) -> None:
    """A model of one's own sends no bill, and has only so much time; seen to fail with money alone counted."""
    house = open_house(buys(), env={"SIDECAR_LLM__DAILY_TOKENS": "1000"})
    house.llm.capabilities = PAID
    house.llm.reworded = lambda answer: replace(answer, input_tokens=900, output_tokens=50, cache_read_tokens=50)
    house.hear("buy", "ann")
    house.hear("buy", "bob")
    assert len(house.llm.questions) == 1
    (row,) = house.journal.work("waiting")
    assert row.waits_for == "llm.daily_tokens = 1000 are used; this waits until tomorrow"


def test_a_loud_sender_s_words_wait_and_the_others_are_read(open_house: Open) -> None:
    """In one conversation, and across all of theirs, each pays for its own words; nothing is lost.

    Seen to fail with the share asked of the party alone.
    """
    house = open_house(buys(), env={"SIDECAR_LLM__PARTY_DAILY_USD": "0", "SIDECAR_LLM__SENDER_DAILY_USD": "0.4"})
    house.llm.capabilities = PAID
    house.llm.reworded = lambda answer: replace(answer, cost_usd=0.5)
    house.hear("buy cheap pills " * 100, "ann")
    house.clock.move(60)
    house.say("more pills", "ann")
    house.answer("We buy nothing, thank you", "ann")
    house.work()
    assert house.llm.heard[-1] == ["We buy nothing, thank you"]
    assert house.journal.counts()["pending"] == 1
    (row,) = house.journal.work("waiting")
    assert "llm.sender_daily_usd = 0.4 is spent" in (row.waits_for or "")
    assert row.not_before is not None
    house.clock.at = row.not_before
    house.work()
    assert "more pills" in house.llm.heard[-1]
    assert house.journal.counts()["pending"] == 0


def test_a_flood_from_one_sender_keeps_nobody_waiting(open_house: Open) -> None:
    """Whoever writes without end has one place in the queue, like everybody, and goes to its end after each run."""
    house = open_house(buys())
    for i in range(150):
        house.say(f"cheap pills, {1_000 * '#'} offer {i} from spam", "spam")
    for name in ("ann", "bob", "cid"):
        house.say(f"buy, says {name}", name)
    while house.journal.due(1, [WorkKind.PARSE, WorkKind.RESOLVE]):
        house.resolve()
    house.clock.move(900)
    while keys := house.journal.due(1, [WorkKind.PARTY]):
        house.clock.move(1)
        house.app.worker.handle(keys[0])
    asked = [texts[0].rpartition(" ")[2] for texts in house.llm.heard]
    assert sorted(asked[1:4]) == ["ann", "bob", "cid"]
    assert asked[0] == asked[4] == "spam"


# What changes while the model thinks --------------------------------------------------------------------------------


def test_what_a_person_says_while_the_model_thinks_is_not_overruled(open_house: Open) -> None:
    """A verdict is given on what stands when it is given; seen to fail with the standing from before the call."""
    house = open_house(buys(), says("support", op("intent", "support", "support")))
    house.hear("buy")
    (deal,) = house.records("contact")
    house.clock.move(60)
    house.say("I need support")

    def meanwhile(_: object) -> None:
        house.clock.move(60)
        house.app.ledger.edit("contact", deal.ref, {"ai_intent": "inform"})  # type: ignore[attr-defined]
        house.journal.commit(_synced(house.standing().party))
        house.app.worker.handle(WorkKey(WorkKind.SYNC, house.standing().party))

    house.llm.meanwhile = meanwhile
    house.work()
    assert house.fields()["intent"] == "inform"
    (contact,) = house.records("contact")
    assert contact.fields["ai_intent"] == "inform"


def _synced(party: str) -> Any:
    from sidecar.journal import Entry, Touch

    return Entry(touches=(Touch(WorkKey(WorkKind.SYNC, party)),))


def test_facts_and_the_work_that_follows_are_one_commit(open_house: Open) -> None:
    """Between a decision and its sync nothing can be lost; seen to fail with the touch in an entry of its own."""
    house = open_house(buys())
    append, entries = house.journal.append, []

    def seeing(entry: Any) -> Any:
        entries.append(entry)
        return append(entry)

    house.journal.append = seeing  # type: ignore[method-assign]
    house.hear("buy")
    (deciding,) = [e for e in entries if any(isinstance(fact, Decision) for fact in e.facts)]
    assert {touch.work.kind for touch in deciding.touches} == {WorkKind.SYNC, WorkKind.WATCH}
    assert deciding.finish is not None
    assert {type(fact).KIND for fact in deciding.facts} == {"inference", "claim", "decision"}


def test_a_history_that_must_be_read_again_is_though_its_question_is_an_old_one(open_house: Open) -> None:
    """Only the first words are left, and nothing was believed, so the question is the first one, letter for letter.

    Seen to fail, and a sync beside it to go round for ever, with the same fact for both readings.
    """
    house = open_house(buys())
    house.hear("Hello")
    second = house.hear("Nothing of interest")
    house.clock.move(60)
    house.delete(second)
    house.work()
    standing = house.standing()
    assert not standing.needs_whole
    first, *_, last = inferences(house)
    assert (first.request["user"], first.answer) == (last.request["user"], last.answer)
    assert first.id != last.id
    assert len(house.llm.questions) == 3
