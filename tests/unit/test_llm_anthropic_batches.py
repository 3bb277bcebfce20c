"""What Anthropic's batches cost, whose turn it is when they fail, and that none is paid for twice in the dark."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock
from llmock.routers import batch as llmocks

from adapters.llms.anthropic import AnthropicLLM
from adapters.llms.anthropic.batches import MAX_QUESTIONS
from sidecar.errors import ConfigError, PermanentError, TemporaryError, UnknownOutcome
from sidecar.infer.wire import SCHEMA
from sidecar.ports import Answer, BatchProgress
from tests.contract.llm import ANSWER, CANARIES, question
from tests.contract.test_llm_anthropic import KEY, anthropic
from tests.twins.message_batches import MessageBatches
from tests.twins.wire.faults import Drop, Reset, Slow, Status, Truncated


@pytest.fixture
def twin() -> Iterator[MessageBatches]:
    """An account that answers in the wire schema."""
    with MessageBatches(KEY) as made:
        made.office.text = json.dumps(ANSWER)
        yield made


@pytest.fixture
def llm(twin: MessageBatches, tmp_path: Path) -> AnthropicLLM:
    """A model that takes batches, and tries nothing twice by itself."""
    return anthropic(tmp_path, twin.url, max_retries=0, effort="medium")


def test_a_question_is_handed_in_as_it_would_be_asked(twin: MessageBatches, llm: AnthropicLLM) -> None:
    """The answer of a batch must be the answer of the model alone: the same request, of the same model and effort."""
    llm.like("claude-opus-5-5").batches().submit({"one": question()})
    (handed,) = twin.office.batches["msgbatch_1"]["requests"]
    assert handed == {
        "custom_id": "one",
        "params": {
            "model": "claude-opus-5-5",
            "max_tokens": 256,
            "system": [{"type": "text", "text": question().system}],
            "messages": [{"role": "user", "content": question().user}],
            "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "medium"},
        },
    }


def test_it_costs_half(twin: MessageBatches, llm: AnthropicLLM) -> None:
    """1,000 tokens in and 100 out, at half the list price of the model that answered; seen to fail at the whole."""
    ticket = llm.batches().submit({"one": question()})
    twin.end()
    ((_, answer),) = llm.batches().collect(ticket)
    assert isinstance(answer, Answer)
    assert answer.cost_usd == pytest.approx(0.5 * (1000 * 0.10 + 100 * 0.50) / 1e6)


@pytest.mark.parametrize(
    ("kind", "error", "setting"),
    [
        ("invalid_request_error", PermanentError, None),
        ("authentication_error", ConfigError, "llm.api_key_env"),
        ("billing_error", ConfigError, "llm.api_key_env"),
        ("not_found_error", ConfigError, "llm.model"),
        ("overloaded_error", TemporaryError, None),
        ("api_error", TemporaryError, None),
        ("canceled", TemporaryError, None),
        ("expired", TemporaryError, None),
    ],
)
def test_an_error_of_one_question_says_who_must_act(
    twin: MessageBatches, llm: AnthropicLLM, kind: str, error: type[Exception], setting: str | None
) -> None:
    """It is told and not raised, without what the vendor repeats of the question."""
    ticket = llm.batches().submit({"one": question()})
    twin.office.fates["one"] = kind
    twin.end()
    ((_, fate),) = llm.batches().collect(ticket)
    assert isinstance(fate, error)
    assert getattr(fate, "setting", None) == setting
    assert CANARIES[1] not in str(fate)


@pytest.mark.parametrize("struck", [Drop(), Truncated(0.5), Truncated(0.5, honest=True), Status(500, "no")])
def test_a_batch_that_may_exist_is_not_created_again(twin: MessageBatches, tmp_path: Path, struck: Any) -> None:
    """Both would be paid for, so a person looks; seen to fail with the retries of a single question."""
    twin.fault(struck, method="POST")
    with pytest.raises(UnknownOutcome, match="before these questions are handed in again"):
        anthropic(tmp_path, twin.url, max_retries=2).batches().submit({"one": question()})
    assert twin.calls("create") == 1


@pytest.mark.parametrize("status", [429, 503, 529])
def test_a_batch_that_was_refused_is_created_again(twin: MessageBatches, tmp_path: Path, status: int) -> None:
    """A busy vendor has created nothing."""
    twin.fault(Status(status, "no", {"retry-after-ms": "10"}), method="POST")
    ticket = anthropic(tmp_path, twin.url).batches().submit({"one": question()})
    assert list(twin.office.batches) == [ticket]


def test_where_nobody_listens_nothing_was_created(twin: MessageBatches, llm: AnthropicLLM) -> None:
    """Without a connection there is nothing to look for, so it is merely for time to pass."""
    twin.down()
    with pytest.raises(TemporaryError) as caught:
        llm.batches().submit({"one": question()})
    assert not isinstance(caught.value, UnknownOutcome)


def test_answers_that_break_off_are_collected_again(twin: MessageBatches, llm: AnthropicLLM) -> None:
    """They were paid for and are kept: nothing is lost but time."""
    ticket = llm.batches().submit({f"k{n}": question() for n in range(20)})
    twin.end()
    twin.fault(Truncated(0.6), path="results")
    with pytest.raises(TemporaryError, match="broke off"):
        list(llm.batches().collect(ticket))
    twin.fault(Slow(200_000), path="results")
    assert len(list(llm.batches().collect(ticket))) == 20


@pytest.mark.parametrize("struck", [Reset(), Status(503, "no"), Status(200, "<html>Sign in</html>")])
def test_a_look_that_fails_is_for_time(twin: MessageBatches, llm: AnthropicLLM, struck: Any) -> None:
    """Looking changes nothing and may be done again."""
    ticket = llm.batches().submit({"one": question()})
    twin.fault(struck, method="GET")
    with pytest.raises(TemporaryError):
        llm.batches().progress(ticket)
    assert llm.batches().progress(ticket) == BatchProgress(ended=False, total=1, decided=0)


def test_an_answer_without_end_is_not_read(twin: MessageBatches, llm: AnthropicLLM) -> None:
    """No line is longer than any answer can be, whatever the other side sends."""
    twin.office.text = "x" * 5_000_000
    ticket = llm.batches().submit({"one": question()})
    twin.end()
    with pytest.raises(TemporaryError, match="longer"):
        list(llm.batches().collect(ticket))


def test_an_old_batch_is_gone(twin: MessageBatches, llm: AnthropicLLM) -> None:
    """After 29 days its answers can't be had, and the operator is told what to do."""
    ticket = llm.batches().submit({"one": question()})
    twin.end()
    twin.office.batches[ticket]["archived_at"] = "2026-12-23T09:00:00Z"
    with pytest.raises(ConfigError, match="29 days"):
        list(llm.batches().collect(ticket))


