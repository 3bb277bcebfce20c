"""Promises about lists for people: L23. They are made once, hold whom they are for, and go with the rest."""

import pytest

from sidecar.errors import UnsupportedFeature
from sidecar.ports import Condition, View
from tests.contract.ledger.crm import PROPERTIES, Crm


class ListingContract:
    """What people work from."""

    def test_l23_lists_for_people_are_made_once_and_taken_away(self, crm: Crm) -> None:
        """L23: a list is told, made, then left as it is, and goes with the rest; seed: made twice."""
        waiting = View("AI: Waiting", "contact", (Condition("ai_enum", ("high",)),), ("name", "ai_enum"))
        ready = View(
            "AI: Ready",
            "contact",
            (Condition("ai_enum", ("low", "high")), Condition("ai_number", at_least=40)),
            ("name", "ai_number"),
            "ai_number",
        )
        views = [waiting, ready]
        if not crm.ledger.capabilities.views:
            with pytest.raises(UnsupportedFeature):
                crm.ledger.provision({}, False, views)
            with pytest.raises(UnsupportedFeature):
                crm.ledger.deprovision({}, False, views)
            return
        wanted = {"contact": PROPERTIES}
        told = list(crm.ledger.provision(wanted, True, views))
        assert len(told) == 2
        assert all(view.name in line for view, line in zip(views, told, strict=True))
        assert list(crm.ledger.provision(wanted, False, views)) == told
        assert list(crm.ledger.provision(wanted, False, views)) == []
        assert list(crm.harness.reopen().provision(wanted, True, views)) == []
        taken = list(crm.ledger.deprovision({}, True, views))
        assert len(taken) == 2
        assert list(crm.ledger.deprovision({}, False, views)) == taken
        assert list(crm.ledger.deprovision({}, False, views)) == []
        assert list(crm.ledger.provision(wanted, False, views)) == told

    def test_l23_a_list_holds_whom_it_is_for(self, crm: Crm) -> None:
        """L23: all conditions hold for who is in it, the highest first; seeds: `>` for `>=`, any condition enough."""
        members = getattr(crm.harness, "members", None)
        if not crm.ledger.capabilities.views or members is None:
            pytest.skip("this CRM makes no lists")
        conditions = (Condition("ai_enum", ("low", "high")), Condition("ai_number", at_least=40))
        view = View("AI: Ready", "contact", conditions, ("name", "ai_number"), "ai_number")
        crm.ledger.provision({"contact": PROPERTIES}, False, [view])
        first = crm.create(ai_enum="low", ai_number=40)
        second = crm.create(ai_enum="high", ai_number=90)
        crm.create(ai_enum="high", ai_number=39)
        crm.create(ai_number=90)
        assert sorted(members(view)) == sorted([first.ref, second.ref])
