"""What Anthropic's adapter sends, makes of answers and errors, and reckons, with the real SDK over a real socket."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock
from pydantic import ValidationError

from adapters.llms.anthropic import AnthropicLLM, AnthropicOptions
from adapters.llms.anthropic.prices import Prices
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.infer.wire import SCHEMA
from sidecar.model import Own
from sidecar.ports import Context
from tests.contract.llm import ANSWER, CANARIES, NOW, question

HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-5-5"
LONG = question(system="Read the conversation with care. " * 100)
TEXT = json.dumps(ANSWER)


class Peer:
    """An HTTP server that gives canned answers, the last one for ever, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                peer.requests.append((self.path, headers, json.loads(body) if body else None))
                status, told, content = peer.answers.pop(0) if len(peer.answers) > 1 else peer.answers[0]
                self.send_response(status)
                for name, value in {"content-type": "application/json", **told}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _answer  # noqa: N815 - the names are the library's

            def log_message(self, *args: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def says(self, status: int = 200, body: object = None, **headers: str) -> None:
        """Queue an answer; headers are written with underscores."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, content))

    def stop(self) -> None:
        """Close the server and wait for its thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A server for one test."""
    made = Peer()
    yield made
    made.stop()


def message(text: str = TEXT, stop: str = "end_turn", **usage: int) -> dict[str, Any]:
    """Return a body of the Messages API."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": HAIKU,
        "stop_reason": stop,
        "content": [{"type": "text", "text": text}],
        "usage": {"input_tokens": 1000, "output_tokens": 100, **usage},
    }


def failure(kind: str, text: str = "no", code: str | None = None) -> dict[str, Any]:
    """Return an error body of the Messages API."""
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": kind, "message": text, **details}}


class Hand:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


def model(base_url: str, base: Path = Path(), clock: Hand | None = None, **options: object) -> AnthropicLLM:
    """Return the adapter as the composition root makes it."""
    context = Context(clock or Hand(), Own(), base, lambda env, file: "the-key")
    return AnthropicLLM("anthropic", AnthropicOptions.model_validate({"base_url": base_url, **options}), context)


def test_a_request_asks_for_the_schema_and_offers_no_tools(llmock: LLMock) -> None:
    """The answer's form is the vendor's native structured output: no tool, no sampling parameter, nothing volatile."""
    llmock.reply(TEXT)
    model(llmock.base_url("anthropic"), effort="medium").infer(question())
    assert llmock.last_request.body == {
        "model": HAIKU,
        "max_tokens": 256,
        "system": [{"type": "text", "text": question().system}],
        "messages": [{"role": "user", "content": question().user}],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "medium"},
    }


