"""A small stand-in for endpoints that speak OpenAI's chat completions, of several kinds, over a real socket.

It counts tokens and words as such endpoints do, refuses in their words, and answers what the test tells it to. A kind
is what it can be held to (`forms`), whether it thinks aloud, and what it does with a question that doesn't fit.
OpenAI's own SDK judges it: what its types don't take, of an answer or of a request, is a defect, and the twin raises
when it is closed. Shapes of refusals are those seen of OpenAI, vLLM 0.16, LM Studio and Ollama 0.32 (their issue
trackers, read 2026-11).
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from openai.types import Model
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter, ValidationError

from tests.twins.wire.passing import Log, Logged, Reply, Request
from tests.twins.wire.twin import Twin

REQUEST: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsNonStreaming)
VLLM_TOO_LONG = (
    "You passed {count} input tokens and requested {room} output tokens. However, the model's context length is only "
    "{window} tokens. Please reduce the length of the input prompt. (parameter=input_tokens, value={count})"
)
THOUGHT = '<think>\nThey want {"ops": 1} perhaps? Let me see.\n</think>\n\n'


@dataclass(frozen=True)
class Kind:
    """What an endpoint is like; a question that is longer than the window is refused, or cut to it or to its half."""

    forms: frozenset[str] = frozenset({"json_schema", "json_object", "text"})
    thinks: bool = False
    fences: bool = False
    window: int = 1_000_000
    too_long: Literal["refuse", "cut", "halve"] = "refuse"
    room: str = "max_tokens"
    key: str = ""
    models: tuple[str, ...] = ("small", "large")
    counts: bool = True


class _RefusalError(Exception):
    def __init__(self, status: int, body: Any) -> None:
        self.status, self.body = status, body


class Endpoint:
    """Answers requests; `text` is what the model says, `finish` and `refusal` how it ends."""

    def __init__(self, kind: Kind, log: Log) -> None:
        self.kind, self.log, self.defects = kind, log, list[str]()
        self.text, self.finish, self.refusal = "{}", "stop", ""
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Do what a request asks for and return the reply."""
        try:
            body = self._done(request)
            reply = self.reply(200, body, {"x-request-id": "req_1"})
        except _RefusalError as refused:
            reply = self.reply(refused.status, refused.body, {"x-request-id": "req_1"})
        self.note(request, reply, self.operation(request), answered=answered, fault=fault)
        return reply

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""
        status, size = (reply.status, len(reply.body)) if reply else (None, 0)
        self.log.add(
            Logged(
                request.method, request.target, operation, 1, status, len(request.body), size, b"", answered, fault
            )
        )  # fmt: skip

    def operation(self, request: Request) -> str:
        """Return what the log calls this request."""
        return request.target.rpartition("/")[2]

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a body of text or JSON."""
        text = body if isinstance(body, str) else json.dumps(body)
        return Reply(status, text.encode(), {"Content-Type": "application/json", **(headers or {})})

    def dressed(self, body: Any) -> Any:
        """Return a fault's body as it is."""
        return body

    def _done(self, request: Request) -> Any:
        self.keys.append(request.headers.get("authorization", ""))
        if self.kind.key and self.keys[-1] != f"Bearer {self.kind.key}":
            raise _error(401, "Incorrect API key provided.", "invalid_request_error", None, "invalid_api_key")
        if (request.method, request.target) == ("GET", "/v1/models"):
            data = [{"id": name, "object": "model", "created": 1, "owned_by": "us"} for name in self.kind.models]
            self._judge((Model, each) for each in data)
            return {"object": "list", "data": data}
        if (request.method, request.target) != ("POST", "/v1/chat/completions"):
            raise _RefusalError(404, {"detail": "Not Found"})
        return self._completed(json.loads(request.body))

    def _completed(self, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(body)
        try:
            REQUEST.validate_python({k: v for k, v in body.items() if k != "chat_template_kwargs"})
        except ValidationError as error:
            self.defects.append(f"OpenAI's SDK knows no such request: {error}")
        if body["model"] not in self.kind.models:
            told = f"The model `{body['model']}` does not exist"
            raise _error(404, told, "invalid_request_error", None, "model_not_found")
        self._hold(body)
        count = self._counted(body)
        said = self.text
        if "json_schema" not in self.kind.forms:
            said = f"```json\n{said}\n```\nI hope this helps!" if self.kind.fences else said
        said = THOUGHT + said if self.kind.thinks else said
        message = {"role": "assistant", "content": None if self.refusal else said, "refusal": self.refusal or None}
        choice = {"index": 0, "message": message, "finish_reason": self.finish, "logprobs": None}
        written = tokens(said)
        usage = {"prompt_tokens": count, "completion_tokens": written, "total_tokens": count + written}
        made = {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice],
            "usage": usage if self.kind.counts else None,
        }  # fmt: skip
        self._judge([(ChatCompletion, made)])
        return made

    def _hold(self, body: dict[str, Any]) -> None:
        """Refuse what this kind can't be held to, as such endpoints do."""
        if self.kind.room not in body:
            told = (
                f"Unsupported parameter: 'max_tokens' is not supported with this model. Use '{self.kind.room}' instead."
            )
            raise _error(400, told, "invalid_request_error", "max_tokens", "unsupported_parameter")
        form = body.get("response_format", {"type": "text"})["type"]
        if form in self.kind.forms:
            return
        if self.kind.forms == {"text"}:
            raise _RefusalError(400, {"error": "'response_format.type' must be 'text'"})
        told = f"Invalid value: '{form}'. Supported values are: 'json_object' and 'text'."
        raise _error(400, told, "invalid_request_error", "response_format.type", "invalid_value")

    def _counted(self, body: dict[str, Any]) -> int:
        """The tokens that are read of a question: all, or what a cut leaves (of 4,096, with the first 4: 2,050)."""
        count = tokens(" ".join(message["content"] for message in body["messages"]))
        window = self.kind.window
        if count <= window:
            return count
        if self.kind.too_long == "refuse":
            told = VLLM_TOO_LONG.format(count=count, room=body[self.kind.room], window=window)
            raise _error(400, told, "BadRequestError", "input_tokens", 400)
        return window if self.kind.too_long == "cut" else 4 + (window - 4) // 2

    def _judge(self, made: Iterable[tuple[Any, dict[str, Any]]]) -> None:
        for model, body in made:
            try:
                found = model.model_validate(body, strict=True)
            except ValidationError as error:
                self.defects.append(f"OpenAI's SDK takes no such answer: {error}")
            else:
                self.defects += [f"OpenAI's SDK knows no {name}" for name in found.model_extra or {}]


class Completions(Twin):
    """An endpoint on a loopback socket: `with Completions(Kind(...)) as twin: ... twin.base_url ...`."""

    def __init__(self, kind: Kind | None = None, **changes: Any) -> None:
        log = Log()
        self.endpoint = Endpoint(replace(kind or Kind(), **changes), log)
        super().__init__(self.endpoint, log, 1, 0)

    @property
    def base_url(self) -> str:
        """The address that an adapter is given."""
        return f"{self.url}/v1"


def tokens(text: str) -> int:
    """Count as a tokenizer does, about: a token for each five letters of a word, and one for each sign."""
    return sum(-(-len(word) // 5) if word[0].isalnum() else 1 for word in re.findall(r"[^\W_]+|[^\w\s]|_", text))


def _error(status: int, message: str, kind: str, param: str | None, code: object) -> _RefusalError:
    return _RefusalError(status, {"error": {"message": message, "type": kind, "param": param, "code": code}})
