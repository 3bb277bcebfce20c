"""Secrets on the command line: who reads the book needs those of no channel, who speaks to all names all that lack."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.offices import CONFIG, Office

RULES = [{"match": "trial", "answer": {"ops": [{"field": "intent", "value": "buy", "evidence": [{"quote": "trial"}]}]}}]
MORE = """
[channels.box]
type = "imap"
host = "imap.northwind.test"
username = "me"
password_env = "BOX_PASSWORD"

[channels.other]
type = "webhook"
secret_env = "OTHER_SECRET"
"""


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """An office with a customer, whose config then names secrets that are not there."""
    office = Office(tmp_path_factory.mktemp("office")).furnish(RULES)
    office.mail("Ann Lee <ann@x.test>", "I would like a trial lesson.")
    office.run()
    office.config.write_text(CONFIG + MORE)
    return office


@pytest.mark.parametrize(
    "command",
    [
        ("inbox",),
        ("activities",),
        ("party", "list"),
        ("party", "show", "Ann Lee"),
        ("party", "questions"),
        ("explain", "Ann Lee", "intent"),
        ("work",),
        ("mode",),
        ("ledger", "show"),
        ("prompts", "list"),
    ],
)
def test_looking_takes_no_secret(settled: Office, command: tuple[str, ...]) -> None:
    """An auditor on another machine reads the book without a channel's key; seen to fail with all asked for at once."""
    assert settled.data(*command)


def test_a_brake_takes_no_secret(settled: Office, tmp_path: Path) -> None:
    """Who has to stop it at night does so from any shell."""
    shutil.copytree(settled.base, tmp_path, dirs_exist_ok=True)
    assert Office(tmp_path).data("pause", "ledger") == {"paused": "ledger"}


@pytest.mark.parametrize("command", [("run", "--until-idle"), ("serve",), ("backfill", "box", "--since", "2026-01-01")])
def test_what_speaks_to_all_names_every_secret_that_lacks(settled: Office, command: tuple[str, ...]) -> None:
    """It ends before it begins, with a line for each; seen to fail with the first one alone."""
    told = settled.refused(*command, code=2)
    assert "channels.box.password_env: the environment variable BOX_PASSWORD is not set" in told
    assert "channels.other.secret_env: the environment variable OTHER_SECRET is not set" in told


def test_a_secret_that_lacks_is_named_with_its_section(settled: Office) -> None:
    """What needs one after all says which: the re-derivation parses with every channel."""
    told = settled.refused("verify", code=2)
    assert "channels.box: the environment variable BOX_PASSWORD is not set" in told


def test_a_check_names_every_secret_and_looks_at_everything_else(settled: Office) -> None:
    """One run says all that there is to do; seen to fail with the parts left out where the config is wrong."""
    result = settled.sidecar("check", "--json")
    assert result.exit_code == 1
    findings = json.loads(result.stdout)["findings"]
    wrong = [f["problem"] for f in findings if f["problem"]]
    named = [line.split(":")[0] for line in wrong]
    assert named == ["channels.box.password_env", "channels.other.secret_env", "llm.type"]
    notes = {f["part"]: f["note"] for f in findings if not f["problem"]}
    assert {"channel mail", "channel web", "journal", "prompts", "crm", "mode"} <= set(notes)
    assert notes["channel box"] == notes["channel other"] == "not looked at: its settings are wrong"
