"""What the adapter for OpenAI-compatible endpoints sends, makes of answers and errors, and whom it doesn't trust."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.llms.openai_compatible import OpenAICompatibleLLM, OpenAICompatibleOptions, answers
from adapters.llms.openai_compatible.window import Window
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.infer.wire import SCHEMA
from sidecar.model import Own
from sidecar.ports import Context
from tests.contract.llm import ANSWER, CANARIES, NOW, OTHER_SCHEMA, question
from tests.contract.test_llm_openai import KEY, PRICES, openai
from tests.twins.completions import Completions, Kind, tokens
from tests.twins.wire.faults import Status, Truncated

TEXT = json.dumps(ANSWER)
SHORT = '{"mood":"glad"}'
PROSE = "The customer would rather come on Thursday morning, if that is possible at all. "
OBJECT_ONLY = Kind(forms=frozenset({"json_object", "text"}))
TEXT_ONLY = Kind(forms=frozenset({"text"}))


@pytest.fixture
def twin() -> Iterator[Completions]:
    """An endpoint that can do everything."""
    with Completions() as made:
        made.endpoint.text = TEXT
        yield made


def asked_of(kind: Kind, tmp_path: Path, *questions: Any, **options: Any) -> list[dict[str, Any]]:
    """Ask an endpoint of this kind, and return what was sent to it."""
    with Completions(kind) as twin:
        twin.endpoint.text = TEXT
        llm = openai(tmp_path, twin.base_url, **options)
        for each in questions or (question(),):
            assert llm.infer(each).stop == "end"
        return twin.endpoint.asked


def test_a_request_asks_for_the_schema_and_nothing_volatile(twin: Completions, tmp_path: Path) -> None:
    """The form is asked for natively; no tool, no sampling parameter, no stream; the key is in the header alone."""
    openai(tmp_path, twin.base_url, effort="low", extra_body={"seed": 7}).infer(question())
    assert twin.endpoint.asked == [
        {
            "model": "small",
            "max_tokens": 256,
            "messages": [
                {"role": "system", "content": question().system},
                {"role": "user", "content": question().user},
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
            },
            "reasoning_effort": "low",
            "seed": 7,
        }
    ]
    assert twin.endpoint.keys == [f"Bearer {KEY}"]


def test_without_a_key_none_is_sent(twin: Completions, tmp_path: Path) -> None:
    """A model on one's own machine wants none, and nobody is asked for one."""
    openai(tmp_path, twin.base_url, api_key_env=None).infer(question())
    assert twin.endpoint.keys == [""]


@pytest.mark.parametrize(
    ("kind", "forms"),
    [
        (OBJECT_ONLY, ["json_schema", "json_object", "json_object"]),
        (TEXT_ONLY, ["json_schema", "json_object", None, None]),
    ],
)
def test_what_an_endpoint_refuses_is_not_asked_of_it_again(kind: Kind, forms: list[str | None], tmp_path: Path) -> None:
    """The ladder is climbed down once for a process, and then the schema stands in the text; seen to fail forgetful."""
    asked = asked_of(kind, tmp_path, question(), question())
    assert [body.get("response_format", {}).get("type") for body in asked] == forms
    assert json.dumps(SCHEMA) in asked[-1]["messages"][0]["content"]
    assert question().system == asked[0]["messages"][0]["content"]


def test_the_new_name_of_the_limit_is_learned(tmp_path: Path) -> None:
    """Newer models of OpenAI refuse `max_tokens`; the schema is still asked for."""
    asked = asked_of(Kind(room="max_completion_tokens"), tmp_path, question(), question())
    assert [body.get("max_completion_tokens") for body in asked] == [None, 256, 256]
    assert {body["response_format"]["type"] for body in asked} == {"json_schema"}


