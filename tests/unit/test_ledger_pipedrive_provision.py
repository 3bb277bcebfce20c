"""What is furnished in Pipedrive and taken away again: whose fields are whose, and a removal that broke off."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.errors import ConfigError, SidecarError
from sidecar.ports import FieldSpec
from tests.support.pipedrives import PipedriveHarness
from tests.twins.pipedrive import html

OURS = {"contact": [FieldSpec("ai_one", "text", ours=True)]}


@pytest.fixture
def box(tmp_path: Path) -> Iterator[PipedriveHarness]:
    """A company with a field of ours, which is asked for nothing twice."""
    made = PipedriveHarness(tmp_path, {"max_wait_s": 0}, {})
    made.ledger.provision(OURS, False)
    yield made
    made.twin.stop()


def test_a_list_that_people_made_gets_no_option(box: PipedriveHarness) -> None:
    """It is theirs to change, and nothing else is made before that is told; seen to fail with the option added."""
    box.twin.adds_field("person", "Channel", "enum", ("shop", "web"))
    (name,) = [name for name, spec in box.reopen().schema("contact").items() if spec.label == "Channel"]
    wanted = {"contact": [FieldSpec("ai_more", ours=True), FieldSpec(name, "enum", options=("web", "phone"))]}
    with pytest.raises(ConfigError, match="is not ours to change: it lacks phone"):
        box.ledger.provision(wanted, False)
    schema = box.reopen().schema("contact")
    assert schema[name].options == ("shop", "web")
    assert "ai_more" not in schema


def test_a_removal_that_broke_off_before_the_keys_goes_on(box: PipedriveHarness) -> None:
    """Its fields are gone by then, and the keys go with the next try; seen to fail with keys that stay for good."""
    box.twin.before(lambda: box.twin.fault(html(502), method="DELETE", times=None), method="DELETE")
    with pytest.raises(SidecarError):
        box.ledger.deprovision(OURS, False)
    box.twin.heal()
    assert "ai_one" not in box.reopen().schema("contact")
    assert len(list(box.reopen().deprovision(OURS, False))) > 0
    assert list(box.reopen().deprovision(OURS, False)) == []
