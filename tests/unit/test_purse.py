"""The purse: what a spent budget holds back waits for the day or for another budget, and holds up nobody else."""

from dataclasses import replace
from typing import Any

import pytest

from sidecar.infer.question import MAX_TOKENS
from sidecar.ports import LLMCapabilities
from tests.support.houses import House, buys
from tests.support.openings import Open

ANN_ALONE = {"SIDECAR_LLM__PARTY_DAILY_USD": "0", "SIDECAR_LLM__SENDER_DAILY_USD": "0.4"}
PAID = LLMCapabilities(structured_outputs=True, deterministic=True)


@pytest.fixture
def open_house(open_house: Open) -> Open:
    """Opens a house whose model takes half a dollar for each answer."""

    def make(*rules: dict[str, Any], **env: str) -> House:
        house = open_house(*rules, env=env)
        _charge(house)
        return house

    return make


def _charge(house: House) -> None:
    house.llm.capabilities = PAID
    house.llm.reworded = lambda answer: replace(answer, cost_usd=0.5)


def test_a_loud_sender_s_wait_is_nobody_else_s(open_house: Open) -> None:
    """What others say later is read then, and not tomorrow; seen to fail with the whole party put off."""
    house = open_house(buys(), SIDECAR_LLM__PARTY_DAILY_USD="0", SIDECAR_LLM__SENDER_DAILY_USD="0.4")
    house.hear("buy cheap pills", "ann")
    house.hear("more pills", "ann")
    house.clock.move(600)
    house.answer("We buy nothing, thank you", "ann")
    house.work()
    assert house.llm.heard == [["buy cheap pills"], ["We buy nothing, thank you"]]
    (row,) = house.journal.work("waiting")
    assert "llm.sender_daily_usd = 0.4 is spent" in (row.waits_for or "")


def test_a_budget_that_was_raised_holds_from_the_next_start(open_house: Open) -> None:
    """Who is told to raise a budget and restart finds that it helps; seen to fail with work put off until tomorrow."""
    house = open_house(buys(), SIDECAR_LLM__DAILY_USD="0.4")
    house.hear("buy", "ann")
    house.hear("buy", "bob")
    assert "intent" not in house.fields("bob")
    house.clock.move(60)
    house.restart(SIDECAR_LLM__DAILY_USD="5")
    _charge(house)
    house.app.ready()
    house.work()
    assert house.fields("bob")["intent"] == "buy"


def test_a_loud_sender_s_backlog_hides_nobody(open_house: Open) -> None:
    """However much of it stands before what others said; seen to fail with the oldest fifty looked at alone."""
    house = open_house(buys(), SIDECAR_LLM__PARTY_DAILY_USD="0", SIDECAR_LLM__SENDER_DAILY_USD="0.4")
    house.hear("buy cheap pills", "ann")
    for number in range(60):
        house.clock.move(1)
        house.say(f"more pills, {number}", "ann")
    house.answer("We buy nothing, thank you", "ann")
    house.work()
    assert house.llm.heard == [["buy cheap pills"], ["We buy nothing, thank you"]]
    assert house.journal.counts()["pending"] == 60
    (row,) = house.journal.work("waiting")
    assert row.not_before is not None
    house.clock.at = row.not_before
    house.work()
    assert "more pills, 49" in {text for texts in house.llm.heard for text in texts}


def days(house: House, count: int) -> list[list[list[str]]]:
    """Let so many days go by, and return what was asked about on each, the first one included."""
    asked = []
    for _ in range(count):
        before = len(house.llm.heard)
        house.work()
        asked.append(house.llm.heard[before:])
        house.clock.move(86_400)
    return asked


def test_a_share_is_asked_for_before_each_call_and_the_search_goes_on_where_it_ended(open_house: Open) -> None:
    """Halving costs as anything does: a call a day here, none of them twice, until what has no answer is named.

    Seen to fail with the purse asked once a run, which made all calls on the first day.
    """
    house = open_house(buys(), {"match": "explode", "stop": "refusal"}, **ANN_ALONE)
    for text in ("explode", "buy 1", "buy 2", "buy 3"):
        house.clock.move(1)
        house.say(text)
    house.resolve()
    asked = days(house, 4)
    assert [[len(texts) for texts in day] for day in asked] == [[4], [2], [1], [3]]
    assert len(house.parked()) == 1
    assert house.fields()["intent"] == "buy"
    assert house.journal.counts()["pending"] == 0


def test_a_share_that_is_spent_within_a_run_is_nobody_else_s(open_house: Open) -> None:
    """What others wrote beside it is read at once; seen to fail with all of it put off until tomorrow."""
    house = open_house({"match": "explode", "stop": "refusal"}, **ANN_ALONE)
    house.say("explode", "ann")
    house.clock.move(1)
    house.answer("We buy nothing, thank you", "ann")
    house.resolve()
    house.work()
    house.clock.move(60)
    house.work()
    assert house.llm.heard == [["explode", "We buy nothing, thank you"], ["We buy nothing, thank you"]]
    (row,) = house.journal.work("waiting")
    assert "llm.sender_daily_usd = 0.4 is spent" in (row.waits_for or "")


def test_more_room_is_paid_for_by_the_same_purse(open_house: Open) -> None:
    """A cut-off answer isn't asked for again on the same day; seen to fail with two calls a day for it."""
    house = open_house({"match": "long", "stop": "truncated"}, **ANN_ALONE)
    house.say("long")
    assert days(house, 3) == [[["long"]], [["long"]], []]
    assert [question.max_tokens for question in house.llm.questions] == [MAX_TOKENS, 2 * MAX_TOKENS]
    assert len(house.parked()) == 1
