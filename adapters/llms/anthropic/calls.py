"""One request to the Messages API through the vendor's SDK: short retries, errors by who must act, the answer parsed.

The SDK is asked for the raw response and the answer is parsed here: its own `parse()` throws usage, stop reason and
request id away when an answer was cut off, and its retries obey any `retry-after`, be it hours (Source: SDK 2.12,
read 2026-11). What the vendor's error texts say never enters ours, because they may repeat the
prompt; the request id does.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, cast
from weakref import finalize

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from tenacity.nap import sleep_using_event

from adapters.http.deadline import within
from adapters.llms.anthropic.prices import Prices
from sidecar.errors import ConfigError, PermanentError, SidecarError, TemporaryError
from sidecar.ports import Answer, Clock, Question

if TYPE_CHECKING:
    import anthropic
    from anthropic.types.message_create_params import MessageCreateParamsNonStreaming

Effort = Literal["low", "medium", "high", "xhigh", "max"]
END, REFUSAL, TRUNCATED, OVERFULL = "end", "refusal", "truncated", "overfull"
_STOPS = {
    "end_turn": END,
    "stop_sequence": END,
    "refusal": REFUSAL,
    "max_tokens": TRUNCATED,
    "model_context_window_exceeded": OVERFULL,
}
"""What the API's stop reasons mean; any other (a pause, a tool call that nobody offered) is no whole answer."""

MAX_WAIT_S = 5.0
MAX_RETRY_AFTER_S = 86_400.0
CONNECT_TIMEOUT_S = 5.0
_OPERATORS_CODES = {
    "contract_spend_limit_reached": "a spending limit of the contract is reached",
    "enforced_spend_limit_reached": "the monthly spending limit of the account is reached",
    "linked_organization_spend_limit_reached": "a spending limit of the linked organisation is reached",
    "linked_organization_billing_unavailable": "billing of the linked organisation is unavailable",
    "organization_on_hold": "the vendor has put the organisation on hold",
    "cmek_key_disabled": "the account's encryption key is disabled",
}
_OPERATORS_STATUS = {
    401: ("api_key_env", "the key is not accepted; set another one"),
    402: ("api_key_env", "the account can't pay; see to its billing"),
    403: ("api_key_env", "the key may not use this model or endpoint"),
    404: ("model", "there is no such model, or base_url is wrong"),
}
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to call: `secret` is sent as a bearer token."""

    base_url: str
    secret: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    timeout_s: float
    max_retries: int


class _Usage(BaseModel):
    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Block(BaseModel):
    type: str
    text: str | None = None


class Reply(BaseModel):
    """An answer of the Messages API, as far as we read it."""

    model_config = ConfigDict(hide_input_in_errors=True)

    id: str
    model: str
    stop_reason: str | None
    content: list[_Block]
    usage: _Usage
    request_id: str = ""

    @property
    def stop(self) -> str:
        """Why it ended, in our words."""
        return _STOPS.get(self.stop_reason or "", TRUNCATED)

    @property
    def text(self) -> str:
        """The text blocks; others (thinking) may stand before them."""
        return "".join(block.text or "" for block in self.content if block.type == "text")

    def cost_usd(self, prices: Prices, model: str) -> float:
        """What it cost at the prices of the model that was asked."""
        return prices.cost_usd(
            model,
            input_tokens=self.usage.input_tokens,
            output_tokens=self.usage.output_tokens,
            cache_read_tokens=self.usage.cache_read_input_tokens or 0,
            cache_write_tokens=self.usage.cache_creation_input_tokens or 0,
        )

    def answer(self, cost_usd: float, duration_ms: int) -> Answer:
        """Return it in the words of the port."""
        return Answer(
            text=self.text,
            model=self.model,
            stop=self.stop,
            request_id=self.request_id,
            input_tokens=self.usage.input_tokens,
            output_tokens=self.usage.output_tokens,
            cache_read_tokens=self.usage.cache_read_input_tokens or 0,
            cache_write_tokens=self.usage.cache_creation_input_tokens or 0,
            cost_usd=cost_usd,
            duration_ms=duration_ms,
        )


class ModelCard(BaseModel):
    """What the API says about a model."""

    model_config = ConfigDict(hide_input_in_errors=True)

    id: str
    lifecycle: str = "active"
    capabilities: dict[str, Any] | None = None


class _Again(TemporaryError):
    """Worth another try at once, within this call."""


class Caller:
    """Speaks to one endpoint; safe to share between threads. The SDK is imported by the first call (2 s)."""

    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._lock = Lock()
        self._client: anthropic.Anthropic | None = None
        self._nobody_wakes = Event()

    def ask(self, question: Question, model: str, effort: str, *, cached: bool) -> Reply:
        """Send one question to one model and return its answer, whatever its stop reason."""
        body = params(question, model, effort, cached=cached)

        def send() -> Reply:
            raw = self.sdk().messages.with_raw_response.create(**body)
            reply = parsed(raw.http_response.content, Reply)
            return reply.model_copy(update={"request_id": raw.http_response.headers.get("request-id", "")})

        return self.tried(send)

    def look_up(self, model: str) -> ModelCard:
        """Return what the API knows about a model; `ConfigError` when there is none of that name."""
        return self.tried(
            lambda: parsed(self.sdk().models.with_raw_response.retrieve(model).http_response.content, ModelCard)
        )

    def tried(self, send: Callable[[], T], whole_s: float | None = None) -> T:
        """Call with short retries on 429, 5xx and broken connections; a longer wait is left to whoever called us.

        Each try ends after the endpoint's time-out as a whole, or after `whole_s`.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self._endpoint.max_retries + 1),
            wait=_pause_s,
            retry=retry_if_exception(lambda e: isinstance(e, _Again) and (e.retry_after_s or 0) <= MAX_WAIT_S),
            sleep=sleep_using_event(self._nobody_wakes),
            reraise=True,
        )
        answered: T = retrying(self._mapped, send, whole_s or self._endpoint.timeout_s)
        return answered

    def _mapped(self, send: Callable[[], T], whole_s: float) -> T:
        from anthropic import AnthropicError

        try:
            with within(whole_s):
                return send()
        except SidecarError:
            raise
        except AnthropicError as error:
            self._raise(error)

    def _raise(self, error: Exception) -> NoReturn:
        """Raise ours for the vendor's, without it as a cause: its text may repeat what a customer wrote."""
        from anthropic import APIConnectionError, APIStatusError, APITimeoutError

        if isinstance(error, APITimeoutError):
            raise TemporaryError(f"no answer within {self._endpoint.timeout_s:g} s") from None
        if isinstance(error, APIConnectionError):
            raise _Again("the connection failed") from None
        if isinstance(error, APIStatusError):
            self._raise_status(error)
        raise TemporaryError(f"the SDK failed with {type(error).__name__}") from None

    def _raise_status(self, error: "anthropic.APIStatusError") -> NoReturn:
        status = error.status_code
        code = error.error_code if isinstance(error.error_code, str) else ""
        said = (
            f"{status} {error.type or 'error'}{f' ({code})' if code else ''}, request {error.request_id or 'unnamed'}"
        )
        if code in _OPERATORS_CODES or error.type == "billing_error":
            told = _OPERATORS_CODES.get(code, "see to the account's billing")
            raise ConfigError(f"{told}; {said}", setting="llm.api_key_env") from None
        if status in _OPERATORS_STATUS:
            key, remedy = _OPERATORS_STATUS[status]
            raise ConfigError(f"{remedy}; {said}", setting=f"llm.{key}") from None
        if status == 429 or status >= 500:
            raise _Again(said, retry_after_s=_retry_after_s(error.response.headers, self._clock())) from None
        if status in (408, 409):
            raise TemporaryError(said) from None
        raise PermanentError(f"the request was refused for what it is: {said}") from None

    def sdk(self) -> "anthropic.Anthropic":
        """Return the vendor's client, made by the first call."""
        import anthropic

        from adapters.http.wires import bound

        with self._lock:
            if self._client is None:
                _silence()
                at = self._endpoint
                wires = bound(anthropic.DefaultHttpxClient())
                finalize(self, wires.close)  # connections end with whoever held them
                self._client = anthropic.Anthropic(
                    http_client=wires,
                    api_key=at.secret,
                    base_url=at.base_url,
                    timeout=anthropic.Timeout(at.timeout_s, connect=min(CONNECT_TIMEOUT_S, at.timeout_s)),
                    max_retries=0,
                    default_headers=dict(at.headers),
                    open_telemetry=False,
                )
            return self._client


