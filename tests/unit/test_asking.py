"""Asking: the small model first, the stronger one about hard cases, every call booked, nobody asked in circles."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.llms.scripted import ScriptedLLM, ScriptedOptions
from sidecar.config import load
from sidecar.errors import ConfigError
from sidecar.infer import WHOLE_ACTIVITIES
from sidecar.infer.question import MAX_TOKENS
from sidecar.model import Claim, Inference, Prompt
from sidecar.model.means import REASONS, Hard
from sidecar.ports import LLMCapabilities
from tests.support.houses import House, buys, op, says
from tests.support.openings import Open

PAID = LLMCapabilities(structured_outputs=True, deterministic=True)
SMALL, STRONG = "scripted-1", "two"
WON = says("signed", op("stage", "closed_won", "signed"))
NOTHING = {"match": "no such words"}


@pytest.fixture
def open_house(tmp_path: Path, open_house: Open) -> Open:
    """Opens houses with a small model that follows the rules given, and a stronger one that follows those of `two`."""

    def make(*rules: dict[str, Any], two: Sequence[dict[str, Any]] = (NOTHING,), **env: str) -> House:
        (tmp_path / "two.json").write_text(json.dumps(two))
        models = {"SIDECAR_LLM__MODELS": '{"two": "two.json"}', "SIDECAR_LLM__STRONGER_MODEL": "two"}
        return open_house(*rules, env={**models, **env})

    return make


def calls(house: House) -> list[tuple[str, str]]:
    """Who was asked, and why that was passed on; in order."""
    return [(i.model, i.passed_on) for i in house.facts("inference") if isinstance(i, Inference)]


def inferences(house: House) -> list[Inference]:
    """All inferences of the book."""
    return [fact for fact in house.facts("inference") if isinstance(fact, Inference)]


def test_the_stronger_model_is_for_hard_cases_alone(open_house: Open) -> None:
    """What is plain costs one call; seen to fail with everything passed on."""
    house = open_house(buys())
    house.hear("buy")
    assert calls(house) == [(SMALL, "")]


@pytest.mark.parametrize(
    ("reason", "rule"),
    [
        ("conflict", says("hard", op("intent", "", "hard", op="conflict"))),
        ("terminal", says("hard", op("stage", "closed_lost", "hard"))),
        ("terminal", says("hard", op("stage", "closed_won", "hard"))),
        ("unverified", {**says("hard", op("stage", "booked", "that was never said")), "unfaithful": True}),
        ("transition", says("hard", op("stage", "attended", "hard"))),
        ("refusal", {"match": "hard", "stop": "refusal"}),
    ],
)
def test_each_hard_case_is_read_by_the_stronger_model(open_house: Open, reason: str, rule: dict[str, Any]) -> None:
    """It reads the same words, its answer is believed, and nothing that the small one said is; both are booked.

    Seen to fail with the first answer's claims kept.
    """
    house = open_house(rule, two=[says("hard", op("intent", "support", "hard"))])
    house.hear("hard")
    assert calls(house) == [(SMALL, reason), (STRONG, "")]
    first, second = inferences(house)
    assert (first.escalated_from, second.escalated_from) == ("", first.id)
    assert {c.inference for c in house.facts("claim") if isinstance(c, Claim)} == {second.id}
    assert house.fields()["intent"] == "support"
    assert house.journal.counts()["pending"] == 0


@pytest.mark.parametrize("reason", [r for r in REASONS if r not in ("invalid", "truncated")])
def test_admins_say_what_is_hard(open_house: Open, reason: str) -> None:
    """Each reason can be left out, and none is needed; seen to fail with the setting ignored."""
    rules = {
        "conflict": says("hard", op("intent", "", "hard", op="conflict")),
        "terminal": says("hard", op("stage", "closed_lost", "hard")),
        "unverified": {**says("hard", op("stage", "booked", "that was never said")), "unfaithful": True},
        "transition": says("hard", op("stage", "attended", "hard")),
        "refusal": {"match": "hard", "stop": "refusal"},
    }
    others = [name for name in REASONS if name != reason]
    house = open_house(rules[reason], SIDECAR_INFERENCE__ESCALATE=json.dumps(others))
    house.hear("hard")
    assert {model for model, _ in calls(house)} == {SMALL}


def test_a_field_that_nobody_calls_key_may_go_unverified(open_house: Open) -> None:
    """A wrong quote about the mood isn't worth twenty times the price, unless an admin says so."""
    rule = {**says("hard", op("sentiment", "angry", "that was never said")), "unfaithful": True}
    house = open_house(rule)
    house.hear("hard")
    assert calls(house) == [(SMALL, "")]
    house.app.pipeline.parts.hard = Hard(key_fields=("sentiment",))
    house.hear("hard", "bob")
    assert calls(house)[-2:] == [(SMALL, "unverified"), (STRONG, "")]


