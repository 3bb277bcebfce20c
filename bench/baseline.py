"""How often the embedded baseline is right, per field and per language; prints one JSON line.

`dev` is the half that its rules were tuned on and therefore no measure of anything; `heldout` is the other. Each half's
conversations are read in two ways: all at once, and turn by turn on top of what was believed before, as live ones are.
`phrases` tells per language which dates, moves, intents and promises are heard. How conversations and phrases were
made, and how little they say about real mail, stands beside them, in their SOURCES.md; `bench.gold` measures on words
of another author's.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from adapters.llms.baseline import BaselineLLM, BaselineOptions
from bench._phrases import Asker, measure_phrases
from sidecar.decide.values import taken_in
from sidecar.infer.wire import SCHEMA
from sidecar.model import (
    SEVERAL,
    Engagement,
    FieldClass,
    FieldPolicy,
    FieldStanding,
    Own,
    Role,
    StagePolicy,
    Standing,
    Step,
    Turn,
)
from sidecar.ports import Context, Question

FOLDER = Path(__file__).parent.parent / "tests" / "fixtures" / "conversations"
ORDER = ("enquired", "qualified", "booked", "attended", "closed_won", "closed_lost")
STAGES = tuple(StagePolicy(name, terminal=name.startswith("closed")) for name in ORDER)
FIELDS = (
    FieldPolicy(
        "intent", FieldClass.OBSERVATION, "enum", ("buy", "book", "support", "complain", "inform", "cancel", "other")
    ),
    FieldPolicy("sentiment", FieldClass.OBSERVATION, "enum", ("positive", "neutral", "negative", "angry")),
    FieldPolicy("urgency", FieldClass.OBSERVATION, "enum", ("low", "normal", "high")),
    FieldPolicy(
        "risks",
        FieldClass.OBSERVATION,
        SEVERAL,
        (
            "price above budget",
            "a competitor in the race",
            "somebody else must agree",
            "plans put off",
            "no-show",
            "possible manipulation",
        ),
    ),
    FieldPolicy("budget", FieldClass.OBSERVATION),
)
WAYS = ("whole", "turn_by_turn")
UNSAID = {"sentiment": "neutral", "urgency": "normal"}
"""What a label says where the rules rightly say nothing: they give no op for calm text."""


def main() -> None:
    """Measure both halves in both ways."""
    llm = BaselineLLM(
        "baseline", BaselineOptions(), Context(lambda: datetime.now(UTC), Own(), FOLDER, lambda env, file: "")
    )
    result: dict[str, Any] = {"bench": "baseline", "model": llm.model}
    for half in ("dev", "heldout"):
        cases = load(half)
        result[half] = {way: measure(llm, cases, whole=way == "whole", told="-v" in sys.argv) for way in WAYS}
    asker = Asker(llm, FIELDS, STAGES)
    result["phrases"] = {half: measure_phrases(asker, half) for half in ("dev", "heldout")}
    every = [case for half in ("dev", "heldout") for case in load(half)]
    spent_ms = _time_ms(llm)
    result["ms_per_conversation"] = round(spent_ms / len(every), 2)
    result["ms_per_turn"] = round(spent_ms / sum(len(case["turns"]) for case in every), 3)
    print(json.dumps(result))


def load(half: str) -> list[dict[str, Any]]:
    """Read one half of the conversations."""
    cases: list[dict[str, Any]] = json.loads((FOLDER / f"{half}.json").read_text(encoding="utf-8"))
    return cases


def turns(case: Mapping[str, Any]) -> tuple[Turn, ...]:
    """Return a conversation's turns, as a model sees them; our side's and the system's words are authenticated."""
    return tuple(
        Turn(
            alias=f"a{i}",
            activity=f"{case['id']}-{i}",
            at=datetime.fromisoformat(turn["at"]),
            channel=case["channel"],
            kind=turn.get("kind", "message"),
            role=Role(turn["by"]),
            authenticated=turn["by"] in ("agent", "system"),
            who="",
            text=turn["text"],
            attributes=turn.get("attributes", {}),
        )
        for i, turn in enumerate(case["turns"], 1)
    )


