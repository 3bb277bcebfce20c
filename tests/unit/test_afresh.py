"""What is computed anew is a new fact each time, or it would never be believed."""

import random
from dataclasses import replace
from pathlib import Path

from sidecar.decide.computed import compute
from sidecar.journal import Entry
from sidecar.model import Standing
from sidecar.pipeline.afresh import STRIDE, afresh
from tests.support.houses import House, buys, op, says


def without(standing: Standing, names: list[str]) -> Standing:
    """The standing as if some computed values had never been."""
    engagement = standing.engagement
    fields = {name: held for name, held in engagement.fields.items() if name not in names}
    return replace(standing, engagements=(*standing.engagements[:-1], replace(engagement, fields=fields)))


def test_no_look_makes_a_claim_of_a_former_one(tmp_path: Path) -> None:
    """Whatever is missing each time; seen to fail with as many positions a look as it had claims."""
    call = {"what": "call Ann", "who": "us", "evidence": [{"quote": "ready"}]}
    with House(
        tmp_path, "sqlite:///journal.db", buys(), says("ready", op("stage", "qualified", "ready"), steps=[call])
    ) as house:
        house.start()
        house.hear("I am ready to buy?")
        policy, draw = house.app.policy, random.Random(4)
        computed = [name for name, held in house.standing().engagement.fields.items() if held.engine == "code"]
        assert len(compute(house.standing(), policy, house.clock())) < STRIDE
        for _ in range(40):
            altered = without(house.standing(), draw.sample(computed, draw.randint(1, len(computed))))
            made = afresh(house.journal, policy, altered, house.clock())
            assert made.decisions
            assert not house.journal.get_many(d.id for d in made.decisions)
            house.journal.commit(Entry(facts=(*made.claims, *made.decisions)))
