"""What an operator does with HubSpot: provision, deprovision, check, and the list of automations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.errors import ConfigError, UnsupportedFeature
from sidecar.ports import FieldSpec
from tests.support.harnesses import PROPERTIES
from tests.support.portals import portal
from tests.twins.hubspot import ALL_SCOPES, Drop, HubSpotTwin, Status

WANTED: Mapping[str, Sequence[FieldSpec]] = {"contact": PROPERTIES, "deal": PROPERTIES}
KINDS = ("contacts", "companies", "deals", "notes", "tasks", "meetings")


def _properties(twin: HubSpotTwin) -> dict[str, set[str]]:
    """What of ours is in the portal."""
    return {
        kind: {name for name, held in twin.portal.definitions[kind].items() if held.custom and not held.archived_at}
        for kind in KINDS
    }


@pytest.mark.parametrize("allowed", ["unique", "plain", "none"])
def test_all_that_was_provisioned_is_taken_away(tmp_path: Path, allowed: str) -> None:
    """Nothing of ours is left in an account that we leave, groups included; seen to fail with the keys left."""
    with portal(tmp_path, provisioned=False, activity_properties=allowed) as hub:
        told = list(hub.ledger.provision(WANTED, True))
        assert not any(_properties(hub.twin).values())
        assert list(hub.ledger.provision(WANTED, False)) == told
        assert list(hub.ledger.provision(WANTED, False)) == []
        assert list(hub.reopen().provision(WANTED, True)) == []
        assert _properties(hub.twin)["deals"] == {"ai_summary", "ai_stage", "ai_score", "ai_sidecar_key"}
        going = list(hub.ledger.deprovision(WANTED, True))
        assert list(hub.ledger.deprovision(WANTED, False)) == going
        assert not any(_properties(hub.twin).values())
        assert all("ai_sidecar" not in groups for groups in hub.twin.portal.groups.values())
        assert list(hub.ledger.deprovision(WANTED, False)) == []


def test_provisioning_goes_on_after_a_break(tmp_path: Path) -> None:
    """What was interrupted is finished by the next run; seen to fail with the contacts' key made first."""
    with portal(tmp_path, provisioned=False) as hub:
        no = Status(400, {"category": "VALIDATION_ERROR", "message": "no"})
        hub.twin.fault(no, method="POST", path="properties/.*/deals$")
        with pytest.raises(ConfigError):
            hub.ledger.provision(WANTED, False)
        left = list(hub.ledger.provision(WANTED, False))
        assert left
        assert "contact.ai_sidecar_key" in left[-1]
        assert list(hub.ledger.provision(WANTED, False)) == []


def test_an_answer_lost_while_provisioning_is_looked_up(tmp_path: Path) -> None:
    """A property whose making wasn't confirmed is there or made again; seen to fail with the error passed on."""
    with portal(tmp_path, provisioned=False) as hub:
        hub.twin.fault(Drop(), method="POST", path="properties/[^/]+/contacts$")
        hub.ledger.provision(WANTED, False)
        assert list(hub.ledger.provision(WANTED, False)) == []


def test_writing_before_provisioning_is_the_operators(tmp_path: Path) -> None:
    """No record is made that couldn't be known again; seen to fail with a creation without a key."""
    with portal(tmp_path, provisioned=False) as hub, pytest.raises(ConfigError, match="sidecar provision"):
        hub.ledger.find_by_key("contact", ["key-1"])


def test_an_existing_property_of_others_is_left_alone(tmp_path: Path) -> None:
    """A property that the account had before is never changed or taken; seen to fail with names alone compared."""
    with portal(tmp_path, provisioned=False) as hub:
        theirs = FieldSpec("hs_lead_status", "enum", options=("NEW", "never heard of"))
        with pytest.raises(ConfigError, match="not ours"):
            hub.ledger.provision({"contact": [theirs]}, False)
        assert list(hub.ledger.deprovision({"contact": [theirs]}, False)) == []
        with pytest.raises(ConfigError, match="exists as"):
            hub.ledger.provision({"contact": [replace(theirs, type="number", options=())]}, False)


SPARED = ("automation", "crm.lists.read", "crm.lists.write")
"""What a token may lack: nothing asks for the first, and lists that we may not make an admin is told how to make."""
NEEDED = sorted(s for s in ALL_SCOPES if s not in SPARED and not ("schemas" in s and s.endswith("read")))
"""A kind's properties can be read by the scope of its records as well, so the lack of the other one hurts nobody."""


@pytest.mark.parametrize("scope", NEEDED)
def test_each_missing_scope_is_named(tmp_path: Path, scope: str) -> None:
    """Whatever the token lacks is named with its remedy; seen to fail with one probe left out."""
    with portal(tmp_path) as hub:
        hub.twin.switches.scopes = set(ALL_SCOPES) - {scope}
        lines = list(hub.ledger.check())
        assert any(scope in line and "add it" in line for line in lines), lines
        assert not any(
            line.count(other) for line in lines for other in ALL_SCOPES if other not in (scope, "automation")
        )


def test_checking_changes_nothing(tmp_path: Path) -> None:
    """What tries the rights to write writes nothing; seen to fail with a record made for the trial."""
    with portal(tmp_path) as hub:
        before = _properties(hub.twin)
        assert list(hub.ledger.check()) == []
        assert _properties(hub.twin) == before
        assert not any(hub.twin.all(kind) for kind in KINDS)


def test_a_bad_token_is_one_line(tmp_path: Path) -> None:
    """A token that isn't taken is tried once, and told with where to change it; seen to fail with every right tried."""
    with portal(tmp_path) as hub:
        hub.twin.switches.tokens = {"another"}
        before = hub.ledger.calls.total()
        (line,) = hub.ledger.check()
        assert hub.ledger.calls.total() - before == 1
        assert "crm.token_env" in line


def test_automations_are_named_by_what_they_touch(tmp_path: Path) -> None:
    """An enabled workflow that speaks of a property is listed, no other; seen to fail with all listed."""
    with portal(tmp_path, options={"automations": True}) as hub:
        steps = [{"type": "SINGLE_CONNECTION", "fields": {"property_name": "dealstage"}}]
        hub.twin.adds_flow("Ask for a review", "deal", actions=steps)
        hub.twin.adds_flow("Switched off", "deal", is_enabled=False, actions=steps)
        hub.twin.adds_flow("Of another kind", "contact", actions=steps)
        hub.twin.adds_flow("Of another property", "deal", actions=[{"fields": {"property_name": "amount"}}])
        lines = hub.ledger.automations({"deal": ["stage", "ai_score"]})
        assert [("Ask for a review" in line, "deal.stage" in line, "ai_score" in line) for line in lines] == [
            (True, True, False)
        ]


def test_automations_that_may_not_be_read_are_told(tmp_path: Path) -> None:
    """Without the scope the operator is told what to add; seen to fail with an empty list."""
    with portal(tmp_path, options={"automations": True}) as hub:
        hub.twin.switches.scopes = set(ALL_SCOPES) - {"automation"}
        with pytest.raises(ConfigError, match="automation"):
            hub.ledger.automations({"deal": ["stage"]})
    with portal(tmp_path) as hub, pytest.raises(UnsupportedFeature, match=r"crm\.automations"):
        hub.ledger.automations({"deal": ["stage"]})
