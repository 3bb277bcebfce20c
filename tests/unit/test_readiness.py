"""What must be true before anything is written: each stage has a place, each owner somebody who is there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.app.readiness import unmapped, wanted_properties, with_owners, writable
from sidecar.config import load
from sidecar.errors import ConfigError
from sidecar.model import Mode, Policy, Route
from sidecar.ports import Pipeline
from tests.support.houses import House, op, says
from tests.support.rehearsals import STAGES, climb, rehearsal

POLICY = load(None, {}).policy()
SALES = Pipeline("sales", "Sales", tuple((stage, stage) for stage in STAGES))
OWNERS = {"17": "Eve@ours.test", "18": "bob@ours.test"}
READY = says("I am ready", op("stage", "qualified", "I am ready"))


def of(*routes: Route) -> Policy:
    """Return the default policy with these routes."""
    return replace(POLICY, routes=routes)


def test_a_vendors_stage_of_the_same_name_is_not_taken_for_ours() -> None:
    """Their "booked" may mean paid; seen to fail with the names compared. Of the reference CRM they are ours."""
    some = Route("some", stages={"enquired": "enquired", "booked": "nowhere"})
    assert unmapped(of(Route()), [SALES], is_vendor=False) == []
    lines = unmapped(of(some), [SALES], is_vendor=True)
    assert [line.split(":")[0] for line in lines] == [f"route some.stages.{s}" for s in STAGES if s != "enquired"]
    assert "is not mapped to a stage of the pipeline 'sales'; known are attended, booked" in lines[0]
    assert "'nowhere' is no stage of the pipeline" in lines[1]


def test_an_unmapped_stage_refuses_to_start(tmp_path: Path) -> None:
    """Nothing is written by a guess; seen to fail with stages of the same name taken."""
    with House(tmp_path, "sqlite:///journal.db", env={"SIDECAR_CRM__VENDOR": "true"}) as house:
        with pytest.raises(ConfigError, match=r"route default\.stages\.enquired: is not mapped") as refused:
            house.app.ready()
        assert len(str(refused.value).splitlines()) == len(STAGES)


@pytest.mark.parametrize(
    ("owner", "fallback", "expected", "unknown"),
    [
        ("17", "", "17", False),
        ("eve@OURS.test", "", "17", False),
        ("19", "bob@ours.test", "18", True),
        ("19", "20", "", True),
        ("19", "", "", True),
        ("", "18", "", False),
    ],
)
def test_an_owner_is_an_id_or_an_address_and_an_unknown_one_has_a_successor(
    owner: str, fallback: str, expected: str, unknown: bool
) -> None:
    """Whoever left stops nobody; seen to fail with the unknown id sent to the CRM."""
    policy, missing = with_owners(of(Route("a", owner=owner)), OWNERS, fallback)
    assert (policy.routes[0].owner, missing) == (expected, [("a", owner)] if unknown else [])
    assert with_owners(policy, OWNERS, fallback) == (policy, []), "what was found once is found again"


CRM = '[crm.owners]\no1 = "eve@ours.test"\n'
ROUTE = '[[route]]\nname = "all"\nowner = "gone@ours.test"\n[route.stages]\n' + "\n".join(
    f'{s} = "{s}"' for s in STAGES
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house whose route names an owner who has left."""
    with rehearsal(tmp_path, READY, after=f"{ROUTE}\n{CRM}", SIDECAR_CRM__OWNER="eve@ours.test") as opened:
        yield opened


def test_what_an_unknown_owner_would_get_goes_to_the_configured_one(house: House) -> None:
    """A deal is made and has an owner; seen to fail with the sync parked."""
    house.hear("I am ready")
    climb(house, Mode.AUTO)
    house.work()
    assert [r.fields["owner"] for r in house.records("deal")] == ["o1"]
    assert not house.parked()


def test_owners_are_known_to_what_was_made_before(tmp_path: Path) -> None:
    """A pipeline made before the CRM was asked gives nothing to who has left; seen to fail with its own policy."""
    env = {"SIDECAR_CRM__OWNER": "eve@ours.test"}
    with House(tmp_path, "sqlite:///journal.db", after=f"{ROUTE}\n{CRM}", env=env) as house:
        assert house.app.pipeline.parts.policy.routes[0].owner == "gone@ours.test"
        house.start()
        assert house.app.pipeline.parts.policy.routes[0].owner == "o1"


def test_a_route_without_an_owner_has_the_crms() -> None:
    """One setting gives everything to somebody."""
    env = {"SIDECAR_CRM__OWNER": "o1"}
    assert [r.owner for r in load(None, env).policy().routes] == ["o1"]


def test_what_may_be_written_grows_with_the_mode() -> None:
    """Whoever looks for automations looks at these; nothing of the CRM's own is among them below the top."""
    kinds = {"contact", "deal", "note"}
    suggest, auto = (writable(POLICY, mode, kinds) for mode in (Mode.SUGGEST, Mode.AUTO))
    assert set(suggest) == set(auto) == {"contact", "deal"}
    assert all(name.startswith("ai_") for names in suggest.values() for name in names)
    assert set(auto["deal"]) - set(suggest["deal"]) == {"name", "stage", "pipeline", "owner"}
    assert set(auto["contact"]) - set(suggest["contact"]) == {"name", "email", "phone", "company"}


def test_what_people_answer_and_correct_comes_before_what_nobody_types() -> None:
    """A CRM may keep the history of the first alone; seen to fail with the steering ones last, as they were."""
    names = [spec.name for spec in wanted_properties(POLICY, ("contact",))["contact"]]
    assert names[:4] == ["ai_mode", "ai_pin", "ai_review", "ai_stage"]
    assert max(names.index(f"ai_{name}") for name in ("intent", "risks", "budget")) < names.index("ai_summary")
    assert names.index("ai_next_step") < min(names.index(f"ai_{n}") for n in ("score", "channel", "suggestions"))
