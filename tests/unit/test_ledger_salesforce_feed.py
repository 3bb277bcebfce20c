"""Salesforce's change feed where much changes at once: what commits late is named, though a page ended meanwhile."""

from pathlib import Path

import pytest

import adapters.crms.salesforce.feed as feeding
from sidecar.ports import Create, Written
from tests.support.harnesses import PROPERTIES
from tests.support.orgs import org


def test_what_commits_late_is_named_behind_a_full_page_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data load ends pages and commits late at the same time: seen to fail with no overlap into the page before."""
    monkeypatch.setattr(feeding, "PAGE", 3)
    with org(tmp_path) as house:
        cursor = house.ledger.changed(None).cursor
        house.advance(120)
        made = [house.twin.person_creates("contact", {"LastName": f"N{n}"}) for n in range(3)]
        house.advance(2)
        page = house.ledger.changed(cursor)
        assert [ref for _, ref in page.refs] == sorted(made)
        house.advance(-10)  # its transaction began before the page ended, and commits behind it
        late = house.twin.person_creates("contact", {"LastName": "Late"})
        house.advance(10)
        seen = []
        for _ in range(4):
            house.advance(5)
            page = house.ledger.changed(page.cursor)
            seen += [ref for _, ref in page.refs]
        assert seen == [late]
        house.advance(300)
        ended = [house.ledger.changed(page.cursor) for _ in range(2)][-1]
        assert list(ended.refs) == []


def test_a_field_that_goes_meanwhile_deafens_nobody(tmp_path: Path) -> None:
    """An admin deletes our key of tasks while we serve, and edits are heard all the same; seen to fail unasked anew."""
    with org(tmp_path) as house:
        made = house.ledger.write([Create("contact", "key-1", house.sample("contact"))])[0]
        assert isinstance(made, Written)
        cursor = house.ledger.changed(None).cursor
        house.reopen().deprovision({"contact": PROPERTIES, "deal": PROPERTIES}, False)
        house.advance(120)
        house.person_edits("contact", made.record.ref, {"phone": "+442079460999"})
        house.advance(2)
        assert ("contact", made.record.ref) in house.ledger.changed(cursor).refs