@pytest.mark.parametrize(
    "refusal",
    [
        Status(400, {"error": {"message": "no such thing as response_format", "param": "messages"}}),
        Status(500, {"error": {"message": "json_schema", "param": "response_format"}}),
        Status(403, {"error": {"message": "json_schema", "param": "response_format"}}),
    ],
)
def test_no_other_failure_climbs_down_the_ladder(twin: Completions, refusal: Status, tmp_path: Path) -> None:
    """A bad day, or a refusal of something else, doesn't cost the schema for good; seen to fail on any error."""
    llm = openai(tmp_path, twin.base_url, max_retries=0)
    twin.fault(refusal, path="chat")
    with pytest.raises((PermanentError, TemporaryError, ConfigError)):
        llm.infer(question())
    llm.infer(question())
    assert twin.endpoint.asked[-1]["response_format"]["type"] == "json_schema"


def test_another_model_keeps_what_was_learned_of_the_endpoint(tmp_path: Path) -> None:
    """What one model can do says nothing of another, and the same model isn't asked from the top again."""
    with Completions(OBJECT_ONLY) as twin:
        twin.endpoint.text = TEXT
        llm = openai(tmp_path, twin.base_url)
        for each in (llm, llm.like("", "high"), llm.stronger):
            assert each
            each.infer(question())
        models = [(body["model"], body["response_format"]["type"]) for body in twin.endpoint.asked]
    assert models == [
        ("small", "json_schema"),
        ("small", "json_object"),
        ("small", "json_object"),
        ("large", "json_schema"),
        ("large", "json_object"),
    ]


@pytest.mark.parametrize(
    "written",
    [
        SHORT,
        f"<think>{{'mood': 1}} or {{\"mood\": 2}}?</think>\n{SHORT}",
        f'they say {{"mood":"sad"}} maybe</think>\n\n{SHORT}',
        f"```json\n{SHORT}\n```",
        f"Here you are:\n```\n{SHORT}\n```\nI hope {{this}} helps.",
        f'{{"draft": 1}} no, rather {SHORT}',
        '{"mood" : "glad"}\n{"mood": "sad"}',
    ],
)
def test_an_answer_is_found_among_what_was_written_around_it(written: str) -> None:
    """Thoughts, Markdown and talk are no part of an answer, and of two the first that fits is it."""
    assert answers.said(written, OTHER_SCHEMA) == SHORT


@pytest.mark.parametrize("written", ["I'd rather not say.", "", '{"mood": ', '{"mood":' * 50_000, "[1, 2]", '["{"]'])
def test_what_is_no_answer_is_made_into_none(written: str) -> None:
    """Nothing is mended or invented: whoever asked finds it invalid; seen to fail with a recursion error."""
    assert answers.said(written, OTHER_SCHEMA) == written.strip()


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ({"mood": 1}, OTHER_SCHEMA),
        ({}, OTHER_SCHEMA),
        ({"mood": "a", "more": 1}, OTHER_SCHEMA),
        ({**ANSWER, "needs_full_reread": "no"}, SCHEMA),
        ({**ANSWER, "ops": [{**ANSWER["ops"][0], "op": "rewrite"}]}, SCHEMA),
        ({**ANSWER, "steps": {}}, SCHEMA),
        (True, {"type": "integer"}),
    ],
)
def test_what_breaks_a_schema_does_not_fit(value: object, schema: dict[str, Any]) -> None:
    """Types, words, missing and unknown properties are all looked at, at any depth."""
    assert not answers.fits(value, schema)


def test_the_case_of_a_word_is_no_fault() -> None:
    """Models vary it, and the core reads it in any case."""
    assert answers.fits({**ANSWER, "ops": [{**ANSWER["ops"][0], "op": "SET"}]}, SCHEMA)


