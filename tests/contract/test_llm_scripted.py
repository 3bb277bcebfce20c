"""The scripted model keeps the promises of the LLM port, so what is tested with it holds for models."""

import json
from pathlib import Path

import pytest

from adapters.llms.scripted import ScriptedLLM, ScriptedOptions
from sidecar.errors import ConfigError
from sidecar.model import Own
from sidecar.ports import LLM, Context, Question
from tests.contract.llm import ANSWER, NOW, ReluctantContract, question, turn


def no_secret(env: str | None, file: str | None) -> str:
    """A script has no key, so nobody may ask for one."""
    raise ConfigError("no secret is configured")


class TestScripted(ReluctantContract):
    """A script that knows the contract's dialogue, a question that it refuses, and one that it can't finish."""

    @pytest.fixture
    def llm(self, tmp_path: Path) -> LLM:
        """A scripted model as the composition root makes it."""
        rules = [
            {"match": "Can I come Thursday at 10", "answer": ANSWER},
            {"match": "refuse me", "stop": "refusal"},
            {"match": "cut me off", "stop": "truncated"},
        ]
        (tmp_path / "script.json").write_text(json.dumps(rules))
        context = Context(lambda: NOW, Own(), tmp_path, no_secret)
        options = ScriptedOptions(path="script.json", models={"two": "script.json"}, stronger_model="two")
        return ScriptedLLM("scripted", options, context)

    @pytest.fixture
    def refused(self) -> Question:
        """A question that the script refuses."""
        return question(turn("refuse me"))

    @pytest.fixture
    def cut_off(self) -> Question:
        """A question whose answer the script breaks off."""
        return question(turn("cut me off"))
