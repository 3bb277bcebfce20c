"""Whose turn it is when Salesforce refuses a write: the operator's or a reviewer's; and nothing odd in an address."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.errors import ConfigError, PermanentError, RecordGone
from sidecar.model import Record
from sidecar.ports import Create, Failed, Update, Written
from tests.support.orgs import SalesforceHarness, org
from tests.twins.salesforce import refused


@pytest.fixture
def house(tmp_path: Path) -> Iterator[SalesforceHarness]:
    """An org with our fields."""
    with org(tmp_path) as made:
        yield made


def why(result: Written | Failed) -> Exception:
    """Return why a row was not written."""
    assert isinstance(result, Failed), "written, and it should have been refused"
    return result.error


def person(house: SalesforceHarness, key: str) -> Record:
    """Make a contact."""
    result = house.ledger.write([Create("contact", key, house.sample("contact"))])[0]
    assert isinstance(result, Written), result
    return result.record


def test_a_record_that_is_not_shared_is_parked_and_pauses_nobody(house: SalesforceHarness) -> None:
    """The user may edit contacts, only not this one: seen to fail with an error that pauses all."""
    ann = person(house, "k1")
    house.advance(1)
    house.twin.fault(refused(403, "INSUFFICIENT_ACCESS_OR_READONLY"), method="PATCH", path=f"Contact/{ann.ref}")
    (result,) = house.ledger.write([Update("contact", ann.ref, {"ai_score": 5}, ann.version)])
    assert type(why(result)) is PermanentError


def test_an_object_that_may_not_be_written_is_the_operators(tmp_path: Path) -> None:
    """Then each record would meet the same, and the operator must act."""
    with org(tmp_path) as house:
        ann = person(house, "k1")
        house.advance(1)
        house.twin.switches.read_only = True
        for version in (ann.version, None):
            refusal = why(house.reopen().write([Update("contact", ann.ref, {"ai_score": 5}, version)])[0])
            assert isinstance(refusal, ConfigError)


@pytest.mark.parametrize("ref", ["", "../Account/001Ws0000000001IAA", "003Ws0000000001IAA?x=y", "https://evil.test/x"])
def test_what_is_no_id_is_in_no_address(house: SalesforceHarness, ref: str) -> None:
    """A ref stands in the path of a conditional write; seen to fail with any text sent there."""
    house.ledger.schema("contact")
    before = len(house.twin.requests)
    (result,) = house.ledger.write([Update("contact", ref, {"ai_score": 1}, "2026-01-05T09:00:00.000Z")])
    assert isinstance(why(result), RecordGone)
    assert len(house.twin.requests) == before
