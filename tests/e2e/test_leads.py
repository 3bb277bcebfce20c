"""A lead that people convert: the sidecar goes on with its contact, and believes what it believed."""

from pathlib import Path

from tests.support.crms.salesforce import SalesforceCrm
from tests.support.facts import SetClock
from tests.support.houses import House, op, says

RULES = [
    says("ready", op("stage", "qualified", "ready"), op("intent", "buy", "ready")),
    says("hurry", op("urgency", "high", "hurry")),
]


def test_what_a_conversion_leaves_behind_was_emptied_by_nobody(tmp_path: Path) -> None:
    """AI fields that no admin mapped come back on the contact; seen to fail with stage and intent unlearnt.

    What a person empties there afterwards is their word, as everywhere.
    """
    clock = SetClock()
    with SalesforceCrm(clock) as org:
        org.unlimit()
        given = {"crm": org.section(org.unpaced, settle_s=0, search_lag_s=0, person="lead"), "after": org.route()}
        with House(tmp_path, "sqlite:///journal.db", *RULES, clock=clock, env=org.env, **given) as house:
            org.switch_on(house.app)
            house.start()
            poll(house)
            house.hear("I am ready to buy")
            (lead,) = org.twin.all("Lead")
            believed = house.fields()
            clock.move(60)
            contact = str(org.twin.person_converts(lead.id, deal="Roof")["Contact"])
            assert org.twin.value("Contact", contact, "ai_stage__c") is None
            poll(house)
            assert house.fields() == believed
            for name, value in (("ai_stage__c", "qualified"), ("ai_intent__c", "buy")):
                assert org.twin.value("Contact", contact, name) == value
            assert not house.facts("correction")
            house.hear("We are in a hurry")
            assert org.twin.value("Contact", contact, "ai_urgency__c") == "high"
            clock.move(60)
            org.twin.person_edits("Contact", contact, {"ai_intent__c": None})
            poll(house)
            assert house.fields()["intent"] is None and org.twin.value("Contact", contact, "ai_intent__c") is None
            assert not house.parked()


def poll(house: House) -> None:
    """Look at the CRM a minute later, and do what follows."""
    house.clock.move(60)
    house.app.worker.poll_all([])
    house.work()
