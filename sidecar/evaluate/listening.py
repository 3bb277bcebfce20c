"""What an evaluation would ask, heard beforehand by a model that answers nothing: how many questions, how long.

So the estimate counts the very questions, prompt and all, and not a guess about conversations. A real model's answers
make the state of later questions a little longer, and a hard case is read again by a stronger model, at its own price;
that much it is an estimate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sidecar.evaluate.answers import Kept, Purse
from sidecar.evaluate.cases import Case
from sidecar.evaluate.trial import Side, tried
from sidecar.ports import LLM, Answer, LLMCapabilities, Question

_NOTHING = '{"ops":[],"steps":[],"summary":"","needs_full_reread":false}'


@dataclass(frozen=True, slots=True)
class Estimate:
    """What reading conversations would take: questions, characters that are read, and US dollars."""

    calls: int
    chars: int
    usd: float


def estimate(side: Side, cases: Sequence[Case], *, repeat: int = 1) -> Estimate:
    """Estimate what an evaluation would cost, without asking anybody."""
    listener = Listener(side.llm)
    heard = replace(side, llm=listener)
    for case in cases:
        tried(heard, case, Kept(Purse(1.0)), repeat=repeat)
    return Estimate(listener.calls, listener.chars, side.llm.estimate_usd(listener.chars, listener.calls))


class Listener:
    """A model that counts questions in another's place and knows nothing."""

    def __init__(self, llm: LLM) -> None:
        self.name, self.model, self.effort = llm.name, llm.model, llm.effort
        self.capabilities = LLMCapabilities(offline=True, deterministic=True)
        self.calls, self.chars = 0, 0

    @property
    def stronger(self) -> None:
        """Nobody: who knows nothing has no hard cases."""
        return None

    def like(self, model: str, effort: str = "") -> "Listener":
        """Return itself: who asks another model asks as much."""
        return self

    def infer(self, question: Question) -> Answer:
        """Count a question, and say nothing."""
        self.calls += 1
        self.chars += len(question.system) + len(question.user)
        return Answer(text=_NOTHING, model=self.model, stop="end")

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """Estimate nothing: counting is free."""
        return 0.0

    def check(self) -> Sequence[str]:
        """Nothing can be wrong with it."""
        return ()
