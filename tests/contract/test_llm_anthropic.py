"""Anthropic's adapter keeps the promises of the LLM port, with the real SDK against a mock server on a real socket.

llmock speaks the Messages API and fails on demand; where it has no fault of the kind (a connection that is dropped
before the answer), a socket of our own does.
"""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply

from adapters.llms.anthropic import AnthropicLLM, AnthropicOptions
from sidecar.model import Own
from sidecar.ports import LLM, Context, Question
from tests.contract.llm import ANSWER, NOW, BatchContract, RemoteContract, question
from tests.twins.message_batches import MessageBatches

KEY = "test-key-that-opens-nothing"


def anthropic(tmp_path: Path, base_url: str, **options: object) -> AnthropicLLM:
    """Return the adapter as the composition root makes it."""
    context = Context(lambda: NOW, Own(), tmp_path, lambda env, file: KEY)
    return AnthropicLLM("anthropic", AnthropicOptions.model_validate({"base_url": base_url, **options}), context)


class TestAnthropic(RemoteContract):
    """The adapter against llmock."""

    @pytest.fixture
    def llm(self, llmock: LLMock, tmp_path: Path) -> LLM:
        """A model that answers in the wire schema."""
        llmock.reply(json.dumps(ANSWER), times=None)
        return anthropic(tmp_path, llmock.base_url("anthropic"))

    @pytest.fixture
    def refused(self, llmock: LLMock) -> Question:
        """A question that both models refuse."""
        llmock.reset().add(Reply(text="", finish_reason="refusal", times=None))
        return question()

    @pytest.fixture
    def cut_off(self, llmock: LLMock) -> Question:
        """A question whose answer never fits."""
        llmock.reset().add(Reply(text='{"ops":[', finish_reason="max_tokens", times=None))
        return question()

    @pytest.fixture
    def hangs(self, llmock: LLMock, tmp_path: Path) -> LLM:
        """A model that answers after its client has given up."""
        llmock.delay(1.5, times=None)
        return anthropic(tmp_path, llmock.base_url("anthropic"), timeout_s=0.2)

    @pytest.fixture
    def limits(self, llmock: LLMock, tmp_path: Path) -> LLM:
        """A model behind a rate limit that lasts two minutes."""
        llmock.rate_limit(times=None, retry_after=120)
        return anthropic(tmp_path, llmock.base_url("anthropic"))

    @pytest.fixture
    def breaks(self, tmp_path: Path) -> Iterator[LLM]:
        """A model whose connections end before an answer."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = Thread(target=_hang_up, args=(server,))
            thread.start()
            port = server.getsockname()[1]
            yield anthropic(tmp_path, f"http://127.0.0.1:{port}", max_retries=1)
            server.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=10)


class TestAnthropicBatches(BatchContract):
    """The adapter's batches against our twin, which the vendor's SDK judges."""

    @pytest.fixture
    def twin(self) -> Iterator[MessageBatches]:
        """An account that answers in the wire schema."""
        with MessageBatches(KEY) as made:
            made.office.text = json.dumps(ANSWER)
            yield made

    @pytest.fixture
    def llm(self, twin: MessageBatches, tmp_path: Path) -> LLM:
        """A model that takes batches."""
        return anthropic(tmp_path, twin.url)

    @pytest.fixture
    def again(self, twin: MessageBatches, tmp_path: Path) -> LLM:
        """The same model, made anew."""
        return anthropic(tmp_path, twin.url)

    @pytest.fixture
    def end(self, twin: MessageBatches) -> Callable[[], None]:
        """Lets every batch end."""
        return twin.end

    @pytest.fixture
    def expires(self, twin: MessageBatches) -> Callable[[str], None]:
        """Lets the question of a key expire."""
        return lambda key: twin.office.fates.update({key: "expired"})


def _hang_up(server: socket.socket) -> None:
    with suppress(OSError):  # the test shuts the socket down
        while True:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
