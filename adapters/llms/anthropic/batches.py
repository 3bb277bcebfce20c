"""Many questions at once through the Message Batches API: half the price, answered within a day, most within an hour.

For what can wait: replays, evaluations, old mail. A batch is created once and never again blindly, because the API has
no key under which a repeated creation would be the same one, and both would be paid for. Answers come unordered and
each has its own fate. They are read from the configured endpoint and not from the address that the batch names, since
the key travels with the request. Source: platform.claude.com, batch processing; SDK 2.12; read 2026-11.

The trade-off: a batch holds far less than the vendor's 100,000 questions, so that one fits into memory.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from adapters.http.calls import CutOffError
from adapters.llms.anthropic.calls import Caller, Reply, params, parsed
from adapters.llms.anthropic.prices import Prices
from sidecar.errors import ConfigError, PermanentError, SidecarError, TemporaryError, UnknownOutcome
from sidecar.ports import Answer, BatchProgress, Question

if TYPE_CHECKING:
    from anthropic.types.messages.batch_create_params import Request

PRICE_SHARE = 0.5
MAX_QUESTIONS = 1_000
VENDORS_MAX_QUESTIONS = 100_000
MAX_BATCH_CHARS = 60_000_000
MAX_LINE_BYTES = 4_000_000
UPLOAD_S, DOWNLOAD_S = 600.0, 600.0
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TICKET = re.compile(r"[A-Za-z0-9_-]{1,100}")
_OPERATORS_KINDS = {
    "authentication_error": "api_key_env",
    "billing_error": "api_key_env",
    "permission_error": "api_key_env",
    "not_found_error": "model",
}
T = TypeVar("T")


class _Part(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)


class _Counts(_Part):
    processing: int = Field(ge=0)
    succeeded: int = Field(ge=0)
    errored: int = Field(ge=0)
    canceled: int = Field(ge=0)
    expired: int = Field(ge=0)


class _Batch(_Part):
    id: str
    processing_status: str
    request_counts: _Counts
    archived_at: str | None = None


class _Error(_Part):
    type: str = ""


class _Wrapped(_Part):
    error: _Error = _Error()


class _Fate(_Part):
    type: Literal["succeeded", "errored", "canceled", "expired"]
    message: Reply | None = None
    error: _Wrapped = _Wrapped()


class _Result(_Part):
    custom_id: str
    result: _Fate


class AnthropicBatches:
    """Hands batches to the Message Batches API; fulfils the port `Batches`."""

    max_questions = MAX_QUESTIONS

    def __init__(self, caller: Caller, prices: Prices, model: str, effort: str) -> None:
        self._caller, self._prices, self._model, self._effort = caller, prices, model, effort

    def submit(self, questions: Mapping[str, Question]) -> str:
        """Create one batch of at most `max_questions`."""
        wrong = [key for key in questions if not _KEY.fullmatch(key)]
        chars = sum(len(question.system) + len(question.user) for question in questions.values())
        if wrong or not 0 < len(questions) <= MAX_QUESTIONS or chars > MAX_BATCH_CHARS:
            raise PermanentError(
                f"a batch holds 1 to {MAX_QUESTIONS} questions of {MAX_BATCH_CHARS} characters together, by keys of "
                f"letters, digits, - and _; these are {len(questions)} of {chars}, {len(wrong)} with another key"
            )
        requests: list[Request] = [
            {"custom_id": key, "params": params(question, self._model, self._effort, cached=False)}
            for key, question in questions.items()
        ]

        def create() -> _Batch:
            return parsed(self._sdk.create(requests=requests).http_response.content, _Batch)

        return self._caller.tried(lambda: _once(create), UPLOAD_S).id

    def progress(self, ticket: str) -> BatchProgress:
        """Retrieve a batch."""
        batch = self._found(ticket)
        counts = batch.request_counts
        decided = counts.succeeded + counts.errored + counts.canceled + counts.expired
        return BatchProgress(batch.processing_status == "ended", decided + counts.processing, decided)

    def collect(self, ticket: str) -> Iterator[tuple[str, Answer | SidecarError]]:
        """Read the results of a batch, at half the list price each."""
        batch = self._found(ticket)
        if batch.processing_status != "ended":
            raise TemporaryError("the batch has not ended yet")
        if batch.archived_at:
            raise ConfigError("the batch is over 29 days old, and its answers are gone; hand the questions in again")
        for line in islice(self._lines(batch.id), VENDORS_MAX_QUESTIONS):
            found = parsed(line, _Result)
            yield found.custom_id, self._fate(found.result)

    def cancel(self, ticket: str) -> None:
        """Cancel a batch; one that has ended stays as it is."""
        if self._found(ticket).processing_status == "in_progress":
            self._caller.tried(lambda: parsed(self._sdk.cancel(ticket).http_response.content, _Batch))

    @property
    def _sdk(self) -> Any:
        return self._caller.sdk().messages.batches.with_raw_response

    def _found(self, ticket: str) -> _Batch:
        if not _TICKET.fullmatch(ticket):
            raise ConfigError("this is no ticket of a batch")
        try:
            return self._caller.tried(lambda: parsed(self._sdk.retrieve(ticket).http_response.content, _Batch))
        except ConfigError as error:
            if error.setting != "llm.model":
                raise
            raise ConfigError("the vendor knows no such batch of this key, or base_url is wrong") from None

    def _lines(self, batch_id: str) -> Iterator[str]:
        from adapters.http.lines import Response, lines

        path = f"/v1/messages/batches/{batch_id}/results"
        answer = self._caller.tried(lambda: self._caller.sdk().get(path, cast_to=Response, stream=True))
        try:
            yield from lines(answer, MAX_LINE_BYTES, DOWNLOAD_S)
        except CutOffError as error:
            raise TemporaryError(f"the answers of the batch broke off: {error}; collect them again") from None

    def _fate(self, fate: _Fate) -> Answer | SidecarError:
        if fate.type == "succeeded" and fate.message:
            model = fate.message.model if self._prices.knows(fate.message.model) else self._model
            whole = fate.message.model_copy(update={"request_id": fate.message.id})
            return whole.answer(PRICE_SHARE * whole.cost_usd(self._prices, model), 0)
        kind = fate.error.error.type
        if fate.type in ("canceled", "expired", "succeeded"):
            return TemporaryError(f"the question was not answered: its batch has it as {fate.type}")
        if kind in _OPERATORS_KINDS:
            return ConfigError(f"the question was not answered: {kind}", setting=f"llm.{_OPERATORS_KINDS[kind]}")
        if kind == "invalid_request_error":
            return PermanentError(f"the question was refused for what it is: {kind}")
        return TemporaryError("the question was not answered: the vendor failed")


def _once(create: Callable[[], T]) -> T:
    """Create; what may have happened already is an `UnknownOutcome`, which nobody tries again by itself."""
    from anthropic import APIConnectionError, APIStatusError

    from adapters.http.lines import was_not_sent

    try:
        return create()
    except APIConnectionError as error:
        if was_not_sent(error):
            raise
        _unknown(error)
    except APIStatusError as error:
        if error.status_code >= 500 and error.status_code not in (503, 529):
            _unknown(error)
        raise
    except TemporaryError as error:  # the answer was none
        _unknown(error)


def _unknown(error: Exception) -> NoReturn:
    raise UnknownOutcome(
        f"nobody knows whether the batch was created ({type(error).__name__}); look at the console's list of batches "
        "before these questions are handed in again"
    ) from None
