"""The adapter for OpenAI-compatible endpoints keeps the promises of the LLM port, with each kind of endpoint there is.

The endpoints are our twin on a real socket, which OpenAI's SDK judges; llmock, which we didn't write, is one as well.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply

from adapters.llms.openai_compatible import OpenAICompatibleLLM, OpenAICompatibleOptions
from sidecar.model import Own
from sidecar.ports import LLM, Context, Question
from tests.contract.llm import ANSWER, NOW, LLMContract, RemoteContract, question
from tests.twins.completions import Completions, Kind
from tests.twins.wire.faults import BlackHole, Reset, Status

KEY = "test-key-that-opens-nothing"
PRICES = 'as_of = "2026-11-23"\n' + "".join(
    f'[[models."{model}"]]\ninput = 1\noutput = 2\ncache_read = 0.1\ncache_write = 1\n' for model in ("small", "large")
)


def openai(tmp_path: Path, base_url: str, **options: object) -> OpenAICompatibleLLM:
    """Return the adapter as the composition root makes it."""
    (tmp_path / "prices.toml").write_text(PRICES)
    context = Context(lambda: NOW, Own(), tmp_path, lambda env, file: KEY)
    given = {"model": "small", "stronger_model": "large", "api_key_env": "KEY", "prices": "prices.toml", **options}
    made = OpenAICompatibleOptions.model_validate({"base_url": base_url, **given})
    return OpenAICompatibleLLM("openai", made, context)


class TestHostedEndpoint(RemoteContract):
    """An endpoint that holds its model to a schema, and wants a key."""

    kind: ClassVar[Kind] = Kind(key=KEY)

    @pytest.fixture
    def twin(self) -> Iterator[Completions]:
        """An endpoint that answers in the wire schema."""
        with Completions(self.kind) as made:
            made.endpoint.text = json.dumps(ANSWER)
            yield made

    @pytest.fixture
    def llm(self, twin: Completions, tmp_path: Path) -> LLM:
        """A model that answers in the wire schema."""
        return openai(tmp_path, twin.base_url)

    @pytest.fixture
    def refused(self, twin: Completions) -> Question:
        """A question that the model refuses."""
        twin.endpoint.refusal = "I can't help with that."
        return question()

    @pytest.fixture
    def cut_off(self, twin: Completions) -> Question:
        """A question whose answer never fits."""
        twin.endpoint.text, twin.endpoint.finish = '{"ops":[', "length"
        return question()

    @pytest.fixture
    def hangs(self, twin: Completions, tmp_path: Path) -> LLM:
        """A model that answers after its client has given up."""
        twin.fault(BlackHole(1.5), times=None)
        return openai(tmp_path, twin.base_url, timeout_s=0.2)

    @pytest.fixture
    def limits(self, twin: Completions, llm: LLM) -> LLM:
        """A model behind a rate limit that lasts two minutes."""
        twin.fault(Status(429, {"error": {"message": "slow down"}}, {"retry-after": "120"}), times=None)
        return llm

    @pytest.fixture
    def breaks(self, twin: Completions, tmp_path: Path) -> LLM:
        """A model whose connections end before an answer."""
        twin.fault(Reset(), times=None)
        return openai(tmp_path, twin.base_url, max_retries=1)


class TestJsonOnlyEndpoint(TestHostedEndpoint):
    """An endpoint that knows JSON and no schema, and thinks aloud before it."""

    kind: ClassVar[Kind] = Kind(forms=frozenset({"json_object", "text"}), thinks=True)


class TestTextOnlyEndpoint(TestHostedEndpoint):
    """An endpoint that only writes text: thoughts, Markdown and a farewell around the answer."""

    kind: ClassVar[Kind] = Kind(forms=frozenset({"text"}), thinks=True, fences=True)


class TestNewerEndpoint(TestHostedEndpoint):
    """An endpoint that wants the limit of its answers under its new name."""

    kind: ClassVar[Kind] = Kind(room="max_completion_tokens", key=KEY)


class TestSmallWindow(LLMContract):
    """An endpoint of one's own that cuts what is longer than 4,096 tokens: short questions are answered."""

    @pytest.fixture
    def llm(self, tmp_path: Path) -> Iterator[LLM]:
        """A model without a key."""
        with Completions(window=4096, too_long="halve") as twin:
            twin.endpoint.text = json.dumps(ANSWER)
            yield openai(tmp_path, twin.base_url, api_key_env=None)


class TestLLMock(LLMContract):
    """A mock of OpenAI's API that others wrote."""

    @pytest.fixture
    def llm(self, llmock: LLMock, tmp_path: Path) -> LLM:
        """A model that answers in the wire schema."""
        llmock.add(Reply(text=json.dumps(ANSWER), times=None))
        return openai(tmp_path, llmock.base_url("openai"))
