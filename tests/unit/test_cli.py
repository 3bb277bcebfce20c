"""The command line as a whole: help with examples, errors in plain words, logs as JSON, options before commands."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer
from typer.testing import CliRunner

from sidecar.__main__ import main
from sidecar.cli import app, logs
from sidecar.errors import ConfigError
from tests.support.offices import Office

JSON_BY_NATURE = {"serve"}
"""Commands that print nothing but JSON."""


@pytest.fixture(autouse=True)
def _same_logs_afterwards() -> Iterator[None]:
    """Leave the process's logging as it was."""
    root = logging.getLogger()
    held, level = list(root.handlers), root.level
    yield
    root.handlers = held
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office where nothing has come in yet."""
    return Office(tmp_path).furnish([])


def _commands() -> dict[str, Any]:
    root: Any = typer.main.get_command(app)
    found: dict[str, Any] = {}
    for name, command in root.commands.items():
        below = getattr(command, "commands", None)
        found |= {f"{name} {n}": c for n, c in below.items()} if below else {name: command}
    return found


@pytest.mark.parametrize("name", sorted(_commands()))
def test_every_command_shows_how_it_is_used(name: str) -> None:
    """Nobody has to guess: each help says what the command does and holds an example of its own."""
    told = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert told.exit_code == 0
    assert "Example: sidecar" in told.stdout
    assert _commands()[name].help.endswith((".", "printed."))


@pytest.mark.parametrize("name", sorted(set(_commands()) - JSON_BY_NATURE))
def test_every_command_speaks_to_programs(name: str) -> None:
    """What a person can see, a program can read; seen to fail with the option taken from one command."""
    assert "--json" in {option for parameter in _commands()[name].params for option in parameter.opts}


def test_the_version_is_the_packages() -> None:
    """A report of a fault can name what ran."""
    assert CliRunner().invoke(app, ["--version"]).stdout.strip() == metadata.version("crm-sidecar")


def test_a_config_that_is_not_there_is_said_in_a_line(office: Office) -> None:
    """The operator is told which file, with the exit code of a wrong config, and sees no traceback."""
    office.config.unlink()
    assert "there is no such config file" in office.refused("inbox", code=2)


def test_each_thing_wrong_with_a_config_has_a_line(office: Office) -> None:
    """All that must be mended is said at once, a line each, by its key."""
    office.config.write_text(office.config.read_text() + '\n[nonsense]\na = 1\n\n[watch]\noverdue = "x"\n')
    told = office.refused("inbox", code=2)
    assert len(told.splitlines()) == 2
    assert "nonsense" in told
    assert "watch.overdue" in told


def test_our_own_variables_are_no_settings(office: Office) -> None:
    """SIDECAR_LOG and SIDECAR_DEBUG are not taken for misspelt settings; seen to fail without the filter."""
    assert office.sidecar("inbox", env={"SIDECAR_LOG": "error", "SIDECAR_DEBUG": "1"}).exit_code == 0


def test_settings_may_come_from_the_environment(office: Office) -> None:
    """One setting is changed for one run without touching the file."""
    told = office.sidecar("check", "--json", env={"SIDECAR_POLICY__MODE": "shadow"}).stdout
    assert json.loads(told)["findings"][0]["note"] == f"mode shadow; {office.config}"


def test_a_config_that_is_not_there_is_told(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs `check` in another folder learns that no file was read; seen to fail with all called well."""
    (office.config.parent / "elsewhere").mkdir()
    monkeypatch.chdir(office.config.parent / "elsewhere")
    told = CliRunner().invoke(app, ["check", "--json"]).stdout
    assert "no config.toml here" in json.loads(told)["findings"][0]["note"]


def test_an_unknown_log_level_is_refused(office: Office) -> None:
    """A misspelt level doesn't silence a server."""
    result = office.sidecar("inbox", env={"SIDECAR_LOG": "loud"})
    assert result.exit_code == 2
    assert "known are debug, info, warning, error, off" in result.stderr


