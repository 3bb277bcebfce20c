"""The version: it changes with whatever can change an answer, and with nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.llms.baseline import BaselineLLM, BaselineOptions
from sidecar.config import load
from sidecar.infer import infer
from sidecar.infer.question import asked
from sidecar.infer.version import version
from sidecar.model import Mint, Own, Policy, Prompt, Standing
from sidecar.ports import Context
from sidecar.prompts import parse
from tests.support.activities import MINT, NOON
from tests.unit.test_infer import HELLO, Says, matched, op, wire

POLICY = load(None, {}).policy()
PROMPT = parse(Path("prompts/relationship.md").read_text(), "prompts/relationship.md")


class Model(Says):
    """A model of some name and effort."""

    def __init__(self, name: str = "scripted", model: str = "m-1", effort: str = "") -> None:
        super().__init__("")
        self.name, self.model, self.effort = name, model, effort


def of(prompt: Prompt = PROMPT, policy: Policy = POLICY, llm: Says | None = None, zone: str = Own().timezone) -> str:
    """The version of what would be asked."""
    return version(prompt, asked(prompt, policy), tuple(policy.stages.values()), llm or Model(), zone)


def _field(name: str, **changes: object) -> Policy:
    return replace(POLICY, fields={**POLICY.fields, name: replace(POLICY.fields[name], **changes)})  # type: ignore[arg-type]


CHANGES: dict[str, Callable[[], str]] = {
    "the prompt file": lambda: of(replace(PROMPT, sha256="0" * 64)),
    "the fields that it serves": lambda: of(replace(PROMPT, serves=("stage",))),
    "a list of values": lambda: of(policy=_field("intent", values=("buy", "other"))),
    "criteria in the config": lambda: of(policy=_field("budget", criteria="An amount.")),
    "how long a value may be": lambda: of(policy=_field("budget", max_chars=20)),
    "a stage's ways": lambda: of(
        policy=replace(POLICY, stages={**POLICY.stages, "booked": replace(POLICY.stages["booked"], to=("attended",))})
    ),
    "the adapter": lambda: of(llm=Model(name="openai")),
    "the model": lambda: of(llm=Model(model="m-2")),
    "the effort": lambda: of(llm=Model(effort="high")),
    "the time zone": lambda: of(zone="Europe/Berlin"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_an_answer_changes_the_version(change: Callable[[], str]) -> None:
    """Two ways of asking are never counted as one."""
    assert change() != of()


@pytest.mark.parametrize(
    "policy",
    [
        replace(POLICY, score=replace(POLICY.score, stage=50.0)),
        replace(POLICY, suggestion_days=3),
        _field("intent", threshold=0.9),
        _field("score", max_chars=3),
    ],
    ids=["weights", "days", "threshold", "a computed field"],
)
def test_what_only_decides_is_the_policys_version_and_not_this_one(policy: Policy) -> None:
    """A threshold changes what is believed of an answer, not the answer: its figures go on."""
    assert of(policy=policy) == of()


def test_every_inference_names_its_version_whoever_keeps_the_book() -> None:
    """Two installations that ask alike have the same version, though each book has a secret word of its own."""
    said = Says(wire(op("price above budget", "price is a problem")))
    made = [
        infer([matched(HELLO)], (), Standing("party-1"), PROMPT, POLICY, Own(), said, mint).inference
        for mint in (MINT, Mint(b"o" * 32))
    ]
    assert made[0].request["system_sha256"] != made[1].request["system_sha256"]
    assert made[0].version == made[1].version == of(llm=said)


def test_the_baseline_s_model_is_its_rules() -> None:
    """Rules that change answer otherwise, so their name is made of them."""
    context = Context(lambda: NOON, Own(), Path(), lambda env, file: "")
    model = BaselineLLM("baseline", BaselineOptions(), context).model
    name, _, digest = model.partition(".")
    assert name == "baseline-1"
    assert len(digest) == 8
    assert int(digest, 16) >= 0
