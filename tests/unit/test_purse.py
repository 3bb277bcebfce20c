"""The purse: what a spent budget holds back waits for the day or for another budget, and holds up nobody else."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.ports import LLMCapabilities
from tests.support.houses import House, buys

Open = Callable[..., House]
PAID = LLMCapabilities(structured_outputs=True, deterministic=True)


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Open]:
    """Opens a house whose model takes half a dollar for each answer."""
    opened: list[House] = []

    def make(*rules: dict[str, Any], **env: str) -> House:
        opened.append(House(tmp_path, "sqlite:///journal.db", *rules, env=env).start())
        _charge(opened[-1])
        return opened[-1]

    yield make
    for house in opened:
        house.app.close()


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
