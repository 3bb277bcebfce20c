"""The ladder: what a config allows is written only as far as a person has climbed, and no further."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.app import App
from sidecar.app.ladder import FIELD, LEDGER, READ_S, ROUTE, Ladder, Move, moved, rung_of, ways_down, ways_up
from sidecar.app.readiness import wanted_properties
from sidecar.errors import PermanentError
from sidecar.journal import Entry
from sidecar.model import Mode, Rungs, WorkKind
from tests.support.houses import SECRET, House, op, says
from tests.support.rehearsals import climb, move, rehearsal, step_down

SHADOW, SUGGEST, AUTO = Mode
RULES = [
    says("I am ready", op("stage", "qualified", "I am ready"), op("intent", "buy", "ready")),
    says("booked", op("stage", "booked", "booked")),
]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house on somebody else's CRM, whose config allows everything."""
    with rehearsal(tmp_path, *RULES) as opened:
        yield opened


def contact(house: House, name: str = "Ann", **fields: Any) -> str:
    """A person made the customer's contact; returns its ref."""
    given = {"name": name, "email": f"{name.casefold()}@x.test", **fields}
    ref: str = house.app.ledger.create_by_person("contact", given).ref  # type: ignore[attr-defined]  # local
    return ref


def deal(house: House, to: str, stage: str = "enquired") -> str:
    """A person made the customer's deal; returns its ref."""
    from sidecar.model import Link

    fields = {"name": "A deal", "pipeline": "sales", "stage": stage}
    made = house.app.ledger.create_by_person("deal", fields, [Link("contact", to)])  # type: ignore[attr-defined]
    ref: str = made.ref
    return ref


def held(house: House, kind: str) -> dict[str, Any]:
    """What the one record of a kind holds."""
    (record,) = house.records(kind)
    return dict(record.fields)


# What is in force ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rungs", "chat", "rest", "sentiment_on_chat"),
    [
        (Rungs(), AUTO, AUTO, AUTO),
        (Rungs(SUGGEST), SUGGEST, SUGGEST, SUGGEST),
        (Rungs(SHADOW, routes={"chat": AUTO}), AUTO, SHADOW, AUTO),
        (Rungs(AUTO, routes={"chat": SUGGEST}), SUGGEST, AUTO, SUGGEST),
        (Rungs(AUTO, fields={"sentiment": SHADOW}), AUTO, AUTO, SHADOW),
        (Rungs(SHADOW, fields={"sentiment": SUGGEST}), SHADOW, SHADOW, SUGGEST),
        (Rungs(SHADOW, routes={"chat": AUTO}, fields={"sentiment": SUGGEST}), AUTO, SHADOW, SUGGEST),
        (Rungs(SHADOW, routes={"chat": SUGGEST}, fields={"sentiment": AUTO}), SUGGEST, SHADOW, SUGGEST),
    ],
)
def test_a_rung_bounds_what_the_config_allows(
    house: House, rungs: Rungs, chat: Mode, rest: Mode, sentiment_on_chat: Mode
) -> None:
    """A route's or field's own rung counts instead of the ledger's, of two the lower; seen to fail with the higher."""
    from dataclasses import replace

    policy = replace(house.app.policy, rungs=rungs)
    first, second = policy.routes
    assert (policy.mode_for(first), policy.mode_for(second)) == (chat, rest)
    assert policy.mode_for(first, policy.fields["sentiment"]) is sentiment_on_chat
    shy = replace(policy, mode=SUGGEST)
    assert shy.mode_for(first).height <= SUGGEST.height, "the config stays the ceiling"


def test_moving_the_whole_down_leaves_nothing_above(house: House) -> None:
    """ "Shadow" means that nothing is written on any route; what was held lower stays held."""
    rungs = Rungs(AUTO, routes={"chat": AUTO, "rest": SHADOW}, fields={"stage": SUGGEST})
    after = moved(rungs, ways_down(rungs, LEDGER, SUGGEST))
    assert after == Rungs(SUGGEST, routes={"rest": SHADOW}, fields={"stage": SUGGEST})
    after = moved(after, ways_down(after, LEDGER, SHADOW))
    assert after == Rungs(SHADOW, routes={"rest": SHADOW})
    assert rung_of(after, "route:chat") is SHADOW


def test_who_draws_level_follows_again() -> None:
    """A route that waited and has caught up moves with the ledger from then on; seen to fail with its rung kept."""
    rungs = Rungs(SUGGEST, routes={"chat": SHADOW})
    after = moved(rungs, ways_up(rungs, "route:chat", SUGGEST))
    assert after == Rungs(SUGGEST)
    ahead = moved(after, ways_up(after, "field:intent", AUTO))
    assert ahead == Rungs(SUGGEST, fields={"intent": AUTO})
    assert rung_of(ahead, "field:intent") is AUTO and rung_of(ahead, "field:stage") is SUGGEST


