"""A model as an evaluation asks it: its calls are counted, its limits waited for, its answers kept, its price bounded.

Answers that were paid for are kept in a file (`pipeline.answers`), so that an evaluation that was cut off goes on and a
second one costs nothing; a kept answer counts as what it cost and took when it was given, so that figures don't depend
on how often one tried. Repeats for the noise are questions of their own. What costs nothing and always says the same
isn't kept.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from sidecar.errors import ConfigError, TemporaryError
from sidecar.evaluate.outcome import Call
from sidecar.infer import wire
from sidecar.infer.question import digest
from sidecar.pipeline.answers import Answers
from sidecar.pipeline.rounds import Rounds
from sidecar.ports import LLM, Answer, LLMCapabilities, Question

PATIENCE_S, MAX_WAITS = 60.0, 5
"""The longest wait for a model's limits in one go, and how many of them one question is worth."""
RETRY_S = 5.0


@dataclass
class Purse:
    """What may be spent in one evaluation, and what was; answers that are kept cost nothing again."""

    max_usd: float
    spent_usd: float = 0.0
    asked: int = 0
    found: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self) -> None:
        """Raise `ConfigError` when no more may be spent: it is the operator's to allow more, and no time mends it."""
        with self._lock:
            if self.spent_usd >= self.max_usd:
                raise ConfigError(f"${self.max_usd:g} are spent; what was answered is kept: run it again with more")

    def pay(self, usd: float) -> None:
        """Count a question that was asked."""
        with self._lock:
            self.asked, self.spent_usd = self.asked + 1, self.spent_usd + usd

    def find(self) -> None:
        """Count an answer that was there."""
        with self._lock:
            self.found += 1


@dataclass(frozen=True, slots=True)
class Kept:
    """Where answers are kept, who pays, how to wait, of which repeat the answers are, and the rounds they come by."""

    purse: Purse
    answers: Answers = field(default_factory=Answers)
    repeat: int = 0
    nap: Callable[[float], object] = field(default_factory=lambda: threading.Event().wait)
    rounds: Rounds | None = None

    def again(self, number: int) -> "Kept":
        """Return the place of the answers of a repeat, which are others."""
        return replace(self, repeat=number)

    def over(self, llm: LLM) -> "Counted":
        """Return the model with its answers kept and its calls counted."""
        return Counted(self.rounds.over(llm, anew=str(self.repeat)) if self.rounds else llm, self, [])


class Counted:
    """A model whose answers are kept, and whose calls are counted with those of the models beside it."""

    def __init__(self, llm: LLM, kept: Kept, calls: list[Call]) -> None:
        self._llm, self._kept, self._calls = llm, kept, calls
        self.name, self.model, self.effort = llm.name, llm.model, llm.effort
        self.capabilities: LLMCapabilities = llm.capabilities

    @property
    def calls(self) -> tuple[Call, ...]:
        """What was asked so far."""
        return tuple(self._calls)

    @property
    def stronger(self) -> "Counted | None":
        """The model for hard cases, counted with this one."""
        return Counted(self._llm.stronger, self._kept, self._calls) if self._llm.stronger else None

    def like(self, model: str, effort: str = "") -> "Counted":
        """Return another model, counted with this one."""
        return Counted(self._llm.like(model, effort), self._kept, self._calls)

    def infer(self, question: Question) -> Answer:
        """Answer from what is kept, else ask and keep; a limit of the vendor's is waited for."""
        is_kept = not (self.capabilities.offline and self.capabilities.deterministic)
        key = self._key(question) if is_kept else ""
        answer = self._kept.answers.get(key) if is_kept else None
        if answer is not None:
            self._kept.purse.find()
        else:
            answer = self._asked(question)
            if is_kept:
                self._kept.answers.put(key, answer)
        usable = answer.stop == "end" and wire.read(answer.text) is not None
        tokens = answer.input_tokens + answer.output_tokens + answer.cache_read_tokens + answer.cache_write_tokens
        self._calls.append(Call(answer.model, usable, tokens, answer.cost_usd, answer.duration_ms))
        return answer

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """Estimate the cost of reading so many characters in so many calls."""
        return self._llm.estimate_usd(input_chars, calls)

    def check(self) -> Sequence[str]:
        """Say what is wrong with the model."""
        return self._llm.check()

    def _asked(self, question: Question) -> Answer:
        for waited in range(MAX_WAITS + 1):
            if not self.capabilities.offline:  # rules on this machine cost nothing
                self._kept.purse.open()
            try:
                answer = self._llm.infer(question)
            except TemporaryError as error:
                pause = error.retry_after_s if error.retry_after_s is not None else RETRY_S * (waited + 1)
                if waited == MAX_WAITS or pause > PATIENCE_S:
                    raise TemporaryError(f"{error}; what was answered is kept", retry_after_s=pause) from None
                self._kept.nap(pause)
            else:
                self._kept.purse.pay(answer.cost_usd)
                return answer
        raise AssertionError("the last wait raises")

    def _key(self, question: Question) -> str:
        asked = digest(question, self.name, self.model), self.effort, str(self._kept.repeat)
        return sha256("\x00".join(asked).encode()).hexdigest()
