"""The page on rolling out names commands that exist, with options that they take."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from sidecar.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "rollout.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"(?s)```sh\n(.*?)```", PAGE) for line in block.splitlines() if line]


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_of_the_page_can_be_typed(line: str) -> None:
    """Whoever copies a line isn't told that there is no such option; seen to fail with one renamed."""
    name, *arguments = shlex.split(line)
    assert name == "sidecar"
    command = typer.main.get_command(app)
    with command.make_context(name, arguments, resilient_parsing=False) as context:
        rest = [*context._protected_args, *context.args]
        while rest:
            _, found, rest = command.resolve_command(context, rest)  # type: ignore[attr-defined]  # a group, until a leaf
            assert found is not None
            context = found.make_context(found.name, rest, parent=context)
            command, rest = found, [*getattr(context, "_protected_args", []), *context.args]


def test_the_page_has_a_command_for_each_step() -> None:
    """The commands are found at all."""
    assert len(COMMANDS) > 15