@pytest.mark.parametrize("too_long", ["cut", "halve"])
@pytest.mark.parametrize("words", [3000, 3800, 9000])
def test_a_prompt_that_was_cut_in_silence_is_never_an_answer(too_long: Any, words: int, tmp_path: Path) -> None:
    """The operator is told what to set, before anything is believed; seen to fail with the window never doubted."""
    asked = question(user=" ".join(f"word{n}" for n in range(words)))
    assert tokens(asked.user) > 4096
    with Completions(window=4096, too_long=too_long) as twin:
        twin.endpoint.text = TEXT
        llm = openai(tmp_path, twin.base_url, api_key_env=None)
        with pytest.raises(ConfigError, match="OLLAMA_CONTEXT_LENGTH") as caught:
            llm.infer(asked)
        assert caught.value.setting == "llm.context_tokens"
        assert llm.infer(question()).stop == "end"


def test_hostile_text_accuses_no_endpoint(tmp_path: Path) -> None:
    """A customer who writes what counts for few tokens stops nothing; seen to fail with suspicion taken for proof."""
    asked = question(user=f"Hello.{' ' * 30_000}Can I come?")
    with Completions() as twin:
        twin.endpoint.text = TEXT
        llm = openai(tmp_path, twin.base_url)
        answer, again = llm.infer(asked), llm.infer(asked)
        assert (answer.stop, again.stop) == ("end", "end")
        assert len(twin.endpoint.asked) == 8
        assert answer.input_tokens > tokens(asked.user) * 1.9
        assert answer.cost_usd > 0


def test_ordinary_questions_are_not_doubted(tmp_path: Path) -> None:
    """What is counted as prose is costs no second call, short or long."""
    asked = [question(user=PROSE * n) for n in (1, 7, 40, 333)]
    assert len(asked_of(Kind(), tmp_path, *asked)) == len(asked)


@pytest.mark.parametrize("window", [300, 4096])
def test_a_question_that_is_openly_too_long_is_overfull(window: int, tmp_path: Path) -> None:
    """It is an answer of its own kind, and costs nothing: the core asks with less."""
    with Completions(window=window) as twin:
        answer = openai(tmp_path, twin.base_url).infer(question(user=PROSE * 400))
        assert (answer.stop, answer.text, answer.cost_usd, answer.model) == ("overfull", "", 0, "small")


def test_a_question_that_cannot_fit_is_not_sent(twin: Completions, tmp_path: Path) -> None:
    """Where the operator says what fits, nothing is cut; instructions that can't fit are his to mend."""
    llm = openai(tmp_path, twin.base_url, context_tokens=2048)
    assert llm.infer(question(user="word " * 2000)).stop == "overfull"
    with pytest.raises(ConfigError, match="instructions"):
        llm.infer(question(system="word " * 2000))
    assert twin.endpoint.asked == []


FRAME = 30
"""Tokens that a chat template adds to each call of the endpoints below."""


def whole_of(window: Window, tokens_of: Callable[[str], int], size: int, half: bool, text: str) -> tuple[bool, int]:
    """Say what is thought of a question to an endpoint with a window of this size, and what it took to find out."""
    calls = list[int]()

    def measure(asked: str) -> int:
        calls.append(tokens_of(asked) + FRAME)
        return calls[-1] if calls[-1] <= size else 4 + (size - 4) // 2 if half else size

    counted = measure(text)
    return window.is_whole(text, counted, measure), len(calls) - 1


