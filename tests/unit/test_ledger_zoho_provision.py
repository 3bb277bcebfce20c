"""What is furnished in Zoho and taken away again: whose fields are whose, and a removal that broke off."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.errors import ConfigError, UnknownOutcome
from sidecar.ports import FieldSpec
from tests.contract.ledger.crm import PROPERTIES
from tests.support.zoho_orgs import ZohoHarness
from tests.twins.zoho import html


@pytest.fixture
def box(tmp_path: Path) -> Iterator[ZohoHarness]:
    """A provisioned org, whose calls wait for little."""
    made = ZohoHarness(tmp_path, {"max_wait_s": 0}, {})
    made.ledger.provision({"contact": PROPERTIES}, False)
    yield made
    made.twin.stop()


def test_a_list_that_people_made_gets_no_option(box: ZohoHarness) -> None:
    """It is theirs to change, and nothing else is made before that is told; seen to fail with the option added."""
    box.twin.adds_field("contact", "Channel", "picklist", ("shop", "web"))
    wanted = {"contact": [FieldSpec("ai_more", ours=True), FieldSpec("channel", "enum", options=("web", "phone"))]}
    with pytest.raises(ConfigError, match=r"contact\.channel is not ours to change: it lacks phone"):
        box.ledger.provision(wanted, False)
    schema = box.reopen().schema("contact")
    assert schema["channel"].options == ("shop", "web")
    assert "ai_more" not in schema


def test_a_removal_that_broke_off_before_the_keys_goes_on(box: ZohoHarness) -> None:
    """Its fields are gone by then, and the keys go with the next try; seen to fail with keys that stay for good."""
    (key,) = [each for name, each in box.twin.org.fields["Contacts"].items() if name.casefold() == "ai_sidecar_key"]
    box.twin.fault(html(502), method="DELETE", path=f"/settings/fields/{key.id}")
    with pytest.raises(UnknownOutcome):
        box.ledger.deprovision({"contact": PROPERTIES}, False)
    assert not [name for name in box.reopen().schema("contact") if name.startswith("ai_")]
    assert len(list(box.reopen().deprovision({"contact": PROPERTIES}, False))) == 6, "five keys, and how meetings stand"
    assert list(box.reopen().deprovision({"contact": PROPERTIES}, False)) == []


def test_an_org_of_before_lacks_what_says_how_a_meeting_stands_and_is_told(box: ZohoHarness) -> None:
    """An earlier version made no such list: meetings go on without it, and `check` names the remedy, which works."""
    events = box.twin.org.fields["Events"]
    del events["AI_sidecar_outcome"]
    ledger = box.reopen()
    assert "status" not in ledger.schema("meeting")
    (told,) = ledger.check()
    assert "sidecar provision" in told
    assert [line for line in ledger.provision({"contact": PROPERTIES}, False) if "outcome" in line]
    assert set(ledger.schema("meeting")["status"].options) == {"scheduled", "attended", "cancelled", "no_show"}
    assert not ledger.check()