def test_a_key_field_must_be_one() -> None:
    """A name that no field has would never be asked about; it refuses to start."""
    with pytest.raises(ConfigError, match=r"inference\.key_fields: there is no field 'stagee'"):
        load(None, {"SIDECAR_INFERENCE__KEY_FIELDS": '["stagee"]'})


def test_what_the_policy_rejects_anyhow_costs_no_second_call(open_house: Open) -> None:
    """An old deal's end, told again in a later one, is no hard case."""
    house = open_house(
        says("lost", op("stage", "closed_lost", "lost")), two=[says("lost", op("stage", "closed_lost", "lost"))]
    )
    house.hear("lost")
    assert len(calls(house)) == 2
    house.hear("hello")
    assert house.llm.heard[-1] == ["lost", "hello"]
    assert len(calls(house)) == 3


def test_a_cut_off_answer_gets_twice_the_room_and_then_the_stronger_model(open_house: Open) -> None:
    """Once more of the same, then of the other, and there is no fourth; seen to fail without the room."""
    house = open_house({"match": "long", "stop": "truncated"}, two=[says("long", op("intent", "buy", "long"))])
    house.hear("long")
    assert calls(house) == [(SMALL, "truncated"), (SMALL, "truncated"), (STRONG, "")]
    rooms = [i.request["max_tokens"] for i in inferences(house)]
    assert rooms == [MAX_TOKENS, 2 * MAX_TOKENS, 2 * MAX_TOKENS]
    assert house.fields()["intent"] == "buy"


def test_when_the_stronger_one_refuses_too_the_words_wait_for_a_person(open_house: Open) -> None:
    """Nobody is asked a third time, nothing is believed, and the party goes on."""
    house = open_house({"match": "hard", "stop": "refusal"}, buys(), two=[{"match": "hard", "stop": "refusal"}])
    house.hear("hard")
    assert [model for model, _ in calls(house)] == [SMALL, STRONG]
    (parked,) = house.parked()
    assert "refusal" in (parked.parked_reason or "")
    house.hear("buy")
    assert house.fields()["intent"] == "buy"


def test_a_small_call_is_booked_though_the_stronger_one_fails(open_house: Open) -> None:
    """What was paid for stands in the book whatever follows, and the words wait."""
    house = open_house({"match": "hard", "stop": "refusal"}, two=[{"match": "hard", "error": "temporary"}])
    house.hear("hard")
    assert calls(house)[0] == (SMALL, "refusal")
    assert house.journal.counts()["pending"] == 1
    (row,) = [row for row in house.journal.work("waiting") if row.work.kind == "party"]
    assert row.attempts == 1


def test_a_small_call_is_paid_for_once_while_the_stronger_one_is_away(tmp_path: Path, open_house: Open) -> None:
    """The retries take its booked answer; seen to fail with the small model asked again by each of them."""
    house = open_house({"match": "hard", "stop": "refusal"}, two=[{"match": "hard", "error": "temporary"}])
    house.llm.capabilities = PAID
    house.hear("hard")
    for _ in range(3):
        house.clock.move(3_600)
        house.work()
    assert calls(house) == [(SMALL, "refusal")]
    assert len(house.llm.questions) == 1
    (tmp_path / "two.json").write_text(json.dumps([says("hard", op("intent", "buy", "hard"))]))
    house.restart()
    house.llm.capabilities = PAID
    house.app.ready()
    house.clock.move(3_600)
    house.work()
    assert house.fields()["intent"] == "buy"
    first, second = inferences(house)
    assert (len(house.llm.questions), second.model, second.escalated_from) == (0, STRONG, first.id)


