"""The change feed: everything once, nothing lost with a cursor, our own updates left out, all of it bounded."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.ports import Create, Update, Written
from tests.support.portals import HubSpotHarness, portal

KEY = "contact-0123456789abcdef0123456789abcdef"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubSpotHarness]:
    """A provisioned portal."""
    with portal(tmp_path) as made:
        yield made


def _poll(hub: HubSpotHarness, cursor: Mapping[str, Any]) -> tuple[list[str], Mapping[str, Any]]:
    page = hub.ledger.changed(cursor)
    return [ref for kind, ref in page.refs if kind == "contact"], page.cursor


def _contacts(hub: HubSpotHarness, count: int) -> list[str]:
    made = [hub.twin.person_creates("contact", {"email": f"p{n}@x.test"}) for n in range(count)]
    hub.advance(1)
    return made


def test_an_edit_is_named_once(hub: HubSpotHarness) -> None:
    """The overlap of sweeps repeats nothing, and a second edit is news; seen to fail without the memory."""
    ann, _ = _contacts(hub, 2)
    cursor = hub.ledger.changed(None).cursor
    hub.person_edits("contact", ann, {"phone": "1"})
    first, cursor = _poll(hub, cursor)
    again, cursor = _poll(hub, cursor)
    hub.person_edits("contact", ann, {"phone": "2"})
    second, cursor = _poll(hub, cursor)
    assert (first, again, second) == ([ann], [], [ann])


def test_an_edit_that_search_shows_late_is_named(hub: HubSpotHarness) -> None:
    """What search shows only after a later change was seen is not skipped; seen to fail without the overlap."""
    ann, bob = _contacts(hub, 2)
    cursor = hub.ledger.changed(None).cursor
    hub.advance(3600)
    hub.twin.person_edits("contact", ann, {"phone": "1"})
    late = hub.twin.portal.records["contacts"][ann].snapshots
    late[-1] = (late[-1][0] + timedelta(seconds=60), late[-1][1])
    hub.advance(1)
    hub.person_edits("contact", bob, {"phone": "1"})
    first, cursor = _poll(hub, cursor)
    hub.advance(10)
    nothing, cursor = _poll(hub, cursor)
    hub.advance(60)
    assert (first, nothing, _poll(hub, cursor)[0]) == ([bob], [], [ann])


def test_what_was_named_with_a_lost_cursor_is_named_again(hub: HubSpotHarness) -> None:
    """If the book didn't keep our cursor, it didn't keep what we named; seen to fail with one memory for all."""
    (ann,) = _contacts(hub, 1)
    cursor = hub.ledger.changed(None).cursor
    hub.person_edits("contact", ann, {"phone": "1"})
    assert _poll(hub, cursor)[0] == [ann]
    assert _poll(hub, cursor)[0] == [ann], "the cursor was not kept"
    _, kept = _poll(hub, cursor)
    assert _poll(hub, kept)[0] == []


def test_another_process_names_the_overlap_again_and_no_more(hub: HubSpotHarness) -> None:
    """A restart costs a look at what changed lately, and loses nothing; seen to fail with the memory taken for true."""
    ann, bob = _contacts(hub, 2)
    cursor = hub.ledger.changed(None).cursor
    hub.person_edits("contact", ann, {"phone": "1"})
    _, cursor = _poll(hub, cursor)
    hub.now += timedelta(hours=1)
    hub.person_edits("contact", bob, {"phone": "1"})
    hub.ledger = hub.reopen()
    named, cursor = _poll(hub, cursor)
    assert bob in named
    assert _poll(hub, cursor)[0] == []


def test_our_own_updates_are_no_news(hub: HubSpotHarness) -> None:
    """An update of ours is not taken for a person's, a person's edit after it is; seen to fail without the echo."""
    (ann,) = _contacts(hub, 1)
    cursor = hub.ledger.changed(None).cursor
    hub.advance(60)
    (result,) = hub.ledger.write([Update("contact", ann, {"ai_score": 5})])
    assert isinstance(result, Written)
    hub.advance(60)
    named, cursor = _poll(hub, cursor)
    assert named == []
    hub.person_edits("contact", ann, {"phone": "1"})
    assert _poll(hub, cursor)[0] == [ann]


def test_an_edit_between_our_write_and_its_reading_is_news(hub: HubSpotHarness) -> None:
    """Only the version that our own answer gave is ours; seen to fail with the version that was read back."""
    (ann,) = _contacts(hub, 1)
    cursor = hub.ledger.changed(None).cursor
    hub.advance(60)
    hub.twin.before(lambda: hub.twin.person_edits("contact", ann, {"phone": "1"}), path="contacts/batch/read")
    hub.ledger.write([Update("contact", ann, {"ai_score": 5})])
    hub.advance(60)
    assert _poll(hub, cursor)[0] == [ann]


def test_more_than_a_poll_can_read_comes_with_the_next_ones(
    hub: HubSpotHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import of thousands is read page by page, each record once; seen to fail with the sweep begun anew."""
    monkeypatch.setattr("adapters.crms.hubspot.feed.SEARCH_PAGE", 3)
    monkeypatch.setattr("adapters.crms.hubspot.feed.PAGES", 2)
    cursor = hub.ledger.changed(None).cursor
    refs = _contacts(hub, 20)
    hub.advance(60)
    named: list[str] = []
    for _ in range(12):
        page, cursor = _poll(hub, cursor)
        assert len(page) <= 6
        named += page
    assert sorted(named) == sorted(refs)