def test_a_wrong_key_is_the_operators_business(twin: MessageBatches, llm: AnthropicLLM) -> None:
    """Nothing was created, and no waiting mends it."""
    twin.office.key = "another"
    with pytest.raises(ConfigError) as caught:
        llm.batches().submit({"one": question()})
    assert caught.value.setting == "llm.api_key_env"


def test_a_batch_is_bounded(twin: MessageBatches, llm: AnthropicLLM) -> None:
    """In number and in size, so that it fits into memory and under the vendor's limits."""
    for handed in (
        dict.fromkeys(map(str, range(MAX_QUESTIONS + 1)), question()),
        {"one": question(user="x" * 61 * 10**6)},
    ):
        with pytest.raises(PermanentError):
            llm.batches().submit(handed)
    assert twin.requests == []


def test_a_batch_of_a_mock_that_others_wrote_is_read(
    llmock: LLMock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches of llmock end by themselves and answer in prose: what the adapter reads of them isn't of our making."""
    monkeypatch.setattr(llmocks, "_BATCH_DELAY", 0.0)
    offered = anthropic(tmp_path, llmock.base_url("anthropic")).batches()
    ticket = offered.submit({"one": question(), "two": question()})
    assert offered.progress(ticket) == BatchProgress(ended=True, total=2, decided=2)
    found = dict(offered.collect(ticket))
    assert set(found) == {"one", "two"}
    assert all(isinstance(answer, Answer) and answer.cost_usd > 0 for answer in found.values())
