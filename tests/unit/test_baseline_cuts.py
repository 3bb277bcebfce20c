"""What is read must not depend on how a conversation is cut into readings, nor on which of its threads came in first.

The whole way is walked here, from activities to what is believed: rules that agree with themselves are no use when the
policy believes the first half and not the second.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.llms.baseline import BaselineLLM, BaselineOptions
from bench.baseline import load
from sidecar.config import load as load_config
from sidecar.model import Activity, Actor, Match, Mint, Outcome, Own, Prompt, Role, Said, Standing
from sidecar.pipeline.shadow import Reader, Shadow
from sidecar.ports import Context
from tests.contract.llm import NOW

MINT = Mint(b"k" * 32)
POLICY = load_config(None, {}).policy()
PROMPT = Prompt("relationship", "", (), "0" * 64, "")
CASES = {case["id"]: case for half in ("dev", "heldout") for case in load(half)}
LATE = {"dev-de-2", "third-de-3"}
"""Where late words can't count any more: the booking comes in after a cancellation that named the stage already."""


def believed(case: dict[str, Any], order: Sequence[int], cuts: Collection[int]) -> tuple[Any, ...]:
    """Return stage, intent, open steps and number of engagements after turns that came in this order, read at cuts."""
    llm = BaselineLLM("baseline", BaselineOptions(), Context(lambda: NOW, Own(), Path(), lambda env, file: ""))
    shadow = Shadow(Reader(PROMPT, POLICY, Own(timezone=case["timezone"]), llm, MINT), Standing("p"))
    turns = activities(case)
    for count, number in enumerate(order, 1):
        shadow.hear(*turns[number])
        if count in cuts or count == len(order):
            shadow.read()
    engagement = shadow.standing.engagement
    intent = engagement.fields.get("intent")
    steps = sorted((step.who, step.due or "") for step in engagement.steps if step.status == "open")
    return engagement.stage, intent.value if intent else None, steps, len(shadow.standing.engagements)


def activities(case: dict[str, Any]) -> list[tuple[Match, Activity]]:
    """Return a conversation's turns as a journal holds them, each in a thread of its own."""
    made = []
    for number, turn in enumerate(case["turns"]):
        role = Role(turn["by"])
        sure = role in (Role.AGENT, Role.SYSTEM)
        activity = MINT(
            Activity(
                because=("delivery",),
                channel="web",
                account="a",
                external_id=f"{case['id']}-{number}",
                kind=turn.get("kind", "message"),
                at=datetime.fromisoformat(turn["at"]),
                actor=Actor(role, "test", authenticated=sure),
                thread=f"thread-{number}",
                text=turn["text"],
                said=(Said(0, len(turn["text"]), role, authenticated=sure),),
                attributes=turn.get("attributes", {}),
            )
        )
        match = Match(because=(activity.id,), party="p", activity=activity.id, outcome=Outcome.PARTY, rule="test")
        made.append((MINT(match), activity))
    return made


@pytest.mark.parametrize("name", CASES)
def test_a_conversation_may_be_cut_anywhere(name: str) -> None:
    """Read at once, in parts or message by message, it ends in the same stage, steps and intent."""
    case = CASES[name]
    size = len(case["turns"])
    order = range(size)
    ends = [believed(case, order, cuts) for n in range(size) for cuts in combinations(range(1, size), n)]
    assert ends == [ends[0]] * len(ends)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_threads_may_come_in_in_any_order(data: st.DataObject) -> None:
    """What came in late is read where it was said; seen to fail when the first stage didn't give way to older words."""
    case = CASES[data.draw(st.sampled_from(sorted(set(CASES) - LATE)))]
    size = len(case["turns"])
    order = data.draw(st.permutations(range(size)))
    cuts = data.draw(st.sets(st.integers(1, size)))
    assert believed(case, order, cuts) == believed(case, range(size), ())


@pytest.mark.parametrize("cuts", [(1,), (2,), (1, 2)])
def test_what_is_heard_of_first_does_not_bar_what_led_to_it(cuts: tuple[int, ...]) -> None:
    """Thanks for an order, read before the offer and its acceptance, leave the relationship where these lead."""
    case = CASES["dev-de-3"]
    assert believed(case, (2, 0, 1), cuts) == believed(case, (0, 1, 2), ())


def test_words_older_than_those_that_gave_the_stage_come_too_late() -> None:
    """The stated exception: evidence that is newer stands, also when what explains it comes in afterwards."""
    case = CASES["dev-de-2"]
    assert believed(case, (0, 1, 2), ())[0] == "qualified"
    assert believed(case, (1, 0, 2), (1,))[0] == "enquired"
