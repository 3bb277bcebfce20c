"""The admin's round by command: edit a prompt, replay it, read the report, adopt it, take it back."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from justhtml import JustHTML

from tests.support.offices import CONFIG, Office

PROMPTS = Path(__file__).parent.parent.parent / "prompts"
BUYS = {"match": "lesson", "answer": {"ops": [
    {"field": "intent", "value": "buy", "certainty": "stated", "evidence": [{"quote": "lesson"}]}
]}}  # fmt: skip
LOSES = {"match": "lesson", "answer": {"ops": [
    {"field": "stage", "value": "closed_lost", "certainty": "stated", "evidence": [{"quote": "lesson"}]}
]}}  # fmt: skip


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office with one conversation, a second model, and an edited prompt."""
    made = Office(tmp_path).furnish(
        [BUYS], CONFIG.replace('path = "script.json"', 'path = "script.json"\n[llm.models]\nother = "other.json"')
    )
    (tmp_path / "other.json").write_text(json.dumps([LOSES]))
    shutil.copytree(PROMPTS, tmp_path / "prompts")
    made.mail("Ann Lee <ann@x.test>", "I would like a trial lesson.")
    made.run()
    return made


def edit(office: Office, line: str = "Be brief.") -> None:
    """An admin adds a rule."""
    file = office.base / "prompts" / "relationship.md"
    file.write_text(file.read_text().replace("## Rules\n", f"## Rules\n\n- {line}\n"))


def shown(office: Office, *arguments: str) -> str:
    """Replay, and return what is printed; how much it reads and costs is said beside."""
    result = office.sidecar("replay", "--yes", *arguments)
    assert result.exit_code == 0, result.output
    assert "which costs" in result.stderr
    return result.stdout


def replayed(office: Office, *arguments: str) -> Any:
    """Replay, and return the report."""
    return json.loads(shown(office, "--json", *arguments))


def row(office: Office) -> Any:
    """The last line of the prompt's history."""
    return office.data("prompts", "history", "relationship")["history"][-1]


