"""What is furnished in Salesforce and taken away again: whose fields are whose, and a removal that broke off."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.errors import ConfigError, SidecarError
from sidecar.model import AuthorKind
from sidecar.ports import Create, FieldSpec
from tests.support.harnesses import PROPERTIES
from tests.support.orgs import SalesforceHarness, org
from tests.twins.salesforce import html

KEY, OURS = "AI_Sidecar_Key__c", {"contact": [FieldSpec("ai_one", "text", ours=True)]}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[SalesforceHarness]:
    """An org with a field of ours, which is asked for nothing twice."""
    with org(tmp_path, provisioned=False, options={"max_wait_s": 0}) as made:
        made.ledger.provision(OURS, False)
        yield made


def test_a_list_that_people_made_gets_no_option(house: SalesforceHarness) -> None:
    """It is theirs to change, and nothing else is made before that is told; seen to fail with a KeyError."""
    wanted = {"contact": [FieldSpec("ai_more", ours=True), FieldSpec("LeadSource", "enum", options=("x",))]}
    with pytest.raises(ConfigError, match=r"contact\.LeadSource is not ours to change: it lacks x"):
        house.ledger.provision(wanted, False)
    assert "ai_more" not in house.reopen().schema("contact")


def test_a_removal_that_broke_off_before_the_keys_goes_on(house: SalesforceHarness) -> None:
    """Its fields are gone by then, and the keys go with the next try; seen to fail with keys that stay for good."""
    (key,) = [each.id for each in house.twin.all("CustomField") if each.values["FullName"] == f"Contact.{KEY}"]
    house.twin.fault(html(502), method="DELETE", path=f"CustomField/{key}", times=None)
    with pytest.raises(SidecarError):
        house.ledger.deprovision(OURS, False)
    house.twin.heal()
    assert "ai_one" not in house.reopen().schema("contact")
    (line,) = house.reopen().deprovision(OURS, False)
    assert "keys and the permission set" in line
    assert KEY not in house.twin.org.sobjects["Contact"].fields
    assert list(house.reopen().deprovision(OURS, False)) == []


def test_an_org_that_tracks_much_of_its_own_keeps_the_history_of_as_many_of_ours_as_fit(tmp_path: Path) -> None:
    """The first of them, and no key; then nothing stands in the way; seen to fail with keys made first, and tracked."""
    theirs = ("Email", "Phone", "Title", "Department", "OwnerId")
    wanted = [FieldSpec(f"ai_f{number:02d}", "text", ours=True) for number in range(18)]
    with org(tmp_path, provisioned=False) as house:
        house.twin.tracks("contact", *theirs)
        house.ledger.provision({"contact": wanted}, False)
        kept = house.twin.org.history.tracked["Contact"]
        assert kept == {*theirs, *(f"{spec.name}__c" for spec in wanted[:15])}
        assert list(house.ledger.check()) == [], "more can't be asked of the admin"
        (made,) = house.ledger.write([Create("contact", "k1", {**house.sample("contact"), "ai_f17": "ours"})])
        ref = made.record.ref  # type: ignore[union-attr]
        house.person_edits("contact", ref, {"ai_f17": "typed"})
        edits = house.ledger.history("contact", [ref], ["ai_f17"])[ref]
        assert [(edit.value, edit.author.kind) for edit in edits] == [("typed", AuthorKind.PERSON)]
        kept.discard("Department")
        (line,) = house.reopen().check()
        assert "turn field history tracking on for 1 of them" in line


def test_a_field_that_an_admin_made_in_capitals_is_that_field(tmp_path: Path) -> None:
    """It is found, granted under its own name, not made again; seen to fail with a permission to a name in small."""
    with org(tmp_path, provisioned=False) as house:
        house.twin.adds_field("contact", "AI_Score__c", "Number", granted=False)
        lines = list(house.ledger.provision({"contact": PROPERTIES}, False))
        assert not any("ai_score" in line for line in lines), lines
        assert "ai_score" in house.ledger.schema("contact")
        granted = {each.values["Field"] for each in house.twin.all("FieldPermissions")}
        assert "Contact.AI_Score__c" in granted
        (line,) = house.reopen().provision({"contact": PROPERTIES}, False)
        assert line == "keep the history of AI_Score__c in Contact"
        assert list(house.reopen().provision({"contact": PROPERTIES}, False)) == []


def test_the_history_of_fields_that_are_there_is_kept_once_the_admin_turned_it_on(tmp_path: Path) -> None:
    """Also of one in capitals, and once; seen to fail with what is kept asked for by names in small letters."""
    with org(tmp_path, provisioned=False) as house:
        house.twin.org.history.tracked.pop("Contact")
        house.twin.adds_field("contact", "AI_Score__c", "Number")
        house.ledger.provision({"contact": PROPERTIES}, False)
        house.twin.tracks("contact", "Email")
        assert any("history of all 3 AI fields of Contact" in line for line in house.reopen().check())
        (line,) = house.reopen().provision({"contact": PROPERTIES}, False)
        assert line == "keep the history of ai_summary__c, ai_stage__c, AI_Score__c in Contact"
        assert list(house.reopen().check()) == []
        assert list(house.reopen().provision({"contact": PROPERTIES}, False)) == []
