"""Several records that fit are a question to a person: asked once, visible, and nothing is written on a guess."""

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.app import App
from sidecar.model import Link, Record
from tests.support.offices import Office

ANN = {"external_id": "v1", "name": "Ann Lee", "email": "ann@x.test", "role": "customer"}
SAID = {
    "ops": [
        {
            "evidence": [{"activity": "a1", "quote": "we need a training day"}],
            "field": "stage",
            "op": "set",
            "value": "qualified",
            "certainty": "stated",
        }
    ],
    "steps": [],
    "summary": "A training day.",
    "needs_full_reread": False,
}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office whose model finds a qualified customer."""
    return Office(tmp_path).furnish([{"match": "training day", "answer": SAID}, {"match": ".", "answer": NOTHING}])


NOTHING = {"ops": [], "steps": [], "summary": "", "needs_full_reread": False}


def known(office: Office, deals: int) -> list[Record]:
    """Let a person keep Ann in the CRM, with so many open deals that look alike."""
    with App.from_file(office.config, {}) as app:
        app.ready()
        crm: Any = app.ledger
        ann = crm.create_by_person("contact", {"name": "Ann Lee", "email": "ann@x.test"})
        return [
            crm.create_by_person("deal", {"name": "Bikes", "stage": "enquired"}, [Link("contact", ann.ref)])
            for _ in range(deals)
        ]


def stages(office: Office) -> dict[str, str]:
    """The native stage of each deal in the CRM."""
    found = office.data("ledger", "show", "deal")["records"]
    return {record["ref"]: record["fields"].get("stage", "") for record in found}


def alerts(office: Office) -> list[str]:
    """The open alerts of the one relationship."""
    (found,) = office.data("inbox")["relationships"]
    return [json.dumps(alert) for alert in found["alerts"]]


def test_the_only_open_deal_is_the_deal(office: Office) -> None:
    """One open deal of the contact is tied to the engagement and moved, and no second one is made."""
    (deal,) = known(office, 1)
    office.chat(ANN, "Hello, we need a training day")
    office.run()
    assert stages(office) == {deal.ref: "qualified"}


def test_several_open_deals_are_asked_about_and_none_is_touched(office: Office) -> None:
    """Two deals that fit alike are one question, asked once; seen to fail with the first of them taken."""
    first, second = known(office, 2)
    office.chat(ANN, "Hello, we need a training day")
    office.run()
    office.chat(ANN, "Are you there?")
    office.run()
    assert stages(office) == {first.ref: "enquired", second.ref: "enquired"}
    assert len(alerts(office)) == 1
    assert "several open deals" in alerts(office)[0]
    tasks = office.data("ledger", "show", "task")["records"]
    assert any("several open deals" in str(task["fields"].get("body")) for task in tasks)


def test_a_person_answers_and_the_question_closes_itself(office: Office) -> None:
    """The deal that a person names is moved from then on, the other is left alone, and no alert is left."""
    first, second = known(office, 2)
    office.chat(ANN, "Hello, we need a training day")
    office.run()
    assert "no deal" in office.refused("party", "deal", "Ann Lee", "deal-999")
    office.told("party", "deal", "Ann Lee", second.ref)
    office.run()
    assert stages(office) == {first.ref: "enquired", second.ref: "qualified"}
    assert alerts(office) == []
    office.told("ledger", "edit", "deal", second.ref, "stage=booked")
    office.run()
    assert office.data("inbox")["relationships"][0]["stage"] == "booked", "edits of a tied deal come back"
