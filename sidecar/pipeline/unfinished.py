"""What a run asks of its book before each call: whether this was answered already, and whether it may still be paid.

A run makes several calls, and may end between any two of them: the stronger model is down, a share of the budget is
spent. What was answered by then is booked and paid for, so the run after it takes those answers, and goes on where the
one before ended. It takes none to a question about nothing new, nor about what a person has read by itself once more,
unless it is a retry: there somebody wants another answer. An answer is taken only to the very same question of the same
party by the same version: prompt, model, effort. What isn't known is asked only while the purse allows it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from sidecar.infer.question import MAX_TOKENS
from sidecar.infer.version import version
from sidecar.model import Fact, Inference, Prompt
from sidecar.model.means import INVALID
from sidecar.pipeline.selection import END, Matched
from sidecar.ports import LLM, Answer, Question

_Request = tuple[str, str, int, str]


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The answers that a run may take from those before it, and whether it may ask for others.

    `news` are the activities that wait to be read; `hold` raises `BudgetSpent` when no call may be paid for that is
    about some of them (the second). `is_anew` says that a person wants another answer.
    """

    prompt: Prompt
    news: Sequence[Matched]
    effects: Callable[[str, str], Sequence[Fact]]
    hold: Callable[[Sequence[Matched], Sequence[Matched]], None]
    is_anew: bool
    is_retry: bool
    _taken: dict[_Request, Inference] = field(default_factory=dict)

    def __call__(self, question: Question, llm: LLM) -> Answer | None:
        """Return the booked answer to a question; None when there is none, and it may be asked."""
        asked = {turn.activity for turn in question.new}
        news = [(match, activity) for match, activity in self.news if activity.id in asked]
        may_take = self.is_retry or (bool(news) and not self.is_anew)
        held = self._booked(question, llm) if may_take else None
        if held is None:
            self.hold(self.news, news)
            return None
        self._taken[_request(held)] = held
        return Answer(held.answer, held.model, END if held.stop == INVALID else held.stop, held.request_id)

    def taken(self, inference: Inference) -> Inference | None:
        """Return the booked call whose answer an inference rests on; None when it was asked in this run."""
        return self._taken.get(_request(inference))

    def _booked(self, question: Question, llm: LLM) -> Inference | None:
        read_by = version(self.prompt, question.fields, question.stages, llm, question.timezone)
        request = sha256(question.system.encode()).hexdigest(), question.user, question.max_tokens, read_by
        booked = self.effects(question.new[0].activity, Inference.KIND)  # calls that nothing is believed from
        mine = (i for i in booked if isinstance(i, Inference) and i.party == question.standing.party)
        return next((inference for inference in mine if _request(inference) == request), None)


def _request(inference: Inference) -> _Request:
    held = inference.request
    return held.get("system_sha256", ""), held.get("user", ""), held.get("max_tokens", MAX_TOKENS), inference.version