def params(question: Question, model: str, effort: str, *, cached: bool) -> "MessageCreateParamsNonStreaming":
    """Return a question as the Messages API takes it."""
    from anthropic.types import TextBlockParam
    from anthropic.types.message_create_params import MessageCreateParamsNonStreaming

    system = TextBlockParam(type="text", text=question.system)
    if cached:
        system["cache_control"] = {"type": "ephemeral"}
    return MessageCreateParamsNonStreaming(
        model=model,
        max_tokens=question.max_tokens,
        system=[system],
        messages=[{"role": "user", "content": question.user}],
        output_config={
            "format": {"type": "json_schema", "schema": dict(question.schema)},
            "effort": cast(Effort, effort),
        },
    )


def _pause_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, TemporaryError) else None
    return asked if asked is not None else wait_random_exponential(multiplier=0.5, max=MAX_WAIT_S)(state)


def _retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """The wait that the API asks for: milliseconds, seconds or a date; None when it names none that can be read."""
    try:
        if headers.get("retry-after-ms"):
            seconds = float(headers["retry-after-ms"]) / 1000
        elif headers.get("retry-after", "").replace(".", "", 1).isdigit():
            seconds = float(headers["retry-after"])
        elif headers.get("retry-after"):
            at = parsedate_to_datetime(headers["retry-after"])
            seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
        else:
            return None
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if seconds == seconds else None


def parsed(body: bytes | str, model: type[M]) -> M:
    """Return an answer of the API; `TemporaryError` for what is none."""
    try:
        return model.model_validate_json(body)
    except ValidationError:
        raise TemporaryError(
            f"what came back is no {model.__name__.lower()} of the Messages API; if this lasts, see llm.base_url"
        ) from None


def _silence() -> None:
    """Keep the SDK from logging prompts: at DEBUG it writes whole requests (Source: SDK 2.12, read 2026-11)."""
    for name in ("anthropic._base_client", "anthropic._response"):
        logger = logging.getLogger(name)
        if _no_debug not in logger.filters:
            logger.addFilter(_no_debug)


def _no_debug(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG
