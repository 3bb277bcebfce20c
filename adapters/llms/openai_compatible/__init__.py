"""Any endpoint that speaks OpenAI's chat completions: a model on a machine of one's own, or a hosted one.

It speaks plain HTTP and needs no vendor's library. What such endpoints have in common is little, so the adapter finds
out what this one can do (`calls`), notices when it cuts a question in silence (`window`), and takes an answer out of
the thoughts around it (`answers`). Nothing is assumed about money: a list of prices is given, or the model is declared
free, because a cost of nothing for a model that costs something would blind the daily budget.

The trade-off: no temperature is set, since many models refuse one; `extra_body` sets it for those that don't.
"""

from collections.abc import Sequence
from copy import copy
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adapters import files
from adapters.formats.prices import MAX_FILE_BYTES, SETTING, Prices
from adapters.http.options import is_loopback
from adapters.llms.openai_compatible import answers
from adapters.llms.openai_compatible.calls import Caller, Endpoint, Reply, Usage
from adapters.llms.openai_compatible.window import CHARS_PER_TOKEN, Window
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.ports import Answer, Context, LLMCapabilities, Question

TYPICAL_OUTPUT_TOKENS = 400
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
_SECRET_HEADERS = {"authorization", "x-api-key", "api-key"}
_OURS = {
    "model", "messages", "max_tokens", "max_completion_tokens", "response_format", "reasoning_effort", "stream", "n",
    "tools", "tool_choice",
}  # fmt: skip
_CUT = (
    "the endpoint cuts long questions in silence; Ollama does unless it is started with OLLAMA_CONTEXT_LENGTH=32768, "
    "or the model has a num_ctx of its own"
)


