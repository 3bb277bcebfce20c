"""The audit of a Pipedrive company: the figures add up, and a day's tokens that end are no reason to begin anew."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sidecar.audit import Report, Wanted, Words, audit, report
from sidecar.errors import ConfigError, TemporaryError
from sidecar.model import AuthorKind, Source
from sidecar.ports import Create, FieldSpec
from tests.support.pipedrives import PipedriveHarness
from tests.twins.pipedrive.hands import MOBILE

KINDS = ("contact", "deal", "note")
MINE = FieldSpec("ai_text", "text", "AI text", max_chars=200, ours=True)


@pytest.fixture
def company(tmp_path: Path) -> Iterator[PipedriveHarness]:
    """Sixty people, of whose names a tool changed ten and somebody on a phone three; two are ours; a typed deal."""
    made = PipedriveHarness(tmp_path, {}, {})
    made.ledger.provision({"contact": (MINE,), "deal": (MINE,)}, False)
    ids = [made.twin.person_creates("contact", {"name": f"Ann {number}"}) for number in range(60)]
    made.twin.person_creates("deal", {"title": "Roof"})
    made.advance(60)
    for number, id in enumerate(ids[:13]):
        if number < 10:
            made.twin.automation_edits("contact", id, {"name": f"Ann B. {number}"})
        else:
            made.twin.edits("contact", id, {"name": f"Ann C. {number}"}, MOBILE)
    made.ledger.write([Create("contact", f"key-{n}", {"name": f"Cy {n}"}) for n in range(2)])
    made.advance(60)
    yield made
    made.twin.stop()


def told(harness: PipedriveHarness, path: Path) -> Report:
    """Audit to the end, and return the figures."""
    wanted = Wanted("UTC", kinds=KINDS)
    state = audit(harness.ledger, wanted, path, harness.now, nap=lambda seconds: None)
    assert state.is_complete
    return report(state, Words())


def by(found: Report, kind: str, name: str) -> dict[Source, int]:
    """Return a field's values by who wrote them."""
    (row,) = (row for row in found.fields if (row.kind, row.name) == (kind, name))
    return {source: count for source, count in row.values.items() if count}


def test_values_are_counted_under_the_way_they_came(company: PipedriveHarness, tmp_path: Path) -> None:
    """A tool, a phone, ourselves; a typed deal by its origin; seen to fail with the token's user for the way."""
    found = told(company, tmp_path / "state.json")
    assert by(found, "contact", "name") == {
        Source.INTEGRATION: 10, Source.PERSON: 3, Source.US: 2, Source.UNKNOWN: 60,
    }  # fmt: skip
    assert by(found, "deal", "name") == {Source.PERSON: 1}
    assert (found.records["contact"], found.records["deal"]) == (62, 1)


def test_a_day_whose_tokens_end_goes_on_the_next(company: PipedriveHarness, tmp_path: Path) -> None:
    """It stops at the reserve with a time to come back, and counts nothing twice; seen to fail without the cursor."""
    whole = told(company, tmp_path / "whole.json")
    company.advance(timedelta(days=1).total_seconds())
    company.twin.limits.daily_tokens = 1_400
    path, ledger = tmp_path / "state.json", company.reopen()
    wanted = Wanted("UTC", since=company.now - timedelta(days=30), kinds=KINDS)
    with pytest.raises(TemporaryError) as spent:
        audit(ledger, wanted, path, company.now, nap=lambda seconds: None)
    assert spent.value.retry_after_s and spent.value.retry_after_s > 3_600
    assert path.exists()
    company.advance(timedelta(days=1).total_seconds())
    found = report(audit(company.reopen(), wanted, path, company.now, nap=lambda seconds: None), Words())
    assert found.is_complete
    assert by(found, "contact", "name") == by(whole, "contact", "name")
    assert found.total.values == whole.total.values


def test_a_place_in_another_list_is_refused(company: PipedriveHarness) -> None:
    """A cursor of another CRM is told as such, before anything is asked."""
    with pytest.raises(ConfigError, match="begin the walk anew"):
        company.ledger.walk("contact", "after:9", ["name"])


def test_a_person_goes_by_their_address(company: PipedriveHarness) -> None:
    """Reps read who wrote what, and not by which screen; seen to fail with the way that it came."""
    trails = company.ledger.walk("contact", None, ["name"]).trails
    people = [edit.author for trail in trails for edit, _ in trail.edits if edit.author.kind is AuthorKind.PERSON]
    assert len(people) == 3
    assert {person.name for person in people} == {"ann@ours.test"}