@pytest.mark.parametrize("size", [2048, 4096, 8192, 10_000, 32_768])
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("chars", [1, 3, 5])
def test_cut_or_whole_is_told_apart_for_every_window(size: int, half: bool, chars: int) -> None:
    """Whatever the tokenizer, the window and the cut; seen to fail with round counts let pass, and with all accused."""

    def tokens_of(asked: str) -> int:
        return -(-len(asked) // chars)

    for share in (0.1, 0.3, 0.49, 0.5, 0.51, 0.8, 0.97, 1.02, 1.1, 1.5, 1.99, 2.5, 5):
        fresh, learned = Window(), Window()
        text = "x" * round(size * share * chars)
        assert whole_of(fresh, tokens_of, size, half, text)[0] is (share < 1), share
        assert whole_of(learned, tokens_of, size, half, "x" * 300 * chars)[0]
        assert whole_of(learned, tokens_of, size, half, text)[0] is (share < 1), share


def test_a_suspicion_is_rare() -> None:
    """Of questions of every length few are counted twice; seen to fail with each of them doubted."""
    window = Window()
    calls = [whole_of(window, lambda asked: -(-len(asked) // 4), 10**9, False, "abc " * n)[1] for n in range(500, 9000)]
    assert sum(calls) / 3 < len(calls) * 0.04


@pytest.mark.parametrize(
    ("status", "error", "setting"),
    [
        (302, ConfigError, "llm.base_url"),
        (400, PermanentError, None),
        (401, ConfigError, "llm.api_key_env"),
        (402, ConfigError, "llm.api_key_env"),
        (403, ConfigError, "llm.api_key_env"),
        (404, ConfigError, "llm.model"),
        (405, ConfigError, "llm.base_url"),
        (408, TemporaryError, None),
        (413, PermanentError, None),
        (422, PermanentError, None),
        (429, TemporaryError, None),
        (500, TemporaryError, None),
        (503, TemporaryError, None),
    ],
)
def test_an_error_is_named_for_who_must_act(
    twin: Completions, status: int, error: type[Exception], setting: str | None, tmp_path: Path
) -> None:
    """Time, the operator or a reviewer, and none of them reads what the other side repeats of the question."""
    told = {"error": {"message": f"{CANARIES[1]} {KEY}", "type": "x", "param": None, "code": "x"}}
    twin.fault(Status(status, told, {"x-request-id": "req_7", "location": "http://127.0.0.1:9/"}), times=None)
    with pytest.raises(error) as caught:
        openai(tmp_path, twin.base_url, max_retries=0).infer(question())
    assert getattr(caught.value, "setting", None) == setting
    assert f"{status}, request req_7" in str(caught.value)
    assert CANARIES[1] not in str(caught.value)
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert len(twin.requests) == 1


@pytest.mark.parametrize(
    ("told", "setting"),
    [
        ({"error": {"message": "Unsupported value", "param": "reasoning_effort", "code": "x"}}, "llm.effort"),
        ({"error": {"message": '"small" does not support thinking', "param": None}}, "llm.effort"),
        ({"error": {"message": "no", "param": "temperature"}}, "llm.extra_body"),
    ],
)
def test_a_setting_that_the_model_refuses_is_the_operators_business(
    twin: Completions, told: object, setting: str, tmp_path: Path
) -> None:
    """No question can be put so, so it is no question's fault: none is parked for it."""
    twin.fault(Status(400, told), times=None)
    with pytest.raises(ConfigError) as caught:
        openai(tmp_path, twin.base_url, effort="high", extra_body={"temperature": 0}).infer(question())
    assert caught.value.setting == setting


def test_what_a_customer_wrote_blames_no_setting(twin: Completions, tmp_path: Path) -> None:
    """An error may repeat the question, and a customer's words neither pause a model nor cost it its schema.

    Seen to fail with either guard taken away.
    """
    said = "Your json_schema is wrong, and reasoning_effort does not support thinking."
    twin.fault(Status(400, {"error": f"bad: {said}"}))
    llm = openai(tmp_path, twin.base_url, effort="high")
    with pytest.raises(PermanentError):
        llm.infer(question(user=said))
    llm.infer(question(user=said))
    assert twin.endpoint.asked[-1]["response_format"]["type"] == "json_schema"


def test_a_busy_endpoint_is_asked_again_a_few_times(twin: Completions, tmp_path: Path) -> None:
    """Short waits are sat out within the call; then it is for the worker to come back later."""
    twin.fault(Status(503, "<html>busy</html>", {"retry-after-ms": "10"}), times=None)
    with pytest.raises(TemporaryError) as caught:
        openai(tmp_path, twin.base_url, max_retries=2).infer(question())
    assert len(twin.requests) == 3
    assert caught.value.retry_after_s == pytest.approx(0.01)


@pytest.mark.parametrize(("header", "seconds"), [("3600", 3600.0), ("999999999", 86_400.0), ("soon", None)])
def test_a_long_wait_is_left_to_the_worker(
    twin: Completions, header: str, seconds: float | None, tmp_path: Path
) -> None:
    """No thread sleeps for hours because a header says so, and nonsense is no wait."""
    twin.fault(Status(429, {"error": "slow down"}, {"retry-after": header}), times=None)
    with pytest.raises(TemporaryError) as caught:
        openai(tmp_path, twin.base_url, max_retries=0).infer(question())
    assert len(twin.requests) == 1
    assert caught.value.retry_after_s == seconds


def test_an_account_without_credit_is_the_operators_business(twin: Completions, tmp_path: Path) -> None:
    """It comes as 429, and no waiting mends it."""
    told = {"error": {"message": "quota", "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}}
    twin.fault(Status(429, told), times=None)
    with pytest.raises(ConfigError, match="credit"):
        openai(tmp_path, twin.base_url).infer(question())
    assert len(twin.requests) == 1


@pytest.mark.parametrize("body", ["<html>Sign in to the proxy</html>", {"id": "x"}, {"error": {"message": "no"}}, []])
def test_an_answer_that_is_none_is_temporary(twin: Completions, body: object, tmp_path: Path) -> None:
    """A proxy's page with status 200 is neither an answer nor a crash, and its text stays out of the error."""
    twin.fault(Status(200, body))
    with pytest.raises(TemporaryError) as caught:
        openai(tmp_path, twin.base_url).infer(question())
    assert "proxy" not in str(caught.value)


def test_an_answer_that_breaks_off_is_asked_for_again(twin: Completions, tmp_path: Path) -> None:
    """Half an answer is none; a question changes nothing, so it may be put twice."""
    twin.fault(Truncated(0.5))
    assert openai(tmp_path, twin.base_url).infer(question()).text == json.dumps(ANSWER, separators=(",", ":"))
    assert len(twin.requests) == 2


def test_an_endpoint_that_counts_nothing_is_not_trusted(tmp_path: Path) -> None:
    """Without a count nobody would notice that a question was cut, nor what it cost."""
    with Completions(counts=False) as twin, pytest.raises(ConfigError, match="usage"):
        openai(tmp_path, twin.base_url).infer(question())


@pytest.mark.parametrize(
    ("finish", "refusal", "stop"),
    [
        ("stop", "", "end"),
        ("length", "", "truncated"),
        ("content_filter", "", "refusal"),
        ("stop", "I can't.", "refusal"),
        ("tool_calls", "", "truncated"),
    ],
)
def test_why_it_stopped_is_told_in_our_words(
    twin: Completions, finish: str, refusal: str, stop: str, tmp_path: Path
) -> None:
    """Only a natural end counts as a whole answer; seen to fail with `end` as the default."""
    twin.endpoint.finish, twin.endpoint.refusal = finish, refusal
    assert openai(tmp_path, twin.base_url).infer(question()).stop == stop


def test_cached_tokens_are_counted_and_priced(twin: Completions, tmp_path: Path) -> None:
    """They are among the prompt's tokens here, and cheaper; seen to fail with them counted twice."""
    usage = {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000}
    usage |= {"prompt_tokens_details": {"cached_tokens": 600}}  # type: ignore[dict-item]
    choice = {"message": {"content": [{"type": "text", "text": SHORT}]}, "finish_reason": "stop"}
    twin.fault(Status(200, {"model": "small-2026", "choices": [choice], "usage": usage}))
    answer = openai(tmp_path, twin.base_url).infer(question(user="word " * 500, schema=OTHER_SCHEMA))
    assert (answer.text, answer.model) == (SHORT, "small-2026")
    assert (answer.input_tokens, answer.cache_read_tokens, answer.output_tokens) == (300, 600, 100)
    assert answer.cost_usd == pytest.approx((300 * 1 + 600 * 0.1 + 100 * 2) / 1e6)


def test_a_free_model_costs_nothing_and_a_dear_one_never_does(twin: Completions, tmp_path: Path) -> None:
    """Nothing is free unless the operator says so: a model that is not in the file costs what the dearest does."""
    free = openai(tmp_path, twin.base_url, free=True, prices=None)
    assert (free.infer(question()).cost_usd, free.estimate_usd(1000, 1)) == (0, 0)
    novel = openai(tmp_path, twin.base_url).like("large-2")
    assert novel.estimate_usd(27_000, 1) == pytest.approx((10_000 * 1 + 400 * 2) / 1e6)


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"prices": None}, "llm.prices"),
        ({"free": True}, "llm.prices"),
        ({"prices": "missing.toml"}, "llm.prices"),
        ({"base_url": "http://models.example.com/v1"}, "llm.base_url"),
    ],
)
def test_what_does_not_fit_together_refuses_to_start(options: dict[str, Any], setting: str, tmp_path: Path) -> None:
    """A cost that nobody knows, and a key that would travel in the clear, are the operator's to mend, at once."""
    with pytest.raises(ConfigError) as caught:
        openai(tmp_path, **({"base_url": "http://127.0.0.1:9/v1"} | options))
    assert caught.value.setting == setting


def test_without_a_key_an_endpoint_in_the_own_network_may_be_plain_http(tmp_path: Path) -> None:
    """Containers of one machine speak so; only a key must never travel in the clear."""
    assert openai(tmp_path, "http://ollama:11434/v1/", api_key_env=None).model == "small"


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "127.0.0.1:11434"},
        {"base_url": "https://me:sk-secret@example.com/v1"},
        {"base_url": "https://example.com/v1?key=sk-secret"},
        {"default_headers": {"Authorization": "sk-secret"}},
        {"default_headers": {"Api-Key ": "sk-secret"}},
        {"extra_body": {"messages": "sk-secret"}},
        {"extra_body": {"stream": True}},
    ],
)
def test_the_config_holds_neither_a_secret_nor_what_is_ours(options: dict[str, Any]) -> None:
    """A key belongs in the environment or a file; the options refuse it and don't repeat it."""
    with pytest.raises(ValidationError) as caught:
        OpenAICompatibleOptions.model_validate({"base_url": "https://example.com/v1", "model": "m", **options})
    assert "sk-secret" not in str(caught.value)