def test_key_and_endpoint_come_from_our_options_alone(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's environment variables can't redirect a customer's words; seen to fail without our base_url."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "another-key")
    peer.says(200, message(), request_id="req_7")
    answer = model(peer.url, api_key_header="x-api-key", default_headers={"x-team": "sales"}).infer(question())
    _, headers, _ = peer.requests[0]
    assert headers["authorization"] == "Bearer the-key"
    assert headers["x-api-key"] == "the-key"
    assert headers["x-team"] == "sales"
    assert answer.request_id == "req_7"


def test_thinking_before_the_text_is_skipped(peer: Peer) -> None:
    """The answer is what stands in text blocks, wherever they stand; seen to fail with `content[0]`."""
    body = message()
    body["content"] = [{"type": "thinking", "thinking": "hm", "signature": "s"}, *body["content"]]
    peer.says(200, body)
    assert model(peer.url).infer(question()).text == TEXT


def test_a_question_is_one_request(peer: Peer) -> None:
    """Nobody else is asked behind the core's back, which books and budgets each call."""
    for stop, told in (("refusal", "refusal"), ("max_tokens", "truncated"), ("end_turn", "end")):
        peer.says(200, message(TEXT, stop))
        assert model(peer.url).infer(question()).stop == told
        peer.answers.clear()
    assert [(body["model"], body["max_tokens"]) for _, _, body in peer.requests] == [(HAIKU, 256)] * 3


def test_the_stronger_model_is_asked_and_reckoned_as_itself(peer: Peer) -> None:
    """It goes to the same endpoint at its own price, and its own stronger model is nobody."""
    peer.says(200, message())
    strong = model(peer.url, effort="medium").stronger
    assert strong is not None
    assert (strong.model, strong.effort, strong.stronger) == (SONNET, "medium", None)
    assert strong.infer(question()).cost_usd == pytest.approx((1000 * 2 + 100 * 10) / 1e6)
    assert [body["model"] for _, _, body in peer.requests] == [SONNET]
    assert model(peer.url, stronger_model=None).stronger is None


def test_another_model_thinks_as_hard_as_it_is_told(peer: Peer) -> None:
    """A prompt may name model and effort; the one it came from stays as it was, and a wrong effort is refused."""
    peer.says(200, message())
    first = model(peer.url)
    first.like("claude-opus-5-5", "high").infer(question())
    first.infer(question())
    asked = [(body["model"], body["output_config"]["effort"]) for _, _, body in peer.requests]
    assert asked == [("claude-opus-5-5", "high"), (HAIKU, "low")]
    with pytest.raises(ConfigError, match="enormous"):
        first.like("", "enormous")


def test_a_full_context_window_is_told_apart(peer: Peer) -> None:
    """More room for the answer can't help when the prompt fills the window, so it isn't called a truncation."""
    peer.says(200, message("", "model_context_window_exceeded"))
    assert model(peer.url).infer(question()).stop == "overfull"


@pytest.mark.parametrize("stop", ["tool_use", "pause_turn", "something_new"])
def test_a_stop_that_we_did_not_expect_is_no_end(peer: Peer, stop: str) -> None:
    """Only a natural end counts as a whole answer; seen to fail with `end` as the default."""
    peer.says(200, message(TEXT, stop))
    assert model(peer.url).infer(question()).stop == "truncated"


def test_cached_tokens_are_counted_and_priced(peer: Peer) -> None:
    """What was read from the cache costs a tenth, what was written to it a quarter more."""
    peer.says(200, message(cache_read_input_tokens=3000, cache_creation_input_tokens=500))
    answer = model(peer.url).infer(question())
    assert (answer.cache_read_tokens, answer.cache_write_tokens) == (3000, 500)
    assert answer.cost_usd == pytest.approx((1000 * 0.10 + 100 * 0.50 + 3000 * 0.01 + 500 * 0.125) / 1e6)


def test_caching_starts_when_calls_are_close(peer: Peer) -> None:
    """By itself the cache is written only when the last call with the same system text is minutes old."""
    peer.says(200, message())
    clock = Hand()
    llm = model(peer.url, clock=clock)
    for minutes in (0, 4, 6):
        clock.now += timedelta(minutes=minutes)
        llm.infer(LONG)
    assert [_is_cached(body) for _, _, body in peer.requests] == [False, True, False]


def test_caching_can_be_forced_or_forbidden(peer: Peer) -> None:
    """The option wins, but a text that is too short to be cached is never marked."""
    peer.says(200, message())
    on, off = model(peer.url, caching="on"), model(peer.url, caching="off")
    for llm, asked in ((on, LONG), (on, question()), (off, LONG), (off, LONG)):
        llm.infer(asked)
    assert [_is_cached(body) for _, _, body in peer.requests] == [True, False, False, False]


def _is_cached(body: dict[str, Any]) -> bool:
    return body["system"][0].get("cache_control") == {"type": "ephemeral"}


@pytest.mark.parametrize(
    ("status", "error", "setting"),
    [
        (400, PermanentError, None),
        (401, ConfigError, "llm.api_key_env"),
        (402, ConfigError, "llm.api_key_env"),
        (403, ConfigError, "llm.api_key_env"),
        (404, ConfigError, "llm.model"),
        (408, TemporaryError, None),
        (413, PermanentError, None),
        (422, PermanentError, None),
    ],
)
def test_an_error_is_named_for_who_must_act(
    peer: Peer, status: int, error: type[Exception], setting: str | None
) -> None:
    """Nothing that time, the operator or a reviewer must mend is tried again at once."""
    peer.says(status, failure("invalid_request_error", CANARIES[1]), request_id="req_1")
    with pytest.raises(error) as caught:
        model(peer.url).infer(question())
    assert getattr(caught.value, "setting", None) == setting
    assert len(peer.requests) == 1
    assert f"{status}" in str(caught.value)
    assert "req_1" in str(caught.value)
    assert CANARIES[1] not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_a_busy_vendor_is_asked_again_a_few_times(peer: Peer, status: int) -> None:
    """Short waits are sat out within the call; then it is for the worker to come back later."""
    peer.says(status, failure("overloaded_error"), retry_after_ms="10")
    with pytest.raises(TemporaryError) as caught:
        model(peer.url, max_retries=2).infer(question())
    assert len(peer.requests) == 3
    assert caught.value.retry_after_s == pytest.approx(0.01)


def test_a_short_rate_limit_is_waited_for(llmock: LLMock) -> None:
    """A well-behaved client waits as long as it is told, and then gets its answer; llmock is the judge."""
    llmock.rate_limit(times=2, retry_after=0.05).reply(TEXT)
    assert model(llmock.base_url("anthropic")).infer(question()).text == TEXT
    llmock.assert_resilient(strict=True)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3600", 3600.0), (format_datetime(NOW + timedelta(minutes=10), usegmt=True), 600.0), ("9" * 30, 86_400.0)],
)
def test_a_long_wait_is_left_to_the_worker(peer: Peer, header: str, seconds: float) -> None:
    """No thread sleeps for hours because a header says so; seen to hang without the cap."""
    peer.says(429, failure("rate_limit_error"), retry_after=header)
    with pytest.raises(TemporaryError) as caught:
        model(peer.url).infer(question())
    assert len(peer.requests) == 1
    assert caught.value.retry_after_s == seconds


