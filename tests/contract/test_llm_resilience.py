"""A gate: what adapters of models do on bad days, judged by llmock, which saw each attempt and its timing.

llmock answers with refusals and delays; what it has only for streams (an answer that is dropped, cut off or garbled)
strikes on a relay before it. Its verdict is strict: a wait that was asked for and not kept, a refusal that was tried
again, a storm of attempts or giving up at the first trouble fail the run.
"""

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply as Says

from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.ports import LLM
from tests.contract.llm import ANSWER, faults, question
from tests.contract.test_llm_anthropic import anthropic
from tests.contract.test_llm_openai import openai
from tests.support.served import until
from tests.twins.wire.faults import Drop, Reset, Slow, Truncated
from tests.twins.wire.passing import Log, Logged, Reply, Request
from tests.twins.wire.twin import Twin

Make = Callable[..., LLM]
VENDORS: Mapping[str, Make] = {"anthropic": anthropic, "openai": openai}
PATHS = {"anthropic": "/anthropic", "openai": "/v1"}


class Relay:
    """Passes requests on to another server, and its answers back."""

    def __init__(self, url: str, log: Log) -> None:
        self._netloc, self.log, self.defects = urlsplit(url).netloc, log, list[str]()

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Pass a request on and return the reply."""
        link = http.client.HTTPConnection(self._netloc, timeout=10)
        try:
            named = {k: v for k, v in request.headers.items() if k not in ("host", "content-length", "connection")}
            link.request(request.method, request.target, request.body or None, named)
            told = link.getresponse()
            reply = Reply(told.status, told.read(), {"content-type": told.headers.get("content-type", "")})
        finally:
            link.close()
        self.note(request, reply, self.operation(request), answered=answered, fault=fault)
        return reply

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""
        status = reply.status if reply else None
        self.log.add(Logged(request.method, request.target, operation, 1, status, 0, 0, b"", answered, fault))

    def operation(self, request: Request) -> str:
        """Return what the log calls this request."""
        return request.target

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a body of text."""
        return Reply(status, str(body).encode(), headers or {})

    def dressed(self, body: Any) -> Any:
        """Return a fault's body as it is."""
        return body


@pytest.fixture(params=sorted(VENDORS))
def vendor(request: pytest.FixtureRequest, llmock: LLMock) -> str:
    """Each adapter in turn, of a model that answers in the wire schema."""
    llmock.add(Says(text=json.dumps(ANSWER), times=None))
    return str(request.param)


@pytest.fixture
def made(vendor: str, llmock: LLMock, tmp_path: Path) -> Make:
    """Makes the adapter over llmock itself."""
    return lambda **options: VENDORS[vendor](tmp_path, llmock.base_url(vendor), **options)


@pytest.fixture
def relay(llmock: LLMock) -> Iterator[Twin]:
    """A relay before llmock, which may be struck."""
    log = Log()
    with Twin(Relay(llmock.url, log), log, 1, 0) as twin:
        yield twin


def is_whole(llm: LLM) -> bool:
    """Say whether the contract's question gets an answer in the schema."""
    answer = llm.infer(question())
    return answer.stop == "end" and faults(json.loads(answer.text), question().schema) == []


@pytest.mark.parametrize(("times", "wait_s"), [(1, 0.3), (2, 0.15)])
def test_a_rate_limit_is_kept_to(made: Make, llmock: LLMock, times: int, wait_s: float) -> None:
    """Each wait that is asked for is kept, and then the answer comes; seen to fail with the header ignored."""
    llmock.rate_limit(times=times, retry_after=wait_s)
    assert is_whole(made())
    assert [r.status for r in llmock.requests] == [429] * times + [200]
    llmock.assert_resilient(strict=True)


@pytest.mark.parametrize("status", [500, 503, 529])
def test_trouble_of_a_moment_is_outlived(made: Make, llmock: LLMock, status: int) -> None:
    """An overloaded or stumbling vendor is asked once more; seen to fail without retries."""
    llmock.fail(status)
    assert is_whole(made())
    assert [r.status for r in llmock.requests] == [status, 200]
    llmock.assert_resilient(strict=True)


def test_an_outage_is_left_to_the_worker(made: Make, llmock: LLMock) -> None:
    """A few attempts, no storm, and then it is for time to pass."""
    llmock.outage(status=503)
    with pytest.raises(TemporaryError):
        made(max_retries=1).infer(question())
    assert len(llmock.requests) == 2
    llmock.assert_resilient(strict=True)


@pytest.mark.parametrize(("status", "error"), [(400, PermanentError), (401, ConfigError), (403, ConfigError)])
def test_what_no_retry_mends_is_asked_once(made: Make, llmock: LLMock, status: int, error: type[Exception]) -> None:
    """The same request would fail the same way; seen to fail with every status tried again."""
    llmock.fail(status, times=None)
    with pytest.raises(error):
        made().infer(question())
    assert len(llmock.requests) == 1
    llmock.assert_resilient(strict=True)


def test_a_slow_answer_is_waited_for(made: Make, llmock: LLMock) -> None:
    """Within the time-out nothing is asked twice: a second question would be paid for as well."""
    llmock.delay(0.3)
    assert is_whole(made(timeout_s=10))
    assert len(llmock.requests) == 1


def test_an_answer_that_never_comes_is_given_up(made: Make, llmock: LLMock) -> None:
    """After the time-out it is for time to pass, without a second question that would be paid for as well."""
    assert is_whole(made())  # what is loaded by a first question doesn't count in the second's time
    llmock.delay(1.5)
    with pytest.raises(TemporaryError):
        made(timeout_s=1).infer(question())
    until(lambda: len(llmock.requests) > 1, "the question to be noted, which is later than it is given up")
    assert len(llmock.requests) == 2


@pytest.mark.parametrize("struck", [Drop(), Reset(), Truncated(0.5)], ids=["dropped", "reset", "truncated"])
def test_a_broken_connection_is_mended_once_more(vendor: str, relay: Twin, struck: Any, tmp_path: Path) -> None:
    """An answer that breaks off is no answer, and the question is put again; seen to fail without retries."""
    relay.fault(struck)
    assert is_whole(VENDORS[vendor](tmp_path, relay.url + PATHS[vendor]))
    assert len(relay.requests) == 2


def test_a_garbled_answer_is_none(vendor: str, relay: Twin, llmock: LLMock, tmp_path: Path) -> None:
    """Half a JSON that says it is whole is never taken for an answer, nor for the vendor's last word."""
    relay.fault(Truncated(0.5, honest=True))
    llm = VENDORS[vendor](tmp_path, relay.url + PATHS[vendor])
    with pytest.raises(TemporaryError):
        llm.infer(question())
    assert is_whole(llm)
    llmock.assert_resilient(strict=True)


def test_an_answer_that_trickles_is_read(vendor: str, relay: Twin, tmp_path: Path) -> None:
    """A slow line is no fault: what comes piece by piece is put together."""
    relay.fault(Slow(20_000))
    assert is_whole(VENDORS[vendor](tmp_path, relay.url + PATHS[vendor]))
    assert len(relay.requests) == 1


def test_an_answer_that_drips_ends(vendor: str, relay: Twin, tmp_path: Path) -> None:
    """T13: a byte now and then, from the status line on, is no answer; seen to be read to its end without the bound."""
    relay.fault(Slow(100), times=None)
    with pytest.raises(TemporaryError):
        VENDORS[vendor](tmp_path, relay.url + PATHS[vendor], timeout_s=0.4, max_retries=0).infer(question())