def test_a_dry_run_only_says_how_much_it_is(office: Office) -> None:
    """Whoever looks first spends nothing, and is not asked; seen to fail with `--dry-run` left unread."""
    edit(office)
    result = office.sidecar("--dry-run", "replay", "--prompt", "relationship", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["readings"] == 1
    assert "which costs" in result.stderr
    assert "baseline" not in result.stderr
    assert not list(office.base.glob("data/replays/*/report.json"))


def test_rules_are_said_to_read_no_prompt(tmp_path: Path) -> None:
    """Nothing that differs would else be taken for a good sign; a model's replay doesn't say so."""
    rules = Office(tmp_path).furnish([], CONFIG.replace('type = "scripted"\npath = "script.json"', 'type = "baseline"'))
    shutil.copytree(PROMPTS, tmp_path / "prompts")
    rules.mail("Ann Lee <ann@x.test>", "I would like a trial lesson.")
    rules.run()
    edit(rules)
    looked = rules.sidecar("--dry-run", "replay", "--prompt", "relationship")
    assert "an edited one changes nothing here" in looked.stderr


def test_the_whole_round(office: Office) -> None:
    """Edit, replay, read, adopt with the report's id on record, roll back."""
    before = office.data("prompts", "list")["prompts"][0]["sha256"]
    assert "there is no edited relationship.md" in office.refused("replay", "--prompt", "relationship")
    edit(office)
    report = replayed(office, "--prompt", "relationship")
    assert (report["parties"], report["readings"], report["differences"]) == (1, 1, [])
    assert report["was"]["prompts"]["relationship"] == before != report["new"]["prompts"]["relationship"]
    folder = office.base / "data" / "replays" / report["id"]
    JustHTML((folder / "report.html").read_text(), strict=True)
    assert json.loads((folder / "report.json").read_text()) == report
    assert (folder / "report.json").stat().st_mode & 0o077 == 0
    assert "1 readings of 1 parties" in shown(office, "--prompt", "relationship")
    adopted = office.told("prompts", "adopt", "relationship", "--gate", "--because", "shorter")
    assert f"It rests on report {report['id']}: " in adopted
    assert (row(office)["report"], row(office)["reason"]) == (report["id"], "shorter")
    office.told("prompts", "rollback", "relationship")
    assert row(office)["sha256"] == before


def test_a_gate_wants_a_report_of_this_very_text(office: Office) -> None:
    """Neither none nor another text's will do; seen to fail with any report taken."""
    edit(office)
    assert "no report shows what this relationship changes" in office.refused(
        "prompts", "adopt", "relationship", "--gate"
    )
    report = replayed(office, "--prompt", "relationship")["id"]
    edit(office, "Be very brief.")
    assert "no report shows" in office.refused("prompts", "adopt", "relationship", "--gate")
    assert f"report {report} tried another text" in office.refused(
        "prompts", "adopt", "relationship", "--report", report
    )
    assert "there is no report" in office.refused("prompts", "adopt", "relationship", "--report", "nonesuch")
    assert "there is no report" in office.refused("prompts", "adopt", "relationship", "--report", "../x")
    assert "No replay of this text" in office.told("prompts", "adopt", "relationship")
    assert row(office)["report"] == ""


def test_what_got_worse_is_not_adopted(office: Office) -> None:
    """The config may want a gate before all; seen to fail with the report's faults left out."""
    config = office.config.read_text()
    office.config.write_text(config + "\n[prompts]\ngate = true\n")
    edit(office)
    (office.base / "script.json").write_text(json.dumps([LOSES]))
    report = replayed(office, "--prompt", "relationship")
    assert report["ended"]
    told = office.refused("prompts", "adopt", "relationship")
    assert "not adopted" in told and "would be over" in told
    office.config.write_text(config + "\n[prompts]\ngate = true\nmax_drop = 1.0\n")
    office.told("prompts", "adopt", "relationship")
    assert row(office)["report"] == report["id"]
    office.config.write_text(config + "\n[prompts]\ngate = true\nauto_adopt = true\n")
    assert "at odds with prompts.gate" in office.refused("prompts", "list", code=2)


def test_a_gate_wants_all_parties(office: Office) -> None:
    """A look at one of them proves nothing of the others; seen to fail with any replay taken."""
    edit(office)
    replayed(office, "--prompt", "relationship", "--limit", "1")
    assert "some of the parties alone" in office.refused("prompts", "adopt", "relationship", "--gate")
    replayed(office, "--prompt", "relationship", "--party", "ann@x.test")
    assert "some of the parties alone" in office.refused("prompts", "adopt", "relationship", "--gate")
    report = replayed(office, "--prompt", "relationship")["id"]
    office.told("prompts", "adopt", "relationship", "--gate", "--report", report)


def test_another_model_and_another_policy(office: Office) -> None:
    """What would differ is shown as a table; nothing on trial is an error that says what to say."""
    told = shown(office, "--model", "other")
    assert "closed_lost" in told and "1 relationships would be over" in told
    stricter = office.base / "stricter.toml"
    stricter.write_text(office.config.read_text().replace('mode = "auto"', 'mode = "suggest"'))
    assert "0 values in the CRM would differ" in shown(office, "--policy", str(stricter))
    assert "nothing is on trial" in office.refused("replay")
    assert "no script for model" in office.refused("replay", "--model", "third", code=2)
    assert replayed(office, "--model", "other", "--party", "ann@x.test")["parties"] == 1
    assert replayed(office, "--model", "other", "--since", "2199-01-01")["parties"] == 0


def test_what_is_paid_for_asks_first(office: Office) -> None:
    """The scripted model has a made-up price; in a script --yes must be said, and batches must exist."""
    edit(office)
    result = office.sidecar("replay", "--model", "other")
    assert result.exit_code == 1
    assert "less than a cent" in result.stderr and "say --yes" in result.stderr
    assert "It ends at $5 (--max-usd)" in result.stderr, "a day's budget, where nothing is said"
    told = office.sidecar("--dry-run", "replay", "--model", "other", "--max-usd", "0.5").stderr
    assert "It ends at $0.5 (--max-usd); the same command then goes on." in told
    assert "takes one question at a time" in office.refused("replay", "--model", "other", "--batch", "--yes")
