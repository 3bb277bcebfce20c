"""Requests to an endpoint that speaks OpenAI's chat completions, in the manner that this endpoint understands.

There is no one dialect: some hold a model to a schema, some only to JSON, some to nothing; some want the limit under
its new name. Each is asked for the best first; what it refuses by a 400 that says so is not asked of it again while
this process lives. No other failure changes the manner. Source: OpenAI's SDK 3.54; docs of vLLM (0.8 to 0.15) and
Ollama (0.40); issues of vLLM, LM Studio and Ollama that show what each refuses, and how; read 2026-11.

What error texts say never enters ours, because they may repeat the prompt; the request id does.
"""

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tenacity.nap import sleep_using_event

from adapters.http.calls import Timeouts, TooLateError, answer, number
from adapters.http.patience import Again, patient
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.ports import Observe, Question

if TYPE_CHECKING:
    from adapters.http.pooled import Pooled
    from adapters.http.pooled import Reply as HttpReply

SCHEMA, OBJECT, TEXT = "json_schema", "json_object", "text"
RUNGS = (SCHEMA, OBJECT, TEXT)
CONNECTIONS = 16
CONNECT_TIMEOUT_S = 5.0
MAX_WAIT_S = 10.0
MAX_RETRY_AFTER_S = 86_400.0
MAX_SAID_CHARS = 2_000
PROBE_ROOM_TOKENS = 16
_ASK_FOR_JSON = "\n\nAnswer with one JSON object and nothing else. It fits this JSON Schema:\n"
_STOPS = {"stop": "end", "eos": "end", "length": "truncated", "content_filter": "refusal"}
"""What finish reasons mean; any other (a tool call that nobody offered) is no whole answer."""

_LATER = frozenset({408, 409, 425, 429})
_TOLD = frozenset({400, 413, 422})
_OPERATORS = {
    401: ("api_key_env", "the key is not accepted, or there is none; set one that is"),
    402: ("api_key_env", "the account can't pay; see to its billing"),
    403: ("api_key_env", "the key may not use this model or endpoint"),
    404: ("model", "there is no such model, or base_url is wrong (most end in /v1)"),
}
_TOO_LONG = re.compile(r"context.?(length|size|window)|maximum input length|prompt is too long|input_tokens")
_FORMAT = re.compile(r"response_format|json_schema|json_object|structured.?output|guided|grammar")
_EFFORT = re.compile(r"reasoning.?effort|support thinking|think(ing)? value")
_REQUEST_ID = re.compile(r"[\w.:-]{1,100}")
T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to call; `headers` hold the key, `extra_body` what else each request carries."""

    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    extra_body: Mapping[str, Any] = field(repr=False)
    timeout_s: float
    max_retries: int


class _Cached(BaseModel):
    cached_tokens: int | None = Field(None, ge=0)


class Usage(BaseModel):
    """What was counted; `prompt_tokens` include those that came from a cache."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(0, ge=0)
    prompt_tokens_details: _Cached | None = None

    @property
    def cached(self) -> int:
        """The tokens of the prompt that came from a cache."""
        told = self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details else None
        return min(told or 0, self.prompt_tokens)


class _Part(BaseModel):
    text: str = ""


class _Message(BaseModel):
    content: str | list[_Part] | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class Reply(BaseModel):
    """A chat completion, as far as we read it; thoughts that come in a field of their own are left out."""

    model_config = ConfigDict(hide_input_in_errors=True)

    id: str = ""
    model: str
    choices: list[_Choice] = Field(min_length=1)
    usage: Usage | None = None

    @property
    def text(self) -> str:
        """What was written."""
        content = self.choices[0].message.content
        return "".join(part.text for part in content) if isinstance(content, list) else content or ""

    @property
    def stop(self) -> str:
        """Why it ended, in our words."""
        if self.choices[0].message.refusal:
            return "refusal"
        return _STOPS.get(self.choices[0].finish_reason or "", "truncated")


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    data: list[_Model] = Field(max_length=20_000)


