"""Anthropic's models, with native structured output: the first choice for reading conversations.

Each question is one request without tools; a refusal or a cut-off answer is told as such, and who is asked next is the
core's to say. Prompt caching is chosen by itself: writing a cache costs more than it saves when calls are minutes
apart, and short prompts can't be cached at all. There is no temperature to set, so the same question may be answered
differently twice, and the adapter doesn't claim otherwise.
"""

from collections.abc import Sequence
from copy import copy
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adapters.http import see_proxies
from adapters.llms.anthropic.batches import AnthropicBatches
from adapters.llms.anthropic.calls import Caller, Effort, Endpoint
from adapters.llms.anthropic.prices import Prices
from sidecar.errors import ConfigError, PermanentError, TemporaryError
from sidecar.ports import Answer, Batches, Context, LLMCapabilities, Question

API = "https://api.anthropic.com"
CHARS_PER_TOKEN = 2.7
TYPICAL_OUTPUT_TOKENS = 400
CACHE_LIFE = timedelta(minutes=5)
MIN_CACHED_TOKENS = 512
_SECRET_HEADERS = {"authorization", "x-api-key"}


class AnthropicOptions(BaseModel):
    """Settings of the `[llm]` section for type `anthropic`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    model: str = Field("claude-haiku-5-5", min_length=1, description="Model that reads every conversation")
    stronger_model: str | None = Field("claude-sonnet-5-5", description="Model that is asked about the hard cases")
    api_key_env: str | None = Field("ANTHROPIC_API_KEY", description="Variable that holds the key")
    api_key_file: str | None = Field(None, description="File that holds the key")
    api_key_header: Literal["authorization", "x-api-key"] = Field(
        "authorization", description="Header for the key; x-api-key is sent beside it, for gateways that read only that"
    )
    base_url: str = Field(API, pattern=r"^https?://", description="Endpoint, for gateways and tests")
    effort: Effort = Field("low", description="How much the model thinks")
    timeout_s: float = Field(60.0, gt=0, le=600, description="Seconds to wait for an answer")
    caching: Literal["auto", "on", "off"] = Field("auto", description="Prompt caching; auto: while calls are close")
    max_retries: int = Field(2, ge=0, le=5, description="Short retries within one call")
    prices: str | None = Field(None, description="File of prices that win over the built-in ones")
    default_headers: dict[str, str] = Field(default_factory=dict, description="Further headers, none of them secret")

    @field_validator("default_headers")
    @classmethod
    def _no_secrets(cls, headers: dict[str, str]) -> dict[str, str]:
        if _SECRET_HEADERS & {name.strip().lower() for name in headers}:
            raise ValueError("a key doesn't belong here; use api_key_env or api_key_file, and api_key_header")
        return headers


class AnthropicLLM:
    """Asks Anthropic's Messages API; fulfils the port `LLM`."""

    Options = AnthropicOptions
    capabilities = LLMCapabilities(structured_outputs=True, caching=True, efforts=get_args(Effort), batch=True)

    def __init__(self, name: str, options: AnthropicOptions, context: Context) -> None:
        self.name = name
        self.model = options.model
        self.effort: str = options.effort
        self._options = options
        self._clock = context.clock
        see_proxies("llm.base_url")
        self._prices = Prices(context.base / Path(options.prices) if options.prices else None)
        key = context.secret(options.api_key_env, options.api_key_file)
        extra = {"x-api-key": key} if options.api_key_header == "x-api-key" else {}
        headers = {**options.default_headers, **extra}
        endpoint = Endpoint(options.base_url, key, headers, options.timeout_s, options.max_retries)
        self._is_gateway = options.base_url.rstrip("/") != API
        self._caller = Caller(endpoint, context.clock)
        self._lock = Lock()
        self._last_calls: dict[str, datetime] = {}

    @property
    def stronger(self) -> "AnthropicLLM | None":
        """The model for hard cases."""
        named = self._options.stronger_model
        return self.like(named) if named and named != self.model else None

    def like(self, model: str, effort: str = "") -> "AnthropicLLM":
        """Return the same endpoint, key and prices with another model or effort."""
        if effort and effort not in self.capabilities.efforts:
            raise ConfigError(f"{effort!r} is none of {', '.join(self.capabilities.efforts)}", setting="llm.effort")
        other = copy(self)
        other.model, other.effort = model or self.model, effort or self.effort
        return other

    def infer(self, question: Question) -> Answer:
        """Answer one question in one request."""
        began = perf_counter()
        cached = self._caches(self.model, question.system)
        reply = self._caller.ask(question, self.model, self.effort, cached=cached)
        cost_usd = reply.cost_usd(self._prices, self.model)
        return reply.answer(cost_usd, round((perf_counter() - began) * 1000))

    def batches(self) -> Batches:
        """Return what takes many questions for this model and effort, at half the price."""
        return AnthropicBatches(self._caller, self._prices, self.model, self.effort)

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """Estimate by 2.7 characters a token and a typical answer; system texts count as input, caches don't help."""
        if calls <= 0:
            return 0.0
        tokens = round(max(input_chars, 0) / CHARS_PER_TOKEN / calls)
        each = self._prices.cost_usd(self.model, input_tokens=tokens, output_tokens=TYPICAL_OUTPUT_TOKENS)
        return each * calls

    def check(self) -> Sequence[str]:
        """Look the models up: does the key work, do they exist, can they do what is asked, have they a price."""
        lines = []
        for setting, model in (("model", self.model), ("stronger_model", self._options.stronger_model)):
            if not model:
                continue
            if not self._prices.knows(model):
                lines.append(
                    f"llm.{setting}: no price is known for {model}, so it is reckoned at the dearest; "
                    "name a file with its price in llm.prices"
                )
            lines += self._prices.aged(model, self._clock().date())
            try:
                lines += self._unfit(setting, model)
            except (ConfigError, PermanentError, TemporaryError) as error:
                unknown = isinstance(error, PermanentError) or getattr(error, "setting", "") == "llm.model"
                if self._is_gateway and unknown:
                    continue  # many gateways can't look models up; the first question will tell
                lines.append(f"llm.{setting}: {model} can't be looked up: {error}")
                if isinstance(error, TemporaryError):
                    break
        return tuple(lines)

    def _unfit(self, setting: str, model: str) -> Sequence[str]:
        card = self._caller.look_up(model)
        lines = []
        if card.lifecycle != "active":
            lines.append(f"llm.{setting}: {model} is {card.lifecycle}; choose a newer one")
        if card.capabilities is None:
            return lines
        if not _supports(card.capabilities, "structured_outputs"):
            lines.append(f"llm.{setting}: {model} can't answer in a schema; choose another")
        if not _supports(card.capabilities, "effort", self.effort):
            lines.append(f"llm.effort: {model} has no effort {self.effort!r}; choose another")
        return lines

    def _caches(self, model: str, system: str) -> bool:
        """Whether to mark the system text for the cache: auto does while the last call with it is minutes old."""
        key = sha256(f"{model}\0{system}".encode()).hexdigest()
        now = self._clock()
        with self._lock:
            last = self._last_calls.get(key)
            if len(self._last_calls) > 100:
                self._last_calls.clear()
            self._last_calls[key] = now
        if self._options.caching == "off" or len(system) / CHARS_PER_TOKEN < MIN_CACHED_TOKENS:
            return False
        return self._options.caching == "on" or (last is not None and now - last < CACHE_LIFE)


def _supports(capabilities: dict[str, object], *path: str) -> bool:
    """Whether a capability is declared as supported; one that the API doesn't name is not held against a model."""
    here: object = capabilities
    for name in path:
        if not isinstance(here, dict) or here.get(name) is None:
            return True
        here = here[name]
    return not (isinstance(here, dict) and here.get("supported") is False)