def test_the_policys_name_does_not_change_with_the_rung(house: House) -> None:
    """A Decision names the rules by which it was made, and how far they are in force is no rule."""
    before = house.app.policy_now().sha256
    move(house.app.ladder, house, LEDGER, AUTO)
    assert house.app.policy_now().sha256 == before == house.app.settings.policy().sha256


# What is written ----------------------------------------------------------------------------------------------------


def test_a_vendors_crm_begins_in_shadow_whatever_the_config_says(house: House) -> None:
    """A copied config writes nothing; seen to fail with the configured mode alone."""
    assert house.app.policy.mode is AUTO
    contact(house)
    house.hear("I am ready")
    assert house.fields()["stage"] == "qualified"
    assert set(held(house, "contact")) == {"name", "email"}
    assert not house.records("note") and not house.records("deal") and not house.parked()


def test_the_reference_crm_is_not_gated(tmp_path: Path) -> None:
    """Whoever tries the sidecar on its own CRM climbs nothing first."""
    with House(tmp_path, "sqlite:///journal.db", *RULES).start() as house:
        assert house.app.rungs() == Rungs()
        house.hear("I am ready")
        assert held(house, "contact")["ai_stage"] == "qualified"


def test_suggest_writes_the_stage_beside_the_native_one(house: House) -> None:
    """AI-owned fields of contact and deal, and notes, on records that are there; the CRM's own stay as they are."""
    deal(house, contact(house))
    house.hear("I am ready")
    climb(house, SUGGEST)
    house.work()
    assert (held(house, "contact")["ai_stage"], held(house, "deal")["ai_stage"]) == ("qualified", "qualified")
    assert held(house, "deal")["stage"] == "enquired" and held(house, "deal")["name"] == "A deal"
    assert len(house.records("note")) == 1


def test_suggest_makes_no_customer_and_no_deal(house: House) -> None:
    """Records are people's to make below the top, whatever crm.create says."""
    house.hear("I am ready")
    climb(house, SUGGEST)
    house.work()
    assert not house.app.ledger.show()  # type: ignore[attr-defined]  # the local ledger shows itself


def test_auto_moves_the_native_stage_by_the_routes_map(tmp_path: Path) -> None:
    """The CRM's own word for a stage comes from the route; seen to fail with ours written."""
    stages = '["new", "keen", "booked", "attended", "won", "lost"]'
    pipelines = f'[[crm.pipelines]]\nref = "sales"\nstages = {stages}\n'
    ours = ("enquired", "qualified", "booked", "attended", "closed_won", "closed_lost")
    theirs = ("new", "keen", "booked", "attended", "won", "lost")
    mapped = "\n".join(f'{a} = "{b}"' for a, b in zip(ours, theirs, strict=True))
    after = f'[[route]]\nname = "all"\n[route.stages]\n{mapped}\n{pipelines}'
    with rehearsal(tmp_path, *RULES, after=after) as house:
        deal(house, contact(house), "new")
        house.hear("I am ready")
        climb(house, AUTO)
        house.work()
        assert (held(house, "deal")["stage"], held(house, "deal")["ai_stage"]) == ("keen", "qualified")


def test_an_emptied_stage_of_ours_never_empties_the_crms_own(house: House) -> None:
    """Taken away and made again, `ai_stage` is empty; the deal stays in its stage. Seen to fail with it cleared."""
    deal(house, contact(house))
    house.hear("I am ready")
    climb(house, AUTO)
    house.work()
    assert held(house, "deal")["stage"] == "qualified"
    step_down(house, SHADOW)
    ledger = house.app.ledger
    wanted = wanted_properties(house.app.policy, ledger.capabilities.kinds)
    ledger.deprovision(wanted, dry_run=False)
    house.poll()
    house.work()
    ledger.provision(wanted, dry_run=False)
    climb(house, AUTO)
    house.work()
    assert house.fields().get("stage") is None
    assert held(house, "deal")["stage"] == "qualified" and not house.parked()


def test_what_waited_is_written_once_the_rung_is_up(house: House) -> None:
    """The first day's diff is written without a new message; seen to fail with nothing made due."""
    contact(house)
    house.hear("I am ready")
    assert not house.journal.due(10, [WorkKind.SYNC])
    climb(house, SUGGEST)
    house.work()
    assert held(house, "contact")["ai_intent"] == "buy"


def test_a_step_down_holds_at_once_and_takes_nothing_back(house: House) -> None:
    """What was written stays, what is new is not; seen to fail with rungs read once at the start."""
    contact(house)
    climb(house, SUGGEST)
    house.hear("I am ready")
    step_down(house, SHADOW)
    house.hear("booked then")
    assert house.fields()["stage"] == "booked"
    assert held(house, "contact")["ai_stage"] == "qualified"


def test_one_route_goes_ahead_of_the_others(house: House) -> None:
    """A pilot writes for its own channel and for nobody else's; seen to fail with the ledger's rung for all."""
    refs = {name: contact(house, name) for name in ("Ann", "Zoe")}
    climb(house, SUGGEST, ROUTE + "chat")
    house.hear("I am ready")
    house.mail("Zoe <zoe@x.test>", "I am ready")
    house.poll()
    written = {r.ref: r.fields.get("ai_stage") for r in house.records("contact")}
    assert written == {refs["Ann"]: "qualified", refs["Zoe"]: None}


