"""The audit of each vendor's account: who wrote each single value is told as it was, what nobody typed is apart."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sidecar.audit import Wanted, Words, audit, report
from sidecar.audit.state import State
from sidecar.model import Source
from sidecar.ports import FieldSpec
from tests.support.harnesses import PROPERTIES, VendorHarness
from tests.support.histories import PASTS, Past
from tests.support.orgs import SalesforceHarness
from tests.support.pipedrives import PipedriveHarness
from tests.support.zoho_orgs import ZohoHarness

RECORDS = 220
HARNESSES: Mapping[str, Callable[[Path], VendorHarness]] = {
    "salesforce": lambda base: SalesforceHarness(base, {"machines": ("robot", "tool")}, {}),
    "zoho": lambda base: ZohoHarness(base, {"max_wait_s": 0.5}, {}),
    "zoho that tells probabilities": lambda base: ZohoHarness(base, {"max_wait_s": 0.5}, {"tells_probabilities": True}),
    "pipedrive": lambda base: PipedriveHarness(base, {}, {}),
}


@pytest.fixture
def harness(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[VendorHarness]:
    """An account of a vendor's with the AI-owned fields."""
    made = HARNESSES[request.param](tmp_path)
    if isinstance(made, SalesforceHarness):
        named = [made.twin.value("User", user, "Username") for user in (made.twin.robot, made.twin.tool)]
        made.options = {**made.options, "machines": tuple(named)}
        made.ledger = made.reopen()
    made.ledger.provision({"contact": (*PROPERTIES, FieldSpec("ai_text", "text", "AI text", ours=True))}, False)
    yield made
    made.twin.stop(check=False)


def counted(harness: VendorHarness, path: Path, pages: int | None = None) -> State:
    """Audit an account on, as a run of the command does."""
    harness.advance(60)
    wanted = Wanted("UTC", kinds=("contact", "company", "deal", "task"), pages=pages)
    return audit(harness.ledger, wanted, path, harness.now, nap=lambda seconds: harness.advance(seconds + 1))


def values(state: State) -> Counter[Any]:
    """Return what was counted, by kind, field and source."""
    rows = report(state, Words()).fields
    return Counter({(r.kind, r.name, source): count for r in rows for source, count in r.values.items() if count})


@pytest.mark.parametrize(
    ("harness", "fill"),
    [*PASTS.items(), ("zoho that tells probabilities", PASTS["zoho"])],
    indirect=["harness"],
)
def test_every_value_is_told_as_it_was_written(
    harness: VendorHarness, fill: Callable[[Any, int], Past], tmp_path: Path
) -> None:
    """The figures are the seed's to the last value, also in two runs; seen to fail with a maker's owner as typed."""
    past = fill(harness, RECORDS)
    begun = counted(harness, tmp_path / "state.json", pages=2)
    assert not begun.is_complete and any(begun.records.values())
    harness.ledger = harness.reopen()  # type: ignore[attr-defined]
    whole = counted(harness, tmp_path / "state.json")
    assert whole.is_complete and not whole.left_out
    assert Counter({kind: count for kind, count in whole.records.items() if count}) == past.records
    told = values(whole)
    assert told - past.values == Counter(), "told, and not written so"
    assert past.values - told == Counter(), "written, and not told so"


@pytest.mark.parametrize("harness", ["salesforce"], indirect=True)
def test_what_nobody_typed_turns_no_verdict(harness: SalesforceHarness, tmp_path: Path) -> None:
    """Of 75 values people typed 33, and the org put 40 more into their deals; seen to fail with those as theirs."""
    twin = harness.twin
    twin.tracks("contact", "Name", "Phone")
    twin.tracks("deal", "Name", "StageName", "Amount", "CloseDate")
    ref = twin.person_creates("contact", {"LastName": "Bee", "Email": "bee@x.test"})
    for number in range(40):
        harness.advance(60)
        twin.automation_edits("contact", ref, {"Phone": f"+44 20 7946 {number:05d}"})
    for number in range(8):
        row = {"Name": f"Roof {number}", "StageName": "Prospecting", "CloseDate": "2026-12-01", "Amount": 100}
        twin.person_creates("deal", row)
    told = report(counted(harness, tmp_path / "state.json"), Words())
    counts = {source: count for source, count in told.total.values.items() if count}
    assert counts == {Source.PERSON: 33, Source.AUTOMATION: 40, Source.UNKNOWN: 2, Source.DEFAULT: 40}
    assert told.verdict.words == "People typed less than half of the values: 44.0% to 46.7%."
