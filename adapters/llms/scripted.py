"""A model that follows a script: the same answers each time, for tests, crash tests and demonstrations of the policy.

It is a real adapter over the real wire and no part of a production setup. Each rule is matched against each new
activity's text; what the matching rules say is joined into one answer. A quote must stand in the activity that the rule
matched, so that a script can't go stale unnoticed, unless the rule says that it is `unfaithful`, as models can be. With
`obey` it plays the most gullible model there is: it answers what the text between `<<obey` and `>>` dictates, so that
tests can see what the policy makes of it. Further models follow scripts of their own (`models`). Example of a script:

    [{"match": "come Thursday", "answer": {"ops": [{"field": "intent", "value": "book",
                                                    "evidence": [{"quote": "come Thursday"}]}]}},
     {"match": "(?i)explode", "stop": "refusal"}, {"match": "<<obey", "obey": true}]
"""

import json
import re
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from adapters import files
from sidecar.errors import ConfigError, PermanentError, TemporaryError, UnsupportedFeature
from sidecar.model import Turn
from sidecar.ports import Answer, Context, LLMCapabilities, Question

MODEL = "scripted-1"
MAX_FILE_BYTES = 5_000_000
MAX_RULES = 2_000
CHARS_PER_TOKEN = 4
USD_PER_MILLION_CHARS = 0.1
_OBEY = re.compile(r"<<obey\s*(\{.*?\})\s*>>", re.DOTALL)
_WIRE = {"ops", "steps", "summary", "needs_full_reread"}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _Quote(_Part):
    activity: str = ""
    quote: str


class _Op(_Part):
    evidence: list[_Quote] = []
    field: str
    op: Literal["set", "clear", "conflict"] = "set"
    value: str = ""
    certainty: Literal["stated", "strongly_implied", "weakly_implied"] = "stated"


class _Step(_Part):
    evidence: list[_Quote] = []
    op: Literal["open", "done", "drop"] = "open"
    id: str = ""
    who: str = "us"
    what: str
    due_text: str = ""
    due_date: str = ""


class _Answer(_Part):
    ops: list[_Op] = []
    steps: list[_Step] = []
    summary: str = ""
    needs_full_reread: bool = False


class _Rule(_Part):
    match: str = Field(min_length=1)
    answer: _Answer | None = None
    obey: bool = False
    stop: Literal["end", "refusal", "truncated"] = "end"
    error: Literal["", "temporary", "config", "permanent"] = ""
    unfaithful: bool = False

    @field_validator("match")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return pattern


class ScriptedOptions(BaseModel):
    """Settings of the `[llm]` section for type `scripted`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1, description="JSON file with the rules")
    models: Mapping[str, str] = Field(default_factory=dict, description="Further models and their files")
    stronger_model: str | None = Field(None, description="Which of them is asked about the hard cases")


class ScriptedLLM:
    """Answers by a script; fulfils the port `LLM`."""

    Options = ScriptedOptions
    capabilities = LLMCapabilities(structured_outputs=True, offline=True, deterministic=True)

    def __init__(self, name: str, options: ScriptedOptions, context: Context) -> None:
        self.name = name
        self.model = MODEL
        self.effort = ""
        self._stronger = options.stronger_model
        scripts = {MODEL: options.path, **options.models}
        self._rules_of = {model: _load(context.base / Path(path)) for model, path in scripts.items()}
        self._rules = self._rules_of[MODEL]
        if self._stronger is not None:
            self.like(self._stronger)

    @property
    def stronger(self) -> "ScriptedLLM | None":
        """The model for hard cases, which has a script of its own."""
        return self.like(self._stronger) if self._stronger and self._stronger != self.model else None

    def like(self, model: str, effort: str = "") -> "ScriptedLLM":
        """Return another of the scripted models; `ConfigError` for one without a script, and for any effort."""
        if effort or (model or self.model) not in self._rules_of:
            raise ConfigError(f"there is no script for model {model!r}, effort {effort!r}", setting="llm.models")
        other = copy(self)
        other.model = model or self.model
        other._rules = self._rules_of[other.model]
        return other

    def infer(self, question: Question) -> Answer:
        """Answer with everything that the rules say about the new activities; nothing matches, nothing is said."""
        if set(question.schema.get("properties", ())) != _WIRE:
            raise UnsupportedFeature("the script answers in the wire schema only")
        joined = _Answer()
        stop = "end"
        for turn in question.new:
            for number, rule in enumerate(self._rules):
                if not re.search(rule.match, turn.text):
                    continue
                _fail(rule)
                stop = rule.stop if stop == "end" else stop
                for said in _said(rule, turn):
                    _join(joined, said, turn, rule, number)
        text = joined.model_dump_json()
        return Answer(
            text="" if stop == "refusal" else text[: len(text) // 2] if stop == "truncated" else text,
            model=self.model,
            stop=stop,
            input_tokens=(len(question.system) + len(question.user)) // CHARS_PER_TOKEN,
            output_tokens=len(text) // CHARS_PER_TOKEN,
        )

    def estimate_usd(self, input_chars: int, calls: int) -> float:
        """Estimate a made-up price, so that budgets and estimates can be tested; answers themselves cost nothing."""
        return USD_PER_MILLION_CHARS * max(input_chars, 0) / 1_000_000

    def check(self) -> Sequence[str]:
        """Remind the operator that this is no model."""
        return ("llm.type: scripted follows a script and is meant for tests; choose another",)


def _load(path: Path) -> Sequence[_Rule]:
    text = files.read(path, "the script", "llm.path", MAX_FILE_BYTES)
    try:
        rules = [_Rule.model_validate(rule) for rule in json.loads(text)]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"the script is wrong at {where}: {first['msg']}", setting="llm.path") from None
    except (ValueError, TypeError):
        raise ConfigError("the script is not a JSON list of rules", setting="llm.path") from None
    if len(rules) > MAX_RULES:
        raise ConfigError(f"the script has over {MAX_RULES} rules", setting="llm.path")
    return rules


def _fail(rule: _Rule) -> None:
    if rule.error == "temporary":
        raise TemporaryError("the script says so")
    if rule.error == "config":
        raise ConfigError("the script says so", setting="llm.path")
    if rule.error == "permanent":
        raise PermanentError("the script says so")


def _said(rule: _Rule, turn: Turn) -> Sequence[_Answer]:
    """The answers of a rule for one activity: its own, or what the activity orders an obedient model to say."""
    if not rule.obey:
        return [rule.answer] if rule.answer else []
    obeyed = []
    for order in _OBEY.finditer(turn.text):
        try:
            answer = _Answer.model_validate_json(order[1])
        except ValidationError:
            continue  # even the most gullible model can't follow an order that it can't read
        whole = [_Quote(activity=turn.alias, quote=order[0])]
        items: list[_Op | _Step] = [*answer.ops, *answer.steps]
        for item in items:
            item.evidence = item.evidence or whole
        obeyed.append(answer)
    return obeyed


def _join(joined: _Answer, said: _Answer, turn: Turn, rule: _Rule, number: int) -> None:
    copy = said.model_copy(deep=True)
    items: list[_Op | _Step] = [*copy.ops, *copy.steps]
    for item in items:
        for quote in item.evidence:
            quote.activity = quote.activity or turn.alias
            if not (rule.unfaithful or rule.obey) and quote.quote not in turn.text:
                raise PermanentError(f"rule {number} of the script quotes what its activity doesn't say")
    joined.ops += copy.ops
    joined.steps += copy.steps
    joined.summary = copy.summary or joined.summary
    joined.needs_full_reread |= copy.needs_full_reread
