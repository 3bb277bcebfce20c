"""The port of models: what reads a conversation and answers in the wire schema."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast, runtime_checkable

from sidecar.errors import SidecarError, UnsupportedFeature
from sidecar.model import FieldPolicy, StagePolicy, Standing, Turn


@dataclass(frozen=True, slots=True)
class LLMCapabilities:
    """What an LLM adapter does, whether it needs a network at all, and the most that its word is worth.

    `confidence_cap` bounds each claim's confidence; `is_baseline` marks rules that yield to any model and any person.
    `efforts` are the words for how much it may think, least first; none where that can't be chosen. With `batch` it
    takes many questions at once, for an answer within a day at a lower price: see `batches`.
    """

    structured_outputs: bool = False
    caching: bool = False
    offline: bool = False
    deterministic: bool = False
    is_baseline: bool = False
    confidence_cap: float = 1.0
    efforts: tuple[str, ...] = ()
    batch: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One inference: the rendered prompt for a model, and the same as data for rules and estimates.

    `system` never changes between parties (it is cached); `user` holds state and activities between boundaries.
    `schema` is the constant wire schema of operations. `now` is the newest activity's time (rule 9 of the house).
    """

    system: str
    user: str
    schema: Mapping[str, Any]
    max_tokens: int
    now: datetime
    timezone: str
    standing: Standing
    earlier: tuple[Turn, ...]
    new: tuple[Turn, ...]
    fields: tuple[FieldPolicy, ...]
    stages: tuple[StagePolicy, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the text (JSON of the wire schema), why it stopped, what it cost.

    `stop` is end, refusal, truncated (`max_tokens` were too few), or overfull (the question leaves no room to answer).
    """

    text: str
    model: str
    stop: str
    request_id: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0
    duration_ms: int = 0


@runtime_checkable
class LLM(Protocol):
    """Something that reads a conversation and answers in the wire schema.

    One question is one request: who is asked next, and with how much room, is the core's to say, which books each call.
    """

    name: str
    model: str
    effort: str
    capabilities: LLMCapabilities

    @property
    def stronger(self) -> "LLM | None":
        """The same adapter over the model for hard cases; None where there is none, or where this is it."""

    def like(self, model: str, effort: str = "") -> "LLM":
        """Return the same adapter over another model; an empty word keeps what there is, `ConfigError` if it can't."""

    def infer(self, question: Question) -> Answer:
        """Answer one question; refusal and truncation are answers, time-outs and 429 are `TemporaryError`."""

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """Estimate the cost of reading so many characters in so many calls."""

    def check(self) -> Sequence[str]:
        """Say what is wrong with key, model or endpoint, with the remedy; nothing when all is well."""


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch is: `ended` when each of its questions has an answer or an error."""

    ended: bool
    total: int
    decided: int


@runtime_checkable
class Batches(Protocol):
    """Many questions handed in at once, answered in their own time at a lower price.

    A ticket is text that outlives the process: whoever kept it can ask for its batch again. Nothing here waits.
    """

    max_questions: int

    def submit(self, questions: Mapping[str, Question]) -> str:
        """Hand in questions by keys of `[A-Za-z0-9_-]{1,64}` and return a ticket.

        `UnknownOutcome` when nobody knows whether they were taken: handing them in again may be paid for twice.
        """

    def progress(self, ticket: str) -> BatchProgress:
        """Say how far a batch is; `ConfigError` for a ticket that the other side doesn't know."""

    def collect(self, ticket: str) -> Iterator[tuple[str, Answer | SidecarError]]:
        """Yield each key with its answer, or the error that says who must act; in no order, and again when asked again.

        `TemporaryError` while the batch has not ended.
        """

    def cancel(self, ticket: str) -> None:
        """Ask for no more answers; those that there are can be collected once the batch has ended."""


@runtime_checkable
class Batching(Protocol):
    """A model that declares `batch`."""

    def batches(self) -> Batches:
        """Return what takes many questions for this model and effort."""


def batches(llm: LLM) -> Batches:
    """Return what takes many questions for a model; `UnsupportedFeature` where it declares that it doesn't."""
    if not llm.capabilities.batch:
        raise UnsupportedFeature(f"{llm.name} takes one question at a time")
    return cast(Batching, llm).batches()