def test_many_changes_of_one_instant_are_all_read(hub: HubSpotHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bulk edit gives many records one time, and none is skipped for it; seen to fail with time alone as the key."""
    monkeypatch.setattr("adapters.crms.hubspot.feed.SEARCH_PAGE", 3)
    refs = _contacts(hub, 11)
    cursor = hub.ledger.changed(None).cursor
    hub.advance(60)
    for ref in refs:
        hub.twin.person_edits("contact", ref, {"phone": "1"})
        record = hub.twin.portal.records["contacts"][ref]
        record.updated_at = hub.now
        record.values["lastmodifieddate"] = hub.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    hub.advance(60)
    named: list[str] = []
    for _ in range(6):
        page, cursor = _poll(hub, cursor)
        named += page
    assert sorted(named) == sorted(refs)


def test_a_deletion_is_named_once_and_a_full_bin_is_walked(
    hub: HubSpotHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deletion is found behind what lies in the bin already; seen to fail with the first pages alone."""
    monkeypatch.setattr("adapters.crms.hubspot.feed.LIST_PAGE", 2)
    monkeypatch.setattr("adapters.crms.hubspot.feed.BIN_PAGES", 2)
    refs = _contacts(hub, 12)
    for ref in refs[:9]:
        hub.twin.person_deletes("contact", ref)
    hub.now += timedelta(hours=2)
    cursor = hub.ledger.changed(None).cursor
    hub.now += timedelta(hours=2)
    hub.twin.person_deletes("contact", refs[10])
    named: list[str] = []
    for _ in range(8):
        page, cursor = _poll(hub, cursor)
        named += page
        hub.advance(60)
    assert named == [refs[10]]


def test_the_losers_of_a_merge_are_named_with_the_survivor(hub: HubSpotHarness) -> None:
    """Whoever knows only the old refs learns of the merge; seen to fail with the survivor alone."""
    ann, bob = _contacts(hub, 2)
    cursor = hub.ledger.changed(None).cursor
    hub.advance(60)
    survivor = hub.person_merges("contact", ann, bob)
    assert set(_poll(hub, cursor)[0]) == {ann, bob, survivor}


@pytest.mark.parametrize("cursor", [{}, {"kinds": 5}, {"kinds": {"contact": {"since": "x"}}, "mark": 7}])
def test_a_cursor_that_can_t_be_read_starts_now(hub: HubSpotHarness, cursor: dict[str, Any]) -> None:
    """A cursor of another release or another CRM is no crash; seen to fail with KeyError."""
    (ann,) = _contacts(hub, 1)
    hub.advance(60)
    _, good = _poll(hub, cursor)
    hub.advance(60)
    hub.person_edits("contact", ann, {"phone": "1"})
    assert _poll(hub, good)[0] == [ann]


def test_a_poll_costs_a_search_for_each_kind(hub: HubSpotHarness) -> None:
    """Six searches, and six looks into the bin only so often; seen to fail with the bin at each poll."""
    hub.ledger.write([Create("contact", KEY, {"email": "ann@x.test"})])
    cursor = hub.ledger.changed(None).cursor
    hub.advance(60)
    _, cursor = _poll(hub, cursor)
    before = hub.twin.calls()
    hub.advance(30)
    _, cursor = _poll(hub, cursor)
    assert hub.twin.calls() - before == 6
