"""Webhooks of the CRM: they make syncs due, they are no facts, and one too many is sent away."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import RejectedInput, TemporaryError
from sidecar.model import WorkKind
from sidecar.pipeline import LEDGER
from sidecar.pipeline.hints import MAX_WAITING
from sidecar.ports import HookRequest, Ledger
from tests.support.houses import House, buys

REQUEST = HookRequest({}, b"")


class Hinting:
    """The local CRM, if it sent webhooks: each names these records, and looking up whose they are may be held up."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.capabilities = replace(ledger.capabilities, hints=True)
        self.refs: Sequence[tuple[str, str]] = ()
        self.gate = threading.Event()
        self.gate.set()

    def hinted(self, request: HookRequest) -> Sequence[tuple[str, str]]:
        """Name the records."""
        return self.refs

    def account(self) -> str:
        """Name the account, once it may."""
        self.gate.wait(30)
        return self._ledger.account()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def hinting(house: House) -> Hinting:
    """Give a sidecar such a CRM."""
    parts = house.app.pipeline.parts
    assert parts.ledger is not None
    made = Hinting(parts.ledger)
    parts.ledger = made
    return made


def test_a_hint_makes_the_syncs_of_its_records_due(tmp_path: Path) -> None:
    """Whose a record is, theirs is the sync; strangers' records wake nobody; seen to fail with no touch."""
    with House(tmp_path, "sqlite:///j.db", buys()).start() as house:
        house.hear("I buy")
        (contact,) = house.records("contact")
        ledger = hinting(house)
        facts = len(house.facts())
        ledger.refs = (("contact", contact.ref), ("contact", "99999"), ("deal", contact.ref))
        assert house.app.receive(LEDGER, REQUEST).result(30) == 1
        assert [key.kind for key in house.journal.due(10)] == [WorkKind.SYNC]
        assert len(house.facts()) == facts, "a hint is no fact"
        ledger.refs = ()
        assert house.app.receive(LEDGER, REQUEST).result(30) == 0


def test_a_crm_without_webhooks_has_no_door(tmp_path: Path) -> None:
    """Nothing listens where nothing is taken: 404, as for any name that isn't there."""
    with House(tmp_path, "sqlite:///j.db").start() as house:
        with pytest.raises(RejectedInput) as refused:
            house.app.receive(LEDGER, REQUEST)
        assert refused.value.status == 404


def test_more_hints_than_can_be_looked_up_are_sent_away(tmp_path: Path) -> None:
    """A CRM that floods us is told to come again, and what waited is done; seen to fail without the bound."""
    with House(tmp_path, "sqlite:///j.db", buys()).start() as house:
        house.hear("I buy")
        ledger = hinting(house)
        ledger.refs = (("contact", house.records("contact")[0].ref),)
        ledger.gate.clear()
        waiting = [house.app.receive(LEDGER, REQUEST) for _ in range(MAX_WAITING)]
        try:
            with pytest.raises(TemporaryError):
                house.app.receive(LEDGER, REQUEST)
        finally:
            ledger.gate.set()
        assert {future.result(30) for future in waiting} == {1}
        assert house.app.receive(LEDGER, REQUEST).result(30) == 1
