"""A model that says what the labels of a conversation say, in their words, when it first reads those words.

It shows that labels can be met: what it says still has to pass the quotes, the policy and the stage machine, as any
model's word has. It never says what a label leaves open.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sidecar.evaluate.cases import LIST_SEPARATOR, UNKNOWN, Case, Quoted
from sidecar.ports import LLM, Answer, LLMCapabilities, Question

STAGE = "stage"


@dataclass
class Labeller:
    """The model; what it has said of a conversation it doesn't say again, until that is read from the beginning."""

    cases: Iterable[Case]
    name: str = "labeller"
    model: str = "labels"
    effort: str = ""
    capabilities: LLMCapabilities = field(default_factory=lambda: LLMCapabilities(offline=True, deterministic=True))

    def __post_init__(self) -> None:
        self._cases = {activity.id: case for case in self.cases for activity in case.activities}
        self._said: set[tuple[str, str, int]] = set()

    @property
    def stronger(self) -> LLM | None:
        """Nobody knows better than the labels."""
        return None

    def like(self, model: str, effort: str = "") -> LLM:
        """There is but one."""
        return self

    def infer(self, question: Question) -> Answer:
        """Say what is labelled about the new words."""
        case = self._cases[question.new[0].activity]
        engagement = question.standing.engagement
        if not (engagement.fields or engagement.steps or question.earlier):
            self._said = {said for said in self._said if said[0] != case.id}
        aliases = {turn.activity: turn.alias for turn in (*question.earlier, *question.new)}
        new = {turn.activity for turn in question.new}
        told = {
            "ops": [*self._moves(case, new, aliases), *self._fields(case, new, aliases)],
            "steps": [*self._steps(case, new, aliases)],
            "summary": "",
            "needs_full_reread": False,
        }
        return Answer(json.dumps(told), self.model, "end")

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """It costs nothing."""
        return 0.0

    def check(self) -> Sequence[str]:
        """It is well."""
        return ()

    def _moves(self, case: Case, new: set[str], aliases: Mapping[str, str]) -> Iterable[dict[str, Any]]:
        for nth, move in enumerate(case.path):
            if move.evidence.activity in new and self._first(case, "path", nth):
                yield _op(STAGE, move.stage, [move.evidence], aliases)

    def _fields(self, case: Case, new: set[str], aliases: Mapping[str, str]) -> Iterable[dict[str, Any]]:
        for name, label in case.labels.items():
            is_said = label.evidence and label.best != UNKNOWN and not (name == STAGE and case.path)
            if is_said and _is_new(label.evidence, new, aliases) and self._first(case, name, 0):
                for value in label.best.split(LIST_SEPARATOR):
                    yield _op(name, value.strip(), label.evidence, aliases)

    def _steps(self, case: Case, new: set[str], aliases: Mapping[str, str]) -> Iterable[dict[str, Any]]:
        for nth, step in enumerate(case.steps):
            if not step.optional and _is_new(step.evidence, new, aliases) and self._first(case, "step", nth):
                yield {
                    "evidence": _quotes(step.evidence, aliases),
                    "op": "open",
                    "id": "",
                    "who": step.who[0],
                    "what": " ".join(words[0] for words in step.what),
                    "due_text": step.due_text,
                    "due_date": step.due[0].isoformat() if step.due[0] else "",
                }

    def _first(self, case: Case, what: str, nth: int) -> bool:
        key = (case.id, what, nth)
        is_first = key not in self._said
        self._said.add(key)
        return is_first


def _is_new(evidence: Sequence[Quoted], new: set[str], aliases: Mapping[str, str]) -> bool:
    return any(q.activity in new for q in evidence) and all(q.activity in aliases for q in evidence)


def _op(name: str, value: str, evidence: Sequence[Quoted], aliases: Mapping[str, str]) -> dict[str, Any]:
    quotes = _quotes(evidence, aliases)
    return {"evidence": quotes, "field": name, "op": "set", "value": value, "certainty": "stated"}


def _quotes(evidence: Sequence[Quoted], aliases: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"activity": aliases[quoted.activity], "quote": quoted.quote} for quoted in evidence]
