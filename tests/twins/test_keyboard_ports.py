"""What the twins' commands say of a port before they serve on it."""

import socket
from importlib import import_module
from pathlib import Path

import pytest

from tests.twins.wire import keyboard

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
