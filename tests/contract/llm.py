"""The promises of the LLM port, numbered: every adapter inherits them in a few lines.

A test class gives a fixture `llm`. Adapters that can refuse, be cut off, hang or fail inherit the further classes and
give the questions, or the models, that fare so. The suite reads the declared capabilities and relies on nothing but
the port. Seeds in the docstrings are the bugs under which a test was seen to fail.
"""

import json
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, NoReturn

import pytest

from sidecar.errors import ConfigError, PermanentError, TemporaryError, UnsupportedFeature
from sidecar.infer.wire import SCHEMA
from sidecar.model import SEVERAL, FieldClass, FieldPolicy, Role, StagePolicy, Standing, Turn
from sidecar.ports import LLM, Answer, BatchProgress, Question, batches

NOW = datetime(2026, 11, 23, 9, 7, tzinfo=UTC)
CANARIES = ("canary-in-the-system-text", "canary-in-the-user-text", "canary-in-what-was-said", "canary-in-the-answer")
LOGGERS = (
    "",
    "anthropic",
    "anthropic._base_client",
    "anthropic._response",
    "httpx2",
    "httpcore2",
    "sidecar",
    "adapters",
)
STAGES = (
    StagePolicy("enquired", ("qualified", "booked", "closed_lost")),
    StagePolicy("qualified", ("booked", "closed_won", "closed_lost")),
    StagePolicy("booked", ("attended", "qualified")),
    StagePolicy("attended", ("closed_won", "closed_lost"), needs="seller"),
    StagePolicy("closed_won", needs="seller", terminal=True),
    StagePolicy("closed_lost", terminal=True),
)
FIELDS = (
    FieldPolicy(
        "intent", FieldClass.OBSERVATION, "enum", ("buy", "book", "support", "complain", "inform", "cancel", "other")
    ),
    FieldPolicy("sentiment", FieldClass.OBSERVATION, "enum", ("positive", "neutral", "negative", "angry")),
    FieldPolicy("urgency", FieldClass.OBSERVATION, "enum", ("low", "normal", "high")),
    FieldPolicy(
        "risks",
        FieldClass.OBSERVATION,
        SEVERAL,
        (
            "price above budget",
            "a competitor in the race",
            "somebody else must agree",
            "plans put off",
            "no-show",
            "possible manipulation",
        ),
    ),
    FieldPolicy("budget", FieldClass.OBSERVATION),
)
OTHER_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"mood": {"type": "string"}},
    "required": ["mood"],
    "additionalProperties": False,
}


def turn(text: str, number: int = 1, role: Role = Role.CUSTOMER, **changes: Any) -> Turn:
    """Return one thing that somebody said; our side's and the system's words are authenticated."""
    made = Turn(
        alias=f"a{number}",
        activity=f"activity-{number}",
        at=NOW.replace(minute=min(number, 59)),
        channel="webchat",
        kind="message",
        role=role,
        authenticated=role in (Role.AGENT, Role.SYSTEM),
        who="",
        text=text,
    )
    return replace(made, **changes)


def question(*new: Turn, **changes: Any) -> Question:
    """Return a question about these turns, or about a short dialogue."""
    told = new or (
        turn("Can I come Thursday at 10? I mentioned canary-in-what-was-said.", 1),
        turn("You're booked for Thursday 26 November at 10:00.", 2, Role.AGENT),
    )
    made = Question(
        system="Read the conversation. canary-in-the-system-text",
        user="[dialogue] canary-in-the-user-text",
        schema=SCHEMA,
        max_tokens=256,
        now=max(t.at for t in told),
        timezone="Europe/London",
        standing=Standing("party-1"),
        earlier=(),
        new=told,
        fields=FIELDS,
        stages=STAGES,
    )
    return replace(made, **changes)


ANSWER: Mapping[str, Any] = {
    "ops": [
        {
            "evidence": [{"activity": "a1", "quote": "Can I come Thursday at 10?"}],
            "field": "intent",
            "op": "set",
            "value": "book",
            "certainty": "stated",
        }
    ],
    "steps": [],
    "summary": "canary-in-the-answer",
    "needs_full_reread": False,
}
"""An answer for peers that must be told what to say."""