class OpenAICompatibleOptions(BaseModel):
    """Settings of the `[llm]` section for type `openai`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: str = Field(description="Endpoint, as far as its /chat/completions, such as http://127.0.0.1:11434/v1")
    model: str = Field(min_length=1, description="Model that reads every conversation")
    stronger_model: str | None = Field(None, description="Model that is asked about the hard cases")
    api_key_env: str | None = Field(None, description="Variable that holds the key, where there is one")
    api_key_file: str | None = Field(None, description="File that holds the key")
    effort: Effort | Literal[""] = Field("", description="How much the model thinks; empty leaves it to the endpoint")
    context_tokens: int | None = Field(None, ge=1024, description="What fits into the model's context, answer included")
    timeout_s: float = Field(120.0, gt=0, le=600, description="Seconds to wait for an answer")
    max_retries: int = Field(2, ge=0, le=5, description="Short retries within one call")
    prices: str | None = Field(None, description="File of prices; needed unless free")
    free: bool = Field(False, description="Nobody sends a bill for this model, so it costs nothing")
    default_headers: dict[str, str] = Field(default_factory=dict, description="Further headers, none of them secret")
    extra_body: dict[str, Any] = Field(default_factory=dict, description="What else each request carries")

    @field_validator("base_url")
    @classmethod
    def _address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("it is an address such as https://api.example.com/v1")
        if parts.username or parts.password:
            raise ValueError("a key doesn't belong here; use api_key_env or api_key_file")
        return url.rstrip("/")

    @field_validator("default_headers")
    @classmethod
    def _no_secrets(cls, headers: dict[str, str]) -> dict[str, str]:
        if _SECRET_HEADERS & {name.strip().lower() for name in headers}:
            raise ValueError("a key doesn't belong here; use api_key_env or api_key_file")
        return headers

    @field_validator("extra_body")
    @classmethod
    def _not_ours(cls, extra: dict[str, Any]) -> dict[str, Any]:
        if ours := sorted(_OURS & set(extra)):
            raise ValueError(f"{', '.join(ours)} can't be set here")
        return extra

    @property
    def has_key(self) -> bool:
        """Say whether a key is named."""
        return bool(self.api_key_env or self.api_key_file)


class OpenAICompatibleLLM:
    """Asks an OpenAI-compatible endpoint; fulfils the port `LLM`."""

    Options = OpenAICompatibleOptions
    capabilities = LLMCapabilities(structured_outputs=True, efforts=get_args(Effort))

    def __init__(self, name: str, options: OpenAICompatibleOptions, context: Context) -> None:
        _agree(options)
        self.name = name
        self.model = options.model
        self.effort: str = options.effort
        self._options = options
        self._clock = context.clock
        self._prices: Prices | None = None
        if options.prices:
            listed = context.base / Path(options.prices)
            self._prices = Prices(files.read(listed, "the file of prices", SETTING, MAX_FILE_BYTES))
        headers = dict(options.default_headers)
        if options.has_key:
            headers["Authorization"] = f"Bearer {context.secret(options.api_key_env, options.api_key_file)}"
        endpoint = Endpoint(options.base_url, headers, options.extra_body, options.timeout_s, options.max_retries)
        self._caller = Caller(endpoint, context.observe)
        self._windows: dict[str, Window] = {}

    @property
    def stronger(self) -> "OpenAICompatibleLLM | None":
        """The model for hard cases."""
        named = self._options.stronger_model
        return self.like(named) if named and named != self.model else None

    def like(self, model: str, effort: str = "") -> "OpenAICompatibleLLM":
        """Return the same endpoint, key and prices with another model or effort."""
        if effort and effort not in self.capabilities.efforts:
            raise ConfigError(f"{effort!r} is none of {', '.join(self.capabilities.efforts)}", setting="llm.effort")
        other = copy(self)  # which shares what was learned of the endpoint
        other.model, other.effort = model or self.model, effort or self.effort
        return other

    def infer(self, question: Question) -> Answer:
        """Answer one question; a prompt that the endpoint cut is a `ConfigError`, never an answer."""
        began = perf_counter()
        asked = f"{question.system}\n{question.user}"
        window = self._window()
        if window.overflows(question.system, question.max_tokens):
            raise ConfigError("not even the instructions fit into it", setting="llm.context_tokens")
        reply = None
        if not window.overflows(asked, question.max_tokens):
            reply = self._caller.ask(question, self.model, self.effort)
        if reply is None or reply.usage is None:
            return Answer("", self.model, "overfull", duration_ms=round((perf_counter() - began) * 1000))
        probed: list[Usage] = []
        if not window.is_whole(asked, reply.usage.prompt_tokens, lambda text: self._measure(text, probed)):
            raise ConfigError(
                f"{_CUT}; {reply.usage.prompt_tokens} tokens of one were read", setting="llm.context_tokens"
            )
        return self._answer(question, reply, [reply.usage, *probed], round((perf_counter() - began) * 1000))

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """Estimate by 2.7 characters a token and a typical answer; system texts count as input, caches don't help."""
        if calls <= 0 or self._prices is None:
            return 0.0
        tokens = round(max(input_chars, 0) / CHARS_PER_TOKEN / calls)
        each = self._prices.cost_usd(self.model, input_tokens=tokens, output_tokens=TYPICAL_OUTPUT_TOKENS)
        return each * calls

    def check(self) -> Sequence[str]:
        """Ask for the models, look for a price of each, and prove the declared context where that costs nothing."""
        named = {"model": self.model, "stronger_model": self._options.stronger_model}
        lines = [
            f"llm.{setting}: no price is known for {model}, so it is reckoned at the dearest in the file; "
            "write its price into llm.prices"
            for setting, model in named.items()
            if model and self._prices and not self._prices.knows(model)
        ]
        aged = [line for model in named.values() if model for line in self._aged(model)]
        try:
            listed = set(self._caller.models())
        except (ConfigError, PermanentError, TemporaryError) as error:
            return (*aged, *lines, f"llm.base_url: its models can't be listed: {error}")
        for setting, model in named.items():
            if model and not {model, f"{model}:latest"} & listed:
                lines.append(f"llm.{setting}: {model} is not among the {len(listed)} models of the endpoint")
        return (*aged, *(lines or self._uncut()))

    def _aged(self, model: str) -> Sequence[str]:
        return self._prices.aged(model, self._clock().date()) if self._prices else ()

    def _uncut(self) -> Sequence[str]:
        declared = self._options.context_tokens
        if not declared or not self._options.free:
            return ()
        try:
            held = self._window().holds(declared - declared // 8, lambda text: self._measure(text, []))
        except (ConfigError, PermanentError, TemporaryError) as error:
            return (f"llm.context_tokens: it can't be proved that {declared} fit: {error}",)
        return () if held else (f"llm.context_tokens: {declared} don't fit; {_CUT}",)

    def _window(self) -> Window:
        return self._windows.setdefault(self.model, Window(self._options.context_tokens))

    def _measure(self, text: str, probed: list[Usage]) -> int | None:
        usage = self._caller.measure(text, self.model)
        if usage is None:
            return None
        probed.append(usage)
        return usage.prompt_tokens

    def _answer(self, question: Question, reply: Reply, usages: Sequence[Usage], duration_ms: int) -> Answer:
        """The answer with the tokens and cost of all requests that it took."""
        fresh = [usage.prompt_tokens - usage.cached for usage in usages]
        costs = [
            self._prices.cost_usd(
                self.model,
                input_tokens=new,
                output_tokens=usage.completion_tokens,
                cache_read_tokens=usage.cached,
            )
            for new, usage in zip(fresh, usages, strict=True)
            if self._prices
        ]
        return Answer(
            text=answers.said(reply.text, question.schema) if reply.stop == "end" else reply.text,
            model=reply.model,
            stop=reply.stop,
            request_id=reply.id,
            input_tokens=sum(fresh),
            output_tokens=sum(usage.completion_tokens for usage in usages),
            cache_read_tokens=sum(usage.cached for usage in usages),
            cost_usd=sum(costs),
            duration_ms=duration_ms,
        )


def _agree(options: OpenAICompatibleOptions) -> None:
    """Raise `ConfigError` unless the options fit each other."""
    if bool(options.prices) is options.free:
        raise ConfigError("name a file of what the model costs, or set llm.free = true, not both", setting=SETTING)
    address = urlsplit(options.base_url)
    if options.has_key and address.scheme == "http" and not is_loopback(address.hostname or ""):
        raise ConfigError("a key is sent there, so it must be https; http is for this machine", setting="llm.base_url")