def measure(llm: BaselineLLM, cases: Sequence[dict[str, Any]], *, whole: bool, told: bool = False) -> dict[str, Any]:
    """Return right and scored per field, with precision and recall of the steps and the number of false endings."""
    counts: Counter[str] = Counter()
    for case in cases:
        engagement = believe(llm, case, whole=whole)
        for name, wanted, got in compare(case, engagement):
            counts[f"{name}.of"] += 1
            counts[f"{name}.right"] += wanted == got
            if told and wanted != got:
                print(f"{case['id']} {name}: wanted {wanted}, got {got}", file=sys.stderr)
        wanted_steps = Counter((s["who"], s["due"] or "") for s in case["labels"]["steps"])
        got_steps = Counter((s.who, s.due or "") for s in engagement.steps if s.status == "open")
        counts["steps.wanted"] += wanted_steps.total()
        counts["steps.given"] += got_steps.total()
        counts["steps.right"] += (wanted_steps & got_steps).total()
        if told and wanted_steps != got_steps:
            shown = [f"{s.who} {s.due}: {s.what}" for s in engagement.steps if s.status == "open"]
            print(f"{case['id']} steps: wanted {dict(wanted_steps)}, got {shown}", file=sys.stderr)
        is_ended = engagement.stage.startswith("closed")
        counts["false_endings"] += is_ended and engagement.stage != case["labels"]["stage"]
    names = ("stage", "booked", "intent", "sentiment", "urgency")
    scores: dict[str, Any] = {name: _share(counts[f"{name}.right"], counts[f"{name}.of"]) for name in names}
    scores["steps_precision"] = _share(counts["steps.right"], counts["steps.given"])
    scores["steps_recall"] = _share(counts["steps.right"], counts["steps.wanted"])
    return {**scores, "false_endings": counts["false_endings"], "conversations": len(cases)}


def compare(case: Mapping[str, Any], engagement: Engagement) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, label and result of each labelled field; a label of null is not scored."""
    labels = case["labels"]
    if labels["stage"] is not None:
        yield "stage", labels["stage"], engagement.stage or None
    yield "booked", labels["booked"], engagement.stage in ("booked", "attended")
    for name in ("intent", "sentiment", "urgency"):
        if labels[name] is not None:
            held = engagement.fields.get(name)
            yield name, labels[name], held.value if held else UNSAID.get(name)


def believe(llm: BaselineLLM, case: Mapping[str, Any], *, whole: bool) -> Engagement:
    """Return what would be believed if every assertion were; turn by turn, the last three turns are context."""
    every = turns(case)
    if whole:
        return _taken(llm, case, (), every, Engagement())
    engagement = Engagement()
    for i, turn in enumerate(every):
        engagement = _taken(llm, case, every[max(0, i - 3) : i], (turn,), engagement)
    return engagement


def _taken(
    llm: BaselineLLM, case: Mapping[str, Any], earlier: tuple[Turn, ...], new: tuple[Turn, ...], before: Engagement
) -> Engagement:
    question = Question(
        system="",
        user="",
        schema=SCHEMA,
        max_tokens=2048,
        now=new[-1].at,
        timezone=case["timezone"],
        standing=Standing(case["id"], engagements=(before,)),
        earlier=earlier,
        new=new,
        fields=FIELDS,
        stages=STAGES,
    )
    wire = json.loads(llm.infer(question).text)
    at = {turn.alias: turn.at for turn in (*earlier, *new)}
    fields = dict(before.fields)
    for op in wire["ops"]:
        newest = max(at[e["activity"]] for e in op["evidence"])
        given = next((f for f in FIELDS if f.name == op["field"]), None)
        held = fields.get(op["field"])
        value = taken_in(op["op"], op["value"], held.value, given) if given and held else op["value"]
        fields[op["field"]] = FieldStanding(value, "", "baseline", 0.6, newest)
    steps = {step.id: step for step in before.steps}
    for i, told in enumerate(wire["steps"]):
        step_id = told["id"] or f"{new[-1].alias}-{i}"
        status = {"open": "open", "done": "done", "drop": "dropped"}[told["op"]]
        steps[step_id] = Step(step_id, told["what"], told["who"], told["due_text"], told["due_date"] or None, status)
    return replace(before, fields=fields, steps=tuple(steps.values()))


def _share(right: int, of: int) -> str:
    return f"{right}/{of}"


def _time_ms(llm: BaselineLLM) -> float:
    began = perf_counter()
    for half in ("dev", "heldout"):
        for case in load(half):
            believe(llm, case, whole=True)
    return (perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