@dataclass(frozen=True, slots=True)
class _Asked:
    operation: str
    effect: bool = False


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a model is asked: by which rung of the ladder, and what the limit of its answer is called."""

    rung: str = SCHEMA
    room: str = "max_tokens"


class _ToldError(Exception):
    """A refusal of the request itself; `why` is the vendor's word for it and stays in here."""

    def __init__(self, param: str, why: str, told: str) -> None:
        super().__init__(told)
        self.param, self.why, self.told = param, why, told

    @property
    def is_too_long(self) -> bool:
        return bool(_TOO_LONG.search(f"{self.param} {self.why}"))

    def other(self, manner: _Manner, asked: str) -> _Manner | None:
        """The manner that is asked for instead, None where the refusal isn't about the manner, or repeats `asked`."""
        if manner.room == "max_tokens" and self.param in ("", "max_tokens") and "max_completion_tokens" in self.why:
            return replace(manner, room="max_completion_tokens")
        of_form = _FORMAT.search(self.param or self.why) and (self.param or not _FORMAT.search(asked.lower()))
        if of_form and manner.rung != TEXT:
            return replace(manner, rung=RUNGS[RUNGS.index(manner.rung) + 1])
        return None


class Caller:
    """Speaks to one endpoint; safe to share between threads. The HTTP client is imported by the first call."""

    def __init__(self, endpoint: Endpoint, observe: Observe) -> None:
        self._endpoint, self._observe = endpoint, observe
        self._lock = threading.Lock()
        self._manners: dict[str, _Manner] = {}
        self._pooled: Pooled | None = None

    def ask(self, question: Question, model: str, effort: str) -> Reply | None:
        """Send one question and return its answer, whatever its stop; None when it was refused as too long."""
        for _ in range(len(RUNGS) + 1):
            manner = self._manners.get(model, _Manner())
            try:
                return self._completed(self._body(question, model, effort, manner))
            except _ToldError as told:
                if told.is_too_long:
                    return None
                other = told.other(manner, question.user)
                if other is None:
                    self._blame(told, question, effort)
                self._manners[model] = other
        raise PermanentError("the endpoint takes none of the forms in which a question can be put")

    def measure(self, text: str, model: str) -> Usage | None:
        """Return what a text of ours is counted at; None when it was refused as too long."""
        room = self._manners.get(model, _Manner()).room
        messages = [{"role": "user", "content": text}]
        try:
            reply = self._completed({"model": model, "messages": messages, room: PROBE_ROOM_TOKENS})
        except _ToldError as told:
            if told.is_too_long:
                return None
            raise PermanentError(told.told) from None
        return reply.usage

    def models(self) -> Sequence[str]:
        """Return the ids of the models that the endpoint says it has."""
        try:
            return [model.id for model in _parsed(self._sent("models", "GET", "/models", None), _Models).data]
        except _ToldError as told:
            raise PermanentError(told.told) from None

    def _body(self, question: Question, model: str, effort: str, manner: _Manner) -> dict[str, Any]:
        system = question.system
        if manner.rung != SCHEMA:
            system += _ASK_FOR_JSON + json.dumps(question.schema, ensure_ascii=False)
        messages = [{"role": "system", "content": system}, {"role": "user", "content": question.user}]
        body: dict[str, Any] = {"model": model, "messages": messages, manner.room: question.max_tokens}
        if manner.rung == SCHEMA:
            held = {"name": "answer", "strict": True, "schema": dict(question.schema)}
            body["response_format"] = {"type": SCHEMA, "json_schema": held}
        elif manner.rung == OBJECT:
            body["response_format"] = {"type": OBJECT}
        return body | ({"reasoning_effort": effort} if effort else {})

    def _blame(self, told: _ToldError, question: Question, effort: str) -> NoReturn:
        """Raise for a refusal of a setting, or of this one question; what a customer wrote must not stop the others."""
        about = told.param.partition(".")[0]
        of_effort = _EFFORT.search(told.param or told.why)
        if effort and of_effort and (told.param or not _EFFORT.search(question.user.lower())):
            raise ConfigError(f"the model takes no effort {effort!r}; {told.told}", setting="llm.effort") from None
        if about in self._endpoint.extra_body:
            raise ConfigError(f"the model takes no such {about}; {told.told}", setting="llm.extra_body") from None
        raise PermanentError(told.told) from None

    def _completed(self, body: Mapping[str, Any]) -> Reply:
        answered = self._sent("chat", "POST", "/chat/completions", {**self._endpoint.extra_body, **body})
        reply = _parsed(answered, Reply)
        if reply.usage is None:
            raise ConfigError(
                "it doesn't count the tokens that it reads (usage), so a prompt that it cuts would go unnoticed",
                setting="llm.base_url",
            )
        return reply.model_copy(update={"id": _request_id(answered.headers) or reply.id[:100]})

    def _sent(self, operation: str, method: str, path: str, body: Any) -> "HttpReply":
        """Send with short retries on 429, 5xx and broken connections; a longer wait is left to whoever called us."""
        again = patient(MAX_WAIT_S, sleep_using_event(threading.Event()), self._endpoint.max_retries + 1)
        sent: HttpReply = again(self._once, operation, method, path, body)
        return sent

    def _once(self, operation: str, method: str, path: str, body: Any) -> "HttpReply":
        pooled, at = self._client(), self._endpoint

        def send() -> "HttpReply":
            try:
                return pooled.send(method, at.base_url + path, at.headers, body=body)
            except TooLateError:
                raise TemporaryError(f"no answer within {at.timeout_s:g} s") from None

        answered = answer("the model's endpoint", _Asked(operation), self._observe, send)
        _raise_for(answered)
        return answered

    def _client(self) -> "Pooled":
        from adapters.http.pooled import Pooled

        with self._lock:
            if self._pooled is None:
                wait_s = self._endpoint.timeout_s
                self._pooled = Pooled(Timeouts(min(CONNECT_TIMEOUT_S, wait_s), wait_s, wait_s), CONNECTIONS)
            return self._pooled


