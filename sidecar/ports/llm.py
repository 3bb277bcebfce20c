"""The port of models: what reads a conversation and answers in the wire schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from sidecar.model import FieldPolicy, StagePolicy, Standing, Turn


@dataclass(frozen=True, slots=True)
class LLMCapabilities:
    """What an LLM adapter does, whether it needs a network at all, and the most that its word is worth.

    `confidence_cap` bounds each claim's confidence; `is_baseline` marks rules that yield to any model and any person.
    `efforts` are the words for how much it may think, least first; none where that can't be chosen.
    """

    structured_outputs: bool = False
    caching: bool = False
    offline: bool = False
    deterministic: bool = False
    is_baseline: bool = False
    confidence_cap: float = 1.0
    efforts: tuple[str, ...] = ()


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
