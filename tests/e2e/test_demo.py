"""The demo, as a newcomer runs it: its story comes out of real processing, and afterwards every command answers.

The baseline reads here, whatever keys the machine has. What is asserted are the points of the story, each found by a
command, and never what the demo prints about itself.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
TIMEOUT_S = 240
OURS = ("SIDECAR_", "ANTHROPIC_")


class Demo:
    """A copy of the demo's folder, and the commands that are run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._answers: dict[tuple[str, ...], Any] = {}
        shutil.copytree(ROOT / "demo", folder, ignore=shutil.ignore_patterns("data"))

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run the demo, which makes every former answer void."""
        self._answers.clear()
        ran = self.command("demo", "--folder", str(self.folder), *words)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran

    def ask(self, *words: str) -> Any:
        """Return what a command answers in JSON."""
        if words not in self._answers:
            ran = self.command("--config", str(self.folder / "config.toml"), *words, "--json")
            assert ran.returncode == 0, ran.stdout + ran.stderr
            self._answers[words] = json.loads(ran.stdout)
        return self._answers[words]

    def inbox(self) -> dict[str, dict[str, Any]]:
        """Return the inbox's lines by name."""
        return {line["name"]: line for line in self.ask("inbox", "--all")["relationships"]}

    @staticmethod
    def command(*words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command without the machine's own settings and keys."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        command = [sys.executable, "-m", "sidecar", *words]
        return subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A demo that has been run once."""
    made = Demo(tmp_path_factory.mktemp("demo") / "demo")
    figures = json.loads(made.run("--json").stdout)
    assert (figures["engine"], figures["parked"]) == ("baseline", 0)
    return made


def test_each_conversation_ends_where_it_should(demo: Demo) -> None:
    """Reschedule, no-show with a new date, lost, silent, angry: each is seen in the inbox, over three channels."""
    inbox = demo.inbox()
    assert len(inbox) >= 8
    stages = {name: line["stage"] for name, line in inbox.items()}
    assert stages["Ann Okafor"] == "booked"
    assert inbox["Ann Okafor"]["next_step"].endswith("10:30"), "the moved time, not the first one"
    assert stages["Jonas Weber"] == "booked"
    assert (stages["Carmen Ruiz"], inbox["Carmen Ruiz"]["closed"]) == ("closed_lost", True)
    assert stages["Priya Nair"] == "qualified"
    assert "silent" in {alert["rule"] for alert in inbox["Priya Nair"]["alerts"]}
    assert inbox["T. Brandt"]["sentiment"] == "angry"
    channels = {activity["channel"] for activity in demo.ask("activities")["activities"]}
    assert channels == {"mail", "calls", "web", "booking"}


def test_the_no_show_is_remembered(demo: Demo) -> None:
    """That somebody missed an appointment stands in the CRM as a risk, also once there is a new date."""
    assert "no-show" in _contact(demo, "Jonas Weber")["ai_risks"]


def test_a_customer_cannot_win_a_deal_by_saying_so(demo: Demo) -> None:
    """The injection leaves a risk, and a suggestion that waits for a person; nothing in the CRM is won."""
    line = demo.inbox()["Rick Malone"]
    assert line["stage"] not in ("closed_won", "booked", "attended")
    assert "possible manipulation" in _contact(demo, "Rick Malone")["ai_risks"]
    deals = demo.ask("ledger", "show", "deal")["records"]
    assert deals
    assert "closed_won" not in {deal["fields"]["stage"] for deal in deals}


def test_two_people_with_one_telephone_are_a_question(demo: Demo) -> None:
    """The second caller on a known number is neither merged nor thrown away."""
    (question,) = demo.ask("party", "questions")["questions"]
    assert question["who"] == "Diego Ferrer"
    assert question["rule"] == "shared_phone"
    assert "Marta Ferrer" in {candidate["name"] for candidate in question["candidates"]}


def test_what_a_rep_typed_survives_while_the_rest_moves(demo: Demo) -> None:
    """After the next message the rep's two values stand, and stage and next step are newer than they were."""
    contact = _contact(demo, "Jonas Weber")
    assert contact["name"] == "Jonas Weber (Blumen Weber)"
    assert contact["ai_budget"].startswith("6.500 EUR")
    assert contact["ai_stage"] == "booked"
    assert "16:00" in contact["ai_next_step"]


def test_a_value_leads_back_to_the_words(demo: Demo) -> None:
    """A budget in the CRM is explained down to the bytes of the mail that it was read in, and every quote is true."""
    found = demo.ask("explain", demo.inbox()["Ann Okafor"]["crm"]["contact"], "ai_budget")
    kinds, quote = [], ""
    node = found["chain"][0]
    while node:
        kinds.append(node["kind"])
        quote = quote or "".join(e["quote"] for e in node["detail"].get("evidence", ()))
        node = node["because"][0] if node["because"] else None
    assert kinds == ["posting", "change", "decision", "claim", "inference", "match", "activity", "delivery"]
    assert "15,000 euros" in quote
    assert demo.command("--config", str(demo.folder / "config.toml"), "verify").returncode == 0


def test_machine_mail_makes_nobody_a_customer(demo: Demo) -> None:
    """The newsletter is in the book and in nobody's inbox."""
    outcomes = [activity["outcome"] for activity in demo.ask("activities")["activities"]]
    assert outcomes.count("automated") == 1
    assert not any("Spokes" in name for name in demo.inbox())


def test_a_second_run_starts_afresh_and_says_who_inferred(demo: Demo) -> None:
    """The last run is thrown away, with its ids; the story comes out again, told in words."""
    before = {line["party"] for line in demo.inbox().values()}
    assert "Inferred by baseline (baseline-1." in demo.run().stdout
    after = {line["party"] for line in demo.inbox().values()}
    assert len(after) == len(before)
    assert not after & before


def test_nothing_is_deleted_that_the_demo_did_not_write(tmp_path: Path) -> None:
    """A folder of somebody's that happens to be called data stays; seen to fail without the mark."""
    demo = Demo(tmp_path / "demo")
    mine = tmp_path / "demo" / "data" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("precious")
    ran = demo.command("demo", "--folder", str(demo.folder))
    assert ran.returncode == 1
    assert "nothing was deleted" in ran.stderr
    assert mine.read_text() == "precious"


def test_the_demo_reads_no_settings_of_a_real_installation() -> None:
    """A CRM or journal that the environment names is not written to by sample conversations."""
    from sidecar.cli.demo import environment

    given = {"SIDECAR_CRM__TYPE": "other", "SIDECAR_JOURNAL__URL": "x", "SIDECAR_LLM__MODEL": "m", "PATH": "/bin"}
    kept = environment(given)
    assert {name for name in kept if name.startswith("SIDECAR_")} == {
        "SIDECAR_LLM__MODEL",
        "SIDECAR_WEB__PORT",
        "SIDECAR_WEB__ADMIN_PORT",
    }
    assert environment({"ANTHROPIC_API_KEY": "k"})["SIDECAR_LLM__TYPE"] == "anthropic"
    assert "SIDECAR_LLM__TYPE" not in environment({"PATH": "/bin"})


def _contact(demo: Demo, name: str) -> dict[str, Any]:
    ref = demo.inbox()[name]["crm"]["contact"]
    (record,) = demo.ask("ledger", "show", "contact", ref)["records"]
    return record["fields"]
