"""The embedded baseline keeps the promises of the LLM port."""

from pathlib import Path

import pytest

from adapters.llms.baseline import BaselineLLM, BaselineOptions
from sidecar.errors import ConfigError
from sidecar.model import Own
from sidecar.ports import LLM, Context
from tests.contract.llm import NOW, LLMContract


def no_secret(env: str | None, file: str | None) -> str:
    """Rules have no key, so nobody may ask for one."""
    raise ConfigError("no secret is configured")


class TestBaseline(LLMContract):
    """The rules, without a network or a key."""

    @pytest.fixture
    def llm(self, tmp_path: Path) -> LLM:
        """A baseline as the composition root makes it."""
        return BaselineLLM("baseline", BaselineOptions(), Context(lambda: NOW, Own(), tmp_path, no_secret))
