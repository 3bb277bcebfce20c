"""A deal that is made late: what was posted for its engagement before is tied to it then, once; people's ties stay."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import PermanentError, UnknownOutcome
from sidecar.model import TIE, Change, Link, Posting, RecordSync, Standing
from sidecar.pipeline.rollback import batch, rollback
from sidecar.ports import Create, Failed, Update, Written
from sidecar.sync import DesiredRecord, untied
from tests.support.houses import House, op, says
from tests.unit.test_sync_meetings import ahead, book

CALL = {"op": "open", "what": "call Ann", "who": "us", "evidence": [{"quote": "call me"}]}
RULES = (
    says("call me", op("budget", "4000", "4000"), steps=[CALL]),
    says("12 people", op("stage", "qualified", "for 12 people")),
)
EARLY, LATE = datetime(2026, 11, 23, 9, tzinfo=UTC), datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A whole sidecar with the local CRM, that has a meeting, a note and a task of Ann's, and no deal yet."""
    with House(tmp_path, "sqlite:///journal.db", *RULES) as opened:
        opened.start()
        book(opened, "moved", ahead(opened))
        opened.hear("We have 4000, call me")
        opened.work()
        opened.clock.move(60)
        assert not opened.records("deal")
        yield opened


def deals_of(house: House) -> dict[str, int]:
    """How many deals each record that is tied to a deal has."""
    return {
        kind: sum(link.kind == "deal" for record in house.records(kind) for link in record.links)
        for kind in ("meeting", "note", "task")
    }


def ties(house: House) -> list[str]:
    """The kinds of records that we tied late, as the book has it."""
    return sorted(c.kind for c in house.facts("change") if isinstance(c, Change) and c.field == TIE)


def test_what_was_there_before_the_deal_is_tied_to_it_once(house: House) -> None:
    """Meeting, note and task, in the sync that makes the deal; no later news do it again; seen to fail untied."""
    assert deals_of(house) == {"meeting": 0, "note": 0, "task": 0}
    house.hear("We want a training day for 12 people")
    house.work()
    assert deals_of(house) == {"meeting": 1, "note": 1, "task": 1}
    assert ties(house) == ["meeting", "note", "task"]
    confirmed = [p for p in house.facts("posting") if isinstance(p, Posting) and p.field == TIE]
    assert {p.value for p in confirmed} == {house.records("deal")[0].ref}
    house.clock.move(60)
    book(house, "moved", ahead(house, 96))
    house.hear("We have 4000, call me again")
    house.work()
    assert ties(house) == ["meeting", "note", "task"]
    assert not house.parked()


def test_what_is_made_with_its_deal_is_not_tied_again(house: House) -> None:
    """A creation brings its ties along; seen to fail with every new record tied a second time."""
    house.hear("We want a training day for 12 people")
    house.work()
    before = ties(house)
    book(house, "moved", ahead(house, 48), id="bk-2")
    house.work()
    house.clock.move(60)
    house.hear("We have 4000, call me again")
    assert len(house.records("meeting")) == 2
    assert (ties(house), deals_of(house)["meeting"]) == (before, 2)


def test_the_projection_can_be_rebuilt_after_a_late_tie(house: House) -> None:
    """What is tied follows from the facts alone; seen to fail with the tie's Posting kept out of the fold."""
    house.hear("We want a training day for 12 people")
    house.work()
    kept = house.standing()
    assert {r.tied for r in kept.records.values() if r.kind in deals_of(house)} == {True}
    house.journal.rebuild()
    assert house.standing() == kept


def test_a_property_that_is_called_like_the_tied_record_is_written(tmp_path: Path) -> None:
    """A tie can't be taken for what an admin named "deal"; seen to fail with both under one name."""
    targets = '[fields.budget]\ntargets = ["contact.deal", "deal.deal"]\n'
    with House(tmp_path, "sqlite:///journal.db", *RULES, more=targets) as house:
        house.start()
        for text in ("We have 4000, call me", "We want a training day for 12 people"):
            house.hear(text)
            house.work()
            house.clock.move(60)
        assert [house.records(kind)[0].fields["deal"] for kind in ("contact", "deal")] == ["4000", "4000"]
        assert deals_of(house) == {"meeting": 0, "note": 1, "task": 1}
        standing = house.standing()
        house.journal.rebuild()
        assert house.standing() == standing


