"""Routes: a conversation goes to the CRM by its channel, and by the address of ours that it was sent to."""

from functools import partial
from typing import Any

import pytest

from tests.support.houses import House, op, says
from tests.support.openings import Open

CRM = """
[[crm.pipelines]]
ref = "retail"
label = "Retail"
stages = ["enquired", "qualified", "booked", "attended", "closed_won", "closed_lost"]
[[crm.pipelines]]
ref = "fleet"
label = "Fleets"
stages = ["new", "qualified", "booked", "attended", "closed_won", "closed_lost"]
"""
ROUTES = """
[[route]]
name = "fleets"
match = { address = ["Fleet@ours.test", "+44 20 7946 0000"] }
pipeline = "fleet"
[route.stages]
enquired = "new"
qualified = "qualified"
booked = "booked"
attended = "attended"
closed_won = "closed_won"
closed_lost = "closed_lost"
[[route]]
name = "chat"
match = { channel = ["web"] }
pipeline = "retail"
brand = "Chat"
[[route]]
name = "default"
pipeline = "retail"
"""
READY = says("I am ready", op("stage", "qualified", "I am ready"))


@pytest.fixture
def open_house(open_house: Open) -> Open:
    """Opens houses with three routes."""
    return partial(open_house, after=ROUTES + CRM)


def pipelines(house: House) -> dict[str, Any]:
    """The pipeline of each deal, by the deal's name."""
    return {str(r.fields["name"]): r.fields["pipeline"] for r in house.records("deal")}


@pytest.mark.parametrize(
    "to, pipeline",
    [("fleet@ours.test", "fleet"), ("Fleet Desk <FLEET@ours.test>", "fleet"), ("desk@ours.test", "retail")],
)
def test_an_address_of_ours_chooses_the_route(open_house: Open, to: str, pipeline: str) -> None:
    """What is sent to one desk stays that desk's; seen to fail with routes chosen by their channel alone."""
    house = open_house(READY)
    house.mail("Zoe <zoe@x.test>", "I am ready", to=to)
    house.poll()
    assert pipelines(house) == {"Zoe": pipeline}


def test_a_telephone_number_of_ours_chooses_the_route_too(open_house: Open) -> None:
    """Numbers are compared as numbers; seen to fail with the spelling of the config compared."""
    house = open_house(READY)
    call = "date: 2026-11-23T11:00:00Z\ncustomer: Zoe, +49 171 3920011\nagent: Bob, 020 7946 0000"
    (house.folder / "drop" / "call.txt").write_text(f"{call}\n\nZoe: I am ready\nBob: Fine\n")
    house.poll()
    assert list(pipelines(house).values()) == ["fleet"]


def test_another_channel_moves_no_deal_to_another_pipeline(open_house: Open) -> None:
    """An engagement keeps the way that it began on; seen to fail with the newest activity's channel looked at."""
    house = open_house(READY, says("from the chat", op("stage", "booked", "Thursday it is")))
    house.mail("Ann <ann@x.test>", "I am ready", to="fleet@ours.test")
    house.poll()
    house.hear("Thursday it is, from the chat", "ann")
    (deal,) = house.records("deal")
    assert (deal.fields["pipeline"], deal.fields["stage"], deal.fields["name"]) == ("fleet", "booked", "Ann")


def test_a_new_engagement_takes_the_way_that_it_begins_on(open_house: Open) -> None:
    """Who comes back by another door is that desk's; seen to fail with the route kept for the party for good."""
    house = open_house(
        says("No thanks", op("stage", "closed_lost", "No thanks")),
        says("another one", op("stage", "qualified", "another one")),
        READY,
    )
    house.mail("Ann <ann@x.test>", "I am ready", to="fleet@ours.test")
    house.poll()
    house.clock.move(60)
    house.mail("Ann <ann@x.test>", "No thanks", to="fleet@ours.test")
    house.poll()
    house.hear("I want another one", "ann")
    assert pipelines(house) == {"Ann": "fleet", "Ann - Chat (2)": "retail"}