def test_one_field_is_held_back_and_the_record_is_still_made(house: House) -> None:
    """A field that nobody trusts yet keeps no customer out; seen to fail with a record at its lowest field's mode."""
    climb(house, AUTO)
    step_down(house, SHADOW, FIELD + "intent")
    house.hear("I am ready")
    assert held(house, "contact")["ai_stage"] == "qualified" and "ai_intent" not in held(house, "contact")
    assert held(house, "deal")["stage"] == "qualified"


def test_no_deal_is_made_whose_stage_may_not_be_written(house: House) -> None:
    """A deal in the CRM's first stage would say what nobody believes; seen to fail with the route's mode alone."""
    climb(house, AUTO)
    step_down(house, SUGGEST, FIELD + "stage")
    house.hear("I am ready")
    assert held(house, "contact")["ai_stage"] == "qualified"
    assert not house.records("deal")


def test_a_config_makes_nothing_due_on_somebody_else_s_crm(house: House) -> None:
    """What it now allows is shown to a person first, by check --go-live; seen to fail with each CRM followed alike."""
    climb(house, AUTO)
    house.hear("I am ready")
    house.restart(SIDECAR_POLICY__SUGGESTION_DAYS="20")
    house.start()
    assert not house.journal.due(10)
    assert house.journal.meta("policy_followed") is None


# Where it is kept ---------------------------------------------------------------------------------------------------


def test_another_process_honours_a_move_without_a_restart(house: House) -> None:
    """`sidecar mode shadow` beside a running server is enough; seen to fail with rungs known for good."""
    env = {"WEB_SECRET": SECRET, "SIDECAR_CRM__VENDOR": "true"}
    with App.from_file(house.folder / "config.toml", env, wait=False, clock=house.clock) as server:
        assert server.pipeline.parts.policy_now().rungs.ledger is SHADOW
        for to in (AUTO, SHADOW):
            move(house.app.ladder, house, LEDGER, to)
            house.app.ladder.make_due()  # waits for as long as others may not know
            assert server.pipeline.parts.policy_now().rungs.ledger is to
    assert READ_S < 5


def test_a_rung_belongs_to_one_account(house: House) -> None:
    """What was agreed for the sandbox isn't in force in the real CRM; seen to fail with rungs of the journal alone."""
    climb(house, AUTO)
    house.journal.set_meta("ledger_account", "another")
    assert Ladder(house.journal).rungs() == Rungs(SHADOW)


@pytest.mark.parametrize("damaged", ["", "{}", '{"account": "local", "to": "yolo"}', "[]"])
def test_a_damaged_rung_is_the_lowest(house: House, damaged: str) -> None:
    """Doubt writes nothing; seen to fail with the configured mode for what can't be read."""
    climb(house, AUTO)
    house.journal.commit(Entry(meta={"rung:ledger": damaged, "rung:field:stage": damaged}))
    assert Ladder(house.journal).rungs() == Rungs(SHADOW, fields={"stage": SHADOW})


def test_moves_are_journaled_with_who_when_and_why(house: House) -> None:
    """An auditor reads who let what be written; only so many moves are kept."""
    climb(house, SUGGEST)
    step_down(house, SHADOW)
    told = [(m["scope"], m["to"], m["by"], m["reason"], m["account"]) for m in house.app.ladder.moves()]
    assert told == [(LEDGER, to, "rita", "as agreed", "local") for to in ("suggest", "shadow")]
    house.app.ladder.move([Move(f"field:f{n}", SHADOW, "rita", house.clock(), "x" * 999) for n in range(200)])
    kept = house.app.ladder.moves()
    assert len(kept) == 100 and len(kept[-1]["reason"]) == 300
    assert json.loads(house.journal.metas("rung:")["rung:field:f199"])["by"] == "rita"


def test_nothing_is_climbed_before_the_crm_is_known(tmp_path: Path) -> None:
    """A rung without an account would be in force for whichever comes first."""
    with House(tmp_path, "sqlite:///journal.db", env={"SIDECAR_CRM__VENDOR": "true"}) as house:
        with pytest.raises(PermanentError, match="belongs to no CRM account yet"):
            house.app.ladder.move([Move(LEDGER, AUTO, "rita", house.clock())])
        assert house.app.rungs() == Rungs(SHADOW)


def test_a_crm_that_cannot_be_opened_counts_as_somebody_elses(tmp_path: Path) -> None:
    """Where its adapter can't be made nothing is taken for granted; seen to fail with an error for who only looks."""
    with House(tmp_path, "sqlite:///journal.db", env={"SIDECAR_CRM__NONSENSE": "1"}) as house:
        assert house.app.is_gated and house.app.rungs() == Rungs(SHADOW)
