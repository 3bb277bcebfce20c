"""Generated examples: the same in each run, whatever ran before in the same process."""

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def drawn() -> list[int]:
    """Return the examples of one property, in order."""
    found: list[int] = []

    @settings(derandomize=True, max_examples=100)
    @given(st.integers())
    def draw(number: int) -> None:
        found.append(number)

    draw()
    return found


def test_what_else_is_loaded_changes_no_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that an earlier test loaded can't turn a property red; seen to fail without the line in conftest.py."""
    before = drawn()
    file = tmp_path / "loaded.py"
    file.write_text(f"NUMBERS = {[10**9 + number for number in range(50)]}")
    spec = importlib.util.spec_from_file_location("loaded", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "loaded", module)
    assert drawn() == before
