"""Packs: fields that work as they come, from somebody's words to a property of a CRM."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sidecar.config import load
from sidecar.config.packs import packs
from sidecar.config.sources import default_tables
from sidecar.errors import ConfigError
from sidecar.infer.question import asked, system
from sidecar.model import Role
from sidecar.prompts import parse
from tests.support.houses import House, op, says

PROMPT = parse(Path("prompts/relationship.md").read_text(), "prompts/relationship.md")
ALL = ",".join(packs())
SAID: Mapping[str, tuple[str, Mapping[str, tuple[str, str, Any]]]] = {
    "lead": (
        "We need 40 seats of the planner in Leeds by 1 March. Jo recommended you; today we live in spreadsheets.",
        {
            "interest": ("planner", "seats of the planner", "planner"),
            "quantity": ("40 seats", "40 seats", "40 seats"),
            "needed_by": ("by 1 March", "by 1 March", "by 1 March"),
            "location": ("Leeds", "in Leeds", "Leeds"),
            "heard_of_us": ("recommended by Jo", "Jo recommended you", "recommended by Jo"),
            "uses_now": ("spreadsheets", "we live in spreadsheets", "spreadsheets"),
        },
    ),
    "bant": (
        "Our budget is 9,000 EUR. My partner and I decide together, in March. We can't see which machines stand idle.",
        {
            "budget": ("9,000 EUR", "budget is 9,000 EUR", "9,000 EUR"),
            "authority": ("Shares", "My partner and I decide together", "shares"),
            "need": ("see idle machines", "can't see which machines stand idle", "see idle machines"),
            "timeline": ("decision in March", "decide together, in March", "decision in March"),
        },
    ),
    "meddic": (
        "We lose two orders a week. We want hand-over in 1 day, not 3. It has to run on our own servers. "
        "Our CFO signs it. Pilot in May, then the board. I'm presenting it to the team on Monday, Ann.",
        {
            "metrics": ("hand-over in 1 day, not 3", "hand-over in 1 day, not 3", "hand-over in 1 day, not 3"),
            "economic_buyer": ("CFO", "Our CFO signs it", "CFO"),
            "decision_criteria": ("own servers", "has to run on our own servers", "own servers"),
            "decision_process": ("pilot in May; board", "Pilot in May, then the board", "pilot in May; board"),
            "pain": ("two orders lost a week", "lose two orders a week", "two orders lost a week"),
            "champion": ("Ann", "I'm presenting it to the team on Monday", "Ann"),
        },
    ),
    "appointment": (
        "A table by the window, four of us, Rosa please, never been before. Weekdays after five, and call me. "
        "Sorry about Friday, train strike.",
        {
            "service": ("table by the window", "A table by the window", "table by the window"),
            "preferred_time": ("weekdays after five", "Weekdays after five", "weekdays after five"),
            "preferred_person": ("Rosa", "Rosa please", "Rosa"),
            "visitors": ("4", "four of us", 4.0),
            "first_visit": ("true", "never been before", True),
            "reach_by": ("call", "call me", "call"),
            "missed_because": ("train strike", "Sorry about Friday, train strike", "train strike"),
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_a_pack_works_from_the_words_to_the_crm(name: str, tmp_path: Path) -> None:
    """One line of config, and each field is asked for, grounded, decided and written to a property of its own."""
    text, fields = SAID[name]
    rule = says("", *(op(field, value, quote) for field, (value, quote, _) in fields.items()))
    qualified = op("stage", "qualified", next(iter(fields.values()))[1])
    rule["match"], rule["answer"]["ops"] = ".", [qualified, *rule["answer"]["ops"]]
    with House(tmp_path, "sqlite:///journal.db", rule, after=f'[prompts]\npacks = ["{name}"]\n') as house:
        house.start().hear(text)
        system_text = house.llm.questions[-1].system
        for kind in ("contact", "deal"):
            (record,) = house.records(kind)
            for field, (_, _, wanted) in fields.items():
                assert record.fields[f"ai_{field}"] == wanted, f"{kind} {field}"
                assert f"\n## {field} (" in system_text


def test_every_field_of_a_pack_is_whole() -> None:
    """Criteria for and against, a word on who may say it, and targets that `provision` makes, none taken by another."""
    taken = {target for table in default_tables()["fields"].values() for target in table.get("targets", ())}
    names = set(default_tables()["fields"])
    for pack in packs().values():
        assert pack.about.endswith(".")
        for name, table in pack.fields.items():
            assert table["criteria"].strip() and table["not_criteria"].strip(), name
            assert set(table["asserted_by"]) <= {"customer", "agent", "system"}, "a bot's word is nobody's"
            assert table["targets"] == [f"contact.ai_{name}", f"deal.ai_{name}"]
            assert name not in names and not taken & set(table["targets"]), f"{name} is another's"
            names.add(name)
            taken |= set(table["targets"])


def test_what_counts_speaks_of_every_value() -> None:
    """A model is told what each allowed value means."""
    fields = [table for pack in packs().values() for table in pack.fields.values()]
    assert [v for table in fields for v in table.get("values", ()) if f"`{v}`" not in table["criteria"]] == []


def test_all_packs_go_together() -> None:
    """A team that works by several takes up several: every field is configured, with its criteria in the question."""
    policy = load(None, {"SIDECAR_PROMPTS__PACKS": ALL}).policy()
    told = system(PROMPT, asked(PROMPT, policy), tuple(policy.stages.values()), policy.first_stage, "")
    for pack in packs().values():
        for name, table in pack.fields.items():
            assert table["criteria"].strip() in told
            assert table["not_criteria"].strip() in told
            assert policy.fields[name].asserted_by <= {Role.CUSTOMER, Role.AGENT, Role.SYSTEM}


def test_the_config_wins_over_a_pack_key_by_key(tmp_path: Path) -> None:
    """What an admin writes of one key leaves the rest of the field as the pack has it."""
    file = tmp_path / "config.toml"
    file.write_text('[prompts]\npacks = ["bant"]\n[fields.need]\nmax_chars = 50\n[fields.timeline]\nenabled = false\n')
    policy = load(file, {}).policy()
    assert policy.fields["need"].max_chars == 50
    assert policy.fields["need"].criteria == packs()["bant"].fields["need"]["criteria"].strip()
    assert "timeline" not in policy.fields
    assert "authority" in policy.fields


def test_what_counts_is_the_config_s_then_the_prompt_s_then_the_pack_s(tmp_path: Path) -> None:
    """A section in the prompt file tunes a pack's field, criteria in the config beat both; seen to fail either way."""
    own = parse(PROMPT.source + "\n## field: need\n\n- Only what burns.\n", "prompts/relationship.md")
    file = tmp_path / "config.toml"

    def told(config: str) -> str:
        file.write_text('[prompts]\npacks = ["bant"]\n' + config)
        policy = load(file, {}).policy()
        return system(own, asked(own, policy), tuple(policy.stages.values()), policy.first_stage, "")

    pack = packs()["bant"].fields["need"]["criteria"].strip()
    assert "Only what burns." in told("")
    assert pack not in told("")
    config = told('[fields.need]\ncriteria = "What we say."\nnot_criteria = "What we do not."\n')
    assert "What we say." in config
    assert "What we do not." in config
    assert "Only what burns." not in config


def test_a_pack_that_is_not_there_refuses_to_start(tmp_path: Path) -> None:
    """A misspelt pack isn't found by fields that never come."""
    file = tmp_path / "config.toml"
    file.write_text('[prompts]\npacks = ["bnat"]\n')
    with pytest.raises(ConfigError, match=r"there is no such pack; did you mean 'bant'\?"):
        load(file, {})