def test_a_tie_that_was_lost_on_the_way_is_sent_again(house: House) -> None:
    """What was meant to be tied is tied in the end; seen to fail with the intent taken for the tie."""
    ledger: Any = house.app.ledger
    written, lost = ledger.write, list[str]()

    def write(writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
        new = [w for w in writes if isinstance(w, Update) and w.links and w.ref not in lost]
        lost.extend(update.ref for update in new)
        return [Failed(UnknownOutcome("no answer")) if w in new else written([w])[0] for w in writes]

    ledger.write = write
    house.hear("We want a training day for 12 people")
    for _ in range(6):
        house.work()
        house.clock.move(600)
    assert len(lost) == 3
    assert deals_of(house) == {"meeting": 1, "note": 1, "task": 1}
    assert not house.parked()


def test_a_tie_that_is_refused_keeps_nothing_else_from_being_written(house: House) -> None:
    """A meeting that is called off is so in the CRM, whatever becomes of its tie; seen to fail as one write."""
    ledger: Any = house.app.ledger
    written = ledger.write

    def write(writes: Sequence[Create | Update]) -> Sequence[Written | Failed]:
        refused = Failed(PermanentError("the deal takes no more"))
        return [refused if isinstance(w, Update) and w.links else written([w])[0] for w in writes]

    ledger.write = write
    house.hear("We want a training day for 12 people")
    house.work()
    assert [row.parked_reason for row in house.parked()] == ["the deal takes no more"]
    house.clock.move(60)
    book(house, "cancelled", ahead(house))
    house.work()
    assert [meeting.fields["status"] for meeting in house.records("meeting")] == ["cancelled"]
    assert deals_of(house) == {"meeting": 0, "note": 0, "task": 0}


def test_a_deal_that_a_rep_tied_stays_the_only_one(house: House) -> None:
    """Her deal for the meeting is not joined by ours; seen to fail with ours beside it."""
    (meeting,) = house.records("meeting")
    ledger: Any = house.app.ledger
    hers = ledger.create_by_person("deal", {"name": "Hers"}, [Link("meeting", meeting.ref)])
    house.hear("We want a training day for 12 people")
    house.work()
    (held,) = house.records("meeting")
    assert [link.ref for link in held.links if link.kind == "deal"] == [hers.ref]
    assert len(house.records("deal")) == 2


def test_a_rollback_says_that_a_tie_stays(house: House) -> None:
    """What can't be taken back is named; seen to fail with nothing said."""
    house.hear("We want a training day for 12 people")
    house.work()
    change = next(c for c in house.facts("change") if isinstance(c, Change) and c.field == TIE and c.kind == "meeting")
    (rows,) = rollback(house.app.pipeline.parts, batch(house.journal, beside=change.id), "rita", dry_run=True)
    assert any(row.record == "meeting" and "stays tied" in row.left for row in rows)


@pytest.mark.parametrize(
    ("record", "deal", "is_due"),
    [(EARLY, LATE, True), (LATE, EARLY, False), (EARLY, EARLY, False), (None, LATE, False)],
)
def test_of_a_book_from_before_times_tell_what_was_tied(
    record: datetime | None, deal: datetime, *, is_due: bool
) -> None:
    """Where nobody noted a tie, only what was made before its deal lacks one; seen to fail as all of them."""
    records = {
        "note-1": RecordSync("note", "note-1", "7", 1, made_at=record),
        "deal-1": RecordSync("deal", "deal-1", "8", 1, made_at=deal),
    }
    wanted = DesiredRecord("note", "note-1", 1, {}, links=("contact-1", "deal-1"))
    standing = Standing("party-1", records=records)
    assert untied(wanted, standing) == ("8" if is_due else "")


def test_an_earlier_engagements_note_is_not_tied_to_the_next_ones_deal() -> None:
    """A conversation goes on for years, its note belongs to the run that it was made in; seen to fail by the key."""
    records = {
        "note-1": RecordSync("note", "note-1", "7", 1, made_at=EARLY, tied=False),
        "deal-2": RecordSync("deal", "deal-2", "8", 2, made_at=EARLY + timedelta(days=1)),
    }
    wanted = DesiredRecord("note", "note-1", 2, {}, links=("contact-1", "deal-2"))
    assert untied(wanted, Standing("party-1", records=records)) == ""