@pytest.mark.parametrize("code", ["enforced_spend_limit_reached", "organization_on_hold"])
def test_a_spent_account_is_the_operators_business(peer: Peer, code: str) -> None:
    """A limit of the account comes as 429 or 400, but waiting or reviewing doesn't mend it."""
    peer.says(429 if "spend" in code else 400, failure("rate_limit_error", code=code))
    with pytest.raises(ConfigError, match=code):
        model(peer.url).infer(question())
    assert len(peer.requests) == 1


@pytest.mark.parametrize("body", [b"<html>Sign in to the proxy</html>", b'{"id": "msg_1"}', b"", b'{"id": '])
def test_an_answer_that_is_none_is_temporary(peer: Peer, body: bytes) -> None:
    """A proxy's page with status 200 is neither an answer nor a crash, and its text stays out of the error."""
    peer.says(200, body, content_type="text/html")
    with pytest.raises(TemporaryError) as caught:
        model(peer.url).infer(question())
    assert "proxy" not in str(caught.value)


def test_check_is_silent_when_the_models_fit(peer: Peer) -> None:
    """A key that works and models that can do what is asked give nothing to read."""
    peer.says(200, _card())
    assert model(peer.url).check() == ()
    assert [path for path, _, _ in peer.requests] == [f"/v1/models/{HAIKU}", f"/v1/models/{SONNET}"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lifecycle": "retired"}, "retired"),
        ({"capabilities": {"structured_outputs": {"supported": False}}}, "schema"),
        ({"capabilities": {"effort": {"supported": True, "low": {"supported": False}}}}, "effort"),
    ],
)
def test_check_tells_what_a_model_lacks(peer: Peer, change: dict[str, Any], words: str) -> None:
    """A model that can't do what will be asked of it is found before the first conversation."""
    peer.says(200, {**_card(), **change})
    lines = model(peer.url, stronger_model=None).check()
    assert len(lines) == 1
    assert words in lines[0]


def _card() -> dict[str, Any]:
    return {
        "id": HAIKU,
        "type": "model",
        "lifecycle": "active",
        "capabilities": {
            "structured_outputs": {"supported": True},
            "effort": {"supported": True, "low": {"supported": True}, "xhigh": None},
        },
    }


def test_check_tells_of_a_key_that_does_not_work(peer: Peer) -> None:
    """A wrong key is a line to read, not a crash."""
    peer.says(401, failure("authentication_error"))
    assert all("401" in line for line in model(peer.url).check())


def test_check_does_not_blame_a_gateway_for_what_it_lacks(llmock: LLMock) -> None:
    """A gateway without the models endpoint says 404 for every model; that is no fault of the config."""
    assert model(llmock.base_url("anthropic")).check() == ()


def test_a_model_without_a_price_is_never_free(peer: Peer) -> None:
    """It is reckoned at the dearest known price, and `check` says so; seen to fail with 0 for the unknown."""
    peer.says(200, message())
    llm = model(peer.url, model="claude-novel-9", stronger_model=None)
    assert llm.infer(question()).cost_usd == pytest.approx((1000 * 4 + 100 * 20) / 1e6)
    assert llm.estimate_usd(1000, 1) > model(peer.url).estimate_usd(1000, 1)
    assert [line for line in llm.check() if "claude-novel-9" in line and "llm.prices" in line]


