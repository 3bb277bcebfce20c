"""The commands `eval` and `try`: as a newcomer runs them, as a build machine does, with a model that costs money."""

import json
import shlex
from pathlib import Path

import pytest

from sidecar.prompts import folder
from tests.support.labelled import buyers, written
from tests.support.offices import CONFIG, Office
from tests.support.parrots import NOTHING, ModelParrot

RULES = [
    {"match": "want to buy", "answer": {
        "ops": [{"field": "intent", "value": "buy", "evidence": [{"quote": "want to buy"}]},
                {"field": "stage", "value": "qualified", "evidence": [{"quote": "want to buy"}]},
                {"field": "budget", "value": "9", "certainty": "weakly_implied",
                 "evidence": [{"quote": "want to buy"}]}],
        "steps": [{"who": "us", "what": "Send the prices", "due_date": "2026-11-21",
                   "evidence": [{"quote": "want to buy"}]}],
        "summary": "Somebody wants to buy."}},
    {"match": "bicycle broke",
     "answer": {"ops": [{"field": "intent", "value": "complain", "evidence": [{"quote": "bicycle broke"}]}]}},
]  # fmt: skip
PAID = CONFIG.replace('type = "scripted"\npath = "script.json"', 'type = "anthropic"\nbase_url = "{url}"')
KEY = {"ANTHROPIC_API_KEY": "key-of-a-test"}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office with a small data set beside its config."""
    made = Office(tmp_path).furnish(RULES)
    written(tmp_path / "set.jsonl", buyers(10))
    return made


def path(office: Office, name: str = "set.jsonl") -> str:
    """The path of a file of the office's."""
    return str(office.base / name)


def test_a_data_set_is_measured(office: Office) -> None:
    """The table says what, by whom, how sure; the JSON says the same, and the page stands where it was asked for."""
    told = office.told("eval", path(office), "--html", path(office, "r.html"))
    assert "set.jsonl, dev: 8 conversations read by relationship" in told
    assert "scripted" in told
    for words in ("stage.accuracy", "95 % interval", "Stages", "language", "en", "came out wrong"):
        assert words in told
    assert (office.base / "r.html").read_text().startswith("<!DOCTYPE html>")
    data = office.data("eval", path(office))
    assert data["split"] == "dev"
    assert data["report"]["n"] == 8
    held = data["report"]["figures"]["field.intent.accuracy"]
    assert (held["value"], round(held["low"], 3), held["high"], held["n"]) == (1.0, 0.676, 1.0, 8)
    assert {m["field"] for m in data["report"]["mistakes"]} == {"stage", "budget", "sentiment"}
    assert data["fallen"] == []
    assert not (office.base / "journal.db").exists()


def test_a_split_and_a_tag_choose(office: Office) -> None:
    """What is held out is measured only when it is asked for by name."""
    assert office.data("eval", path(office), "--split", "test")["report"]["n"] == 2
    assert office.data("eval", path(office), "--split", "all")["report"]["n"] == 10
    assert "no split 'train'" in office.refused("eval", path(office), "--split", "train")
    assert "tag 'x'" in office.refused("eval", path(office), "--tag", "x")
    assert "no such file" in office.refused("eval", path(office, "none"), code=2)


def test_two_sides_stand_beside_each_other(office: Office) -> None:
    """Another kind of model is the second side, on the same conversations; the gate holds it."""
    data = office.data("eval", path(office), "--against", "llm=baseline")
    assert (data["report"]["who"]["llm"], data["against"]["who"]["llm"]) == ("scripted", "baseline")
    assert set(data["compared"]["differences"]["stage.accuracy"]) >= {"first", "second", "by", "low", "high", "p"}
    told = office.told("eval", path(office), "--against", "llm=baseline")
    assert "McNemar" in told
    assert "difference" in told
    assert "KEY=VALUE" in office.refused("eval", path(office), "--against", "colour=red")


def test_a_gate_ends_with_a_status_that_stops_a_build(office: Office) -> None:
    """A floor and a former report both fail the command, and say by how much; seen to fail with the status 0."""
    former = office.base / "former.json"
    former.write_text(office.told("eval", path(office), "--json"))
    assert office.sidecar("eval", path(office), "--gate", str(former), "--max-drop", "0").exit_code == 0
    script = (office.base / "script.json").read_text()
    (office.base / "script.json").write_text("[]")
    worse = office.sidecar("eval", path(office), "--gate", str(former))
    assert worse.exit_code == 1
    assert "sidecar: fields.f1 is 0.000, at least" in worse.stderr
    (office.base / "script.json").write_text(script)
    low = office.sidecar("eval", path(office), "--min", "stage.accuracy=0.99", "--json")
    assert low.exit_code == 1
    assert json.loads(low.stdout)["fallen"] == ["stage.accuracy is 0.500, at least 0.990 is asked (a floor)"]