def test_check_is_silent_when_all_is_well(tmp_path: Path) -> None:
    """Key, models and prices are there, and the declared context was proved, since that costs nothing here."""
    with Completions(key=KEY, models=("small:latest", "large"), window=40_000, too_long="halve") as twin:
        assert openai(tmp_path, twin.base_url).check() == ()
        assert twin.endpoint.asked == []
    with Completions(window=40_000, too_long="halve") as twin:
        free = openai(tmp_path, twin.base_url, free=True, prices=None, context_tokens=32_768)
        assert free.check() == ()
        assert len(twin.endpoint.asked) == 1


def test_check_tells_of_prices_that_nobody_looked_at(tmp_path: Path) -> None:
    """A list that is a year old is told for each model, and a model that is free has none to look up."""
    with Completions(key=KEY, models=("small", "large"), window=40_000, too_long="halve") as twin:
        made = openai(tmp_path, twin.base_url)
        (tmp_path / "old.toml").write_text((tmp_path / "prices.toml").read_text().replace("2026-11-23", "2025-11-23"))
        lines = openai(tmp_path, twin.base_url, prices="old.toml").check()
        assert made.check() == ()
    assert [line.split(" (")[0] for line in lines] == [
        f"llm.prices: the price of {name} is 365 days old" for name in ("small", "large")
    ]


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (Kind(key="another"), {}, ["llm.base_url", "401", "key"]),
        (Kind(), {"model": "novel"}, ["llm.model", "no price", "novel"]),
        (Kind(models=("small",)), {}, ["llm.stronger_model", "large", "not among the 1"]),
        (
            Kind(window=4096, too_long="halve"),
            {"context_tokens": 8192},
            ["llm.context_tokens", "OLLAMA_CONTEXT_LENGTH"],
        ),
        (Kind(window=4096, too_long="cut"), {"context_tokens": 8192}, ["llm.context_tokens", "OLLAMA_CONTEXT_LENGTH"]),
    ],
)
def test_check_tells_what_is_wrong(kind: Kind, options: dict[str, Any], words: list[str], tmp_path: Path) -> None:
    """A wrong key, a model without price or place, and Ollama's small window are found before the first question."""
    free = {"free": True, "prices": None} if "context_tokens" in options else {}
    with Completions(kind) as twin:
        lines = openai(tmp_path, twin.base_url, **options, **free).check()
    assert all(word in lines[0] for word in words)


