"""What the twins' commands say of a port before they serve on it, what they print, and that no line ends them."""

import io
import re
import socket
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from tests.twins.wire import keyboard

CRMS = {"hubspot", "pipedrive", "salesforce", "zoho"}
OF_A_CRM = {"create", "edit", "automate", "merge"}
MISTYPED = ("", "x", "x y", "x y z", '"', "1 2 3 4", "contact 7 a=b", "contact", "x http://127.0.0.1:9/hooks")
NOBODY = "http://127.0.0.1:9/hooks/x"
"""No sidecar runs there."""
TOLD = {
    "calcom": ("--hook", 'book "Ann" a@x.test 2026-12-01T10:00+00:00 "A kitchen"'),
    "calendly": ("--hook", 'book "Ann" a@x.test 2026-12-01T10:00+00:00 "A kitchen"'),
    "chatwoot": ("--hook", 'begin "Ann" a@x.test "Do you deliver?"'),
    "intercom": ("--hook", 'begin "Ann" a@x.test "Do you deliver?"'),
    "meta": ("--door", "text 447700900123 Is Thursday free?"),
    "twilio": ("--door", 'text +447700900123 +442079460000 "Is Thursday free?"'),
}
COMMANDS = sorted(path.parent.name for path in Path(__file__).parent.glob("*/__main__.py"))


def test_a_port_that_is_taken_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Who starts a second twin on one port reads which port it is and what to do, and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit):
            keyboard.parser("zoom", "A Zoom account", port).parse_args([])
        told = capsys.readouterr().err
        assert f"argument --port: {port} can't be had; name another, or 0 for any free one" in told
    assert keyboard.parser("zoom", "A Zoom account", port).parse_args(["--port", "0"]).port == 0


def test_no_two_twins_ask_for_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them can be tried at the same time with what their pages say: a transcriber's port counts, too."""
    asked: dict[str, int] = {}

    class Asked(Exception):
        pass

    for name in COMMANDS:
        module = import_module(f"tests.twins.{name}.__main__")

        def note(twin: str, what: str, port: int, name: str = name) -> None:
            asked[name] = port
            raise Asked

        monkeypatch.setattr(module, "parser", note)
        with pytest.raises(Asked):
            module.main()
    asked["meta's transcriber"] = asked["meta"] + 1
    assert len(asked) > 10
    assert len(set(asked.values())) == len(asked), asked


def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, lines: list[str]) -> str:
    """Type lines into a twin until they end; return what it said."""
    hook = TOLD.get(name)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    module = import_module(f"tests.twins.{name}.__main__")
    module.main(["--port", "0", *((hook[0], NOBODY) if hook else ())])
    return capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_ends_a_twin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Each verb of its help with too little, too much or nonsense behind it, and nobody there who takes webhooks.

    Seen to fail with the verbs of a CRM at channels' keyboards, and at a sidecar that wasn't up.
    """
    help = typed(monkeypatch, capsys, name, ["help"])
    verbs = set(help.partition("=\n")[2].partition("Undocumented")[0].split()) - {"help", "EOF", "down"}
    assert {"calls", "fail", "heal", "up"} < verbs and OF_A_CRM & verbs == (OF_A_CRM if name in CRMS else set())
    lines = [f"{verb} {words}" for verb in sorted(verbs) for words in MISTYPED]
    told = typed(
        monkeypatch, capsys, name, [*lines, "heal", TOLD.get(name, ("", ""))[1], "down", "up", "calls", "nonsense"]
    )
    assert "Unknown syntax: nonsense" in told.splitlines()[-1]


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - CRMS))
def test_a_channels_settings_let_the_crm_show_what_was_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """What a channel's twin prints is, but for its variables, a config whose mode writes into the local CRM."""
    told = typed(monkeypatch, capsys, name, [])
    config = tomllib.loads("\n".join(line for line in told.splitlines() if not re.match(r"[A-Z0-9_]+=", line)))
    assert config["policy"] == {"mode": "auto"} and config["channels"]