def test_an_edited_prompt_is_measured_before_anybody_adopts_it(office: Office) -> None:
    """A file, a name, and what is in force are told apart; what isn't there is said in a line."""
    shipped = (folder(office.base) / "relationship.md").read_text()
    (office.base / "prompts").mkdir()
    edited = office.base / "prompts" / "relationship.md"
    edited.write_text(shipped)
    office.told("prompts", "list")
    office.run()
    edited.write_text(shipped.replace("## field: intent", "## field: intent", 1).rstrip() + "\n\nBe brief.\n")
    data = office.data("eval", path(office), "--against", "prompt=relationship@in-force")
    shas = data["report"]["who"]["prompt_sha256"], data["against"]["who"]["prompt_sha256"]
    assert shas[0] != shas[1]
    again = office.data("eval", path(office), "--prompt", f"relationship@{shas[1][:12]}")
    assert again["report"]["who"]["prompt_sha256"] == shas[1]
    by_file = office.data("eval", path(office), "--prompt", str(edited))
    assert by_file["report"]["who"]["prompt_sha256"] == shas[0]
    assert "no prompt 'other'" in office.refused("eval", path(office), "--prompt", "other")
    assert "names 0 versions" in office.refused("eval", path(office), "--prompt", "relationship@abc")


def test_a_model_that_is_paid_for_is_asked_after_a_yes(tmp_path: Path) -> None:
    """The price comes first, in plain words; answers are kept, so the second run asks nothing."""
    with ModelParrot() as parrot:
        office = Office(tmp_path).furnish([], config=PAID.format(url=parrot.url))
        written(tmp_path / "set.jsonl", buyers(4))
        parrot.text = NOTHING
        refused = office.sidecar("eval", path(office), env=KEY)
        assert refused.exit_code == 1
        assert "nobody to ask" in refused.stderr
        looked = office.sidecar("--dry-run", "eval", path(office), env=KEY)
        assert looked.exit_code == 0, looked.output
        assert "about 8 questions and $0.0" in looked.stderr
        assert parrot.bodies == []
        first = office.sidecar("eval", path(office), "--yes", "--json", env=KEY)
        assert first.exit_code == 0, first.output
        assert "claude-haiku-5-5: 4 conversations, about 8 questions and $0.0" in first.stderr
        assert "claude-sonnet-5-5 reads the hard cases again" in first.stderr
        assert "It ends at $5" in first.stderr
        assert len(parrot.bodies) == 8
        second = office.sidecar("eval", path(office), "--yes", "--json", env=KEY)
        assert "0 questions asked for $0.0000, 8 answered before" in second.stderr
        assert len(parrot.bodies) == 8
        figures = [json.loads(run.stdout)["report"] for run in (first, second)]
        assert figures[0] == figures[1]
        assert figures[0]["spent"]["usd"] > 0
        broke = office.sidecar("eval", path(office), "--yes", "--max-usd", "0", "--repeat", "2", env=KEY)
        assert broke.exit_code == 2
        assert "$0 are spent; what was answered is kept: run it again with more\n" in broke.stderr
        assert (tmp_path / "data" / "eval-answers.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_prompt_is_tried_on_a_stored_party(office: Office) -> None:
    """What it would say, in which words, what the policy makes of it, beside what is in force; and nothing is kept."""
    office.mail("Ann Lee <ann@x.test>", "I want to buy a bicycle.")
    office.run()
    with office.journal() as journal:
        before = journal.tally()
    data = office.data("try", "relationship", "--party", "Ann Lee")
    with office.journal() as journal:
        assert journal.tally() == before
    said = {one["field"]: one for one in data["statements"]}
    assert said["intent"]["value"] == said["intent"]["in_force"] == "buy"
    assert said["intent"]["quotes"][0]["quote"] == "want to buy"
    assert said["intent"]["verdict"] == "apply"
    assert said["budget"]["verdict"] == "suggest"
    assert "us: Send the prices 2026-11-21" in {one["value"] for one in data["statements"]}
    assert (data["calls"], data["usable"], data["left_out"]) == (1, True, 0)
    (office.base / "script.json").write_text(json.dumps([{"match": "bicycle", "answer": {
        "ops": [{"field": "intent", "value": "complain", "evidence": [{"quote": "bicycle"}]}]}}]))  # fmt: skip
    told = office.told("try", "relationship", "--party", "Ann Lee")
    assert "complain" in told
    assert "differs" in told
    assert "“bicycle”" in told
    assert "no party 'Bo'" in office.refused("try", "relationship", "--party", "Bo")


def test_labels_come_from_people_and_go_through_a_sheet(office: Office) -> None:
    """A team's own data set, from a yes to a figure: collected, measured, edited in a sheet, measured again."""
    office.mail("Ann Lee <ann@x.test>", "I want to buy a bicycle.")
    office.run()
    assert "nobody has corrected" in office.refused("label", "collect", path(office, "ours.jsonl"))
    office.told("party", "approve", "Ann Lee", "budget")
    done = office.sidecar("eval", path(office, "ours.jsonl"), "--from-corrections", "--split", "all", "--json")
    assert done.exit_code == 0, done.output
    assert "of 1 approved" in done.stderr
    assert json.loads(done.stdout)["report"]["figures"]["field.budget.accuracy"]["value"] == 0.0  # it only suggested it
    office.told("label", "export", path(office, "ours.jsonl"), path(office, "labels.csv"))
    sheet = (office.base / "labels.csv").read_text()
    assert "9,1,want to buy" in sheet
    (office.base / "labels.csv").write_text(sheet.replace(",intent,is,,,,", ",intent,is,buy,1,want to buy,"))
    files = path(office, "ours.jsonl"), path(office, "labels.csv"), path(office, "b.jsonl")
    told = office.data("label", "import", *files)
    assert (told["labelled"], told["conversations"]) == (1, 1)
    data = office.data("eval", path(office, "b.jsonl"), "--split", "all")
    assert data["report"]["figures"]["field.intent.accuracy"]["value"] == 1.0
    (office.base / "labels.csv").write_text(sheet.replace(",intent,is,,,,", ",intent,is,dance,,,"))
    wrong = office.refused("label", "import", *files, code=2)
    assert "dance" in wrong
    assert "sidecar: labels.csv: said-" in wrong, "the sheet names conversations, not the lines of a hidden file"
    assert office.data("eval", path(office, "b.jsonl"), "--split", "all")["report"]["n"] == 1
    assert "must end in .jsonl" in office.refused("eval", path(office, "x.csv"), "--from-corrections")
    assert not list(office.base.glob(".*checked*"))


def test_samples_are_judged_by_command_and_counted(office: Office) -> None:
    """What waits is shown with its words, answered by its id, and counted in `quality`; nothing else changes."""
    office.mail("Ann Lee <ann@x.test>", "I want to buy a bicycle.")
    office.run()
    shown = office.sidecar("label", "sample")
    assert "No sample waits." in shown.stdout
    assert "sample_per_field is 0" in shown.stderr
    weekly = {"SIDECAR_QUALITY__SAMPLE_PER_FIELD": "1"}
    assert "2 values wait for a person" in office.sidecar("check", env=weekly).stdout
    assert "values wait" not in office.sidecar("check").stdout
    assert "`sidecar label sample` shows" in office.refused("label", "answer", "decision-none", "confirm")
    waiting = {one["field"]: one for one in office.data("label", "sample", "--n", "1")["samples"]}
    assert set(waiting) == {"intent", "stage"}
    assert "“want to buy”" in office.sidecar("label", "sample").stdout
    answered = office.data("label", "answer", waiting["intent"]["decision"], "confirm", "--by", "rita")
    assert (answered["field"], answered["waiting"]) == ("intent", 1)
    told = office.told("label", "answer", waiting["stage"]["decision"][:20], "refute", "--value", "booked")
    assert "put it right in the CRM" in told
    rows = {row["field"]: row for row in office.data("quality")["rows"]}
    assert (rows["intent"]["samples_confirmed"], rows["intent"]["samples_refuted"]) == (1, 0)
    assert (rows["stage"]["samples_confirmed"], rows["stage"]["samples_refuted"]) == (0, 1)
    assert rows["stage"]["corrections"] == 0
    assert "refuted" in office.told("quality")
    assert "answered that already" in office.refused("label", "answer", waiting["intent"]["decision"], "refute")


def test_the_page_on_measuring_is_true(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of docs/evaluation.md runs as it is written there; seen to fail with one option misspelt."""
    monkeypatch.chdir(office.base)
    models = 'path = "script.json"\nmodels = { claude-sonnet-5-5 = "script.json" }'
    office.config.write_text(CONFIG.replace('path = "script.json"', models))
    (office.base / "tests" / "gold").mkdir(parents=True)
    written(office.base / "tests" / "gold" / "set.jsonl", buyers(10))
    (office.base / "prompts").mkdir()
    shipped = (folder(office.base.parent) / "relationship.md").read_text()
    for name in ("prompts/relationship.md", "new.md"):
        (office.base / name).write_text(shipped)
    office.mail("Ann Lee <ann@x.test>", "I want to buy a bicycle.")
    office.run()
    office.told("party", "approve", "Ann Lee", "budget")
    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
    lines = [line for block in page.split("```")[1::2] for line in block.strip().splitlines()]
    for line in lines:
        command, _, file = line.partition(" > ")
        words = shlex.split(command)
        if "SAMPLE" in words:
            field = "intent" if "confirm" in words else "stage"
            samples = {one["field"]: one["decision"] for one in office.data("label", "sample")["samples"]}
            words[words.index("SAMPLE")] = samples[field]
        done = office.sidecar(*words[1:])
        assert (words[0], done.exit_code) == ("sidecar", 0), f"{line}\n{done.output}"
        if file:
            (office.base / file).write_text(done.stdout)
    assert len(lines) >= 14
