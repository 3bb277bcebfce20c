"""Labelled conversations for tests, and a model that does what its prompt says, so that a worse prompt is worse."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from sidecar.config import Settings
from sidecar.config import load as settings_of
from sidecar.evaluate import Case, Side
from sidecar.evaluate.dataset import load
from sidecar.ports import LLM, Answer, LLMCapabilities, Question
from sidecar.prompts import folder
from sidecar.prompts import load as prompts_of

_MEANS = re.compile(r'"([^"\n]{2,60})" means (\w+) = ([\w ]+)')
"""What the model of these tests obeys, wherever its prompt says so."""


@dataclass
class Obedient:
    """A model that claims what its prompt says that words mean, quoting them; all else it leaves alone.

    `misquotes` makes it quote what nobody wrote; `fails` are errors that it raises first; `asked` are its questions.
    """

    name: str = "obedient"
    model: str = "obedient-1"
    effort: str = ""
    usd: float = 0.001
    misquotes: bool = False
    fails: list[Exception] = field(default_factory=list)
    asked: list[Question] = field(default_factory=list)
    capabilities: LLMCapabilities = field(default_factory=LLMCapabilities)

    @property
    def stronger(self) -> LLM | None:
        """Nobody."""
        return None

    def like(self, model: str, effort: str = "") -> LLM:
        """Another of its kind."""
        return replace(self, model=model or self.model, effort=effort or self.effort)

    def infer(self, question: Question) -> Answer:
        """Say what the prompt says."""
        if self.fails:
            raise self.fails.pop(0)
        self.asked.append(question)
        told = _MEANS.findall(question.system)
        ops = [
            {"evidence": [{"activity": turn.alias, "quote": words + (" not" if self.misquotes else "")}],
             "field": name, "op": "set", "value": value.strip(), "certainty": "stated"}
            for turn in question.new for words, name, value in told if words in turn.text
        ]  # fmt: skip
        text = json.dumps({"ops": ops, "steps": [], "summary": "", "needs_full_reread": False})
        return Answer(text, self.model, "end", input_tokens=100, output_tokens=10, cost_usd=self.usd, duration_ms=40)

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """Its price a call."""
        return self.usd * calls

    def check(self) -> Sequence[str]:
        """It is well."""
        return ()


def defaults(home: Path) -> Settings:
    """Return the settings of an installation without a config file."""
    config = home / "config.toml"
    config.write_text('[own]\ndomains = ["ours.test"]\n')
    return settings_of(config, {})


def side(settings: Settings, llm: LLM, *means: str, name: str = "") -> Side:
    """Return a side whose prompt says what words mean (`"buy" means intent = buy`)."""
    shipped = prompts_of(folder(settings.base), settings.fields)["relationship"]
    prompt = replace(
        shipped, text=f"{shipped.text}\n" + "\n".join(means), sha256=sha256("\n".join(means).encode()).hexdigest()
    )
    return Side(name, prompt, settings.policy(), settings.own(), llm)


def said(by: str, text: str, minute: int, **more: Any) -> dict[str, Any]:
    """One message."""
    return {"at": f"2026-11-16T10:{minute:02}:00", "by": by, "text": text, **more}


def conversation(
    id: str, activities: Sequence[Mapping[str, Any]], labels: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    """One labelled conversation as a line of a data set."""
    return {
        "id": id, "split": "dev", "languages": ["en"], "timezone": "Europe/London", "channel": "webchat",
        "activities": list(activities), "labels": dict(labels), **more,
    }  # fmt: skip


def written(file: Path, conversations: Iterable[Mapping[str, Any]]) -> Path:
    """Write a data set."""
    file.write_text("".join(json.dumps(one) + "\n" for one in conversations))
    return file


def loaded(file: Path, conversations: Iterable[Mapping[str, Any]], settings: Settings) -> tuple[Case, ...]:
    """Write a data set and load it as anybody's is."""
    return load(written(file, conversations), settings.policy())


def buyers(number: int) -> list[dict[str, Any]]:
    """Return conversations in which somebody buys or complains, and tells a budget or none, in turns."""
    made = []
    for at in range(number):
        words = "I want to buy a bicycle." if at % 2 else "The bicycle broke, and I am angry."
        budget = at % 3 == 0
        lines = [said("customer", words + (" My budget is 900 EUR." if budget else ""), 0), said("agent", "Hello!", 5)]
        labels: dict[str, Any] = {
            "stage": {"value": "enquired", "quotes": [f"1: {words}"]},
            "intent": {"value": "buy", "quotes": ["1: want to buy"]} if at % 2 else
                      {"value": "complain", "quotes": ["1: bicycle broke"]},
            "sentiment": {"any_of": ["neutral", "unknown"]} if at % 2 else
                         {"value": "angry", "quotes": ["1: I am angry"]},
            "budget": {"value": "900 EUR", "quotes": ["1: budget is 900 EUR"]} if budget else {"value": "unknown"},
        }  # fmt: skip
        made.append(conversation(f"buyer-{at}", lines, labels, split="test" if at % 5 == 4 else "dev"))
    return made


GOOD = (
    '"want to buy" means intent = buy',
    '"bicycle broke" means intent = complain',
    '"I am angry" means sentiment = angry',
    '"budget is 900 EUR" means budget = 900 EUR',
)
BAD = ('"bicycle" means intent = buy', GOOD[2], '"bicycle" means budget = 500')
"""A worse prompt: everybody buys, and has a budget that nobody spoke of."""