def test_another_model_is_asked_anew(open_house: Open) -> None:
    """A booked answer is taken to the question of the very same version alone; seen to fail with the words compared."""
    house = open_house({"match": "hard", "stop": "refusal"}, two=[{"match": "hard", "error": "temporary"}])
    house.llm.capabilities = PAID
    house.hear("hard")
    house.llm.model = "scripted-2"
    house.clock.move(3_600)
    house.work()
    assert (len(house.llm.questions), len(inferences(house))) == (2, 2)


def test_a_conflict_is_shown_the_whole_history_before_anybody_stronger(open_house: Open) -> None:
    """State and news may contradict because the state is wrong, which the history shows to the small model too."""
    house = open_house(buys(), says("no!", op("intent", "", "no!", op="conflict")))
    for i in range(WHOLE_ACTIVITIES + 6):
        house.hear(f"buy {i}")
    before = len(calls(house))
    house.hear("no!")
    asked = inferences(house)[before:]
    assert [(i.model, i.passed_on) for i in asked] == [(SMALL, "doubt"), (SMALL, "conflict"), (STRONG, "")]
    assert [len(house.llm.heard[n]) for n in (-2, -1)] == [1, WHOLE_ACTIVITIES + 7]
    assert asked[-1].whole


def test_a_prompt_may_name_its_model(tmp_path: Path, open_house: Open) -> None:
    """The file that admins write wins over the config, and a model that nobody has is theirs to mend."""
    house = open_house(buys(), two=[says("buy", op("intent", "support", "buy"))])
    prompts = dict(house.app.prompts)
    held: Prompt = prompts["relationship"]
    house.app.pipeline.parts.prompts = {"relationship": replace(held, model=STRONG, effort="high")}
    house.hear("buy")
    assert calls(house) == [(STRONG, "")]
    house.app.pipeline.parts.prompts = {"relationship": replace(held, model="three")}
    house.hear("buy again")
    assert "three" in house.journal.paused()["llm"].reason


def test_rules_are_never_passed_on(tmp_path: Path) -> None:
    """The baseline has nobody behind it, whatever it finds."""
    (tmp_path / "s.json").write_text("[]")
    with House(tmp_path, "sqlite:///journal.db", env={"SIDECAR_LLM__TYPE": "baseline"}).start() as house:
        house.hear("We have signed the contract, you have won!")
        house.hear("No, we decided against it and went with somebody else.")
        assert {i.escalated_from for i in inferences(house)} == {""}
        assert {i.passed_on for i in inferences(house)} == {""}


def test_a_scripted_stronger_model_must_have_a_script(tmp_path: Path) -> None:
    """A model that is named and has no file is told at the start."""
    (tmp_path / "s.json").write_text("[]")
    with House(tmp_path, "sqlite:///journal.db") as house, pytest.raises(ConfigError, match="two"):
        ScriptedLLM("scripted", ScriptedOptions(path="script.json", stronger_model="two"), house.app.context)


def test_what_had_no_answer_is_not_asked_about_again_with_each_message(open_house: Open) -> None:
    """One refused message makes those after it no dearer; seen to fail with two refusals paid for each of them."""
    refuses = {"match": "explode", "stop": "refusal"}
    house = open_house(refuses, two=[refuses])
    for text in ("Hello", "explode", "Hello again", "One more", "And one"):
        before = len(calls(house))
        house.hear(text)
        assert len(calls(house)) - before == (4 if text == "explode" else 1), text
    assert [i.whole for i in inferences(house)][-3:] == [True, True, True]
    assert len(inferences(house)[-1].because) == 4