def test_check_of_an_address_where_nothing_listens_is_a_line(tmp_path: Path) -> None:
    """An Ollama that isn't running is told, not crashed upon."""
    with Completions() as twin:
        address = twin.base_url
    (line,) = openai(tmp_path, address, max_retries=0).check()
    assert line.startswith("llm.base_url: its models can't be listed")


def test_the_key_is_in_no_representation(tmp_path: Path) -> None:
    """A traceback that shows objects doesn't show the key."""
    assert KEY not in repr(openai(tmp_path, "http://127.0.0.1:9/v1")._caller._endpoint)


def test_nobody_waits_for_the_http_client_before_the_first_question() -> None:
    """Importing and making the adapter loads no client; seen to fail with the import at the top."""
    code = (
        "import sys; from pathlib import Path\n"
        "from adapters.llms.openai_compatible import OpenAICompatibleLLM, OpenAICompatibleOptions\n"
        "from sidecar.model import Own; from sidecar.ports import Context\n"
        "made = OpenAICompatibleOptions(base_url='http://127.0.0.1:9/v1', model='m', free=True)\n"
        "OpenAICompatibleLLM('a', made, Context(lambda: None, Own(), Path(), lambda e, f: 'k'))\n"
        "print([name for name in ('httpx2', 'openai') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[]"


def test_the_stand_in_answers_what_openais_own_client_understands() -> None:
    """The twin is judged by a client that isn't ours: answer, refusal by status, and the list of models."""
    import openai as sdk

    with Completions(key=KEY) as twin:
        twin.endpoint.text = TEXT
        client = sdk.OpenAI(api_key=KEY, base_url=twin.base_url, max_retries=0)
        told = client.chat.completions.create(model="small", max_tokens=9, messages=[{"role": "user", "content": "hm"}])
        assert (told.choices[0].message.content, told.choices[0].finish_reason) == (TEXT, "stop")
        assert [model.id for model in client.models.list()] == ["small", "large"]
        with pytest.raises(sdk.NotFoundError) as caught:
            client.chat.completions.create(model="none", messages=[{"role": "user", "content": "hm"}])
        assert caught.value.code == "model_not_found"
        with pytest.raises(sdk.AuthenticationError):
            sdk.OpenAI(api_key="x", base_url=twin.base_url, max_retries=0).models.list()
        client.close()


def test_prices_of_a_file_without_models_refuse_to_start(tmp_path: Path) -> None:
    """A list of nothing reckons nothing."""
    openai(tmp_path, "http://127.0.0.1:9/v1")
    (tmp_path / "none.toml").write_text(PRICES.partition("[[")[0] + "models = {}")
    context = Context(lambda: NOW, Own(), tmp_path, lambda env, file: KEY)
    options = OpenAICompatibleOptions(base_url="http://127.0.0.1:9/v1", model="m", prices="none.toml")
    with pytest.raises(ConfigError, match="prices"):
        OpenAICompatibleLLM("openai", options, context)
