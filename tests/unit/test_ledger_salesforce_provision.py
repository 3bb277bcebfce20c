"""What is furnished in Salesforce and taken away again: whose fields are whose, and a removal that broke off."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.errors import ConfigError, SidecarError
from sidecar.ports import FieldSpec
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
