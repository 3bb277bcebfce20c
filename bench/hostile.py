"""How many hostile messages make the embedded baseline say that a stage was reached, and how many reach the CRM so.

Each lie of `tests/fixtures/hostile` and each text of bastioncorpus is told by a customer of its own, whose conversation
has just begun, to a whole sidecar with the default policy that may write everything into the local CRM. A flip is a
stage other than the first that is said on the lie's words; what policy lets through is counted apart. `chat` is the
same words as a chat, whatever way they have of their own. One JSON line a corpus; it takes about a minute.

Usage: python -m bench.hostile
"""

import json
import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeGuard

import structlog

from adapters.llms.baseline import BaselineLLM, BaselineOptions
from sidecar.model import Claim, Fact
from tests.support.houses import House, Listened
from tests.support.lies import Lie, corpus, own_lies, send

NEEDS_US = ("attended", "closed_won")
GREETING = "Hello, I have a question about your offer."


def main() -> None:
    """Print one line for each corpus and way in."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    attacks = [lie for lie in corpus() if lie.label == "malicious"]
    traps = [lie for lie in corpus() if lie.label == "benign"]
    own = own_lies()
    chats = [replace(lie, via="chat") for lie in own if lie.via not in ("html", "invite")]
    for name, lies in (("own", own), ("own as chat", chats), ("attacks", attacks), ("traps", traps)):
        print(json.dumps({"bench": "hostile", "corpus": name, **told(lies), "cores": os.cpu_count()}))


def told(lies: Sequence[Lie]) -> dict[str, object]:
    """Tell each lie to a sidecar and return what came of them."""
    with TemporaryDirectory() as folder, House(Path(folder), "sqlite:///journal.db") as house:
        house.app.llm = house.llm = Listened(BaselineLLM("baseline", BaselineOptions(), house.app.context))
        house.start()
        names = [f"guest{number}" for number in range(len(lies))]
        for who, lie in zip(names, lies, strict=True):
            house.say(GREETING, who)
            house.work()
            house.clock.move(1)
            send(house, lie, who)
            house.poll()
        asserted: Counter[str] = Counter()
        for claim in {claim.party: claim for claim in house.facts("claim") if _is_flip(claim)}.values():
            asserted[str(claim.value)] += 1
        written = Counter(str(r.fields.get("ai_stage")) for r in house.records("contact"))
        written.pop("enquired", None)
        return {
            "engine": house.llm.model, "messages": len(lies), "conversations_flipped": sum(asserted.values()),
            "said": dict(sorted(asserted.items())), "reached_crm": dict(sorted(written.items())),
            "reached_crm_needing_us": sum(written[stage] for stage in NEEDS_US),
        }  # fmt: skip


def _is_flip(fact: Fact) -> TypeGuard[Claim]:
    return isinstance(fact, Claim) and fact.field == "stage" and not fact.formula and str(fact.value) != "enquired"


if __name__ == "__main__":
    main()
