"""What Zoho's adapter may not miss or mistake: edits in one second, pages that move, lists that an org doesn't keep."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.crms.zoho.faults import code_in
from sidecar.model import Link
from sidecar.ports import Create, Update
from tests.contract.ledger.crm import PROPERTIES, record
from tests.support.zoho_orgs import ZohoHarness


@pytest.fixture
def box(tmp_path: Path) -> Iterator[ZohoHarness]:
    """A provisioned org."""
    made = ZohoHarness(tmp_path, {}, {})
    made.ledger.provision({"contact": PROPERTIES}, False)
    yield made
    made.twin.stop()


def after(box: ZohoHarness, operation: str, act: Callable[[], None]) -> None:
    """Do something as soon as the first call of an operation is answered."""
    left = [act]

    def observe(called: str, status: int | None, seconds: float) -> None:
        if called == operation and left:
            left.pop()()

    wire = box.ledger.wire
    wire._context = replace(wire._context, observe=observe)


def test_what_changes_within_the_second_in_which_it_was_named_is_named_again(box: ZohoHarness) -> None:
    """Zoho's times are whole seconds: seen to fail with such a record taken for told, the person's edit for an echo."""
    ann = record(box.ledger.write([Create("contact", "k", box.sample("contact"))])[0])
    box.advance(600)
    cursor = box.ledger.changed(None).cursor
    box.advance(60)
    box.ledger.write([Update("contact", ann.ref, {"ai_text": "ours"})])
    first = box.ledger.changed(cursor)
    box.twin.person_edits("contact", ann.ref, {"AI_text": "theirs"})
    assert list(first.refs) == [("contact", ann.ref)]
    assert list(box.ledger.changed(first.cursor).refs) == []
    box.advance(1)
    again = box.ledger.changed(first.cursor)
    assert list(again.refs) == [("contact", ann.ref)]
    assert list(box.ledger.changed(again.cursor).refs) == []


def test_an_edit_between_two_pages_hides_nobody(box: ZohoHarness) -> None:
    """What moves to the end of the list leaves its place: seen to fail with pages by number, which skip one for it."""
    cursor = box.ledger.changed(None).cursor
    made = []
    for n in range(250):
        box.advance(1)
        made.append(box.twin.person_creates("contact", {"Last_Name": f"N{n}"}))
    box.advance(60)
    after(box, "changed", lambda: box.twin.person_edits("contact", made[0], {"Last_Name": "Later"}))
    page = box.ledger.changed(cursor)
    box.advance(60)
    refs = {*page.refs, *box.ledger.changed(page.cursor).refs}
    assert {ref for _, ref in refs} == set(made)


def test_an_edit_between_two_pages_of_notes_hides_none(box: ZohoHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes are listed, and a list moves as well; seen to fail with pages by number."""
    monkeypatch.setattr("adapters.crms.zoho.wire.PAGE", 10)
    monkeypatch.setattr("adapters.crms.zoho.records.PAGE", 10)
    ann = record(box.ledger.write([Create("contact", "k", box.sample("contact"))])[0])
    cursor = box.ledger.changed(None).cursor
    refs = []
    for n in range(15):
        box.advance(5)
        note = Create("note", f"n{n}", box.sample("note"), (Link("contact", ann.ref),))
        refs.append(record(box.ledger.write([note])[0]).ref)
    box.advance(60)
    after(box, "notes", lambda: box.twin.person_edits("note", refs[0], {"Note_Title": "Later"}))
    page = box.ledger.changed(cursor)
    box.advance(60)
    told = {*page.refs, *box.ledger.changed(page.cursor).refs}
    assert {ref for kind, ref in told if kind == "note"} == set(refs)


def test_a_record_that_goes_while_it_is_read_is_gone_and_not_emptied(
    box: ZohoHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record of many fields takes two calls; seen to fail with half of one told, as if a person had cleared the rest.

    Half a record in the first call is one whose other fields are empty; half of one in the second has no version.
    """
    monkeypatch.setattr("adapters.crms.zoho.records.READ_FIELDS", 12)
    ann = record(box.ledger.write([Create("contact", "k", {**box.sample("contact"), "ai_text": "ours"})])[0])
    after(box, "read", lambda: box.twin.person_deletes("contact", ann.ref))
    assert "Gone" in repr(box.ledger.read("contact", [ann.ref])[ann.ref])
    after(box, "read", lambda: box.twin.person_restores("contact", ann.ref))
    assert "Gone" in repr(box.ledger.read("contact", [ann.ref])[ann.ref])
    assert box.ledger.read("contact", [ann.ref])[ann.ref] == ann


def test_a_module_without_a_list_of_what_was_deleted_stops_no_feed(tmp_path: Path) -> None:
    """Zoho says so in the place of the rows: seen to fail with a code read at the top of an answer alone."""
    box = ZohoHarness(tmp_path, {}, {"lists_deleted_notes": False})
    cursor = box.ledger.changed(None).cursor
    box.advance(60)
    ref = box.twin.person_creates("contact", {"Last_Name": "Bee"})
    box.advance(60)
    assert list(box.ledger.changed(cursor).refs) == [("contact", ref)]
    box.twin.stop()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"code": "NO_PERMISSION"}, "NO_PERMISSION"),
        ({"data": [{"code": "INVALID_MODULE", "status": "error"}]}, "INVALID_MODULE"),
        ({"data": [{"code": "A_B"}, {"code": "C_D"}]}, ""),
        ({"data": ["INVALID_MODULE"]}, ""),
        ([], ""),
    ],
)
def test_a_code_is_read_wherever_zoho_puts_it(body: object, code: str) -> None:
    """One refusal may stand in the place of the rows; of several nobody knows which is meant."""
    assert code_in(body) == code