def test_check_tells_of_prices_that_nobody_looked_at(peer: Peer, tmp_path: Path) -> None:
    """A budget that is reckoned with last year's list is none; a newer file of the operator's own mends it."""
    peer.says(200, _card())
    clock = Hand()
    clock.now += timedelta(days=89)
    assert model(peer.url, clock=clock).check() == ()
    clock.now += timedelta(days=2)
    lines = model(peer.url, clock=clock).check()
    assert [line.split(" is ")[0] for line in lines] == [f"llm.prices: the price of {m}" for m in (HAIKU, SONNET)]
    rows = "".join(f"[[models.{m}]]\ninput = 1\noutput = 1\ncache_read = 1\ncache_write = 1\n" for m in (HAIKU, SONNET))
    (tmp_path / "prices.toml").write_text(f"as_of = {clock.now:%Y-%m-%d}\n{rows}")
    assert model(peer.url, tmp_path, clock, prices="prices.toml").check() == ()


def test_a_long_prompt_pays_the_higher_price_for_all_of_it() -> None:
    """Above 100,000 tokens, cached ones included, the whole request is dearer."""
    prices = Prices()
    below = prices.cost_usd(HAIKU, input_tokens=1, output_tokens=1, cache_read_tokens=99_999)
    above = prices.cost_usd(HAIKU, input_tokens=2, output_tokens=1, cache_read_tokens=99_999)
    assert below == pytest.approx((0.10 + 0.50 + 99_999 * 0.01) / 1e6)
    assert above == pytest.approx((2 * 0.50 + 2.50 + 99_999 * 0.05) / 1e6)


def test_a_dated_snapshot_costs_what_its_model_does() -> None:
    """Vendors name snapshots by date; their price is the model's."""
    prices = Prices()
    counts = {"input_tokens": 1000, "output_tokens": 10}
    assert prices.cost_usd(f"{SONNET}-20261001", **counts) == prices.cost_usd(SONNET, **counts)


def test_the_operators_prices_win(tmp_path: Path, peer: Peer) -> None:
    """A contract's prices replace the list's, relative to the folder of the config."""
    (tmp_path / "prices.toml").write_text(
        f'as_of = "2026-11-01"\n[[models.{HAIKU}]]\ninput = 1\noutput = 1\ncache_read = 1\ncache_write = 1\n'
    )
    peer.says(200, message())
    answer = model(peer.url, tmp_path, prices="prices.toml").infer(question())
    assert answer.cost_usd == pytest.approx(1100 / 1e6)


@pytest.mark.parametrize("text", ["as_of = ", 'as_of = "2026-11-01"', 'as_of = "x"\nmodels = {}', None])
def test_a_broken_price_file_refuses_to_start(tmp_path: Path, text: str | None) -> None:
    """A budget that can't be reckoned is the operator's to mend, with the setting named."""
    if text is not None:
        (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"llm\.prices"):
        Prices(tmp_path / "prices.toml")


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", " X-API-Key"])
def test_no_secret_is_written_into_the_config(name: str) -> None:
    """A key belongs in the environment or a file, so the options refuse it and don't repeat it."""
    with pytest.raises(ValidationError) as caught:
        AnthropicOptions.model_validate({"default_headers": {name: "sk-secret"}})
    assert "sk-secret" not in str(caught.value)


def test_a_missing_key_refuses_to_start() -> None:
    """Without a key there is nothing to wait for: it is told at once, not by the first conversation."""

    def missing(env: str | None, file: str | None) -> str:
        raise ConfigError(f"{env} is not set")

    with pytest.raises(ConfigError, match="ANTHROPIC_API_KEY"):
        AnthropicLLM("anthropic", AnthropicOptions(), Context(Hand(), Own(), Path(), missing))


def test_the_key_is_in_no_representation(peer: Peer) -> None:
    """A traceback that shows objects doesn't show the key."""
    llm = model(peer.url)
    assert "the-key" not in repr(llm._caller._endpoint)


def test_nobody_waits_for_the_sdk_before_the_first_question() -> None:
    """Importing and making the adapter loads no SDK, which takes seconds; seen to fail with an import at the top."""
    code = (
        "import sys; from pathlib import Path; from adapters.llms.anthropic import AnthropicLLM, AnthropicOptions\n"
        "from sidecar.model import Own; from sidecar.ports import Context\n"
        "AnthropicLLM('a', AnthropicOptions(), Context(lambda: None, Own(), Path(), lambda e, f: 'k'))\n"
        "print('anthropic' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "False"