def _raise_for(reply: "HttpReply") -> None:
    status = reply.status
    if 200 <= status < 300:
        return
    param, code, why = _said(reply.data)
    told = f"the model's endpoint answered {status}, request {_request_id(reply.headers) or 'unnamed'}"
    if code == "insufficient_quota":
        raise ConfigError(f"the account has no credit left; {told}", setting="llm.api_key_env")
    if status in _LATER or status >= 500:
        raise Again(told, retry_after_s=_retry_after_s(reply.headers))
    if status in _OPERATORS:
        key, remedy = _OPERATORS[status]
        raise ConfigError(f"{remedy}; {told}", setting=f"llm.{key}")
    if status in _TOLD:
        raise _ToldError(param, why, f"the request was refused for what it is: {told}")
    raise ConfigError(f"this is no endpoint for questions; {told}", setting="llm.base_url")


def _said(data: Any) -> tuple[str, str, str]:
    """Which parameter an error is about, its code, and all that it says in lower case; each may be empty.

    Shapes: `{"error": {"message", "type", "param", "code"}}`, `{"error": "text"}`, `{"message", ...}`, `{"detail"}`.
    """
    told = data.get("error", data) if isinstance(data, Mapping) else data
    if not isinstance(told, Mapping):
        return "", "", str(told or "")[:MAX_SAID_CHARS].lower()
    words = [told.get(key) for key in ("code", "type", "message", "detail")]
    why = " ".join(str(word) for word in words if word)[:MAX_SAID_CHARS].lower()
    param, code = told.get("param"), told.get("code")
    return param.lower() if isinstance(param, str) else "", code if isinstance(code, str) else "", why


def _request_id(headers: Mapping[str, str]) -> str:
    found = _REQUEST_ID.fullmatch(headers.get("x-request-id", ""))
    return found[0] if found else ""


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    milliseconds, seconds = number(headers, "retry-after-ms"), number(headers, "retry-after")
    wait_s = milliseconds / 1000 if milliseconds is not None else seconds
    return None if wait_s is None else min(wait_s, MAX_RETRY_AFTER_S)


def _parsed(reply: "HttpReply", model: type[T]) -> T:
    try:
        return model.model_validate(reply.data)
    except ValidationError:
        raise TemporaryError(
            "what came back is no answer of an OpenAI-compatible endpoint; if this lasts, see llm.base_url"
        ) from None
