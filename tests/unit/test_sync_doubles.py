"""One appointment, two parties: each has its own meeting, both hear of its end, and a merge leaves one of the two."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.model import Activity, AuthorKind, Change, Record, Value
from sidecar.pipeline.people import People
from sidecar.ports import Captured, PollBatch
from tests.contract.test_channel_caldav import ics
from tests.support.houses import House, op, says
from tests.unit.test_sync_meetings import ahead, typed

CALENDAR = """
[channels.cal]
type = "gcalendar"
calendar = "anna@ours.test"
client_id = "x"
"""
RULES = (says("12 people", op("stage", "qualified", "for 12 people")),)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A whole sidecar with the local CRM, where Ann and Ann2 have accepted one meeting of ours."""
    with House(tmp_path, "sqlite:///journal.db", *RULES) as opened:
        opened.start()
        for who in ("ann", "ann2"):
            opened.hear("Hello", who)
        enter(opened, 72)
        assert statuses(opened) == ["scheduled", "scheduled"]
        yield opened


def enter(house: House, hours: float) -> None:
    """Our calendar's entry of the meeting drops into the folder."""
    second = "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ann2@x.test\r\nSEQUENCE:" + str(int(hours))
    event = ics("both", ahead(house, hours), second).replace(b"NEEDS-ACTION", b"ACCEPTED")
    event = event.replace(b"ann@example.org", b"ann@x.test")
    event = event.replace(b"20261121T090000Z", f"{house.clock():%Y%m%dT%H%M%SZ}".encode())
    (house.folder / "drop" / f"both-{hours}.ics").write_bytes(event)
    house.poll()
    house.work()
    house.clock.move(60)


def statuses(house: House) -> list[Value]:
    """How the meetings stand, in the order in which they were made."""
    return [record.fields["status"] for record in house.records("meeting")]


def merge(house: House) -> None:
    """A person says that Ann2 is Ann."""
    people = People(house.app.pipeline.parts)
    people.merge(house.standing("ann").party, house.standing("ann2").party, "rep")
    house.work()
    house.clock.move(60)


def anns(house: House) -> tuple[Record, Record]:
    """Ann's meeting, and the other one."""
    mine = {r.ref for r in house.standing("ann").records.values() if r.kind == "meeting"}
    meetings = house.records("meeting")
    (first,) = [record for record in meetings if record.ref in mine]
    (second,) = [record for record in meetings if record.ref not in mine]
    return first, second


def test_after_a_merge_one_meeting_goes_on_and_the_other_is_called_off(house: House) -> None:
    """What is said later concerns the one that is kept, once; seen to fail with both scheduled."""
    kept, double = anns(house)
    merge(house)
    assert sorted(map(str, statuses(house))) == ["cancelled", "scheduled"]
    enter(house, 96)
    at = {record.ref: (record.fields["status"], record.fields["start"]) for record in house.records("meeting")}
    assert at[kept.ref] == ("scheduled", (ahead(house, 96) - timedelta(minutes=1)).isoformat())
    assert at[double.ref] == ("cancelled", double.fields["start"])
    changes = [c for c in house.facts("change") if isinstance(c, Change) and c.new == "cancelled"]
    assert [change.ref for change in changes] == [double.ref]
    standing = house.standing("ann")
    house.journal.rebuild()
    assert house.standing("ann") == standing
    assert not house.parked()


def test_the_one_that_a_rep_wrote_in_is_kept(house: House) -> None:
    """Her title makes it the one that stays, and stays hers; seen to fail with the first one kept."""
    first, second = anns(house)
    typed(house, second.ref, title="Hers")
    merge(house)
    at = {record.ref: (record.fields["title"], record.fields["status"]) for record in house.records("meeting")}
    assert at == {first.ref: ("Offer", "cancelled"), second.ref: ("Hers", "scheduled")}


def test_where_a_rep_wrote_in_both_neither_is_called_off(house: House) -> None:
    """Nobody's work is thrown away by a machine; seen to fail with the second one cancelled."""
    for record in anns(house):
        typed(house, record.ref, title="Hers")
    merge(house)
    assert statuses(house) == ["scheduled", "scheduled"]


def test_a_rep_who_deletes_the_one_that_goes_on_is_not_overruled(house: House) -> None:
    """What we called off doesn't take the place of what she deleted; seen to fail with it scheduled again."""
    kept, double = anns(house)
    merge(house)
    crm: Any = house.app.ledger
    crm.delete("meeting", kept.ref)
    for hours in (96, 120):
        enter(house, hours)
    (left,) = house.records("meeting")
    assert (left.ref, left.fields["status"], left.fields["start"]) == (double.ref, "cancelled", double.fields["start"])


def test_a_rep_who_tidies_the_other_away_keeps_the_one_that_goes_on(house: House) -> None:
    """Deleting what we called off is no word on the meeting; seen to fail with each deletion taken for its end."""
    kept, double = anns(house)
    merge(house)
    crm: Any = house.app.ledger
    crm.delete("meeting", double.ref)
    enter(house, 96)
    (left,) = house.records("meeting")
    start = (ahead(house, 96) - timedelta(minutes=1)).isoformat()
    assert (left.ref, left.fields["status"], left.fields["start"]) == (kept.ref, "scheduled", start)


def test_a_rep_who_puts_the_other_on_again_is_not_overruled(house: House) -> None:
    """What we called off and she put back is the one that goes on; seen to fail as a fight over the status."""
    first, double = anns(house)
    merge(house)
    typed(house, double.ref, status="scheduled")
    for hours in (96, 120):
        enter(house, hours)
    crm: Any = house.app.ledger
    held = {record.ref: record.fields["status"] for record in house.records("meeting")}
    assert held == {first.ref: "cancelled", double.ref: "scheduled"}
    last = crm.history("meeting", [double.ref], ["status"])[double.ref][-1]
    assert last.author.kind is AuthorKind.PERSON


def test_an_end_that_names_nobody_reaches_each_party_that_was_asked(tmp_path: Path) -> None:
    """A calendar's mere "it is off" is told of both customers; seen to fail with the first one's meeting alone."""
    with House(tmp_path, "sqlite:///journal.db", after=CALENDAR) as house:
        house.start()
        for who in ("ann", "ann2"):
            house.hear("Hello", who)
        begins = ahead(house)
        event = {
            "id": "ev1", "iCalUID": "ev1@google.com", "summary": "Offer", "status": "confirmed",
            "organizer": {"email": "anna@ours.test", "self": True}, "updated": house.clock().isoformat(),
            "start": {"dateTime": begins.isoformat()}, "end": {"dateTime": (begins + timedelta(hours=1)).isoformat()},
            "attendees": [{"email": f"{who}@x.test", "responseStatus": "accepted"} for who in ("ann", "ann2")],
        }  # fmt: skip
        told(house, event)
        assert statuses(house) == ["scheduled", "scheduled"]
        told(house, {"id": "ev1", "status": "cancelled"})
        assert statuses(house) == ["cancelled", "cancelled"]
        off = [a for a in house.facts("activity") if isinstance(a, Activity) and a.relates_to == "ev1@google.com"]
        assert [activity.participants for activity in off] == [()]


def told(house: House, event: dict[str, Any]) -> None:
    """The calendar tells of an event."""
    key = f"event:{event['id']}:{event['status']}"
    raw, headers = json.dumps(event).encode(), {"uid": "ev1@google.com"}
    house.app.pipeline.intake.keep("cal", PollBatch((Captured("anna@ours.test", raw, key, headers),), {}), None)
    house.work()
    house.clock.move(60)
