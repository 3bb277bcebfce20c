"""A model that is asked nothing twice: what the book or a file holds as its answer is given again, at no price.

A trial is repeated, interrupted and compared, and each answer was paid for once. An answer is given again only to the
very same question: same adapter, model, effort, system text, words, schema and bounds. New answers go to the file, a
line each, as they come, so that a run that was cut short pays for nothing twice; a torn last line is left out. Rules on
this machine cost nothing and change with the program, so an offline model is always asked.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from math import inf
from pathlib import Path
from threading import Lock

from sidecar.errors import ConfigError
from sidecar.infer.question import again, digest
from sidecar.model import Inference
from sidecar.ports import LLM, Answer, Question

Known = Callable[[Question, LLM], Answer | None]
"""Says what some model answered to a question, where that is known elsewhere."""


def nothing(question: Question, llm: LLM) -> Answer | None:
    """Know no answer."""
    return None


class Book:
    """Finds what a journal's inferences of one party answered."""

    def __init__(self, inferences: Sequence[Inference]) -> None:
        self._held: dict[tuple[str, str], list[Inference]] = {}
        for inference in inferences:
            key = inference.request.get("system_sha256", ""), inference.request.get("user", "")
            self._held.setdefault(key, []).append(inference)

    def __call__(self, question: Question, llm: LLM) -> Answer | None:
        """Return the recorded answer to this very question by this very model."""
        asked = len({turn.activity for turn in question.new})
        for held in self._held.get((sha256(question.system.encode()).hexdigest(), question.user), ()):
            asks = _asked(question, llm, held.because[:asked])
            is_it = held.request_sha256 in (asks, again(asks, held.request.get("again", "")))
            if held.passed_on:  # booked under a name of its run: model, room and effort stand for the rest
                chosen = held.request.get("max_tokens"), held.request.get("effort", "")
                is_it = (held.engine, held.model, *chosen) == (llm.name, llm.model, question.max_tokens, llm.effort)
            if is_it and held.stop in ("end", "truncated", "refusal"):
                return Answer(held.answer, held.model, held.stop, held.request_id)
        return None


class Answers:
    """The file of a trial's answers; None keeps them in memory."""

    def __init__(self, file: Path | None = None) -> None:
        self._file, self._lock = file, Lock()
        self._held: dict[str, Answer] = dict(_read(file)) if file and file.is_file() else {}

    def get(self, key: str) -> Answer | None:
        """Return the answer to a question."""
        return self._held.get(key)

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer."""
        with self._lock:
            self._held[key] = answer
            if self._file is not None:
                with open(self._file, "a", encoding="utf-8", opener=_private) as out:
                    out.write(json.dumps({"key": key, **asdict(answer)}, ensure_ascii=False) + "\n")


class Remembering:
    """A model that asks the one behind it only what nobody has answered yet; it counts what it asked and what not.

    With `anew` a question that was answered before is another try, whose answers are kept apart by that word.
    """

    def __init__(self, llm: LLM, answers: Answers, known: Known = nothing, *, anew: str = "") -> None:
        self._llm, self._answers, self._known, self._anew = llm, answers, known, anew
        self.name, self.model, self.effort, self.capabilities = llm.name, llm.model, llm.effort, llm.capabilities
        self.spent = Spent()

    @property
    def stronger(self) -> LLM | None:
        """The model for hard cases, which forgets nothing either."""
        return self._over(self._llm.stronger) if self._llm.stronger else None

    def like(self, model: str, effort: str = "") -> LLM:
        """Return the same adapter over another model."""
        return self._over(self._llm.like(model, effort))

    def infer(self, question: Question) -> Answer:
        """Answer as it was answered before; else ask, and keep what comes."""
        if self.capabilities.offline:
            self.spent.add(asked=1)
            return self._llm.infer(question)
        words = "\x00".join((digest(question, self._llm.name, self._llm.model), self.effort, self._anew))
        key = sha256(words.encode()).hexdigest()
        held = self._known(question, self._llm) or self._answers.get(key)
        if held is not None:
            self.spent.add(reused=1)
            return replace(held, cost_usd=0.0)
        self.spent.open()
        answer = self._llm.infer(question)
        self.spent.add(asked=1, usd=answer.cost_usd, tokens=answer.input_tokens + answer.output_tokens)
        self._answers.put(key, answer)
        return answer

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """Estimate the cost of reading so many characters in so many calls."""
        return self._llm.estimate_usd(input_chars, calls)

    def check(self) -> Sequence[str]:
        """Say what is wrong with key, model or endpoint."""
        return self._llm.check()

    def _over(self, llm: LLM) -> "Remembering":
        made = Remembering(llm, self._answers, self._known, anew=self._anew)
        made.spent = self.spent
        return made


class Spent:
    """What a trial asked, reused and paid, and what it may pay at most; safe to add to from several threads."""

    def __init__(self, max_usd: float = inf) -> None:
        self._lock, self._max_usd = Lock(), max_usd
        self.asked, self.reused, self.tokens, self.usd = 0, 0, 0, 0.0

    def open(self) -> None:
        """Raise `ConfigError` when no more may be paid: what is under way in other threads comes on top."""
        with self._lock:
            if self.usd >= self._max_usd:
                raise ConfigError(
                    f"${self._max_usd:g} are spent, and what was answered is kept: the same command goes on from there"
                )

    def add(self, *, asked: int = 0, reused: int = 0, tokens: int = 0, usd: float = 0.0) -> None:
        """Count."""
        with self._lock:
            self.asked += asked
            self.reused += reused
            self.tokens += tokens
            self.usd += usd


def _asked(question: Question, llm: LLM, matches: Sequence[str]) -> str:
    return digest(question, llm.name, llm.model, matches, llm.effort)


def _read(file: Path) -> Mapping[str, Answer]:
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            held = json.loads(line)
            key = held.pop("key")
            found[key] = Answer(**held)
        except (ValueError, KeyError, TypeError):
            continue  # a line that was cut short is asked again
    return found


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