def faults(value: object, schema: Mapping[str, Any], at: str = "$") -> list[str]:
    """Return where a value breaks a schema of the wire's kind: objects, arrays, strings, enums, booleans."""
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool}
    if not isinstance(value, kinds[schema["type"]]):
        return [f"{at} is no {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at} is none of {schema['enum']}"]
    found: list[str] = []
    if isinstance(value, dict):
        found += [f"{at}.{name} is missing" for name in schema["required"] if name not in value]
        found += [f"{at}.{name} is unknown" for name in value if name not in schema["properties"]]
        for name, part in schema["properties"].items():
            found += faults(value[name], part, f"{at}.{name}") if name in value else []
    if isinstance(value, list):
        for i, item in enumerate(value):
            found += faults(item, schema["items"], f"{at}[{i}]")
    return found


class LLMContract:
    """What every model promises."""

    threads: ClassVar[int] = 6

    def test_m1_an_answer_is_whole(self, llm: LLM) -> None:
        """M1: text, model, stop reason, tokens and cost are always present; seen to fail with the stop left empty."""
        answer = llm.infer(question())
        assert answer.text
        assert answer.model
        assert answer.stop == "end"
        counts = (answer.input_tokens, answer.output_tokens, answer.cache_read_tokens, answer.cache_write_tokens)
        assert all(type(count) is int and count >= 0 for count in counts)
        assert answer.cost_usd >= 0
        assert answer.duration_ms >= 0
        if not llm.capabilities.offline:
            assert min(answer.input_tokens, answer.output_tokens, answer.cost_usd) > 0

    def test_m2_the_schema_is_honoured(self, llm: LLM) -> None:
        """M2: declared, the answer fits the schema that was asked for; seen to fail with one property left out."""
        if not llm.capabilities.structured_outputs:
            with pytest.raises(UnsupportedFeature):
                llm.infer(question())
            return
        assert faults(json.loads(llm.infer(question()).text), SCHEMA) == []

    def test_m3_a_foreign_schema_is_sent_or_refused(self, llm: LLM) -> None:
        """M3: offline rules refuse a schema that they don't know, instead of answering past it."""
        if llm.capabilities.offline:
            with pytest.raises(UnsupportedFeature):
                llm.infer(question(schema=OTHER_SCHEMA))
            return
        assert llm.infer(question(schema=OTHER_SCHEMA)).stop == "end"

    def test_m4_nothing_that_was_asked_or_answered_is_logged(
        self, llm: LLM, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """M4: no log at any level, and no output, holds prompt or answer; seen to fail without the SDK's filter."""
        for name in LOGGERS:
            caplog.set_level(logging.DEBUG, logger=name)
        answer = llm.infer(question())
        llm.check()
        written = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
        logged = "\n".join((*written, *capfd.readouterr()))
        assert not [canary for canary in CANARIES if canary in logged]
        assert answer.text not in logged

    def test_m5_estimates_grow_with_the_text(self, llm: LLM) -> None:
        """M5: what costs money is estimated above nothing, more text never at less, no calls at nothing."""
        small, large = llm.estimate_usd(1_000, 1), llm.estimate_usd(1_000_000, 10)
        assert 0 <= small <= large
        assert llm.estimate_usd(0, 0) == 0
        if llm.infer(question()).cost_usd:
            assert min(small, large - small) > 0

    def test_m6_the_same_question_gets_the_same_answer(self, llm: LLM) -> None:
        """M6: declared deterministic, two answers are equal to the letter."""
        if not llm.capabilities.deterministic:
            pytest.skip("not declared")
        assert llm.infer(question()).text == llm.infer(question()).text

    def test_m7_offline_means_offline(self, llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
        """M7: declared offline, no connection is opened; seen to fail with a connect in `infer`."""
        if not llm.capabilities.offline:
            pytest.skip("not declared")
        monkeypatch.setattr(socket, "socket", _no_socket)
        monkeypatch.setattr(socket, "create_connection", _no_socket)
        assert llm.infer(question()).stop == "end"
        llm.check()

    def test_m8_threads_may_share_it(self, llm: LLM) -> None:
        """M8: workers ask at the same time and each gets a whole answer of its own."""
        with ThreadPoolExecutor(self.threads) as pool:
            answers = list(pool.map(llm.infer, [question() for _ in range(2 * self.threads)], timeout=60))
        assert all(faults(json.loads(answer.text), SCHEMA) == [] for answer in answers)

    def test_m9_it_has_a_name_and_says_what_is_wrong(self, llm: LLM) -> None:
        """M9: it is named, and `check` returns lines to read, each with the setting to change."""
        assert "" not in (llm.name, llm.model)
        lines: Sequence[str] = llm.check()
        assert all(line.startswith("llm.") for line in lines)

    def test_m15_another_model_of_it_is_whole(self, llm: LLM) -> None:
        """M15: its own model and effort are always to be had, and an effort that it doesn't declare is refused."""
        for again in (llm.like(""), llm.like(llm.model), llm.like(llm.model, llm.effort)):
            assert (again.name, again.model, again.effort) == (llm.name, llm.model, llm.effort)
            assert again.infer(question()).stop == "end"
        assert not llm.effort or llm.effort in llm.capabilities.efforts
        with pytest.raises(ConfigError):
            llm.like(llm.model, "no-such-effort")
        for effort in llm.capabilities.efforts:
            assert llm.like("", effort).effort == effort

    def test_m16_whoever_is_stronger_is_another_of_its_kind(self, llm: LLM) -> None:
        """M16: the model for hard cases is another one, nobody stands behind it, and rules have none."""
        strong = llm.stronger
        if strong is None:
            return
        assert not llm.capabilities.is_baseline
        assert strong.model != llm.model
        assert (strong.name, strong.stronger) == (llm.name, None)
        assert strong.infer(question()).stop == "end"

    def test_m17_questions_by_the_batch_are_declared_or_refused(self, llm: LLM) -> None:
        """M17: what takes no batches says so, instead of asking one by one at the full price."""
        if llm.capabilities.batch:
            assert batches(llm).max_questions > 0
            return
        with pytest.raises(UnsupportedFeature):
            batches(llm)


class BatchContract:
    """What models promise that take batches.

    `again` is the same model in another process, `end` lets the other side end its batches, `expires` lets the
    question of a key expire.
    """

    def test_m18_each_question_is_answered_under_its_own_key(self, llm: LLM, end: Callable[[], object]) -> None:
        """M18: once each, whatever the order, whole and with what it cost; seen to fail with results taken in order."""
        handed = {f"k-{n}": question(max_tokens=300 + n) for n in range(5)}
        ticket = batches(llm).submit(handed)
        end()
        found = list(batches(llm).collect(ticket))
        assert sorted(key for key, _ in found) == sorted(handed)
        assert len({answer.request_id for _, answer in found if isinstance(answer, Answer)}) == 5
        for _, answer in found:
            assert isinstance(answer, Answer)
            assert (answer.stop, faults(json.loads(answer.text), SCHEMA)) == ("end", [])
            assert min(answer.input_tokens, answer.output_tokens) > 0
            assert answer.cost_usd > 0

    def test_m19_a_batch_says_how_far_it_is(self, llm: LLM, end: Callable[[], object]) -> None:
        """M19: nothing is collected before it has ended, and then as often as is asked for."""
        offered = batches(llm)
        ticket = offered.submit({"one": question(), "two": question()})
        assert offered.progress(ticket) == BatchProgress(ended=False, total=2, decided=0)
        with pytest.raises(TemporaryError):
            list(offered.collect(ticket))
        end()
        assert offered.progress(ticket) == BatchProgress(ended=True, total=2, decided=2)
        assert sorted(key for key, _ in offered.collect(ticket)) == ["one", "two"]
        assert len(list(offered.collect(ticket))) == 2

    def test_m20_a_ticket_outlives_the_process(self, llm: LLM, again: LLM, end: Callable[[], object]) -> None:
        """M20: whoever kept the ticket collects what was paid for; seen to fail with tickets known to one process."""
        ticket = batches(llm).submit({"one": question()})
        end()
        assert [key for key, _ in batches(again).collect(json.loads(json.dumps(ticket)))] == ["one"]
        with pytest.raises(ConfigError):
            batches(again).progress(f"{ticket}0")
        with pytest.raises(ConfigError):
            batches(again).progress("../messages")

    def test_m21_one_question_that_expires_takes_no_other_with_it(
        self, llm: LLM, end: Callable[[], object], expires: Callable[[str], object]
    ) -> None:
        """M21: each question has a fate of its own, and one that was not answered can be asked again."""
        ticket = batches(llm).submit({"one": question(), "two": question()})
        expires("one")
        end()
        found = dict(batches(llm).collect(ticket))
        assert isinstance(found["one"], TemporaryError)
        assert isinstance(found["two"], Answer)

    def test_m22_a_batch_that_is_called_off_ends(self, llm: LLM, end: Callable[[], object]) -> None:
        """M22: what was not answered by then is told as an error that time mends."""
        ticket = batches(llm).submit({"one": question()})
        batches(llm).cancel(ticket)
        end()
        ((_, fate),) = batches(llm).collect(ticket)
        assert isinstance(fate, TemporaryError)

    @pytest.mark.parametrize("keys", [["a b"], [""], ["k" * 65], []])
    def test_m23_what_is_no_batch_is_refused(self, llm: LLM, keys: Sequence[str]) -> None:
        """M23: a key that can't be told apart, and a batch of nothing, never leave the house."""
        with pytest.raises(PermanentError):
            batches(llm).submit({key: question() for key in keys})

    def test_m24_no_batch_is_logged(
        self, llm: LLM, end: Callable[[], object], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """M24: no log at any level, and no output, holds what was asked or answered by the batch."""
        for name in LOGGERS:
            caplog.set_level(logging.DEBUG, logger=name)
        ticket = batches(llm).submit({"one": question()})
        end()
        assert len(list(batches(llm).collect(ticket))) == 1
        written = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
        logged = "\n".join((*written, *capfd.readouterr()))
        assert not [canary for canary in CANARIES if canary in logged]


class ReluctantContract(LLMContract):
    """What models promise that can refuse or be cut off; `refused` and `cut_off` are questions that fare so."""

    def test_m10_a_refusal_is_visible(self, llm: LLM, refused: Question) -> None:
        """M10: a refusal is an answer with that stop, never an error and never an `end`."""
        assert llm.infer(refused).stop == "refusal"

    def test_m11_a_cut_off_answer_is_visible(self, llm: LLM, cut_off: Question) -> None:
        """M11: an answer that ran out of room says so; seen to fail with max_tokens mapped to end."""
        assert llm.infer(cut_off).stop == "truncated"


class RemoteContract(ReluctantContract):
    """What models promise that are far away; `hangs`, `limits` and `breaks` return a model whose other side does so."""

    def test_m12_a_time_out_is_temporary(self, hangs: LLM) -> None:
        """M12: no answer in time means later, not never."""
        with pytest.raises(TemporaryError):
            hangs.infer(question())

    def test_m13_a_rate_limit_is_temporary_and_says_when(self, limits: LLM) -> None:
        """M13: a long wait that the other side asks for is passed on instead of slept through."""
        with pytest.raises(TemporaryError) as caught:
            limits.infer(question())
        assert (caught.value.retry_after_s or 0) > 60

    def test_m14_a_broken_connection_is_temporary(self, breaks: LLM) -> None:
        """M14: a connection that is dropped before the answer means later, not never."""
        with pytest.raises(TemporaryError):
            breaks.infer(question())


def _no_socket(*args: object, **named: object) -> NoReturn:
    raise AssertionError("an offline model opened a connection")
