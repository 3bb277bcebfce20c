"""The embedded baseline: rules that read a conversation offline, at once and for nothing, and say that they are rules.

It exists so that the sidecar runs without a key, and so that there is an honest floor under every model's score. It
understands phrases, not meaning: the capabilities cap what its word is worth, it yields to any model and any person,
and `bench/baseline.py` prints how often it is right. It obeys nobody: text that gives orders raises a risk, no more.
"""

import json
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

from pydantic import BaseModel, ConfigDict

from adapters.llms.baseline.fields import fields
from adapters.llms.baseline.reading import Evidence, Reading, op, prepare
from adapters.llms.baseline.stages import Move, moves
from adapters.llms.baseline.steps import steps
from adapters.llms.baseline.text import Sentence
from adapters.llms.baseline.words import languages
from sidecar.errors import ConfigError, UnsupportedFeature
from sidecar.model import Role
from sidecar.ports import Answer, Context, LLMCapabilities, Question

MODEL = "baseline-1"
CONFIDENCE_CAP = 0.6
MAX_SUMMARY_LINES = 3
MAX_SUMMARY_WORDS = 120
_WIRE = {"ops", "steps", "summary", "needs_full_reread"}
_SPEAKER = {Role.CUSTOMER: "Customer", Role.AGENT: "Us", Role.BOT: "Bot", Role.SYSTEM: "System"}


class BaselineOptions(BaseModel):
    """The baseline has no settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BaselineLLM:
    """Reads by rules; fulfils the port `LLM`."""

    Options = BaselineOptions
    capabilities = LLMCapabilities(
        structured_outputs=True, offline=True, deterministic=True, is_baseline=True, confidence_cap=CONFIDENCE_CAP
    )

    def __init__(self, name: str, options: BaselineOptions, context: Context) -> None:
        self.name = name
        self.model = f"{MODEL}.{_rules_sha256()[:8]}"
        self.effort = ""

    @property
    def stronger(self) -> None:
        """None: there is one set of rules."""
        return None

    def like(self, model: str, effort: str = "") -> "BaselineLLM":
        """Return itself; `ConfigError` for any other model or effort, because rules have neither."""
        if model not in ("", self.model) or effort:
            raise ConfigError(f"the baseline is rules: it has no model {model!r} and no effort", setting="llm.model")
        return self

    def infer(self, question: Question) -> Answer:
        """Answer in the wire schema; `UnsupportedFeature` for any other, because rules can't learn one."""
        if set(question.schema.get("properties", ())) != _WIRE:
            raise UnsupportedFeature("the baseline answers in the wire schema only")
        began = perf_counter()
        reading = prepare(question)
        moved = moves(reading) if question.stages else ()
        ops = [op("stage", move.stage, move.certainty, move.evidence) for move in moved]
        ops += fields(reading)
        told = steps(reading)
        wire = {"ops": ops, "steps": told, "summary": _summary(reading, moved, ops, told), "needs_full_reread": False}
        text = json.dumps(wire, ensure_ascii=False, separators=(",", ":"))
        return Answer(text=text, model=self.model, stop="end", duration_ms=round((perf_counter() - began) * 1000))

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """Return 0: rules cost nothing."""
        return 0.0

    def check(self) -> Sequence[str]:
        """Return nothing: the word files were read, and there is neither key nor network."""
        languages()
        return ()


@cache
def _rules_sha256() -> str:
    """Hash the rules and their words, which are this model: another release may answer otherwise."""
    here = Path(__file__).parent
    held = sha256()
    for file in sorted((*here.glob("*.py"), *here.glob("words/*.toml")), key=lambda file: file.as_posix()):
        held.update(file.read_bytes())
    return held.hexdigest()


def _summary(
    reading: Reading, moved: Sequence[Move], ops: Sequence[dict[str, Any]], told: Sequence[dict[str, Any]]
) -> str:
    """Up to three sentences of evidence, newest last, after what stood: extracts, because rules can't sum up."""
    quoted = {(e["activity"], e["quote"]) for item in (*ops, *told) for e in item["evidence"]}
    chosen = [s for s in reading.sentences if s.is_new and any(_holds(s, alias, quote) for alias, quote in quoted)]
    lines = [f"{_SPEAKER[s.role]}: {' '.join(Evidence(s).wire()['quote'].split())}" for s in chosen]
    if not lines:
        return ""
    before = [line for line in _stood(reading).splitlines() if line.strip()]
    lines = list(dict.fromkeys((*before, *lines)))[-MAX_SUMMARY_LINES:]
    while sum(len(line.split()) for line in lines) > MAX_SUMMARY_WORDS and len(lines) > 1:
        lines = lines[1:]
    return " ".join(lines[0].split()[:MAX_SUMMARY_WORDS]) if len(lines) == 1 else "\n".join(lines)


def _stood(reading: Reading) -> str:
    held = reading.question.standing.engagement.fields.get("summary")
    return str(held.value) if held and held.value is not None else ""


def _holds(sentence: Sentence, alias: str, quote: str) -> bool:
    return bool(sentence.turn.alias == alias and quote in sentence.text)