def test_what_nobody_expected_is_owned_up_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A defect ends in two harmless lines, without a traceback or the error's text, and raises on demand.

    Seen to fail with the text, which lands in a container's log.
    """

    def broken(**_: object) -> None:
        raise ValueError("\x1b[31mcustomer")

    monkeypatch.setattr("sidecar.__main__.app", broken)
    monkeypatch.setattr("sidecar.cli.logs.guard", lambda: None)  # this process is pytest's
    monkeypatch.delenv("SIDECAR_DEBUG", raising=False)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert re.fullmatch(r"sidecar: a defect of ours: ValueError at \S+:\d+ broken", told.splitlines()[0])
    assert len(told.splitlines()) == 2 and "customer" not in told
    monkeypatch.setenv("SIDECAR_DEBUG", "1")
    with pytest.raises(ValueError, match="customer"):
        main()


def test_a_process_without_a_terminal_or_letters_still_prints(office: Office) -> None:
    """`python -m sidecar` works where the locale knows only ASCII; seen to fail without `backslashreplace`."""
    office.mail("Zoë Łęcka <zoe@x.test>", "Grüße")
    office.run()
    env = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii", "SIDECAR_CONFIG": str(office.config)}
    command = [sys.executable, "-m", "sidecar", "inbox"]
    root = Path(__file__).parent.parent.parent
    run = subprocess.run(command, env=env, cwd=root, capture_output=True, timeout=120, check=True)
    assert b"Zo\\xeb" in run.stdout


def test_a_log_line_names_places_and_quotes_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception is logged by its type and places, a library's line by its template; neither holds a text."""
    logs.configure("info")
    try:
        raise ValueError("Ann's phone is +44")
    except ValueError:
        structlog.get_logger().exception("work_broke", kind="parse")
    logging.getLogger("some.library").warning("can't read %s", "Ann's letter")
    logging.getLogger("some.library").info("chatter")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["event"], first["level"], first["error"]) == ("work_broke", "error", "ValueError")
    assert first["trace"][-1].endswith("test_a_log_line_names_places_and_quotes_nobody")
    assert (second["logger"], second["said"]) == ("some.library", "can't read %s")
    assert "Ann" not in json.dumps([first, second])


def test_a_librarys_line_that_was_put_together_is_named_by_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    """A text is shown only where the library's code holds it literally; seen to fail with each template shown."""
    logs.configure("info")
    name = "Ann"
    logging.getLogger("some.library").warning(f"can't read the letter of {name}")
    logging.getLogger("some.library").error(f"{name}: %s", "her letter")
    for line in capsys.readouterr().err.splitlines():
        told = json.loads(line)
        assert (told["logger"], told["said"], "Ann" in line) == ("some.library", "", False)
        assert told["where"].endswith("test_a_librarys_line_that_was_put_together_is_named_by_its_place")


def test_pythons_last_words_quote_nobody(tmp_path: Path) -> None:
    """What Python prints by itself has error texts in it; seen to fail without `guard`, on each of the three."""
    script = tmp_path / "script.py"
    script.write_text(
        "import threading, warnings\n"
        "from sidecar.cli import logs\n"
        "class Spiteful:\n    def __del__(self): raise ValueError('Ann')\n"
        "def fail(): raise KeyError('Ann')\n"
        "def all_of_it():\n"
        "    thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
        "    Spiteful(); warnings.warn('Ann')\n"
        "logs.guard()\n"
        "for level in ('info', 'off'): logs.configure(level); all_of_it()\n"
    )
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True)
    assert "Ann" not in run.stderr + run.stdout
    loud, quiet = run.stderr.splitlines()[:3], run.stderr.splitlines()[3:]
    assert {json.loads(line)["event"] for line in loud} == {"thread_died", "cleanup_failed", "library"}
    assert [line.split(" at ")[0] for line in quiet] == [
        "sidecar: a defect of ours: thread_died: KeyError", "sidecar: a defect of ours: cleanup_failed: ValueError",
    ]  # fmt: skip


def test_commands_are_quiet_unless_asked(office: Office) -> None:
    """A command's standard error is empty when all went well; with SIDECAR_LOG it holds JSON, line by line."""
    office.chat({"external_id": "v1"}, "Hi", kind="message.exploded")
    loud = office.sidecar("run", "--until-idle", "--no-wait", env={"SIDECAR_LOG": "info"})
    events = [json.loads(line)["event"] for line in loud.stderr.splitlines()]
    assert "work_parked" in events
    assert office.sidecar("run", "--until-idle", "--no-wait").stderr == ""


def test_levels_are_named_in_the_error() -> None:
    """The error of a wrong level is the operator's to mend."""
    with pytest.raises(ConfigError, match="SIDECAR_LOG"):
        logs.configure("nonsense")
