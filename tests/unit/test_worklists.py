"""The lists that reps work from: who is in them, in which order, and what is said where a CRM makes none."""

from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.app.readiness import wanted_properties
from sidecar.app.worklists import READY, WAITING, deprovision, left_to_people, provision, wanted_views
from sidecar.config import load
from sidecar.model import Policy
from tests.support.offices import Office
from tests.support.pipedrives import PipedriveHarness
from tests.support.portals import portal
from tests.twins.hubspot import ALL_SCOPES

RULES = [
    {"match": "sign", "answer": {"ops": [{"field": "stage", "value": "closed_won", "evidence": [{"quote": "sign"}]}]}},
    {"match": "ready", "answer": {"ops": [{"field": "stage", "value": "qualified", "evidence": [{"quote": "ready"}]}]}},
    {"match": "visit", "answer": {"ops": [{"field": "stage", "value": "booked", "evidence": [{"quote": "visit"}]}]}},
]


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    """The policy of a config that says nothing of its own."""
    (tmp_path / "config.toml").write_text("")
    return load(tmp_path / "config.toml", {}, secrets=False).policy()


def test_reps_find_who_waits_and_who_is_ready_highest_first(tmp_path: Path) -> None:
    """Both lists hold whom they are for, by score, with channel and last touch; seen to fail unordered."""
    office = Office(tmp_path).furnish(RULES)
    office.mail("Ann Lee <ann@x.test>", "I am ready to buy.")
    office.run()
    office.mail("Hal Low <hal@x.test>", "Hello, anybody there?")
    day = office.mail("Bo Hill <bo@x.test>", "Can I come for a visit?")
    office.mail("Cat Fox <cat@x.test>", "I will sign it at once.")
    office.run()
    assert office.data("ledger", "list")["lists"] == [READY, WAITING]
    ready = [record["fields"] for record in office.data("ledger", "list", READY)["records"]]
    assert [fields["name"] for fields in ready] == ["Bo Hill", "Ann Lee"]
    assert (ready[0]["ai_channel"], ready[0]["ai_last_touch"]) == ("mail", day.isoformat())
    assert [r["fields"]["name"] for r in office.data("ledger", "list", WAITING)["records"]] == ["Cat Fox"]
    assert "Bo Hill" in office.told("ledger", "list", READY)
    assert "there is no list 'Nobody'" in office.refused("ledger", "list", "Nobody")


def test_what_an_api_cannot_do_is_told_to_the_admin(tmp_path: Path, policy: Policy) -> None:
    """Where no list can be made, what to make by hand is spelt out, and nothing is asked of the CRM for it."""
    harness = PipedriveHarness(tmp_path, {}, {})
    try:
        lines = left_to_people(harness.ledger, policy)
        assert [line.partition(":")[0] for line in lines] == ["AI", "AI"]
        assert "ai_score is at least 30" in lines[1] and "sorted by ai_score" in lines[1]
        made = provision(harness.ledger, policy, dry_run=False)
        assert made and not any("list" in line.split() for line in made)
        assert provision(harness.ledger, policy, dry_run=False) == []
    finally:
        harness.twin.stop()


def test_hubspot_gets_both_segments_or_says_how_to_make_them(tmp_path: Path, policy: Policy) -> None:
    """A key without the lists' scopes still provisions all else; seen to fail with the refusal passed on."""
    kinds = frozenset(("contact", "deal"))
    with portal(tmp_path, provisioned=False) as hub:
        hub.twin.switches.scopes = {scope for scope in ALL_SCOPES if ".lists." not in scope}
        lines = provision(hub.ledger, policy, dry_run=False)
        assert sum("can't be made" in line and "Segments > Create" in line for line in lines) == 2
        assert hub.ledger.provision(wanted_properties(policy, kinds), False) == []
        hub.twin.switches.scopes = set(ALL_SCOPES)
        made = provision(hub.ledger, policy, dry_run=False)
        assert [line.partition(" of ")[0] for line in made] == [f"create the list {n!r}" for n in (WAITING, READY)]
        assert all("by hand in it: show name, AI" in line for line in made)
        assert provision(hub.ledger, policy, dry_run=False) == []
        gone = deprovision(hub.ledger, policy, dry_run=False)
        assert gone[:2] == [f"remove the list {WAITING!r}", f"remove the list {READY!r}"]
        assert not hub.twin.portal.lists


def test_a_list_without_its_fields_is_left_out(policy: Policy) -> None:
    """Who switches a field off gets no list that asks for it."""
    fields = {name: field for name, field in policy.fields.items() if name != "score"}
    assert [view.name for view in wanted_views(replace(policy, fields=fields))] == [WAITING]
